// What the store does beside its calls: health, metrics, sweeping, and the callers' token files.
#pragma once

#include <thread>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "stored/api/callers.h"
#include "stored/api/metrics.h"
#include "stored/api/server.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

// On a thread of its own until it is destroyed.
class Housekeeping {
 public:
  // All that is given by reference outlives it. Receipts older than `receipt_age` are forgotten.
  Housekeeping(engine::Engine& engine, Metrics& metrics, TokenFiles& tokens, StoreServer& server,
               absl::Duration receipt_age);
  // Waits for what it is at.
  ~Housekeeping();

 private:
  void Run();
  void WatchHealth();
  void WatchTokens();

  engine::Engine& engine_;
  Metrics& metrics_;
  TokenFiles& tokens_;
  StoreServer& server_;
  const absl::Duration receipt_age_;
  // What was seen last.
  bool was_healthy_ = true;
  bool were_tokens_read_ = true;
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace mailstead::stored
