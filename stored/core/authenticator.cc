#include "stored/core/authenticator.h"

#include <gsasl.h>

#include <utility>

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
#include "stored/core/password.h"

namespace mailstead::store {
namespace {

constexpr absl::string_view kPlain = "PLAIN";
constexpr absl::string_view kLogin = "LOGIN";
constexpr absl::string_view kScram = "SCRAM-SHA-256";
constexpr absl::string_view kScramPlus = "SCRAM-SHA-256-PLUS";

constexpr size_t kDecoySaltBytes = 16;

absl::string_view PropertyOrEmpty(Gsasl_session* session, Gsasl_property property) {
  const char* value = gsasl_property_fast(session, property);
  return value == nullptr ? absl::string_view() : absl::string_view(value);
}

int SetProperty(Gsasl_session* session, Gsasl_property property, const std::string& value) {
  return gsasl_property_set(session, property, value.c_str());
}

// How names are compared and counted. What is no address is counted as it is.
std::string AccountKey(absl::string_view name) {
  const absl::StatusOr<DirectoryAddress> address = CheckAddress("authcid", name);
  return address.ok() ? address->key : absl::AsciiStrToLower(name.substr(0, kMaxPathBytes));
}

}  // namespace

absl::string_view AuthResultName(AuthResult result) {
  switch (result) {
    case AuthResult::kOk:
      return "ok";
    case AuthResult::kInvalidCredentials:
      return "invalid_credentials";
    case AuthResult::kDisabled:
      return "disabled";
    case AuthResult::kMalformed:
      return "malformed";
    case AuthResult::kUnsupportedMechanism:
      return "unsupported_mechanism";
  }
  CHECK(false);
}

Authenticator::Authenticator(Engine& engine, PasswordVerifier& verifier, CredentialCache& cache,
                             LoginThrottle& throttle, AuthOptions options)
    : engine_(engine), verifier_(verifier), cache_(cache), throttle_(throttle), options_(std::move(options)) {
  CHECK(gsasl_init(&gsasl_) == GSASL_OK);
  gsasl_callback_set(gsasl_, [](Gsasl* gsasl, Gsasl_session* session, Gsasl_property property) {
    return AuthExchange::Callback(gsasl, session, property);
  });
}

Authenticator::~Authenticator() { gsasl_done(gsasl_); }

absl::StatusOr<std::unique_ptr<AuthExchange>> Authenticator::Start(AuthStart start) {
  ASSIGN_OR_RETURN(std::string network, ClientNetwork("start.client_address", start.client_address));
  RETURN_IF_ERROR(CheckLogText("start.session_id", start.session_id));
  if (start.service != "smtp" && start.service != "pop") {
    return FieldError("start.service", "must be \"smtp\" or \"pop\"");
  }
  if (start.tls_exporter.size() > kMaxTlsExporterBytes) {
    return FieldError("start.tls_exporter", "must have at most 64 bytes");
  }
  if (start.initial_response.has_value() && start.initial_response->size() > kMaxAuthResponseBytes) {
    return FieldError("start.initial_response", "must have at most 9216 bytes");
  }
  return std::unique_ptr<AuthExchange>(new AuthExchange(*this, std::move(start), std::move(network)));
}

AuthExchange::AuthExchange(Authenticator& shared, AuthStart start, std::string network)
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

absl::StatusOr<AuthStep> AuthExchange::Begin() {
  if (!IsMechanismPossible()) return Result(AuthResult::kUnsupportedMechanism);
  if (gsasl_server_start(shared_.gsasl_, start_.mechanism.c_str(), &session_) != GSASL_OK) {
    return Result(AuthResult::kUnsupportedMechanism);
  }
  gsasl_session_hook_set(session_, this);
  // LOGIN alone begins with a challenge; its initial response is the answer to that.
  if (start_.mechanism == kLogin || !start_.initial_response.has_value()) {
    ASSIGN_OR_RETURN(AuthStep first, Step(""));
    if (!start_.initial_response.has_value()) return first;
  }
  return Respond(*start_.initial_response);
}

absl::StatusOr<AuthStep> AuthExchange::Respond(absl::string_view response) {
  if (awaits_last_response_) return response.empty() ? Conclude() : Result(AuthResult::kMalformed);
  // Every response of these mechanisms has something in it; libgsasl would ask again without end.
  if (response.empty() || response.size() > kMaxAuthResponseBytes || ++steps_ > kMaxAuthSteps) {
    return Result(AuthResult::kMalformed);
  }
  if (IsScram() && steps_ == 1 && IsDowngrade(response)) return Fail();
  return Step(response);
}

absl::StatusOr<AuthStep> AuthExchange::Step(absl::string_view input) {
  input_ = input;
  char* output = nullptr;
  size_t output_size = 0;
  const int code = gsasl_step(session_, input.data(), input.size(), &output, &output_size);
  std::string challenge(output == nullptr ? "" : output, output == nullptr ? 0 : output_size);
  gsasl_free(output);
  input_ = absl::string_view();
  if (!failure_.ok()) return failure_;
  switch (code) {
    case GSASL_NEEDS_MORE:
      return Challenge(std::move(challenge));
    case GSASL_OK:
      if (challenge.empty()) return Conclude();
      // SCRAM's server-final goes out as a challenge, as SMTP and POP3 have no room for it in their success
      // replies.
      awaits_last_response_ = true;
      return Challenge(std::move(challenge));
    case GSASL_MECHANISM_PARSE_ERROR:
    case GSASL_BASE64_ERROR:
    case GSASL_MECHANISM_CALLED_TOO_MANY_TIMES:
      return Result(AuthResult::kMalformed);
    case GSASL_MALLOC_ERROR:
    case GSASL_CRYPTO_ERROR:
      return absl::UnavailableError(absl::StrCat("libgsasl: ", gsasl_strerror(code)));
    default:
      return Fail();
  }
}

AuthStep AuthExchange::Challenge(std::string challenge) {
  AuthStep step;
  step.challenge = std::move(challenge);
  if (start_.mechanism == kLogin) {
    // Some clients go by these words, which the mechanism's only description has
    // (draft-murchison-sasl-login).
    step.challenge = steps_ == 0 ? "Username:" : "Password:";
  }
  return step;
}

AuthStep AuthExchange::Result(AuthResult result) {
  AuthStep step;
  step.result = result;
  return step;
}

AuthStep AuthExchange::Conclude() {
  CHECK(account_.has_value());
  shared_.throttle_.Success(claimed_account_, network_);
  if (account_->disabled) return Result(AuthResult::kDisabled);
  AuthStep step = Result(AuthResult::kOk);
  step.address = account_->address;
  step.mailbox = account_->mailbox;
  return step;
}

AuthStep AuthExchange::Fail() {
  AuthStep step = Result(AuthResult::kInvalidCredentials);
  step.answer_after = locked_out_ ? shared_.throttle_.Delay(claimed_account_, network_)
                                  : shared_.throttle_.Failure(claimed_account_, network_, fingerprint_);
  return step;
}

// --- What libgsasl asks

int AuthExchange::Callback(Gsasl*, Gsasl_session* session, int property) {
  auto* exchange = static_cast<AuthExchange*>(gsasl_session_hook_get(session));
  return exchange == nullptr ? static_cast<int>(GSASL_NO_CALLBACK) : exchange->Answer(property);
}

int AuthExchange::Answer(int property) {
  switch (property) {
    case GSASL_VALIDATE_SIMPLE:
      return ValidatePassword();
    case GSASL_CB_TLS_EXPORTER:
      if (start_.tls_exporter.empty()) return GSASL_NO_CALLBACK;
      return SetProperty(session_, GSASL_CB_TLS_EXPORTER, absl::Base64Escape(start_.tls_exporter));
    case GSASL_SCRAM_ITER:
    case GSASL_SCRAM_SALT:
    case GSASL_SCRAM_STOREDKEY:
    case GSASL_SCRAM_SERVERKEY:
      break;
    default:
      return GSASL_NO_CALLBACK;
  }
  LookUp(PropertyOrEmpty(session_, GSASL_AUTHID), PropertyOrEmpty(session_, GSASL_AUTHZID));
  if (!failure_.ok()) return GSASL_AUTHENTICATION_ERROR;
  // An imported hash has no SCRAM keys either.
  if (credential_.kind != Credential::Kind::kScramSha256) MakeDecoy();
  switch (property) {
    case GSASL_SCRAM_ITER:
      return SetProperty(session_, GSASL_SCRAM_ITER, absl::StrCat(credential_.iterations));
    case GSASL_SCRAM_SALT:
      return SetProperty(session_, GSASL_SCRAM_SALT, absl::Base64Escape(credential_.salt));
    case GSASL_SCRAM_STOREDKEY:
      return SetProperty(session_, GSASL_SCRAM_STOREDKEY, absl::Base64Escape(credential_.stored_key));
    default:
      return SetProperty(session_, GSASL_SCRAM_SERVERKEY, absl::Base64Escape(credential_.server_key));
  }
}

int AuthExchange::ValidatePassword() {
  // libgsasl sets authzid to authid when the client sent none.
  LookUp(PropertyOrEmpty(session_, GSASL_AUTHID), PropertyOrEmpty(session_, GSASL_AUTHZID));
  if (!failure_.ok()) return GSASL_AUTHENTICATION_ERROR;
  return IsPasswordRight(PropertyOrEmpty(session_, GSASL_PASSWORD)) ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

void AuthExchange::LookUp(absl::string_view authid, absl::string_view authzid) {
  if (std::exchange(looked_up_, true)) return;
  claimed_account_ = AccountKey(authid);
  locked_out_ = shared_.throttle_.IsLockedOut(claimed_account_, network_);
  // Nobody acts for another here; asking to fails like a wrong password.
  const bool as_another = !authzid.empty() && AccountKey(authzid) != claimed_account_;
  absl::StatusOr<Account> account = shared_.engine_.GetAccount(claimed_account_);
  if (!account.ok() && !absl::IsNotFound(account.status())) {
    failure_ = account.status();
    return;
  }
  if (!account.ok() || locked_out_ || as_another) return;
  account_ = *std::move(account);
  credential_ = account_->credential;
}

bool AuthExchange::IsPasswordRight(absl::string_view prepared) {
  std::string raw(prepared);
  std::string password(prepared);
  if (start_.mechanism == kPlain) {
    // The message is authzid NUL authcid NUL password (RFC 4616 section 2); libgsasl gives the password
    // prepared.
    raw = std::string(input_.substr(input_.rfind('\0') + 1));
  } else if (absl::StatusOr<std::string> result = PreparePassword(prepared); result.ok()) {
    password = *std::move(result);
  }
  // SECURITY: a locked-out client must not learn from the time that nothing was checked; the answer is due at
  // a set time after the attempt, and that is always later than a derivation takes.
  if (locked_out_) return false;
  if (account_.has_value() && shared_.cache_.Knows(*account_, password)) return true;
  const bool right = shared_.verifier_.Verify(credential_, password, raw);
  if (right) {
    shared_.cache_.Remember(*account_, password);
  } else {
    fingerprint_ = shared_.cache_.Fingerprint(claimed_account_, password);
  }
  return right;
}

void AuthExchange::MakeDecoy() {
  const auto derive = [this](absl::string_view purpose) {
    return HmacSha256(shared_.options_.decoy_secret, absl::StrCat(purpose, " ", claimed_account_));
  };
  // Keys that nobody knows a password for: no account, or one that the throttle hides, cannot succeed.
  account_.reset();
  credential_ = Credential();
  credential_.kind = Credential::Kind::kScramSha256;
  credential_.iterations = shared_.options_.scram_iterations;
  credential_.salt = derive("salt").substr(0, kDecoySaltBytes);
  credential_.stored_key = derive("stored key");
  credential_.server_key = derive("server key");
}

}  // namespace mailstead::store
