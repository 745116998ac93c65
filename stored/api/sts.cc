#include "stored/api/sts.h"

#include <string>
#include <utility>

#include "common/base/status.h"
#include "stored/api/convert/values.h"
#include "stored/core/names.h"

namespace mailstead::stored {
namespace {

void Fill(StsPolicies::State state, frontend::v1::StsPolicyState& proto) {
  if (!state.policy_id.empty()) {
    proto.set_policy_id(std::move(state.policy_id));
    proto.set_policy(std::move(state.file));
    ToProto(state.times.valid_for, *proto.mutable_valid_for());
    ToProto(state.times.fresh_for, *proto.mutable_fresh_for());
  }
  if (state.times.retry_after > absl::ZeroDuration())
    ToProto(state.times.retry_after, *proto.mutable_retry_after());
}

}  // namespace

Task<absl::Status> GetStsPolicy(Environment& environment, rpc::Call&,
                                const frontend::v1::GetStsPolicyRequest& request,
                                frontend::v1::GetStsPolicyResponse& response) {
  CO_ASSIGN_OR_RETURN(std::string domain, CheckDomainName("domain", request.domain()));
  CO_ASSIGN_OR_RETURN(StsPolicies::State state,
                      co_await environment.core.sts_policies.Get(std::move(domain)));
  Fill(std::move(state), *response.mutable_state());
  co_return absl::OkStatus();
}

Task<absl::Status> KeepStsPolicy(Environment& environment, rpc::Call&,
                                 const frontend::v1::KeepStsPolicyRequest& request,
                                 frontend::v1::KeepStsPolicyResponse& response) {
  CO_ASSIGN_OR_RETURN(std::string domain, CheckDomainName("domain", request.domain()));
  CO_ASSIGN_OR_RETURN(
      StsPolicies::State state,
      co_await environment.core.sts_policies.Keep(std::move(domain), request.policy_id(), request.policy()));
  Fill(std::move(state), *response.mutable_state());
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
