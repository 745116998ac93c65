// API keys: all of them are known in memory, read at the start, so that who calls is known without waiting; each change is on
// disk before it counts.
//
// A key that was revoked stays for kRevokedKeyTime: it is listed, and who shows its secret is told what became of it. Where
// 10,000 are there it makes room sooner.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/base/random.h"
#include "common/base/task.h"
#include "common/net/network_list.h"
#include "stored/core/directory.h"
#include "stored/core/key_secret.h"
#include "stored/core/key_traffic.h"
#include "stored/core/turns.h"
#include "stored/engine/key.h"

namespace mailstead::stored {

inline constexpr size_t kMaxKeyAccounts = 1000;
inline constexpr size_t kMaxKeyDomains = 100;
inline constexpr size_t kMaxKeyRanges = 100;
inline constexpr size_t kMaxKeyCertificates = 10;
// RFC 1035 section 2.3.4, as text.
inline constexpr size_t kMaxCertificateNameBytes = 253;
inline constexpr int64_t kMaxKeyLimit = 1'000'000;
inline constexpr absl::Duration kMaxOverlap = absl::Hours(30 * 24);
inline constexpr absl::Duration kRevokedKeyTime = absl::Hours(30 * 24);

// A key as it was at one moment; what is known of it is never changed, but replaced.
struct LiveKey {
  engine::Key key;
  net::NetworkList addresses;
};

// What is asked for of a key that is made or changed; an absent member stays as it is, and of a new key has its default.
struct KeyChange {
  std::optional<std::string> name;
  std::optional<int64_t> scopes;
  // By address or id; names, as requests have them.
  std::optional<std::vector<std::string>> accounts;
  std::optional<std::vector<std::string>> domains;
  std::optional<std::vector<std::string>> ip_ranges;
  std::optional<std::vector<std::string>> certificate_names;
  std::optional<engine::KeyLimits> limits;
  std::optional<absl::Time> expire_time;
  std::optional<absl::Duration> retention;
};

// A key, and the secret that was made with it; empty: none was.
struct KeyAndSecret {
  engine::Key key;
  std::string secret;
};

class Keys {
 public:
  // All that is given by reference outlives it.
  Keys(engine::KeyEngine& engine, Directory& directory, const Clock& clock, Executor& executor,
       RandomCharacters random = RandomId);

  // Before the first call. What cannot be read ends the start.
  Task<absl::Status> Load();

  // ---- Who calls. Any thread.

  struct Found {
    // Null: there is no such key.
    std::shared_ptr<const LiveKey> key;
    // Of the secret; empty: it was found by a certificate.
    std::string digest;
    // Set by who identifies callers: where the call comes from.
    std::string address;
    // Why it may not be used. SECURITY: that it has expired or was revoked hears only who shows its secret.
    absl::Status refusal;
  };
  Found FindBySecret(absl::string_view secret) const;
  Found FindByCertificate(absl::string_view name) const;
  // Grows with each change of a key.
  int64_t generation() const { return generation_; }
  // OK: a call that began with this key and secret may go on. Unauthenticated with kReasonKeyRevoked, kReasonKeyExpired;
  // Aborted with kReasonKeyChanged: what the key may do is not what it was.
  absl::Status Check(const Found& found) const;

  // ---- On the executor's thread. `by`: the key that asks; null: an operator.

  // `request_id` with who asks: the same words from another caller are another request. Errors of KeyService.CreateKey.
  Task<absl::StatusOr<KeyAndSecret>> Create(const LiveKey* by, KeyChange wanted, std::string request_id);
  // `name`: a key's id, or its name. NotFound with kReasonKeyNotFound.
  absl::StatusOr<engine::Key> Get(absl::string_view name) const;
  absl::StatusOr<Page<engine::Key>> List(PageRequest page) const;
  Task<absl::StatusOr<engine::Key>> Update(const LiveKey* by, std::string name, int64_t expected_version,
                                           KeyChange change);
  Task<absl::StatusOr<KeyAndSecret>> Rotate(const LiveKey* by, std::string name, int64_t expected_version,
                                            absl::Duration overlap);
  Task<absl::StatusOr<engine::Key>> Revoke(const LiveKey* by, std::string name, int64_t expected_version);
  // Now and then: writes when keys were used last, and forgets those that were revoked long ago.
  Task<absl::Status> Keep();

  // Called on the executor's thread after each change of a key: who is at work with it may have to end.
  void OnChange(std::function<void()> changed) { changed_ = std::move(changed); }

  KeyTraffic& traffic() { return traffic_; }
  // As it is known; null: never.
  const engine::KeyUse* LastUse(const std::string& id) const;
  // Keys that are not revoked.
  int64_t count() const;
  // The shortest retention of keys by which mail comes into this mailbox, or, without one, into any: those that have a scope
  // of `seen` and see the account, and those that have one of `any`. Of a revoked key, too, while it is known: what came in by
  // it is still there. 0: there is none.
  absl::Duration LeastRetention(int64_t seen, int64_t any, const engine::Account* account) const;

 private:
  Task<absl::Status> Fill(KeyChange change, engine::Key& key);
  // Whether `by` may make `key`, and what it was.
  absl::Status CheckWithin(const LiveKey* by, const engine::Key& key) const;
  absl::Status CheckNames(const engine::Key& key) const;
  std::shared_ptr<const LiveKey> Find(absl::string_view name) const;
  std::shared_ptr<const LiveKey> FindById(absl::string_view id) const;
  // On disk, and then in memory.
  Task<absl::StatusOr<engine::Key>> Put(engine::Key key);
  absl::Status Take(engine::Key key);
  void Drop(const std::string& id);
  Task<absl::Status> MakeRoom();

  engine::KeyEngine& engine_;
  Directory& directory_;
  const Clock& clock_;
  const RandomCharacters random_;
  Turns turns_;
  std::atomic<int64_t> generation_ = 1;
  std::function<void()> changed_;
  KeyTraffic traffic_;
  // Read at the start: of those that were not used since.
  absl::flat_hash_map<std::string, engine::KeyUse> old_uses_;

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<const LiveKey>> by_id_ ABSL_GUARDED_BY(mutex_);
  // Of those that are not revoked.
  std::map<std::string, std::string, std::less<>> id_of_name_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::string> id_of_certificate_ ABSL_GUARDED_BY(mutex_);
  // By id, those that have a retention: few.
  absl::flat_hash_map<std::string, std::shared_ptr<const LiveKey>> expiring_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mailstead::stored
