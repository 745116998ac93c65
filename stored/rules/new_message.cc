#include "stored/rules/new_message.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/rules/queue.h"
#include "stored/rules/submission.h"
#include "stored/rules/times.h"

namespace mailstead::rules {
namespace {

constexpr size_t kDigestBytes = 32;
// RFC 1939 section 7.
constexpr size_t kMaxUniqueIdBytes = 70;
// RFC 5321 section 4.5.3.1.2.
constexpr size_t kMaxDestinationBytes = 255;

bool IsUniqueId(const std::string& id) {
  if (id.empty() || id.size() > kMaxUniqueIdBytes) return false;
  for (const char c : id) {
    if (c < 0x21 || c > 0x7e) return false;
  }
  return true;
}

absl::Status CheckRecipients(const engine::NewMessage& message, const engine::NewCopy& copy) {
  if (copy.recipients.empty()) return FieldError("copies.recipients", "must not be empty");
  int64_t last = -1;
  for (const int32_t index : copy.recipients) {
    if (index <= last) return FieldError("copies.recipients", "must ascend");
    if (static_cast<size_t>(index) >= message.envelope.recipients.size()) {
      return FieldError("copies.recipients", "must name recipients of the envelope");
    }
    last = index;
  }
  return absl::OkStatus();
}

// Of whose recipients something is taken at once, with these copies waiting.
std::vector<bool> Served(const engine::NewMessage& message, const std::vector<Waiting>& waiting) {
  std::vector<bool> served(message.envelope.recipients.size());
  auto next = waiting.begin();
  for (size_t i = 0; i < message.copies.size(); ++i) {
    if (next != waiting.end() && next->copy == i) {
      ++next;
      continue;
    }
    for (const int32_t index : message.copies[i].recipients) served[static_cast<size_t>(index)] = true;
  }
  for (const engine::NewQueuedRecipient& queued : message.queued.recipients) {
    if (!MailboxOf(queued.destination).has_value()) served[static_cast<size_t>(queued.recipient)] = true;
  }
  return served;
}

absl::Status Refuse(engine::Obstacle obstacle, const std::string& address) {
  switch (obstacle) {
    case engine::Obstacle::kFull:
      return NoRoom(address);
    case engine::Obstacle::kTooSmall:
      return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                            "the message is larger than the whole quota of the mailbox of ", address)),
                        kReasonQuotaTooSmall);
    case engine::Obstacle::kGone:
      return NoMailbox(address);
    case engine::Obstacle::kScheduled:
      // It refuses nothing.
      break;
  }
  return absl::OkStatus();
}

