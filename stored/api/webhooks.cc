#include "stored/api/webhooks.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status.h"
#include "stored/api/convert/values.h"
#include "stored/api/visible.h"
#include "stored/api/watched.h"
#include "stored/api/webhook_event.h"
#include "stored/core/paging.h"
#include "stored/core/turns.h"
#include "stored/core/webhooks.h"
#include "stored/engine/webhook.h"
#include "stored/rules/webhook.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;
using State = engine::Webhook::State;

constexpr absl::string_view kListing = "webhooks";
// What an audit entry has of an id or a URL that somebody asks for.
constexpr size_t kMaxToldBytes = 128;
// Of kMaxWebhooks, what a key that is not for everything may see when it makes another one.
constexpr size_t kMaxSeenWebhooks = 20;

void SetTarget(rpc::Call& call, absl::string_view id) {
  call.SetTarget(absl::StrCat("webhook ", absl::CHexEscape(id.substr(0, kMaxToldBytes))));
}

v1::Webhook::State StateOf(Environment& environment, const engine::KeptWebhook& kept) {
  switch (kept.webhook.state) {
    case State::kPaused:
      return v1::Webhook::STATE_PAUSED;
    case State::kGone:
      return v1::Webhook::STATE_GONE;
    default:
      break;
  }
  if (!environment.core.webhooks.CheckPlace(kept.progress).ok()) return v1::Webhook::STATE_EXPIRED;
  const engine::WebhookProgress& progress = kept.progress;
  const bool waits = progress.waiting_count > 0 && progress.failure_time != absl::InfinitePast();
  const bool failing = waits || progress.failure_time > progress.success_time;
  return failing ? v1::Webhook::STATE_FAILING : v1::Webhook::STATE_ACTIVE;
}

absl::Status Describe(Environment& environment, const engine::KeptWebhook& kept, v1::Webhook& proto) {
  const engine::WebhookProgress& progress = kept.progress;
  ASSIGN_OR_RETURN(const Watched watched, ReadKeptFilter(kept.webhook.filter));
  proto.set_webhook_id(kept.webhook.id);
  proto.set_url(kept.webhook.url);
  ToProto(watched, *proto.mutable_filter());
  proto.set_state(StateOf(environment, kept));
  ToProto(kept.webhook.create_time, *proto.mutable_create_time());
  if (progress.success_time != absl::InfinitePast())
    ToProto(progress.success_time, *proto.mutable_success_time());
  if (progress.failure_time != absl::InfinitePast())
    ToProto(progress.failure_time, *proto.mutable_failure_time());
  proto.set_failure(progress.failure);
  if (proto.state() != v1::Webhook::STATE_EXPIRED) {
    const int64_t last = environment.core.engine.changes().Bounds().last;
    proto.set_lag_count(std::max<int64_t>(0, last - progress.cursor.position));
  }
  proto.set_waiting_count(progress.waiting_count);
  proto.set_dead_count(progress.dead_count);
  proto.set_dropped_count(progress.dropped_count);
  proto.set_etag(MakeEtag(kept.webhook.version));
  ToProto(kept.webhook.update_time, *proto.mutable_update_time());
  if (environment.core.webhooks.OldSecretCounts(kept.webhook)) {
    ToProto(kept.webhook.old_secret_expire_time, *proto.mutable_old_secret_expire_time());
  }
  proto.set_sender(environment.core.engine.leases().HolderOf(progress.lease_id));
  return absl::OkStatus();
}

// The present one, where the caller sees all that it is told of. NotFound with kReasonWebhookNotFound.
Task<absl::StatusOr<engine::KeptWebhook>> FindSeen(Environment& environment, const rpc::Call& call,
                                                   std::string id) {
  CO_ASSIGN_OR_RETURN(engine::KeptWebhook kept, co_await environment.core.engine.webhooks().Find(id));
  CO_ASSIGN_OR_RETURN(const Watched watched, ReadKeptFilter(kept.webhook.filter));
  if (!co_await SeesWatched(environment, call, watched)) co_return rules::NoWebhook(id);
  co_return kept;
}

