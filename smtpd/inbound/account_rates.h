// How many messages each account has sent in the last hour, in this process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"

namespace mailstead::smtp {

// Thread-safe. It counts in this hour and the one before, the latter by the part of it that is less than an
// hour ago: the error is small, and an account costs 24 bytes however much it sends. Behind several
// front-ends an account has the limit at each of them.
class AccountRates {
 public:
  // A limit of 0 means none. `clock` outlives this.
  AccountRates(size_t max_messages_per_hour, const Clock& clock)
      : max_(max_messages_per_hour), clock_(clock) {}

  // A message that is being sent. It counts from the start, so that parallel sessions cannot overshoot, and
  // is taken back when the transaction ends without Keep(). Movable.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(Reservation&& other) noexcept;
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation() { Return(); }
    void Keep() { rates_ = nullptr; }

   private:
    friend class AccountRates;
    void Return();
    AccountRates* rates_ = nullptr;
    std::string account_;
    int64_t hour_ = 0;
  };

  // False when the account has reached the limit. `reservation` is a fresh one.
  [[nodiscard]] bool Reserve(absl::string_view account, Reservation& reservation);

 private:
  struct Count {
    int64_t hour = 0;
    uint32_t in_hour = 0;
    uint32_t in_hour_before = 0;
  };
  void DropOld(int64_t hour) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t max_;
  const Clock& clock_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Count> counts_ ABSL_GUARDED_BY(mutex_);
  int64_t dropped_at_hour_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mailstead::smtp
