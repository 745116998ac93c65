#include "webd/metrics.h"

#include <string>

namespace mailstead::web {
namespace {

prometheus::Family<prometheus::Counter>& CounterFamily(prometheus::Registry& registry, const char* name,
                                                       const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}
prometheus::Gauge& OneGauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

Metrics::Metrics(prometheus::Registry& registry)
    // mailstead_http_connections: now open.
    : connections(OneGauge(registry, "mailstead_http_connections", "Open connections")),
      // mailstead_http_body_bytes: memory of requests and responses as of the last call; at most --body_memory.
      body_bytes(OneGauge(registry, "mailstead_http_body_bytes", "Memory of requests and responses")),
      // mailstead_http_tls_failures_total: handshakes that failed or timed out.
      tls_failures(
          CounterFamily(registry, "mailstead_http_tls_failures_total", "Failed TLS handshakes").Add({})),
      // mailstead_http_stream_messages_total: messages of responses that are streams.
      stream_messages(
          CounterFamily(registry, "mailstead_http_stream_messages_total", "Messages of streams sent")
              .Add({})),
      // mailstead_http_calls_total{method,code}: method as in the path, empty for a path that is none; code as
      // Connect names it, ok for none.
      calls_family_(CounterFamily(registry, "mailstead_http_calls_total", "Calls, by method and code")),
      // mailstead_http_closed_total{reason}: done (as the client wanted it), idle, vanished, timeout,
      // write_timeout, malformed, flood (of HTTP/2), unread_body, refused, proxy_failed, tls_failed, shutdown.
      closed_family_(CounterFamily(registry, "mailstead_http_closed_total", "Ended connections, by reason")) {
}

void Metrics::CountCall(absl::string_view method, absl::string_view code) {
  calls_family_.Add({{"method", std::string(method)}, {"code", std::string(code)}}).Increment();
}

void Metrics::CountClosed(absl::string_view reason) {
  closed_family_.Add({{"reason", std::string(reason)}}).Increment();
}

}  // namespace mailstead::web
