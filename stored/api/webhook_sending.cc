#include "stored/api/webhook_sending.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/details.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "stored/api/convert/values.h"
#include "stored/api/message_view.h"
#include "stored/api/watched.h"
#include "stored/api/webhook_event.h"
#include "stored/core/names.h"
#include "stored/core/watches.h"
#include "stored/core/webhooks.h"
#include "stored/engine/webhook.h"
#include "stored/rules/webhook.h"

namespace mailstead::stored {
namespace {

namespace v1 = frontend::v1;
using engine::ChangeCursor;

constexpr absl::Duration kMaxWait = absl::Seconds(30);
constexpr int32_t kMaxEvents = 100;
constexpr size_t kMaxLanes = 1000;
// An answer with so much has enough.
constexpr size_t kEnoughBytes = 512 << 10;
// A message that others' readings leave no memory for at this moment.
constexpr absl::Duration kMemoryLook = absl::Milliseconds(20);

ChangeCursor FromProto(const v1::WebhookCursor& proto) {
  return {proto.position(), MessageId{proto.message_id()}};
}

void ToProto(const ChangeCursor& cursor, v1::WebhookCursor& proto) {
  proto.set_position(cursor.position);
  proto.set_message_id(cursor.message.value);
}

void ToProto(const engine::WebhookLane& lane, absl::Time now, v1::WebhookLane& proto) {
  proto.set_account_id(lane.account.value);
  proto.set_waits(lane.time != absl::InfiniteFuture());
  if (proto.waits())
    stored::ToProto(std::max(lane.time - now, absl::ZeroDuration()), *proto.mutable_due_in());
}

// As much of a message that has come as is sent.
Task<absl::Status> AddContent(Environment& environment, AccountId account, store::v1::WatchEvent& event) {
  if (!event.has_delivered()) co_return absl::OkStatus();
  MessageViewOptions view;
  view.view = store::v1::MESSAGE_VIEW_PARSED;
  store::v1::WatchDelivered& delivered = *event.mutable_delivered();
  Waker waker = environment.core.watches.NewWaker();
  while (true) {
    absl::StatusOr<engine::MessageSummary> summary =
        co_await FindSummary(environment, account, MessageId{delivered.message_id()});
    absl::Status read = summary.status();
    if (summary.ok()) {
      absl::StatusOr<store::v1::Message> message =
          co_await ReadListedView(environment, account, *std::move(summary), view);
      read = message.status();
      if (message.ok()) *delivered.mutable_message() = *std::move(message);
    }
    // Where it has gone what is known of it is sent.
    if (read.ok() || absl::IsNotFound(read)) co_return absl::OkStatus();
    if (ReasonOf(read) != kReasonBusy) co_return read;
    co_await waker.Wait(kMemoryLook);
  }
}

Task<absl::Status> AddEvent(Environment& environment, const engine::WebhookEvent& event,
                            v1::ReadWebhookEventsResponse& response, size_t& bytes) {
  CO_ASSIGN_OR_RETURN(store::v1::DeadWebhookEvent kept, ReadWebhookEvent(event.event));
  v1::WebhookEvent& proto = *response.add_events();
  proto.set_event_id(std::move(*kept.mutable_event_id()));
  proto.set_type(std::move(*kept.mutable_type()));
  proto.set_account_id(event.account.value);
  ToProto(event.at, *proto.mutable_cursor());
  *proto.mutable_event() = std::move(*kept.mutable_event());
  proto.set_kept(event.event);
  proto.set_attempt_count(event.attempt_count);
  CO_RETURN_IF_ERROR(co_await AddContent(environment, event.account, *proto.mutable_event()));
  bytes += proto.ByteSizeLong();
  co_return absl::OkStatus();
}

// What the feed has behind the request's cursor; waits for some.
Task<absl::Status> ReadFeed(Environment& environment, const engine::KeptWebhook& kept,
                            const v1::ReadWebhookEventsRequest& request, absl::Duration wait,
                            v1::ReadWebhookEventsResponse& response) {
  Core& core = environment.core;
  CO_RETURN_IF_ERROR(core.webhooks.CheckPlace(kept.progress));
  CO_ASSIGN_OR_RETURN(const Watched watched, ReadKeptFilter(kept.webhook.filter));
  engine::ChangeQuestion question = watched.Question();
  question.limit = static_cast<size_t>(request.event_limit());
  question.after = FromProto(request.cursor());

  Waker waker = core.watches.NewWaker();
  Watches::Member member(core.watches, waker);
  CO_RETURN_IF_ERROR(member.Subscribe(watched.accounts, watched.domain));
  const absl::Time deadline = Clock::Steady().Now() + wait;
  engine::ChangePage page;
  while (true) {
    member.Clear();
    const int64_t account_changes = core.watches.account_changes();
    CO_ASSIGN_OR_RETURN(page, co_await core.engine.changes().Read(question));
    for (const engine::FeedChange& change : page.changes) {
      core.watches.Learn(change.account, change.current_address, account_changes);
    }
    question.after = page.reached;
    if (!page.changes.empty() || page.more) break;
    const absl::Duration left = deadline - Clock::Steady().Now();
    if (left <= absl::ZeroDuration() || core.watches.stopping()) break;
    while (!member.HasNews(page.reached.position)) {
      const absl::Duration still = deadline - Clock::Steady().Now();
      const bool woken = co_await waker.Wait(still);
      if (!woken || core.watches.stopping()) break;
    }
  }
  // A pause that came meanwhile holds from its answer on.
  CO_RETURN_IF_ERROR((co_await core.webhooks.FindFenced(request.webhook_id(), request.fence())).status());
  ToProto(page.reached, *response.mutable_reached());
  size_t bytes = 0;
  for (engine::FeedChange& change : page.changes) {
    engine::WebhookEvent event;
    event.account = change.account;
    event.at = change.end;
    event.event = WebhookEventOf(kept.progress.incarnation, std::move(change)).SerializeAsString();
    CO_RETURN_IF_ERROR(co_await AddEvent(environment, event, response, bytes));
    if (bytes < kEnoughBytes) continue;
    ToProto(event.at, *response.mutable_reached());
    break;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> ReadWaiting(Environment& environment, const v1::ReadWebhookEventsRequest& request,
                               v1::ReadWebhookEventsResponse& response) {
  CO_ASSIGN_OR_RETURN(
      const std::vector<engine::WebhookEvent> waiting,
      co_await environment.core.engine.webhooks().ListWaiting(
          request.webhook_id(), AccountId{request.account_id()}, static_cast<size_t>(request.event_limit())));
  size_t bytes = 0;
  for (const engine::WebhookEvent& event : waiting) {
    CO_RETURN_IF_ERROR(co_await AddEvent(environment, event, response, bytes));
    if (bytes >= kEnoughBytes) break;
  }
  co_return absl::OkStatus();
}

absl::StatusOr<engine::WebhookOutcome> FromProto(const v1::WebhookOutcome& proto) {
  using Kind = engine::WebhookOutcome::Kind;
  engine::WebhookOutcome outcome;
  switch (proto.kind()) {
    case v1::WebhookOutcome::KIND_SENT:
      outcome.kind = Kind::kSent;
      break;
    case v1::WebhookOutcome::KIND_FAILED:
      outcome.kind = Kind::kFailed;
      break;
    case v1::WebhookOutcome::KIND_BEHIND:
      outcome.kind = Kind::kBehind;
      break;
    default:
      return FieldError("outcomes.kind", "must be SENT, FAILED or BEHIND");
  }
  outcome.account = AccountId{proto.account_id()};
  outcome.at = FromProto(proto.cursor());
  if (outcome.account.value < 0 || outcome.at.position < 0 || outcome.at.message.value < 0) {
    return FieldError("outcomes.cursor", "must not be negative");
  }
  outcome.attempt_count = proto.attempt_count();
  outcome.event = proto.kept();
  if (!outcome.event.empty()) RETURN_IF_ERROR(ReadWebhookEvent(outcome.event).status());
  outcome.failure = std::string(CutText(proto.failure(), rules::kMaxWebhookFailureBytes));
  ASSIGN_OR_RETURN(outcome.retry_after, stored::FromProto("outcomes.retry_after", proto.retry_after()));
  outcome.gone = proto.gone();
  return outcome;
}

}  // namespace

Task<absl::Status> ClaimWebhooks(Environment& environment, rpc::Call&,
                                 const v1::ClaimWebhooksRequest& request,
                                 v1::ClaimWebhooksResponse& response) {
  CO_RETURN_IF_ERROR(CheckIdentifier("lease_id", request.lease_id()));
  if (request.new_limit() < 0) co_return FieldError("new_limit", "must not be negative");
  CO_ASSIGN_OR_RETURN(
      const std::vector<ServedWebhook> served,
      co_await environment.core.webhooks.Claim(request.lease_id(), static_cast<size_t>(request.new_limit())));
  for (const ServedWebhook& webhook : served) {
    if (!webhook.secrets.ok()) {
      obs::LogWarning("webhook_secret_unreadable",
                      {{"webhook", webhook.kept.webhook.id}, {"reason", webhook.secrets.status().message()}});
      continue;
    }
    v1::ClaimedWebhook& proto = *response.add_webhooks();
    proto.set_webhook_id(webhook.kept.webhook.id);
    proto.set_fence(webhook.kept.progress.fence);
    proto.set_url(webhook.kept.webhook.url);
    proto.set_secret(webhook.secrets->present);
    proto.set_old_secret(webhook.secrets->old);
    ToProto(webhook.kept.progress.cursor, *proto.mutable_cursor());
    proto.set_revision(webhook.kept.progress.revision);
    proto.set_waiting_count(webhook.kept.progress.waiting_count);
  }
  co_return absl::OkStatus();
}

Task<absl::Status> ReadWebhookEvents(Environment& environment, rpc::Call&,
                                     const v1::ReadWebhookEventsRequest& request,
                                     v1::ReadWebhookEventsResponse& response) {
  if (request.event_limit() < 1 || request.event_limit() > kMaxEvents) {
    co_return FieldError("event_limit", "must be 1 to 100");
  }
  CO_ASSIGN_OR_RETURN(const absl::Duration wait, stored::FromProto("wait", request.wait()));
  if (wait > kMaxWait) co_return FieldError("wait", "must be at most 30 seconds");
  CO_ASSIGN_OR_RETURN(const engine::KeptWebhook kept,
                      co_await environment.core.webhooks.FindFenced(request.webhook_id(), request.fence()));
  if (request.waiting()) co_return co_await ReadWaiting(environment, request, response);
  co_return co_await ReadFeed(environment, kept, request, wait, response);
}

Task<absl::Status> ListWebhookLanes(Environment& environment, rpc::Call&,
                                    const v1::ListWebhookLanesRequest& request,
                                    v1::ListWebhookLanesResponse& response) {
  if (request.from_account_id() < 0) co_return FieldError("from_account_id", "must not be negative");
  CO_RETURN_IF_ERROR(
      (co_await environment.core.webhooks.FindFenced(request.webhook_id(), request.fence())).status());
  CO_ASSIGN_OR_RETURN(const std::vector<engine::WebhookLane> lanes,
                      co_await environment.core.engine.webhooks().ListLanes(
                          request.webhook_id(), AccountId{request.from_account_id() - 1}, kMaxLanes));
  for (const engine::WebhookLane& lane : lanes) {
    ToProto(lane, environment.core.clock.Now(), *response.add_lanes());
  }
  co_return absl::OkStatus();
}

Task<absl::Status> ReportWebhookEvents(Environment& environment, rpc::Call&,
                                       const v1::ReportWebhookEventsRequest& request,
                                       v1::ReportWebhookEventsResponse& response) {
  if (static_cast<size_t>(request.outcomes_size()) > engine::kMaxWebhookOutcomes) {
    co_return FieldError("outcomes", "must be at most 1000");
  }
  engine::WebhookReport report;
  report.id = request.webhook_id();
  report.fence = request.fence();
  report.cursor = FromProto(request.cursor());
  if (report.cursor.position > environment.core.engine.changes().Bounds().last) {
    co_return FieldError("cursor", "was not sent yet");
  }
  for (const v1::WebhookOutcome& outcome : request.outcomes()) {
    CO_ASSIGN_OR_RETURN(engine::WebhookOutcome checked, FromProto(outcome));
    report.outcomes.push_back(std::move(checked));
  }
  const absl::Time now = environment.core.clock.Now();
  CO_ASSIGN_OR_RETURN(const engine::WebhookReported reported,
                      co_await environment.core.engine.webhooks().Report(std::move(report), now));
  response.set_waiting_count(reported.progress.waiting_count);
  for (const engine::WebhookLane& lane : reported.lanes) ToProto(lane, now, *response.add_lanes());
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
