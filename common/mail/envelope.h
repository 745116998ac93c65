// An envelope (RFC 5321 section 2.3.1): who sends a message to whom, as opposed to what its header says. One
// type from the session that takes it to the engine that keeps it, and nothing is lost on the way. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace mailstead {

// When a sender wants to hear of a delivery (RFC 3461 section 4.1).
struct DsnNotify {
  // NOTIFY was given. Without it: as if FAILURE and DELAY had been (section 4.1).
  bool given = false;
  // None of the three, with `given`: NEVER.
  bool success = false;
  bool failure = false;
  bool delay = false;
  bool operator==(const DsnNotify&) const = default;
};

// How much of the message a notification returns (RFC 3461 section 4.3).
enum class DsnReturn : uint8_t { kUnspecified, kFull, kHeaders };

struct EnvelopeRecipient {
  // As in RCPT TO, without angle brackets.
  std::string address;
  DsnNotify notify;
  // ORCPT (RFC 3461 section 4.2), decoded: addr-type;address. Empty: not given.
  std::string original_recipient;
  // It is at another host: for the queue.
  bool remote = false;
};

struct Envelope {
  // Chosen by the front-end for this transaction; the idempotency key of its delivery.
  std::string delivery_id;
  // Without angle brackets; empty for the null reverse-path (RFC 5321 section 4.5.5).
  std::string reverse_path;
  std::vector<EnvelopeRecipient> recipients;
  DsnReturn dsn_return = DsnReturn::kUnspecified;
  // ENVID (RFC 3461 section 4.4), decoded. Empty: not given.
  std::string dsn_envelope_id;
  // BODY=8BITMIME (RFC 6152).
  bool eight_bit_mime = false;
  // SMTPUTF8 (RFC 6531).
  bool smtputf8 = false;
  // REQUIRETLS (RFC 8689).
  bool require_tls = false;
};

// For people, where an empty text would be no text: the null reverse-path as RFC 5321 section 4.5.5 writes it.
inline absl::string_view ShownReversePath(const Envelope& envelope) {
  return envelope.reverse_path.empty() ? absl::string_view("<>") : absl::string_view(envelope.reverse_path);
}

// What a recipient costs in an envelope, in bytes.
inline size_t EnvelopeBytes(const EnvelopeRecipient& recipient) {
  return recipient.address.size() + recipient.original_recipient.size() + 32;
}
// And in each mailbox that it leads to: its address stands in a field in front of the message, too.
inline int64_t KeptBytes(const EnvelopeRecipient& recipient) {
  return static_cast<int64_t>(EnvelopeBytes(recipient) + recipient.address.size() + 32);
}

}  // namespace mailstead
