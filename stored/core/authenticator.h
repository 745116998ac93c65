// Logins: SASL exchanges through libgsasl (PLAIN, LOGIN, SCRAM-SHA-256, SCRAM-SHA-256-PLUS).
//
// SECURITY: what a stranger sees is the same for an account that exists, one that does not, and one that is
// locked out: the same challenges (an unknown account has a salt too, made of its name and a secret), one
// password derivation, and an answer that is due a given time after the attempt came, however long the check
// took.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/core/credentials.h"
#include "stored/core/throttle.h"
#include "stored/engine/engine.h"

typedef struct Gsasl Gsasl;
typedef struct Gsasl_session Gsasl_session;

namespace mailstead::store {

struct AuthStart {
  std::string mechanism;
  // Absent and empty differ (RFC 4422 section 3).
  std::optional<std::string> initial_response;
  std::string client_address;
  // "smtp" or "pop".
  std::string service;
  std::string session_id;
  // Of RFC 9266; empty without TLS.
  std::string tls_exporter;
};

enum class AuthResult { kOk, kInvalidCredentials, kDisabled, kMalformed, kUnsupportedMechanism };
absl::string_view AuthResultName(AuthResult result);

struct AuthStep {
  // Absent: `challenge` is for the client, and its response for Respond.
  std::optional<AuthResult> result;
  std::string challenge;
  // With kOk.
  std::string address;
  MailboxId mailbox;
  // How long after the step came in its answer may be sent. The caller waits; nothing in here sleeps.
  absl::Duration answer_after;
};

struct AuthOptions {
  // What challenges tell about unknown accounts: that of new accounts.
  uint32_t scram_iterations = 15'000;
  // 32 random bytes that outlive the process: the salt of an unknown account must not change either.
  std::string decoy_secret;
};

class AuthExchange;

// Shared by all exchanges. Thread-safe: libgsasl's handle is only read once it is set up, and all that
// changes is in the session of the exchange.
class Authenticator {
 public:
  Authenticator(Engine& engine, PasswordVerifier& verifier, CredentialCache& cache, LoginThrottle& throttle,
                AuthOptions options);
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  // FieldError "start.…".
  absl::StatusOr<std::unique_ptr<AuthExchange>> Start(AuthStart start);

 private:
  friend class AuthExchange;

  Engine& engine_;
  PasswordVerifier& verifier_;
  CredentialCache& cache_;
  LoginThrottle& throttle_;
  const AuthOptions options_;
  Gsasl* gsasl_ = nullptr;
};

// One exchange. Begin, then Respond to each challenge until there is a result. Used by one thread at a time;
// blocks on the engine and on hashing. An error (the engine is away) ends it.
class AuthExchange {
 public:
  ~AuthExchange();
  AuthExchange(const AuthExchange&) = delete;
  AuthExchange& operator=(const AuthExchange&) = delete;

  absl::StatusOr<AuthStep> Begin();
  absl::StatusOr<AuthStep> Respond(absl::string_view response);

  const AuthStart& start() const { return start_; }
  // Who tries to log in, as far as it is known, for the log.
  const std::string& claimed_account() const { return claimed_account_; }

 private:
  friend class Authenticator;
  // What libgsasl asks for, by session.
  static int Callback(Gsasl* gsasl, Gsasl_session* session, int property);

  AuthExchange(Authenticator& shared, AuthStart start, std::string network);

  bool IsMechanismPossible() const;
  bool IsScram() const;
  bool IsDowngrade(absl::string_view client_first) const;
  absl::StatusOr<AuthStep> Step(absl::string_view input);
  AuthStep Challenge(std::string challenge);
  AuthStep Conclude();
  AuthStep Fail();
  static AuthStep Result(AuthResult result);

  int Answer(int property);
  int ValidatePassword();
  // Finds the account that `authid` names, unless it is locked out.
  void LookUp(absl::string_view authid, absl::string_view authzid);
  bool IsPasswordRight(absl::string_view prepared);
  void MakeDecoy();

  Authenticator& shared_;
  const AuthStart start_;
  const std::string network_;
  Gsasl_session* session_ = nullptr;
  int steps_ = 0;
  absl::string_view input_;
  // The mechanism is content; the client has yet to answer server-final with an empty response.
  bool awaits_last_response_ = false;

  bool looked_up_ = false;
  std::string claimed_account_;
  bool locked_out_ = false;
  std::optional<Account> account_;
  // What challenges and checks use: of the account, or a decoy.
  Credential credential_;
  std::string fingerprint_;
  absl::Status failure_;
};

}  // namespace mailstead::store
