// A map from text that forgets what was touched longest ago when it is full. Not thread-safe.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace mailstead::stored {

template <typename Value>
class LruMap {
 public:
  explicit LruMap(size_t max_entries) : max_entries_(max_entries) {}

  // Null when absent. The pointer holds until the map changes.
  Value* Find(absl::string_view key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->second;
  }

  // Makes it when absent.
  Value& operator[](absl::string_view key) {
    if (Value* value = Find(key)) return *value;
    if (entries_.size() >= max_entries_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(std::string(key), Value());
    index_.emplace(entries_.front().first, entries_.begin());
    return entries_.front().second;
  }

  void Erase(absl::string_view key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return;
    const auto entry = found->second;
    index_.erase(found);
    entries_.erase(entry);
  }

  size_t size() const { return entries_.size(); }

 private:
  using Entries = std::list<std::pair<std::string, Value>>;
  const size_t max_entries_;
  // Latest first.
  Entries entries_;
  // Keys point into the entries, which do not move.
  absl::flat_hash_map<absl::string_view, typename Entries::iterator> index_;
};

}  // namespace mailstead::stored
