// The client's side of one SMTP connection as a pure state machine (RFC 5321): bytes or an event in, bytes to write and
// one action out. It has no socket, no clock and no secrets: client_connection.cc moves the bytes and performs the
// actions.
//
//   ClientSession session(config);
//   Action action = session.Begin();          // AwaitReplyAction: the greeting
//   action = session.OnBytes("220 mx\r\n");   // AwaitReplyAction, and output() is EHLO
//   ...                                       // RestAction
//   action = session.Send(transaction);       // MAIL, RCPT, the body ... RestAction or CloseAction
//   session.TakeOutcome();
//
// What a transaction comes to is decided by these rules:
//  - 2yz, 4yz and 5yz are taken by their class. 552 to RCPT without an enhanced code, or with 5.5.3, means too many
//    recipients and is temporary (RFC 5321 section 4.5.3.1.10). 421 ends the connection wherever it comes.
//  - What cannot be a reply to what was asked (354 to RCPT, 250 to DATA, a reply that comes before its command, bytes that
//    are no reply) ends the connection. Nobody is delivered or failed by it, and where replies and commands have come
//    apart, what was refused before in the same transaction is not believed either.
//  - What this host cannot take is not offered to it: the outcome is in our own words, before MAIL.
//  - The octets of the message leave as they are. Where the host takes DATA, dots are stuffed, and a message whose last
//    line lacks its CRLF gets one, without which DATA cannot end it; with BDAT it gets none.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/mail/envelope.h"
#include "common/text/dot_codec.h"
#include "common/text/line_check.h"
#include "smtpd/outbound/client_action.h"
#include "smtpd/outbound/content.h"
#include "smtpd/outbound/limits.h"
#include "smtpd/outbound/outcome.h"
#include "smtpd/outbound/tls_policy.h"
#include "smtpd/protocol/extensions.h"
#include "smtpd/protocol/reply_parser.h"

namespace mailstead::smtp::outbound {

// What the sessions to a host share; it outlives them.
struct ClientConfig {
  // Our name: a domain or an address literal.
  std::string helo_name;
  TlsPolicy tls;
  // The SASL mechanisms to log in by, the best first. Empty: we do not log in.
  std::vector<std::string> auth_mechanisms;
  // Log in although nobody has authenticated the host. SECURITY: only for a host that is reached over loopback; a
  // password or an exchange to guess it by would go to whoever answers.
  bool allow_auth_without_verified_tls = false;
  // BDAT where the host offers CHUNKING. SECURITY: it leaves nothing for a host to misread as the end of the message.
  bool use_chunking = true;
  uint64_t max_chunk_bytes = kDefaultChunkBytes;
  Timeouts timeouts;
};

// One message to some recipients.
struct Transaction {
  // At least one recipient. Its delivery_id and smtputf8 are not asked: whether SMTPUTF8 is needed is seen here.
  Envelope envelope;
  // Of the octets that OnPiece brings: as ContentCheck found them.
  Content content;
  // AUTH= of MAIL (RFC 4954 section 5), when we have logged in; absent: not said.
  std::optional<std::string> auth;
};

class ClientSession {
 public:
  // `config` outlives the session.
  explicit ClientSession(const ClientConfig& config);
  ~ClientSession();
  ClientSession(const ClientSession&) = delete;
  ClientSession& operator=(const ClientSession&) = delete;

  // What is to be sent before the action is performed; the connection sends and clears it. One piece of the body at
  // most.
  std::string& output() { return output_; }
  // How long one step of sending it may take.
  absl::Duration write_timeout() const;

  // The connection is there: the greeting comes, or under TlsPolicy::implicit the handshake.
  Action Begin();
  // The next transaction. Only while at rest.
  Action Send(Transaction transaction);
  // QUIT. Its reply is not awaited: it changes nothing.
  Action Quit();

  // What the host has sent.
  Action OnBytes(absl::string_view bytes);
  // Unavailable: the host has closed; DeadlineExceeded: the time of the action, or of a write, is over; Cancelled: we
  // shut down. `last_words`: what the host has said while it did not take what was written. They are no answer, unless
  // it is a 421; a reply is kept for people.
  Action OnLost(const absl::Status& status, absl::string_view last_words = {});

  // The answers to actions.

