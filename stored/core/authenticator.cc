#include "stored/core/authenticator.h"

#include <gsasl.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/sasl/mechanisms.h"
#include "common/text/utf8.h"
#include "stored/core/digest.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/core/offload.h"
#include "stored/core/password.h"

namespace mailstead::stored {
namespace {

using sasl::Verdict;

constexpr size_t kDecoySaltBytes = 16;

std::string PropertyOrEmpty(Gsasl_session* session, Gsasl_property property) {
  const char* value = gsasl_property_fast(session, property);
  return value == nullptr ? std::string() : std::string(value);
}

int SetProperty(Gsasl_session* session, Gsasl_property property, const std::string& value) {
  return gsasl_property_set(session, property, value.c_str());
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

AuthStep Ended(Verdict verdict, LoginResult result) {
  AuthStep step;
  step.verdict = verdict;
  step.result = result;
  return step;
}

AuthStep Challenge(std::string challenge) {
  AuthStep step;
  step.challenge = std::move(challenge);
  return step;
}

// What the client is told of a result that is no success.
Verdict VerdictOf(LoginResult result) {
  switch (result) {
    case LoginResult::kDisabled:
      return Verdict::kDisabled;
    case LoginResult::kMalformed:
      return Verdict::kMalformed;
    case LoginResult::kUnsupportedMechanism:
      return Verdict::kUnsupportedMechanism;
    default:
      return Verdict::kInvalidCredentials;
  }
}

// Old clients know no other characters, and nothing says which they use.
std::string AsUtf8(absl::string_view text) {
  return IsValidUtf8(text) ? std::string(text) : Utf8FromLatin1(text);
}

struct PlainMessage {
  std::string authzid;
  std::string authcid;
  std::string password;
};

// authzid NUL authcid NUL password (RFC 4616 section 2).
std::optional<PlainMessage> ParsePlain(absl::string_view message) {
  const std::vector<absl::string_view> parts = absl::StrSplit(message, '\0');
  if (parts.size() != 3 || parts[1].empty()) return std::nullopt;
  return PlainMessage{std::string(parts[0]), std::string(parts[1]), std::string(parts[2])};
}

// The attribute at the begin of a SCRAM message: "r=…". Takes it and its comma off `message`.
std::optional<absl::string_view> TakeAttribute(absl::string_view& message, absl::string_view name) {
  if (!absl::ConsumePrefix(&message, name)) return std::nullopt;
  const size_t end = std::min(message.find(','), message.size());
  const absl::string_view value = message.substr(0, end);
  message.remove_prefix(std::min(end + 1, message.size()));
  return value;
}

// The header of a client-first message, up to its second comma (RFC 5802 section 7, gs2-header).
absl::string_view Gs2Header(absl::string_view client_first) {
  const size_t first = client_first.find(',');
  const size_t second = first == absl::string_view::npos ? first : client_first.find(',', first + 1);
  return second == absl::string_view::npos ? client_first : client_first.substr(0, second + 1);
}

// The kinds that libgsasl knows are tls-exporter (RFC 9266) and tls-unique (RFC 5929).
bool BindsToAnotherKind(absl::string_view client_first) {
  return absl::StartsWith(client_first, "p=") && !absl::StartsWith(client_first, "p=tls-exporter,") &&
         !absl::StartsWith(client_first, "p=tls-unique,");
}

}  // namespace

std::string AccountKey(absl::string_view name) {
  const absl::StatusOr<DirectoryAddress> address = CheckAddress("authcid", name);
  return address.ok() ? address->key : absl::AsciiStrToLower(name.substr(0, kMaxPathBytes));
}

absl::string_view NameOf(LoginResult result) {
  switch (result) {
    case LoginResult::kOk:
      return "ok";
    case LoginResult::kInvalidCredentials:
      return "invalid_credentials";
    case LoginResult::kLockedOut:
      return "locked_out";
    case LoginResult::kDisabled:
      return "disabled";
    case LoginResult::kForAnother:
      return "for_another";
    case LoginResult::kBadChannelBinding:
      return "bad_channel_binding";
    case LoginResult::kMalformed:
      return "malformed";
    case LoginResult::kUnsupportedMechanism:
      return "unsupported_mechanism";
    case LoginResult::kAbandoned:
      return "abandoned";
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
  if (start.tls_unique.size() > kMaxTlsExporterBytes) {
    return FieldError("start.tls_unique", "must have at most 64 bytes");
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

bool AuthExchange::IsScram() const {
  return start_.mechanism == sasl::kScramSha256 || start_.mechanism == sasl::kScramSha256Plus;
}

bool AuthExchange::IsMechanismPossible() const {
  if (start_.mechanism == sasl::kScramSha256Plus) return !start_.tls_exporter.empty();
  return sasl::CheckMechanism(start_.mechanism).ok();
}

// SECURITY: a client that says "y" supports channel binding and was told that we do not. We do, so somebody
// in the middle took SCRAM-SHA-256-PLUS off the list (RFC 5802 section 6).
bool AuthExchange::IsDowngrade(absl::string_view client_first) const {
  return start_.mechanism == sasl::kScramSha256 && !start_.tls_exporter.empty() &&
         absl::StartsWith(client_first, "y");
}

// ---- Steps

Task<absl::StatusOr<AuthStep>> AuthExchange::Begin() {
  if (!IsMechanismPossible()) co_return Oddity(LoginResult::kUnsupportedMechanism);
  if (IsScram()) {
    if (gsasl_server_start(shared_.gsasl_, start_.mechanism.c_str(), &session_) != GSASL_OK) {
      co_return absl::UnavailableError("libgsasl cannot begin an exchange");
    }
    gsasl_session_hook_set(session_, this);
  }
  if (start_.initial_response.has_value()) co_return co_await Respond(*start_.initial_response);
  // LOGIN alone begins with a challenge. Some clients go by these words, which the mechanism's only description has
  // (draft-murchison-sasl-login).
  co_return Challenge(start_.mechanism == sasl::kLogin ? "Username:" : "");
}

Task<absl::StatusOr<AuthStep>> AuthExchange::Respond(std::string response) {
  if (awaits_last_response_) {
    if (!response.empty()) co_return Oddity(LoginResult::kMalformed);
    co_return co_await Conclude();
  }
  // Every response of these mechanisms has something in it.
  if (response.empty() || response.size() > kMaxAuthResponseBytes || ++steps_ > kMaxAuthSteps) {
    co_return Oddity(LoginResult::kMalformed);
  }
  if (start_.mechanism == sasl::kPlain) co_return co_await RespondPlain(std::move(response));
  if (start_.mechanism == sasl::kLogin) co_return co_await RespondLogin(std::move(response));
  if (steps_ == 1) co_return co_await RespondScramFirst(std::move(response));
  co_return co_await RespondScramFinal(std::move(response));
}

void AuthExchange::Abandon() {
  const absl::Duration unused = shared_.throttle_.Oddity(claimed_account_, network_);
  static_cast<void>(unused);
}

Task<absl::StatusOr<AuthStep>> AuthExchange::RespondPlain(std::string message) {
  std::optional<PlainMessage> given = ParsePlain(message);
  if (!given.has_value()) co_return Oddity(LoginResult::kMalformed);
  co_return co_await CheckPassword(std::move(given->authcid), std::move(given->authzid),
                                   std::move(given->password));
}

Task<absl::StatusOr<AuthStep>> AuthExchange::RespondLogin(std::string answer) {
  if (absl::StrContains(answer, '\0')) co_return Oddity(LoginResult::kMalformed);
  if (steps_ == 1) {
    login_name_ = std::move(answer);
    co_return Challenge("Password:");
  }
  co_return co_await CheckPassword(std::move(login_name_), "", std::move(answer));
}

Task<absl::StatusOr<AuthStep>> AuthExchange::RespondScramFirst(std::string client_first) {
  if (IsDowngrade(client_first) || BindsToAnotherKind(client_first))
    co_return Oddity(LoginResult::kBadChannelBinding);
  CO_ASSIGN_OR_RETURN(const int code, co_await LookUpByRehearsal(client_first));
  if (code != GSASL_NEEDS_MORE) co_return RefuseForm(code);
  Stepped stepped = GsaslStep(session_, client_first);
  if (stepped.code != GSASL_NEEDS_MORE) co_return RefuseForm(stepped.code);
  // RFC 5802 section 5.1: what the client's last message has to repeat.
  std::string bound(Gs2Header(client_first));
  if (absl::StartsWith(bound, "p=tls-exporter,")) bound += start_.tls_exporter;
  if (absl::StartsWith(bound, "p=tls-unique,")) bound += start_.tls_unique;
  channel_binding_ = absl::Base64Escape(bound);
  absl::string_view server_first = stepped.output;
  nonce_ = std::string(TakeAttribute(server_first, "r=").value_or(""));
  co_return Challenge(std::move(stepped.output));
}

Task<absl::StatusOr<AuthStep>> AuthExchange::RespondScramFinal(std::string client_final) {
  // Looked at here, because libgsasl has one error for these and for a wrong password.
  absl::string_view rest = client_final;
  const std::optional<absl::string_view> channel_binding = TakeAttribute(rest, "c=");
  const std::optional<absl::string_view> nonce = TakeAttribute(rest, "r=");
  if (!channel_binding.has_value() || nonce != nonce_) co_return Oddity(LoginResult::kMalformed);
  if (channel_binding != channel_binding_) co_return Oddity(LoginResult::kBadChannelBinding);
  CO_RETURN_IF_ERROR(co_await LookAgain());
  Stepped stepped = GsaslStep(session_, client_final);
  if (stepped.code == GSASL_MECHANISM_PARSE_ERROR || stepped.code == GSASL_BASE64_ERROR)
    co_return Oddity(LoginResult::kMalformed);
  if (stepped.code == GSASL_MALLOC_ERROR || stepped.code == GSASL_CRYPTO_ERROR)
    co_return RefuseForm(stepped.code);
  if (stepped.code != GSASL_OK) co_return Fail();
  // SCRAM's server-final goes out as a challenge, as SMTP and POP3 have no room for it in their success
  // replies.
  awaits_last_response_ = true;
  co_return Challenge(std::move(stepped.output));
}

absl::StatusOr<AuthStep> AuthExchange::RefuseForm(int code) {
  switch (code) {
    case GSASL_MALLOC_ERROR:
    case GSASL_CRYPTO_ERROR:
      return absl::UnavailableError(absl::StrCat("libgsasl: ", gsasl_strerror(code)));
    // Of the first message: it binds to what there is not, or not at all.
    case GSASL_NO_CB_TLS_UNIQUE:
    case GSASL_NO_CB_TLS_EXPORTER:
    case GSASL_AUTHENTICATION_ERROR:
      return Oddity(LoginResult::kBadChannelBinding);
    default:
      return Oddity(LoginResult::kMalformed);
  }
}

Task<absl::StatusOr<AuthStep>> AuthExchange::Conclude() {
  if (waited_) CO_RETURN_IF_ERROR(co_await LookAgain());
  if (!MaySucceed()) co_return Fail();
  if (account_->disabled) co_return Ended(Verdict::kDisabled, LoginResult::kDisabled);
  shared_.throttle_.Success(claimed_account_, network_);
  AuthStep step = Ended(Verdict::kOk, LoginResult::kOk);
  step.account = *account_;
  step.directory_version = directory_version_;
  co_return step;
}

AuthStep AuthExchange::Fail() {
  if (for_another_) return Oddity(LoginResult::kForAnother);
  const LoginResult result = locked_out_ ? LoginResult::kLockedOut : LoginResult::kInvalidCredentials;
  AuthStep step = Ended(VerdictOf(result), result);
  step.answer_after = locked_out_ ? shared_.throttle_.Delay(claimed_account_, network_)
                                  : shared_.throttle_.Failure(claimed_account_, network_, fingerprint_);
  return step;
}

AuthStep AuthExchange::Oddity(LoginResult result) {
  AuthStep step = Ended(VerdictOf(result), result);
  step.answer_after = shared_.throttle_.Oddity(claimed_account_, network_);
  // It looks like a wrong password then.
  if (step.verdict == Verdict::kInvalidCredentials) {
    step.answer_after = std::max(step.answer_after, shared_.throttle_.Delay(claimed_account_, network_));
  }
  return step;
}

// ---- What libgsasl asks

int AuthExchange::Callback(Gsasl*, Gsasl_session* session, int property) {
  auto* exchange = static_cast<AuthExchange*>(gsasl_session_hook_get(session));
  return exchange == nullptr ? static_cast<int>(GSASL_NO_CALLBACK) : exchange->Answer(session, property);
}

int AuthExchange::Answer(Gsasl_session* session, int property) {
  switch (property) {
    case GSASL_CB_TLS_EXPORTER:
      if (start_.tls_exporter.empty()) return GSASL_NO_CALLBACK;
      return SetProperty(session, GSASL_CB_TLS_EXPORTER, absl::Base64Escape(start_.tls_exporter));
    case GSASL_CB_TLS_UNIQUE:
      if (start_.tls_unique.empty()) return GSASL_NO_CALLBACK;
      return SetProperty(session, GSASL_CB_TLS_UNIQUE, absl::Base64Escape(start_.tls_unique));
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
      return SetProperty(session, GSASL_SCRAM_ITER, absl::StrCat(iterations_));
    case GSASL_SCRAM_SALT:
      return SetProperty(session, GSASL_SCRAM_SALT, absl::Base64Escape(salt_));
    default:
      break;
  }
  // An imported hash has no SCRAM keys. Nobody knows a password for a decoy's keys.
  const bool has_keys = MaySucceed() && account_->credential.kind == engine::Credential::Kind::kScramSha256;
  if (property == GSASL_SCRAM_STOREDKEY) {
    return SetProperty(session, GSASL_SCRAM_STOREDKEY,
                       absl::Base64Escape(has_keys ? account_->credential.stored_key : Decoy("stored key")));
  }
  return SetProperty(session, GSASL_SCRAM_SERVERKEY,
                     absl::Base64Escape(has_keys ? account_->credential.server_key : Decoy("server key")));
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
  SetChallenge();
  waited_ = true;
  co_return code;
}

Task<absl::Status> AuthExchange::LookUp(std::string authid, std::string authzid) {
  claimed_account_ = AccountKey(authid);
  if (CheckAddress("authcid", authid).ok()) address_key_ = claimed_account_;
  locked_out_ = shared_.throttle_.IsLockedOut(claimed_account_, network_);
  for_another_ = !authzid.empty() && AccountKey(authzid) != claimed_account_;
  directory_version_ = shared_.engine_.Version();
  CO_ASSIGN_OR_RETURN(account_, co_await FindAccount());
  co_return absl::OkStatus();
}

Task<absl::Status> AuthExchange::LookAgain() {
  // SECURITY: exchanges that were begun before a lock-out would be as many guesses after it.
  locked_out_ = locked_out_ || shared_.throttle_.IsLockedOut(claimed_account_, network_);
  const int64_t version = shared_.engine_.Version();
  if (!account_.has_value() || (version != 0 && version == directory_version_)) co_return absl::OkStatus();
  directory_version_ = version;
  CO_ASSIGN_OR_RETURN(std::optional<engine::Account> now, co_await FindAccount());
  const bool same =
      now.has_value() && now->id == account_->id && now->credential.version == account_->credential.version;
  if (same) {
    account_ = std::move(now);
  } else {
    account_.reset();
  }
  co_return absl::OkStatus();
}

Task<absl::StatusOr<std::optional<engine::Account>>> AuthExchange::FindAccount() const {
  if (address_key_.empty()) co_return std::optional<engine::Account>();
  std::vector<std::string> keys;
  keys.push_back(address_key_);
  CO_ASSIGN_OR_RETURN(std::vector<engine::Place> places, co_await shared_.engine_.LookUp(std::move(keys)));
  co_return std::move(places.front().account);
}

Task<absl::StatusOr<AuthStep>> AuthExchange::CheckPassword(std::string authid, std::string authzid,
                                                           std::string password) {
  CO_RETURN_IF_ERROR(co_await LookUp(AsUtf8(authid), AsUtf8(authzid)));
  std::string prepared = AsUtf8(password);
  if (absl::StatusOr<std::string> result = PreparePassword(prepared); result.ok())
    prepared = *std::move(result);
  CO_ASSIGN_OR_RETURN(const bool right, co_await IsPasswordRight(std::move(prepared), std::move(password)));
  if (!right) co_return Fail();
  co_return co_await Conclude();
}

Task<absl::StatusOr<bool>> AuthExchange::IsPasswordRight(std::string prepared, std::string raw) {
  // SECURITY: a locked-out client must not learn from the time that nothing was checked; the answer is due at
  // a set time after the attempt, and that is always later than a derivation takes.
  if (locked_out_ || for_another_) co_return false;
  // Here, without a change of threads: a client that polls costs no hashing.
  if (account_.has_value() && shared_.cache_.Knows(*account_, prepared)) co_return true;
  waited_ = true;
  const engine::Credential credential = account_.has_value() ? account_->credential : engine::Credential();
  const auto verify = [this, &credential, &prepared, &raw] {
    return shared_.verifier_.Verify(credential, prepared, raw);
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

std::string AuthExchange::Decoy(absl::string_view purpose) const {
  return HmacSha256(shared_.options_.decoy_secret, absl::StrCat(purpose, " ", claimed_account_));
}

// SECURITY: whatever stands in the way of a login, a name has the same salt.
void AuthExchange::SetChallenge() {
  const bool has_keys =
      account_.has_value() && account_->credential.kind == engine::Credential::Kind::kScramSha256;
  iterations_ = has_keys ? account_->credential.iterations : shared_.options_.scram_iterations;
  salt_ = has_keys ? account_->credential.salt : Decoy("salt").substr(0, kDecoySaltBytes);
}

}  // namespace mailstead::stored
