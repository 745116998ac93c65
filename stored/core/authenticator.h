// Logins: SASL exchanges through libgsasl (PLAIN, LOGIN, SCRAM-SHA-256, SCRAM-SHA-256-PLUS).
//
// SECURITY: what a stranger sees is the same for an account that exists, one that does not, and one that is
// locked out: the same challenges (an unknown account has a salt too, made of its name and a secret), one
// password derivation, and an answer that is due a given time after the attempt came, however long the check
// took.
//
// libgsasl asks for what it needs by a callback, which cannot wait. So nothing is looked up in there: the
// account that a SCRAM exchange is about is read off a rehearsal of its first step, and a password that PLAIN
// and LOGIN bring is noted, and checked after the step.
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

// For logs and metrics.
absl::string_view VerdictName(sasl::Verdict verdict);

struct AuthStep {
  // Absent: `challenge` is for the client, and its response for Respond.
  std::optional<sasl::Verdict> verdict;
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
  Task<absl::StatusOr<AuthStep>> Step(std::string input);
  // What a code of libgsasl's comes to that is neither success nor the need for more.
  absl::StatusOr<AuthStep> Failed(int code);
  AuthStep Challenge(std::string challenge) const;
  AuthStep Conclude();
  AuthStep Fail();

  int Answer(Gsasl_session* session, int property);
  int AnswerScram(Gsasl_session* session, int property);
  // Finds the account that a client-first message names, by a rehearsal of its step. Returns libgsasl's code.
  Task<absl::StatusOr<int>> LookUpByRehearsal(const std::string& client_first);
  // Finds the account that `authid` names, unless it is locked out.
  Task<absl::Status> LookUp(std::string authid, std::string authzid);
  Task<absl::StatusOr<AuthStep>> CheckPassword(std::string message);
  Task<absl::StatusOr<bool>> IsPasswordRight(std::string prepared, std::string raw);
  void MakeDecoy();

  // What PLAIN or LOGIN brought.
  struct GivenPassword {
    std::string authid;
    std::string authzid;
    std::string password;
  };

  Authenticator& shared_;
  const sasl::Start start_;
  const std::string network_;
  Gsasl_session* session_ = nullptr;
  int steps_ = 0;
  // The mechanism is content; the client has yet to answer server-final with an empty response.
  bool awaits_last_response_ = false;
  // Set by the callback.
  std::optional<GivenPassword> given_password_;

  std::string claimed_account_;
  bool locked_out_ = false;
  int64_t directory_version_ = 0;
  std::optional<engine::Account> account_;
  // What challenges and checks use: of the account, or a decoy.
  engine::Credential credential_;
  std::string fingerprint_;
};

}  // namespace mailstead::stored
