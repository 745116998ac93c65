#include "stored/api/srs.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "stored/api/convert/values.h"
#include "stored/core/srs.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

v1::DecodeSrsAddressResponse::Outcome OutcomeOf(SrsSenderFound::Outcome outcome) {
  switch (outcome) {
    case SrsSenderFound::Outcome::kSender:
      return v1::DecodeSrsAddressResponse::OUTCOME_SENDER;
    case SrsSenderFound::Outcome::kForged:
      return v1::DecodeSrsAddressResponse::OUTCOME_FORGED;
    case SrsSenderFound::Outcome::kExpired:
      return v1::DecodeSrsAddressResponse::OUTCOME_EXPIRED;
  }
  CHECK(false);
}

void ToProto(const SrsSecretInfo& secret, v1::SrsSecret& proto) {
  proto.set_number(secret.number);
  stored::ToProto(secret.create_time, *proto.mutable_create_time());
  proto.set_signs(secret.signs);
  if (secret.expire_time != absl::InfiniteFuture()) stored::ToProto(secret.expire_time, *proto.mutable_expire_time());
}

}  // namespace

Task<absl::Status> RotateSrsSecret(Environment& environment, rpc::Call& call,
                                   const v1::RotateSrsSecretRequest& request, v1::SrsSecret& response) {
  // SECURITY: for the audit, which never has the secret.
  call.SetTarget(request.drop_old() ? "srs: all older secrets dropped" : "srs");
  CO_ASSIGN_OR_RETURN(const SrsSecretInfo secret,
                      co_await environment.core.srs.Rotate(request.secret(), request.drop_old()));
  call.SetTarget(
      absl::StrCat("srs secret ", secret.number, request.drop_old() ? ", all older ones dropped" : ""));
  ToProto(secret, response);
  co_return absl::OkStatus();
}

Task<absl::Status> ListSrsSecrets(Environment& environment, rpc::Call&, const v1::ListSrsSecretsRequest&,
                                  v1::ListSrsSecretsResponse& response) {
  CO_ASSIGN_OR_RETURN(const std::vector<SrsSecretInfo> secrets, co_await environment.core.srs.List());
  for (const SrsSecretInfo& secret : secrets) ToProto(secret, *response.add_secrets());
  response.set_domain(environment.core.srs.domain());
  response.set_lifetime_days(environment.core.srs.lifetime_days());
  co_return absl::OkStatus();
}

Task<absl::Status> DecodeSrsAddress(Environment& environment, rpc::Call&,
                                    const v1::DecodeSrsAddressRequest& request,
                                    v1::DecodeSrsAddressResponse& response) {
  CO_ASSIGN_OR_RETURN(const SrsSenderFound found, co_await environment.core.srs.Decode(request.address()));
  response.set_outcome(OutcomeOf(found.outcome));
  if (found.outcome == SrsSenderFound::Outcome::kSender) response.set_sender(found.sender.ToString());
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
