// What a mail port shows to those who connect: its greeting, whether it has TLS, and the certificate.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/dns/message.h"

namespace mailstead::ctl {

struct MailPort {
  enum class Protocol : uint8_t { kSmtp, kPop3 };
  // "submission": that of the registry of ports.
  absl::string_view name;
  uint16_t port = 0;
  Protocol protocol = Protocol::kSmtp;
  // TLS from the first byte (RFC 8314); else by STARTTLS and STLS.
  bool implicit_tls = false;
};

struct CertificateView {
  // When it ends.
  absl::Time end;
  // The names that it is for, for a person.
  std::string names;
  // One of them is that of the host.
  bool names_host = false;
  // Why a client does not trust it that checks with the CAs of this machine, in OpenSSL's words; empty: it does.
  std::string untrusted;
};

struct PortView {
  // Why there was no greeting; empty: there was.
  std::string problem;
  // Its first line without the code, printable.
  std::string greeting;
  // Why there is no TLS; empty: there is.
  std::string tls_problem;
  std::optional<CertificateView> certificate;
  // A TLSA record is for the certificate (RFC 7672); false without records.
  bool matches_tlsa = false;
};

// Connects to `address`, a text, as `host`: in SNI, and in what the certificate is compared with. `tlsa` are those of the port.
// Takes some seconds for each step at most, and 20 in all.
PortView LookAtPort(const MailPort& port, const std::string& address, const std::string& host,
                    const std::vector<dns::Tlsa>& tlsa);

}  // namespace mailstead::ctl
