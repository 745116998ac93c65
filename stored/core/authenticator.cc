#include "stored/core/authenticator.h"

#include <gsasl.h>

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/core/digest.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/core/offload.h"
#include "stored/core/password.h"

namespace mailstead::stored {
namespace {

using sasl::Verdict;

constexpr absl::string_view kPlain = "PLAIN";
constexpr absl::string_view kLogin = "LOGIN";
constexpr absl::string_view kScram = "SCRAM-SHA-256";
constexpr absl::string_view kScramPlus = "SCRAM-SHA-256-PLUS";

constexpr size_t kDecoySaltBytes = 16;

std::string PropertyOrEmpty(Gsasl_session* session, Gsasl_property property) {
  const char* value = gsasl_property_fast(session, property);
  return value == nullptr ? std::string() : std::string(value);
}

int SetProperty(Gsasl_session* session, Gsasl_property property, const std::string& value) {
  return gsasl_property_set(session, property, value.c_str());
}

// How names are compared and counted. What is no address is counted as it is.
std::string AccountKey(absl::string_view name) {
  const absl::StatusOr<DirectoryAddress> address = CheckAddress("authcid", name);
  return address.ok() ? address->key : absl::AsciiStrToLower(name.substr(0, kMaxPathBytes));
}

// One step of libgsasl's.
struct Stepped {
  int code = GSASL_OK;
  std::string output;
};

Stepped GsaslStep(Gsasl_session* session, absl::string_view input) {
  char* output = nullptr;
  size_t size = 0;
  Stepped stepped;
  stepped.code = gsasl_step(session, input.data(), input.size(), &output, &size);
  if (output != nullptr) stepped.output.assign(output, size);
  gsasl_free(output);
  return stepped;
}

AuthStep Ended(Verdict verdict) {
  AuthStep step;
  step.verdict = verdict;
  return step;
}

}  // namespace

absl::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kInvalidCredentials:
      return "invalid_credentials";
    case Verdict::kDisabled:
      return "disabled";
    case Verdict::kMalformed:
      return "malformed";
    case Verdict::kUnsupportedMechanism:
      return "unsupported_mechanism";
  }
  CHECK(false);
}

Authenticator::Authenticator(engine::DirectoryEngine& engine, PasswordVerifier& verifier,
                             CredentialCache& cache, LoginThrottle& throttle, WorkerPool& pool,
                             Executor& executor, AuthOptions options)
    : engine_(engine),
      verifier_(verifier),
      cache_(cache),
      throttle_(throttle),
      pool_(pool),
      executor_(executor),
      options_(std::move(options)) {
  CHECK(gsasl_init(&gsasl_) == GSASL_OK);
  gsasl_callback_set(gsasl_, [](Gsasl* gsasl, Gsasl_session* session, Gsasl_property property) {
    return AuthExchange::Callback(gsasl, session, property);
  });
}

Authenticator::~Authenticator() { gsasl_done(gsasl_); }

absl::StatusOr<std::unique_ptr<AuthExchange>> Authenticator::Start(sasl::Start start) {
  ASSIGN_OR_RETURN(std::string network, ClientNetwork("start.client_address", start.client_address));
  if (start.tls_exporter.size() > kMaxTlsExporterBytes) {
    return FieldError("start.tls_exporter", "must have at most 64 bytes");
  }
  if (start.initial_response.has_value() && start.initial_response->size() > kMaxAuthResponseBytes) {
    return FieldError("start.initial_response", "must have at most 9216 bytes");
  }
  return std::unique_ptr<AuthExchange>(new AuthExchange(*this, std::move(start), std::move(network)));
}

AuthExchange::AuthExchange(Authenticator& shared, sasl::Start start, std::string network)
    : shared_(shared), start_(std::move(start)), network_(std::move(network)) {}

AuthExchange::~AuthExchange() {
  if (session_ != nullptr) gsasl_finish(session_);
}

bool AuthExchange::IsScram() const { return start_.mechanism == kScram || start_.mechanism == kScramPlus; }

bool AuthExchange::IsMechanismPossible() const {
  if (start_.mechanism == kScramPlus) return !start_.tls_exporter.empty();
  return start_.mechanism == kPlain || start_.mechanism == kLogin || start_.mechanism == kScram;
}

// SECURITY: a client that says "y" supports channel binding and was told that we do not. We do, so somebody
// in the middle took SCRAM-SHA-256-PLUS off the list (RFC 5802 section 6).
bool AuthExchange::IsDowngrade(absl::string_view client_first) const {
  return start_.mechanism == kScram && !start_.tls_exporter.empty() && absl::StartsWith(client_first, "y");
}

// ---- Steps

Task<absl::StatusOr<AuthStep>> AuthExchange::Begin() {
  if (!IsMechanismPossible() ||
      gsasl_server_start(shared_.gsasl_, start_.mechanism.c_str(), &session_) != GSASL_OK) {
    co_return Ended(Verdict::kUnsupportedMechanism);
  }
  gsasl_session_hook_set(session_, this);
  // LOGIN alone begins with a challenge; its initial response is the answer to that.
  if (start_.mechanism == kLogin || !start_.initial_response.has_value()) {
    CO_ASSIGN_OR_RETURN(AuthStep first, co_await Step(""));
    if (!start_.initial_response.has_value()) co_return first;
  }
  co_return co_await Respond(*start_.initial_response);
}

