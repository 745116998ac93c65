// What happened in one session, told as it happens: the log and the metrics. Nobody asks a session afterwards
// what it has said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/net/stream.h"
#include "pop3d/metrics.h"
#include "pop3d/session/action.h"
#include "pop3d/session/journal.h"

namespace mailstead::pop3 {

// Of one session; used by one thread at a time.
class Journal final : public SessionJournal {
 public:
  // Both outlive it. Client and TLS version are those of `stream` at the time of each line.
  Journal(Metrics& metrics, const net::Stream& stream);
  ~Journal() { MaildropLeft(); }
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Random: names the session in every log, also the store's, and the lock of its maildrop.
  const std::string& session_id() const { return session_id_; }

  // --- Told by the connection.

  void ProxyHeaderRefused(const absl::Status& status);
  // One of ReplyId's kTooMany... says why.
  void ConnectionRefused(ReplyId reply);
  // The connection has its place, and becomes a session.
  void Admitted();
  void TlsFailed(const absl::Status& status);
  // A command, or a response within AUTH, was read.
  void LineRead() { ++line_count_; }
  void LoginFailed(const absl::Status& status);
  // `shown_count`: the oldest ones.
  void MaildropTruncated(AccountId account, size_t shown_count, size_t left_out_count);
  // What all listings of the process cost.
  void ListingsHeld(size_t bytes) { metrics_.listing_bytes.Set(static_cast<double>(bytes)); }
  // The lock of the maildrop was given back. Also when there was none.
  void MaildropLeft();
  void FetchFailed(MessageId message, const absl::Status& status);
  // RETR or TOP: so many bytes of the message, without dot stuffing, were sent, and the end.
  void Retrieved(const SendMessageAction& message, absl::string_view delivery_id, uint64_t sent_bytes);
  // ... and no end, for the client's or the connection's sake.
  void BrokenOff(uint64_t sent_bytes);
  // ... and no end, for the store's sake.
  void StoreBrokeOff(MessageId message, uint64_t sent_bytes, const absl::Status& status);
  // The end of the session, or of what did not become one. `account`: who had logged in, or empty.
  void Closed(absl::string_view reason, const std::string& account);

  // --- Told by the session.

  void Replied(ReplyId reply) override { metrics_.CountReply(reply); }
  void LoginRefused(absl::string_view mechanism, ReplyId reply) override;
  void LoginEnded(const LoginName& login, store::LoginEnd why) override;
  void LoggedIn(const LoginName& login, const Maildrop& maildrop) override;
  void OpenRefused(const LoginName& login, ReplyId reply, const absl::Status& why) override;
  void Committed(const LoginName& login, size_t deleted_count) override;
  void CommitFailed(const LoginName& login, ReplyId reply, const absl::Status& why) override;

 private:
  const std::string& client() const { return stream_.peer_address(); }

  Metrics& metrics_;
  const net::Stream& stream_;
  const std::string session_id_;
  // Set by LoggedIn: the account whose maildrop is open; without a value before and after.
  AccountId open_maildrop_;
  // Set by Admitted.
  bool admitted_ = false;
  // For the last line of the log.
  uint64_t line_count_ = 0;
  uint64_t retrieved_count_ = 0;
  uint64_t retrieved_bytes_ = 0;
  uint64_t deleted_count_ = 0;
};

}  // namespace mailstead::pop3
