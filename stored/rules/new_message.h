// Messages on their way in: what is checked, and what each mailbox keeps of one. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mail/envelope.h"
#include "stored/engine/types.h"

namespace mailstead::rules {

// InvalidArgument names the field. What it refuses is a mistake of the caller's.
absl::Status Check(const engine::NewMessage& message);

// Whether the message goes into the other mailboxes when these copies (indexes, ascending) are left out, because it is larger
// than the whole quota of their mailbox. ResourceExhausted with kReasonQuotaTooSmall: nobody is left who takes it, the queue
// included, or, where no room was promised, nobody for one of the recipients.
absl::Status CheckLeftOut(const engine::NewMessage& message, const std::vector<size_t>& left_out);

// For what is said about a copy: the first recipient that led to it.
const std::string& AddressOf(const engine::NewMessage& message, const engine::NewCopy& copy);
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