Task<absl::StatusOr<AuthStep>> AuthExchange::Respond(std::string response) {
  if (awaits_last_response_) co_return response.empty() ? Conclude() : Ended(Verdict::kMalformed);
  // Every response of these mechanisms has something in it; libgsasl would ask again without end.
  if (response.empty() || response.size() > kMaxAuthResponseBytes || ++steps_ > kMaxAuthSteps) {
    co_return Ended(Verdict::kMalformed);
  }
  if (IsScram() && steps_ == 1) {
    if (IsDowngrade(response)) co_return Fail();
    CO_ASSIGN_OR_RETURN(const int code, co_await LookUpByRehearsal(response));
    if (code != GSASL_NEEDS_MORE) co_return Failed(code);
  }
  co_return co_await Step(std::move(response));
}

Task<absl::StatusOr<AuthStep>> AuthExchange::Step(std::string input) {
  Stepped stepped = GsaslStep(session_, input);
  if (stepped.code == GSASL_NEEDS_MORE) co_return Challenge(std::move(stepped.output));
  if (stepped.code != GSASL_OK) co_return Failed(stepped.code);
  if (given_password_.has_value()) co_return co_await CheckPassword(std::move(input));
  if (stepped.output.empty()) co_return Conclude();
  // SCRAM's server-final goes out as a challenge, as SMTP and POP3 have no room for it in their success
  // replies.
  awaits_last_response_ = true;
  co_return Challenge(std::move(stepped.output));
}

absl::StatusOr<AuthStep> AuthExchange::Failed(int code) {
  switch (code) {
    case GSASL_MECHANISM_PARSE_ERROR:
    case GSASL_BASE64_ERROR:
    case GSASL_MECHANISM_CALLED_TOO_MANY_TIMES:
      return Ended(Verdict::kMalformed);
    case GSASL_MALLOC_ERROR:
    case GSASL_CRYPTO_ERROR:
      return absl::UnavailableError(absl::StrCat("libgsasl: ", gsasl_strerror(code)));
    default:
      return Fail();
  }
}

AuthStep AuthExchange::Challenge(std::string challenge) const {
  AuthStep step;
  step.challenge = std::move(challenge);
  if (start_.mechanism == kLogin) {
    // Some clients go by these words, which the mechanism's only description has
    // (draft-murchison-sasl-login).
    step.challenge = steps_ == 0 ? "Username:" : "Password:";
  }
  return step;
}

AuthStep AuthExchange::Conclude() {
  CHECK(account_.has_value());
  shared_.throttle_.Success(claimed_account_, network_);
  if (account_->disabled) return Ended(Verdict::kDisabled);
  AuthStep step = Ended(Verdict::kOk);
  step.account = *account_;
  step.directory_version = directory_version_;
  return step;
}

AuthStep AuthExchange::Fail() {
  AuthStep step = Ended(Verdict::kInvalidCredentials);
  step.answer_after = locked_out_ ? shared_.throttle_.Delay(claimed_account_, network_)
                                  : shared_.throttle_.Failure(claimed_account_, network_, fingerprint_);
  return step;
}

// ---- What libgsasl asks

int AuthExchange::Callback(Gsasl*, Gsasl_session* session, int property) {
  auto* exchange = static_cast<AuthExchange*>(gsasl_session_hook_get(session));
  return exchange == nullptr ? static_cast<int>(GSASL_NO_CALLBACK) : exchange->Answer(session, property);
}

int AuthExchange::Answer(Gsasl_session* session, int property) {
  switch (property) {
    case GSASL_VALIDATE_SIMPLE:
      // The last that PLAIN and LOGIN ask. We say yes for now; CheckPassword decides. libgsasl sets authzid
      // to authid when the client sent none.
      given_password_ =
          GivenPassword{PropertyOrEmpty(session, GSASL_AUTHID), PropertyOrEmpty(session, GSASL_AUTHZID),
                        PropertyOrEmpty(session, GSASL_PASSWORD)};
      return GSASL_OK;
    case GSASL_CB_TLS_EXPORTER:
      if (start_.tls_exporter.empty()) return GSASL_NO_CALLBACK;
      return SetProperty(session, GSASL_CB_TLS_EXPORTER, absl::Base64Escape(start_.tls_exporter));
    case GSASL_SCRAM_ITER:
    case GSASL_SCRAM_SALT:
    case GSASL_SCRAM_STOREDKEY:
    case GSASL_SCRAM_SERVERKEY:
      // A rehearsal takes what libgsasl makes up.
      return session == session_ ? AnswerScram(session, property) : static_cast<int>(GSASL_NO_CALLBACK);
    default:
      return GSASL_NO_CALLBACK;
  }
}

