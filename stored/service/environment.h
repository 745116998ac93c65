// What every call works with. One per process (or test); outlives the server.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/worker_pool.h"
#include "stored/core/authenticator.h"
#include "stored/core/directory.h"
#include "stored/core/recipients.h"
#include "stored/core/timer_queue.h"
#include "stored/engine/engine.h"
#include "stored/service/caller_check.h"
#include "stored/service/metrics.h"
#include "stored/service/services.h"

namespace mailstead::store {

struct Environment {
  Engine& engine;
  Directory& directory;
  RecipientResolver& recipients;
  Authenticator& authenticator;
  const CallerCheck& callers;
  Metrics& metrics;
  const Clock& clock;
  TimerQueue& timers;
  // Engine verbs that block.
  WorkerPool& disk_pool;
  // Logins: hashing must not hold up reading, nor the other way round.
  WorkerPool& auth_pool;
  // VerifyMessages: hours of reading.
  WorkerPool& verify_pool;

  uint64_t max_message_bytes = 0;
  // A unary call that has not begun after this time fails, whatever its deadline.
  absl::Duration max_unary_time = kMaxUnaryTime;
  std::string version;
  absl::Time start_time;
};

}  // namespace mailstead::store
