// Workers of named consumers: of those that watch as the same one is active at a time, the others wait to take its place.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/task.h"
#include "stored/core/waker.h"
#include "stored/engine/change.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

// Where a consumer is.
struct ConsumerLag {
  // It is to be reset: what came behind is not all kept any more, or the store was restored. All else is 0 then.
  bool expired = false;
  // Changes behind what was acknowledged, and how old the first of them is.
  int64_t count = 0;
  absl::Duration age;
};
// OutOfRange with kReasonCursorExpired: it has expired.
absl::Status CheckPlace(engine::Engine& engine, const engine::FeedConsumer& consumer);
Task<ConsumerLag> LagOf(engine::Engine& engine, const Clock& clock, engine::FeedConsumer consumer);

// Used on the executor's thread.
class Consumers {
 public:
  // `steady` outlives it.
  explicit Consumers(const Clock& steady) : steady_(steady) {}
  Consumers(const Consumers&) = delete;
  Consumers& operator=(const Consumers&) = delete;

  // A stream as a consumer, while it lives: in a queue, of which the first is active. When that goes, the next one is woken.
  class Worker {
   public:
    struct Options {
      // Woken when its turn comes, when it is fenced, and by acknowledgements.
      Waker& waker;
      std::string caller;
      std::string peer;
    };
    Worker(Consumers& consumers, std::string name, Options options);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // It is the first, or is none of them any more.
    bool IsFirst() const;
    bool fenced() const { return fenced_; }
    // What waits behind a silent one fences it: for too long nothing of what it was sent was acknowledged.
    void CheckFirst();

    // It has become active.
    void Activate(const engine::FeedConsumer& consumer);
    int64_t fence() const { return fence_; }
    // Events that it was sent, one by one, and where a heartbeat has moved it.
    void Sent(const engine::ChangeCursor& event);
    void Moved(const engine::ChangeCursor& to);
    size_t unacknowledged_count() const { return unacknowledged_.size(); }

   private:
    friend class Consumers;
    void Fence();

    Consumers& consumers_;
    const std::string name_;
    const Options options_;
    bool fenced_ = false;
    // 0: not active.
    int64_t fence_ = 0;
    absl::Duration ack_timeout_ = absl::InfiniteDuration();
    engine::ChangeCursor sent_;
    std::deque<engine::ChangeCursor> unacknowledged_;
    // When something was acknowledged last, or the first of what is not was sent.
    absl::Time moved_time_;
  };

  // Whether the cursor was sent, as far as that is known: InvalidArgument "cursor".
  absl::Status CheckSent(const std::string& name, int64_t fence, const engine::ChangeCursor& cursor) const;
  // It is kept.
  void Acknowledged(const std::string& name, int64_t fence, const engine::ChangeCursor& cursor);
  // The active worker is none any more; or all of them.
  void FenceActive(const std::string& name);
  void FenceAll(const std::string& name);

  struct Status {
    // Empty: nobody is active.
    std::string caller;
    std::string peer;
    int32_t waiting_count = 0;
  };
  Status StatusOf(const std::string& name) const;

 private:
  using Workers = std::list<Worker*>;

  // Null: none.
  Worker* ActiveOf(const std::string& name) const;
  void Leave(Worker& worker);

  const Clock& steady_;
  std::map<std::string, Workers> workers_;
};

}  // namespace mailstead::stored
