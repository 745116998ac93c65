#include "common/net/listener.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/executor_work_guard.hpp"
#include "asio/ip/v6_only.hpp"
#include "asio/post.hpp"
#include "asio/redirect_error.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/status.h"
#include "common/net/stream.h"
#include "common/obs/log.h"

namespace mailstead::net {
namespace {

using asio::ip::tcp;

// How long to wait for descriptors or memory to become free.
constexpr std::chrono::milliseconds kAcceptPause(100);

const char* WhatOf(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& exception) {
    return exception.what();
  } catch (...) {
    return "unknown";
  }
}

// Runs until the context is stopped. A handler that throws loses its own connection only.
void RunContext(asio::io_context& context) {
  for (;;) {
    try {
      context.run();
      return;
    } catch (...) {
      obs::LogError("handler_failed", {{"error", WhatOf(std::current_exception())}});
    }
  }
}

}  // namespace

struct IoThreads::Place::Worker {
  // Outlives the coroutines that wait on the context.
  std::atomic<size_t> places{0};
  // One thread runs it: Asio need not wake another.
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::thread thread;
};

IoThreads::Place::Place(Worker& worker) : worker_(&worker) {
  worker_->places.fetch_add(1, std::memory_order_relaxed);
}
IoThreads::Place::Place(Place&& other) noexcept : worker_(std::exchange(other.worker_, nullptr)) {}
IoThreads::Place::~Place() {
  if (worker_ != nullptr) worker_->places.fetch_sub(1, std::memory_order_relaxed);
}
asio::io_context& IoThreads::Place::context() const { return worker_->context; }

struct IoThreads::Impl {
  using Worker = Place::Worker;

  std::vector<std::unique_ptr<Worker>> workers;
  std::atomic<size_t> next{0};
};

IoThreads::IoThreads(size_t count) : impl_(std::make_unique<Impl>()) {
  if (count == 0) count = std::max(1u, std::thread::hardware_concurrency());
  for (size_t i = 0; i < count; ++i) impl_->workers.push_back(std::make_unique<Impl::Worker>());
  for (auto& worker : impl_->workers) {
    worker->thread = std::thread([&context = worker->context] { RunContext(context); });
  }
}

void IoThreads::Join() {
  for (auto& worker : impl_->workers) worker->context.stop();
  for (auto& worker : impl_->workers) {
    if (worker->thread.joinable()) worker->thread.join();
  }
}

IoThreads::~IoThreads() {
  Join();
  // In order: listeners live on the first context and hold sockets of the others.
  for (auto& worker : impl_->workers) worker.reset();
}

asio::io_context& IoThreads::Next() {
  const size_t turn = impl_->next.fetch_add(1, std::memory_order_relaxed);
  return impl_->workers[turn % impl_->workers.size()]->context;
}

IoThreads::Place IoThreads::TakePlace() {
  const auto fewer = [](const auto& a, const auto& b) {
    return a->places.load(std::memory_order_relaxed) < b->places.load(std::memory_order_relaxed);
  };
  return Place(**std::min_element(impl_->workers.begin(), impl_->workers.end(), fewer));
}

asio::io_context& IoThreads::first() { return impl_->workers.front()->context; }
size_t IoThreads::count() const { return impl_->workers.size(); }

struct Listener::Impl {
  Impl(IoThreads& io_threads, Serve serve_one)
      : threads(io_threads),
        acceptor(io_threads.first()),
        serve(std::make_shared<const Serve>(std::move(serve_one))) {}

  absl::Status Open(const tcp::endpoint& wanted, const ListenerOptions& options);
  static asio::awaitable<void> Accept(std::shared_ptr<Impl> self);
  static asio::awaitable<void> ServeOne(std::shared_ptr<const Serve> serve, IoThreads::Place place,
                                        tcp::socket socket);
  void Hand(IoThreads::Place place, tcp::socket socket);

  IoThreads& threads;
  tcp::acceptor acceptor;
  tcp::endpoint bound;
  // Shared with the connections, which may live longer than the listener.
  std::shared_ptr<const Serve> serve;
  std::atomic<bool> stopped{false};
};

absl::StatusOr<tcp::endpoint> ParseListenAddress(const std::string& text) {
  const auto bad = [&text] {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is not an address to listen on; write it as 127.0.0.1:25 or [::]:25"));
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return bad();
  std::string host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const std::string digits = text.substr(colon + 1);
  uint32_t port = 0;
  if (digits.empty() || digits.size() > 5 || digits.find_first_not_of("0123456789") != std::string::npos ||
      !absl::SimpleAtoi(digits, &port) || port > 65535) {
    return bad();
  }
  std::error_code error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error || address.is_v6() != bracketed) return bad();
  return tcp::endpoint(address, static_cast<uint16_t>(port));
}

