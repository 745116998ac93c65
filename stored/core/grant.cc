#include "stored/core/grant.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/core/digest.h"
#include "stored/core/limits.h"

namespace mailstead::stored {
namespace {

constexpr size_t kNumberBytes = 8;
constexpr size_t kMacBytes = 16;
constexpr size_t kFixedBytes = 1 + 4 * kNumberBytes;
constexpr size_t kMaxRemembered = 65'536;

std::string Number(int64_t value) {
  std::string bytes(kNumberBytes, '\0');
  for (size_t i = 0; i < kNumberBytes; ++i) {
    bytes[i] = static_cast<char>(static_cast<uint64_t>(value) >> (8 * (kNumberBytes - 1 - i)));
  }
  return bytes;
}

int64_t NumberAt(absl::string_view bytes, size_t offset) {
  uint64_t value = 0;
  for (size_t i = 0; i < kNumberBytes; ++i)
    value = value << 8 | static_cast<unsigned char>(bytes[offset + i]);
  return static_cast<int64_t>(value);
}

// Tells one address of an account from another.
std::string AddressDigest(absl::string_view address) { return Sha256(address).substr(0, kNumberBytes); }

absl::Status Refused(absl::string_view what, absl::string_view reason) {
  return WithReason(absl::PermissionDeniedError(what), reason);
}

absl::Status LoginEnded() {
  return Refused("the login has ended, since its account was changed: log in again", kReasonGrantExpired);
}

absl::Status SessionEnded() {
  return Refused("an operator has ended the session: log in again", kReasonSessionEnded);
}

std::string SessionKey(AccountId account, absl::string_view session_id) {
  return absl::StrCat(account.value, " ", session_id);
}

}  // namespace

Grants::Grants(engine::DirectoryEngine& directory, engine::MaildropEngine& maildrops, const Clock& clock,
               std::string key)
    : directory_(directory),
      maildrops_(maildrops),
      clock_(clock),
      key_(std::move(key)),
      memory_(kMaxRemembered),
      ended_sessions_(kMaxEndedSessions) {}

std::string Grants::Mac(absl::string_view bytes) const {
  return HmacSha256(key_, bytes).substr(0, kMacBytes);
}

std::string Grants::Issue(GrantUse use, const engine::Account& account, const std::string& session_id,
                          int64_t directory_version) {
  const char kind = static_cast<char>(use);
  std::string bytes = absl::StrCat(absl::string_view(&kind, 1), Number(account.id.value),
                                   Number(account.credential.version), AddressDigest(account.address),
                                   Number(absl::ToUnixSeconds(clock_.Now() + kGrantAge)), session_id);
  const std::string mac = Mac(bytes);
  Memory& memory = memory_[mac];
  memory.bytes = bytes;
  memory.directory_version = directory_version;
  memory.login_checked = clock_.Now();
  return absl::StrCat(bytes, mac);
}

absl::StatusOr<Grants::Parsed> Grants::Parse(absl::string_view bytes) const {
  const auto invalid = [] { return Refused("this is no grant of this store", kReasonGrantInvalid); };
  if (bytes.size() < kFixedBytes + kMacBytes || bytes.size() > kFixedBytes + kMaxLogTextBytes + kMacBytes) {
    return invalid();
  }
  Parsed parsed;
  parsed.mac = std::string(bytes.substr(bytes.size() - kMacBytes));
  bytes.remove_suffix(kMacBytes);
  // SECURITY: before anything in it is looked at. A session brings the same grant with each call; the MAC of one that is
  // remembered is not computed again.
  const Memory* const memory = memory_.Find(parsed.mac);
  const bool is_known = memory != nullptr && EqualInConstantTime(memory->bytes, bytes);
  if (!is_known && !EqualInConstantTime(parsed.mac, Mac(bytes))) return invalid();
  parsed.use = static_cast<GrantUse>(bytes[0]);
  parsed.bytes = std::string(bytes);
  parsed.grant.account.value = NumberAt(bytes, 1);
  parsed.credential_version = NumberAt(bytes, 1 + kNumberBytes);
  parsed.address_digest = std::string(bytes.substr(1 + 2 * kNumberBytes, kNumberBytes));
  parsed.expires = absl::FromUnixSeconds(NumberAt(bytes, 1 + 3 * kNumberBytes));
  parsed.grant.session_id = std::string(bytes.substr(kFixedBytes));
  return parsed;
}

absl::StatusOr<Grants::Parsed> Grants::Parse(GrantUse use, absl::string_view bytes) const {
  ASSIGN_OR_RETURN(Parsed parsed, Parse(bytes));
  // SECURITY: who may send may not fetch.
  if (parsed.use != use) return Refused("the grant is for something else", kReasonGrantInvalid);
  return parsed;
}

absl::StatusOr<Grant> Grants::Read(absl::string_view bytes) const {
  ASSIGN_OR_RETURN(Parsed parsed, Parse(GrantUse::kMaildrop, bytes));
  return std::move(parsed.grant);
}

Task<absl::StatusOr<Grant>> Grants::CheckLogin(GrantUse use, const std::string& bytes) {
  CO_ASSIGN_OR_RETURN(Parsed parsed, Parse(use, bytes));
  if (IsSessionEnded(parsed.grant)) co_return SessionEnded();
  if (!IsLoginRemembered(parsed)) {
    CO_ASSIGN_OR_RETURN(const bool logged_in, co_await HasLogin(parsed));
    if (!logged_in) co_return LoginEnded();
  }
  co_return std::move(parsed.grant);
}

Task<absl::StatusOr<Grant>> Grants::Check(const std::string& bytes) {
  CO_ASSIGN_OR_RETURN(Parsed parsed, Parse(GrantUse::kMaildrop, bytes));
  if (IsSessionEnded(parsed.grant)) co_return SessionEnded();
  if (!IsLoginRemembered(parsed)) {
    CO_ASSIGN_OR_RETURN(const bool logged_in, co_await HasLogin(parsed));
    if (!logged_in) co_return LoginEnded();
  }
  if (clock_.Now() < parsed.expires || IsLockRemembered(parsed)) co_return std::move(parsed.grant);
  CO_ASSIGN_OR_RETURN(const bool holds, co_await HoldsMaildrop(parsed));
  if (holds) co_return std::move(parsed.grant);
  co_return Refused("the grant has expired: log in again", kReasonGrantExpired);
}

Task<absl::StatusOr<bool>> Grants::HasEnded(const std::string& bytes) {
  const absl::StatusOr<Parsed> parsed = Parse(bytes);
  if (!parsed.ok() || IsSessionEnded(parsed->grant)) co_return true;
  if (IsLoginRemembered(*parsed)) co_return false;
  CO_ASSIGN_OR_RETURN(const bool logged_in, co_await HasLogin(*parsed));
  co_return !logged_in;
}

void Grants::EndSession(AccountId account, absl::string_view session_id) {
  ended_sessions_[SessionKey(account, session_id)] = true;
}

bool Grants::IsSessionEnded(absl::string_view bytes) {
  const absl::StatusOr<Parsed> parsed = Parse(bytes);
  return parsed.ok() && IsSessionEnded(parsed->grant);
}

bool Grants::IsSessionEnded(const Grant& grant) {
  if (ended_sessions_.size() == 0) return false;
  return ended_sessions_.Find(SessionKey(grant.account, grant.session_id)) != nullptr;
}

bool Grants::IsLoginRemembered(const Parsed& parsed) {
  const Memory* memory = memory_.Find(parsed.mac);
  if (memory == nullptr) return false;
  const int64_t version = directory_.Version();
  return version == 0 ? clock_.Now() < memory->login_checked + kGrantBelief
                      : memory->directory_version == version;
}

bool Grants::IsLockRemembered(const Parsed& parsed) {
  const Memory* memory = memory_.Find(parsed.mac);
  return memory != nullptr && clock_.Now() < memory->lock_seen + kGrantBelief;
}

Task<absl::StatusOr<bool>> Grants::HasLogin(const Parsed& parsed) {
  const int64_t version = directory_.Version();
  const absl::StatusOr<engine::Account> account = co_await directory_.FindAccount(parsed.grant.account);
  if (absl::IsNotFound(account.status())) co_return false;
  if (!account.ok()) co_return account.status();
  if (account->disabled || account->credential.version != parsed.credential_version ||
      AddressDigest(account->address) != parsed.address_digest) {
    co_return false;
  }
  Memory& memory = memory_[parsed.mac];
  memory.bytes = parsed.bytes;
  memory.directory_version = version;
  memory.login_checked = clock_.Now();
  co_return true;
}

Task<absl::StatusOr<bool>> Grants::HoldsMaildrop(const Parsed& parsed) {
  if (parsed.grant.session_id.empty()) co_return false;
  const absl::StatusOr<engine::LockInfo> lock = co_await maildrops_.FindLock(parsed.grant.account);
  if (absl::IsNotFound(lock.status())) co_return false;
  if (!lock.ok()) co_return lock.status();
  if (lock->session_id != parsed.grant.session_id) co_return false;
  Memory& memory = memory_[parsed.mac];
  memory.bytes = parsed.bytes;
  memory.lock_seen = clock_.Now();
  co_return true;
}

}  // namespace mailstead::stored
