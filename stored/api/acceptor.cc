#include "stored/api/acceptor.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/status.h"
#include "common/obs/log.h"

namespace mailstead::stored {
namespace {

constexpr int kBacklog = 4096;
// Of all descriptors, so large a part stays for files and for what else the store needs; at least so many.
constexpr int kReservedPart = 8;
constexpr int kMinReserved = 128;
// How long to wait for descriptors or memory to become free; and how often that is said.
constexpr absl::Duration kPause = absl::Milliseconds(100);
constexpr absl::Duration kTellPeriod = absl::Minutes(1);

std::string Cause() { return std::strerror(errno); }

// A connection whose descriptor is as great is one too many: each gets the lowest that is free.
int MaxDescriptor() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return INT32_MAX;
  const auto most = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, INT32_MAX));
  return most - std::min(std::max(kMinReserved, most / kReservedPart), most / 2);
}

// "host:port" with brackets around what has colons.
bool SplitAddress(absl::string_view address, std::string& host, std::string& port) {
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos) return false;
  port = std::string(address.substr(colon + 1));
  absl::string_view name = address.substr(0, colon);
  if (absl::ConsumePrefix(&name, "[") && !absl::ConsumeSuffix(&name, "]")) return false;
  host = std::string(name);
  return !port.empty();
}

uint16_t PortOf(int listener) {
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  if (getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Listen(const std::string& address) {
  std::unique_ptr<Acceptor> acceptor(new Acceptor);
  absl::Status listening;
  std::string host;
  std::string port;
  if (absl::string_view path = address; absl::ConsumePrefix(&path, "unix:")) {
    listening = acceptor->ListenOnPath(std::string(path));
  } else if (SplitAddress(address, host, port)) {
    listening = acceptor->ListenOnHost(host, port);
  } else {
    listening = absl::UnavailableError("must be host:port or unix:/path");
  }
  if (listening.ok() && pipe(acceptor->wake_) != 0) listening = absl::UnavailableError(Cause());
  if (listening.ok()) return acceptor;
  return absl::UnavailableError(absl::StrCat("cannot listen on ", address, ": ", listening.message()));
}

Acceptor::~Acceptor() {
  Stop();
  for (const int end : wake_) {
    if (end >= 0) close(end);
  }
}

absl::Status Acceptor::ListenOnPath(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return absl::UnavailableError("the path is empty or too long");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0) return absl::UnavailableError(Cause());
  listeners_.push_back(listener);
  // That of a store which has ended; nothing else is taken away.
  struct stat there = {};
  if (lstat(path.c_str(), &there) == 0 && S_ISSOCK(there.st_mode)) unlink(path.c_str());
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, kBacklog) != 0) {
    return absl::UnavailableError(Cause());
  }
  return absl::OkStatus();
}

absl::Status Acceptor::ListenOnHost(const std::string& host, const std::string& port) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return absl::UnavailableError(gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    const int listener =
        socket(each->ai_family, each->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, each->ai_protocol);
    if (listener < 0) return absl::UnavailableError(Cause());
    listeners_.push_back(listener);
    const int yes = 1;
    const int no = 0;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    // "[::]" takes connections over IPv4, too.
    if (each->ai_family == AF_INET6) setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (port_ != 0) {
      auto& port_of = each->ai_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(each->ai_addr)->sin6_port
                                                  : reinterpret_cast<sockaddr_in*>(each->ai_addr)->sin_port;
      port_of = htons(port_);
    }
    if (bind(listener, each->ai_addr, each->ai_addrlen) != 0 || listen(listener, kBacklog) != 0) {
      return absl::UnavailableError(Cause());
    }
    port_ = PortOf(listener);
  }
  return absl::OkStatus();
}

void Acceptor::Start(Take take) {
  take_ = std::move(take);
  thread_ = std::thread([this] { Run(); });
}

void Acceptor::Stop() {
  if (thread_.joinable()) {
    const char word = 0;
    while (write(wake_[1], &word, 1) < 0 && errno == EINTR) {
    }
    thread_.join();
  }
  for (const int listener : std::exchange(listeners_, {})) close(listener);
}

void Acceptor::Run() {
  std::vector<pollfd> waiting = {{wake_[0], POLLIN, 0}};
  for (const int listener : listeners_) waiting.push_back({listener, POLLIN, 0});
  while (true) {
    if (poll(waiting.data(), waiting.size(), -1) < 0) continue;
    if (waiting[0].revents != 0) return;
    for (size_t i = 1; i < waiting.size(); ++i) {
      if (waiting[i].revents != 0) AcceptFrom(waiting[i].fd);
    }
  }
}

void Acceptor::AcceptFrom(int listener) {
  const int connection = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  const bool none_left =
      connection < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM);
  if (connection < 0 && !none_left) return;
  const int max_descriptor = MaxDescriptor();
  if (none_left || connection >= max_descriptor) {
    if (absl::Now() - told_ > kTellPeriod) {
      told_ = absl::Now();
      obs::LogWarning("connection_refused", {{"listener", "store"}, {"descriptors", max_descriptor}});
    }
    if (none_left) return absl::SleepFor(kPause);
    close(connection);
    return;
  }
  const int yes = 1;
  // Fails for a Unix socket.
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  take_(connection);
}

}  // namespace mailstead::stored