  // `authenticated`: the certificate was checked by TlsPolicy::names, or TlsPolicy::tlsa.
  Action OnTlsStarted(bool authenticated);
  Action OnTlsFailed(const absl::Status& status,
                     mailauth::TlsFailure failure = mailauth::TlsFailure::kValidationFailure);
  // Absent: the mechanism lets the host begin (only after BeginAuthAction).
  Action OnAuthResponse(const std::optional<std::string>& response);
  Action OnAuthFailed(const absl::Status& status);
  Action OnAuthEnded(bool complete);
  // At least one octet, and no more than was asked for.
  Action OnPiece(absl::string_view octets);
  // The octets cannot be had: the message is not ended, so that the host does not take a part for the whole.
  Action OnBodyFailed(const absl::Status& status);

  // At rest: Send and Quit may follow.
  bool resting() const { return state_ == State::kResting; }
  // kUsable until the connection is over.
  const ConnectionOutcome& connection() const { return connection_; }
  const Extensions& extensions() const { return extensions_; }
  // Of the last transaction, once Send and what followed have led to RestAction or CloseAction.
  TransactionOutcome TakeOutcome() { return std::exchange(outcome_, TransactionOutcome()); }

 private:
  enum class State : uint8_t { kTalking, kHandshake, kAuth, kBody, kResting, kClosed };
  // A command that was written, or will have been by then, and has no reply yet.
  enum class Awaited : uint8_t {
    kGreeting,
    kEhlo,
    kHelo,
    kStartTls,
    kAuth,
    kAuthCancel,
    kMail,
    kRcpt,
    kData,
    // The end of a message that no recipient is left for.
    kLoneDot,
    kChunk,
    kFinal,
    kReset,
  };
  struct OpenTransaction;

  // ---- Replies
  Action OnReply(Awaited awaited, const PeerReply& reply);
  // Bytes that answer nothing.
  Action OnEarly(absl::string_view bytes);
  // After a reply: the next command, or the wait for the next reply.
  Action Await(bool first) const;
  Action OnGreeting(const PeerReply& reply);
  Action OnHello(Awaited awaited, const PeerReply& reply);
  Action OnStartTlsReply(const PeerReply& reply);
  Action OnAuthReply(const PeerReply& reply);
  Action OnMailReply(const PeerReply& reply);
  Action OnRcptReply(const PeerReply& reply);
  Action OnDataReply(const PeerReply& reply);
  Action OnChunkReply(const PeerReply& reply);
  Action OnFinalReply(const PeerReply& reply);
  Action OnResetReply(const PeerReply& reply);

  // ---- The opening
  Action SayHello(Awaited awaited);
  // TLS, then AUTH, then rest: whichever is due.
  Action GoOnAfterHello();
  Action BeginHandshake();
  Action BeginAuth();
  Action CancelAuth(absl::string_view why);
  Action Rest();

  // ---- A transaction
  // Why no recipient can be offered this message here; false: some can. Decides the outcomes when it is true.
  bool RefuseHere();
  // Makes the lines of MAIL and RCPT.
  void WriteEnvelope();
  // Writes the commands that may go now.
  Action GoOnInTransaction();
  void Pipeline();
  void WriteNextRcpt();
  void WriteData();
  bool SendsChunks() const;
  Action BeginBody();
  Action BeginChunk();
  Action EndBody();
  Action NextPiece() const;
  // The transaction is over; with `reset` the host must forget it.
  Action EndTransaction(bool reset);

  // ---- Ends
  void Command(absl::string_view line, Awaited awaited);
  Stage StageNow() const;
  // Closes with these words; what is open of a transaction is deferred with them.
  Action End(ConnectionOutcome outcome);
  Action Refused(Stage stage, const PeerReply& reply);
  Action Broken(absl::string_view text);
  Action NotAReplyToThis(const PeerReply& reply);
  void Settle(const RecipientOutcome& outcome, bool accepted_only);

  const ClientConfig& config_;
  State state_ = State::kTalking;
  std::string output_;
  ReplyParser parser_;
  // In the order of their replies; at most kMaxPipelinedCommands.
  std::deque<Awaited> awaited_;
  Extensions extensions_;
  // TLS is up; the EHLO after it has been answered; the host's certificate was checked.
  bool tls_ = false;
  bool hello_since_tls_ = false;
  bool authenticated_tls_ = false;
  // STARTTLS was tried, and refused where that may be.
  bool clear_is_fine_ = false;
  // Of the AUTH exchange: what it was begun with, how often we have answered, and why it was cancelled.
  std::string mechanism_;
  int auth_step_count_ = 0;
  std::string auth_failure_;
  std::unique_ptr<OpenTransaction> open_;
  TransactionOutcome outcome_;
  ConnectionOutcome connection_;
};

}  // namespace mailstead::smtp::outbound
