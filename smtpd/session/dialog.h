// What the commands of one session see and change: who the client is, how far the dialog is, and the open
// transaction. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/mail/envelope.h"
#include "common/sasl/mechanisms.h"
#include "smtpd/limits.h"
#include "smtpd/protocol/parameters.h"
#include "smtpd/session/action.h"
#include "smtpd/session/journal.h"
#include "smtpd/session/replies.h"

namespace mailstead::smtp {

enum class ListenerKind {
  kMx,          // port 25: mail from other hosts for local recipients
  kSubmission,  // port 587: mail from our users, after STARTTLS and AUTH (RFC 6409)
  kSubmissions  // port 465: the same under implicit TLS (RFC 8314)
};
// "mx", "submission", "submissions".
absl::string_view ListenerName(ListenerKind kind);

// What the sessions of a listener share; it outlives them.
struct SessionConfig {
  ListenerKind kind = ListenerKind::kMx;
  // Our own name, in the greeting and in Received.
  std::string hostname;
  Limits limits;
  // Set: on port 25 a client calls itself by a domain or an address literal. Never asked of who may log in later.
  bool strict_ehlo = false;
  // Set: From and Sender of submitted mail are addresses that the account may send with.
  bool check_from = true;
  // Set for tests only: AUTH is offered without TLS.
  bool allow_plaintext_auth = false;
  // What AUTH takes, where it is offered at all.
  std::vector<std::string> sasl_mechanisms = sasl::DefaultMechanisms();

  bool is_submission() const { return kind != ListenerKind::kMx; }
};

// From MAIL to the end of the message or RSET.
struct Transaction {
  // The sender as MAIL gave it, for the log; "<>" for the null reverse-path.
  std::string sender;
  // What was accepted so far. The connection takes it when the message begins, and gives it a delivery id.
  Envelope envelope;
  // SIZE of MAIL; 0 when it was not given.
  uint64_t announced_bytes = 0;
  // RCPT commands that wait for the store's word, in the order in which they came.
  std::vector<EnvelopeRecipient> open_recipients;
  // What these and the accepted ones come to (EnvelopeBytes): at most kMaxEnvelopeBytes.
  size_t envelope_bytes = 0;
  // What the accepted ones cost the store: the mailboxes that they lead to, each counted as often as it is reached, and what
  // these will keep of them (KeptBytes). Beyond a single recipient at most kMaxDeliveryMailboxes and kMaxKeptRecipientBytes.
  int64_t mailbox_count = 0;
  int64_t kept_bytes = 0;
  // Set when a recipient was one too many: the journal has been told.
  bool has_refused_more = false;
  // Set by the first BDAT: no more RCPT, no DATA (RFC 3030 section 2).
  bool chunking = false;
};

struct Dialog {
  Dialog(const SessionConfig& config, SessionJournal& journal) : config(config), journal(journal) {}

  // Whether the client may call itself this in HELO or EHLO.
  bool takes_name(absl::string_view name) const;
  // Gathers a reply to be sent.
  void Say(ReplyId id, absl::string_view detail = "");
  // True on a submission listener, under TLS or where plain text is allowed, while nobody is logged in.
  bool offers_auth() const;
  // Whether AUTH takes this mechanism here.
  bool offers_mechanism(absl::string_view mechanism) const {
    return sasl::IsOffered(config.sasl_mechanisms, mechanism, channel_binding);
  }
  bool offers_starttls() const { return !tls; }
  // Forgets the transaction (RSET, HELO, EHLO, end of message).
  void EndTransaction() { transaction.reset(); }

  const SessionConfig& config;
  SessionJournal& journal;
  // Replies that wait to be sent.
  std::string output;
  // The name that the client gave itself; empty before HELO or EHLO.
  std::string helo;
  // Set by EHLO, cleared by HELO.
  bool esmtp = false;
  // Set when TLS has begun.
  bool tls = false;
  // Set with it when the connection can be bound to (RFC 9266).
  bool channel_binding = false;
  // The mechanism of the AUTH exchange under way, or of the last one.
  std::string mechanism;
  // The address that logged in, or empty.
  std::string account;
  // Set when what the account may do here is over, cleared by TLS.
  bool login_ended = false;
  // Set while an AUTH exchange waits for the client's next line.
  bool in_auth = false;
  std::unique_ptr<Transaction> transaction;
  // A MAIL that waits for its reservation and for the store's word on its sender.
  std::unique_ptr<Transaction> asked;
  // What is said when a chunk has been swallowed.
  ReplyId swallowed_reply = ReplyId::kBadSequence;
  absl::string_view swallowed_detail;
  size_t error_count = 0;
  size_t command_count = 0;
};

}  // namespace mailstead::smtp