// SECURITY: who has a key of some mailboxes only leaves room for the webhooks of others.
Task<absl::Status> CheckRoom(Environment& environment, const rpc::Call& call) {
  if (SeesAll(call)) co_return absl::OkStatus();
  CO_ASSIGN_OR_RETURN(const std::vector<engine::KeptWebhook> all,
                      co_await environment.core.engine.webhooks().List());
  size_t seen = 0;
  for (const engine::KeptWebhook& kept : all) {
    CO_ASSIGN_OR_RETURN(const Watched watched, ReadKeptFilter(kept.webhook.filter));
    if (co_await SeesWatched(environment, call, watched)) ++seen;
  }
  co_return seen < kMaxSeenWebhooks ? absl::OkStatus() : rules::TooManyWebhooks(kMaxSeenWebhooks);
}

// As it is to be kept: without kinds it is told of what has come.
Task<absl::StatusOr<std::string>> ReadFilter(Environment& environment, const rpc::Call& call,
                                             const v1::WatchFilter& filter, absl::string_view field) {
  if (filter.all()) CO_RETURN_IF_ERROR(CheckSeesAll(call, "all mailboxes"));
  CO_ASSIGN_OR_RETURN(Watched watched, co_await Resolve(environment, call, filter, field));
  if (filter.kinds().empty()) watched.kinds = engine::KindBit(engine::ChangeKind::kDelivered);
  co_return KeptFilter(watched);
}

std::string DeadListing(absl::string_view id) { return absl::StrCat("dead_webhook_events/", id); }

std::string TextOf(const engine::ChangeCursor& at) {
  return absl::StrCat(at.position, " ", at.message.value);
}

engine::ChangeCursor CursorFrom(absl::string_view text) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(' ', 1));
  engine::ChangeCursor at;
  // A token is what was made here.
  (void)absl::SimpleAtoi(parts.first, &at.position);
  (void)absl::SimpleAtoi(parts.second, &at.message.value);
  return at;
}

}  // namespace

Task<absl::Status> CreateWebhook(Environment& environment, rpc::Call& call,
                                 const v1::CreateWebhookRequest& request,
                                 v1::CreateWebhookResponse& response) {
  // SECURITY: for the audit, which never has the secret, nor what a URL may have of one behind its path.
  const absl::string_view url = request.url();
  call.SetTarget(
      absl::StrCat("webhook to ", absl::CHexEscape(url.substr(0, url.find('?')).substr(0, kMaxToldBytes))));
  CO_ASSIGN_OR_RETURN(std::string filter, co_await ReadFilter(environment, call, request.filter(), "filter"));
  Turns& turns = environment.core.webhooks.creations();
  co_await turns.Mine();
  const Turns::Turn turn(turns);
  CO_RETURN_IF_ERROR(co_await CheckRoom(environment, call));
  CO_ASSIGN_OR_RETURN(Webhooks::Created created, co_await environment.core.webhooks.Create(
                                                     request.url(), std::move(filter), request.secret()));
  response.set_secret(std::move(created.made_secret));
  co_return Describe(environment, created.kept, *response.mutable_webhook());
}

Task<absl::Status> GetWebhook(Environment& environment, rpc::Call& call, const v1::GetWebhookRequest& request,
                              v1::Webhook& response) {
  CO_ASSIGN_OR_RETURN(const engine::KeptWebhook kept,
                      co_await FindSeen(environment, call, request.webhook_id()));
  co_return Describe(environment, kept, response);
}

Task<absl::Status> UpdateWebhook(Environment& environment, rpc::Call& call,
                                 const v1::UpdateWebhookRequest& request, v1::Webhook& response) {
  const v1::Webhook& wanted = request.webhook();
  SetTarget(call, wanted.webhook_id());
  CO_RETURN_IF_ERROR(CheckMask(request.update_mask(), {"url", "filter"}));
  CO_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(wanted.etag()));
  CO_RETURN_IF_ERROR((co_await FindSeen(environment, call, wanted.webhook_id())).status());
  std::optional<std::string> url;
  if (HasPath(request.update_mask(), "url")) url = wanted.url();
  std::optional<std::string> filter;
  if (HasPath(request.update_mask(), "filter")) {
    CO_ASSIGN_OR_RETURN(filter, co_await ReadFilter(environment, call, wanted.filter(), "webhook.filter"));
  }
  CO_ASSIGN_OR_RETURN(const engine::KeptWebhook kept,
                      co_await environment.core.webhooks.Update(wanted.webhook_id(), version, std::move(url),
                                                                std::move(filter)));
  co_return Describe(environment, kept, response);
}

