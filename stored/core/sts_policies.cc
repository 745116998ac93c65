#include "stored/core/sts_policies.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/mailauth/sts_policy.h"

namespace mailstead::stored {

StsPolicies::State StsPolicies::StateOf(engine::StsPolicy policy) const {
  State state;
  absl::Duration max_age;
  if (!policy.policy_id.empty()) {
    // What is kept was one when it came in; should it be none any more, it is as if there were none.
    const absl::StatusOr<mailauth::StsPolicy> parsed = mailauth::ParseStsPolicy(policy.file);
    if (parsed.ok()) max_age = parsed->max_age;
  }
  state.times = rules::StsTimesOf(policy, max_age, clock_.Now());
  if (state.times.valid_for <= absl::ZeroDuration()) return state;
  state.policy_id = std::move(policy.policy_id);
  state.file = std::move(policy.file);
  return state;
}

Task<absl::StatusOr<StsPolicies::State>> StsPolicies::Get(std::string domain) {
  absl::StatusOr<engine::StsPolicy> found = co_await engine_.Find(std::move(domain));
  if (absl::IsNotFound(found.status())) co_return State();
  if (!found.ok()) co_return std::move(found).status();
  co_return StateOf(*std::move(found));
}

Task<absl::StatusOr<StsPolicies::State>> StsPolicies::Keep(std::string domain, std::string policy_id,
                                                           std::string file) {
  if (policy_id.empty() != file.empty())
    co_return FieldError("policy", "comes with a policy_id, or not at all");
  if (!policy_id.empty()) {
    if (!mailauth::IsStsId(policy_id))
      co_return FieldError("policy_id", "must be 1 to 32 letters and digits");
    const absl::StatusOr<mailauth::StsPolicy> parsed = mailauth::ParseStsPolicy(file);
    if (!parsed.ok())
      co_return FieldError("policy", absl::StrCat("is no policy: ", parsed.status().message()));
    // In our own words: no longer than its hosts make it.
    file = mailauth::StsPolicyFile(*parsed);
  }
  engine::StsFetch fetch{std::move(domain), clock_.Now(), std::move(policy_id), std::move(file)};
  CO_ASSIGN_OR_RETURN(engine::StsPolicy kept, co_await engine_.Keep(std::move(fetch), kMaxDomains));
  co_return StateOf(std::move(kept));
}

}  // namespace mailstead::stored
