#include "stored/rules/submission.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/mail/address.h"
#include "stored/rules/times.h"

namespace mailstead::rules {
namespace {

using engine::Submission;
using engine::SubmissionNews;
using engine::SubmissionOutcome;
using engine::SubmissionTarget;
using State = SubmissionTarget::State;

absl::Status TooManyTargets() {
  return WithReason(absl::ResourceExhaustedError("the recipients lead to more than 2000 addresses"),
                    kReasonTooManyMailboxes);
}

// Which recipient of the submission's envelope one of the message's is.
int32_t InSubmission(const engine::NewMessage& message, int32_t recipient) {
  return message.submission->taken[static_cast<size_t>(recipient)];
}

SubmissionTarget TargetOf(const engine::NewMessage& message, int32_t recipient, const std::string& address,
                          State state) {
  SubmissionTarget target;
  target.recipient = InSubmission(message, recipient);
  const EnvelopeRecipient& named =
      message.submission->envelope.recipients[static_cast<size_t>(target.recipient)];
  if (address != named.address) target.address = address;
  target.state = state;
  target.was_queued = state == State::kQueued;
  return target;
}

SubmissionNews::Kind NewsKindOf(SubmissionOutcome::Kind kind) {
  switch (kind) {
    case SubmissionOutcome::Kind::kDelivered:
    case SubmissionOutcome::Kind::kRelayed:
      return SubmissionNews::Kind::kDelivered;
    case SubmissionOutcome::Kind::kCancelled:
      return SubmissionNews::Kind::kCancelled;
    case SubmissionOutcome::Kind::kFailed:
      break;
  }
  return SubmissionNews::Kind::kFailed;
}

SubmissionNews NewsOf(const std::string& submission, const std::string& recipient, SubmissionNews::Kind kind,
                      const engine::QueueReply& reply) {
  SubmissionNews news;
  news.submission_id = submission;
  news.recipient = recipient;
  news.kind = kind;
  news.reply_code = reply.code;
  news.reply_status = reply.status;
  news.reply_text = reply.text;
  return news;
}

}  // namespace

absl::Status Check(const engine::NewMessage& message, const engine::NewSubmission& submission) {
  const auto is_recipient = [&](int32_t recipient) {
    return recipient >= 0 && static_cast<size_t>(recipient) < submission.envelope.recipients.size();
  };
  if (submission.taken.size() != message.envelope.recipients.size()) {
    return FieldError("submission.taken", "must name each recipient of the message");
  }
  for (const int32_t recipient : submission.taken) {
    if (!is_recipient(recipient))
      return FieldError("submission.taken", "must name recipients of the envelope");
  }
  for (const engine::RefusedRecipient& refused : submission.refused) {
    if (!is_recipient(refused.recipient)) {
      return FieldError("submission.refused", "must name recipients of the envelope");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Submission> SubmissionOf(const engine::NewMessage& message,
                                        const std::vector<Waiting>& waiting, QueueId queue_id,
                                        absl::Time now) {
  const engine::NewSubmission& given = *message.submission;
  Submission submission;
  submission.id = message.envelope.delivery_id;
  submission.account = given.account;
  submission.request_id = given.request_id;
  submission.fingerprint = message.fingerprint;
  submission.sha256 = message.sha256;
  submission.envelope = given.envelope;
  submission.message_id = given.message_id;
  submission.submit_time = Kept(now);
  submission.send_time = Kept(message.queued.not_before);
  submission.queue_id = queue_id;
  std::vector<SubmissionTarget>& targets = submission.targets;
  for (const engine::NewQueuedRecipient& queued : message.queued.recipients) {
    targets.push_back(TargetOf(message, queued.recipient, queued.address, State::kQueued));
  }
  for (const Waiting& waits : waiting) {
    const engine::NewCopy& copy = message.copies[waits.copy];
    targets.push_back(TargetOf(message, copy.recipients.front(),
                               copy.address.empty() ? AddressOf(message, copy) : copy.address,
                               State::kQueued));
  }
  // What is in mailboxes: one for each recipient, whatever it led to.
  std::vector<bool> delivered(message.envelope.recipients.size());
  auto next = waiting.begin();
  for (size_t i = 0; i < message.copies.size(); ++i) {
    if (next != waiting.end() && next->copy == i) {
      ++next;
      continue;
    }
    for (const int32_t recipient : message.copies[i].recipients)
      delivered[static_cast<size_t>(recipient)] = true;
  }
  for (size_t i = 0; i < delivered.size(); ++i) {
    if (!delivered[i]) continue;
    SubmissionTarget& target = targets.emplace_back();
    target.recipient = InSubmission(message, static_cast<int32_t>(i));
    target.state = State::kDelivered;
    target.reply.time = Kept(now);
  }
  for (const engine::RefusedRecipient& refused : given.refused) {
    SubmissionTarget& target = targets.emplace_back();
    target.recipient = refused.recipient;
    target.state = State::kRefused;
    target.reason = refused.reason;
    target.reply.text = refused.text;
    target.reply.time = Kept(now);
  }
  if (targets.size() > engine::kMaxSubmissionTargets) return TooManyTargets();
  return submission;
}

absl::StatusOr<engine::Receipt> DecideRepeat(const Submission& before, const engine::NewMessage& message) {
  if (before.fingerprint != message.fingerprint) {
    return WithReason(absl::AlreadyExistsError("the id was used for another submission"),
                      kReasonDeliveryIdReused);
  }
  engine::Receipt receipt;
  receipt.already_stored = true;
  receipt.sha256 = before.sha256;
  receipt.deliver_time = before.submit_time;
  return receipt;
}

SubmissionOutcome OutcomeOf(const engine::QueuedRecipient& recipient, const engine::QueueOutcome& outcome) {
  SubmissionOutcome kept;
  kept.attempt_count = recipient.attempt_count;
  kept.reply = outcome.reply;
  kept.reply.time = Kept(kept.reply.time);
  if (outcome.kind == engine::QueueOutcome::Kind::kDelivered) {
    // Without a host and its reply it was kept in a mailbox here (a route says so).
    kept.kind = outcome.reply.host.empty() && outcome.reply.code == 0 ? SubmissionOutcome::Kind::kDelivered
                                                                      : SubmissionOutcome::Kind::kRelayed;
  }
  return kept;
}

SubmissionOutcome OutcomeOf(const engine::QueuedRecipient& recipient, const engine::QueueDecision& decision,
                            absl::Time now) {
  SubmissionOutcome kept;
  kept.kind = decision.cancelled ? SubmissionOutcome::Kind::kCancelled : SubmissionOutcome::Kind::kFailed;
  kept.attempt_count = recipient.attempt_count;
  kept.reply = recipient.last_reply;
  if (!decision.reply.status.empty()) kept.reply.status = decision.reply.status;
  if (!decision.reply.text.empty()) kept.reply.text = decision.reply.text;
  kept.reply.time = Kept(now);
  return kept;
}

SubmissionOutcome DeliveredOutcome(const engine::QueuedRecipient& recipient, absl::Time now) {
  SubmissionOutcome kept;
  kept.kind = SubmissionOutcome::Kind::kDelivered;
  kept.attempt_count = recipient.attempt_count;
  kept.reply.time = Kept(now);
  return kept;
}

void Show(const SubmissionOutcome& outcome, SubmissionTarget& target) {
  switch (outcome.kind) {
    case SubmissionOutcome::Kind::kDelivered:
      target.state = State::kDelivered;
      break;
    case SubmissionOutcome::Kind::kRelayed:
      target.state = State::kRelayed;
      break;
    case SubmissionOutcome::Kind::kFailed:
      target.state = State::kFailed;
      break;
    case SubmissionOutcome::Kind::kCancelled:
      target.state = State::kCancelled;
      break;
  }
  target.attempt_count = outcome.attempt_count;
  target.next_attempt_time = absl::InfinitePast();
  target.reply = outcome.reply;
  target.bounce = outcome.bounce;
  if (outcome.bounce.has_value() && outcome.bounce->action == engine::SubmissionBounce::Action::kFailed) {
    target.state = State::kBounced;
  }
}

void Show(const engine::QueuedRecipient& recipient, absl::Time waits_until, SubmissionTarget& target) {
  const bool has_begun = recipient.attempt_count > 0 || recipient.next_attempt_time != waits_until;
  target.state = recipient.in_flight                                 ? State::kInFlight
                 : waits_until != absl::InfinitePast() && !has_begun ? State::kScheduled
                                                                     : State::kQueued;
  target.attempt_count = recipient.attempt_count;
  target.next_attempt_time = recipient.next_attempt_time;
  target.reply = recipient.last_reply;
}

// What is no address is compared as text.
std::string ReportedName(absl::string_view address) {
  const absl::StatusOr<Address> parsed = ParseAddress(address);
  if (!parsed.ok()) return absl::AsciiStrToLower(address);
  const absl::StatusOr<std::string> normalized = parsed->Normalized();
  return normalized.ok() ? *normalized : absl::AsciiStrToLower(address);
}

std::vector<std::string> NamesOf(const Submission& submission, const SubmissionTarget& target) {
  std::vector<std::string> names = {
      ReportedName(submission.envelope.recipients[static_cast<size_t>(target.recipient)].address)};
  if (!target.address.empty()) names.push_back(ReportedName(target.address));
  return names;
}

bool Note(const engine::SubmissionBounce& bounce, SubmissionOutcome& outcome) {
  if (outcome.kind != SubmissionOutcome::Kind::kRelayed) return false;
  if (outcome.bounce.has_value() && outcome.bounce->action == engine::SubmissionBounce::Action::kFailed)
    return false;
  // A repeat of the same notification.
  if (outcome.bounce.has_value() && bounce.action == engine::SubmissionBounce::Action::kDelayed) return false;
  outcome.bounce = bounce;
  outcome.bounce->time = Kept(bounce.time);
  return true;
}

SubmissionNews NewsOf(const std::string& submission, const engine::QueuedRecipient& recipient,
                      const SubmissionOutcome& outcome) {
  return NewsOf(submission, recipient.address, NewsKindOf(outcome.kind), outcome.reply);
}

SubmissionNews DeferralNews(const std::string& submission, const engine::QueuedRecipient& recipient) {
  return NewsOf(submission, recipient.address, SubmissionNews::Kind::kDeferred, recipient.last_reply);
}

SubmissionNews BounceNews(const Submission& submission, const SubmissionTarget& target,
                          const engine::SubmissionBounce& bounce) {
  const std::string& named = submission.envelope.recipients[static_cast<size_t>(target.recipient)].address;
  engine::QueueReply reply;
  reply.status = bounce.status;
  reply.text = bounce.text;
  const bool failed = bounce.action == engine::SubmissionBounce::Action::kFailed;
  return NewsOf(submission.id, target.address.empty() ? named : target.address,
                failed ? SubmissionNews::Kind::kBounced : SubmissionNews::Kind::kDelayed, reply);
}

}  // namespace mailstead::rules
