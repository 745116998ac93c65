// What becomes of events that webhooks send, whatever the engine. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "stored/engine/webhook.h"

namespace mailstead::rules {

// How long after each try the next one comes: three days in all, as the Standard Webhooks specification proposes it. After the
// last one an event is given up.
absl::Span<const absl::Duration> WebhookSchedule();
// How long a receiver may put a try off (Retry-After).
inline constexpr absl::Duration kMaxWebhookRetryAfter = absl::Hours(24);
// How long an event that was given up is kept.
inline constexpr absl::Duration kDeadEventAge = absl::Hours(30 * 24);
inline constexpr size_t kMaxWebhookFailureBytes = 512;

absl::Status NoWebhook(absl::string_view id);      // NotFound with kReasonWebhookNotFound
absl::Status TooManyWebhooks(size_t most);         // ResourceExhausted with kReasonTooManyWebhooks
absl::Status WebhookFenced(absl::string_view id);  // Aborted with kReasonWebhookFenced
absl::Status TooMuchWaits(absl::string_view id);   // ResourceExhausted with kReasonBusy

// As it is when it is made.
engine::Webhook Created(engine::Webhook webhook);
// `kept` is changed by `update`, or stays as it is where it says Aborted with kReasonEtagMismatch.
absl::Status Update(const engine::WebhookUpdate& update, engine::KeptWebhook& kept);

// Whether the lease may send; `lives`: the lease of who sends now does.
bool MayClaim(const engine::KeptWebhook& kept, absl::string_view lease_id, bool lives);

// Whether the report is of who sends, and moves `kept` on by all of it but its outcomes.
absl::Status BeginReport(const engine::WebhookReport& report, absl::Time now, engine::KeptWebhook& kept);

// What an outcome changes of its event. Counts are those of `kept`.
struct WebhookChange {
  enum class Kind : uint8_t { kNone, kErase, kWait, kDie };
  Kind kind = Kind::kNone;
  // Of kWait and kDie.
  engine::WebhookEvent event;
};
// `waiting`: the event, where it waits. An outcome that was told before changes nothing.
WebhookChange Decide(const std::optional<engine::WebhookEvent>& waiting,
                     const engine::WebhookOutcome& outcome, absl::Time now, engine::KeptWebhook& kept);
// Whether the oldest dead event is to go: there is no room, or it is too old.
bool IsDeadEventToGo(const engine::WebhookEvent& oldest, int64_t dead_count, absl::Time now);

// As a dead event is when it is to be sent again.
engine::WebhookEvent Revived(engine::WebhookEvent dead, absl::Time now);

}  // namespace mailstead::rules
