#include "stored/api/admission.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/details.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/probe.h"

namespace mailstead::stored {
namespace {

// The package says nothing to who reads a table of calls: "MaildropService/OpenMaildrop".
absl::string_view ShortName(absl::string_view method) { return method.substr(method.rfind('.') + 1); }

// Refusals of admission, of which the audit has heard.
constexpr absl::string_view kToldBefore[] = {
    kReasonNoCredential, kReasonWrongRole,  kReasonScopeMissing, kReasonKeyRestricted,
    kReasonKeyMalformed, kReasonKeyExpired, kReasonKeyRevoked,   kReasonAddressNotAllowed};
// What a caller can bring about as often as it likes.
constexpr absl::string_view kRefusals[] = {kReasonGrantInvalid, kReasonGrantExpired, kReasonRateLimit,
                                           kReasonConcurrencyLimit};

}  // namespace

std::shared_ptr<const rpc::Caller> Admission::Identify(const rpc::Credentials& credentials) {
  return std::make_shared<const rpc::Caller>(callers_.Identify(credentials));
}

absl::Status Admission::Admit(rpc::ServedCall& call) {
  RETURN_IF_ERROR(CheckCaller(call));
  RETURN_IF_ERROR(TakePlace(call));
  RETURN_IF_ERROR(TakeTurn(call));
  LimitTime(call);
  if (call.revision().empty()) return absl::OkStatus();
  int revision = 0;
  if (!absl::SimpleAtoi(call.revision(), &revision)) {
    return FieldError("mailstead-revision", "must be a number");
  }
  return CheckRevision(revision);
}

absl::Status Admission::CheckCaller(const rpc::ServedCall& call) {
  if (call.method().roles == 0) return absl::OkStatus();
  absl::Status status = RefusalOf(call);
  if (status.ok()) return status;
  audit_.Refused(call, status);
  metrics_.CountRefusal(ReasonOf(status));
  return status;
}

absl::Status Admission::RefusalOf(const rpc::ServedCall& call) const {
  const unsigned may = call.method().roles;
  const rpc::Caller& caller = call.caller();
  if (!caller.refusal.ok()) return caller.refusal;
  if (caller.roles == 0) {
    return WithReason(
        absl::UnauthenticatedError("a token, a key or a client certificate that is known is needed"),
        kReasonNoCredential);
  }
  const Keys::Found* const key = KeyOf(caller);
  const bool for_keys = key != nullptr && (may & kAllScopes) != 0;
  if ((caller.roles & may) == 0 && for_keys) {
    for (const ScopeName& scope : kScopeNames) {
      if ((may & scope.scope) != 0) return ScopeMissing(scope.scope);
    }
  }
  if ((caller.roles & may) == 0) {
    return WithReason(
        absl::PermissionDeniedError(absl::StrCat("this caller may not call ", ShortName(call.method().name))),
        kReasonWrongRole);
  }
  if (key != nullptr && (may & kWholeStore) != 0 && !key->key->key.sight.all) {
    return WithReason(
        absl::PermissionDeniedError(absl::StrCat("this key is for some mailboxes or domains, and ",
                                                 ShortName(call.method().name), " is about the whole store")),
        kReasonKeyRestricted);
  }
  return absl::OkStatus();
}

absl::Status Admission::TakeTurn(const rpc::ServedCall& call) {
  const Keys::Found* const key = KeyOf(call.caller());
  if (key == nullptr || keys_ == nullptr || call.method().roles == 0) return absl::OkStatus();
  const engine::Key& record = key->key->key;
  RETURN_IF_ERROR(keys_->traffic().Begin(record.id, record.limits, key->address, clock_.Now()));
  key_of_.emplace(&call, record.id);
  return absl::OkStatus();
}

void Admission::Recheck() {
  std::vector<rpc::ServedCall*> streams;
  for (const auto& [known, call] : streams_) streams.push_back(call);
  for (rpc::ServedCall* const call : streams) {
    // One may have ended with another.
    if (!streams_.contains(call)) continue;
    absl::Status status;
    const Keys::Found* const key = KeyOf(call->caller());
    if (key != nullptr && keys_ != nullptr) {
      status = keys_->Check(*key);
    } else if ((call->identity().Look(*this)->roles & kOperator) == 0) {
      status = WithReason(absl::UnauthenticatedError("the token has been replaced"), kReasonNoCredential);
    }
    if (!status.ok()) call->Cut(std::move(status));
  }
}

absl::Status Admission::TakePlace(rpc::ServedCall& call) {
  if (call.door() == rpc::Door::kBatch) return absl::OkStatus();
  if (call.caller().roles != 0) {
    if (known_calls_.size() >= options_.max_known_calls) {
      return WithReason(absl::ResourceExhaustedError("too many calls at the same time"), kReasonBusy);
    }
    known_calls_.insert(&call);
    const bool is_stream = call.method().shape != rpc::Shape::kUnary;
    const bool may_end = KeyOf(call.caller()) != nullptr || (call.caller().roles & kOperator) != 0;
    if (is_stream && may_end) streams_.emplace(&call, &call);
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
    streams_.erase(&call);
  }
  if (const auto counted = key_of_.find(&call); counted != key_of_.end()) {
    keys_->traffic().Ended(counted->second);
    key_of_.erase(counted);
  }
  const rpc::Method& method = call.method();
  if (method.counted) {
    metrics_.CountCall(ShortName(method.name), call.door(), status.code(), call.Took());
    if (method.roles != 0) metrics_.CountCaller(call.caller().name);
  }
  const std::string reason = ReasonOf(status);
  if (absl::c_linear_search(kToldBefore, reason)) return;
  if (absl::c_linear_search(kRefusals, reason)) return audit_.Refused(call, status);
  if (method.audited) audit_.Ended(call, status);
}

}  // namespace mailstead::stored
