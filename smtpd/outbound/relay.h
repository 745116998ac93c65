// What brings mail to other hosts, for a whole process: a worker for each I/O thread, and what they share: the lease, the DNS
// and its cache, TLS.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/base/worker_pool.h"
#include "common/dns/ares_resolver.h"
#include "common/dns/caching_resolver.h"
#include "common/dns/server_list.h"
#include "common/dns/validation_probe.h"
#include "common/base/timers.h"
#include "common/http/https_client.h"
#include "common/net/client_tls.h"
#include "common/net/listener.h"
#include "common/store/lease_keeper.h"
#include "common/store/relay_api.h"
#include "common/store/store_api.h"
#include "common/store/sts_api.h"
#include "smtpd/outbound/key_watch.h"
#include "smtpd/outbound/relay_journal.h"
#include "smtpd/outbound/sts_lookup.h"
#include "smtpd/outbound/sts_source.h"
#include "smtpd/outbound/tls_reporter.h"
#include "smtpd/outbound/worker.h"

namespace mailstead::smtp::outbound {

struct RelayOptions {
  // Attempts at a time, of all threads together; at least 1.
  size_t sessions = 1;
  std::string hostname;
  uint16_t port = 25;
  Timeouts timeouts;
  // Empty: the system's.
  std::vector<dns::Server> dns_servers;
  std::vector<dns::Server> dns_trusted;
  // Where the DNS servers are trusted and validate.
  bool use_dane = true;
  NextHopOptions hops;
  // MTA-STS (RFC 8461), and the port of the web servers that have the policies.
  bool mta_sts = true;
  uint16_t mta_sts_port = http::kHttpsPort;
  absl::Duration store_timeout = absl::Seconds(10);
  absl::Duration lease_ttl = absl::Seconds(6);
  // How long attempts that are under way may go on after the end was asked for.
  absl::Duration drain_timeout = absl::Seconds(10);
};

class Relay {
 public:
  // `store`, `threads` and `journal` outlive it. Errors: the DNS or TLS cannot be used.
  static absl::StatusOr<std::unique_ptr<Relay>> Create(store::StoreApi& store, net::IoThreads& threads,
                                                       RelayJournal& journal, RelayOptions options);
  ~Relay();

  // Once.
  void Start();
  // Of the lease: nothing is delivered without one. Thread-safe.
  absl::Status Health() const { return leases_.Health(); }
  // Nothing new is begun; what is under way has `drain_timeout`, and is then cut off. Once, on the first I/O thread.
  asio::awaitable<void> End();

 private:
  Relay(store::StoreApi& store, net::IoThreads& threads, RelayJournal& journal, RelayOptions options,
        std::unique_ptr<dns::AresResolver> resolver, std::unique_ptr<net::ClientTls> tls);

  // Again and again, until the end.
  asio::awaitable<void> Probe();
  // Whether DANE is on; tells of it. `validates`: what the probe has found, as far as that is known.
  void SetDane(std::optional<bool> validates);
  asio::awaitable<void> WatchKeys();

  net::IoThreads& threads_;
  RelayJournal& journal_;
  const RelayOptions options_;
  store::RelayApi store_;
  store::TlsReportApi tls_reports_;
  // A thread of its own: nothing delays the heartbeat.
  net::IoThreads heartbeat_{1};
  store::LeaseKeeper leases_;
  const std::unique_ptr<dns::AresResolver> resolver_;
  dns::CachingResolver cache_;
  // Workers read it. As long as the probe knows nothing: what the DNS proves is proven.
  std::atomic<bool> uses_dane_ = false;
  dns::ValidationProbe probe_;
  const std::unique_ptr<Timer> probe_timer_;
  // For reports and policies.
  http::HttpsClient https_;
  // On the first I/O thread, but for what it is told.
  TlsReporter reporter_;
  // On the first I/O thread.
  bool stopping_ = false;
  store::StsApi sts_store_;
  HttpsStsSource sts_source_;
  StsLookup sts_;
  KeyWatch key_watch_;
  const std::unique_ptr<Timer> key_watch_timer_;
  const std::unique_ptr<net::ClientTls> tls_;
  // Hashes passwords for SCRAM.
  WorkerPool hashing_;
  // Each on the executor beside it.
  struct Place {
    asio::any_io_executor executor;
    std::unique_ptr<Worker> worker;
  };
  std::vector<Place> workers_;
};

}  // namespace mailstead::smtp::outbound
