#include "common/obs/admin_server.h"

#include <civetweb.h>
#include <netdb.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <iterator>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/obs/log.h"
#include "common/obs/process_metrics.h"

namespace mailstead::obs {
namespace {

constexpr absl::Duration kNudgeInterval = absl::Milliseconds(20);
constexpr char kPlainText[] = "text/plain; charset=utf-8";
constexpr char kMetricsText[] = "text/plain; version=0.0.4; charset=utf-8";

struct Response {
  int status = 200;
  const char* reason = "OK";
  const char* content_type = kPlainText;
  std::string body;
};

void Send(mg_connection* connection, const Response& response, bool with_body) {
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\n"
            "Content-Type: %s\r\n"
            "Content-Length: %zu\r\n"
            "Cache-Control: no-store\r\n"
            "%s"
            "Connection: close\r\n\r\n",
            response.status, response.reason, response.content_type, response.body.size(),
            response.status == 405 ? "Allow: GET, HEAD\r\n" : "");
  if (with_body) mg_write(connection, response.body.data(), response.body.size());
}

// "[::]:9091" takes IPv4 too, which CivetWeb writes with a plus; without IPv6 on the machine, IPv4 alone.
std::string PortSpec(absl::string_view address) {
  constexpr absl::string_view kAnyAddress = "[::]:";
  if (!absl::StartsWith(address, kAnyAddress)) return std::string(address);
  const absl::string_view port = address.substr(kAnyAddress.size());
  return absl::StrCat(mg_check_feature(MG_FEATURES_IPV6) != 0 ? "+" : "0.0.0.0:", port);
}

// "127.0.0.1" of "127.0.0.1:9091", "::" of "[::]:9091".
absl::string_view HostPart(absl::string_view address) {
  absl::string_view host = address.substr(0, address.rfind(':'));
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return host;
}

// One connection to our own port, given up at once.
void Connect(const std::string& host, uint16_t port) {
  const bool any = host == "::" || host == "0.0.0.0";
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(any ? "127.0.0.1" : host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
    return;
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0) {
    // Whether it is answered does not matter: the listening socket has woken.
    (void)::connect(fd, found->ai_addr, found->ai_addrlen);
    ::close(fd);
  }
  freeaddrinfo(found);
}

}  // namespace

struct AdminServer::Impl {
  static int OnRequest(mg_connection* connection);
  static int OnLogMessage(const mg_connection* connection, const char* message);

  absl::Status Open(const std::string& address);
  Response Answer(absl::string_view path) const;
  Response Metrics() const;
  Response Ready() const;

  std::shared_ptr<prometheus::Registry> registry;
  ReadyCheck ready;
  mg_context* context = nullptr;
  std::string host;
  uint16_t port = 0;

  absl::Mutex mutex;
  // The last thing CivetWeb complained about; says why a start failed.
  std::string last_complaint ABSL_GUARDED_BY(mutex);
};

Response AdminServer::Impl::Metrics() const {
  std::vector<prometheus::MetricFamily> families = registry->Collect();
  std::vector<prometheus::MetricFamily> of_process = ProcessMetrics();
  families.insert(families.end(), std::make_move_iterator(of_process.begin()),
                  std::make_move_iterator(of_process.end()));
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return {.content_type = kMetricsText, .body = std::move(text).str()};
}

Response AdminServer::Impl::Ready() const {
  const absl::Status status = ready();
  if (status.ok()) return {.body = "ok\n"};
  return {.status = 503, .reason = "Service Unavailable", .body = absl::StrCat(status.message(), "\n")};
}

Response AdminServer::Impl::Answer(absl::string_view path) const {
  if (path == "/metrics") return Metrics();
  if (path == "/healthz") return {.body = "ok\n"};
  if (path == "/readyz") return Ready();
  return {.status = 404, .reason = "Not Found", .body = "There are /metrics, /healthz and /readyz.\n"};
}

int AdminServer::Impl::OnRequest(mg_connection* connection) {
  const auto* const self = static_cast<const Impl*>(mg_get_user_data(mg_get_context(connection)));
  const mg_request_info* const request = mg_get_request_info(connection);
  const absl::string_view method = request->request_method == nullptr ? "" : request->request_method;
  const absl::string_view path = request->local_uri == nullptr ? "" : request->local_uri;
  Response response;
  if (method == "GET" || method == "HEAD") {
    response = self->Answer(path);
  } else {
    response = {.status = 405, .reason = "Method Not Allowed", .body = "GET and HEAD only.\n"};
  }
  Send(connection, response, method != "HEAD");
  // Not zero: handled, CivetWeb does nothing of its own (it would serve files).
  return response.status;
}

int AdminServer::Impl::OnLogMessage(const mg_connection* connection, const char* message) {
  LogDebug("admin_http", {{"message", message}});
  const mg_context* const context = connection == nullptr ? nullptr : mg_get_context(connection);
  auto* const self = context == nullptr ? nullptr : static_cast<Impl*>(mg_get_user_data(context));
  if (self != nullptr) {
    absl::MutexLock lock(&self->mutex);
    self->last_complaint = message;
  }
  // Not zero: nothing more to be written.
  return 1;
}

absl::Status AdminServer::Impl::Open(const std::string& address) {
  mg_callbacks callbacks{};
  callbacks.begin_request = &Impl::OnRequest;
  callbacks.log_message = &Impl::OnLogMessage;
  const std::string port_spec = PortSpec(address);
  const char* options[] = {"listening_ports",
                           port_spec.c_str(),
                           "num_threads",
                           "3",
                           "request_timeout_ms",
                           "5000",
                           "enable_keep_alive",
                           "no",
                           nullptr};
  context = mg_start(&callbacks, this, options);
  mg_server_port bound{};
  if (context != nullptr && mg_get_server_ports(context, 1, &bound) == 1) {
    host = std::string(HostPart(address));
    port = static_cast<uint16_t>(bound.port);
    return absl::OkStatus();
  }
  absl::MutexLock lock(&mutex);
  return absl::UnavailableError(absl::StrCat("cannot listen on \"", address, "\": ", last_complaint));
}

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(
    const std::string& address, std::shared_ptr<prometheus::Registry> registry, ReadyCheck ready) {
  auto impl = std::make_unique<Impl>();
  impl->registry = std::move(registry);
  impl->ready = std::move(ready);
  const absl::Status opened = impl->Open(address);
  std::unique_ptr<AdminServer> server(new AdminServer(std::move(impl)));
  if (!opened.ok()) return opened;
  LogInfo("listening", {{"listener", "admin"}, {"address", server->impl_->host}, {"port", server->port()}});
  return server;
}

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

AdminServer::~AdminServer() {
  if (impl_->context == nullptr) return;
  // CivetWeb's accepting thread looks for its end when a connection comes, and else every two seconds only. A
  // program that is told to end should not wait for that.
  std::atomic<bool> stopped{false};
  std::thread nudge([this, &stopped] {
    while (!stopped) {
      Connect(impl_->host, impl_->port);
      absl::SleepFor(kNudgeInterval);
    }
  });
  // Joins the threads, so that no request asks `ready` any more.
  mg_stop(impl_->context);
  stopped = true;
  nudge.join();
}

uint16_t AdminServer::port() const { return impl_->port; }

}  // namespace mailstead::obs
