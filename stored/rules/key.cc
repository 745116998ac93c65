#include "stored/rules/key.h"

#include "common/base/reason.h"

namespace mailstead::rules {

absl::Status CheckKeyVersion(int64_t kept, int64_t version) {
  if (version == kept + 1) return absl::OkStatus();
  return WithReason(absl::AbortedError("the key was changed meanwhile"), kReasonEtagMismatch);
}

}  // namespace mailstead::rules
