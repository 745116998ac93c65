// What the commands of one session see and change: who the client is, how far the dialog is, and the open
// transaction.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "smtpd/account_rates.h"
#include "smtpd/limits.h"
#include "smtpd/protocol/parameters.h"
#include "smtpd/session/action.h"
#include "smtpd/session/replies.h"

namespace mailstead::smtp {

enum class ListenerKind {
  kMx,          // port 25: mail from other hosts for local recipients
  kSubmission,  // port 587: mail from our users, after STARTTLS and AUTH (RFC 6409)
  kSubmissions  // port 465: the same under implicit TLS (RFC 8314)
};
// "mx", "submission", "submissions".
absl::string_view ListenerName(ListenerKind kind);

// Told of every reply that is given. Thread-safe.
class ReplyCounter {
 public:
  virtual ~ReplyCounter() = default;
  virtual void Count(ReplyId id) = 0;
};

// Shared by the sessions of a listener; outlives them.
struct SessionConfig {
  ListenerKind kind = ListenerKind::kMx;
  // Ours, in the greeting and in Received.
  std::string hostname;
  Limits limits;
  // AUTH without TLS, for tests only.
  bool allow_plaintext_auth = false;
  // May be null.
  AccountRates* account_rates = nullptr;
  ReplyCounter* reply_counter = nullptr;

  bool is_submission() const { return kind != ListenerKind::kMx; }
};

struct AcceptedRecipient {
  RcptCommand command;
  // Where it leads, from ResolveRecipient.
  std::vector<uint64_t> mailbox_ids;
};

// From MAIL to the end of the message or RSET.
struct Transaction {
  MailCommand mail;
  std::vector<AcceptedRecipient> recipients;
  // A RCPT that the store is being asked about.
  std::optional<RcptCommand> asked;
  // BDAT has begun: no more RCPT, no DATA (RFC 3030 section 2).
  bool chunking = false;
  AccountRates::Reservation reservation;
};

struct Dialog {
  explicit Dialog(const SessionConfig& config) : config(config) {}

  // Gathers a reply to be sent.
  void Say(ReplyId id, absl::string_view detail = "");
  // AUTH is offered: a submission listener, under TLS or where plain text is allowed, nobody logged in.
  bool offers_auth() const;
  bool offers_starttls() const { return !tls; }
  // Forgets the transaction (RSET, HELO, EHLO, end of message).
  void EndTransaction() { transaction.reset(); }

  const SessionConfig& config;
  // Replies that wait to be sent.
  std::string output;
  // As the client calls itself; empty before HELO or EHLO.
  std::string helo;
  // It said EHLO.
  bool esmtp = false;
  bool tls = false;
  // Channel binding is possible (RFC 9266).
  bool tls_exporter = false;
  // The address that logged in, or empty.
  std::string account;
  // An AUTH exchange waits for the client's next line.
  bool in_auth = false;
  std::unique_ptr<Transaction> transaction;
  // MAIL waits for the store's word on its sender.
  std::unique_ptr<Transaction> asked;
  // What is said when a chunk has been swallowed.
  ReplyId swallowed_reply = ReplyId::kBadSequence;
  absl::string_view swallowed_detail;
  ReplyId last_reply = ReplyId::kOk;
  size_t error_count = 0;
  size_t command_count = 0;
};

}  // namespace mailstead::smtp
