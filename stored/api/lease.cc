#include "stored/api/lease.h"

#include "absl/time/time.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/convert/values.h"
#include "stored/api/retention.h"
#include "stored/core/names.h"

namespace mailstead::stored {
namespace {

namespace v1 = frontend::v1;

constexpr absl::Duration kMinLeaseTtl = absl::Seconds(1);
constexpr absl::Duration kMaxLeaseTtl = absl::Seconds(60);

}  // namespace

Task<absl::Status> RenewLease(Environment& environment, rpc::Call&, const v1::RenewLeaseRequest& request,
                              v1::RenewLeaseResponse& response) {
  CO_RETURN_IF_ERROR(CheckIdentifier("lease_id", request.lease_id()));
  CO_RETURN_IF_ERROR(CheckLogText("holder", request.holder()));
  CO_ASSIGN_OR_RETURN(const absl::Duration ttl, FromProto("ttl", request.ttl()));
  if (ttl < kMinLeaseTtl || ttl > kMaxLeaseTtl) co_return FieldError("ttl", "must be 1 to 60 seconds");
  const absl::Duration least = LeastRetention(environment.core);
  if (least > absl::ZeroDuration()) ToProto(least, *response.mutable_least_retention());
  co_return co_await environment.core.maildrops.RenewLease(request.lease_id(), request.holder(), ttl);
}

Task<absl::Status> EndLease(Environment& environment, rpc::Call&, const v1::EndLeaseRequest& request,
                            v1::EndLeaseResponse&) {
  CO_RETURN_IF_ERROR(CheckIdentifier("lease_id", request.lease_id()));
  co_return co_await environment.core.maildrops.EndLease(request.lease_id());
}

}  // namespace mailstead::stored
