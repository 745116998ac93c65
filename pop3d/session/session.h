// One POP3 session (RFC 1939) as a pure state machine: a line or an event in, the next Step out. No
// socket, no clock.
//
//   AUTHORIZATION --USER/PASS or AUTH, maildrop opened--> TRANSACTION --QUIT--> UPDATE
//
// Only QUIT in TRANSACTION leads to UPDATE; a connection that ends in any other way deletes nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/rpc/auth_exchange.h"
#include "pop3d/protocol/language.h"
#include "pop3d/protocol/limits.h"
#include "pop3d/session/maildrop.h"
#include "pop3d/session/step.h"

namespace mailstead::pop3 {

enum class State { kAuthorization, kTransaction, kUpdate };

// The same for all sessions of the process.
struct SessionOptions {
  std::string hostname;
  SessionLimits limits;
  // Logins without TLS, for tests.
  bool allow_plaintext_auth = false;
  // Whether STLS can work.
  bool tls_available = true;
  // Told in CAPA and enforced by the store; whole seconds, 0 for none.
  absl::Duration login_delay;
};

// What the session knows of the connection's protection.
struct Protection {
  bool tls = false;
  // The connection can be bound to (RFC 9266): SCRAM-SHA-256-PLUS works.
  bool channel_binding = false;
};

class Session {
 public:
  // `options` outlives the session.
  Session(const SessionOptions& options, Protection protection)
      : options_(&options), protection_(protection) {}

  // --- Events. Each gives the next step.

  Reply Greeting() const;
  // A whole line without its CRLF: a command, or a response within AUTH.
  Step Line(absl::string_view line);
  Step LineTooLong();
  // The line ended with a bare LF, or a CR stood alone in it.
  Step BareLineEnd();
  // TLS has begun. SECURITY: what was said before is forgotten: name, language, mode. An attacker between
  // client and server could have said it (RFC 2595 section 4; the injection of CVE-2011-0411).
  void TlsStarted(Protection protection);
  // A step of the exchange, or the error of the way to the store.
  Step AuthStepped(const absl::StatusOr<rpc::AuthStep>& step);
  Step MaildropOpened(Maildrop maildrop);
  Step MaildropRefused(const absl::Status& status);
  // The store has begun to give the message that SendMessageAction asked for.
  Reply MessageReply(const SendMessageAction& action) const;
  Reply MessageRefused(const absl::Status& status) const;
  Step Committed(const absl::Status& status);

  // --- For the connection.

  State state() const { return state_; }
  Language language() const { return language_; }
  // The next line is a response within AUTH, with a greater limit on its length.
  bool in_auth_exchange() const { return in_auth_exchange_; }
  // "USER", "PLAIN"...; empty before the first try to log in. For log and metrics.
  absl::string_view mechanism() const { return mechanism_; }
  // Who logged in; empty before.
  const std::string& account() const { return account_; }
  const Maildrop& maildrop() const { return maildrop_; }
  // The name of the last command; empty when it was none of ours. For metrics.
  absl::string_view last_verb() const { return last_verb_; }

  // --- For commands/.

  const SessionOptions& options() const { return *options_; }
  const Protection& protection() const { return protection_; }
  // A password may be sent here.
  bool may_log_in() const { return protection_.tls || options_->allow_plaintext_auth; }
  // What AUTH takes, best first.
  std::vector<absl::string_view> Mechanisms() const;
  bool utf8_mode() const { return utf8_mode_; }
  void set_utf8_mode() { utf8_mode_ = true; }
  void set_language(Language language) { language_ = language; }
  const std::string& user_name() const { return user_name_; }
  void set_user_name(absl::string_view name) { user_name_ = std::string(name); }
  // The verdict or a challenge comes as AuthStepped.
  Step BeginAuth(absl::string_view mechanism, std::string sasl_mechanism,
                 std::optional<std::string> initial_response);
  Maildrop& mutable_maildrop() { return maildrop_; }
  // The message that an argument names, when it is there and not deleted; otherwise `refusal` is set.
  std::optional<Maildrop::Message> FindMessage(const Command& command, absl::string_view word,
                                               Step& refusal) const;
  // From QUIT in TRANSACTION.
  void EnterUpdate() { state_ = State::kUpdate; }

 private:
  Step Dispatch(absl::string_view line);
  Step AuthResponse(absl::string_view line);
  // Counts mistakes in a row.
  Step Judge(Step step);
  Step LoginFailed(ReplyId id);

  const SessionOptions* options_;
  Protection protection_;
  State state_ = State::kAuthorization;
  Language language_ = Language::kDefault;
  bool utf8_mode_ = false;
  bool in_auth_exchange_ = false;
  int errors_in_a_row_ = 0;
  int login_failures_ = 0;
  absl::string_view last_verb_;
  absl::string_view mechanism_;
  // From USER until PASS.
  std::string user_name_;
  std::string account_;
  Maildrop maildrop_;
};

}  // namespace mailstead::pop3
