// What the recipients' domains ask for by MTA-STS (RFC 8461): found in what this relay remembers, in what all relays share, or
// fetched.
//
//   - The domain's TXT record says whether there is a policy, and which (its id). The policy that is kept holds until its
//     max_age is over, whatever becomes of the record and of the web server (section 5.1): who could take them away could
//     take TLS away.
//   - It is fetched when nothing is kept, or something with another id: the mail waits for that, within a bound. One that gets
//     old is fetched while the mail goes on by what is kept.
//   - A domain is fetched by one at a time here, and not for some minutes after a fetch that failed, by any relay. A record
//     that is gone is not fetched for: who has given up MTA-STS and has said so by the mode "none" is left alone.
//   - Where nothing is kept and nothing can be fetched, mail goes as without MTA-STS (section 5.1 lets nothing else be done).
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/base/timers.h"
#include "common/dns/resolver.h"
#include "common/mailauth/sts_policy.h"
#include "common/mailauth/tls_result.h"
#include "common/store/sts_api.h"
#include "smtpd/outbound/tls_decision.h"

namespace mailstead::smtp::outbound {

// Why there is no policy file.
struct StsFetchFailure {
  mailauth::TlsFailure failure = mailauth::TlsFailure::kStsPolicyFetchError;
  // For people; ASCII.
  std::string text;
};

// Where policies are fetched from.
class StsSource {
 public:
  virtual ~StsSource() = default;
  struct Fetched {
    // As the host has sent it.
    std::string file;
    // Set: there is no file, and why.
    std::optional<StsFetchFailure> failure;
  };
  // Ends by itself, within kMaxStsFetch. Called on the lookup's executor, and goes on there.
  virtual asio::awaitable<Fetched> Fetch(std::string domain) = 0;
};

// What is known of a domain.
struct StsKnowledge {
  // A policy that holds; absent: none.
  std::optional<mailauth::StsPolicy> policy;
  std::string policy_id;
  // The last fetch that was tried here failed.
  std::optional<StsFetchFailure> failure;
};

// Of a host for the domain.
StsAnswer StsAnswerFor(const StsKnowledge& knowledge, absl::string_view host);

// Told what happens, for the log and the metrics. On the lookup's executor.
class StsJournal {
 public:
  virtual ~StsJournal() = default;
  virtual void PolicyFetched(const std::string& domain, const std::string& policy_id,
                             const mailauth::StsPolicy& policy) = 0;
  // `kept`: an older policy holds.
  virtual void PolicyNotFetched(const std::string& domain, const std::string& policy_id,
                                const StsFetchFailure& failure, bool kept) = 0;
};

// From the TCP connection to the last octet (RFC 8461 section 3.3 names a minute), the lookup of addresses before it, and both.
inline constexpr absl::Duration kStsHttpsTimeout = absl::Seconds(60);
inline constexpr absl::Duration kStsDnsTimeout = absl::Seconds(20);
inline constexpr absl::Duration kMaxStsFetch = absl::Seconds(80);

struct StsOptions {
  // For the lookup of the TXT record, and for each call of the store.
  absl::Duration dns_timeout = absl::Seconds(20);
  absl::Duration store_timeout = absl::Seconds(10);
  // How long mail waits for a fetch: as long as one may take.
  absl::Duration wait = kMaxStsFetch;
  // How long what another relay has kept may stay unseen where nothing here asks for a look.
  absl::Duration memory = absl::Minutes(5);
  // What is remembered here, about; the domain that was looked up first goes first.
  size_t max_bytes = 4 << 20;
  // How often it is looked for policies that get old though no mail comes by, and for how long after the last mail.
  absl::Duration refresh_interval = absl::Minutes(10);
  absl::Duration refresh_for = absl::Hours(24 * 14);
  // Policies that are fetched at a time; for more it is as if the fetch had failed.
  size_t max_fetches = 200;
};

// Thread-safe, but for what is said.
class StsLookup {
 public:
  // Works on `executor`, of one thread. All of them outlive it.
  StsLookup(asio::any_io_executor executor, dns::Resolver& resolver, store::StsStore& store,
            StsSource& source, StsJournal& journal, StsOptions options, Timers& timers = Timers::Steady());
  ~StsLookup();

  // `domain` as in an attempt's destination; an address literal has no policy. Goes on on the executor that it was called on.
  // An error: the store cannot say whether it keeps a policy; nothing may be sent then.
  asio::awaitable<absl::StatusOr<StsKnowledge>> Ask(std::string domain);

  // Fetches what is remembered and gets old, until Stop: a policy that ends while nobody writes leaves the next mail without
  // one (RFC 8461 section 3.3). Once, on the executor.
  asio::awaitable<void> KeepFresh();
  // Fetches that are under way. On the executor only.
  size_t fetch_count() const { return fetches_.size(); }
  // No one waits any more, and nothing is fetched any more. On the executor only.
  void Stop();

 private:
  // What is remembered of a domain.
  struct Entry {
    StsKnowledge knowledge;
    absl::Time valid_until = absl::InfinitePast();
    absl::Time fresh_until = absl::InfinitePast();
    absl::Time retry_time = absl::InfinitePast();
    // When it was learned from the store, and when mail last asked for it.
    absl::Time seen;
    absl::Time used;
    size_t bytes = 0;

    bool valid(absl::Time now) const { return knowledge.policy.has_value() && valid_until > now; }
  };
  // A fetch that is under way, and who waits for it.
  struct Fetch {
    std::vector<Timer*> waiting;
    bool ended = false;
  };
  // What the TXT record says.
  struct Record {
    // The DNS has not answered.
    bool unknown = false;
    // Empty: there is none that is one.
    std::string id;
  };

  asio::awaitable<absl::StatusOr<StsKnowledge>> AskForMail(std::string domain);
  asio::awaitable<absl::StatusOr<StsKnowledge>> AskHere(std::string domain);
  // Policies that get old.
  std::vector<std::string> Old() const;
  asio::awaitable<Record> LookUpRecord(const std::string& domain);
  asio::awaitable<absl::Status> AskStore(const std::string& domain);
  // Begins one unless one is under way, or none may be. Null: none may be.
  std::shared_ptr<Fetch> Begin(const std::string& domain, const std::string& policy_id);
  asio::awaitable<void> Run(std::shared_ptr<Fetch> fetch, std::string domain, std::string policy_id);
  asio::awaitable<void> WaitFor(std::shared_ptr<Fetch> fetch);
  Entry& Learn(const std::string& domain, const store::StsState& state);
  // `domain` stays.
  void MakeRoom(const std::string& domain);
  const Entry* Find(const std::string& domain) const;
  // What is remembered needs no look at what the store has.
  bool Suffices(const Entry* entry, const Record& record, absl::Time now) const;
  store::CallContext Context() const;

  const asio::any_io_executor executor_;
  dns::Resolver& resolver_;
  store::StsStore& store_;
  StsSource& source_;
  StsJournal& journal_;
  const StsOptions options_;
  Timers& timers_;
  absl::flat_hash_map<std::string, Entry> entries_;
  // Their domains, in the order in which they came.
  std::deque<std::string> order_;
  size_t bytes_ = 0;
  absl::flat_hash_map<std::string, std::shared_ptr<Fetch>> fetches_;
  const std::unique_ptr<Timer> refresh_timer_;
  bool stopped_ = false;
};

}  // namespace mailstead::smtp::outbound
