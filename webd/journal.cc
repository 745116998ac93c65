#include "webd/journal.h"

#include "common/base/random.h"
#include "common/base/reason.h"
#include "common/obs/log.h"
#include "webd/connect/code.h"

namespace mailstead::web {
namespace {

constexpr size_t kSessionIdSize = 20;

}  // namespace

Journal::Journal(Metrics& metrics, const net::Stream& stream)
    : metrics_(metrics), stream_(stream), session_id_(RandomId(kSessionIdSize)) {}

void Journal::ProxyHeaderRefused(const absl::Status& status) {
  // A balancer's health check often connects and says nothing.
  const bool said_nothing = absl::IsUnavailable(status);
  obs::Log(said_nothing ? obs::LogLevel::kDebug : obs::LogLevel::kWarning, "proxy_header_refused",
           {{"session", session_id_}, {"balancer", client()}, {"error", status.ToString()}});
}

void Journal::ConnectionRefused(absl::string_view reason) {
  obs::LogWarning("connection_refused", {{"session", session_id_}, {"client", client()}, {"reason", reason}});
}

void Journal::Admitted() {
  admitted_ = true;
  metrics_.connections.Increment();
  obs::LogDebug("session_opened", {{"session", session_id_}, {"client", client()}});
}

void Journal::TlsFailed(const absl::Status& status) {
  metrics_.tls_failures.Increment();
  obs::LogInfo("tls_failed", {{"session", session_id_}, {"client", client()}, {"error", status.ToString()}});
}

void Journal::RequestMalformed(const absl::Status& why) {
  obs::LogInfo("request_malformed",
               {{"session", session_id_}, {"client", client()}, {"error", why.ToString()}});
}

void Journal::Called(absl::string_view method, const absl::Status& status, absl::Duration took) {
  metrics_.CountCall(method, CodeName(status.code()));
  ++call_count_;
  if (!status.ok()) ++failed_count_;
  // The store has a line of what was changed, and of who was refused.
  obs::LogDebug("called", {{"session", session_id_},
                           {"client", client()},
                           {"method", method},
                           {"code", CodeName(status.code())},
                           {"reason", ReasonOf(status)},
                           {"took_ms", obs::Milliseconds(took)}});
}

void Journal::Closed(absl::string_view reason) {
  metrics_.CountClosed(reason);
  if (!admitted_) return;
  metrics_.connections.Decrement();
  // One that said nothing was a probe.
  obs::Log(call_count_ == 0 ? obs::LogLevel::kDebug : obs::LogLevel::kInfo, "session_closed",
           {{"session", session_id_},
            {"client", client()},
            {"reason", reason},
            {"calls", call_count_},
            {"failed", failed_count_}});
}

}  // namespace mailstead::web
