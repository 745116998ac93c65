// What the connections of a listener share.
#pragma once

#include <cstddef>

#include "common/base/byte_budget.h"
#include "common/base/clock.h"
#include "common/net/network_list.h"
#include "webd/limits.h"

namespace mailstead::net {
class ConnectionCounter;
class TlsContext;
}  // namespace mailstead::net
namespace mailstead::rpc {
class GrpcTransport;
}

namespace mailstead::web {

class CorsPolicy;
class Metrics;
class MethodTable;
class Translator;
struct Documents;
struct MailSettings;
struct StsSettings;

// All of it outlives the connections.
struct ConnectionContext {
  ConnectionTimeouts timeouts;
  // TLS from the first byte.
  bool implicit_tls = false;
  // Peers that must begin with a PROXY header; no one else may.
  net::NetworkList proxy_networks;
  // Whose clients may show a key without TLS.
  net::NetworkList plaintext_networks;
  const net::TlsContext* tls = nullptr;
  net::ConnectionCounter& counter;
  rpc::GrpcTransport& transport;
  const MethodTable& methods;
  const Translator& translator;
  const CorsPolicy& cors;
  const Documents& documents;
  const MailSettings& mail_settings;
  const StsSettings& sts_settings;
  // Of all bodies.
  ByteBudget& memory;
  Metrics& metrics;
  size_t max_request_bytes = kMaxRequestBytes;
  // Of one connection of HTTP/2.
  size_t max_streams = kMaxStreams;
  // Not our store is called but another server of gRPC, which knows of no keys of ours: without a key, with the client's fields,
  // and with all that the server says. For the protocol's own conformance tests.
  bool passes_all = false;
  // For deadlines, and for dates.
  const Clock& steady = Clock::Steady();
  const Clock& wall = Clock::System();
};

}  // namespace mailstead::web
