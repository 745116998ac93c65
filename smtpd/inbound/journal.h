// What one connection tells the log and the metrics: every line that smtpd writes of a session, and every
// count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/mail/envelope.h"
#include "common/obs/log.h"
#include "smtpd/session/dialog.h"
#include "smtpd/session/journal.h"

namespace mailstead::smtp {

class Metrics;

class Journal : public SessionJournal {
 public:
  // The connection begins now, and ends with the journal. `metrics` and `steady` outlive it.
  Journal(Metrics& metrics, const Clock& steady, ListenerKind listener, std::string session_id);
  ~Journal() override;

  const std::string& session_id() const { return session_id_; }
  // The client's address in text; empty until it is known.
  const std::string& client() const { return client_; }
  void SetClient(std::string address) { client_ = std::move(address); }

  // What the session says.
  void Replied(ReplyId reply) override;
  void SenderRefused(absl::string_view sender, ReplyId reply) override;
  void RecipientRefused(absl::string_view sender, absl::string_view recipient, ReplyId reply) override;
  void MessageRefused(absl::string_view sender, absl::string_view delivery_id, ReplyId reply) override;
  void MessageNotStored(absl::string_view sender, absl::string_view delivery_id, ReplyId reply) override;
  void Authenticated(absl::string_view mechanism, absl::string_view account) override;
  void AuthenticationRefused(absl::string_view mechanism) override;
  void AuthenticationFailed(absl::string_view mechanism) override;
  void AuthenticationCancelled(absl::string_view mechanism) override;
  void MechanismRefused(absl::string_view mechanism) override;
  void LoginEnded(absl::string_view account) override;

  // What the connection says.

  // There are too many connections: so many.
  void TooManyConnections(ReplyId reply, size_t count);
  // The client spoke within `delay`, before the greeting.
  void EarlyTalker(ReplyId reply, absl::Duration delay);
  void ProxyHeaderRefused(const absl::Status& why);
  void TlsStarted();
  void TlsFailed(const absl::Status& why);
  // A call to the store has failed for good: "resolve", "check_sender", "deliver" or "auth".
  void StoreFailed(absl::string_view call, const absl::Status& status);
  // Without its end a message is nobody's promise: nothing is stored, the client still has it.
  void MessageCutShort(absl::string_view sender, const absl::Status& why);
  // A message is on disk.
  struct StoredMessage {
    const Envelope& envelope;
    // As for the session's journal.
    absl::string_view sender;
    absl::string_view account;
    uint64_t size_bytes = 0;
    // From the beginning of the message, and from its end, to the store's word.
    absl::Duration total;
    absl::Duration store_wait;
  };
  void Stored(const StoredMessage& message);
  // The client went before it could be told that the message is stored: it will send it again.
  void ReplyLost(absl::string_view delivery_id, const absl::Status& why);
  // The connection has ended. `reason`: "client", "refused", "tls", "timeout", "vanished" or "shutdown".
  void Closed(const Dialog& dialog, absl::string_view tls_version, absl::string_view reason);

 private:
  // A line `event` about a refusal, with two fields more.
  void LogRefusal(absl::string_view event, ReplyId reply, obs::Field field, obs::Field other = {"", ""});
  void LogVerdict(absl::string_view event, absl::string_view mechanism, absl::string_view account);

  Metrics& metrics_;
  const Clock& steady_;
  const ListenerKind listener_;
  const std::string session_id_;
  const absl::Time began_;
  std::string client_;
  size_t message_count_ = 0;
};

}  // namespace mailstead::smtp
