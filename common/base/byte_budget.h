// How many bytes of one kind a process holds, and how many it may hold.
#pragma once

#include <atomic>
#include <cstddef>

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
  // Gives back what was taken before.
  void Return(size_t bytes) { used_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  const size_t limit_bytes_;
  std::atomic<size_t> used_bytes_ = 0;
};

}  // namespace mailstead
