// What happened on one connection, told as it happens: the log and the metrics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/net/stream.h"
#include "webd/metrics.h"

namespace mailstead::web {

// Of one connection; used by one thread at a time.
class Journal {
 public:
  // Both outlive it. The client is that of `stream` at the time of each line.
  Journal(Metrics& metrics, const net::Stream& stream);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Random: names the connection in every log, also the store's.
  const std::string& session_id() const { return session_id_; }

  void ProxyHeaderRefused(const absl::Status& status);
  void ConnectionRefused(absl::string_view reason);
  // The connection has its place.
  void Admitted();
  void TlsFailed(const absl::Status& status);
  // What came is no request of HTTP.
  void RequestMalformed(const absl::Status& why);
  // A request was answered. `method`: of the API; empty: none. `took`: from its head to the end of the answer.
  void Called(absl::string_view method, const absl::Status& status, absl::Duration took);
  void StreamMessageSent() { metrics_.stream_messages.Increment(); }
  void BodiesHeld(size_t bytes) { metrics_.body_bytes.Set(static_cast<double>(bytes)); }
  void Closed(absl::string_view reason);

 private:
  const std::string& client() const { return stream_.peer_address(); }

  Metrics& metrics_;
  const net::Stream& stream_;
  const std::string session_id_;
  // Set by Admitted.
  bool admitted_ = false;
  // For the last line of the log.
  uint64_t call_count_ = 0;
  uint64_t failed_count_ = 0;
};

}  // namespace mailstead::web
