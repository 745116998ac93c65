#include "common/store/sts_api.h"

#include <utility>

#include "common/base/status.h"
#include "mailstead/frontend/v1/sts.pb.h"

namespace mailstead::store {
namespace {

namespace fv1 = ::mailstead::frontend::v1;

constexpr Method<fv1::GetStsPolicyRequest, fv1::GetStsPolicyResponse> kGetStsPolicy{
    "mailstead.frontend.v1.StsService/GetStsPolicy"};
constexpr Method<fv1::KeepStsPolicyRequest, fv1::KeepStsPolicyResponse> kKeepStsPolicy{
    "mailstead.frontend.v1.StsService/KeepStsPolicy"};

absl::Duration ToDuration(const google::protobuf::Duration& proto) {
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

StsState ToState(fv1::StsPolicyState& proto) {
  StsState state;
  state.policy_id = std::move(*proto.mutable_policy_id());
  state.policy = std::move(*proto.mutable_policy());
  state.valid_for = ToDuration(proto.valid_for());
  state.fresh_for = ToDuration(proto.fresh_for());
  state.retry_after = ToDuration(proto.retry_after());
  return state;
}

}  // namespace

asio::awaitable<absl::StatusOr<StsState>> StsApi::Get(std::string domain, CallContext context) {
  fv1::GetStsPolicyRequest request;
  request.set_domain(std::move(domain));
  CO_ASSIGN_OR_RETURN(fv1::GetStsPolicyResponse response,
                      co_await store_.Call(kGetStsPolicy, std::move(request), std::move(context)));
  co_return ToState(*response.mutable_state());
}

asio::awaitable<absl::StatusOr<StsState>> StsApi::Keep(std::string domain, std::string policy_id,
                                                       std::string policy, CallContext context) {
  fv1::KeepStsPolicyRequest request;
  request.set_domain(std::move(domain));
  request.set_policy_id(std::move(policy_id));
  request.set_policy(std::move(policy));
  CO_ASSIGN_OR_RETURN(fv1::KeepStsPolicyResponse response,
                      co_await store_.Call(kKeepStsPolicy, std::move(request), std::move(context)));
  co_return ToState(*response.mutable_state());
}

}  // namespace mailstead::store
