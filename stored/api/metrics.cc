#include "stored/api/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"

namespace mailstead::stored {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Registry;

const Histogram::BucketBoundaries kSeconds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                              0.1,    0.25,  0.5,    1,     2.5,  5,     10};
const Histogram::BucketBoundaries kBytes = {1 << 10,   4 << 10, 16 << 10, 64 << 10,
                                            256 << 10, 1 << 20, 8 << 20,  64 << 20};

constexpr size_t kCodeCount = 17;
constexpr size_t kDoorCount = 3;

Counter& MakeCounter(Registry& registry, const std::string& name, const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

// To a total that somebody else counts and that does not fall.
void RaiseTo(Counter& counter, double total) {
  const double more = total - counter.Value();
  if (more > 0) counter.Increment(more);
}

Gauge& MakeGauge(Registry& registry, const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

constexpr QueueEvent::Kind kQueueEvents[] = {QueueEvent::Kind::kDelivered, QueueEvent::Kind::kFailed,
                                             QueueEvent::Kind::kDeferred,  QueueEvent::Kind::kExpired,
                                             QueueEvent::Kind::kCancelled, QueueEvent::Kind::kDelayTold};

// Of DkimObserver::Outcome.
constexpr absl::string_view kSigningOutcomes[] = {"signed", "no_key", "no_author", "failed"};

absl::string_view OutcomeName(QueueEvent::Kind kind) {
  switch (kind) {
    case QueueEvent::Kind::kDelivered:
      return "delivered";
    case QueueEvent::Kind::kFailed:
      return "failed";
    case QueueEvent::Kind::kDeferred:
      return "deferred";
    case QueueEvent::Kind::kExpired:
      return "expired";
    case QueueEvent::Kind::kCancelled:
      return "cancelled";
    case QueueEvent::Kind::kDelayTold:
      return "delay_told";
  }
  return "deferred";
}

}  // namespace

struct Metrics::Impl {
  // Of one method; looked up once for each call, so that a call takes no lock of the registry.
  struct Method {
    std::array<std::array<Counter*, kCodeCount>, kDoorCount> calls = {};
    Histogram* seconds = nullptr;
  };

  explicit Impl(Registry& registry)
      : calls(prometheus::BuildCounter()
                  .Name("mailstead_store_calls_total")
                  .Help("Calls that have ended, by method, door and status code")
                  .Register(registry)),
        call_seconds(prometheus::BuildHistogram()
                         .Name("mailstead_store_call_seconds")
                         .Help("How long calls took, by method")
                         .Register(registry)),
        caller_calls(prometheus::BuildCounter()
                         .Name("mailstead_store_caller_calls_total")
                         .Help("Calls that have ended, by who called: roles, and keys by their names")
                         .Register(registry)),
        refusals(prometheus::BuildCounter()
                     .Name("mailstead_store_refusals_total")
                     .Help("Calls refused for what their callers showed, or for what they may not, by reason")
                     .Register(registry)),
        keys(MakeGauge(registry, "mailstead_store_keys", "API keys that are not revoked")),
        audit_left_out(MakeCounter(registry, "mailstead_store_audit_left_out_total",
                                   "Entries of the audit that could not be kept; they stand in the log")),
        logins(prometheus::BuildCounter()
                   .Name("mailstead_store_logins_total")
                   .Help("SASL exchanges that have ended, by result")
                   .Register(registry)),
        deliveries(MakeCounter(registry, "mailstead_store_deliveries_total", "Messages stored")),
        repeated_deliveries(MakeCounter(registry, "mailstead_store_repeated_deliveries_total",
                                        "Deliver calls whose delivery had been stored before")),
        passed_over(prometheus::BuildCounter()
                        .Name("mailstead_store_passed_over_total")
                        .Help("Targets of aliases that did not get a message which others got, by reason")
                        .Register(registry)),
        passed_over_unknown(passed_over.Add({{"reason", "unknown"}})),
        passed_over_disabled(passed_over.Add({{"reason", "disabled"}})),
        delivered_mailboxes(MakeCounter(registry, "mailstead_store_delivered_mailboxes_total",
                                        "Mailboxes that got a message, summed over the messages")),
        delivered_bytes(
            MakeCounter(registry, "mailstead_store_delivered_bytes_total", "Bytes of messages stored")),
        fetched_bytes(
            MakeCounter(registry, "mailstead_store_fetched_bytes_total", "Bytes sent by FetchMessage")),
        commits(MakeCounter(registry, "mailstead_store_maildrop_commits_total", "POP3 sessions committed")),
        deletions(MakeCounter(registry, "mailstead_store_maildrop_deletions_total",
                              "Messages whose deletion was asked for by a commit")),
        expired(MakeCounter(registry, "mailstead_store_expired_messages_total",
                            "Messages deleted as they were past their retention")),
        purged(MakeCounter(registry, "mailstead_store_trash_purged_messages_total",
                           "Messages in the trash that were freed as their time was over")),
        restored(MakeCounter(registry, "mailstead_store_trash_restored_messages_total",
                             "Messages brought back from the trash")),
        message_size(prometheus::BuildHistogram()
                         .Name("mailstead_store_message_size_bytes")
                         .Help("Sizes of messages stored")
                         .Register(registry)
                         .Add({}, kBytes)),
        feed_changes(
            MakeGauge(registry, "mailstead_store_feed_changes", "Changes that the change feed keeps")),
        watch_streams(MakeGauge(registry, "mailstead_store_watch_streams", "Streams of Watch that are open")),
        consumer_lag(prometheus::BuildGauge()
                         .Name("mailstead_store_consumer_lag_changes")
                         .Help("Changes behind what a consumer has acknowledged")
                         .Register(registry)),
        consumer_lag_seconds(prometheus::BuildGauge()
                                 .Name("mailstead_store_consumer_lag_seconds")
                                 .Help("Age of the first change that a consumer has not acknowledged")
                                 .Register(registry)),
        consumer_expired(prometheus::BuildGauge()
                             .Name("mailstead_store_consumer_expired")
                             .Help("1: the consumer has missed changes and is to be reset")
                             .Register(registry)),
        domains(MakeGauge(registry, "mailstead_store_domains", "Domains")),
        accounts(MakeGauge(registry, "mailstead_store_accounts", "Accounts")),
        aliases(MakeGauge(registry, "mailstead_store_aliases", "Aliases")),
        messages(MakeGauge(registry, "mailstead_store_messages", "Messages in all mailboxes")),
        message_bytes(
            MakeGauge(registry, "mailstead_store_message_bytes", "Bytes of messages in all mailboxes")),
        disk_bytes(MakeGauge(registry, "mailstead_store_disk_bytes", "Bytes the engine has on disk")),
        disk_free_bytes(
            MakeGauge(registry, "mailstead_store_disk_free_bytes", "Free bytes of its file system")),
        open_maildrops(MakeGauge(registry, "mailstead_store_open_maildrops", "Maildrops that are locked")),
        trash_messages(MakeGauge(registry, "mailstead_store_trash_messages",
                                 "Messages in the trash, until they are freed")),
        trash_bytes(
            MakeGauge(registry, "mailstead_store_trash_message_bytes", "Bytes of messages in the trash")),
        hidden_deletions(MakeGauge(registry, "mailstead_store_hidden_deletions",
                                   "Deletions of many messages that are still being taken away")),
        leases(MakeGauge(registry, "mailstead_store_leases", "Front-ends that hold a lease")),
        lockouts(prometheus::BuildGauge()
                     .Name("mailstead_store_lockouts")
                     .Help("Lock-outs after wrong passwords that have not ended, by what is locked out")
                     .Register(registry)),
        lockouts_total(prometheus::BuildCounter()
                           .Name("mailstead_store_lockouts_total")
                           .Help("Lock-outs after wrong passwords, by what is locked out")
                           .Register(registry)),
        commit_seconds(
            prometheus::BuildHistogram()
                .Name("mailstead_store_commit_seconds")
                .Help("How long the engine took to write and sync, for all changes of a commit together")
                .Register(registry)
                .Add({}, kSeconds)),
        stall_seconds(MakeCounter(registry, "mailstead_store_stall_seconds_total",
                                  "How long the engine has slowed down or stopped writes")),
        stalled(MakeGauge(registry, "mailstead_store_stalled",
                          "1 while the engine slows down writes, 2 while it stops them")),
        healthy(MakeGauge(registry, "mailstead_store_healthy", "1 when writes succeed")),
        queue_outcomes(prometheus::BuildCounter()
                           .Name("mailstead_store_queue_outcomes_total")
                           .Help("What came of recipients in the queue for other hosts, by outcome")
                           .Register(registry)),
        sending_refused(prometheus::BuildCounter()
                            .Name("mailstead_store_sending_refused_total")
                            .Help("Messages of accounts that were not taken, for a limit or a pause")
                            .Register(registry)),
        sending_paused(prometheus::BuildCounter()
                           .Name("mailstead_store_sending_paused_total")
                           .Help("Accounts whose sending was paused, by the reason")
                           .Register(registry)),
        notices_dropped(MakeCounter(registry, "mailstead_store_notices_dropped_total",
                                    "Notices to senders that could not be stored")),
        dkim_messages(prometheus::BuildCounter()
                          .Name("mailstead_store_dkim_messages_total")
                          .Help("Messages that were to be signed, by what came of it")
                          .Register(registry)),
        queue_messages(
            MakeGauge(registry, "mailstead_store_queue_messages", "Messages in the queue for other hosts")),
        queue_recipients(MakeGauge(registry, "mailstead_store_queue_recipients", "Their recipients")),
        queue_in_flight(MakeGauge(registry, "mailstead_store_queue_in_flight",
                                  "Recipients in the queue that a front-end is at")),
        queue_held(MakeGauge(registry, "mailstead_store_queue_held",
                             "Recipients in the queue that an operator holds")),
        queue_oldest_seconds(MakeGauge(registry, "mailstead_store_queue_oldest_seconds",
                                       "How long the oldest message in the queue has waited")),
        queue_relays(
            MakeGauge(registry, "mailstead_store_queue_relays", "Front-ends that work the queue off")) {
    // So that a rate is 0 before it first happens, not absent.
    for (int result = 0; result <= static_cast<int>(kLastLoginResult); ++result)
      LoginCounter(static_cast<LoginResult>(result));
    for (const QueueEvent::Kind kind : kQueueEvents) QueueCounter(kind);
    for (size_t i = 0; i < signed_messages.size(); ++i) {
      signed_messages[i] = &dkim_messages.Add({{"outcome", std::string(kSigningOutcomes[i])}});
    }
    for (const char* why : {"limit", "paused"}) sending_refused.Add({{"why", why}});
    for (const char* why : {"operator", "new_recipients", "refusals"}) sending_paused.Add({{"why", why}});
  }

  Counter& LoginCounter(LoginResult result) { return logins.Add({{"result", std::string(NameOf(result))}}); }

  Counter& QueueCounter(QueueEvent::Kind kind) {
    return queue_outcomes.Add({{"outcome", std::string(OutcomeName(kind))}});
  }

  Family<Counter>& calls;
  Family<Histogram>& call_seconds;
  Family<Counter>& caller_calls;
  Family<Counter>& refusals;
  Gauge& keys;
  Counter& audit_left_out;
  Family<Counter>& logins;
  Counter& deliveries;
  Counter& repeated_deliveries;
  Family<Counter>& passed_over;
  Counter& passed_over_unknown;
  Counter& passed_over_disabled;
  Counter& delivered_mailboxes;
  Counter& delivered_bytes;
  Counter& fetched_bytes;
  Counter& commits;
  Counter& deletions;
  Counter& expired;
  Counter& purged;
  Counter& restored;
  Histogram& message_size;
  struct Consumer {
    Gauge* changes = nullptr;
    Gauge* seconds = nullptr;
    Gauge* expired = nullptr;
  };
  Gauge& feed_changes;
  Gauge& watch_streams;
  Family<Gauge>& consumer_lag;
  Family<Gauge>& consumer_lag_seconds;
  Family<Gauge>& consumer_expired;
  std::map<std::string, Consumer> consumers;
  Gauge& domains;
  Gauge& accounts;
  Gauge& aliases;
  Gauge& messages;
  Gauge& message_bytes;
  Gauge& disk_bytes;
  Gauge& disk_free_bytes;
  Gauge& open_maildrops;
  Gauge& trash_messages;
  Gauge& trash_bytes;
  Gauge& hidden_deletions;
  Gauge& leases;
  Family<Gauge>& lockouts;
  Family<Counter>& lockouts_total;
  Histogram& commit_seconds;
  Counter& stall_seconds;
  Gauge& stalled;
  Gauge& healthy;
  Family<Counter>& queue_outcomes;
  Family<Counter>& sending_refused;
  Family<Counter>& sending_paused;
  Counter& notices_dropped;
  Family<Counter>& dkim_messages;
  // By DkimObserver::Outcome.
  std::array<Counter*, std::size(kSigningOutcomes)> signed_messages = {};
  Gauge& queue_messages;
  Gauge& queue_recipients;
  Gauge& queue_in_flight;
  Gauge& queue_held;
  Gauge& queue_oldest_seconds;
  Gauge& queue_relays;

  absl::Mutex mutex;
  absl::flat_hash_map<std::string, Method> methods ABSL_GUARDED_BY(mutex);
  absl::flat_hash_map<std::string, Counter*> callers ABSL_GUARDED_BY(mutex);
};

Metrics::Metrics(Registry& registry) : impl_(std::make_unique<Impl>(registry)) {}
Metrics::~Metrics() = default;

void Metrics::CountCall(absl::string_view method, rpc::Door door, absl::StatusCode code,
                        absl::Duration took) {
  Counter* calls = nullptr;
  Histogram* seconds = nullptr;
  {
    absl::MutexLock lock(&impl_->mutex);
    Impl::Method& entry = impl_->methods[method];
    if (entry.seconds == nullptr) {
      entry.seconds = &impl_->call_seconds.Add({{"method", std::string(method)}}, kSeconds);
    }
    Counter*& counter =
        entry.calls[static_cast<size_t>(door) % kDoorCount][static_cast<size_t>(code) % kCodeCount];
    if (counter == nullptr) {
      counter = &impl_->calls.Add({{"method", std::string(method)},
                                   {"door", std::string(rpc::DoorName(door))},
                                   {"code", absl::StatusCodeToString(code)}});
    }
    calls = counter;
    seconds = entry.seconds;
  }
  calls->Increment();
  seconds->Observe(absl::ToDoubleSeconds(took));
}

void Metrics::CountCaller(absl::string_view name) {
  constexpr size_t kMaxNamedCallers = 100;
  constexpr absl::string_view kOthers = "key:other";
  Counter* calls = nullptr;
  {
    absl::MutexLock lock(&impl_->mutex);
    const auto known = impl_->callers.find(name);
    if (known != impl_->callers.end()) {
      calls = known->second;
    } else {
      // Roles are few. What nobody can call a key stands for the rest.
      const bool is_named = !absl::StartsWith(name, "key:") || impl_->callers.size() < kMaxNamedCallers;
      const std::string label(name.empty() ? "nobody" : is_named ? name : kOthers);
      calls = &impl_->caller_calls.Add({{"caller", label}});
      if (is_named) impl_->callers.emplace(name, calls);
    }
  }
  calls->Increment();
}

void Metrics::CountRefusal(absl::string_view reason) {
  impl_->refusals.Add({{"reason", std::string(reason)}}).Increment();
}

void Metrics::SetKeys(int64_t count) { impl_->keys.Set(static_cast<double>(count)); }

void Metrics::SetAuditLeftOut(int64_t count) { RaiseTo(impl_->audit_left_out, static_cast<double>(count)); }

void Metrics::CountDelivery(int64_t mailbox_count, int64_t size_bytes, bool already_stored) {
  if (already_stored) {
    impl_->repeated_deliveries.Increment();
    return;
  }
  impl_->deliveries.Increment();
  impl_->delivered_mailboxes.Increment(static_cast<double>(mailbox_count));
  impl_->delivered_bytes.Increment(static_cast<double>(size_bytes));
  impl_->message_size.Observe(static_cast<double>(size_bytes));
}

void Metrics::CountPassedOver(size_t unknown_count, size_t disabled_count) {
  impl_->passed_over_unknown.Increment(static_cast<double>(unknown_count));
  impl_->passed_over_disabled.Increment(static_cast<double>(disabled_count));
}

void Metrics::CountLogin(LoginResult result) { impl_->LoginCounter(result).Increment(); }

void Metrics::CountFetchedBytes(int64_t size_bytes) {
  impl_->fetched_bytes.Increment(static_cast<double>(size_bytes));
}

void Metrics::CountCommit(int64_t deleted_count) {
  impl_->commits.Increment();
  impl_->deletions.Increment(static_cast<double>(deleted_count));
}

void Metrics::CountRestored(int64_t count) { impl_->restored.Increment(static_cast<double>(count)); }
void Metrics::CountExpired(int64_t count) { impl_->expired.Increment(static_cast<double>(count)); }
void Metrics::CountPurged(int64_t count) { impl_->purged.Increment(static_cast<double>(count)); }

void Metrics::ObserveCommit(absl::Duration took) {
  impl_->commit_seconds.Observe(absl::ToDoubleSeconds(took));
}

void Metrics::SetEngine(const engine::EngineStatus& status) {
  impl_->domains.Set(static_cast<double>(status.domain_count));
  impl_->accounts.Set(static_cast<double>(status.account_count));
  impl_->aliases.Set(static_cast<double>(status.alias_count));
  impl_->messages.Set(static_cast<double>(status.message_count));
  impl_->message_bytes.Set(static_cast<double>(status.message_bytes));
  impl_->disk_bytes.Set(static_cast<double>(status.disk_bytes));
  impl_->disk_free_bytes.Set(static_cast<double>(status.disk_free_bytes));
  impl_->open_maildrops.Set(static_cast<double>(status.open_maildrop_count));
  impl_->trash_messages.Set(static_cast<double>(status.trash_message_count));
  impl_->trash_bytes.Set(static_cast<double>(status.trash_message_bytes));
  impl_->hidden_deletions.Set(static_cast<double>(status.hidden_deletion_count));
  impl_->leases.Set(static_cast<double>(status.leases.size()));
  impl_->stalled.Set(static_cast<double>(status.write_stall));
  RaiseTo(impl_->stall_seconds, absl::ToDoubleSeconds(status.writes_stalled));
}

void Metrics::CountQueueEvent(QueueEvent::Kind kind) { impl_->QueueCounter(kind).Increment(); }

void Metrics::CountSendingRefused(absl::string_view why) {
  impl_->sending_refused.Add({{"why", std::string(why)}}).Increment();
}

void Metrics::CountSendingPaused(absl::string_view why) {
  impl_->sending_paused.Add({{"why", std::string(why)}}).Increment();
}

void Metrics::CountDroppedNotice() { impl_->notices_dropped.Increment(); }

void Metrics::CountSigned(DkimObserver::Outcome outcome) {
  impl_->signed_messages[static_cast<size_t>(outcome)]->Increment();
}

void Metrics::SetQueue(const engine::QueueStatus& status, int64_t relay_count, absl::Time now) {
  impl_->queue_messages.Set(static_cast<double>(status.message_count));
  impl_->queue_recipients.Set(static_cast<double>(status.recipient_count));
  impl_->queue_in_flight.Set(static_cast<double>(status.in_flight_count));
  impl_->queue_held.Set(static_cast<double>(status.held_count));
  const bool any = status.oldest_time != absl::InfiniteFuture();
  impl_->queue_oldest_seconds.Set(any ? std::max(0.0, absl::ToDoubleSeconds(now - status.oldest_time)) : 0);
  impl_->queue_relays.Set(static_cast<double>(relay_count));
}

void Metrics::SetFeed(const engine::ChangeBounds& bounds, int64_t stream_count) {
  impl_->feed_changes.Set(static_cast<double>(bounds.last - bounds.first + 1));
  impl_->watch_streams.Set(static_cast<double>(stream_count));
}

void Metrics::SetConsumers(const std::map<std::string, ConsumerLag>& lags) {
  for (auto it = impl_->consumers.begin(); it != impl_->consumers.end();) {
    if (lags.contains(it->first)) {
      ++it;
      continue;
    }
    impl_->consumer_lag.Remove(it->second.changes);
    impl_->consumer_lag_seconds.Remove(it->second.seconds);
    impl_->consumer_expired.Remove(it->second.expired);
    it = impl_->consumers.erase(it);
  }
  for (const auto& [name, lag] : lags) {
    Impl::Consumer& consumer = impl_->consumers[name];
    if (consumer.changes == nullptr) {
      const prometheus::Labels labels = {{"consumer", name}};
      consumer = {&impl_->consumer_lag.Add(labels), &impl_->consumer_lag_seconds.Add(labels),
                  &impl_->consumer_expired.Add(labels)};
    }
    consumer.changes->Set(static_cast<double>(lag.count));
    consumer.seconds->Set(absl::ToDoubleSeconds(lag.age));
    consumer.expired->Set(lag.expired ? 1 : 0);
  }
}

void Metrics::SetLockouts(const LockoutCounts& counts) {
  for (const LockoutScope scope :
       {LockoutScope::kNetwork, LockoutScope::kAccountInNetwork, LockoutScope::kKnownAccountInNetwork}) {
    const size_t place = static_cast<size_t>(scope) - 1;
    const prometheus::Labels labels = {{"scope", std::string(NameOf(scope))}};
    impl_->lockouts.Add(labels).Set(static_cast<double>(counts.now[place]));
    RaiseTo(impl_->lockouts_total.Add(labels), static_cast<double>(counts.total[place]));
  }
}

void Metrics::SetHealthy(bool healthy) { impl_->healthy.Set(healthy ? 1 : 0); }

}  // namespace mailstead::stored
