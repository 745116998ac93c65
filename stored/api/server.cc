#include "stored/api/server.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <deque>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status.h"
#include "common/rpc/server/batch_door.h"
#include "common/rpc/server/bind.h"
#include "common/rpc/server/draining.h"
#include "common/rpc/server/grpc_door.h"
#include "common/rpc/server/served_call.h"
#include "common/store/limits.h"
#include "mailstead/frontend/v1/batch.pb.h"
#include "stored/api/acceptor.h"
#include "stored/api/health.h"
#include "stored/api/reflection.h"
#include "stored/api/roles.h"
#include "stored/core/limits.h"

namespace mailstead::stored {
namespace {

// How long calls are still answered, with Unavailable, when the store has drained: so that who calls hears of it. Then the
// connections are cut off. gRPC's own farewell answers calls that come during it with Cancelled, which is nobody's word for
// a store that is away.
constexpr absl::Duration kFarewell = absl::Milliseconds(200);
// A request of more than its method takes hears TOO_LARGE up to here; gRPC itself refuses what is larger still, with words
// of its own and no reason. Whole messages come with their envelopes, and what encoding adds.
constexpr int kMaxTransportBytes = static_cast<int>(kMaxUnaryContentBytes + 2 * store::kMaxEnvelopeBytes);
// How long a peer may take for the handshakes of TLS and HTTP/2, and stay without a call.
constexpr int kHandshakeMs = 10'000;
constexpr int kMaxIdleMs = 300'000;
// A front-end with 10,000 sessions has one call or none for each.
constexpr int kMaxConcurrentStreams = 20'000;
// What a peer may send before it is read, per stream: 1,000 uploads at once are 64 MiB, whatever their sizes.
constexpr int kStreamWindowBytes = 64 << 10;

absl::Status CheckPem(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file || !absl::StrContains(content.str(), "-----BEGIN ")) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read, or is not PEM"));
  }
  return absl::OkStatus();
}

// The files are looked at again all the time; connections that are open keep what they began with.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeCredentials(const ServerOptions& options) {
  if (options.tls_cert_file.empty()) return grpc::InsecureServerCredentials();
  RETURN_IF_ERROR(CheckPem(options.tls_cert_file));
  RETURN_IF_ERROR(CheckPem(options.tls_key_file));
  const bool mutual = !options.tls_client_ca_file.empty();
  if (mutual) RETURN_IF_ERROR(CheckPem(options.tls_client_ca_file));
  const auto interval = static_cast<unsigned>(absl::ToInt64Seconds(options.tls_reload_interval));
  auto provider = mutual
                      ? std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
                            options.tls_key_file, options.tls_cert_file, options.tls_client_ca_file, interval)
                      : std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
                            options.tls_key_file, options.tls_cert_file, interval);
  grpc::experimental::TlsServerCredentialsOptions tls(std::move(provider));
  tls.watch_identity_key_cert_pairs();
  if (mutual) tls.watch_root_certs();
  tls.set_cert_request_type(mutual ? GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY
                                   : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return grpc::experimental::TlsServerCredentials(tls);
}

void SetLimits(grpc::ServerBuilder& builder, const ServerOptions& options) {
  builder.SetMaxReceiveMessageSize(kMaxTransportBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxConcurrentStreams);
  // A fixed window: the probe would open it to megabytes on a fast link.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindowBytes);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kMaxIdleMs);
  // Clients may ping as they like, also without calls; and we ping, so that the calls of a front-end that
  // vanished without a word end within seconds.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  if (options.minimal_stack) builder.AddChannelArgument(GRPC_ARG_MINIMAL_STACK, 1);
  grpc::ResourceQuota quota("stored");
  quota.Resize(static_cast<size_t>(options.max_rpc_memory_bytes));
  builder.SetResourceQuota(quota);
}

}  // namespace

