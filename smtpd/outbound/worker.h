// What brings mail to other hosts: leases attempts, delivers each, and reports what came of it.
//
// Each I/O thread has a worker of its own, with its own share of the sessions and its own connections: nothing is shared
// between them but the store. A worker that cannot report does not begin anything new: what nobody hears of is sent again.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/base/timers.h"
#include "common/base/worker_pool.h"
#include "common/dns/resolver.h"
#include "common/net/client_tls.h"
#include "common/store/lease_keeper.h"
#include "common/store/relay_api.h"
#include "smtpd/outbound/connection_pool.h"
#include "smtpd/outbound/dane.h"
#include "smtpd/outbound/delivery.h"
#include "smtpd/outbound/next_hops.h"
#include "smtpd/outbound/sts_lookup.h"
#include "smtpd/outbound/tls_reporter.h"

namespace mailstead::smtp::outbound {

struct WorkerOptions {
  // Attempts at a time.
  size_t sessions = 10;
  // What EHLO says where a route does not.
  std::string hostname;
  // Of hosts that the DNS names.
  uint16_t port = 25;
  // For all lookups of one attempt.
  absl::Duration dns_timeout = absl::Seconds(30);
  // One call to the store; and how long a report is tried again before nothing new is begun.
  absl::Duration store_timeout = absl::Seconds(10);
  absl::Duration report_patience = absl::Seconds(10);
  // How long the store is asked to wait for work, whatever is under way; an end waits for it.
  absl::Duration lease_wait = absl::Seconds(1);
  NextHopOptions hops;
  PoolOptions pool;
  // Whether DANE is looked at now. Called on the worker's thread.
  std::function<bool()> uses_dane = [] { return false; };
  // Told what became of TLS; outlives the worker. Null: nobody is.
  TlsSessionCounter* tls_sessions = nullptr;
};

// Told what happens, for the log and the metrics. On the worker's thread.
class WorkerJournal : public ConnectionJournal {
 public:
  // A host that gets nothing now, for DANE's or MTA-STS's sake; `decision` says why.
  virtual void PassedOver(const store::QueueAttempt& attempt, const std::string& host,
                          const TlsDecision& decision) = 0;
  virtual void Attempted(const store::QueueAttempt& attempt, const DeliveryResult& result,
                         absl::Duration took) = 0;
  // The domain's MTA-STS policy has a word to say on this host.
  virtual void StsHost(const std::string& domain, const std::string& host, const StsAnswer& answer) = 0;
  // Once for each change: whether reports, or leases, succeed.
  virtual void StoreAway(const absl::Status& error) = 0;
  virtual void StoreBack() = 0;
};

// Used on its executor, of one thread.
class Worker {
 public:
  // All that is given by reference outlives it. `sts`: null: MTA-STS is off.
  Worker(asio::any_io_executor executor, store::RelayApi& store, store::LeaseKeeper& leases,
         dns::Resolver& resolver, StsLookup* sts, net::ClientTls& tls, WorkerPool& hashing,
         WorkerJournal& journal, WorkerOptions options, Timers& timers = Timers::Steady());
  ~Worker();

  // Leases and delivers until Stop.
  asio::awaitable<void> Run();
  // Nothing new is begun. What is under way goes on.
  void Stop();
  // Cuts off what is under way: it is reported as deferred.
  void Close();
  // Whether anything is under way, Run itself included.
  bool busy() const { return running_ || session_count_ > 0; }

 private:
  class FetchedBody;
  struct Ways {
    std::vector<Way> ways;
    // Of their hosts (site_name.h).
    std::string site;
    bool some_unresolved = false;
    // There are none: why.
    std::optional<store::QueueReport> report;
  };

  // Of an attempt that is over. Its lease lasts until it is kept.
  struct LeasedReport {
    store::QueueReport report;
    std::shared_ptr<const store::Lease> lease;
  };

  asio::awaitable<void> Attempt(store::QueueAttempt attempt, std::shared_ptr<const store::Lease> lease);
  // For reports to the recipients' domain.
  void CountTls(const store::QueueAttempt& attempt, const std::vector<TlsSession>& sessions) const;
  asio::awaitable<DeliveryResult> Deliver(const store::QueueAttempt& attempt);
  asio::awaitable<Ways> FindWays(const store::QueueAttempt& attempt);
  // What DANE says of each host of `hops`, which were found for `domain`, or named by an operator (empty).
  asio::awaitable<std::vector<DaneAnswer>> AskDane(const NextHops& hops, std::string domain, uint16_t port,
                                                   absl::Time deadline);
  // `dane` has an answer for each host of `hops`. `sts`: null for hosts that an operator has named.
  void AddWays(const store::QueueAttempt& attempt, const NextHops& hops, const std::vector<DaneAnswer>& dane,
               const StsKnowledge* sts, uint16_t port, Ways& ways) const;
  // Its session ends once the report is kept, or Close.
  void Report(LeasedReport report);
  // Those that wait, together: what comes meanwhile goes with the next call.
  asio::awaitable<void> SendReports();
  asio::awaitable<void> KeepPool();
  // Resumes when something has changed, or at `until`.
  asio::awaitable<void> AwaitChange(absl::Time until);
  void Changed();
  void NoteStore(const absl::Status& status);
  store::CallContext Context(absl::Duration patience) const;

  const asio::any_io_executor executor_;
  store::RelayApi& store_;
  store::LeaseKeeper& leases_;
  StsLookup* const sts_;
  WorkerJournal& journal_;
  const WorkerOptions options_;
  Timers& timers_;
  NextHopFinder finder_;
  DaneFinder dane_;
  ConnectionPool pool_;
  const std::unique_ptr<Timer> change_;
  const std::unique_ptr<Timer> pool_timer_;
  size_t session_count_ = 0;
  // Those of sessions that are over.
  std::deque<LeasedReport> reports_;
  bool reporting_ = false;
  // Some could not be kept so far.
  bool unreported_ = false;
  bool running_ = false;
  bool stopping_ = false;
  bool closed_ = false;
  bool was_store_away_ = false;
};

}  // namespace mailstead::smtp::outbound
