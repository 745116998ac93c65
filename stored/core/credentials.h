// Checking passwords, and remembering for a while which ones were right.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "stored/core/lru_map.h"
#include "stored/engine/types.h"

namespace mailstead::stored {

// Checks passwords against credentials. Thread-safe; blocks for the time of one hash, always.
class PasswordVerifier {
 public:
  // `iterations`: what a check against nothing costs.
  explicit PasswordVerifier(uint32_t iterations) : iterations_(iterations) {}

  // `prepared` is the password after SASLprep, `raw` as it came: imported hashes were made of that. What is no UTF-8
  // is tried as ISO 8859-1 with them, too.
  // SECURITY: exactly one derivation each time (of an imported hash one more for what is no UTF-8), whether there is a
  // credential or not, so that the time does not tell.
  bool Verify(const engine::Credential& credential, absl::string_view prepared, absl::string_view raw);

  uint64_t derivation_count() const { return derivation_count_; }

 private:
  const uint32_t iterations_;
  std::atomic<uint64_t> derivation_count_ = 0;
};

// A client that polls every minute costs no hashing: what was right is right again until the password
// changes. Keeps no password: an HMAC under a key that lives as long as the process. Bounded. Thread-safe.
class CredentialCache {
 public:
  // `ttl` 0: remembers nothing.
  CredentialCache(const Clock& clock, absl::Duration ttl, size_t max_entries = 65'536);

  // Whether this password was right for this version of this account's credential.
  bool Knows(const engine::Account& account, absl::string_view password);
  void Remember(const engine::Account& account, absl::string_view password);

  // A fingerprint of the password under the process's key.
  std::string Fingerprint(absl::string_view account, absl::string_view password) const;

 private:
  struct Entry {
    std::string fingerprint;
    AccountId account;
    int64_t version = 0;
    absl::Time expires;
  };

  const Clock& clock_;
  const absl::Duration ttl_;
  const std::string key_;
  absl::Mutex mutex_;
  LruMap<Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mailstead::stored
