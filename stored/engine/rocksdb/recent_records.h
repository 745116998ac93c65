// Records of the queue that were written last, as they are now: mail that goes on is read again some ten times within
// moments of the commit that took it, and each time RocksDB would look for it in its memtables.
//
// What is known is true of the newest state, the changes of the present commit included; what is not known is read. Forget
// says that changes were undone. Memory has a bound: what was written or read longest ago is forgotten.
#pragma once

#include <cstddef>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace mailstead::engine {

// Keys and values, and kRecentRecordBytes for each.
inline constexpr size_t kMaxRecentBytes = size_t{8} << 20;
inline constexpr size_t kRecentRecordBytes = 100;

// Used by one change at a time.
class RecentRecords {
 public:
  explicit RecentRecords(size_t max_bytes = kMaxRecentBytes) : max_bytes_(max_bytes) {}

  // False: whether the key is there is not known.
  bool Find(absl::string_view key, std::string& value);
  // Keys without a value are an index's, and looked for by walks.
  void Put(absl::string_view key, absl::string_view value);
  void Delete(absl::string_view key);
  void Forget();

 private:
  using Records = absl::flat_hash_map<std::string, std::string>;
  // One that is in neither.
  void Add(absl::string_view key, absl::string_view value);

  const size_t max_bytes_;
  // Since half of the memory was full, and in the half before. A key is in one of them at most.
  Records young_;
  Records old_;
  // Of the young ones.
  size_t young_bytes_ = 0;
};

}  // namespace mailstead::engine
