#include "stored/engine/rocksdb/queue_marks.h"

#include <algorithm>
#include <utility>

namespace mailstead::engine {

QueueMarks::OfDestination& QueueMarks::Of(const std::string& destination) {
  const auto it = destinations_.find(destination);
  if (it != destinations_.end()) return it->second;
  if (known_count_ >= kMaxKnown) Forget();
  ++known_count_;
  return destinations_[destination];
}

void QueueMarks::Drop(const std::string& destination) {
  const auto it = destinations_.find(destination);
  if (it == destinations_.end()) return;
  known_count_ -= std::min(known_count_, 1 + it->second.lanes.size());
  destinations_.erase(it);
}

void QueueMarks::KnowLanes(OfDestination& marks, std::map<uint64_t, Place> lanes) {
  known_count_ += lanes.size();
  marks.lanes = std::move(lanes);
  marks.lanes_known = true;
  marks.too_many_at = 0;
}

void QueueMarks::RemoveLane(OfDestination& marks, uint64_t lane) {
  known_count_ -= std::min(known_count_, marks.lanes.erase(lane));
}

void QueueMarks::AddReady(const std::string& destination, const ReadyPlace& place, bool first) {
  OfDestination& marks = Of(destination);
  if (first && !marks.lanes_known) KnowLanes(marks, {});
  if (!marks.lanes_known) return;
  const Place here{place.turn, place.message, place.number};
  const auto [it, added] = marks.lanes.emplace(place.lane, here);
  if (!added) {
    it->second = std::min(it->second, here);
    return;
  }
  ++known_count_;
  if (marks.lanes.size() <= kMaxKnownLanes) return;
  known_count_ -= std::min(known_count_, marks.lanes.size());
  marks.lanes.clear();
  marks.lanes_known = false;
}

void QueueMarks::AddWaiting(const std::string& destination, absl::string_view key, bool first) {
  OfDestination& marks = Of(destination);
  if (first || (!marks.waiting_from.empty() && key < marks.waiting_from))
    marks.waiting_from = std::string(key);
}

}  // namespace mailstead::engine
