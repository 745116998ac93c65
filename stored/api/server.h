// The gRPC server of the store: listening, TLS, limits, and the doors by which the methods are served.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/rpc/server/admission.h"
#include "common/rpc/server/loop.h"
#include "common/rpc/server/method_table.h"

namespace mailstead::stored {

struct ServerOptions {
  // "127.0.0.1:7070", "[::]:7070", port 0 for any free one, "unix:/path".
  std::string listen;
  // A second address, for callers on other hosts: TLS is spoken there and plaintext at `listen`. Empty: there is none, and TLS is
  // spoken at `listen` where there is a certificate.
  std::string tls_listen;
  // PEM files. All empty: plaintext, for loopback, Unix sockets and private networks.
  std::string tls_cert_file;
  std::string tls_key_file;
  // Set: callers are asked for a certificate. One that is shown must be signed by this authority; who shows none needs a
  // token.
  std::string tls_client_ca_file;
  // How often the files are looked at for a change. Whole seconds.
  absl::Duration tls_reload_interval = absl::Seconds(10);
  // What gRPC may hold in buffers for all callers together.
  int64_t max_rpc_memory_bytes = int64_t{512} << 20;
  // gRPC without its filters for deadlines, sizes and ages of connections: what they do we do ourselves.
  bool minimal_stack = false;
};

class StoreServer {
 public:
  // `methods` are served, and health, reflection and batches beside them. All that is given by reference outlives the
  // server; `loop` is new. InvalidArgument: a TLS file; Unavailable: the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<StoreServer>> Start(const ServerOptions& options,
                                                            rpc::MethodTable methods,
                                                            rpc::Admission& admission, const Clock& clock,
                                                            rpc::Loop& loop);
  // Stops at once if Drain was not called. No method runs when it returns.
  ~StoreServer();

  // "127.0.0.1:43217", with the bound port; "unix:/path".
  std::string address() const;
  uint16_t port() const;
  // Of the second address; empty: there is none.
  std::string tls_address() const;

  // What the health service answers, for all services ("" and each by its name).
  void SetServing(bool serving);

  // Answers not serving and takes no new calls: they get UNAVAILABLE. Gives those that run until `timeout`; what has not
  // ended then gets UNAVAILABLE too.
  void Drain(absl::Duration timeout);

 private:
  struct Impl;
  explicit StoreServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::stored
