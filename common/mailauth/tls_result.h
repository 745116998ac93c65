// What becomes of the TLS of a session, as reports to the receiver's domain name it (RFC 8460 section 4.3). Pure.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace mailstead::mailauth {

// RFC 8460 section 4.2: "policy-type".
enum class TlsPolicyType : uint8_t { kNoPolicyFound, kTlsa, kSts };
inline constexpr TlsPolicyType kAllTlsPolicyTypes[] = {TlsPolicyType::kNoPolicyFound, TlsPolicyType::kTlsa,
                                                       TlsPolicyType::kSts};

// Why a session did not come up to the policy: RFC 8460 section 4.3, "result-type".
enum class TlsFailure : uint8_t {
  // Section 4.3.1: of the session.
  kStartTlsNotSupported,
  kCertificateHostMismatch,
  kCertificateExpired,
  kCertificateNotTrusted,
  // What fits none of the others.
  kValidationFailure,
  // Section 4.3.2.1: of DANE. None of the TLSA records can be used.
  kTlsaInvalid,
  // The resolver gave no valid records.
  kDnssecInvalid,
  // We ask for DANE where there is none.
  kDaneRequired,
  // Section 4.3.2.2: of MTA-STS. The policy could not be fetched.
  kStsPolicyFetchError,
  kStsPolicyInvalid,
  // The certificate of the policy's web server.
  kStsWebpkiInvalid,
};
inline constexpr TlsFailure kAllTlsFailures[] = {
    TlsFailure::kStartTlsNotSupported, TlsFailure::kCertificateHostMismatch,
    TlsFailure::kCertificateExpired,   TlsFailure::kCertificateNotTrusted,
    TlsFailure::kValidationFailure,    TlsFailure::kTlsaInvalid,
    TlsFailure::kDnssecInvalid,        TlsFailure::kDaneRequired,
    TlsFailure::kStsPolicyFetchError,  TlsFailure::kStsPolicyInvalid,
    TlsFailure::kStsWebpkiInvalid};

// As the report has them: "no-policy-found", "certificate-host-mismatch".
absl::string_view PolicyTypeName(TlsPolicyType type);
absl::string_view FailureName(TlsFailure failure);

}  // namespace mailstead::mailauth
