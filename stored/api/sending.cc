#include "stored/api/sending.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/convert/values.h"
#include "stored/api/visible.h"
#include "stored/core/sending.h"
#include "stored/rules/lane.h"
#include "stored/rules/sending.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;
using Why = engine::SendingPause::Why;

// Messages of the queue that are looked at in one step.
constexpr size_t kStepMessages = 100;

v1::SendingPauseReason ReasonOfPause(Why why) {
  switch (why) {
    case Why::kNone:
      return v1::SENDING_PAUSE_REASON_UNSPECIFIED;
    case Why::kOperator:
      return v1::SENDING_PAUSE_REASON_OPERATOR;
    case Why::kNewRecipients:
      return v1::SENDING_PAUSE_REASON_NEW_RECIPIENTS;
    case Why::kRefusals:
      return v1::SENDING_PAUSE_REASON_REFUSALS;
  }
  CHECK(false);
}

void ToProto(const engine::SendingLimits& limits, v1::SendingLimits& proto) {
  if (limits.hourly_messages.has_value()) proto.mutable_hourly_messages()->set_value(*limits.hourly_messages);
  if (limits.daily_messages.has_value()) proto.mutable_daily_messages()->set_value(*limits.daily_messages);
  if (limits.hourly_recipients.has_value())
    proto.mutable_hourly_recipients()->set_value(*limits.hourly_recipients);
  if (limits.daily_recipients.has_value())
    proto.mutable_daily_recipients()->set_value(*limits.daily_recipients);
  proto.set_trusted(limits.trusted);
}

void ToProto(const engine::SendingSlot& use, v1::SendingUse& proto) {
  proto.set_messages(use.messages);
  proto.set_recipients(use.recipients);
  proto.set_new_recipients(use.new_recipients);
  proto.set_delivered(use.delivered);
  proto.set_refused(use.refused);
}

absl::StatusOr<std::optional<int64_t>> ReadLimit(absl::string_view name, bool is_set, int64_t limit) {
  constexpr int64_t kMostLimit = 1'000'000'000;
  if (!is_set) return std::nullopt;
  if (limit < 0 || limit > kMostLimit) {
    return FieldError(absl::StrCat("limits.", name), "must be 0 to 1000000000");
  }
  return limit;
}

absl::StatusOr<engine::SendingLimits> FromProto(const v1::SendingLimits& proto) {
  engine::SendingLimits limits;
  ASSIGN_OR_RETURN(limits.hourly_messages, ReadLimit("hourly_messages", proto.has_hourly_messages(),
                                                     proto.hourly_messages().value()));
  ASSIGN_OR_RETURN(limits.daily_messages,
                   ReadLimit("daily_messages", proto.has_daily_messages(), proto.daily_messages().value()));
  ASSIGN_OR_RETURN(limits.hourly_recipients, ReadLimit("hourly_recipients", proto.has_hourly_recipients(),
                                                       proto.hourly_recipients().value()));
  ASSIGN_OR_RETURN(limits.daily_recipients, ReadLimit("daily_recipients", proto.has_daily_recipients(),
                                                      proto.daily_recipients().value()));
  limits.trusted = proto.trusted();
  return limits;
}

Task<absl::Status> Give(Environment& environment, const engine::Account& account, v1::Sending& response) {
  CO_ASSIGN_OR_RETURN(const AccountSending::State state, co_await environment.core.sending.Get(account.id));
  response.set_account_id(absl::StrCat(account.id.value));
  response.set_address(account.address);
  const bool paused = state.settings.pause.why != Why::kNone;
  response.set_state(paused ? v1::SENDING_STATE_PAUSED : v1::SENDING_STATE_ACTIVE);
  response.set_pause_reason(ReasonOfPause(state.settings.pause.why));
  if (paused) stored::ToProto(state.settings.pause.since, *response.mutable_pause_time());
  ToProto(state.settings.limits, *response.mutable_own_limits());
  response.set_etag(MakeEtag(rules::VersionOf(state.settings.limits)));
  v1::SendingLimits& limits = *response.mutable_limits();
  limits.mutable_hourly_messages()->set_value(state.bounds.hourly_messages);
  limits.mutable_daily_messages()->set_value(state.bounds.daily_messages);
  limits.mutable_hourly_recipients()->set_value(state.bounds.hourly_recipients);
  limits.mutable_daily_recipients()->set_value(state.bounds.daily_recipients);
  limits.set_trusted(state.settings.limits.trusted);
  ToProto(state.hour, *response.mutable_hour());
  ToProto(state.day, *response.mutable_day());
  co_return absl::OkStatus();
}

