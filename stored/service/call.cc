#include "stored/service/call.h"

#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/rpc/errors.h"

namespace mailstead::store {
namespace {

absl::Time DeadlineOf(const grpc::ServerContextBase& context) {
  // gRPC gives time_point::max for none; what is centuries ahead counts as none as well.
  const auto deadline = context.deadline();
  if (deadline > std::chrono::system_clock::now() + std::chrono::hours(24 * 365 * 100))
    return absl::InfiniteFuture();
  return absl::FromChrono(deadline);
}

}  // namespace

absl::Status Busy() { return absl::ResourceExhaustedError("the store is busy"); }

absl::Status Call::Admit() {
  began_ = absl::Now();
  if (method_.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(environment_.callers.Check(context_, method_));
  // gRPC rounds what it sends: a day may arrive as ten minutes more.
  if (kind_ == Kind::kStream && DeadlineOf(context_) > began_ + kMaxStreamTime + absl::Minutes(30)) {
    return FieldError("deadline", "a streaming call must have one, at most 24 hours ahead");
  }
  return absl::OkStatus();
}

absl::Status Call::InTime() const {
  if (kind_ == Kind::kUnary && Took() > environment_.max_unary_time)
    return absl::DeadlineExceededError("the call waited too long");
  return absl::OkStatus();
}

grpc::Status Call::End(const absl::Status& status) const {
  if (!method_.empty()) environment_.metrics.CountCall(method_, status.code(), Took());
  return rpc::ToGrpc(status);
}

}  // namespace mailstead::store
