#include "smtpd/outbound/worker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "common/base/random.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/store/limits.h"
#include "common/store/retry.h"
#include "common/store/tls_report_limits.h"
#include "smtpd/outbound/signing_input.h"
#include "smtpd/outbound/site_name.h"

namespace mailstead::smtp::outbound {
namespace {

// RFC 5321 section 4.5.4.2.
constexpr uint16_t kSmtpPort = 25;
constexpr absl::Duration kStoreAwayPause = absl::Seconds(1);
// RFC 8314 section 7.3: TLS from the first byte. A route's; what the DNS names is for STARTTLS.
constexpr uint16_t kSubmissionsPort = 465;
// No report is added to a call that has so many outcomes, of up to 1.5 KB.
constexpr size_t kEnoughOutcomes = 500;

TlsPolicy::Level LevelOf(store::Route::Tls tls) {
  switch (tls) {
    case store::Route::Tls::kNone:
      return TlsPolicy::Level::kNone;
    case store::Route::Tls::kRequire:
      return TlsPolicy::Level::kRequire;
    case store::Route::Tls::kVerify:
      return TlsPolicy::Level::kVerify;
    case store::Route::Tls::kMay:
      break;
  }
  return TlsPolicy::Level::kMay;
}

// "192.0.2.1" of "[192.0.2.1]", "2001:db8::1" of "[IPv6:2001:db8::1]"; any other host as it is.
std::string BareAddress(absl::string_view host) {
  if (!absl::ConsumePrefix(&host, "[") || !absl::ConsumeSuffix(&host, "]")) return std::string(host);
  if (absl::StartsWithIgnoreCase(host, "ipv6:")) host.remove_prefix(5);
  return std::string(host);
}

// What a route's host is called in the name of its site: as the MX records have it, where it is reached as they are.
std::string NameOf(const store::Route::Host& host) {
  return host.port == kSmtpPort ? host.host : absl::StrCat(host.host, ":", host.port);
}

// The store makes such mail, and nobody else chooses ids of this kind.
bool IsTlsReport(const store::QueueAttempt& attempt) {
  return absl::StartsWith(attempt.envelope.delivery_id, store::kTlsReportDeliveryIdPrefix);
}

TlsQuestion QuestionFor(const store::QueueAttempt& attempt, const store::Route* route, uint16_t port,
                        const std::string& host) {
  TlsQuestion question;
  question.host = BareAddress(host);
  asio::error_code not_an_address;
  (void)asio::ip::make_address(question.host, not_an_address);
  question.host_is_address = !not_an_address;
  question.port = port;
  if (route != nullptr) question.route = LevelOf(route->tls);
  question.implicit = route != nullptr && port == kSubmissionsPort;
  question.require_tls = attempt.envelope.require_tls;
  question.tls_broken = attempt.tls_broken;
  question.is_tls_report = IsTlsReport(attempt);
  return question;
}

// Whether a connection from `source` (empty: any address of ours) can lead to `to`.
bool CanComeFrom(const std::string& source, const asio::ip::address& to) {
  if (source.empty()) return true;
  asio::error_code error;
  const asio::ip::address address = asio::ip::make_address(source, error);
  return error || address.is_v4() == to.is_v4();
}

store::QueueReport NoAddressOfFamily(const store::QueueAttempt& attempt, const store::Route& route) {
  // What an operator has named is mended by the operator: never for good.
  return ReportWithoutWay(attempt, "4.4.4",
                          absl::StrCat("no host has an address that can be reached from ",
                                       route.source_address, ", the route's source"),
                          store::QueueReport::Sign::kUnreachable);
}

// Without its signature it is not sent: where the author's domain wants one it would be refused, or taken for a forgery.
store::QueueReport NotSigned(const store::QueueAttempt& attempt, const absl::Status& why) {
  const std::string text = absl::StrCat("the message could not be signed: ", why.message());
  // RFC 3463 section 3.8: a security function that failed; section 3.7: content that cannot be conveyed.
  const bool never = absl::IsInvalidArgument(why);
  return ReportWithoutWay(attempt, never ? "5.6.0" : "4.7.0", text, store::QueueReport::Sign::kNone);
}

}  // namespace

// A message of the queue: in memory when it is small, else read from the store as often as it is sent. The first reading of a
// large one finds out what must be known of it before it is offered.
class Worker::FetchedBody final : public Body {
 public:
  FetchedBody(store::RelayApi& store, const store::QueueAttempt& attempt, store::CallContext context)
      : store_(store),
        message_(attempt.message),
        size_bytes_(attempt.size_bytes),
        context_(std::move(context)),
        whole_(attempt.content) {
    if (attempt.to_be_signed) signing_.emplace();
  }