// Names the account in the audit.
Task<absl::StatusOr<engine::Account>> FindAudited(Environment& environment, rpc::Call& call,
                                                  std::string name) {
  call.SetTarget(absl::StrCat("account ", name));
  CO_ASSIGN_OR_RETURN(engine::Account account, co_await FindAccount(environment, call, name));
  call.SetTarget(absl::StrCat("account ", account.id.value, " ", account.address));
  co_return account;
}

// What is held of an account's mail, whoever has held it; how many recipients.
Task<absl::StatusOr<int64_t>> Release(Environment& environment, const rpc::Call& call, AccountId account) {
  const std::string lane = rules::AccountLane(account);
  int64_t count = 0;
  for (QueueId after;;) {
    CO_RETURN_IF_ERROR(call.StillWanted());
    CO_ASSIGN_OR_RETURN(const std::vector<engine::QueuedMessage> messages,
                        co_await environment.core.engine.queue().List(after, kStepMessages, 1));
    for (const engine::QueuedMessage& message : messages) {
      after = message.id;
      if (message.lane != lane) continue;
      QueueFilter all;
      const absl::StatusOr<OutboundQueue::Changed> changed = co_await environment.core.queue.Change(
          QueueAction::kRelease, std::move(all), message.id, /*dry_run=*/false);
      // It has ended meanwhile.
      if (absl::IsNotFound(changed.status())) continue;
      if (!changed.ok()) co_return changed.status();
      count += changed->changed_count;
    }
    if (messages.size() < kStepMessages) co_return count;
  }
}

}  // namespace

Task<absl::Status> GetSending(Environment& environment, rpc::Call& call, const v1::GetSendingRequest& request,
                              v1::Sending& response) {
  CO_ASSIGN_OR_RETURN(const engine::Account account,
                      co_await FindAudited(environment, call, request.account()));
  co_return co_await Give(environment, account, response);
}

Task<absl::Status> SetSendingLimits(Environment& environment, rpc::Call& call,
                                    const v1::SetSendingLimitsRequest& request, v1::Sending& response) {
  CO_ASSIGN_OR_RETURN(const engine::Account account,
                      co_await FindAudited(environment, call, request.account()));
  CO_ASSIGN_OR_RETURN(const engine::SendingLimits limits, FromProto(request.limits()));
  CO_ASSIGN_OR_RETURN(const int64_t expected_version, ReadEtag(request.etag()));
  CO_RETURN_IF_ERROR(co_await environment.core.sending.SetLimits(account.id, limits, expected_version));
  co_return co_await Give(environment, account, response);
}

Task<absl::Status> PauseSending(Environment& environment, rpc::Call& call,
                                const v1::PauseSendingRequest& request, v1::Sending& response) {
  CO_ASSIGN_OR_RETURN(const engine::Account account,
                      co_await FindAudited(environment, call, request.account()));
  CO_RETURN_IF_ERROR(co_await environment.core.sending.Pause(account.id));
  co_return co_await Give(environment, account, response);
}

Task<absl::Status> ResumeSending(Environment& environment, rpc::Call& call,
                                 const v1::ResumeSendingRequest& request, v1::Sending& response) {
  CO_ASSIGN_OR_RETURN(const engine::Account account,
                      co_await FindAudited(environment, call, request.account()));
  CO_RETURN_IF_ERROR(co_await environment.core.sending.Resume(account.id));
  CO_ASSIGN_OR_RETURN(const int64_t released, co_await Release(environment, call, account.id));
  CO_RETURN_IF_ERROR(co_await Give(environment, account, response));
  response.set_released_count(released);
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
