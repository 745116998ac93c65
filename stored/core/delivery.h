// Taking in a message: the envelope checked and resolved, the content counted, hashed and handed to the
// engine.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "stored/core/digest.h"
#include "stored/core/recipients.h"
#include "stored/engine/engine.h"

namespace mailstead::store {

struct EnvelopeRecipient {
  // As in RCPT TO, without angle brackets.
  std::string address;
  // Empty: to be resolved here.
  std::vector<MailboxId> mailboxes;
  std::string dsn_notify;
  std::string dsn_orcpt;
};

struct Envelope {
  std::string delivery_id;
  // Empty for the null reverse-path.
  std::string reverse_path;
  std::vector<EnvelopeRecipient> recipients;
  std::string dsn_ret;
  std::string dsn_envid;
  std::string session_id;
  std::string client_address;
};

// Pure. FieldError "envelope.…".
absl::Status CheckEnvelope(const Envelope& envelope);

// Whether ResolveEnvelope asks the engine, and so blocks.
bool NeedsLookUp(const Envelope& envelope);

// A checked envelope as the engine takes it: every mailbox once (the first address that led to it counts),
// and the Return-Path line. Errors for recipients that came without mailboxes: NotFound (no such mailbox, or
// disabled), InvalidArgument (not ours). Whether a mailbox is over quota is left to the engine, which knows
// first whether this delivery_id has been stored before. ResourceExhausted with kReasonTooLarge beyond
// kMaxDeliveryMailboxes.
absl::StatusOr<Delivery> ResolveEnvelope(const Envelope& envelope, RecipientResolver& resolver,
                                         const Clock& clock);

// The content of one delivery. Up to kSmallMessageBytes it waits in memory; from then on it is staged with
// the engine as it comes. Used by one thread at a time. Destroyed without Commit: nothing is stored.
class IncomingMessage {
 public:
  IncomingMessage(Engine& engine, uint64_t max_message_bytes)
      : engine_(engine), max_message_bytes_(max_message_bytes) {}

  // Whether Append of so many more bytes touches the disk: then call it on a worker pool.
  bool WouldBlock(size_t more_bytes) const;

  // ResourceExhausted with kReasonTooLarge; errors of the engine.
  absl::Status Append(absl::string_view bytes);

  uint64_t size_bytes() const { return size_bytes_; }

  // Once, after all of it. Does not block.
  void Commit(Delivery delivery, Done<Receipt> done);

 private:
  Engine& engine_;
  const uint64_t max_message_bytes_;
  uint64_t size_bytes_ = 0;
  Sha256Stream sha256_;
  // One of the two.
  std::string small_;
  std::unique_ptr<BodyWriter> body_;
};

}  // namespace mailstead::store
