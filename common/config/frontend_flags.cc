#include "common/config/frontend_flags.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "asio/ip/host_name.hpp"
#include "common/config/config.h"
#include "common/net/listener.h"
#include "common/net/pem_file.h"

ABSL_FLAG(
    std::string, hostname, "",
    "our name in the greeting, in trace headers and in a self-signed certificate; empty: the machine's");

ABSL_FLAG(std::string, store, "127.0.0.1:7070", "the store: host:port, dns:///name:port or unix:/path");
ABSL_FLAG(std::string, store_token_file, "", "file with the front-end's token for the store; empty: none");
ABSL_FLAG(std::string, store_tls_ca, "",
          "PEM file of the authority that signed the store's certificate; empty: no TLS");
ABSL_FLAG(std::string, store_tls_cert, "", "PEM file with the certificate to show to the store");
ABSL_FLAG(std::string, store_tls_key, "", "PEM file with its key");
ABSL_FLAG(int, store_connections, 1, "connections to the store");

ABSL_FLAG(std::string, tls_cert, "",
          "PEM file with the certificate chain, leaf first; empty: a self-signed one is made");
ABSL_FLAG(std::string, tls_key, "", "PEM file with its key");
ABSL_FLAG(std::string, tls_self_signed_dir, "",
          "folder that keeps the self-signed certificate; empty: memory only");
ABSL_FLAG(std::string, tls_ticket_key_file, "",
          "file of 48 or more bytes, shared by replicas, for session tickets");

ABSL_FLAG(
    std::string, proxy_networks, "",
    "networks whose connections must begin with a PROXY header (v1, v2), comma separated, as 10.0.0.0/8");
