// Where the entries of the queue's indexes begin: what is before has been deleted. RocksDB keeps deleted keys until it
// compacts, and a walk from the beginning of an index that is worked off from its beginning passes all of them.
//
// What is known is true of the newest state, the changes of the present commit included; what is not known is found out by a
// walk. Forget says that changes were undone. Memory has a bound: with too much known, all is forgotten.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "common/store/ids.h"
#include "stored/engine/rocksdb/keys.h"

namespace mailstead::engine {

// Lanes of one destination that are known; with more of them ready a walk meets one soon.
inline constexpr size_t kMaxKnownLanes = 1000;
// Destinations and lanes that are known, some 150 bytes each.
inline constexpr size_t kMaxKnown = 100'000;

// Used by one change at a time.
class QueueMarks {
 public:
  // The place of a recipient within its lane.
  struct Place {
    int32_t turn = 0;
    QueueId message;
    int32_t number = 0;
    auto operator<=>(const Place&) const = default;
  };

  struct OfDestination {
    // Every lane with recipients that are ready is there, none of them before its place; only while `lanes_known`.
    std::map<uint64_t, Place> lanes;
    bool lanes_known = false;
    // There were more than kMaxKnownLanes when so many recipients were ready; 0: no.
    int64_t too_many_at = 0;
    // No recipient waits before this key; empty: not known.
    std::string waiting_from;
  };

  void Forget() {
    due_from_.clear();
    destinations_.clear();
    known_count_ = 0;
    leases_.clear();
    leases_known_ = false;
  }

  // Of the index of destinations that are due: nothing is before this key; empty: not known.
  const std::string& due_from() const { return due_from_; }
  void DueBegins(std::string key) { due_from_ = std::move(key); }
  void AddDue(absl::string_view key) {
    if (key < due_from_) due_from_ = std::string(key);
  }

  // Stays there until the next call of Of, Drop or Forget.
  OfDestination& Of(const std::string& destination);
  void Drop(const std::string& destination);
  // All lanes of it, found out by a walk; and one has been found empty.
  void KnowLanes(OfDestination& marks, std::map<uint64_t, Place> lanes);
  void RemoveLane(OfDestination& marks, uint64_t lane);
  // A recipient became ready; `first`: there was none.
  void AddReady(const std::string& destination, const ReadyPlace& place, bool first);
  // One waits; `first`: none did.
  void AddWaiting(const std::string& destination, absl::string_view key, bool first);

  // Leases under which attempts are in flight, by their numbers; they may be there for longer. Only while leases_known.
  std::map<int64_t, std::string>& leases() { return leases_; }
  bool leases_known() const { return leases_known_; }
  void KnowLeases() { leases_known_ = true; }

 private:
  std::string due_from_;
  absl::flat_hash_map<std::string, OfDestination> destinations_;
  // About.
  size_t known_count_ = 0;
  std::map<int64_t, std::string> leases_;
  bool leases_known_ = false;
};

}  // namespace mailstead::engine
