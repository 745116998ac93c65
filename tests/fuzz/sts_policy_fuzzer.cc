#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "common/base/check.h"
#include "common/mailauth/sts_policy.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {

void Run(absl::string_view input) {
  const absl::StatusOr<mailauth::StsPolicy> policy = mailauth::ParseStsPolicy(input);
  if (policy.ok()) {
    CHECK(policy->max_age >= absl::ZeroDuration() && policy->max_age <= mailauth::kMaxStsAge);
    CHECK(policy->mx.size() <= mailauth::kMaxStsPatterns);
    CHECK(policy->mode == mailauth::StsPolicy::Mode::kNone || !policy->mx.empty());
    const absl::StatusOr<mailauth::StsPolicy> again =
        mailauth::ParseStsPolicy(mailauth::StsPolicyFile(*policy));
    CHECK(again.ok() && *again == *policy);
    for (const std::string& pattern : policy->mx) {
      const bool wildcard = pattern.rfind("*.", 0) == 0;
      const std::string name = wildcard ? "host" + pattern.substr(1) : pattern;
      CHECK(mailauth::StsAllows(*policy, name) && mailauth::StsAllows(*policy, name + "."));
    }
    (void)mailauth::StsAllows(*policy, input);
  }
  const std::vector<std::string> texts = absl::StrSplit(input, '\n');
  const absl::StatusOr<std::string> id = mailauth::FindStsId(texts);
  if (id.ok()) CHECK(mailauth::IsStsId(*id));
  (void)mailauth::IsStsMediaType(input);
}

}  // namespace mailstead::fuzz
