#include "common/rpc/server/served_call.h"

#include "common/base/reason.h"
#include "common/base/status.h"

namespace mailstead::rpc {
namespace {

constexpr size_t kMaxSessionIdBytes = 128;

// It goes to the log, and names locks.
absl::Status CheckSessionId(absl::string_view session_id) {
  if (session_id.size() > kMaxSessionIdBytes) {
    return FieldError("session_id", "must have at most 128 characters");
  }
  for (const char c : session_id) {
    if (c < '!' || c > '~') return FieldError("session_id", "must have printable ASCII characters only");
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view DoorName(Door door) {
  switch (door) {
    case Door::kGrpc:
      return "grpc";
    case Door::kBatch:
      return "batch";
    case Door::kInProcess:
      return "in_process";
  }
  return "";
}

std::shared_ptr<const Caller> Identity::Look(Admission& admission) {
  const int64_t generation = admission.Generation();
  if (caller_ == nullptr || generation != generation_) {
    caller_ = admission.Identify(credentials_);
    generation_ = generation;
  }
  return caller_;
}

ServedCall::ServedCall(const Service& service, const Method& method, Identity& identity, CallFacts facts)
    : service_(service),
      method_(method),
      identity_(identity),
      facts_(std::move(facts)),
      began_(service.clock.Now()),
      caller_(identity.Look(service.admission)) {}

absl::Status ServedCall::Begin() {
  if (absl::Status checked = CheckSessionId(facts_.session_id); !checked.ok()) {
    // SECURITY: it is not shown anywhere.
    facts_.session_id.clear();
    const absl::Status admitted = service_.admission.Admit(*this);
    return admitted.ok() ? checked : admitted;
  }
  RETURN_IF_ERROR(service_.admission.Admit(*this));
  return StillWanted();
}

Task<absl::Status> ServedCall::Run(RequestSource& requests, ResponseSink& responses) {
  absl::Status status = Begin();
  if (status.ok() && facts_.admitted) facts_.admitted();
  if (status.ok()) status = co_await method_.handler(*this, requests, responses);
  status = WithAnyReason(std::move(status));
  End(status);
  when_gone_ = nullptr;
  co_return status;
}

void ServedCall::End(const absl::Status& status) {
  if (std::exchange(ended_, true)) return;
  service_.admission.Ended(*this, status);
}

void ServedCall::Abandon(absl::Status why) {
  if (!gone_.ok()) return;
  gone_ = std::move(why);
  if (const auto then = std::exchange(when_gone_, nullptr)) then();
}

void ServedCall::Cut(absl::Status why) {
  if (cut_ == nullptr) return Abandon(std::move(why));
  // The call may go while its door ends it.
  const std::function<void(const absl::Status&)> cut = cut_;
  cut(why);
}

absl::Status ServedCall::StillWanted() const {
  if (!gone_.ok()) return gone_;
  if (facts_.deadline != absl::InfiniteFuture() && service_.clock.Now() >= facts_.deadline) {
    return Overdue();
  }
  return absl::OkStatus();
}

absl::Status ServedCall::Overdue() const {
  if (!is_limited_) return absl::DeadlineExceededError("the call waited too long");
  if (method_.long_lived) {
    return WithReason(
        absl::DeadlineExceededError("the stream is as old as it may become: open it again where it stopped"),
        kReasonStreamAge);
  }
  return WithReason(absl::DeadlineExceededError("the call took longer than the store lets such a call take"),
                    kReasonCallTooLong);
}

void ServedCall::WhenGone(std::function<void()> then) {
  if (gone_.ok() || then == nullptr) {
    when_gone_ = std::move(then);
  } else {
    then();
  }
}

}  // namespace mailstead::rpc
