// The admin port of a program: /metrics (Prometheus text), /healthz (the process lives), /readyz (it can
// serve).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace prometheus {
class Registry;
}

namespace mailstead::obs {

// Says whether the program can serve: OK, or what /readyz shows with status 503.
using ReadyCheck = std::function<absl::Status()>;

// The admin port, served by threads of its own (CivetWeb) until this is destroyed.
class AdminServer {
 public:
  // `address` as in Listener ("127.0.0.1:9091", port 0 for any). Unavailable when it cannot be bound.
  // /readyz asks `ready`, on the server's own thread; it may be called at any time.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(const std::string& address,
                                                            std::shared_ptr<prometheus::Registry> registry,
                                                            ReadyCheck ready);
  ~AdminServer();
  uint16_t port() const;

 private:
  struct Impl;
  explicit AdminServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::obs