Task<absl::Status> RotateWebhookSecret(Environment& environment, rpc::Call& call,
                                       const v1::RotateWebhookSecretRequest& request,
                                       v1::RotateWebhookSecretResponse& response) {
  SetTarget(call, request.webhook_id());
  CO_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  CO_ASSIGN_OR_RETURN(const absl::Duration overlap, FromProto("overlap", request.overlap()));
  CO_RETURN_IF_ERROR((co_await FindSeen(environment, call, request.webhook_id())).status());
  CO_ASSIGN_OR_RETURN(Webhooks::Created rotated,
                      co_await environment.core.webhooks.RotateSecret(request.webhook_id(), version,
                                                                      request.secret(), overlap));
  response.set_secret(std::move(rotated.made_secret));
  co_return Describe(environment, rotated.kept, *response.mutable_webhook());
}

Task<absl::Status> ListWebhooks(Environment& environment, rpc::Call& call,
                                const v1::ListWebhooksRequest& request, v1::ListWebhooksResponse& response) {
  CO_ASSIGN_OR_RETURN(const PageStart start, ReadPage(kListing, request.page_size(), request.page_token()));
  CO_ASSIGN_OR_RETURN(const std::vector<engine::KeptWebhook> all,
                      co_await environment.core.engine.webhooks().List());
  std::string last;
  size_t bytes = 0;
  for (const engine::KeptWebhook& kept : all) {
    if (kept.webhook.id <= start.after || kept.webhook.state == State::kRemoved) continue;
    CO_ASSIGN_OR_RETURN(const Watched watched, ReadKeptFilter(kept.webhook.filter));
    if (!co_await SeesWatched(environment, call, watched)) continue;
    bytes += kept.webhook.filter.size() + kept.webhook.url.size();
    const bool full = static_cast<size_t>(response.webhooks_size()) == start.size || bytes > kMaxPageBytes;
    if (full && !last.empty()) {
      response.set_next_page_token(MakePageToken(kListing, last));
      break;
    }
    CO_RETURN_IF_ERROR(Describe(environment, kept, *response.add_webhooks()));
    last = kept.webhook.id;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> PauseWebhook(Environment& environment, rpc::Call& call,
                                const v1::PauseWebhookRequest& request, v1::Webhook& response) {
  SetTarget(call, request.webhook_id());
  CO_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  CO_RETURN_IF_ERROR((co_await FindSeen(environment, call, request.webhook_id())).status());
  CO_ASSIGN_OR_RETURN(const engine::KeptWebhook kept,
                      co_await environment.core.webhooks.Pause(request.webhook_id(), version));
  co_return Describe(environment, kept, response);
}

Task<absl::Status> ResumeWebhook(Environment& environment, rpc::Call& call,
                                 const v1::ResumeWebhookRequest& request, v1::Webhook& response) {
  SetTarget(call, request.webhook_id());
  CO_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  CO_RETURN_IF_ERROR((co_await FindSeen(environment, call, request.webhook_id())).status());
  CO_ASSIGN_OR_RETURN(const engine::KeptWebhook kept,
                      co_await environment.core.webhooks.Resume(request.webhook_id(), version));
  co_return Describe(environment, kept, response);
}

Task<absl::Status> TestWebhook(Environment& environment, rpc::Call& call,
                               const v1::TestWebhookRequest& request, v1::TestWebhookResponse&) {
  SetTarget(call, request.webhook_id());
  CO_RETURN_IF_ERROR((co_await FindSeen(environment, call, request.webhook_id())).status());
  engine::WebhookEvent test;
  test.time = environment.core.clock.Now();
  test.event = TestWebhookEvent(test.time).SerializeAsString();
  // Whoever tests looks at it now: it is not tried for days.
  test.attempt_count = static_cast<int32_t>(rules::WebhookSchedule().size());
  co_return co_await environment.core.engine.webhooks().Add(request.webhook_id(), std::move(test));
}

Task<absl::Status> DeleteWebhook(Environment& environment, rpc::Call& call,
                                 const v1::DeleteWebhookRequest& request, v1::DeleteWebhookResponse&) {
  SetTarget(call, request.webhook_id());
  CO_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  CO_RETURN_IF_ERROR((co_await FindSeen(environment, call, request.webhook_id())).status());
  co_return co_await environment.core.webhooks.Delete(request.webhook_id(), version);
}

Task<absl::Status> ListDeadWebhookEvents(Environment& environment, rpc::Call& call,
                                         const v1::ListDeadWebhookEventsRequest& request,
                                         v1::ListDeadWebhookEventsResponse& response) {
  CO_RETURN_IF_ERROR((co_await FindSeen(environment, call, request.webhook_id())).status());
  const std::string listing = DeadListing(request.webhook_id());
  CO_ASSIGN_OR_RETURN(const PageStart start, ReadPage(listing, request.page_size(), request.page_token()));
  const std::string id = request.webhook_id();
  const auto list = [&environment, &id](engine::ChangeCursor after, size_t limit) {
    return environment.core.engine.webhooks().ListDead(id, after, limit);
  };
  const auto key = [](const engine::WebhookEvent& event) { return event.at; };
  const auto size = [](const engine::WebhookEvent& event) { return sizeof(event) + event.event.size(); };
  CO_ASSIGN_OR_RETURN(
      const Gathered<engine::WebhookEvent> page,
      co_await Gather<engine::WebhookEvent>(CursorFrom(start.after), start.size, list, key, size));
  const absl::Time now = environment.core.clock.Now();
  for (const engine::WebhookEvent& event : page.items) {
    // It goes with the next report.
    if (now - event.time > rules::kDeadEventAge) continue;
    v1::DeadWebhookEvent& dead = *response.add_events();
    CO_ASSIGN_OR_RETURN(dead, ReadWebhookEvent(event.event));
    dead.set_attempt_count(event.attempt_count);
    ToProto(event.time, *dead.mutable_give_up_time());
    dead.set_failure(event.failure);
  }
  if (page.more) response.set_next_page_token(MakePageToken(listing, TextOf(page.items.back().at)));
  co_return absl::OkStatus();
}

Task<absl::Status> RetryDeadWebhookEvents(Environment& environment, rpc::Call& call,
                                          const v1::RetryDeadWebhookEventsRequest& request,
                                          v1::RetryDeadWebhookEventsResponse& response) {
  SetTarget(call, request.webhook_id());
  if (request.event_ids().empty() ||
      static_cast<size_t>(request.event_ids_size()) > engine::kMaxWebhookOutcomes) {
    co_return FieldError("event_ids", "must be 1 to 1000");
  }
  CO_RETURN_IF_ERROR((co_await FindSeen(environment, call, request.webhook_id())).status());
  const std::set<std::string> wanted(request.event_ids().begin(), request.event_ids().end());
  // So few are kept that they are read whole.
  CO_ASSIGN_OR_RETURN(const std::vector<engine::WebhookEvent> all,
                      co_await environment.core.engine.webhooks().ListDead(
                          request.webhook_id(), engine::ChangeCursor(), size_t{engine::kMaxDeadEvents} + 1));
  std::vector<engine::ChangeCursor> places;
  for (const engine::WebhookEvent& event : all) {
    CO_ASSIGN_OR_RETURN(const v1::DeadWebhookEvent dead, ReadWebhookEvent(event.event));
    if (wanted.contains(dead.event_id())) places.push_back(event.at);
  }
  CO_ASSIGN_OR_RETURN(const int64_t count,
                      co_await environment.core.engine.webhooks().Revive(
                          request.webhook_id(), std::move(places), environment.core.clock.Now()));
  response.set_event_count(count);
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
