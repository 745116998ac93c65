// Addresses of accounts, for those who read the change feed and meet the same accounts again and again. What it says is true
// as long as the directory has the version that it was asked with. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/store/ids.h"

namespace mailstead::engine {

class KnownAddresses {
 public:
  // `directory_version`: as it was before the caller read anything.
  std::optional<std::string> Find(AccountId account, int64_t directory_version) {
    absl::MutexLock lock(&mutex_);
    if (directory_version != version_) return std::nullopt;
    const auto found = addresses_.find(account);
    return found == addresses_.end() ? std::nullopt : std::optional(found->second);
  }

  void Learn(AccountId account, absl::string_view address, int64_t directory_version) {
    absl::MutexLock lock(&mutex_);
    if (directory_version < version_) return;
    if (directory_version > version_ || addresses_.size() >= kMaxAddresses) addresses_.clear();
    version_ = directory_version;
    addresses_.emplace(account, address);
  }

 private:
  // Some 100 bytes each.
  static constexpr size_t kMaxAddresses = 20'000;

  absl::Mutex mutex_;
  int64_t version_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<AccountId, std::string> addresses_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mailstead::engine
