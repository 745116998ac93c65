// TLS towards other hosts: what is trusted, and the session tickets that they gave us.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/openssl.h"

namespace mailstead::net {

struct ClientHandshake {
  // For SNI (RFC 6066 section 3): a host name in ASCII. Empty: none is sent, as for hosts that are known by address
  // only.
  std::string server_name;
  // Empty: whatever certificate comes is taken. Else it must be good by the system's store for one of these names; a
  // single IP address may stand in their place.
  std::vector<std::string> names;
  // Tickets that the host gives are kept under it and used for the next handshake with the same key, once each (RFC
  // 8446 appendix C.4). Empty: none are. SECURITY: a resumed session shows no certificate, so that the key must tell
  // apart all that differ in what was checked.
  std::string ticket_key;
};

// Thread-safe. TLS 1.2 and 1.3 only (RFC 9325).
class ClientTls {
 public:
  // Trusts the system's store, or what SSL_CERT_FILE and SSL_CERT_DIR name. InternalError when OpenSSL has no more
  // memory.
  static absl::StatusOr<std::unique_ptr<ClientTls>> Create();
  ~ClientTls();

  // The client's side of one connection, without its descriptor. Null when something in `wanted` is no name; OpenSSL's
  // error queue says what. It does not outlive this.
  SslPtr Begin(const ClientHandshake& wanted);

  // Tickets that are kept now.
  size_t ticket_count() const;

  // Of all hosts together; one has 1 to 3 KB. When they are as many, a ticket of some other host makes room.
  static constexpr size_t kMaxTickets = 2'000;

 private:
  struct Impl;
  explicit ClientTls(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::net
