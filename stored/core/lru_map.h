// A map from text that forgets what was touched longest ago when it is full. Not thread-safe.
#pragma once

#include <cstddef>
#include <iterator>
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

  // Calls `visit(key, value)` with each, in the order of the last touch, which it is none of.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [key, value] : entries_) visit(absl::string_view(key), value);
  }

  // Takes away those of which `is_wanted(key, value)` says so.
  template <typename Test>
  void EraseIf(Test is_wanted) {
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      const auto next = std::next(entry);
      if (is_wanted(absl::string_view(entry->first), entry->second)) {
        index_.erase(entry->first);
        entries_.erase(entry);
      }
      entry = next;
    }
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
