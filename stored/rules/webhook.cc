#include "stored/rules/webhook.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/rules/directory.h"
#include "stored/rules/times.h"

namespace mailstead::rules {

using engine::KeptWebhook;
using engine::Webhook;
using engine::WebhookEvent;
using engine::WebhookOutcome;

namespace {

constexpr absl::Duration kSchedule[] = {
    absl::Seconds(5), absl::Minutes(5), absl::Minutes(30), absl::Hours(2),  absl::Hours(5),
    absl::Hours(10),  absl::Hours(14),  absl::Hours(20),   absl::Hours(24),
};

void MarkChanged(absl::Time time, Webhook& webhook) {
  webhook.update_time = Kept(time);
  ++webhook.version;
}

}  // namespace

absl::Span<const absl::Duration> WebhookSchedule() { return kSchedule; }

absl::Status NoWebhook(absl::string_view id) {
  return WithReason(absl::NotFoundError(absl::StrCat("there is no webhook ", id)), kReasonWebhookNotFound);
}

absl::Status TooManyWebhooks(size_t most) {
  return WithReason(absl::ResourceExhaustedError(absl::StrCat("there are ", most, " webhooks already")),
                    kReasonTooManyWebhooks);
}

absl::Status WebhookFenced(absl::string_view id) {
  return WithReason(
      absl::AbortedError(absl::StrCat("webhook ", id, " is sent by another one now, or by nobody")),
      kReasonWebhookFenced);
}

absl::Status TooMuchWaits(absl::string_view id) {
  return WithReason(absl::ResourceExhaustedError(absl::StrCat("too many events of webhook ", id, " wait")),
                    kReasonBusy);
}

Webhook Created(Webhook webhook) {
  webhook.version = 1;
  webhook.create_time = webhook.update_time = Kept(webhook.create_time);
  return webhook;
}

absl::Status Update(const engine::WebhookUpdate& update, KeptWebhook& kept) {
  Webhook& webhook = kept.webhook;
  RETURN_IF_ERROR(CheckVersion(update.expected_version, webhook.version));
  if (update.url.has_value()) webhook.url = *update.url;
  if (update.filter.has_value()) {
    webhook.filter = *update.filter;
    // What was read by the one before may not move the place: it was not asked what is to be told from now on.
    kept.progress.lease_id.clear();
    kept.progress.fence = 0;
  }
  if (update.sealed_secret.has_value()) {
    const bool overlaps = update.old_secret_expire_time > update.time;
    webhook.old_sealed_secret = overlaps ? webhook.sealed_secret : std::string();
    webhook.old_secret_expire_time = overlaps ? Kept(update.old_secret_expire_time) : absl::InfinitePast();
    webhook.sealed_secret = *update.sealed_secret;
  }
  if (update.state.has_value()) {
    webhook.state = *update.state;
    kept.progress.lease_id.clear();
  }
  MarkChanged(update.time, webhook);
  return absl::OkStatus();
}

bool MayClaim(const KeptWebhook& kept, absl::string_view lease_id, bool lives) {
  if (kept.webhook.state != Webhook::State::kActive) return false;
  return kept.progress.lease_id.empty() || (!lives && kept.progress.lease_id != lease_id);
}

absl::Status BeginReport(const engine::WebhookReport& report, absl::Time now, KeptWebhook& kept) {
  engine::WebhookProgress& progress = kept.progress;
  if (kept.webhook.state != Webhook::State::kActive || report.fence != progress.fence || report.fence == 0) {
    return WebhookFenced(report.id);
  }
  progress.cursor = std::max(progress.cursor, report.cursor);
  for (const WebhookOutcome& outcome : report.outcomes) {
    if (outcome.kind == WebhookOutcome::Kind::kSent) progress.success_time = now;
    if (outcome.kind != WebhookOutcome::Kind::kFailed) continue;
    progress.failure_time = now;
    progress.failure = outcome.failure.substr(0, kMaxWebhookFailureBytes);
    if (!outcome.gone || kept.webhook.state == Webhook::State::kGone) continue;
    kept.webhook.state = Webhook::State::kGone;
    MarkChanged(now, kept.webhook);
  }
  return absl::OkStatus();
}

WebhookChange Decide(const std::optional<WebhookEvent>& waiting, const WebhookOutcome& outcome,
                     absl::Time now, KeptWebhook& kept) {
  using Kind = WebhookChange::Kind;
  WebhookChange change;
  if (outcome.kind == WebhookOutcome::Kind::kSent) {
    if (waiting.has_value()) {
      change.kind = Kind::kErase;
      --kept.progress.waiting_count;
    }
    return change;
  }
  const bool is_new = outcome.attempt_count == 0 && !outcome.event.empty();
  if (waiting.has_value() ? waiting->attempt_count != outcome.attempt_count : !is_new) return change;
  // Told before: it waits as it is.
  if (outcome.kind == WebhookOutcome::Kind::kBehind && waiting.has_value()) return change;

  if (waiting.has_value()) {
    change.event = *waiting;
  } else {
    change.event.account = outcome.account;
    change.event.at = outcome.at;
    change.event.event = outcome.event;
  }
  change.event.time = now;
  if (outcome.kind == WebhookOutcome::Kind::kFailed) {
    change.event.failure = outcome.failure.substr(0, kMaxWebhookFailureBytes);
    const size_t tries = static_cast<size_t>(++change.event.attempt_count);
    if (tries > std::size(kSchedule)) {
      change.kind = Kind::kDie;
      ++kept.progress.dead_count;
      if (waiting.has_value()) --kept.progress.waiting_count;
      return change;
    }
    change.event.time =
        now + std::max(kSchedule[tries - 1], std::min(outcome.retry_after, kMaxWebhookRetryAfter));
  }
  change.kind = Kind::kWait;
  if (!waiting.has_value()) ++kept.progress.waiting_count;
  return change;
}

bool IsDeadEventToGo(const WebhookEvent& oldest, int64_t dead_count, absl::Time now) {
  return dead_count > engine::kMaxDeadEvents || now - oldest.time > kDeadEventAge;
}

WebhookEvent Revived(WebhookEvent dead, absl::Time now) {
  dead.attempt_count = 0;
  dead.time = now;
  return dead;
}

}  // namespace mailstead::rules
