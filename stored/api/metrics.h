// What Prometheus sees of the store. docs/metrics.md describes each.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/rpc/server/served_call.h"
#include "stored/api/method_counter.h"
#include "stored/core/consumers.h"
#include "stored/core/throttle.h"
#include "stored/engine/change.h"
#include "stored/engine/types.h"

namespace prometheus {
class Registry;
}

namespace mailstead::stored {

// Thread-safe.
class Metrics final : public MethodCounter {
 public:
  explicit Metrics(prometheus::Registry& registry);
  ~Metrics() override;

  // A call has ended. `method` is the name of a method of the table: a bounded number of names.
  void CountCall(absl::string_view method, rpc::Door door, absl::StatusCode code, absl::Duration took);
  // Whose call it was: at most 100 keys by their names, the others as "key:other".
  void CountCaller(absl::string_view name);
  // A call was refused for what its caller showed, or for what it may not.
  void CountRefusal(absl::string_view reason);
  void SetKeys(int64_t count);
  // Entries of the audit that could not be kept.
  void SetAuditLeftOut(int64_t count);
  void CountDelivery(int64_t mailbox_count, int64_t size_bytes, bool already_stored) override;
  void CountPassedOver(size_t unknown_count, size_t disabled_count) override;
  void CountLogin(LoginResult result) override;
  void CountFetchedBytes(int64_t size_bytes) override;
  void CountCommit(int64_t deleted_count) override;
  void CountRestored(int64_t count) override;
  void CountQueueEvent(QueueEvent::Kind kind) override;
  void CountSendingRefused(absl::string_view why) override;
  void CountSendingPaused(absl::string_view why) override;
  void CountDroppedNotice() override;
  void CountSigned(DkimObserver::Outcome outcome) override;
  // Messages were deleted as they were past their retention, or freed as their time in the trash was over.
  void CountExpired(int64_t count);
  void CountPurged(int64_t count);
  // A commit, or whatever else was written and synced, has ended.
  void ObserveCommit(absl::Duration took);
  void SetEngine(const engine::EngineStatus& status);
  void SetQueue(const engine::QueueStatus& status, int64_t relay_count, absl::Time now);
  // Changes that are kept, and streams that watch.
  void SetFeed(const engine::ChangeBounds& bounds, int64_t stream_count);
  // By the consumers' names: of those that are not here there is nothing any more. One thread.
  void SetConsumers(const std::map<std::string, ConsumerLag>& lags);
  void SetLockouts(const LockoutCounts& counts);
  void SetHealthy(bool healthy);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::stored
