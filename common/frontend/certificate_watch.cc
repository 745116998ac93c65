#include "common/frontend/certificate_watch.h"

#include <memory>

#include "asio/this_coro.hpp"
#include "common/net/tls_context.h"
#include "common/obs/log.h"

namespace mailstead::frontend {

asio::awaitable<void> WatchCertificate(net::TlsContext& tls, absl::Duration period, Timers& timers) {
  const std::unique_ptr<Timer> timer = timers.NewTimer(co_await asio::this_coro::executor);
  while (co_await timer->WaitUntil(timers.Now() + period)) {
    const absl::Status status = tls.ReloadIfChanged();
    if (!status.ok()) obs::LogError("certificate_not_reloaded", {{"error", status.message()}});
  }
}

}  // namespace mailstead::frontend
