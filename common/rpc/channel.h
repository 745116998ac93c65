// The way to the store: one or more channels with the caller's credential.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace grpc {
class Channel;
class ClientContext;
class CompletionQueue;
}  // namespace grpc

namespace mailstead::rpc {

struct ChannelOptions {
  // gRPC target: "host:port", "dns:///stored:7070", "unix:/path".
  std::string target;
  // A file whose first line is the bearer token; empty for none. It may be made after this program has started (the
  // store makes it at its first start) and is read again when it changes.
  std::string token_file;
  // PEM files for mutual TLS; all empty means plaintext (for loopback, Unix sockets and private networks).
  std::string tls_ca_file;
  std::string tls_cert_file;
  std::string tls_key_file;
  // Several connections when one is the bottleneck.
  int connections = 1;
  // gRPC's stack without what a call between our own programs may not need (grpc.minimal_stack): the sizes of messages are
  // then not gRPC's affair at this end; deadlines still are. bench/rpc measures it.
  bool minimal_stack = false;
};

// Metadata of a call: the session that it is made for, and the revision that a front-end speaks.
inline constexpr char kSessionMetadata[] = "mailstead-session";
inline constexpr char kRevisionMetadata[] = "mailstead-revision";
// And the address of a client whose credential goes beside ours.
inline constexpr char kClientAddressMetadata[] = "mailstead-client-address";

// Where calls go and what they carry. Thread-safe. Share one per process.
class StoreChannel {
 public:
  // InvalidArgument / NotFound when a TLS file cannot be read. Does not wait for the store: gRPC connects and
  // reconnects (within 1 s) by itself.
  static absl::StatusOr<std::unique_ptr<StoreChannel>> Create(const ChannelOptions& options);
  // Waits until gRPC has done with the calls, which have ended or were cancelled. No stub may be left.
  ~StoreChannel();

  // One of the connections, in turn.
  std::shared_ptr<grpc::Channel> Next();
  // A connection beside these, for what must not wait behind them: it is made when it is first used.
  std::shared_ptr<grpc::Channel> Apart();
  // Where the completions of calls go: their tags are rpc::Tag (completion_loop.h).
  grpc::CompletionQueue* queue();
  // Sets deadline and credential on a call.
  void Prepare(grpc::ClientContext& context, absl::Duration timeout) const;
  // Whether a connection to the store is up or comes up within `timeout` (blocks).
  bool WaitUntilConnected(absl::Duration timeout);

 private:
  struct Impl;
  explicit StoreChannel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::rpc
