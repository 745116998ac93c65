// What Prometheus sees of the store. docs/metrics.md describes each.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/core/authenticator.h"
#include "stored/engine/types.h"

namespace prometheus {
class Registry;
}

namespace mailstead::store {

// Thread-safe.
class Metrics {
 public:
  explicit Metrics(prometheus::Registry& registry);
  ~Metrics();

  // A call has ended. `method` is one that RolesFor knows.
  void CountCall(absl::string_view method, absl::StatusCode code, absl::Duration took);
  void CountDelivery(size_t mailbox_count, uint64_t size_bytes, bool already_stored);
  void CountLogin(AuthResult result);
  void CountFetchedBytes(uint64_t size_bytes);
  void CountCommit(size_t deleted_count);
  void SetEngine(const EngineStatus& status);
  void SetHealthy(bool healthy);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::store
