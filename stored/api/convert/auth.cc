#include "stored/api/convert/auth.h"

#include "common/base/check.h"

namespace mailstead::stored {

namespace v1 = frontend::v1;

sasl::Start FromProto(const v1::AuthenticateStart& start) {
  sasl::Start result;
  result.mechanism = start.mechanism();
  if (start.has_initial_response()) result.initial_response = start.initial_response();
  result.client_address = start.client_address();
  result.tls_exporter = start.tls_exporter();
  result.tls_unique = start.tls_unique();
  return result;
}

v1::Verdict::Result ToProto(sasl::Verdict verdict) {
  switch (verdict) {
    case sasl::Verdict::kOk:
      return v1::Verdict::RESULT_OK;
    case sasl::Verdict::kInvalidCredentials:
      return v1::Verdict::RESULT_INVALID_CREDENTIALS;
    case sasl::Verdict::kDisabled:
      return v1::Verdict::RESULT_DISABLED;
    case sasl::Verdict::kMalformed:
      return v1::Verdict::RESULT_MALFORMED;
    case sasl::Verdict::kUnsupportedMechanism:
      return v1::Verdict::RESULT_UNSUPPORTED_MECHANISM;
  }
  CHECK(false);
}

}  // namespace mailstead::stored