struct StoreServer::Impl {
  Impl(rpc::MethodTable table, rpc::Admission& admission, const Clock& clock, rpc::Loop& loop)
      : methods(std::move(table)),
        service{methods, admission, clock},
        health(loop, draining),
        batches(service, loop, draining),
        door(service, loop, draining, {.max_request_bytes = store::kMaxReceivedBytes}) {
    methods.Add(rpc::Bind({.name = "mailstead.frontend.v1.BatchService/Calls", .roles = kFrontends}, batches,
                          &rpc::BatchDoor::Calls));
    health.AddTo(methods);
    reflection.AddTo(methods);
  }

  // What an address is served by. `listen` as it was asked for.
  struct Listener {
    std::string listen;
    std::unique_ptr<Acceptor> acceptor;
    // Where connections that were accepted go.
    std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> connections;

    std::string address() const {
      if (absl::StartsWith(listen, "unix:")) return listen;
      return absl::StrCat(listen.substr(0, listen.rfind(':')), ":", acceptor->port());
    }
    void Start() {
      acceptor->Start([this](int descriptor) {
        grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
        connection.fd = descriptor;
        connections->HandleNewConnection(&connection);
      });
    }
  };

  // Binds the address; connections are taken once it is started.
  absl::Status Listen(grpc::ServerBuilder& builder, const std::string& listen,
                      std::shared_ptr<grpc::ServerCredentials> credentials) {
    Listener& listener = listeners.emplace_back();
    listener.listen = listen;
    ASSIGN_OR_RETURN(listener.acceptor, Acceptor::Listen(listen));
    using External = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
    listener.connections =
        builder.experimental().AddExternalConnectionAcceptor(External::FROM_FD, std::move(credentials));
    return absl::OkStatus();
  }

  // No connection is taken when it returns.
  void StopListening() {
    for (Listener& listener : listeners) listener.acceptor->Stop();
  }

  rpc::MethodTable methods;
  const rpc::Service service;
  rpc::Draining draining;
  Health health;
  Reflection reflection;
  rpc::BatchDoor batches;
  rpc::GrpcDoor door;
  // Stay where they are. They outlive the server, which hands over nothing after StopListening.
  std::deque<Listener> listeners;
  std::unique_ptr<grpc::Server> server;
};

StoreServer::StoreServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

StoreServer::~StoreServer() {
  impl_->StopListening();
  impl_->server->Shutdown(std::chrono::system_clock::now());
  impl_->door.Stop();
}

absl::StatusOr<std::unique_ptr<StoreServer>> StoreServer::Start(const ServerOptions& options,
                                                                rpc::MethodTable methods,
                                                                rpc::Admission& admission, const Clock& clock,
                                                                rpc::Loop& loop) {
  ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ServerCredentials> credentials, MakeCredentials(options));
  auto impl = std::make_unique<Impl>(std::move(methods), admission, clock, loop);
  grpc::ServerBuilder& builder = loop.builder();
  SetLimits(builder, options);
  const bool apart = !options.tls_listen.empty();
  RETURN_IF_ERROR(
      impl->Listen(builder, options.listen, apart ? grpc::InsecureServerCredentials() : credentials));
  if (apart) RETURN_IF_ERROR(impl->Listen(builder, options.tls_listen, credentials));
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr) return absl::UnavailableError("the gRPC server does not start");
  impl->door.Open();
  for (Impl::Listener& listener : impl->listeners) listener.Start();
  return std::unique_ptr<StoreServer>(new StoreServer(std::move(impl)));
}

uint16_t StoreServer::port() const { return impl_->listeners.front().acceptor->port(); }

std::string StoreServer::address() const { return impl_->listeners.front().address(); }

std::string StoreServer::tls_address() const {
  return impl_->listeners.size() > 1 ? impl_->listeners.back().address() : std::string();
}

void StoreServer::SetServing(bool serving) { impl_->health.SetServing(serving); }

void StoreServer::Drain(absl::Duration timeout) {
  impl_->door.Drain(timeout);
  absl::SleepFor(kFarewell);
  impl_->StopListening();
  impl_->server->Shutdown(std::chrono::system_clock::now());
}

}  // namespace mailstead::stored
