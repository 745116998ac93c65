// The PROXY protocol, versions 1 and 2 (haproxy.org/download/2.6/doc/proxy-protocol.txt): the client's
// address as a load balancer saw it.
#pragma once

#include <cstddef>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "asio/ip/tcp.hpp"

namespace mailstead::net {

class NetworkList;
class Stream;

struct ProxyHeader {
  // The header's own size; what follows it is the client's.
  size_t size_bytes = 0;
  // The client's end and ours. Both are absent for UNKNOWN and LOCAL: the balancer speaks for itself (a
  // health check).
  std::optional<asio::ip::tcp::endpoint> source;
  std::optional<asio::ip::tcp::endpoint> destination;
};

// A longer header is refused. Versions 1 and 2 need at most 536 bytes without TLVs.
inline constexpr size_t kMaxProxyHeaderBytes = 2048;

// Parses a header; pure. nullopt: `bytes` is the beginning of one, and more of it is needed. InvalidArgument:
// it is none.
absl::StatusOr<std::optional<ProxyHeader>> ParseProxyHeader(absl::string_view bytes);

// Reads exactly the header from the stream, byte by byte past what it must, and sets the stream's endpoints.
asio::awaitable<absl::Status> ReadProxyHeader(Stream& stream, absl::Duration timeout);
// The same where the peer is in `balancers`; from elsewhere there is none, and nothing is read.
asio::awaitable<absl::Status> ReadProxyHeader(Stream& stream, const NetworkList& balancers,
                                              absl::Duration timeout);

}  // namespace mailstead::net
