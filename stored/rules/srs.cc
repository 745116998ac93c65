#include "stored/rules/srs.h"

#include "absl/strings/str_cat.h"

namespace mailstead::rules {

absl::Status CheckNewestSrsSecret(int64_t newest, int64_t seen) {
  if (newest == seen) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("the newest secret is number ", newest, ", and was ", seen));
}

}  // namespace mailstead::rules
