// TLS towards other hosts: what is trusted, and the session tickets that they gave us.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/dns/message.h"
#include "common/net/openssl.h"

namespace mailstead::net {

// What was found when the host's certificate was looked at.
enum class Certificate : uint8_t {
  // It was not looked at: nobody asked, or the handshake did not come so far.
  kNotSeen,
  kGood,
  // It is for none of the names.
  kOtherName,
  // It, or one above it, is not valid any more, or not yet.
  kExpired,
  // Its chain leads to nobody who is trusted, or is broken.
  kNotTrusted,
  // None of the TLSA records is for it.
  kNoTlsaRecord,
};

// What a handshake has shown, also one that failed.
struct ClientHandshakeSeen {
  Certificate certificate = Certificate::kNotSeen;
  // The TLSA record that the certificate was taken for: "3 1 1". Empty: none; of a resumed session, too.
  std::string tlsa;
};

struct ClientHandshake {
  // For SNI (RFC 6066 section 3): a host name in ASCII. Empty: none is sent, as for hosts that are known by address
  // only.
  std::string server_name;
  // Empty: whatever certificate comes is taken. Else it must be good by the system's store for one of these names; a
  // single IP address may stand in their place.
  std::vector<std::string> names;
  // Set: whatever certificate comes is taken all the same, and `seen` has what is wrong with it.
  bool only_look = false;
  // Not empty: DANE for SMTP (RFC 7672 section 3) in place of the system's store. The certificate must be one that a record
  // is for: of the usage DANE-EE whatever its names and its dates, of DANE-TA for one of `names`, the first of which is
  // the TLSA base domain. Records of other usages, and what is none, are passed over; one at least must be left.
  std::vector<dns::Tlsa> tlsa;
  // Tickets that the host gives are kept under it and used for the next handshake with the same key, once each (RFC
  // 8446 appendix C.4). Empty: none are. SECURITY: a resumed session shows no certificate, so that the key must tell
  // apart all that differ in what was checked.
  std::string ticket_key;
  // Null: nobody wants to know. Else it lives until the handshake is over.
  ClientHandshakeSeen* seen = nullptr;
};

// Thread-safe. TLS 1.2 and 1.3 only (RFC 9325).
class ClientTls {
 public:
  // Trusts the system's store, or what SSL_CERT_FILE and SSL_CERT_DIR name. InternalError when OpenSSL has no more
  // memory.
  static absl::StatusOr<std::unique_ptr<ClientTls>> Create();
  ~ClientTls();

  // The client's side of one connection, without its descriptor. Null when something in `wanted` is no name, or no TLSA
  // record is of use; OpenSSL's error queue says what. It does not outlive this.
  SslPtr Begin(const ClientHandshake& wanted);
  // What `ssl`, which Begin gave for `wanted`, has shown when its handshake is over, however it ended.
  static ClientHandshakeSeen Look(const SslPtr& ssl, const ClientHandshake& wanted);

  // Those that OpenSSL can use, of the usages DANE-EE and DANE-TA (RFC 7672 section 3.1): with a selector and a matching type
  // that it knows, a digest of the right length, or a whole certificate or key that can be read.
  std::vector<dns::Tlsa> UsableRecords(std::vector<dns::Tlsa> records) const;

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
