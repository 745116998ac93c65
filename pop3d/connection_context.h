// What the connections of a listener share.
#pragma once

#include <cstddef>

#include "common/base/byte_budget.h"
#include "common/base/clock.h"
#include "common/net/network_list.h"
#include "common/store/limits.h"
#include "pop3d/limits.h"
#include "pop3d/session/session.h"

namespace mailstead::net {
class ConnectionCounter;
class TlsContext;
}  // namespace mailstead::net
namespace mailstead::store {
class LeaseKeeper;
class StoreApi;
}  // namespace mailstead::store
namespace mailstead::frontend {
class LoginWatch;
}

namespace mailstead::pop3 {

class ListingCache;
class Metrics;

// All of it outlives the connections.
struct ConnectionContext {
  SessionConfig session;
  ConnectionTimeouts timeouts;
  // TLS from the first byte (RFC 8314).
  bool implicit_tls = false;
  // Peers that must begin with a PROXY header; no one else may.
  net::NetworkList proxy_networks;
  // Null when TLS is not available.
  const net::TlsContext* tls = nullptr;
  net::ConnectionCounter& counter;
  store::StoreApi& store;
  store::LeaseKeeper& leases;
  ListingCache& listings;
  // Of what all sessions fetched before it was asked for (kReadAheadBytesInAll).
  ByteBudget& read_ahead;
  Metrics& metrics;
  // Null: nobody is told when a login ends.
  frontend::LoginWatch* logins = nullptr;
  // For deadlines.
  const Clock& steady = Clock::Steady();
  // A greater maildrop shows its oldest messages.
  size_t max_maildrop_messages = kMaxMaildropMessages;
  // Greater messages are streamed.
  size_t max_whole_message_bytes = store::kWholeMessageBytes;
};

}  // namespace mailstead::pop3
