// When a recipient in the queue is tried again, and what its waiting leads to. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/engine/types.h"
#include "stored/rules/new_message.h"

namespace mailstead::rules {

// How the queue is worked off: from the flags of stored.
struct QueuePolicy {
  // How long after the first, second, ... attempt the next one is; the last repeats. Not empty (RFC 5321 section 4.5.4.1
  // wants half an hour and more in the long run; the first are short, as greylisting wants).
  std::vector<absl::Duration> retry_schedule = {absl::Minutes(6), absl::Minutes(12), absl::Minutes(25),
                                                absl::Hours(1),   absl::Hours(2),    absl::Hours(4)};
  // Each wait is longer or shorter by up to this part of itself, so that what failed together does not come back together.
  double retry_jitter = 0.1;
  // Attempts at a time to the hosts of a destination: where it begins, and the most.
  int32_t initial_window = 5;
  int32_t max_window = 20;
  // Attempts that begin there in each such period, at least 1 s; 0: as many as it takes.
  int32_t rate_count = 0;
  absl::Duration rate_period = absl::Minutes(1);
  // Hosts that do not answer are tried again after this, and twice as long each time up to the greatest.
  absl::Duration first_pause = absl::Minutes(1);
  absl::Duration longest_pause = absl::Hours(1);
  // How long it is believed that a destination has the hosts that were last reported, at least 1 h. A day: few records in the
  // DNS live longer, and hosts that are away hold up a domain which has left them for a fifth of its mail's lifetime at most.
  // So long it is kept when nothing waits for it.
  absl::Duration site_memory = absl::Hours(24);
  // Destinations that are kept for their hosts though nothing waits for them, of some 200 bytes each. Whose time is over
  // first makes room.
  int64_t most_remembered = 50'000;
};

// When a recipient is due again whose attempt with this number (1 and up) begins now. `dice` is from 0 up to 1.
absl::Time NextAttemptTime(const QueuePolicy& policy, int32_t attempt_number, absl::Time now, double dice);

// A peer's word ("try again in 5 minutes") counts within these bounds.
inline constexpr absl::Duration kShortestAskedWait = absl::Minutes(1);
inline constexpr absl::Duration kLongestAskedWait = absl::Hours(4);

// What is kept of a message in the queue, apart from its recipients.
struct QueueEntry {
  // Without prefix, unique id and recipients.
  Entry entry;
  std::string lane;
  absl::Time queue_time = absl::InfinitePast();
  absl::Time expire_time = absl::InfiniteFuture();
  absl::Time delay_notice_time = absl::InfiniteFuture();
  bool delay_told = false;
  // Nothing of it goes out before.
  absl::Time not_before = absl::InfinitePast();
  // Of the submission that it is; empty: of none.
  std::string submission;
};

// What is kept of a recipient there.
struct QueueRecipient {
  engine::QueuedRecipient recipient;
  // Of its last attempt, and whether that was reported.
  engine::QueueGrant last_grant;
  bool reported = false;
};

// What stands for the destination of mail that waits for a mailbox here: a name that no host has. One of number 0 is that of
// a mailbox that is not known any more. No front-end takes such mail, and no window or pause is kept for it: the store tries
// each recipient at its own time.
std::string MailboxDestination(AccountId account);
// Absent: it is a destination elsewhere.
std::optional<AccountId> MailboxOf(absl::string_view destination);
inline bool WaitsHere(const engine::QueuedRecipient& recipient) {
  return MailboxOf(recipient.destination).has_value();
}

// Neither held nor in flight: it waits for its time, or for its turn.
bool IsFree(const engine::QueuedRecipient& recipient);

QueueEntry QueueEntryOf(const engine::NewMessage& message, int64_t content_bytes, absl::Time now);
QueueRecipient QueueRecipientOf(const engine::NewMessage& message, size_t index, absl::Time now);
// A copy that waits: its recipient in the queue, in the name of the first of those that led there who wants to hear of a
// failure, else of the first. What is full is tried again as if this had been the first attempt; the rest, which cannot be
// delivered, is due now.
QueueRecipient WaitingRecipientOf(const engine::NewMessage& message, const Waiting& waiting, int32_t number,
                                  const QueuePolicy& policy, absl::Time now, double dice);
// Without its recipients.
engine::QueuedMessage QueuedMessageOf(QueueId id, const QueueEntry& entry, int64_t recipient_count);

// When something is to be done about a message of which a recipient is free: its sender is to be told that it waits, or it
// is to be returned.
absl::Time EventTime(const QueueEntry& entry);

// Recipients of one message with numbers of one hundred are in one attempt at most, and its next hundred waits behind the
// first of the others in its lane.
inline constexpr int32_t kRecipientsOfTurn = 100;
inline int32_t TurnOf(int32_t number) { return number / kRecipientsOfTurn; }

// A destination begins so many attempts before the others that are due have their turn: with hundreds of them what is new to
// one waits for a few of each, and not for all that each may have at a time.
inline constexpr size_t kAttemptsOfTurn = 2;

// No attempt is added to those that one call of Lease begins once they have so many recipients: a commit has a bound.
inline constexpr size_t kEnoughLeasedRecipients = 1000;

// An attempt begins.
void Begin(QueueRecipient& kept, engine::QueueGrant grant, const QueuePolicy& policy, absl::Time now,
           double dice);

// What keeps a message that waits out of a mailbox (null: there is none); absent: nothing.
std::optional<engine::Obstacle> ObstacleOf(const Mailbox* mailbox, const QueueEntry& entry);
// It was tried in vain.
void PutOff(QueueRecipient& kept, engine::Obstacle obstacle, const QueuePolicy& policy, absl::Time now,
            double dice);

// InvalidArgument names the field: numbers are not negative, and each is there once.
absl::Status Check(const engine::QueueReport& report);
// The same; and one that is held, released or tried again has no notices.
absl::Status Check(const engine::QueueDecision& decision, bool has_notices);

// Whether an outcome of the attempt counts; `kept` is null when there is no such recipient (any more).
bool Counts(const QueueRecipient* kept, const engine::QueueOutcome& outcome, engine::QueueGrant grant);
// An outcome that counts: it is put off. It may be in flight, or have been put back.
void Defer(QueueRecipient& kept, const engine::QueueOutcome& outcome, absl::Time now);

// Whether a decision changes a recipient: those in flight are passed over, and those that are so already.
bool Changes(engine::QueueDecision::Kind kind, const engine::QueuedRecipient& recipient);
// A decision that changes it and does not end it. `not_before`: of its message.
void Apply(engine::QueueDecision::Kind kind, QueueRecipient& kept, absl::Time not_before, absl::Time now);

}  // namespace mailstead::rules
