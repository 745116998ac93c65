// The reference model: an engine that keeps everything in memory. It is written to be obviously right, not to be fast;
// tests/conformance compares the others with it, and every test that needs a store uses it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/base/random.h"
#include "common/store/ids.h"
#include "stored/engine/engine.h"
#include "stored/rules/queue.h"

namespace mailstead::engine {

// What such an engine keeps: it lasts when the engine is closed, and another one may be opened on it. Thread-safe.
class MemoryStore {
 public:
  MemoryStore();
  ~MemoryStore();
  MemoryStore(const MemoryStore&) = delete;
  MemoryStore& operator=(const MemoryStore&) = delete;

  // For tests. Changes a byte of the content, of all mailboxes that have the message. Not of an empty message.
  void Damage(AccountId account, MessageId message);
  // Contents that some mailbox or the queue has.
  int64_t body_count() const;
  // Body writers that were begun, and neither appended nor dropped; and the bytes that all of them ever were given.
  int64_t staged_body_count() const;
  int64_t staged_bytes() const;

  struct State;
  State& state() { return *state_; }

 private:
  const std::unique_ptr<State> state_;
};

struct MemoryOptions {
  // Null: an empty one of its own.
  std::shared_ptr<MemoryStore> store;
  // Dates of what is stored, the login delay and the age of receipts.
  const Clock* clock = &Clock::System();
  // For leases; null: `clock`.
  const Clock* lease_clock = nullptr;
  // Null: verbs end at once, on the thread that awaits them. Else what awaits them goes on there, as with engines that
  // wait for a disk.
  Executor* executor = nullptr;
  rules::QueuePolicy queue_policy;
  // What rules::NextAttemptTime throws.
  std::function<double()> dice = RandomFraction;
};

// Never fails.
std::unique_ptr<Engine> OpenMemoryEngine(MemoryOptions options = {});

}  // namespace mailstead::engine
