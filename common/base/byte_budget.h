// How many bytes of one kind a process holds, and how many it may hold.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <utility>

namespace mailstead {

// Thread-safe. Who holds bytes takes them here and returns them; a budget that is full says so, and its holders leave
// out what they can do without.
class ByteBudget {
 public:
  explicit ByteBudget(size_t limit_bytes) : limit_bytes_(limit_bytes) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  // Nothing more should be taken. Holders that asked at the same moment may take a little beyond it.
  bool full() const { return used_bytes() >= limit_bytes_; }
  size_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  size_t limit_bytes() const { return limit_bytes_; }

  void Take(size_t bytes) { used_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  // Takes them if there is room for all of them, however many ask at the same moment. False: nothing was taken.
  bool TryTake(size_t bytes) {
    size_t used = used_bytes();
    do {
      if (used > limit_bytes_ || bytes > limit_bytes_ - used) return false;
    } while (!used_bytes_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
  }
  // Gives back what was taken before.
  void Return(size_t bytes) { used_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  const size_t limit_bytes_;
  std::atomic<size_t> used_bytes_ = 0;
};

// Bytes that were taken from a budget, which outlives this; they go back with it. Moved from: holds none.
class ByteHold {
 public:
  // Of no budget: whatever is taken is not counted.
  ByteHold() = default;
  // None so far.
  explicit ByteHold(ByteBudget& budget) : budget_(&budget) {}
  ~ByteHold() { Clear(); }
  ByteHold(ByteHold&& other) noexcept : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}
  ByteHold& operator=(ByteHold&& other) noexcept {
    if (this == &other) return *this;
    Clear();
    budget_ = other.budget_;
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }

  size_t bytes() const { return bytes_; }
  // More, if there is room for it.
  bool TryTake(size_t bytes) {
    if (budget_ != nullptr && !budget_->TryTake(bytes)) return false;
    bytes_ += bytes;
    return true;
  }
  // More in any case.
  void Take(size_t bytes) {
    if (budget_ != nullptr) budget_->Take(bytes);
    bytes_ += bytes;
  }
  // Takes over what `other`, of the same budget, has.
  void Add(ByteHold other) { bytes_ += std::exchange(other.bytes_, 0); }
  // Some of it, for somebody else; what is not here is taken from the budget in any case.
  ByteHold Split(size_t bytes) {
    ByteHold part;
    part.budget_ = budget_;
    part.bytes_ = std::min(bytes, bytes_);
    bytes_ -= part.bytes_;
    part.Take(bytes - part.bytes_);
    return part;
  }
  void Clear() {
    if (budget_ != nullptr) budget_->Return(bytes_);
    bytes_ = 0;
  }

 private:
  ByteBudget* budget_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace mailstead
