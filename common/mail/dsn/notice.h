// A notice: what the sender of a message is told of its delivery (delivery status notification, RFC 3464). Plain
// values; due.h says which notices are due, writer.h makes messages of them. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mail/envelope.h"

namespace mailstead::dsn {

// What happened to the recipients of a notice: Action of RFC 3464 section 2.3.3.
enum class NoticeKind : uint8_t {
  kFailed,     // given up
  kDelayed,    // not delivered yet; it is tried again
  kDelivered,  // in a mailbox, or at a mailing list (RFC 3461 section 5.2.3)
  kRelayed,    // taken by a host that will tell of no delivery (RFC 3461 section 5.2.2)
  kExpanded    // an alias, sent on to all that it leads to (RFC 3461 section 5.2.7.3)
};
// "failed", "delayed", "delivered", "relayed", "expanded".
absl::string_view NoticeKindName(NoticeKind kind);

// Recipients of one notice. It is what an envelope of smtpd has at most; their words are what bounds the notice.
inline constexpr size_t kMaxNoticeRecipients = 1000;
// Of what another host said: two lines of a reply (RFC 5321 section 4.5.3.1.5), or a few short ones. With
// kMaxNoticeRecipients of whom none has the same words as another, a notice has 10 MB at most.
inline constexpr size_t kMaxDiagnosticBytes = 1000;
// Of our own words on one recipient.
inline constexpr size_t kMaxExplanationBytes = 500;
// A message of more is returned by its header (RFC 3461 section 6.2 leaves the size open). Who wrote it has it.
inline constexpr size_t kMaxReturnedBytes = 50'000;
// Of a header that is returned: whole fields up to this size. Readers of notices want the first ones.
inline constexpr size_t kMaxReturnedHeaderBytes = 32'768;

// What is told of one recipient.
struct NoticeRecipient {
  // The address that the mail was for in the end: not what an alias was called.
  std::string address;
  // ORCPT as in Envelope. Empty: not given.
  std::string original_recipient;
  // The enhanced status code (RFC 3463): "5.1.1". One that does not fit the kind, or is none, becomes 5.0.0, 4.0.0 or
  // 2.0.0 (RFC 3461 section 6.3).
  std::string status;
  // The host that was spoken to; empty: none.
  std::string remote_mta;
  // What it said last: its reply with the code, lines of a longer one separated by LF or CRLF. Any bytes. Empty:
  // nothing.
  std::string diagnostic;
  // A sentence of ours: why, where no host said it. Empty: nothing to add.
  std::string explanation;
  // When it was tried last, and until when it is tried again (told with kDelayed only). Absent: not told.
  std::optional<absl::Time> last_attempt;
  std::optional<absl::Time> will_retry_until;
};

// The message that a notice is about.
struct Original {
  // The message as it stands behind its envelope, our trace fields in front; any bytes. No more than the first
  // kMaxReturnedBytes are ever needed.
  absl::string_view content;
  // Set when `content` is all of it.
  bool complete = false;
};

struct Notice {
  // The same for all its recipients: there is one notice for each message and kind.
  NoticeKind kind = NoticeKind::kFailed;
  // Of the message that it is about. Its reverse-path is not empty: a notice is never answered (RFC 5321 section
  // 4.5.5).
  Envelope envelope;
  // 1 to kMaxNoticeRecipients.
  std::vector<NoticeRecipient> recipients;
  Original original;
  // When we took the message.
  absl::Time arrival;
  // Our own name.
  std::string reporting_mta;
  // In From: "MAILER-DAEMON@mx.example.test". Whatever is sent there reaches a person.
  std::string from;
  // Chosen for this notice, unique, of letters, digits, '-', '_' and '.': its Message-ID is <id@reporting_mta>, and its
  // boundary is made of it.
  std::string id;
  // When it is made.
  absl::Time now;
};

}  // namespace mailstead::dsn