absl::Status CheckQueued(const engine::NewMessage& message, const engine::NewQueuedRecipient& queued) {
  if (queued.recipient < 0 || static_cast<size_t>(queued.recipient) >= message.envelope.recipients.size()) {
    return FieldError("queued.recipients.recipient", "must name a recipient of the envelope");
  }
  if (queued.address.empty()) return FieldError("queued.recipients.address", "must not be empty");
  if (queued.destination.empty() || queued.destination.size() > kMaxDestinationBytes ||
      queued.destination.find('\0') != std::string::npos) {
    return FieldError("queued.recipients.destination", "must have 1 to 255 bytes without NUL");
  }
  // What waits for a mailbox that is there is a copy.
  if (MailboxOf(queued.destination).value_or(AccountId{0}).value != 0) {
    return FieldError("queued.recipients.destination", "must not be a mailbox here");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Check(const engine::NewMessage& message) {
  if (message.delivery_scope.empty()) return FieldError("delivery_scope", "must not be empty");
  if (message.delivery_scope.find('\0') != std::string::npos) {
    return FieldError("delivery_scope", "must not hold NUL");
  }
  if (message.envelope.delivery_id.empty()) return FieldError("envelope.delivery_id", "must not be empty");
  if (message.sha256.size() != kDigestBytes) return FieldError("sha256", "must have 32 bytes");
  if (message.fingerprint.size() != kDigestBytes) return FieldError("fingerprint", "must have 32 bytes");
  const bool goes_nowhere = message.copies.empty() && message.queued.recipients.empty();
  if (goes_nowhere && message.refusal.ok()) return FieldError("copies", "must not be empty");
  absl::flat_hash_set<AccountId> accounts;
  for (const engine::NewCopy& copy : message.copies) {
    if (!accounts.insert(copy.account).second) return FieldError("copies", "must name each mailbox once");
    if (const absl::Status status = CheckRecipients(message, copy); !status.ok()) return status;
    if (copy.id.has_value() && copy.id->value < 1) return FieldError("copies.id", "must be positive");
    if (copy.unique_id.has_value() && !IsUniqueId(*copy.unique_id)) {
      return FieldError("copies.unique_id", "must have 1 to 70 printable ASCII characters");
    }
  }
  for (const engine::NewQueuedRecipient& recipient : message.queued.recipients) {
    if (const absl::Status status = CheckQueued(message, recipient); !status.ok()) return status;
  }
  if (message.submission != nullptr) return Check(message, *message.submission);
  return absl::OkStatus();
}

std::optional<engine::Obstacle> ObstacleOf(const engine::NewMessage& message, const engine::NewCopy& copy,
                                           const Mailbox* mailbox, int64_t content_bytes) {
  if (mailbox == nullptr) return engine::Obstacle::kGone;
  if (NeverTakes(mailbox->quota_bytes, content_bytes)) return engine::Obstacle::kTooSmall;
  // Whether there is room will be seen then.
  if (message.queued.not_before > message.deliver_time) return engine::Obstacle::kScheduled;
  if (message.room_promised && !copy.may_wait) return std::nullopt;
  return IsFull(*mailbox) ? std::optional(engine::Obstacle::kFull) : std::nullopt;
}

absl::Status CheckWaiting(const engine::NewMessage& message, const std::vector<Waiting>& waiting) {
  if (waiting.empty()) return absl::OkStatus();
  const auto is_scheduled = [](const Waiting& copy) { return copy.obstacle == engine::Obstacle::kScheduled; };
  if (absl::c_all_of(waiting, is_scheduled)) return absl::OkStatus();
  const std::vector<bool> served = Served(message, waiting);
  if (message.room_promised) {
    const bool waits_for_room = absl::c_any_of(waiting, [&](const Waiting& copy) {
      return copy.obstacle == engine::Obstacle::kFull || is_scheduled(copy);
    });
    if (waits_for_room || absl::c_linear_search(served, true)) return absl::OkStatus();
    return Refuse(waiting.front().obstacle, AddressOf(message, message.copies[waiting.front().copy]));
  }
  absl::Status refused;
  for (const Waiting& waits : waiting) {
    if (is_scheduled(waits)) continue;
    const engine::NewCopy& copy = message.copies[waits.copy];
    // A larger message than the mailbox may ever hold is another matter than a mailbox that is not as it should be.
    const bool is_named = waits.obstacle != engine::Obstacle::kTooSmall && !copy.may_wait;
    for (const int32_t index : copy.recipients) {
      if (served[static_cast<size_t>(index)] && !is_named) continue;
      // There may be room another time: that is said before what is for good.
      if (!refused.ok() && waits.obstacle != engine::Obstacle::kFull) continue;
      refused = Refuse(waits.obstacle, message.envelope.recipients[static_cast<size_t>(index)].address);
      if (waits.obstacle == engine::Obstacle::kFull) return refused;
    }
  }
  return refused;
}

bool IsRefusal(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsFailedPrecondition(status) ||
         absl::IsResourceExhausted(status) || absl::IsInvalidArgument(status) ||
         absl::IsAlreadyExists(status);
}

bool SaysTooMuch(const std::vector<size_t>& copies, const std::vector<size_t>& waiting) {
  return absl::c_any_of(copies, [&](size_t copy) { return absl::c_binary_search(waiting, copy); });
}

const std::string& AddressOf(const engine::NewMessage& message, const engine::NewCopy& copy) {
  return message.envelope.recipients[static_cast<size_t>(copy.recipients.front())].address;
}

absl::Status NoRoom(absl::string_view address) {
  return WithReason(absl::ResourceExhaustedError(absl::StrCat("the mailbox of ", address, " is full")),
                    kReasonOverQuota);
}

absl::Status NoMailbox(absl::string_view address) {
  return absl::NotFoundError(absl::StrCat("the mailbox of ", address, " is gone"));
}

Entry EntryOf(const engine::NewMessage& message, const engine::NewCopy& copy, int64_t content_bytes,
              std::string unique_id) {
  Entry entry;
  entry.unique_id = copy.unique_id.has_value() ? *copy.unique_id : std::move(unique_id);
  entry.content_bytes = content_bytes;
  entry.trace_bytes = static_cast<int64_t>(message.trace.size());
  entry.prefix = copy.prefix;
  entry.deliver_time = Kept(message.deliver_time);
  entry.sha256 = message.sha256;
  entry.searched = message.searched;
  entry.retention = Kept(message.retention);
  const Envelope& envelope = message.envelope;
  entry.envelope.delivery_id = envelope.delivery_id;
  entry.envelope.reverse_path = envelope.reverse_path;
  entry.envelope.dsn_return = envelope.dsn_return;
  entry.envelope.dsn_envelope_id = envelope.dsn_envelope_id;
  entry.envelope.eight_bit_mime = envelope.eight_bit_mime;
  entry.envelope.smtputf8 = envelope.smtputf8;
  entry.envelope.require_tls = envelope.require_tls;
  entry.envelope.recipients.reserve(copy.recipients.size());
  for (const int32_t index : copy.recipients) {
    // Bcc stays hidden: no mailbox learns of the recipients that led elsewhere.
    const EnvelopeRecipient& recipient = envelope.recipients[static_cast<size_t>(index)];
    entry.envelope.recipients.push_back(
        {recipient.address, recipient.notify, recipient.original_recipient, recipient.remote});
  }
  return entry;
}

engine::MessageSummary SummaryOf(MessageId id, const Entry& entry) {
  return {id,
          entry.unique_id,
          entry.size_bytes(),
          entry.content_bytes,
          entry.deliver_time,
          entry.envelope.delivery_id,
          entry.envelope.reverse_path,
          entry.envelope.recipients,
          entry.sha256,
          entry.searched};
}

engine::MaildropEntry MaildropEntryOf(MessageId id, const Entry& entry) {
  // RFC 1939 section 11: what is sent is counted, with its CRLFs.
  return {id, entry.unique_id, entry.size_bytes() + (entry.unfinished ? 2 : 0)};
}

}  // namespace mailstead::rules
