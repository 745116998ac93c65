// What the store does beside its calls: health, metrics, sweeping, what time brings to the queue, the callers' token files, keys that expire, and the audit. Each has a thread of its
// own, so that none waits for another.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "common/obs/certificate_metric.h"
#include "stored/api/admission.h"
#include "stored/api/callers.h"
#include "stored/api/metrics.h"
#include "stored/api/server.h"
#include "stored/core/core.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

// Calls a function now and then, at once for the first time, on a thread of its own, until it is destroyed.
class Routine {
 public:
  Routine(absl::Duration period, std::function<void()> work);
  // Waits for the call that is under way.
  ~Routine();
  Routine(const Routine&) = delete;
  Routine& operator=(const Routine&) = delete;

 private:
  absl::Notification stop_;
  std::thread thread_;
};

// Writes when keys were used last, and what the audit has gathered.
Task<absl::Status> KeepAll(Core& core, Executor& executor);

// Until it is destroyed.
class Housekeeping {
 public:
  struct Options {
    // Receipts older than this are forgotten.
    absl::Duration receipt_age;
    // Submissions that ended longer ago are forgotten.
    absl::Duration submission_age;
    // Changes older than this are forgotten, and those that are more.
    absl::Duration change_age;
    int64_t change_count = 0;
    // The certificate of the API, whose end is a metric; empty: there is none.
    std::string tls_cert_file;
  };

  // All that is given by reference outlives it.
  Housekeeping(engine::Engine& engine, Core& core, Executor& executor, Metrics& metrics,
               prometheus::Registry& registry, TokenFiles& tokens, Admission& admission, StoreServer& server,
               Options options);
  // Stops the engine's upkeep, so that no sweep is waited for longer than one step of it.
  ~Housekeeping();

 private:
  void WatchHealth();
  void WatchTokens();
  void SetGauges();
  void SetCertificateEnd();
  // The first secret of SRS is there, and what nothing refers to any more is not.
  void PrepareSrs();
  void Sweep();
  void ForgetSubmissions();
  void WorkOnQueue();
  void TrimFeed();
  void Expire();
  void EmptyTrash();
  void SetFeedGauges();
  void WatchCallers();
  void KeepUses();

  engine::Engine& engine_;
  Core& core_;
  Executor& executor_;
  Metrics& metrics_;
  TokenFiles& tokens_;
  Admission& admission_;
  StoreServer& server_;
  const Options options_;
  // Where TLS is served.
  std::optional<obs::CertificateMetric> certificate_;
  // What was seen last.
  std::atomic<bool> stopping_ = false;
  bool was_healthy_ = true;
  bool were_tokens_read_ = true;
  bool was_queue_worked_on_ = true;
  bool was_audit_written_ = true;
  bool were_uses_kept_ = true;
  // Behind all that they use.
  std::optional<Routine> watch_;
  std::optional<Routine> gauges_;
  std::optional<Routine> sweeps_;
  std::optional<Routine> queue_;
  std::optional<Routine> feed_;
  std::optional<Routine> callers_;
  std::optional<Routine> uses_;
  std::optional<Routine> expiry_;
  std::optional<Routine> trash_;
};

}  // namespace mailstead::stored
