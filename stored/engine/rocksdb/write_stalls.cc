#include "stored/engine/rocksdb/write_stalls.h"

#include <algorithm>

namespace mailstead::engine {

void WriteStalls::Set(const std::string& family, WriteStall stall) {
  absl::MutexLock lock(&mutex_);
  Count();
  if (stall == WriteStall::kNone) {
    families_.erase(family);
  } else {
    families_[family] = stall;
  }
}

void WriteStalls::Clear() {
  absl::MutexLock lock(&mutex_);
  Count();
  families_.clear();
}

WriteStall WriteStalls::now() const {
  absl::MutexLock lock(&mutex_);
  return Worst();
}

absl::Duration WriteStalls::total(WriteStall stall) const {
  absl::MutexLock lock(&mutex_);
  const absl::Duration since = Worst() == stall ? clock_.Now() - counted_until_ : absl::ZeroDuration();
  return totals_[static_cast<size_t>(stall)] + since;
}

WriteStall WriteStalls::Worst() const {
  WriteStall worst = WriteStall::kNone;
  for (const auto& [family, stall] : families_) worst = std::max(worst, stall);
  return worst;
}

void WriteStalls::Count() {
  const absl::Time now = clock_.Now();
  if (counted_until_ != absl::InfinitePast()) totals_[static_cast<size_t>(Worst())] += now - counted_until_;
  counted_until_ = now;
}

}  // namespace mailstead::engine
