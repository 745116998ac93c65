#include "stored/rules/queue.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/rules/site.h"
#include "stored/rules/times.h"

namespace mailstead::rules {
namespace {

// No domain and no address literal has a ':' behind a word (RFC 5321 section 4.1.2).
constexpr absl::string_view kMailboxPrefix = "mailbox:";

const EnvelopeRecipient& ToBeTold(const engine::NewMessage& message, const engine::NewCopy& copy) {
  for (const int32_t index : copy.recipients) {
    const EnvelopeRecipient& recipient = message.envelope.recipients[static_cast<size_t>(index)];
    if (!recipient.notify.given || recipient.notify.failure) return recipient;
  }
  return message.envelope.recipients[static_cast<size_t>(copy.recipients.front())];
}

// `Item` has its number by `number_of`.
template <typename Items, typename NumberOf>
absl::Status CheckNumbers(absl::string_view field, const Items& items, NumberOf number_of) {
  absl::flat_hash_set<int32_t> numbers;
  for (const auto& item : items) {
    if (number_of(item) < 0) return FieldError(field, "must not be negative");
    if (!numbers.insert(number_of(item)).second) return FieldError(field, "must name each recipient once");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Time NextAttemptTime(const QueuePolicy& policy, int32_t attempt_number, absl::Time now, double dice) {
  const size_t step = static_cast<size_t>(std::max(attempt_number, 1) - 1);
  const absl::Duration wait = policy.retry_schedule[std::min(step, policy.retry_schedule.size() - 1)];
  return Kept(now + wait * (1 + policy.retry_jitter * (2 * dice - 1)));
}

std::string MailboxDestination(AccountId account) { return absl::StrCat(kMailboxPrefix, account.value); }

std::optional<AccountId> MailboxOf(absl::string_view destination) {
  AccountId account;
  if (!absl::ConsumePrefix(&destination, kMailboxPrefix)) return std::nullopt;
  if (!absl::SimpleAtoi(destination, &account.value)) return std::nullopt;
  return account;
}

bool IsFree(const engine::QueuedRecipient& recipient) { return !recipient.held && !recipient.in_flight; }

QueueEntry QueueEntryOf(const engine::NewMessage& message, int64_t content_bytes, absl::Time now) {
  QueueEntry entry;
  // A copy for no mailbox: nothing in front, and no recipients.
  entry.entry = EntryOf(message, engine::NewCopy(), content_bytes, "");
  entry.lane = message.queued.lane;
  entry.queue_time = Kept(now);
  entry.expire_time = Kept(message.queued.expire_time);
  entry.delay_notice_time = Kept(message.queued.delay_notice_time);
  entry.not_before = Kept(message.queued.not_before);
  if (message.submission != nullptr) entry.submission = message.envelope.delivery_id;
  return entry;
}

QueueRecipient QueueRecipientOf(const engine::NewMessage& message, size_t index, absl::Time now) {
  const engine::NewQueuedRecipient& queued = message.queued.recipients[index];
  const EnvelopeRecipient& named = message.envelope.recipients[static_cast<size_t>(queued.recipient)];
  QueueRecipient kept;
  kept.recipient.number = static_cast<int32_t>(index);
  kept.recipient.address = queued.address;
  kept.recipient.destination = queued.destination;
  kept.recipient.original_recipient = named.original_recipient;
  kept.recipient.notify = named.notify;
  if (queued.expanded) kept.recipient.notify.success = false;
  if (named.address != queued.address) kept.recipient.forwarded_for = named.address;
  kept.recipient.next_attempt_time = Kept(std::max(now, message.queued.not_before));
  return kept;
}

QueueRecipient WaitingRecipientOf(const engine::NewMessage& message, const Waiting& waiting, int32_t number,
                                  const QueuePolicy& policy, absl::Time now, double dice) {
  const engine::NewCopy& copy = message.copies[waiting.copy];
  const EnvelopeRecipient& named = ToBeTold(message, copy);
  QueueRecipient kept;
  kept.recipient.number = number;
  kept.recipient.address = copy.address.empty() ? named.address : copy.address;
  kept.recipient.destination = MailboxDestination(copy.account);
  kept.recipient.original_recipient = named.original_recipient;
  kept.recipient.notify = named.notify;
  // It was told of the alias, when it was expanded; of what is here otherwise success is never told.
  kept.recipient.notify.success = false;
  if (named.address != kept.recipient.address) kept.recipient.forwarded_for = named.address;
  kept.recipient.next_attempt_time = Kept(std::max(now, message.queued.not_before));
  if (waiting.obstacle == engine::Obstacle::kFull) PutOff(kept, waiting.obstacle, policy, now, dice);
  return kept;
}

engine::QueuedMessage QueuedMessageOf(QueueId id, const QueueEntry& entry, int64_t recipient_count) {
  engine::QueuedMessage message;
  message.id = id;
  message.envelope = entry.entry.envelope;
  message.lane = entry.lane;
  message.queue_time = entry.queue_time;
  message.expire_time = entry.expire_time;
  message.delay_told = entry.delay_told;
  message.size_bytes = entry.entry.size_bytes();
  message.sha256 = entry.entry.sha256;
  message.recipient_count = recipient_count;
  return message;
}

absl::Time EventTime(const QueueEntry& entry) {
  return entry.delay_told ? entry.expire_time : std::min(entry.delay_notice_time, entry.expire_time);
}

void Begin(QueueRecipient& kept, engine::QueueGrant grant, const QueuePolicy& policy, absl::Time now,
           double dice) {
  engine::QueuedRecipient& recipient = kept.recipient;
  ++recipient.attempt_count;
  recipient.in_flight = true;
  recipient.next_attempt_time = NextAttemptTime(policy, recipient.attempt_count, now, dice);
  kept.last_grant = grant;
  kept.reported = false;
}

std::optional<engine::Obstacle> ObstacleOf(const Mailbox* mailbox, const QueueEntry& entry) {
  if (mailbox == nullptr) return engine::Obstacle::kGone;
  if (NeverTakes(mailbox->quota_bytes, entry.entry.content_bytes)) return engine::Obstacle::kTooSmall;
  return IsFull(*mailbox) ? std::optional(engine::Obstacle::kFull) : std::nullopt;
}

void PutOff(QueueRecipient& kept, engine::Obstacle obstacle, const QueuePolicy& policy, absl::Time now,
            double dice) {
  engine::QueuedRecipient& recipient = kept.recipient;
  ++recipient.attempt_count;
  recipient.next_attempt_time = NextAttemptTime(policy, recipient.attempt_count, now, dice);
  if (obstacle != engine::Obstacle::kFull) return;
  // RFC 3463 section 3.3.
  recipient.last_reply = {0, "4.2.2", "the mailbox is full", "", Kept(now)};
}

absl::Status Check(const engine::QueueReport& report) {
  RETURN_IF_ERROR(CheckSiteName(report.site));
  return CheckNumbers("outcomes.number", report.outcomes,
                      [](const engine::QueueOutcome& outcome) { return outcome.number; });
}

absl::Status Check(const engine::QueueDecision& decision, bool has_notices) {
  using Kind = engine::QueueDecision::Kind;
  if (has_notices && decision.kind != Kind::kEnd && decision.kind != Kind::kDelayTold) {
    return FieldError("notices", "must be empty where nothing is told");
  }
  return CheckNumbers("recipients", decision.recipients, [](int32_t number) { return number; });
}

bool Counts(const QueueRecipient* kept, const engine::QueueOutcome& outcome, engine::QueueGrant grant) {
  // No front-end is ever given what waits here.
  if (kept == nullptr || WaitsHere(kept->recipient)) return false;
  if (outcome.kind == engine::QueueOutcome::Kind::kDelivered) return true;
  return kept->last_grant == grant && !kept->reported;
}

void Defer(QueueRecipient& kept, const engine::QueueOutcome& outcome, absl::Time now) {
  engine::QueuedRecipient& recipient = kept.recipient;
  recipient.in_flight = false;
  recipient.last_reply = outcome.reply;
  recipient.last_reply.time = Kept(outcome.reply.time);
  if (outcome.next_attempt_time != absl::InfinitePast()) {
    recipient.next_attempt_time =
        Kept(std::clamp(outcome.next_attempt_time, now + kShortestAskedWait, now + kLongestAskedWait));
  }
  kept.reported = true;
}

bool Changes(engine::QueueDecision::Kind kind, const engine::QueuedRecipient& recipient) {
  if (recipient.in_flight) return false;
  switch (kind) {
    case engine::QueueDecision::Kind::kHold:
      return !recipient.held;
    case engine::QueueDecision::Kind::kRelease:
      return recipient.held;
    case engine::QueueDecision::Kind::kRetry:
    case engine::QueueDecision::Kind::kEnd:
      return true;
    case engine::QueueDecision::Kind::kDelayTold:
      return false;
  }
  return false;
}

void Apply(engine::QueueDecision::Kind kind, QueueRecipient& kept, absl::Time not_before, absl::Time now) {
  if (kind == engine::QueueDecision::Kind::kHold) kept.recipient.held = true;
  if (kind == engine::QueueDecision::Kind::kRelease) kept.recipient.held = false;
  if (kind == engine::QueueDecision::Kind::kRetry)
    kept.recipient.next_attempt_time = Kept(std::max(now, not_before));
}

}  // namespace mailstead::rules
