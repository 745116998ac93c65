#include "common/config/frontend_flags.h"

#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "asio/ip/host_name.hpp"
#include "common/config/config.h"
#include "common/net/listener.h"

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

void CheckPair(Checker& check, absl::string_view key_flag, const std::string& key,
               absl::string_view cert_flag, const std::string& cert) {
  check.That(key.empty() == cert.empty(), key_flag,
             absl::StrCat("is needed with --", cert_flag, ", and only with it"));
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
  check.That(!flags.store.target.empty(), "store", "must not be empty");
  check.Range("store_connections", flags.store.connections, 1, 64);
  CheckPair(check, "store_tls_key", flags.store.tls_key_file, "store_tls_cert", flags.store.tls_cert_file);

  flags.tls.cert_file = absl::GetFlag(FLAGS_tls_cert);
  flags.tls.key_file = absl::GetFlag(FLAGS_tls_key);
  flags.tls.self_signed_name = flags.hostname;
  flags.tls.self_signed_dir = absl::GetFlag(FLAGS_tls_self_signed_dir);
  flags.tls.ticket_key_file = absl::GetFlag(FLAGS_tls_ticket_key_file);
  CheckPair(check, "tls_key", flags.tls.key_file, "tls_cert", flags.tls.cert_file);

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
