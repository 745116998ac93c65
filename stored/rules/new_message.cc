#include "stored/rules/new_message.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
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

absl::Status CheckQueued(const engine::NewMessage& message, const engine::NewQueuedRecipient& queued) {
  if (queued.recipient < 0 || static_cast<size_t>(queued.recipient) >= message.envelope.recipients.size()) {
    return FieldError("queued.recipients.recipient", "must name a recipient of the envelope");
  }
  if (queued.address.empty()) return FieldError("queued.recipients.address", "must not be empty");
  if (queued.destination.empty() || queued.destination.size() > kMaxDestinationBytes ||
      queued.destination.find('\0') != std::string::npos) {
    return FieldError("queued.recipients.destination", "must have 1 to 255 bytes without NUL");
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
  return absl::OkStatus();
}

absl::Status CheckLeftOut(const engine::NewMessage& message, const std::vector<size_t>& left_out) {
  if (left_out.empty()) return absl::OkStatus();
  const auto too_small = [&](const std::string& address) {
    return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                          "the message is larger than the whole quota of the mailbox of ", address)),
                      kReasonQuotaTooSmall);
  };
  if (left_out.size() == message.copies.size() && message.queued.recipients.empty()) {
    return too_small(AddressOf(message, message.copies[left_out.front()]));
  }
  if (message.room_promised) return absl::OkStatus();
  std::vector<bool> served(message.envelope.recipients.size());
  auto next = left_out.begin();
  for (size_t i = 0; i < message.copies.size(); ++i) {
    if (next != left_out.end() && *next == i) {
      ++next;
      continue;
    }
    for (const int32_t index : message.copies[i].recipients) served[static_cast<size_t>(index)] = true;
  }
  for (const engine::NewQueuedRecipient& queued : message.queued.recipients) {
    served[static_cast<size_t>(queued.recipient)] = true;
  }
  for (const size_t i : left_out) {
    for (const int32_t index : message.copies[i].recipients) {
      if (!served[static_cast<size_t>(index)]) {
        return too_small(message.envelope.recipients[static_cast<size_t>(index)].address);
      }
    }
  }
  return absl::OkStatus();
}

const std::string& AddressOf(const engine::NewMessage& message, const engine::NewCopy& copy) {
  return message.envelope.recipients[static_cast<size_t>(copy.recipients.front())].address;
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
          entry.sha256};
}

engine::MaildropEntry MaildropEntryOf(MessageId id, const Entry& entry) {
  // RFC 1939 section 11: what is sent is counted, with its CRLFs.
  return {id, entry.unique_id, entry.size_bytes() + (entry.unfinished ? 2 : 0)};
}

}  // namespace mailstead::rules
