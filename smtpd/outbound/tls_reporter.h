// Reports on TLS to other domains (RFC 8460), as far as a relay makes them: tells the store what became of sessions, and sends
// the reports that the store gives it. All relays together send each once.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/base/timers.h"
#include "common/dns/resolver.h"
#include "common/http/https_client.h"
#include "common/net/address_check.h"
#include "common/store/tls_report_api.h"
#include "smtpd/outbound/tls_session.h"

namespace mailstead::smtp::outbound {

// Told what became of sessions.
class TlsSessionCounter {
 public:
  virtual ~TlsSessionCounter() = default;
  // Of mail to `domain`, which is a name. Thread-safe.
  virtual void Count(const std::string& domain, const std::vector<TlsSession>& sessions) = 0;
};

// Told of reports. On the reporter's executor.
class TlsReportJournal {
 public:
  virtual ~TlsReportJournal() = default;
  // `way`: "mail", "https", "none" (the domain wants no report). `error`: why it could not be sent that way; empty: it was.
  virtual void Reported(const std::string& domain, absl::string_view way, absl::string_view to,
                        absl::string_view error) = 0;
};

struct TlsReporterOptions {
  // Which addresses reports are posted to.
  net::AddressRules rules;
  // Between two times that the store is told, and asked for reports that are due: a call that finds nothing costs next to
  // nothing.
  absl::Duration count_period = absl::Seconds(10);
  absl::Duration report_period = absl::Seconds(15);
  absl::Duration store_timeout = absl::Seconds(10);
  absl::Duration dns_timeout = absl::Seconds(30);
  // RFC 8460 has none; as for a policy of MTA-STS (RFC 8461 section 3.3).
  absl::Duration https_timeout = absl::Seconds(60);
};

// Used on its executor, of one thread, but for Count.
class TlsReporter final : public TlsSessionCounter {
 public:
  // Kinds of sessions, of all domains, that wait to be told; more are not counted.
  static constexpr size_t kMaxWaitingKinds = 10'000;

  // All that is given by reference outlives it.
  TlsReporter(asio::any_io_executor executor, store::TlsReportApi& store, dns::Resolver& resolver,
              http::HttpsClient& client, TlsReportJournal& journal, TlsReporterOptions options,
              Timers& timers = Timers::Steady());
  ~TlsReporter() override;

  void Count(const std::string& domain, const std::vector<TlsSession>& sessions) override;

  // Goes on until Stop; tells what is left then, once.
  asio::awaitable<void> Run();
  void Stop();
  bool busy() const { return running_; }

 private:
  asio::awaitable<void> TellCounts();
  asio::awaitable<void> SendDue();
  asio::awaitable<void> Send(store::DueTlsReport report);
  // Whether it is there.
  asio::awaitable<bool> Post(const std::string& domain, std::string uri, std::string content);
  std::vector<store::DomainTlsSessions> TakeCounts();
  void PutBack(std::vector<store::DomainTlsSessions> counts);
  void Add(const std::string& domain, store::TlsSessions sessions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  store::CallContext Context() const;

  const asio::any_io_executor executor_;
  store::TlsReportApi& store_;
  dns::Resolver& resolver_;
  http::HttpsClient& client_;
  TlsReportJournal& journal_;
  const TlsReporterOptions options_;
  Timers& timers_;
  const std::unique_ptr<Timer> timer_;
  bool running_ = false;
  bool stopping_ = false;
  // Set as long as the store wants to be told; asked for again with each look for reports.
  std::atomic<bool> wanted_ = true;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::vector<store::TlsSessions>> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mailstead::smtp::outbound