  asio::awaitable<absl::Status> Fetch() {
    ContentCheck check;
    const auto look = [this, &check](absl::string_view octets) {
      check.Feed(octets);
      if (signing_.has_value()) signing_->Feed(octets);
    };
    if (size_bytes_ <= static_cast<int64_t>(store::kWholeMessageBytes)) {
      if (whole_.empty()) {
        CO_ASSIGN_OR_RETURN(whole_, co_await store_.FetchWhole(message_, context_));
      }
      look(whole_);
    } else {
      const std::unique_ptr<store::RelayApi::Body> stream = store_.Fetch(message_, context_);
      for (;;) {
        CO_ASSIGN_OR_RETURN(const std::string piece, co_await stream->Read());
        if (piece.empty()) break;
        look(piece);
      }
    }
    content_ = check.Finish();
    if (static_cast<int64_t>(content_.size_bytes) == size_bytes_) co_return absl::OkStatus();
    co_return absl::DataLossError("the store gave fewer bytes than it had named");
  }

  // Behind Fetch: puts signatures in front, where they are wanted. Last of all, over the octets that go out; and what is
  // said of the message's size counts them.
  asio::awaitable<absl::Status> Sign(const store::QueueAttempt& attempt) {
    if (!signing_.has_value()) co_return absl::OkStatus();
    CO_ASSIGN_OR_RETURN(std::optional<store::SigningRequest> request, signing_->Finish(attempt));
    signing_.reset();
    if (!request.has_value()) co_return absl::OkStatus();
    CO_ASSIGN_OR_RETURN(signatures_, co_await store_.Sign(*std::move(request), context_));
    content_.size_bytes += signatures_.size();
    co_return absl::OkStatus();
  }

  const Content& content() const override { return content_; }

  asio::awaitable<absl::Status> Rewind() override {
    signatures_offset_ = 0;
    offset_ = 0;
    piece_.clear();
    if (whole_.empty()) stream_ = store_.Fetch(message_, context_);
    co_return absl::OkStatus();
  }

  asio::awaitable<absl::StatusOr<std::string>> Next(size_t max_bytes) override {
    if (signatures_offset_ < signatures_.size()) {
      std::string piece = signatures_.substr(signatures_offset_, max_bytes);
      signatures_offset_ += piece.size();
      co_return piece;
    }
    if (!whole_.empty()) {
      std::string piece = whole_.substr(offset_, max_bytes);
      offset_ += piece.size();
      co_return piece;
    }
    if (piece_.empty()) {
      CO_ASSIGN_OR_RETURN(piece_, co_await stream_->Read());
    }
    if (piece_.size() <= max_bytes) co_return std::exchange(piece_, std::string());
    std::string piece = piece_.substr(0, max_bytes);
    piece_.erase(0, max_bytes);
    co_return piece;
  }

