// One POP3 session (RFC 1939) as a pure state machine: a line or an event in, replies and one action out. No
// socket, no clock, no store: connection.cc moves the bytes and performs the actions.
//
//   AUTHORIZATION --USER/PASS or AUTH, maildrop opened--> TRANSACTION --QUIT--> UPDATE
//
// Only QUIT in TRANSACTION leads to UPDATE; a connection that ends in any other way deletes nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/sasl/mechanisms.h"
#include "common/sasl/step.h"
#include "common/store/ids.h"
#include "common/store/login_end.h"
#include "pop3d/limits.h"
#include "pop3d/protocol/language.h"
#include "pop3d/session/action.h"
#include "pop3d/session/journal.h"
#include "pop3d/session/maildrop.h"
#include "pop3d/session/replies.h"

namespace mailstead::pop3 {

struct Verb;

enum class State { kAuthorization, kTransaction, kUpdate };

// The same for all sessions of the process.
struct SessionConfig {
  // Ours, in the greeting.
  std::string hostname;
  SessionLimits limits;
  // Logins without TLS, for tests.
  bool allow_plaintext_auth = false;
  // What AUTH takes. USER and PASS are no mechanism, and always there.
  std::vector<std::string> sasl_mechanisms = sasl::DefaultMechanisms();
  // Whether STLS can work.
  bool tls_available = true;
  // Told in CAPA and enforced by the store; whole seconds, 0 for none.
  absl::Duration login_delay;
};

// What the session knows of the connection's protection.
struct Protection {
  bool tls = false;
  // The connection can be bound to (RFC 9266): SCRAM-SHA-256-PLUS can work.
  bool channel_binding = false;
};

class Session {
 public:
  // `config` and `journal` outlive the session.
  Session(const SessionConfig& config, SessionJournal& journal, Protection protection = {})
      : config_(&config), journal_(&journal), protection_(protection) {}

  // Replies gathered so far; the connection sends and clears them, and adds what a SendListingAction or
  // SendMessageAction sends.
  std::string& output() { return output_; }

  // --- Events. Each says what there is to say, and gives the next action.

  // Before anything else, when nothing forbids the session.
  void Greet();
  // Before anybody logs in: the shortest time that a message may stay in any mailbox; 0: for ever.
  void SetLeastRetention(absl::Duration retention) { retention_ = retention; }
  // A whole line without its CRLF: a command, or a response within AUTH.
  Action OnLine(absl::string_view line);
  Action OnLineTooLong();
  // The line ended with a bare LF, or a CR stood alone in it.
  Action OnBareLineEnd();
  // TLS is up: after StartTlsAction, or before Greet under implicit TLS. SECURITY: what was said before is
  // forgotten: name, language, mode. An attacker between client and server could have said it (RFC 2595
  // section 4; the injection of CVE-2011-0411).
  void OnTlsStarted(Protection protection);
  // The steps of a SASL exchange, and the error of the way to the store. Never Verdict::kOk: that is
  // OnLoggedIn.
  Action OnLoginChallenge(absl::string_view challenge);
  Action OnLoggedIn(std::string address, AccountId account);
  Action OnLoginRefused(sasl::Verdict verdict);
  Action OnLoginFailed(const absl::Status& status);
  // What the account may do in this session is over: the next line is answered with that.
  void OnLoginEnded(store::LoginEnd why) { login_end_ = why; }
  // `retention`: the shortest time that a message may stay in it; 0: for ever.
  Action OnMaildropOpened(Maildrop maildrop, absl::Duration retention = absl::ZeroDuration());
  Action OnMaildropRefused(const absl::Status& status);
  // The store has begun to give the message that SendMessageAction asked for.
  void OnMessageOpened(const SendMessageAction& action);
  Action OnMessageRefused(const absl::Status& status);
  Action OnCommitted(const absl::Status& status);
  // The connection ends before the session has begun; says why.
  void Refuse(ReplyId reply) { Say(reply); }

  // --- For the connection.

  State state() const { return state_; }
  Language language() const { return language_; }
  // The next line is a response within AUTH, with a greater limit on its length. Set by a challenge, cleared
  // by the end of the exchange.
  bool in_auth() const { return in_auth_; }
  const LoginName& login() const { return login_; }
  const Maildrop& maildrop() const { return maildrop_; }

  // --- For commands/.

  // Says a reply; the next command follows it.
  NextCommandAction Say(ReplyId reply, std::vector<std::string> arguments = {},
                        std::vector<std::string> lines = {});
  // Says that the client has made a mistake: a command that is unknown, malformed or out of place. Too many
  // in a row end the session.
  NextCommandAction Mistake(ReplyId reply, std::vector<std::string> arguments = {});
  // Says how the command that is being handled is used.
  NextCommandAction Usage();
  const SessionConfig& config() const { return *config_; }
  const Protection& protection() const { return protection_; }
  int errors_in_a_row() const { return errors_in_a_row_; }
  // A password may be sent here.
  bool may_log_in() const { return protection_.tls || config_->allow_plaintext_auth; }
  // What AUTH takes, best first.
  std::vector<absl::string_view> Mechanisms() const;
  bool OffersMechanism(absl::string_view mechanism) const {
    return sasl::IsOffered(config_->sasl_mechanisms, mechanism, protection_.channel_binding);
  }
  // In the AUTHORIZATION state of any mailbox, behind it of the one that is open; 0: for ever.
  absl::Duration retention() const { return retention_; }
  bool utf8_mode() const { return utf8_mode_; }
  void set_utf8_mode() { utf8_mode_ = true; }
  void set_language(Language language) { language_ = language; }
  const std::string& user_name() const { return user_name_; }
  void set_user_name(absl::string_view name) { user_name_ = std::string(name); }
  // `mechanism`: for the journal; what goes to the store is in `begin`.
  Action StartAuth(absl::string_view mechanism, BeginAuthAction begin);
  Maildrop& mutable_maildrop() { return maildrop_; }
  // The message that an argument names, when it is there and not deleted; otherwise says why not.
  std::optional<Maildrop::Message> FindMessage(absl::string_view word);
  // From QUIT in TRANSACTION.
  void EnterUpdate() { state_ = State::kUpdate; }

 private:
  Action Dispatch(absl::string_view line);
  Action AuthResponse(absl::string_view line);
  Action Garbled(ReplyId reply);
  // Replaces the next action by a close when the client made too many mistakes.
  Action Bounded(Action action);
  Action RefuseLogin(ReplyId reply);
  // An exchange has ended without a verdict; too many of these close as wrong passwords do.
  Action ExchangeGivenUp();
  Action LeaveAfterLoginEnded(store::LoginEnd why);

  const SessionConfig* config_;
  SessionJournal* journal_;
  Protection protection_;
  State state_ = State::kAuthorization;
  Language language_ = Language::kDefault;
  // Set by UTF8, never cleared but by TLS.
  bool utf8_mode_ = false;
  bool in_auth_ = false;
  // Set when what the account may do here is over, for good.
  std::optional<store::LoginEnd> login_end_;
  // What is being handled is a mistake: set by Mistake, cleared before each line.
  bool mistaken_ = false;
  absl::Duration retention_;
  int errors_in_a_row_ = 0;
  int login_failures_ = 0;
  // The command that is being handled.
  const Verb* verb_ = nullptr;
  // From USER until PASS.
  std::string user_name_;
  LoginName login_;
  Maildrop maildrop_;
  std::string output_;
};

}  // namespace mailstead::pop3
