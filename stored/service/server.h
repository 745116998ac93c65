// The gRPC server of the store: its services, health and reflection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mailstead::store {

struct Environment;

struct ServerOptions {
  // "127.0.0.1:7070", "[::]:7070", port 0 for any free one, "unix:/path".
  std::string listen;
  // PEM files. All empty: plaintext, for loopback, Unix sockets and private networks.
  std::string tls_cert_file;
  std::string tls_key_file;
  // Set: callers must show a certificate of this CA (mutual TLS).
  std::string tls_client_ca_file;
  // How often the files are looked at for a change. Whole seconds.
  absl::Duration tls_reload_interval = absl::Seconds(10);
  // What gRPC may hold in buffers for all callers together.
  size_t max_rpc_memory_bytes = size_t{512} << 20;
};

class StoreServer {
 public:
  // The environment outlives the server. InvalidArgument: a TLS file; Unavailable: the address cannot be
  // bound.
  static absl::StatusOr<std::unique_ptr<StoreServer>> Start(const ServerOptions& options,
                                                            Environment& environment);
  // Stops at once if Drain was not called.
  ~StoreServer();

  // "127.0.0.1:43217", with the bound port; "unix:/path".
  std::string address() const;
  uint16_t port() const;

  // What the health service answers, for all services ("" and each by its name).
  void SetServing(bool serving);

  // Answers not serving and takes no new calls; gives those that run until `timeout`, then cancels them.
  void Drain(absl::Duration timeout);

 private:
  struct Impl;
  explicit StoreServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::store
