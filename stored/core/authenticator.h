// Logins: SASL exchanges through libgsasl (PLAIN, LOGIN, SCRAM-SHA-256, SCRAM-SHA-256-PLUS).
//
// SECURITY: what a stranger sees is the same for every name and every state of its account: unknown, disabled, locked
// out, without a password. The challenges are the same (a name has one salt, its account's or else one made of the name
// and a secret), and an answer is due a given time after the attempt came, however long the check took. A password that
// is right is no proof against a lock-out or a change of the account that came while the exchange went on: both are
// looked at again at its end.
//
// What proves nothing about a password (an exchange that is malformed or given up, a channel binding that does not fit) is
// told apart in the log, and counted apart: it takes no tries away from anybody.
//
// libgsasl does SCRAM. It asks for what it needs by a callback, which cannot wait, so nothing is looked up in there: the
// account that an exchange is about is read off a rehearsal of its first step.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/executor.h"
#include "common/base/task.h"
#include "common/base/worker_pool.h"
#include "common/sasl/step.h"
#include "stored/core/credentials.h"
#include "stored/core/throttle.h"
#include "stored/engine/engine.h"

typedef struct Gsasl Gsasl;
typedef struct Gsasl_session Gsasl_session;

namespace mailstead::stored {

// How the names of logins are compared and counted. What is no address is counted as it is.
std::string AccountKey(absl::string_view name);

// How a login ended, for logs and metrics. The client is told less: a Verdict.
enum class LoginResult {
  kOk,
  kInvalidCredentials,
  // Not looked at.
  kLockedOut,
  kDisabled,
  // These prove nothing about a password.
  kForAnother,
  kBadChannelBinding,
  kMalformed,
  kUnsupportedMechanism,
  kAbandoned,
};
inline constexpr LoginResult kLastLoginResult = LoginResult::kAbandoned;
// "invalid_credentials".
absl::string_view NameOf(LoginResult result);

struct AuthStep {
  // Absent: `challenge` is for the client, and its response for Respond.
  std::optional<sasl::Verdict> verdict;
  // With a verdict.
  LoginResult result = LoginResult::kOk;
  std::string challenge;
  // With kOk: who has logged in, and the directory's version before that was looked up.
  std::optional<engine::Account> account;
  int64_t directory_version = 0;
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
// changes is in the session of the exchange. Passwords are checked on `pool`.
class Authenticator {
 public:
  Authenticator(engine::DirectoryEngine& engine, PasswordVerifier& verifier, CredentialCache& cache,
                LoginThrottle& throttle, WorkerPool& pool, Executor& executor, AuthOptions options);
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  // FieldError "start.…".
  absl::StatusOr<std::unique_ptr<AuthExchange>> Start(sasl::Start start);

 private:
  friend class AuthExchange;

  engine::DirectoryEngine& engine_;
  PasswordVerifier& verifier_;
  CredentialCache& cache_;
  LoginThrottle& throttle_;
  WorkerPool& pool_;
  Executor& executor_;
  const AuthOptions options_;
  Gsasl* gsasl_ = nullptr;
};

// One exchange. Begin, then Respond to each challenge until there is a verdict. An error (the engine is away,
// the pool is full) ends it. One Task at a time, which it outlives.
class AuthExchange {
 public:
  ~AuthExchange();
  AuthExchange(const AuthExchange&) = delete;
  AuthExchange& operator=(const AuthExchange&) = delete;

  Task<absl::StatusOr<AuthStep>> Begin();
  Task<absl::StatusOr<AuthStep>> Respond(std::string response);
  // Instead of a response: the client gave up, or went away. Counts that; there is no verdict.
  void Abandon();

  const sasl::Start& start() const { return start_; }
  // Who tries to log in, as far as it is known, for the log.
  const std::string& claimed_account() const { return claimed_account_; }

 private:
  friend class Authenticator;
  // What libgsasl asks for, by session.
  static int Callback(Gsasl* gsasl, Gsasl_session* session, int property);

  AuthExchange(Authenticator& shared, sasl::Start start, std::string network);

  bool IsMechanismPossible() const;
  bool IsScram() const;
  bool IsDowngrade(absl::string_view client_first) const;
  Task<absl::StatusOr<AuthStep>> RespondPlain(std::string message);
  Task<absl::StatusOr<AuthStep>> RespondLogin(std::string answer);
  Task<absl::StatusOr<AuthStep>> RespondScramFirst(std::string client_first);
  Task<absl::StatusOr<AuthStep>> RespondScramFinal(std::string client_final);

  // How an exchange ends. Conclude looks at the account and the lock-outs again.
  Task<absl::StatusOr<AuthStep>> Conclude();
  AuthStep Fail();
  // With what proves nothing about a password.
  AuthStep Oddity(LoginResult result);
  // With what libgsasl says of the first message of an exchange, or of its form.
  absl::StatusOr<AuthStep> RefuseForm(int code);

  int Answer(Gsasl_session* session, int property);
  int AnswerScram(Gsasl_session* session, int property);
  // Finds the account that a client-first message names, by a rehearsal of its step. Returns libgsasl's code.
  Task<absl::StatusOr<int>> LookUpByRehearsal(const std::string& client_first);
  // Finds the account that `authid` names.
  Task<absl::Status> LookUp(std::string authid, std::string authzid);
  // Looks whether what LookUp found still holds.
  Task<absl::Status> LookAgain();
  Task<absl::StatusOr<std::optional<engine::Account>>> FindAccount() const;
  // What PLAIN or LOGIN brought, as it came.
  Task<absl::StatusOr<AuthStep>> CheckPassword(std::string authid, std::string authzid, std::string password);
  Task<absl::StatusOr<bool>> IsPasswordRight(std::string prepared, std::string raw);
  // Whether a right password would be let in.
  bool MaySucceed() const { return account_.has_value() && !locked_out_ && !for_another_; }
  std::string Decoy(absl::string_view purpose) const;
  void SetChallenge();

  Authenticator& shared_;
  const sasl::Start start_;
  const std::string network_;
  // Of SCRAM; null before it begins.
  Gsasl_session* session_ = nullptr;
  int steps_ = 0;
  // The mechanism is content; the client has yet to answer server-final with an empty response.
  bool awaits_last_response_ = false;
  // Of LOGIN, once it is given.
  std::string login_name_;
  // Of SCRAM: what its last message must begin with (RFC 5802 section 7).
  std::string channel_binding_;
  std::string nonce_;

  std::string claimed_account_;
  // The key of the claimed account's address; empty when it is none.
  std::string address_key_;
  // Set by LookUp and LookAgain.
  bool locked_out_ = false;
  // Set by LookUp: nobody acts for another here; asking to fails like a wrong password.
  bool for_another_ = false;
  // Set when the exchange went on after LookUp: what that found may have changed.
  bool waited_ = false;
  int64_t directory_version_ = 0;
  std::optional<engine::Account> account_;
  // Of SCRAM, what challenges tell: of the account, or of its name.
  uint32_t iterations_ = 0;
  std::string salt_;
  std::string fingerprint_;
};

}  // namespace mailstead::stored
