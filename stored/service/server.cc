#include "stored/service/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/rpc/grpc_log.h"
#include "mailstead/store/v1/admin.grpc.pb.h"
#include "mailstead/store/v1/auth.grpc.pb.h"
#include "mailstead/store/v1/directory.grpc.pb.h"
#include "mailstead/store/v1/exchange.grpc.pb.h"
#include "mailstead/store/v1/mailbox.grpc.pb.h"
#include "stored/service/call_loop.h"
#include "stored/service/environment.h"
#include "stored/service/health_service.h"
#include "stored/service/services.h"

namespace mailstead::store {
namespace {

constexpr int kMaxReceiveBytes = 2 << 20;
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
  tls.set_cert_request_type(mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                   : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return grpc::experimental::TlsServerCredentials(tls);
}

void SetLimits(grpc::ServerBuilder& builder, const ServerOptions& options) {
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxConcurrentStreams);
  // A fixed window: the probe would open it to megabytes on a fast link.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindowBytes);
  // Clients may ping as they like, also without calls; and we ping, so that the calls of a front-end that
  // vanished without a word end within seconds.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  // Two stores on one port would be two stores.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Only reflection is served by gRPC's synchronous threads.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  grpc::ResourceQuota quota("stored");
  quota.Resize(options.max_rpc_memory_bytes);
  builder.SetResourceQuota(quota);
}

}  // namespace

struct StoreServer::Impl {
  std::string listen;
  int port = 0;
  std::vector<std::unique_ptr<Service>> services;
  // One of them.
  HealthService* health = nullptr;
  std::optional<CallLoop> loop;
  std::unique_ptr<grpc::Server> server;
};

StoreServer::StoreServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

StoreServer::~StoreServer() {
  impl_->server->Shutdown(std::chrono::system_clock::now());
  impl_->server->Wait();
  impl_->loop->Stop();
}

absl::StatusOr<std::unique_ptr<StoreServer>> StoreServer::Start(const ServerOptions& options,
                                                                Environment& environment) {
  // Read when a builder is made.
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  auto impl = std::make_unique<Impl>();
  impl->listen = options.listen;
  ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ServerCredentials> credentials, MakeCredentials(options));
  grpc::ServerBuilder builder;
  SetLimits(builder, options);
  builder.AddListeningPort(options.listen, credentials, &impl->port);
  impl->services.push_back(MakeDirectoryService(environment));
  impl->services.push_back(MakeAuthService(environment));
  impl->services.push_back(MakeMailboxService(environment));
  impl->services.push_back(MakeAdminService(environment));
  impl->services.push_back(MakeExchangeService());
  auto health =
      MakeHealthService({v1::DirectoryService::service_full_name(), v1::AuthService::service_full_name(),
                         v1::MailboxService::service_full_name(), v1::AdminService::service_full_name(),
                         v1::ExchangeService::service_full_name()});
  impl->health = health.get();
  impl->services.push_back(std::move(health));
  for (const auto& service : impl->services) builder.RegisterService(&service->registered());
  impl->loop.emplace(environment, builder);
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || (impl->port == 0 && !absl::StartsWith(options.listen, "unix:"))) {
    if (impl->server != nullptr) impl->server->Shutdown();
    impl->loop->Stop();
    // The builder itself does not say why.
    const std::string cause = rpc::LastGrpcCause();
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", options.listen, cause.empty() ? "" : ": ", cause));
  }
  for (const auto& service : impl->services) service->Serve(*impl->loop);
  impl->loop->Start();
  return std::unique_ptr<StoreServer>(new StoreServer(std::move(impl)));
}

uint16_t StoreServer::port() const { return static_cast<uint16_t>(impl_->port); }

std::string StoreServer::address() const {
  if (absl::StartsWith(impl_->listen, "unix:")) return impl_->listen;
  return absl::StrCat(impl_->listen.substr(0, impl_->listen.rfind(':')), ":", impl_->port);
}

void StoreServer::SetServing(bool serving) { impl_->health->SetServing(serving); }

void StoreServer::Drain(absl::Duration timeout) {
  for (const auto& service : impl_->services) service->Drain();
  impl_->server->Shutdown(absl::ToChronoTime(absl::Now() + timeout));
}

}  // namespace mailstead::store
