#include "stored/api/admission.h"

#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/probe.h"

namespace mailstead::stored {
namespace {

// The package says nothing to who reads a table of calls: "MaildropService/OpenMaildrop".
absl::string_view ShortName(absl::string_view method) { return method.substr(method.rfind('.') + 1); }

}  // namespace

std::shared_ptr<const rpc::Caller> Admission::Identify(const rpc::Credentials& credentials) {
  return std::make_shared<const rpc::Caller>(callers_.Identify(credentials));
}

absl::Status Admission::Admit(rpc::ServedCall& call) {
  RETURN_IF_ERROR(CheckCaller(call));
  RETURN_IF_ERROR(TakePlace(call));
  LimitTime(call);
  if (call.revision().empty()) return absl::OkStatus();
  int revision = 0;
  if (!absl::SimpleAtoi(call.revision(), &revision)) {
    return FieldError("mailstead-revision", "must be a number");
  }
  return CheckRevision(revision);
}

absl::Status Admission::CheckCaller(const rpc::ServedCall& call) {
  const unsigned may = call.method().roles;
  const unsigned is = call.caller().roles;
  if (may == 0) return absl::OkStatus();
  absl::Status status;
  if (is == 0) {
    status = WithReason(absl::UnauthenticatedError("a token or client certificate of a known role is needed"),
                        kReasonNoCredential);
  } else if ((is & may) == 0) {
    status = WithReason(
        absl::PermissionDeniedError(absl::StrCat("this caller may not call ", ShortName(call.method().name))),
        kReasonWrongRole);
  }
  if (!status.ok()) audit_.Refused(call, status);
  return status;
}

absl::Status Admission::TakePlace(const rpc::ServedCall& call) {
  if (call.door() == rpc::Door::kBatch) return absl::OkStatus();
  if (call.caller().roles != 0) {
    if (known_calls_.size() >= options_.max_known_calls) {
      return WithReason(absl::ResourceExhaustedError("too many calls at the same time"), kReasonBusy);
    }
    known_calls_.insert(&call);
    return absl::OkStatus();
  }
  // SECURITY: a connection is one peer of gRPC's, with its port.
  const auto of_connection = unknown_calls_of_.find(call.caller().peer);
  const size_t count = of_connection == unknown_calls_of_.end() ? 0 : of_connection->second;
  if (unknown_calls_.size() >= options_.max_unknown_calls ||
      count >= options_.max_unknown_calls_of_connection) {
    return WithReason(absl::ResourceExhaustedError("too many calls without a known token or certificate"),
                      kReasonBusy);
  }
  unknown_calls_.insert(&call);
  unknown_calls_of_[call.caller().peer] = count + 1;
  return absl::OkStatus();
}

void Admission::LimitTime(rpc::ServedCall& call) const {
  if (call.method().shape == rpc::Shape::kUnary || call.door() == rpc::Door::kBatch) {
    // What is open to all waits for nothing.
    if (call.method().roles != 0) call.LimitTo(call.began() + options_.max_unary_time);
  } else if (call.deadline() == absl::InfiniteFuture() && !call.method().long_lived) {
    call.LimitTo(call.began() + options_.stream_time);
  } else {
    call.LimitTo(call.began() + options_.max_stream_time);
  }
}

void Admission::Ended(const rpc::ServedCall& call, const absl::Status& status) {
  if (unknown_calls_.erase(&call) > 0) {
    const auto of_connection = unknown_calls_of_.find(call.caller().peer);
    if (--of_connection->second == 0) unknown_calls_of_.erase(of_connection);
  } else {
    known_calls_.erase(&call);
  }
  const rpc::Method& method = call.method();
  if (method.counted) metrics_.CountCall(ShortName(method.name), call.door(), status.code(), call.Took());
  const std::string reason = ReasonOf(status);
  if (reason == kReasonNoCredential || reason == kReasonWrongRole) return;
  if (reason == kReasonGrantInvalid || reason == kReasonGrantExpired) return audit_.Refused(call, status);
  if (method.audited) audit_.Ended(call, status);
}

}  // namespace mailstead::stored
