#include "stored/core/credentials.h"

#include <crypt.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/text/utf8.h"
#include "stored/core/argon2.h"
#include "stored/core/digest.h"
#include "stored/core/password.h"

namespace mailstead::stored {
namespace {

bool MatchesCryptHash(absl::string_view hash, absl::string_view password) {
  if (absl::StartsWith(hash, kArgon2Prefix)) {
    const absl::StatusOr<Argon2Hash> argon2 = ParseArgon2(hash);
    return argon2.ok() && MatchesArgon2(*argon2, password);
  }
  // crypt(3) would read up to there.
  if (password.find('\0') != absl::string_view::npos) return false;
  // 32 KiB: too much for a pool thread's stack.
  const auto data = std::make_unique<crypt_data>();
  const char* computed = crypt_r(std::string(password).c_str(), std::string(hash).c_str(), data.get());
  return computed != nullptr && computed[0] != '*' && EqualInConstantTime(computed, hash);
}

}  // namespace

bool PasswordVerifier::Verify(const engine::Credential& credential, absl::string_view prepared,
                              absl::string_view raw) {
  ++derivation_count_;
  switch (credential.kind) {
    case engine::Credential::Kind::kCrypt:
      if (MatchesCryptHash(credential.crypt_hash, raw)) return true;
      return !IsValidUtf8(raw) && MatchesCryptHash(credential.crypt_hash, Utf8FromLatin1(raw));
    case engine::Credential::Kind::kScramSha256: {
      const engine::Credential computed =
          MakeScramCredential(prepared, credential.iterations, credential.salt);
      return EqualInConstantTime(computed.stored_key, credential.stored_key);
    }
    case engine::Credential::Kind::kNone:
      MakeScramCredential(prepared, iterations_, "a salt as long");
      return false;
  }
  return false;
}

CredentialCache::CredentialCache(const Clock& clock, absl::Duration ttl, size_t max_entries)
    : clock_(clock), ttl_(ttl), key_(RandomBytes(kSha256Bytes)), entries_(max_entries) {}

std::string CredentialCache::Fingerprint(absl::string_view account, absl::string_view password) const {
  return HmacSha256(key_, absl::StrCat(account.size(), ":", account, password));
}

bool CredentialCache::Knows(const engine::Account& account, absl::string_view password) {
  const std::string fingerprint = Fingerprint(account.address, password);
  absl::MutexLock lock(&mutex_);
  const Entry* entry = entries_.Find(account.address);
  if (entry == nullptr) return false;
  // The id too: an account that was deleted and made again begins with version numbers seen before.
  if (entry->account != account.id || entry->version != account.credential.version ||
      entry->expires <= clock_.Now()) {
    entries_.Erase(account.address);
    return false;
  }
  return EqualInConstantTime(entry->fingerprint, fingerprint);
}

void CredentialCache::Remember(const engine::Account& account, absl::string_view password) {
  if (ttl_ <= absl::ZeroDuration()) return;
  Entry entry{Fingerprint(account.address, password), account.id, account.credential.version,
              clock_.Now() + ttl_};
  absl::MutexLock lock(&mutex_);
  entries_[account.address] = std::move(entry);
}

}  // namespace mailstead::stored
