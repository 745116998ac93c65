#include "stored/core/queue.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/mail/address.h"
#include "stored/core/limits.h"
#include "stored/core/pause.h"
#include "stored/rules/lane.h"
#include "stored/rules/queue.h"

namespace mailstead::stored {
namespace {

using engine::QueuedMessage;
using engine::QueuedRecipient;
using engine::QueueOutcome;
using engine::QueueReply;
using Event = QueueEvent::Kind;

// While a front-end waits for work: how often it is looked whether something has come, which costs next to nothing, and how
// often the engine is asked all the same, for what time makes due.
constexpr absl::Duration kBetweenLooks = absl::Milliseconds(10);
constexpr absl::Duration kBetweenQuestions = absl::Milliseconds(250);
// One that waits for work asks again within 30 seconds.
constexpr absl::Duration kRelayMemory = absl::Minutes(1);
// Messages and their recipients in a step of what time brings; recipients put back in one.
constexpr size_t kStepMessages = 10;
constexpr size_t kStepRecipients = 100;
constexpr size_t kTakenBack = 500;
// That wait for mailboxes here, tried in one.
constexpr size_t kTriedHere = 100;
// Of a message that is moved into a mailbox.
constexpr size_t kPieceBytes = 64 << 10;
// That front-ends have and that are remembered, each with so many recipients at most: some 2 KB each.
constexpr size_t kMostGiven = 2000;
constexpr size_t kMostGivenRecipients = 4;
// Recipients read at once.
constexpr size_t kRecipientPage = 1000;

// Delivery ids of notices: the same for a repeat.
std::string NoticeId(absl::string_view kind, int64_t number, int64_t of) {
  return absl::StrFormat("notice-%s-%012d-%d", kind, number, of);
}

QueueReply Expired(const QueuedRecipient& recipient, absl::Time now) {
  QueueReply reply = recipient.last_reply;
  if (rules::WaitsHere(recipient)) {
    // RFC 3463 section 3.3: that is all it waits for.
    reply.status = "5.2.2";
    if (reply.text.empty()) reply.text = "the mailbox is full";
    if (reply.time == absl::InfinitePast()) reply.time = now;
    return reply;
  }
  // RFC 3463 section 3.5. What the host said last is kept: that is why.
  reply.status = "4.4.7";
  if (reply.text.empty()) reply.text = "it could not be delivered in time";
  if (reply.time == absl::InfinitePast()) reply.time = now;
  return reply;
}

// No host's words, but ours.
QueueReply OwnReply(absl::string_view status, absl::string_view text, absl::Time now) {
  QueueReply reply;
  reply.status = std::string(status);
  reply.text = std::string(text.substr(0, engine::kMaxQueueReplyBytes));
  reply.time = now;
  return reply;
}

// Why what waits for a mailbox here is not delivered at all (RFC 3463 sections 3.2 and 3.3).
QueueReply Undeliverable(engine::Obstacle obstacle, absl::Time now) {
  if (obstacle == engine::Obstacle::kTooSmall) {
    return OwnReply("5.2.3", "the message is larger than the whole quota of the mailbox", now);
  }
  return OwnReply("5.1.1", "there is no such mailbox here any more", now);
}

bool IsOf(absl::string_view address, absl::string_view wanted) {
  if (wanted.empty()) return true;
  const absl::StatusOr<Address> parsed = ParseAddress(address);
  if (!parsed.ok()) return false;
  if (absl::ConsumePrefix(&wanted, "@")) return NormalizeDomain(parsed->domain).value_or("") == wanted;
  return parsed->Normalized().value_or("") == wanted;
}

absl::StatusOr<std::string> NormalizeWanted(absl::string_view field, absl::string_view text) {
  if (text.empty() || text == "<>") return std::string(text);
  absl::string_view domain = text;
  if (absl::ConsumePrefix(&domain, "@")) {
    const absl::StatusOr<std::string> normalized = NormalizeDomain(domain);
    if (!normalized.ok()) return FieldError(field, normalized.status().message());
    return absl::StrCat("@", *normalized);
  }
  const absl::StatusOr<Address> address = ParseAddress(text);
  if (!address.ok()) return FieldError(field, address.status().message());
  const absl::StatusOr<std::string> normalized = address->Normalized();
  if (!normalized.ok()) return FieldError(field, normalized.status().message());
  return *normalized;
}

}  // namespace

absl::Status QueueFilter::Normalize() {
  if (message.value < 0) return FieldError("filter.queue_id", "must not be negative");
  ASSIGN_OR_RETURN(sender, NormalizeWanted("filter.sender", sender));
  ASSIGN_OR_RETURN(recipient, NormalizeWanted("filter.recipient", recipient));
  if (recipient == "<>") return FieldError("filter.recipient", "must be an address, or @ and a domain");
  if (destination.empty() || rules::MailboxOf(destination).has_value()) return absl::OkStatus();
  const absl::StatusOr<std::string> normalized = NormalizeDomain(destination);
  if (!normalized.ok()) return FieldError("filter.destination", normalized.status().message());
  destination = *normalized;
  return absl::OkStatus();
}

bool QueueFilter::TakesMessage(const QueuedMessage& candidate) const {
  if (message.value != 0 && candidate.id != message) return false;
  if (sender == "<>") return candidate.envelope.reverse_path.empty();
  return IsOf(candidate.envelope.reverse_path, sender);
}

bool QueueFilter::TakesRecipient(const QueuedRecipient& candidate) const {
  if (!destination.empty() && candidate.destination != destination) return false;
  return IsOf(candidate.address, recipient);
}

// ---- Front-ends

Task<absl::StatusOr<std::vector<OutboundQueue::Assignment>>> OutboundQueue::Lease(
    engine::QueueLeaseRequest request, absl::Duration wait, std::function<absl::Status()> still_wanted) {
  const absl::Time until = steady_.Now() + wait;
  for (;;) {
    CO_RETURN_IF_ERROR(still_wanted());
    // Read before: what comes in between is seen.
    const int64_t version = engine_.Version();
    CO_ASSIGN_OR_RETURN(std::vector<engine::QueueAttempt> attempts, co_await engine_.Lease(request));
    // Only one that has a lease comes here.
    relays_.insert_or_assign(request.lease_id, steady_.Now());
    const bool any = !attempts.empty();
    CO_ASSIGN_OR_RETURN(std::vector<Assignment> assignments, co_await Assign(std::move(attempts)));
    if (!assignments.empty() || steady_.Now() >= until) co_return assignments;
    // There may be more like those that stay here.
    if (any) continue;
    const absl::Time ask = std::min(until, steady_.Now() + kBetweenQuestions);
    while (engine_.Version() == version && steady_.Now() < ask) {
      Pause pause(timers_, executor_);
      co_await pause.For(std::min(ask - steady_.Now(), kBetweenLooks));
    }
  }
}

Task<absl::StatusOr<std::vector<OutboundQueue::Assignment>>> OutboundQueue::Assign(
    std::vector<engine::QueueAttempt> attempts) {
  std::vector<Assignment> assignments;
  for (engine::QueueAttempt& attempt : attempts) {
    const bool held = co_await HeldForPause(attempt);
    if (held) continue;
    absl::StatusOr<std::optional<RouteChoice>> route =
        co_await routes_.Choose(attempt.destination, DomainOf(attempt.message.envelope.reverse_path));
    if (!route.ok()) {
      // A password that cannot be opened: it waits for an operator.
      // Where this cannot be kept either, the attempt ends with its lease.
      QueueReply why = OwnReply("4.3.5", absl::StrCat("the route cannot be used: ", route.status().message()),
                                clock_.Now());
      (void)co_await Settle(attempt, QueueOutcome::Kind::kDeferred, std::move(why));
      continue;
    }
    if (!route->has_value() || (*route)->mailbox.value == 0) {
      Remember(attempt);
      if (srs_ != nullptr) {
        absl::StatusOr<std::string> sender = co_await srs_->SenderFor(attempt.message);
        if (!sender.ok()) {
          QueueReply why =
              OwnReply("4.3.5", absl::StrCat("the sender cannot be rewritten: ", sender.status().message()),
                       clock_.Now());
          (void)co_await Settle(attempt, QueueOutcome::Kind::kDeferred, std::move(why));
          continue;
        }
        attempt.message.envelope.reverse_path = *std::move(sender);
      }
      assignments.push_back({std::move(attempt), *std::move(route)});
      continue;
    }
    const absl::Status kept = co_await Keep(attempt);
    QueueReply reply = kept.ok() ? OwnReply("2.0.0", "kept in a mailbox here", clock_.Now())
                                 : OwnReply("4.3.0", kept.message(), clock_.Now());
    (void)co_await Settle(attempt, kept.ok() ? QueueOutcome::Kind::kDelivered : QueueOutcome::Kind::kDeferred,
                          std::move(reply));
  }
  co_return assignments;
}

Task<bool> OutboundQueue::HeldForPause(const engine::QueueAttempt& attempt) {
  const std::optional<AccountId> account = rules::AccountOfLane(attempt.message.lane);
  if (sending_ == nullptr || !account.has_value()) co_return false;
  const absl::StatusOr<bool> paused = co_await sending_->IsPaused(*account);
  // Where it is not known: what was taken before goes on.
  if (!paused.ok() || !*paused) co_return false;
  QueueReply why = OwnReply("4.7.1", "held: the account's sending is paused", clock_.Now());
  const absl::Status put_back = co_await Settle(attempt, QueueOutcome::Kind::kDeferred, std::move(why));
  if (!put_back.ok()) co_return true;
  engine::QueueDecision decision{engine::QueueDecision::Kind::kHold, attempt.message.id, {}};
  for (const QueuedRecipient& recipient : attempt.message.recipients)
    decision.recipients.push_back(recipient.number);
  std::vector<engine::NewNotice> none;
  // Where that fails it is looked at again at its next time.
  (void)co_await engine_.Decide(std::move(decision), std::move(none));
  co_return true;
}

Task<absl::Status> OutboundQueue::Keep(const engine::QueueAttempt& attempt) {
  CO_ASSIGN_OR_RETURN(const std::unique_ptr<engine::MessageReader> reader,
                      co_await engine_.Open(attempt.message.id));
  Envelope envelope = attempt.message.envelope;
  // The same for a repeat: the numbers of these recipients are of no other attempt that succeeds.
  envelope.delivery_id =
      NoticeId("kept", attempt.message.id.value, attempt.message.recipients.front().number);
  for (const QueuedRecipient& recipient : attempt.message.recipients) {
    EnvelopeRecipient& to = envelope.recipients.emplace_back();
    to.address = recipient.address;
    to.notify = recipient.notify;
    to.original_recipient = recipient.original_recipient;
  }
  Intake intake(intake_, "queue", Promise::kGiven);
  intake.AllowRelay();
  CO_RETURN_IF_ERROR(co_await intake.Begin(std::move(envelope)));
  for (int64_t offset = 0;;) {
    CO_ASSIGN_OR_RETURN(std::string piece, co_await reader->Read(offset, kPieceBytes));
    if (piece.empty()) break;
    offset += static_cast<int64_t>(piece.size());
    CO_RETURN_IF_ERROR(co_await intake.Append(std::move(piece)));
  }
  co_return (co_await intake.Finish("")).status();
}

Task<absl::Status> OutboundQueue::Settle(const engine::QueueAttempt& attempt, QueueOutcome::Kind kind,
                                         QueueReply reply) {
  engine::QueueReport report;
  report.message = attempt.message.id;
  report.grant = attempt.grant;
  for (const QueuedRecipient& recipient : attempt.message.recipients) {
    report.outcomes.push_back({recipient.number, kind, reply, absl::InfinitePast()});
  }
  // What is in a mailbox here was told of with the commit that put it there.
  std::vector<int32_t> told;
  for (const QueueOutcome& outcome : report.outcomes) told.push_back(outcome.number);
  co_return co_await Report(std::move(report), std::move(told));
}

int64_t OutboundQueue::CountRelays() {
  const absl::Time since = steady_.Now() - kRelayMemory;
  absl::erase_if(relays_, [&](const auto& relay) { return relay.second < since; });
  return static_cast<int64_t>(relays_.size());
}

Task<absl::StatusOr<QueuedMessage>> OutboundQueue::FindRecipients(QueueId message,
                                                                  std::vector<int32_t> numbers) {
  absl::c_sort(numbers);
  QueuedMessage found;
  auto wanted = numbers.begin();
  while (wanted != numbers.end()) {
    CO_ASSIGN_OR_RETURN(QueuedMessage page, co_await engine_.Find(message, *wanted, kRecipientPage));
    std::vector<QueuedRecipient> recipients = std::move(page.recipients);
    const bool is_last = recipients.size() < kRecipientPage;
    const int32_t end = recipients.empty() ? 0 : recipients.back().number;
    for (QueuedRecipient& recipient : recipients) {
      wanted = std::lower_bound(wanted, numbers.end(), recipient.number);
      if (wanted == numbers.end()) break;
      if (*wanted == recipient.number) found.recipients.push_back(std::move(recipient));
    }
    page.recipients = std::move(found.recipients);
    found = std::move(page);
    if (is_last) break;
    wanted = std::upper_bound(wanted, numbers.end(), end);
  }
  co_return found;
}

void OutboundQueue::Remember(const engine::QueueAttempt& attempt) {
  if (attempt.message.recipients.size() > kMostGivenRecipients) return;
  if (given_order_.size() >= kMostGiven) {
    given_.erase(given_order_.front());
    given_order_.pop_front();
  }
  given_order_.push_back(attempt.grant.value);
  given_.insert_or_assign(attempt.grant.value, attempt.message);
}

Task<absl::StatusOr<QueuedMessage>> OutboundQueue::FindReported(const engine::QueueReport& report) {
  const auto given = given_.find(report.grant.value);
  if (given != given_.end() && given->second.id == report.message) {
    QueuedMessage message = std::move(given->second);
    // A repeat finds what the first one has left.
    given_.erase(given);
    const bool has_all = absl::c_all_of(report.outcomes, [&](const QueueOutcome& outcome) {
      return absl::c_any_of(message.recipients, [&](const QueuedRecipient& recipient) {
        return recipient.number == outcome.number;
      });
    });
    if (has_all) co_return message;
  }
  std::vector<int32_t> numbers;
  for (const QueueOutcome& outcome : report.outcomes) numbers.push_back(outcome.number);
  co_return co_await FindRecipients(report.message, std::move(numbers));
}

void OutboundQueue::Tell(Event kind, const QueuedMessage& message, const QueuedRecipient& recipient,
                         const QueueReply& reply) {
  if (observer_ == nullptr) return;
  observer_->Happened({kind, message.id, message.envelope.delivery_id, message.envelope.reverse_path,
                       recipient.address, recipient.attempt_count, message.queue_time, reply});
}

Task<absl::StatusOr<std::vector<engine::NewNotice>>> OutboundQueue::Make(const QueuedMessage& message,
                                                                         std::vector<Notice> notices) {
  std::vector<engine::NewNotice> made;
  for (Notice& notice : notices) {
    if (notice.recipients.empty()) continue;
    absl::StatusOr<std::optional<engine::NewNotice>> ready =
        co_await notices_.Make(message, std::move(notice));
    if (ready.ok()) {
      if (ready->has_value()) made.push_back(**std::move(ready));
      continue;
    }
    if (IsTemporary(ready.status())) co_return std::move(ready).status();
    if (observer_ != nullptr)
      observer_->NoticeDropped(message.id, message.envelope.reverse_path, ready.status());
  }
  co_return made;
}

Task<absl::Status> OutboundQueue::Report(engine::QueueReport report, std::vector<int32_t> relayed) {
  const absl::StatusOr<QueuedMessage> found = co_await FindReported(report);
  // A repeat, of what ended the message.
  if (absl::IsNotFound(found.status())) co_return absl::OkStatus();
  if (!found.ok()) co_return found.status();
  const QueuedMessage& message = *found;
  const int64_t grant = report.grant.value;
  Notice failed{dsn::NoticeKind::kFailed, NoticeId("failed", message.id.value, grant), {}};
  Notice passed_on{dsn::NoticeKind::kRelayed, NoticeId("relayed", message.id.value, grant), {}};
  for (const QueueOutcome& outcome : report.outcomes) {
    const auto recipient = absl::c_find_if(message.recipients, [&](const QueuedRecipient& candidate) {
      return candidate.number == outcome.number;
    });
    if (recipient == message.recipients.end()) continue;
    if (outcome.kind == QueueOutcome::Kind::kFailed)
      failed.recipients.push_back({&*recipient, outcome.reply});
    if (outcome.kind == QueueOutcome::Kind::kDelivered && !absl::c_linear_search(relayed, outcome.number)) {
      passed_on.recipients.push_back({&*recipient, outcome.reply});
    }
  }
  std::vector<Notice> wanted;
  wanted.push_back(std::move(failed));
  wanted.push_back(std::move(passed_on));
  CO_ASSIGN_OR_RETURN(std::vector<engine::NewNotice> notices, co_await Make(message, std::move(wanted)));
  const bool has_notices = !notices.empty();
  absl::StatusOr<engine::QueueChange> change = co_await engine_.Report(report, std::move(notices));
  if (!change.ok() && has_notices && !IsTemporary(change.status())) {
    // The sender's mailbox went meanwhile. That the message has ended stays true.
    if (observer_ != nullptr)
      observer_->NoticeDropped(message.id, message.envelope.reverse_path, change.status());
    std::vector<engine::NewNotice> no_notices;
    change = co_await engine_.Report(report, std::move(no_notices));
  }
  if (!change.ok()) co_return change.status();
  int64_t delivered_count = 0;
  int64_t refused_count = 0;
  for (const QueuedRecipient& recipient : message.recipients) {
    const bool has_ended = absl::c_linear_search(change->ended, recipient.number);
    if (!has_ended && !absl::c_linear_search(change->deferred, recipient.number)) continue;
    const auto outcome = absl::c_find_if(
        report.outcomes, [&](const QueueOutcome& candidate) { return candidate.number == recipient.number; });
    const bool delivered = outcome->kind == QueueOutcome::Kind::kDelivered;
    Tell(!has_ended  ? Event::kDeferred
         : delivered ? Event::kDelivered
                     : Event::kFailed,
         message, recipient, outcome->reply);
    if (has_ended) ++(delivered ? delivered_count : refused_count);
  }
  const std::optional<AccountId> account = rules::AccountOfLane(message.lane);
  if (sending_ != nullptr && account.has_value()) {
    co_await sending_->NoteOutcomes(*account, delivered_count, refused_count);
  }
  co_return absl::OkStatus();
}

// ---- Time

Task<absl::StatusOr<engine::QueueChange>> OutboundQueue::Decide(engine::QueueDecision decision,
                                                                const QueuedMessage& message, Notice notice) {
  std::vector<Notice> wanted;
  wanted.push_back(std::move(notice));
  CO_ASSIGN_OR_RETURN(std::vector<engine::NewNotice> notices, co_await Make(message, std::move(wanted)));
  const bool has_notices = !notices.empty();
  absl::StatusOr<engine::QueueChange> change = co_await engine_.Decide(decision, std::move(notices));
  if (!change.ok() && has_notices && !absl::IsNotFound(change.status()) && !IsTemporary(change.status())) {
    if (observer_ != nullptr)
      observer_->NoticeDropped(message.id, message.envelope.reverse_path, change.status());
    std::vector<engine::NewNotice> no_notices;
    change = co_await engine_.Decide(decision, std::move(no_notices));
  }
  co_return change;
}

Task<absl::Status> OutboundQueue::EndExpired(QueuedMessage message) {
  const absl::Time now = clock_.Now();
  engine::QueueDecision decision{engine::QueueDecision::Kind::kEnd, message.id, {}};
  Notice notice{
      dsn::NoticeKind::kFailed, NoticeId("expired", message.id.value, message.recipients.front().number), {}};
  for (const QueuedRecipient& recipient : message.recipients) {
    decision.recipients.push_back(recipient.number);
    notice.recipients.push_back({&recipient, Expired(recipient, now)});
  }
  decision.reply.status = Expired(message.recipients.front(), now).status;
  CO_ASSIGN_OR_RETURN(const engine::QueueChange change,
                      co_await Decide(std::move(decision), message, std::move(notice)));
  for (const QueuedRecipient& recipient : message.recipients) {
    if (absl::c_linear_search(change.ended, recipient.number)) {
      Tell(Event::kExpired, message, recipient, Expired(recipient, now));
    }
  }
  co_return absl::OkStatus();
}

Task<absl::Status> OutboundQueue::TellDelay(QueuedMessage message) {
  engine::QueueDecision decision{engine::QueueDecision::Kind::kDelayTold, message.id, {}};
  Notice notice{dsn::NoticeKind::kDelayed, NoticeId("delayed", message.id.value, 0), {}};
  for (const QueuedRecipient& recipient : message.recipients) {
    notice.recipients.push_back({&recipient, recipient.last_reply});
  }
  CO_RETURN_IF_ERROR((co_await Decide(std::move(decision), message, std::move(notice))).status());
  if (!message.recipients.empty()) {
    Tell(Event::kDelayTold, message, message.recipients.front(), message.recipients.front().last_reply);
  }
  co_return absl::OkStatus();
}

Task<absl::StatusOr<bool>> OutboundQueue::Expire() {
  CO_ASSIGN_OR_RETURN(std::vector<QueuedMessage> due, co_await engine_.Due(kStepMessages, kStepRecipients));
  const size_t count = due.size();
  bool any = false;
  for (QueuedMessage& message : due) {
    const bool is_over = message.expire_time <= clock_.Now();
    // What is in flight comes back, or ends.
    if (is_over && message.recipients.empty()) continue;
    absl::Status done;
    if (is_over) {
      done = co_await EndExpired(std::move(message));
    } else {
      done = co_await TellDelay(std::move(message));
    }
    // NotFound: it has ended meanwhile.
    if (!done.ok() && !absl::IsNotFound(done)) co_return done;
    any = true;
  }
  co_return any&& count == kStepMessages;
}

Task<absl::Status> OutboundQueue::EndFailed(QueuedMessage message) {
  engine::QueueDecision decision{engine::QueueDecision::Kind::kEnd, message.id, {}};
  Notice notice{dsn::NoticeKind::kFailed,
                NoticeId("undelivered", message.id.value, message.recipients.front().number),
                {}};
  for (const QueuedRecipient& recipient : message.recipients) {
    decision.recipients.push_back(recipient.number);
    notice.recipients.push_back({&recipient, recipient.last_reply});
  }
  decision.reply = message.recipients.front().last_reply;
  CO_ASSIGN_OR_RETURN(const engine::QueueChange change,
                      co_await Decide(std::move(decision), message, std::move(notice)));
  for (const QueuedRecipient& recipient : message.recipients) {
    if (absl::c_linear_search(change.ended, recipient.number)) {
      Tell(Event::kFailed, message, recipient, recipient.last_reply);
    }
  }
  co_return absl::OkStatus();
}

Task<absl::StatusOr<bool>> OutboundQueue::DeliverHere() {
  CO_ASSIGN_OR_RETURN(std::vector<engine::DeliveredHere> tried, co_await engine_.DeliverHere(kTriedHere));
  const size_t count = tried.size();
  std::vector<QueuedMessage> undeliverable;
  for (engine::DeliveredHere& one : tried) {
    QueuedRecipient& recipient = one.message.recipients.front();
    if (!one.obstacle.has_value()) {
      Tell(Event::kDelivered, one.message, recipient,
           OwnReply("2.1.5", "put into the mailbox", clock_.Now()));
    } else if (*one.obstacle == engine::Obstacle::kFull) {
      Tell(Event::kDeferred, one.message, recipient, recipient.last_reply);
    } else {
      recipient.last_reply = Undeliverable(*one.obstacle, clock_.Now());
      // Those of one message are told of together.
      if (undeliverable.empty() || undeliverable.back().id != one.message.id) {
        undeliverable.push_back(std::move(one.message));
      } else {
        undeliverable.back().recipients.push_back(std::move(recipient));
      }
    }
  }
  for (QueuedMessage& message : undeliverable) {
    const absl::Status ended = co_await EndFailed(std::move(message));
    // NotFound: it has ended meanwhile. Else it is tried again at its next time.
    if (!ended.ok() && !absl::IsNotFound(ended)) co_return ended;
  }
  co_return count == kTriedHere;
}

Task<absl::StatusOr<bool>> OutboundQueue::TakeBack() {
  CO_ASSIGN_OR_RETURN(const size_t count, co_await engine_.TakeBack(kTakenBack));
  co_return count == kTakenBack;
}

// ---- Operators

Task<absl::StatusOr<OutboundQueue::Changed>> OutboundQueue::Change(QueueAction action, QueueFilter filter,
                                                                   QueueId id, bool dry_run) {
  Changed changed;
  for (int32_t first = 0;;) {
    CO_ASSIGN_OR_RETURN(QueuedMessage message, co_await engine_.Find(id, first, kRecipientPage));
    if (message.recipients.empty()) break;
    first = message.recipients.back().number + 1;
    const bool is_last = message.recipients.size() < kRecipientPage;
    std::erase_if(message.recipients,
                  [&](const QueuedRecipient& recipient) { return !filter.TakesRecipient(recipient); });
    changed.in_flight_count += absl::c_count_if(
        message.recipients, [](const QueuedRecipient& recipient) { return recipient.in_flight; });
    std::erase_if(message.recipients, [&](const QueuedRecipient& recipient) {
      return recipient.in_flight || (action == QueueAction::kHold && recipient.held) ||
             (action == QueueAction::kRelease && !recipient.held);
    });
    if (dry_run || message.recipients.empty()) {
      changed.changed_count += static_cast<int64_t>(message.recipients.size());
    } else {
      engine::QueueDecision decision{engine::QueueDecision::Kind::kEnd, id, {}};
      if (action == QueueAction::kHold) decision.kind = engine::QueueDecision::Kind::kHold;
      if (action == QueueAction::kRelease) decision.kind = engine::QueueDecision::Kind::kRelease;
      if (action == QueueAction::kRetry) decision.kind = engine::QueueDecision::Kind::kRetry;
      decision.cancelled = action == QueueAction::kCancel;
      // RFC 3463 section 3.4: a mail system's own decision.
      const QueueReply returned = OwnReply("5.3.0", "returned by the administrator", clock_.Now());
      if (action == QueueAction::kBounce) decision.reply = returned;
      Notice notice{
          dsn::NoticeKind::kFailed, NoticeId("returned", id.value, message.recipients.front().number), {}};
      for (const QueuedRecipient& recipient : message.recipients) {
        decision.recipients.push_back(recipient.number);
        if (action != QueueAction::kBounce) continue;
        notice.recipients.push_back({&recipient, returned});
      }
      const bool ends = decision.kind == engine::QueueDecision::Kind::kEnd;
      absl::StatusOr<engine::QueueChange> change =
          co_await Decide(std::move(decision), message, std::move(notice));
      // The last of them ended meanwhile.
      if (absl::IsNotFound(change.status())) break;
      if (!change.ok()) co_return std::move(change).status();
      for (const QueuedRecipient& recipient : message.recipients) {
        const bool has_ended = absl::c_linear_search(change->ended, recipient.number);
        if (ends && !has_ended) {
          // A front-end got it in between.
          ++changed.in_flight_count;
          continue;
        }
        ++changed.changed_count;
        if (ends)
          Tell(action == QueueAction::kBounce ? Event::kFailed : Event::kCancelled, message, recipient,
               recipient.last_reply);
      }
    }
    if (is_last) break;
  }
  co_return changed;
}

}  // namespace mailstead::stored
