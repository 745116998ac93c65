#include "stored/engine/rocksdb/recent_records.h"

#include <utility>

namespace mailstead::engine {
namespace {

size_t BytesOf(absl::string_view key, absl::string_view value) {
  return key.size() + value.size() + kRecentRecordBytes;
}

}  // namespace

bool RecentRecords::Find(absl::string_view key, std::string& value) {
  if (const auto young = young_.find(key); young != young_.end()) {
    value = young->second;
    return true;
  }
  const auto old = old_.find(key);
  if (old == old_.end()) return false;
  value = std::move(old->second);
  old_.erase(old);
  Add(key, value);
  return true;
}

void RecentRecords::Put(absl::string_view key, absl::string_view value) {
  if (value.empty()) return;
  const auto young = young_.find(key);
  if (young != young_.end() && value.size() == young->second.size()) {
    young->second.assign(value.data(), value.size());
    return;
  }
  Delete(key);
  Add(key, value);
}

void RecentRecords::Delete(absl::string_view key) {
  const auto young = young_.find(key);
  if (young == young_.end()) {
    old_.erase(key);
    return;
  }
  young_bytes_ -= BytesOf(young->first, young->second);
  young_.erase(young);
}

void RecentRecords::Forget() {
  young_.clear();
  old_.clear();
  young_bytes_ = 0;
}

void RecentRecords::Add(absl::string_view key, absl::string_view value) {
  const size_t bytes = BytesOf(key, value);
  if (bytes > max_bytes_ / 2) return;
  if (young_bytes_ + bytes > max_bytes_ / 2) {
    old_ = std::exchange(young_, Records());
    young_bytes_ = 0;
  }
  young_bytes_ += bytes;
  young_.emplace(key, value);
}

}  // namespace mailstead::engine