int AuthExchange::AnswerScram(Gsasl_session* session, int property) {
  switch (property) {
    case GSASL_SCRAM_ITER:
      return SetProperty(session, GSASL_SCRAM_ITER, absl::StrCat(credential_.iterations));
    case GSASL_SCRAM_SALT:
      return SetProperty(session, GSASL_SCRAM_SALT, absl::Base64Escape(credential_.salt));
    case GSASL_SCRAM_STOREDKEY:
      return SetProperty(session, GSASL_SCRAM_STOREDKEY, absl::Base64Escape(credential_.stored_key));
    default:
      return SetProperty(session, GSASL_SCRAM_SERVERKEY, absl::Base64Escape(credential_.server_key));
  }
}

// ---- Accounts and passwords

Task<absl::StatusOr<int>> AuthExchange::LookUpByRehearsal(const std::string& client_first) {
  Gsasl_session* rehearsal = nullptr;
  if (const int code = gsasl_server_start(shared_.gsasl_, start_.mechanism.c_str(), &rehearsal);
      code != GSASL_OK) {
    co_return code;
  }
  gsasl_session_hook_set(rehearsal, this);
  const int code = GsaslStep(rehearsal, client_first).code;
  std::string authid = PropertyOrEmpty(rehearsal, GSASL_AUTHID);
  std::string authzid = PropertyOrEmpty(rehearsal, GSASL_AUTHZID);
  gsasl_finish(rehearsal);
  if (code != GSASL_NEEDS_MORE) co_return code;
  CO_RETURN_IF_ERROR(co_await LookUp(std::move(authid), std::move(authzid)));
  // An imported hash has no SCRAM keys either.
  if (credential_.kind != engine::Credential::Kind::kScramSha256) MakeDecoy();
  co_return code;
}

Task<absl::Status> AuthExchange::LookUp(std::string authid, std::string authzid) {
  claimed_account_ = AccountKey(authid);
  locked_out_ = shared_.throttle_.IsLockedOut(claimed_account_, network_);
  // Nobody acts for another here; asking to fails like a wrong password.
  const bool as_another = !authzid.empty() && AccountKey(authzid) != claimed_account_;
  directory_version_ = shared_.engine_.Version();
  const absl::StatusOr<DirectoryAddress> address = CheckAddress("authcid", authid);
  if (!address.ok()) co_return absl::OkStatus();
  std::vector<std::string> keys;
  keys.push_back(claimed_account_);
  CO_ASSIGN_OR_RETURN(std::vector<engine::Place> places, co_await shared_.engine_.LookUp(std::move(keys)));
  if (!places.front().account.has_value() || locked_out_ || as_another) co_return absl::OkStatus();
  account_ = *std::move(places.front().account);
  credential_ = account_->credential;
  co_return absl::OkStatus();
}

Task<absl::StatusOr<AuthStep>> AuthExchange::CheckPassword(std::string message) {
  GivenPassword given = *std::move(given_password_);
  CO_RETURN_IF_ERROR(co_await LookUp(std::move(given.authid), std::move(given.authzid)));
  std::string prepared = given.password;
  std::string raw = std::move(given.password);
  if (start_.mechanism == kPlain) {
    // The message is authzid NUL authcid NUL password (RFC 4616 section 2); libgsasl gives the password
    // prepared.
    raw = message.substr(message.rfind('\0') + 1);
  } else if (absl::StatusOr<std::string> result = PreparePassword(prepared); result.ok()) {
    prepared = *std::move(result);
  }
  CO_ASSIGN_OR_RETURN(const bool right, co_await IsPasswordRight(std::move(prepared), std::move(raw)));
  co_return right ? Conclude() : Fail();
}

Task<absl::StatusOr<bool>> AuthExchange::IsPasswordRight(std::string prepared, std::string raw) {
  // SECURITY: a locked-out client must not learn from the time that nothing was checked; the answer is due at
  // a set time after the attempt, and that is always later than a derivation takes.
  if (locked_out_) co_return false;
  // Here, without a change of threads: a client that polls costs no hashing.
  if (account_.has_value() && shared_.cache_.Knows(*account_, prepared)) co_return true;
  const auto verify = [this, &prepared, &raw] {
    return shared_.verifier_.Verify(credential_, prepared, raw);
  };
  CO_ASSIGN_OR_RETURN(const bool right, co_await Offload(shared_.pool_, shared_.executor_, verify));
  // A credential that is none is never right.
  if (right) {
    shared_.cache_.Remember(*account_, prepared);
  } else {
    fingerprint_ = shared_.cache_.Fingerprint(claimed_account_, prepared);
  }
  co_return right;
}

void AuthExchange::MakeDecoy() {
  const auto derive = [this](absl::string_view purpose) {
    return HmacSha256(shared_.options_.decoy_secret, absl::StrCat(purpose, " ", claimed_account_));
  };
  // Keys that nobody knows a password for: no account, or one that the throttle hides, cannot succeed.
  account_.reset();
  credential_ = engine::Credential();
  credential_.kind = engine::Credential::Kind::kScramSha256;
  credential_.iterations = shared_.options_.scram_iterations;
  credential_.salt = derive("salt").substr(0, kDecoySaltBytes);
  credential_.stored_key = derive("stored key");
  credential_.server_key = derive("server key");
}

}  // namespace mailstead::stored
