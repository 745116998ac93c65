#include "common/rpc/channel.h"

#include <grpcpp/grpcpp.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/status.h"
#include "common/rpc/completion_loop.h"

namespace mailstead::rpc {
namespace {

constexpr absl::Duration kMaxWaitForCalls = absl::Seconds(5);

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

// The bearer token in a file. Looks at the file at most once a second, and reads it when it has changed.
class TokenFile {
 public:
  explicit TokenFile(std::string path) : path_(std::move(path)) {}

  // "Bearer ..." or empty.
  std::string Authorization() {
    if (path_.empty()) return "";
    absl::MutexLock lock(&mutex_);
    const absl::Time now = absl::Now();
    if (now - looked_ < absl::Seconds(1) && !authorization_.empty()) return authorization_;
    looked_ = now;
    struct stat info;
    if (stat(path_.c_str(), &info) != 0) return authorization_;
    const absl::Time changed = absl::TimeFromTimespec(info.st_mtim);
    if (changed == changed_ && !authorization_.empty()) return authorization_;
    std::ifstream file(path_);
    std::string line;
    std::getline(file, line);
    // Editors end a line with CRLF, too. gRPC ends a program that gives it a value which no header can have.
    const absl::string_view token = absl::StripAsciiWhitespace(line);
    if (!token.empty() && absl::c_all_of(token, [](char c) { return c >= ' ' && c <= '~'; })) {
      authorization_ = absl::StrCat("Bearer ", token);
      changed_ = changed;
    }
    return authorization_;
  }

 private:
  const std::string path_;
  absl::Mutex mutex_;
  absl::Time looked_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time changed_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::string authorization_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(const ChannelOptions& options) {
  if (options.tls_ca_file.empty() && options.tls_cert_file.empty() && options.tls_key_file.empty()) {
    return grpc::InsecureChannelCredentials();
  }
  if (options.tls_ca_file.empty() || options.tls_cert_file.empty() != options.tls_key_file.empty()) {
    return absl::InvalidArgumentError("TLS to the store needs a CA file, and certificate and key together");
  }
  grpc::SslCredentialsOptions ssl;
  ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadFile(options.tls_ca_file));
  if (!options.tls_cert_file.empty()) {
    ASSIGN_OR_RETURN(ssl.pem_cert_chain, ReadFile(options.tls_cert_file));
    ASSIGN_OR_RETURN(ssl.pem_private_key, ReadFile(options.tls_key_file));
  }
  return grpc::SslCredentials(ssl);
}

grpc::ChannelArguments MakeArguments(const ChannelOptions& options) {
  grpc::ChannelArguments arguments;
  // Each channel has a connection of its own.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // The store is near and may restart at any moment: try again soon.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // A store that comes back under another address (a container) is found as soon as one that kept its own.
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1000);
  // A store that vanished without a word (power, network) is noticed within seconds.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // We retry ourselves, with idempotency keys; gRPC's buffering for retries would hold bodies in memory.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A small window for each stream: many slow readers must not fill memory.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 256 * 1024);
  if (options.minimal_stack) {
    arguments.SetInt(GRPC_ARG_MINIMAL_STACK, 1);
    // Every call ends in time, whatever else is left out.
    arguments.SetInt(GRPC_ARG_ENABLE_DEADLINE_CHECKS, 1);
  }
  return arguments;
}

}  // namespace

struct StoreChannel::Impl {
  explicit Impl(std::string token_file) : token(std::move(token_file)) {}

  // Declared first: it ends last.
  CompletionLoop<grpc::CompletionQueue> loop{std::make_unique<grpc::CompletionQueue>()};
  // Those that Next gives, and behind them that of Apart.
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  std::atomic<size_t> next = 0;
  mutable TokenFile token;
};

StoreChannel::StoreChannel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

StoreChannel::~StoreChannel() {
  // A call lets go of its channel when it has ended, and until then it needs the queue.
  const absl::Time give_up = absl::Now() + kMaxWaitForCalls;
  for (const std::shared_ptr<grpc::Channel>& channel : impl_->channels) {
    while (channel.use_count() > 1 && absl::Now() < give_up) absl::SleepFor(absl::Milliseconds(1));
  }
}

absl::StatusOr<std::unique_ptr<StoreChannel>> StoreChannel::Create(const ChannelOptions& options) {
  ASSIGN_OR_RETURN(std::shared_ptr<grpc::ChannelCredentials> credentials, MakeCredentials(options));
  auto impl = std::make_unique<Impl>(options.token_file);
  for (int i = 0; i < options.connections; ++i) {
    impl->channels.push_back(grpc::CreateCustomChannel(options.target, credentials, MakeArguments(options)));
    // Begins to connect.
    impl->channels.back()->GetState(/*try_to_connect=*/true);
  }
  // It connects with its first call.
  impl->channels.push_back(grpc::CreateCustomChannel(options.target, credentials, MakeArguments(options)));
  return std::unique_ptr<StoreChannel>(new StoreChannel(std::move(impl)));
}

std::shared_ptr<grpc::Channel> StoreChannel::Next() {
  const size_t turn = impl_->next.fetch_add(1, std::memory_order_relaxed);
  return impl_->channels[turn % (impl_->channels.size() - 1)];
}

std::shared_ptr<grpc::Channel> StoreChannel::Apart() { return impl_->channels.back(); }

grpc::CompletionQueue* StoreChannel::queue() { return impl_->loop.queue(); }

void StoreChannel::Prepare(grpc::ClientContext& context, absl::Duration timeout) const {
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  const std::string authorization = impl_->token.Authorization();
  if (!authorization.empty()) context.AddMetadata("authorization", authorization);
}

bool StoreChannel::WaitUntilConnected(absl::Duration timeout) {
  return impl_->channels.front()->WaitForConnected(absl::ToChronoTime(absl::Now() + timeout));
}

}  // namespace mailstead::rpc
