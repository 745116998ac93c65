#include "common/net/dialer.h"

#include <netinet/in.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/redirect_error.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/status.h"

namespace mailstead::net {
namespace {

// The port is chosen when the other end is known: one local port serves many connections to different hosts, and
// sending does not use up the ports of the source address.
using BindAddressNoPort = asio::detail::socket_option::boolean<IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT>;

}  // namespace

struct Dialer::Impl {
  explicit Impl(asio::any_io_executor executor) : socket(executor), timer(executor) {}

  absl::Status Prepare(const DialOptions& options);
  void Stop() {
    std::error_code ignored;
    socket.close(ignored);
  }

  asio::ip::tcp::socket socket;
  asio::steady_timer timer;
  bool timed_out = false;
  bool cancelled = false;
};

absl::Status Dialer::Impl::Prepare(const DialOptions& options) {
  std::error_code error;
  socket.open(options.to.protocol(), error);
  if (error) return absl::UnavailableError(error.message());
  if (!options.source.has_value()) return absl::OkStatus();
  std::error_code ignored;
  socket.set_option(BindAddressNoPort(true), ignored);
  socket.bind({*options.source, 0}, error);
  if (!error) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("source address ", options.source->to_string(), ": ", error.message()));
}

Dialer::Dialer(asio::any_io_executor executor) : impl_(std::make_shared<Impl>(std::move(executor))) {}
Dialer::~Dialer() { Cancel(); }

asio::awaitable<absl::StatusOr<asio::ip::tcp::socket>> Dialer::Dial(DialOptions options) {
  // It may be the coroutine alone that is left.
  const std::shared_ptr<Impl> impl = impl_;
  if (impl->cancelled) co_return absl::CancelledError("dialing was cancelled");
  if (absl::Status ready = impl->Prepare(options); !ready.ok()) co_return ready;
  // As far away as never, and near enough not to overflow.
  impl->timer.expires_after(
      absl::ToChronoNanoseconds(std::clamp(options.timeout, absl::ZeroDuration(), absl::Hours(24 * 365))));
  impl->timer.async_wait([impl](const std::error_code& error) {
    if (error) return;
    impl->timed_out = true;
    impl->Stop();
  });
  std::error_code error;
  co_await impl->socket.async_connect(options.to, asio::redirect_error(asio::use_awaitable, error));
  impl->timer.cancel();
  if (impl->cancelled) co_return absl::CancelledError("dialing was cancelled");
  if (impl->timed_out) co_return absl::DeadlineExceededError("timed out");
  if (error) co_return absl::UnavailableError(error.message());
  co_return std::move(impl->socket);
}

void Dialer::Cancel() {
  impl_->cancelled = true;
  impl_->timer.cancel();
  impl_->Stop();
}

}  // namespace mailstead::net
