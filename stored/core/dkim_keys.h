// Keys that sign mail, as operators see them, and how a key comes to be used: it is made, its record is put into the DNS by
// who runs the domain, relays look for it there and tell what they find, and once that is this very key it signs, and the one
// before it is retired (stored/rules/dkim.h).
//
// Private keys are sealed (secret_box.h), and opened only to sign (dkim_signer.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/base/task.h"
#include "common/base/worker_pool.h"
#include "common/mailauth/key_record.h"
#include "common/mailauth/signing_key.h"
#include "stored/core/directory.h"
#include "stored/core/lru_map.h"
#include "stored/core/secret_box.h"
#include "stored/engine/engine.h"
#include "stored/rules/sight.h"

namespace mailstead::stored {

// What an operator asks for.
struct NewDkimKey {
  std::string domain;
  // Empty: one with the day in it.
  std::string selector;
  mailauth::KeyType type = mailauth::KeyType::kRsa;
  // 0: kDefaultRsaBits.
  int32_t bits = 0;
  bool activate = false;
};

// What was seen in the DNS of a pending key.
struct DkimSighting {
  enum class Kind : uint8_t { kNone, kMissing, kDifferent, kSeveral, kFailed };
  Kind kind = Kind::kNone;
  absl::Time time = absl::InfinitePast();
};

// Told what happens, for the log. On the executor's thread.
class DkimObserver {
 public:
  virtual ~DkimObserver() = default;
  // A pending key was seen in the DNS, and signs from now on.
  virtual void Activated(const std::string& domain, const std::string& selector) = 0;
  // Mail of this domain cannot be signed, and waits. Once for each time that its keys were read.
  virtual void CannotOpen(const std::string& domain, const absl::Status& why) = 0;
  // What has come of a message that was to be signed.
  enum class Outcome : uint8_t { kSigned, kNoKey, kNoAuthor, kFailed };
  virtual void Signed(Outcome outcome) = 0;
};

// Used on the executor's thread.
class DkimKeys {
 public:
  // `secrets_key` is what private keys are sealed under; empty: none can be kept. Keys are made on `pool`.
  DkimKeys(engine::DkimEngine& engine, engine::DirectoryEngine& directory, const Clock& clock,
           absl::string_view secrets_key, WorkerPool& pool, Executor& executor);
  void SetObserver(DkimObserver* observer) { observer_ = observer; }

  // One key of a domain.
  struct Named {
    std::string domain;
    engine::DkimKey key;
  };
  // Those of the engine; FieldError; FailedPrecondition with kReasonNoSecretsKey.
  Task<absl::StatusOr<Named>> Create(NewDkimKey wanted);
  // Of one domain (NotFound with kReasonDomainNotFound), or of all that are in `sight`, which outlives the Task.
  Task<absl::StatusOr<Page<engine::DkimDomain>>> List(std::string domain, PageRequest page,
                                                      const rules::Sight& sight = rules::WholeSight());
  // New keys for those that are active; what is pending of their type already is given instead. FailedPrecondition with
  // kReasonNoDkimKey.
  Task<absl::StatusOr<std::vector<Named>>> Rotate(std::string domain);
  // `expected_version`: of rules::VersionOf; 0: any.
  Task<absl::StatusOr<Named>> Activate(std::string domain, std::string selector, int64_t expected_version);
  Task<absl::Status> Delete(std::string domain, std::string selector, int64_t expected_version,
                            bool even_active);
  // Of a pending key.
  DkimSighting SightingOf(const std::string& domain, const std::string& selector);

  // Pending keys that it is time to look for, at most kMaxLooks: the older the less often. They are not given again before
  // their next time.
  struct Wanted {
    std::string domain;
    std::string selector;
  };
  Task<absl::StatusOr<std::vector<Wanted>>> NextLooks();
  // What stands in the DNS at the key's name: the text of each TXT record; absent: nobody knows. OK for a key that is not
  // pending, or not there.
  Task<absl::Status> Note(Wanted key, std::optional<std::vector<std::string>> records);

  // The private key. FailedPrecondition with kReasonNoSecretsKey, DataLoss.
  absl::StatusOr<mailauth::SigningKey> Open(const std::string& domain, const engine::DkimKey& key) const;

 private:
  struct Look {
    DkimSighting sighting;
    absl::Time next_time = absl::InfinitePast();
  };

  Task<absl::StatusOr<std::vector<engine::DkimDomain>>> ListSeen(const rules::Sight& sight, std::string after,
                                                                 size_t limit);
  Task<absl::StatusOr<engine::DkimKey>> FindKey(std::string domain, std::string selector);
  Look& LookOf(const std::string& domain, const std::string& selector);

  engine::DkimEngine& engine_;
  engine::DirectoryEngine& directory_;
  const Clock& clock_;
  const std::optional<SecretBox> box_;
  WorkerPool& pool_;
  Executor& executor_;
  DkimObserver* observer_ = nullptr;
  // By domain and selector.
  LruMap<Look> looks_;
  // Domains up to here were looked through last.
  std::string looked_at_;
  // As of this version of the directory no key is pending.
  int64_t none_pending_version_ = 0;
};

}  // namespace mailstead::stored
