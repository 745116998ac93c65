// Messages on their way in: what is checked, and what each mailbox keeps of one. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mail/envelope.h"
#include "stored/engine/types.h"
#include "stored/rules/mailbox.h"

namespace mailstead::rules {

// InvalidArgument names the field. What it refuses is a mistake of the caller's.
absl::Status Check(const engine::NewMessage& message);

// What keeps a copy out of its mailbox (null: there is none); absent: nothing. One that is full takes what it was promised for.
std::optional<engine::Obstacle> ObstacleOf(const engine::NewMessage& message, const engine::NewCopy& copy,
                                           const Mailbox* mailbox, int64_t content_bytes);

// A copy that cannot go into its mailbox.
struct Waiting {
  // Its index.
  size_t copy = 0;
  engine::Obstacle obstacle = engine::Obstacle::kFull;
};

// Whether the message is taken while these copies (ascending) wait in the queue. ResourceExhausted with kReasonOverQuota or
// kReasonQuotaTooSmall, or NotFound: nobody takes it at once, neither a mailbox nor another host, and the sender can still be
// told so. That is asked for each recipient where room was not promised; where it was, for all together, and what only waits
// for room is taken.
absl::Status CheckWaiting(const engine::NewMessage& message, const std::vector<Waiting>& waiting);

// Whether an engine's error says that nobody takes the message, as opposed to that it could not be stored.
bool IsRefusal(const absl::Status& status);
// Whether a notice that says of these copies that they are in their mailboxes says so of one that waits (ascending).
bool SaysTooMuch(const std::vector<size_t>& copies, const std::vector<size_t>& waiting);

// For what is said about a copy: the first recipient that led to it.
const std::string& AddressOf(const engine::NewMessage& message, const engine::NewCopy& copy);
// ResourceExhausted with kReasonOverQuota.
absl::Status NoRoom(absl::string_view address);
// NotFound.
absl::Status NoMailbox(absl::string_view address);

// What a mailbox keeps of a message beside its content and trace.
struct Entry {
  std::string unique_id;
  int64_t content_bytes = 0;
  int64_t trace_bytes = 0;
  // In front of the trace and the content, for this mailbox alone.
  std::string prefix;
  absl::Time deliver_time;
  std::string sha256;
  // With those of its recipients that led to this mailbox.
  Envelope envelope;
  engine::SearchedFields searched;
  // Its own (retention.h); 0: it has none.
  absl::Duration retention;
  // Set by stores of earlier versions only: the last line has no end, and POP3 adds one.
  bool unfinished = false;

  // As it is read: prefix, trace and content.
  int64_t size_bytes() const { return static_cast<int64_t>(prefix.size()) + trace_bytes + content_bytes; }
};

// `unique_id` is used where the copy has none.
Entry EntryOf(const engine::NewMessage& message, const engine::NewCopy& copy, int64_t content_bytes,
              std::string unique_id);

engine::MessageSummary SummaryOf(MessageId id, const Entry& entry);
engine::MaildropEntry MaildropEntryOf(MessageId id, const Entry& entry);

}  // namespace mailstead::rules
