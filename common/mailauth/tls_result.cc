#include "common/mailauth/tls_result.h"

namespace mailstead::mailauth {

absl::string_view PolicyTypeName(TlsPolicyType type) {
  switch (type) {
    case TlsPolicyType::kNoPolicyFound:
      return "no-policy-found";
    case TlsPolicyType::kTlsa:
      return "tlsa";
    case TlsPolicyType::kSts:
      return "sts";
  }
  return "";
}

absl::string_view FailureName(TlsFailure failure) {
  switch (failure) {
    case TlsFailure::kStartTlsNotSupported:
      return "starttls-not-supported";
    case TlsFailure::kCertificateHostMismatch:
      return "certificate-host-mismatch";
    case TlsFailure::kCertificateExpired:
      return "certificate-expired";
    case TlsFailure::kCertificateNotTrusted:
      return "certificate-not-trusted";
    case TlsFailure::kValidationFailure:
      return "validation-failure";
    case TlsFailure::kTlsaInvalid:
      return "tlsa-invalid";
    case TlsFailure::kDnssecInvalid:
      return "dnssec-invalid";
    case TlsFailure::kDaneRequired:
      return "dane-required";
    case TlsFailure::kStsPolicyFetchError:
      return "sts-policy-fetch-error";
    case TlsFailure::kStsPolicyInvalid:
      return "sts-policy-invalid";
    case TlsFailure::kStsWebpkiInvalid:
      return "sts-webpki-invalid";
  }
  return "";
}

}  // namespace mailstead::mailauth