namespace {

bool NoIpv6(const std::error_code& error) {
  return error == asio::error::address_family_not_supported || error.value() == EADDRNOTAVAIL;
}

// Errors that pass when other connections end.
bool OutOfResources(const std::error_code& error) {
  return error.value() == EMFILE || error.value() == ENFILE || error.value() == ENOBUFS ||
         error.value() == ENOMEM;
}

// Errors of the one connection that was to be accepted (accept(2)).
bool PeerWentAway(const std::error_code& error) {
  return error == asio::error::connection_aborted || error.value() == EPROTO || error.value() == ECONNRESET ||
         error.value() == EINTR || error.value() == EAGAIN;
}

void SetNumber(tcp::acceptor& acceptor, int level, int name, int value, std::error_code& error) {
  if (error || ::setsockopt(acceptor.native_handle(), level, name, &value, sizeof(value)) == 0) return;
  error = std::error_code(errno, std::system_category());
}

// Connections that are accepted inherit all of it. A quiet peer is probed after a third of the time and then every sixth
// of it; TCP_USER_TIMEOUT is what ends the connection, and also one that has data on its way (RFC 5482), which is not
// probed.
void WatchPeers(tcp::acceptor& acceptor, absl::Duration timeout, std::error_code& error) {
  if (timeout == absl::ZeroDuration()) return;
  const int seconds = static_cast<int>(absl::ToInt64Seconds(timeout));
  SetNumber(acceptor, SOL_SOCKET, SO_KEEPALIVE, 1, error);
  SetNumber(acceptor, IPPROTO_TCP, TCP_KEEPIDLE, std::max(1, seconds / 3), error);
  SetNumber(acceptor, IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, seconds / 6), error);
  SetNumber(acceptor, IPPROTO_TCP, TCP_KEEPCNT, 4, error);
  SetNumber(acceptor, IPPROTO_TCP, TCP_USER_TIMEOUT, seconds * 1000, error);
}

std::error_code TryOpen(tcp::acceptor& acceptor, const tcp::endpoint& endpoint,
                        const ListenerOptions& options) {
  std::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error && endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(options.v6_only), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) WatchPeers(acceptor, options.peer_timeout, error);
  if (!error) acceptor.listen(options.backlog, error);
  // A connection may have gone again when it is accepted.
  if (!error) acceptor.non_blocking(true, error);
  if (error) {
    std::error_code ignored;
    acceptor.close(ignored);
  }
  return error;
}

}  // namespace

absl::Status Listener::Impl::Open(const tcp::endpoint& wanted, const ListenerOptions& options) {
  std::error_code error = TryOpen(acceptor, wanted, options);
  if (error && wanted.address() == asio::ip::address_v6::any() && NoIpv6(error) && !options.v6_only) {
    error = TryOpen(acceptor, tcp::endpoint(asio::ip::address_v4::any(), wanted.port()), options);
  }
  if (!error) bound = acceptor.local_endpoint(error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot listen on ", AddressText(wanted), " port ", wanted.port(), ": ", error.message()));
}

asio::awaitable<void> Listener::Impl::ServeOne(std::shared_ptr<const Serve> serve, IoThreads::Place place,
                                               tcp::socket socket) {
  co_await (*serve)(std::move(socket));
  // Held until here.
  static_cast<void>(place);
}

void Listener::Impl::Hand(IoThreads::Place place, tcp::socket socket) {
  try {
    asio::io_context& context = place.context();
    asio::co_spawn(context, ServeOne(serve, std::move(place), std::move(socket)),
                   [](std::exception_ptr thrown) {
                     if (thrown) obs::LogError("connection_failed", {{"error", WhatOf(thrown)}});
                   });
  } catch (...) {
    obs::LogError("connection_failed", {{"error", WhatOf(std::current_exception())}});
  }
}

asio::awaitable<void> Listener::Impl::Accept(std::shared_ptr<Impl> self) {
  asio::steady_timer pause(self->threads.first());
  bool complained = false;
  while (!self->stopped) {
    // The thread is chosen when the connection is there: which of them has the fewest changes while it is waited for.
    std::error_code error;
    co_await self->acceptor.async_wait(tcp::acceptor::wait_read,
                                       asio::redirect_error(asio::use_awaitable, error));
    if (self->stopped || error == asio::error::operation_aborted) co_return;
    IoThreads::Place place = self->threads.TakePlace();
    tcp::socket socket(place.context());
    if (!error) self->acceptor.accept(socket, error);
    if (!error) {
      complained = false;
      self->Hand(std::move(place), std::move(socket));
      continue;
    }
    if (PeerWentAway(error)) continue;
    // The connection stays in the kernel's queue; trying again at once would only spin.
    if (!std::exchange(complained, true)) {
      obs::LogError("accept_failed", {{"port", self->bound.port()},
                                      {"error", error.message()},
                                      {"out_of_resources", OutOfResources(error)}});
    }
    pause.expires_after(kAcceptPause);
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
}

absl::Status CheckListenAddress(const std::string& address) { return ParseListenAddress(address).status(); }

absl::StatusOr<std::unique_ptr<Listener>> Listener::Start(IoThreads& threads, const ListenerOptions& options,
                                                          Serve serve) {
  ASSIGN_OR_RETURN(const tcp::endpoint wanted, ParseListenAddress(options.address));
  auto impl = std::make_shared<Impl>(threads, std::move(serve));
  RETURN_IF_ERROR(impl->Open(wanted, options));
  asio::co_spawn(threads.first(), Impl::Accept(impl), asio::detached);
  return std::unique_ptr<Listener>(new Listener(std::move(impl)));
}

Listener::Listener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::~Listener() { Stop(); }

uint16_t Listener::port() const { return impl_->bound.port(); }
std::string Listener::address() const { return AddressText(impl_->bound); }

void Listener::Stop() {
  if (impl_->stopped.exchange(true)) return;
  asio::post(impl_->threads.first(), [impl = impl_] {
    std::error_code ignored;
    impl->acceptor.close(ignored);
  });
}

}  // namespace mailstead::net
