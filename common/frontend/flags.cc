#include "common/frontend/flags.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/config/config.h"
#include "common/net/host_name.h"
#include "common/net/listener.h"
#include "common/net/pem_file.h"

namespace mailstead::frontend {
namespace {

using config::Between;
using config::Flag;

// As net::TlsOptions asks.
constexpr off_t kMinTicketKeyBytes = 48;

// A port that gRPC cannot use it would replace by 443 without a word.
bool IsStoreAddress(absl::string_view address) {
  if (absl::ConsumePrefix(&address, "unix:")) return !address.empty();
  absl::ConsumePrefix(&address, "dns:///");
  const size_t colon = address.rfind(':');
  int port = 0;
  return colon != 0 && colon != absl::string_view::npos &&
         absl::SimpleAtoi(address.substr(colon + 1), &port) && port >= 1 && port <= 65535;
}

// A file that is not there is found here, under the flag that named it: whoever loads it knows no flags.
absl::Status CheckReadable(const std::string& path) {
  if (access(path.c_str(), R_OK) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
}

absl::Status CheckTicketKeyFile(const std::string& path) {
  if (absl::Status readable = CheckReadable(path); !readable.ok()) return readable;
  const absl::StatusOr<net::FileStamp> stamp = net::StampOf(path);
  if (!stamp.ok() || stamp->size >= kMinTicketKeyBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path, " must hold at least ", kMinTicketKeyBytes, " random bytes"));
}

void CheckPair(config::Checker& check, absl::string_view key_flag, const std::string& key,
               absl::string_view cert_flag, const std::string& cert) {
  if (key.empty() != cert.empty()) {
    check.That(false, key_flag, absl::StrCat("is needed with --", cert_flag, ", and only with it"));
    return;
  }
  if (key.empty()) return;
  check.Ok(cert_flag, CheckReadable(cert));
  check.Ok(key_flag, CheckReadable(key));
}

}  // namespace

absl::Status CheckListen(const std::string& address) { return net::CheckListenAddress(address); }

config::Options OptionsOf(Flags& flags) {
  config::Options options = {
      Flag("hostname", flags.hostname,
           "our name in the greeting, in trace headers and in a self-signed certificate; empty: the "
           "machine's"),
      Flag("store", flags.store.target, "the store: host:port, dns:///name:port or unix:/path"),
      Flag("store_token_file", flags.store.token_file,
           "file with the front-end's token for the store; empty: none"),
      Flag("store_tls_ca", flags.store.tls_ca_file, CheckReadable,
           "PEM file of the authority that signed the store's certificate; empty: no TLS"),
      Flag("store_tls_cert", flags.store.tls_cert_file, "PEM file with the certificate to show to the store"),
      Flag("store_tls_key", flags.store.tls_key_file, "PEM file with its key"),
      Flag("store_connections", flags.store.connections, Between(1, 64), "connections to the store"),
      Flag("tls_cert", flags.tls.cert_file,
           "PEM file with the certificate chain, leaf first; empty: a self-signed one is made"),
      Flag("tls_key", flags.tls.key_file, "PEM file with its key"),
      Flag("tls_self_signed_dir", flags.tls.self_signed_dir,
           "without --tls_cert: folder with tls.crt and tls.key, where a self-signed pair is made when there "
           "is none; empty: memory only"),
      Flag("tls_ticket_key_file", flags.tls.ticket_key_file, CheckTicketKeyFile,
           "file of 48 or more bytes, shared by replicas, for session tickets; empty: keys of the store"),
      Flag("proxy_networks", flags.proxy_networks_text,
           "networks whose connections must begin with a PROXY header (v1, v2), comma separated, as "
           "10.0.0.0/8"),
      Flag("max_connections", flags.max_connections, Between(0, 1'000'000),
           "connections at the same time; 0: no limit"),
      Flag("max_connections_per_address", flags.max_connections_per_address, Between(0, 1'000'000),
           "connections at the same time from one address; 0: no limit"),
      Flag("trusted_networks", flags.trusted_networks_text,
           "networks whose addresses may have any number of connections, comma separated; limits in all "
           "hold for them too"),
      Flag("peer_timeout", flags.peer_timeout, Between(absl::ZeroDuration(), absl::Hours(1)),
           "how long a client may be gone without a word (power, network) before its session ends; whole "
           "seconds, at least 3s; 0s: as long as the session's other time-outs"),
      Flag("threads", flags.threads, Between(0, 1024), "I/O threads; 0: one per core"),
      Flag("drain_timeout", flags.drain_timeout, Between(absl::ZeroDuration(), absl::Hours(1)),
           "how long sessions may go on after SIGTERM"),
      Flag("admin_listen", flags.admin_listen, CheckListen,
           "address for /metrics, /healthz and /readyz, host:port; empty: none"),
  };
  Append(options, OptionsOf(flags.log));
  return options;
}

config::Options LoginOptionsOf(Flags& flags) {
  return {
      Flag("allow_plaintext_auth", flags.allow_plaintext_auth, "allow logins without TLS; for tests"),
      Flag("sasl_mechanisms", flags.sasl_mechanisms, sasl::CheckMechanism,
           "what AUTH takes, comma separated: SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN, LOGIN. Some clients "
           "pick PLUS when it is offered and cannot use it"),
  };
}

void Finish(Flags& flags, config::Checker& check) {
  if (flags.hostname.empty()) flags.hostname = net::MachineName();
  check.That(net::IsHostName(flags.hostname), "hostname", "must be a host name of at most 255 characters");
  check.That(!flags.sasl_mechanisms.empty(), "sasl_mechanisms", "must name at least one");
  check.That(IsStoreAddress(flags.store.target), "store",
             "must be host:port, dns:///name:port or unix:/path");
  CheckPair(check, "store_tls_key", flags.store.tls_key_file, "store_tls_cert", flags.store.tls_cert_file);
  CheckPair(check, "tls_key", flags.tls.key_file, "tls_cert", flags.tls.cert_file);
  flags.tls.self_signed_name = flags.hostname;
  absl::StatusOr<net::NetworkList> proxies = net::NetworkList::Parse(flags.proxy_networks_text);
  check.Ok("proxy_networks", proxies.status());
  if (proxies.ok()) flags.proxy_networks = *std::move(proxies);
  check.That(flags.peer_timeout <= absl::ZeroDuration() ||
                 (flags.peer_timeout >= net::kLeastPeerTimeout &&
                  flags.peer_timeout == absl::Trunc(flags.peer_timeout, absl::Seconds(1))),
             "peer_timeout", "must be 0s, or whole seconds from 3s on");
  absl::StatusOr<net::NetworkList> trusted = net::NetworkList::Parse(flags.trusted_networks_text);
  check.Ok("trusted_networks", trusted.status());
  if (trusted.ok()) flags.trusted_networks = *std::move(trusted);
}

}  // namespace mailstead::frontend