 private:
  store::RelayApi& store_;
  const QueueId message_;
  const int64_t size_bytes_;
  const store::CallContext context_;
  Content content_;
  std::optional<SigningInput> signing_;
  // DKIM-Signature fields.
  std::string signatures_;
  size_t signatures_offset_ = 0;
  std::string whole_;
  size_t offset_ = 0;
  std::unique_ptr<store::RelayApi::Body> stream_;
  std::string piece_;
};

Worker::Worker(asio::any_io_executor executor, store::RelayApi& store, store::LeaseKeeper& leases,
               dns::Resolver& resolver, StsLookup* sts, net::ClientTls& tls, WorkerPool& hashing,
               WorkerJournal& journal, WorkerOptions options, Timers& timers)
    : executor_(executor),
      store_(store),
      leases_(leases),
      sts_(sts),
      journal_(journal),
      options_(std::move(options)),
      timers_(timers),
      finder_(resolver, options_.hops,
              [](size_t bound) {
                return std::min(static_cast<size_t>(RandomFraction() * static_cast<double>(bound)),
                                bound - 1);
              }),
      dane_(resolver,
            [&tls](std::vector<dns::Tlsa> records) { return tls.UsableRecords(std::move(records)); }),
      pool_(executor, tls, hashing, journal, options_.pool, timers),
      change_(timers.NewTimer(executor)),
      pool_timer_(timers.NewTimer(executor)) {}

Worker::~Worker() = default;

store::CallContext Worker::Context(absl::Duration patience) const {
  return {.session_id = "", .timeout = options_.store_timeout, .patience = patience};
}

asio::awaitable<void> Worker::AwaitChange(absl::Time until) { co_await change_->WaitUntil(until); }

void Worker::Changed() { change_->Cancel(); }

void Worker::NoteStore(const absl::Status& status) {
  if (status.ok() != was_store_away_) return;
  was_store_away_ = !status.ok();
  if (was_store_away_) {
    journal_.StoreAway(status);
  } else {
    journal_.StoreBack();
  }
}

asio::awaitable<void> Worker::Run() {
  running_ = true;
  asio::co_spawn(executor_, KeepPool(), asio::detached);
  while (!stopping_) {
    // What cannot be reported is sent again: then nothing more of it is made.
    if (session_count_ >= options_.sessions || unreported_) {
      co_await AwaitChange(absl::InfiniteFuture());
      continue;
    }
    const size_t free =
        std::min(options_.sessions - session_count_, static_cast<size_t>(store::kMaxLeasedAttempts));
    // Sessions that end meanwhile make more room than was asked for, never less.
    std::shared_ptr<const store::Lease> lease = leases_.lease();
    absl::StatusOr<std::vector<store::QueueAttempt>> attempts = co_await store_.LeaseAttempts(
        lease->id, static_cast<int>(free), options_.lease_wait, Context(absl::ZeroDuration()));
    if (!attempts.ok()) {
      // Attempts that were given, but did not come, are made again once their lease has ended: with the last of those
      // that are under way.
      if (store::IsOutcomeUnknown(attempts.status())) leases_.Retire(lease);
      lease.reset();
      // Before the first heartbeat, or when the store was away for longer than the lease lasts.
      if (ReasonOf(attempts.status()) == kReasonNoLease) {
        const absl::Status renewed = co_await leases_.RenewNow();
        if (renewed.ok()) continue;
      }
      NoteStore(attempts.status());
      co_await AwaitChange(timers_.Now() + kStoreAwayPause);
      continue;
    }
    NoteStore(absl::OkStatus());
    for (store::QueueAttempt& attempt : *attempts) {
      ++session_count_;
      asio::co_spawn(executor_, Attempt(std::move(attempt), lease), asio::detached);
    }
  }
  running_ = false;
}

void Worker::Stop() {
  stopping_ = true;
  Changed();
  pool_timer_->Cancel();
}

void Worker::Close() {
  closed_ = true;
  Stop();
  pool_.Close();
}

asio::awaitable<void> Worker::KeepPool() {
  while (!stopping_) {
    const absl::Time next = co_await pool_.EndIdle();
    co_await pool_timer_->WaitUntil(std::min(next, timers_.Now() + options_.pool.idle_time));
  }
  co_await pool_.EndAll();
}

asio::awaitable<void> Worker::Attempt(store::QueueAttempt attempt,
                                      std::shared_ptr<const store::Lease> lease) {
  const absl::Time began = timers_.Now();
  DeliveryResult result = co_await Deliver(attempt);
  journal_.Attempted(attempt, result, timers_.Now() - began);
  CountTls(attempt, result.tls_sessions);
  Report({std::move(result.report), std::move(lease)});
}

void Worker::CountTls(const store::QueueAttempt& attempt, const std::vector<TlsSession>& sessions) const {
  if (options_.tls_sessions == nullptr || sessions.empty()) return;
  // Hosts that an operator has named are not the domain's; and an address has nobody who could be told.
  const bool routed = attempt.route.has_value() && !attempt.route->hosts.empty();
  if (routed || absl::StartsWith(attempt.destination, "[")) return;
  // RFC 8460 section 5.3: two that send each other reports would never end.
  if (IsTlsReport(attempt)) return;
  options_.tls_sessions->Count(attempt.destination, sessions);
}

asio::awaitable<DeliveryResult> Worker::Deliver(const store::QueueAttempt& attempt) {
  Ways ways = co_await FindWays(attempt);
  DeliveryResult result;
  if (ways.report.has_value()) {
    result.report = *std::move(ways.report);
    result.report.site = std::move(ways.site);
    co_return result;
  }
  FetchedBody body(store_, attempt, Context(options_.report_patience));
  const absl::Status fetched = co_await body.Fetch();
  if (!fetched.ok()) {
    result.report =
        ReportWithoutWay(attempt, "4.3.0", absl::StrCat("the message could not be read: ", fetched.message()),
                         store::QueueReport::Sign::kNone);
    co_return result;
  }
  const absl::Status is_signed = co_await body.Sign(attempt);
  if (!is_signed.ok()) {
    result.report = NotSigned(attempt, is_signed);
    co_return result;
  }
  Delivery delivery{attempt, std::move(ways.ways), ways.some_unresolved, body, pool_};
  result = co_await outbound::Deliver(std::move(delivery));
  result.report.site = std::move(ways.site);
  co_return result;
}

asio::awaitable<std::vector<DaneAnswer>> Worker::AskDane(const NextHops& hops, std::string domain,
                                                         uint16_t port, absl::Time deadline) {
  if (!options_.uses_dane()) co_return std::vector<DaneAnswer>(hops.hosts.size());
  co_return co_await dane_.Ask(hops, std::move(domain), port, deadline);
}

void Worker::AddWays(const store::QueueAttempt& attempt, const NextHops& hops,
                     const std::vector<DaneAnswer>& dane, const StsKnowledge* sts, uint16_t port,
                     Ways& ways) const {
  const store::Route* const route = attempt.route.has_value() ? &*attempt.route : nullptr;
  for (size_t i = 0; i < hops.hosts.size(); ++i) {
    const NextHop& hop = hops.hosts[i];
    TlsQuestion question = QuestionFor(attempt, route, port, hop.host);
    question.dane = dane[i];
    if (sts != nullptr) question.sts = StsAnswerFor(*sts, hop.host);
    const TlsDecision decision = DecideTls(question);
    if (!decision.policy.has_value()) journal_.PassedOver(attempt, hop.host, decision);
    // RFC 8461 section 2: not where DANE decides.
    const bool by_dane = decision.policy.has_value() && decision.policy->source == TlsPolicy::Source::kDane;
    if (question.sts.mode != StsAnswer::Mode::kNone && !by_dane) {
      journal_.StsHost(attempt.destination, hop.host, question.sts);
    }
    for (const asio::ip::address& address : hop.addresses) {
      if (ways.ways.size() == kMaxAddressesPerAttempt) return;
      if (route != nullptr && !CanComeFrom(route->source_address, address)) continue;
      Way way;
      way.host = hop.host;
      way.key.address = address.to_string();
      way.key.port = port;
      way.key.helo_name = options_.hostname;
      way.decision = decision;
      if (decision.policy.has_value()) way.key.tls = *decision.policy;
      way.key.require_tls = attempt.envelope.require_tls;
      if (route != nullptr) {
        way.key.source = route->source_address;
        if (!route->ehlo_name.empty()) way.key.helo_name = route->ehlo_name;
        way.key.identity = route->user;
        way.password = route->password;
      }
      ways.ways.push_back(std::move(way));
      // What is said of the host is said once.
      if (!decision.policy.has_value()) break;
    }
  }
}

asio::awaitable<Worker::Ways> Worker::FindWays(const store::QueueAttempt& attempt) {
  Ways ways;
  const absl::Time deadline = timers_.Now() + options_.dns_timeout;
  const store::Route* const route = attempt.route.has_value() ? &*attempt.route : nullptr;
  if (route == nullptr || route->hosts.empty()) {
    NextHopsResult found = co_await finder_.ForDomain(attempt.destination, deadline);
    if (const auto* none = std::get_if<NoNextHop>(&found)) {
      // A failed lookup speaks of the domain as a host does that is away.
      ways.report = ReportWithoutWay(
          attempt, std::string(EnhancedStatus(none->reason)), none->text,
          none->temporary() ? store::QueueReport::Sign::kUnreachable : store::QueueReport::Sign::kNone);
      co_return ways;
    }
    const NextHops& hops = std::get<NextHops>(found);
    // First: mail may wait for a policy longer than for the DNS.
    const std::vector<DaneAnswer> dane = co_await AskDane(hops, attempt.destination, options_.port, deadline);
    StsKnowledge sts;
    if (sts_ != nullptr) {
      absl::StatusOr<StsKnowledge> known = co_await sts_->Ask(attempt.destination);
      if (!known.ok()) {
        // SECURITY: a policy that is not known must not be taken for none.
        ways.report = ReportWithoutWay(
            attempt, "4.3.0",
            absl::StrCat("whether the domain has an MTA-STS policy is not known: ", known.status().message()),
            store::QueueReport::Sign::kNone);
        co_return ways;
      }
      sts = *std::move(known);
    }
    // RFC 8689 section 4.2.1: or anybody could name a host of his own, with a certificate that is good for it.
    const bool enforces = sts.policy.has_value() && sts.policy->mode == mailauth::StsPolicy::Mode::kEnforce;
    if (attempt.envelope.require_tls && !hops.mx_secure && !enforces) {
      ways.report = ReportWithoutWay(
          attempt, "5.7.10",
          absl::StrCat("the sender asks for REQUIRETLS, and neither DNSSEC nor MTA-STS proves the hosts of ",
                       attempt.destination),
          store::QueueReport::Sign::kNone);
      co_return ways;
    }
    ways.some_unresolved = !hops.unresolved.empty();
    ways.site = SiteName(hops.best_names);
    AddWays(attempt, hops, dane, &sts, options_.port, ways);
    if (ways.ways.empty()) ways.report = NoAddressOfFamily(attempt, *route);
    co_return ways;
  }
  std::string why;
  std::vector<std::string> names;
  for (const store::Route::Host& host : route->hosts) names.push_back(NameOf(host));
  ways.site = SiteName(std::move(names));
  for (const store::Route::Host& host : route->hosts) {
    NextHopsResult found = co_await finder_.ForHost(host.host, deadline);
    if (const auto* none = std::get_if<NoNextHop>(&found)) {
      ways.some_unresolved = true;
      why = none->text;
      continue;
    }
    const NextHops& hops = std::get<NextHops>(found);
    const std::vector<DaneAnswer> dane = co_await AskDane(hops, "", host.port, deadline);
    // What the domain says of its own hosts says nothing of those that an operator has named in their place.
    AddWays(attempt, hops, dane, /*sts=*/nullptr, host.port, ways);
    if (ways.ways.empty()) why = "its addresses are not of the family of the route's source address";
  }
  // What an operator has named is mended by the operator: never for good.
  if (ways.ways.empty()) {
    ways.report =
        ReportWithoutWay(attempt, "4.4.4", absl::StrCat("no host of the route has an address: ", why),
                         store::QueueReport::Sign::kUnreachable);
  }
  co_return ways;
}

void Worker::Report(LeasedReport report) {
  reports_.push_back(std::move(report));
  if (reporting_) return;
  reporting_ = true;
  asio::co_spawn(executor_, SendReports(), asio::detached);
}

asio::awaitable<void> Worker::SendReports() {
  const std::unique_ptr<Timer> pause = timers_.NewTimer(executor_);
  while (!reports_.empty()) {
    std::vector<store::QueueReport> sent;
    std::vector<std::shared_ptr<const store::Lease>> leases;
    size_t outcome_count = 0;
    while (!reports_.empty() && sent.size() < store::kMaxReportedAttempts &&
           outcome_count < kEnoughOutcomes) {
      outcome_count += reports_.front().report.outcomes.size();
      sent.push_back(std::move(reports_.front().report));
      leases.push_back(std::move(reports_.front().lease));
      reports_.pop_front();
    }
    const absl::StatusOr<std::vector<absl::Status>> results =
        co_await store_.Report(sent, Context(options_.report_patience));
    absl::Status away = results.status();
    size_t again_count = 0;
    for (size_t i = 0; i < sent.size(); ++i) {
      const absl::Status& kept = results.ok() ? (*results)[i] : results.status();
      // What the store does not take it will not take later: the attempt ends with the lease, and is made again.
      if (kept.ok() || !IsTemporary(kept) || closed_) continue;
      away = kept;
      reports_.push_back({std::move(sent[i]), std::move(leases[i])});
      ++again_count;
    }
    NoteStore(away);
    session_count_ -= sent.size() - again_count;
    unreported_ = again_count > 0;
    Changed();
    if (unreported_) co_await pause->WaitUntil(timers_.Now() + kStoreAwayPause);
  }
  reporting_ = false;
}

}  // namespace mailstead::smtp::outbound