ABSL_FLAG(bool, allow_plaintext_auth, false, "allow logins without TLS; for tests");
ABSL_FLAG(int, max_connections, 10'000, "connections at the same time; 0: no limit");
ABSL_FLAG(int, max_connections_per_address, 100,
          "connections at the same time from one address; 0: no limit");

ABSL_FLAG(int, threads, 0, "I/O threads; 0: one per core");
ABSL_FLAG(absl::Duration, drain_timeout, absl::Seconds(10), "how long sessions may go on after SIGTERM");

namespace mailstead::config {
namespace {

constexpr size_t kMaxHostnameBytes = 255;
// As net::TlsOptions asks.
constexpr off_t kMinTicketKeyBytes = 48;

std::string Hostname() {
  std::string name = absl::GetFlag(FLAGS_hostname);
  if (!name.empty()) return name;
  asio::error_code ignored;
  name = asio::ip::host_name(ignored);
  return name.empty() ? "localhost" : name;
}

// It stands in replies, header fields and a certificate: letters of host names, and no more.
bool IsHostname(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxHostnameBytes &&
         name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_[]:") ==
             absl::string_view::npos;
}

// A port that gRPC cannot use it would replace by 443 without a word.
bool IsStoreAddress(absl::string_view address) {
  if (absl::ConsumePrefix(&address, "unix:")) return !address.empty();
  absl::ConsumePrefix(&address, "dns:///");
  const size_t colon = address.rfind(':');
  int port = 0;
  return colon != 0 && colon != absl::string_view::npos &&
         absl::SimpleAtoi(address.substr(colon + 1), &port) && port >= 1 && port <= 65535;
}

// Whoever loads the file knows no flags: a file that is not there is found here, under the flag that named
// it.
void CheckFile(Checker& check, absl::string_view flag, const std::string& path) {
  // By itself: errno must not be looked at before.
  const bool ok = path.empty() || access(path.c_str(), R_OK) == 0;
  check.That(ok, flag, absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
}

void CheckPair(Checker& check, absl::string_view key_flag, const std::string& key,
               absl::string_view cert_flag, const std::string& cert) {
  if (key.empty() != cert.empty()) {
    check.That(false, key_flag, absl::StrCat("is needed with --", cert_flag, ", and only with it"));
    return;
  }
  CheckFile(check, cert_flag, cert);
  CheckFile(check, key_flag, key);
}

void CheckTicketKeyFile(Checker& check, const std::string& path) {
  CheckFile(check, "tls_ticket_key_file", path);
  const absl::StatusOr<net::FileStamp> stamp = net::StampOf(path);
  check.That(!stamp.ok() || stamp->size >= kMinTicketKeyBytes, "tls_ticket_key_file",
             absl::StrCat(path, " must hold at least ", kMinTicketKeyBytes, " random bytes"));
}

}  // namespace

FrontendFlags ReadFrontendFlags(Checker& check) {
  FrontendFlags flags;
  flags.hostname = Hostname();
  check.That(IsHostname(flags.hostname), "hostname", "must be a host name of at most 255 characters");

  flags.store.target = absl::GetFlag(FLAGS_store);
  flags.store.token_file = absl::GetFlag(FLAGS_store_token_file);
  flags.store.tls_ca_file = absl::GetFlag(FLAGS_store_tls_ca);
  flags.store.tls_cert_file = absl::GetFlag(FLAGS_store_tls_cert);
  flags.store.tls_key_file = absl::GetFlag(FLAGS_store_tls_key);
  flags.store.connections = absl::GetFlag(FLAGS_store_connections);
  check.That(IsStoreAddress(flags.store.target), "store",
             "must be host:port, dns:///name:port or unix:/path");
  check.Range("store_connections", flags.store.connections, 1, 64);
  CheckPair(check, "store_tls_key", flags.store.tls_key_file, "store_tls_cert", flags.store.tls_cert_file);
  CheckFile(check, "store_tls_ca", flags.store.tls_ca_file);

  flags.tls.cert_file = absl::GetFlag(FLAGS_tls_cert);
  flags.tls.key_file = absl::GetFlag(FLAGS_tls_key);
  flags.tls.self_signed_name = flags.hostname;
  flags.tls.self_signed_dir = absl::GetFlag(FLAGS_tls_self_signed_dir);
  flags.tls.ticket_key_file = absl::GetFlag(FLAGS_tls_ticket_key_file);
  CheckPair(check, "tls_key", flags.tls.key_file, "tls_cert", flags.tls.cert_file);
  CheckTicketKeyFile(check, flags.tls.ticket_key_file);

  absl::StatusOr<net::NetworkList> proxies = net::NetworkList::Parse(absl::GetFlag(FLAGS_proxy_networks));
  check.Ok("proxy_networks", proxies.status());
  if (proxies.ok()) flags.proxy_networks = *std::move(proxies);
  flags.allow_plaintext_auth = absl::GetFlag(FLAGS_allow_plaintext_auth);

  check.Range("max_connections", absl::GetFlag(FLAGS_max_connections), 0, 1'000'000);
  check.Range("max_connections_per_address", absl::GetFlag(FLAGS_max_connections_per_address), 0, 1'000'000);
  check.Range("threads", absl::GetFlag(FLAGS_threads), 0, 1024);
  flags.max_connections = absl::GetFlag(FLAGS_max_connections);
  flags.max_connections_per_address = absl::GetFlag(FLAGS_max_connections_per_address);
  flags.threads = absl::GetFlag(FLAGS_threads);
  flags.drain_timeout = absl::GetFlag(FLAGS_drain_timeout);
  check.Within("drain_timeout", flags.drain_timeout, absl::ZeroDuration(), absl::Hours(1));
  return flags;
}

std::vector<std::string> SplitAddresses(const std::string& list) {
  return absl::StrSplit(list, ',', absl::SkipWhitespace());
}

void CheckAddresses(Checker& check, absl::string_view flag, const std::string& list) {
  for (const std::string& address : SplitAddresses(list)) check.Ok(flag, net::CheckListenAddress(address));
}

}  // namespace mailstead::config
