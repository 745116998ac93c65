#include "tests/fault/queue_check.h"

#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/records.h"
#include "stored/rules/destination.h"
#include "stored/rules/site.h"
#include "stored/rules/sts.h"

namespace mailstead::engine {
namespace {

// Of one destination, as its recipients and attempts have it.
struct Found {
  int64_t recipient_count = 0;
  int64_t ready_count = 0;
  int64_t waiting_count = 0;
  int64_t attempt_count = 0;
};

// Of one site, as its destinations and attempts have it.
struct FoundSite {
  int64_t destination_count = 0;
  int64_t attempt_count = 0;
  absl::Time waiting_since = absl::InfiniteFuture();
};

class Check {
 public:
  Check(const Database::Use& use, const rules::QueuePolicy& policy, std::string& problems)
      : use_(use), policy_(policy), problems_(problems) {}

  void Run(std::map<int64_t, int64_t>& entries_of_body) {
    const absl::Status read =
        Scan(use_, Family::kQueue, "", "",
             [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
               RETURN_IF_ERROR(Load(key, value));
               return true;
             });
    if (!read.ok()) return Say("queue", read.ToString());
    for (const auto& [id, message] : messages_) ++entries_of_body[message.body];
    for (const auto& [grant, attempt] : attempts_) CheckAttempt(grant, attempt);
    for (const auto& [place, kept] : recipients_) CheckRecipient(place.first, kept);
    for (const auto& [id, message] : messages_) CheckMessage(id, message);
    for (const auto& [name, destination] : destinations_) CheckDestination(name, destination);
    for (const auto& [name, site] : sites_) CheckSite(name, site);
    for (const auto& [name, found] : found_sites_) {
      if (!sites_.contains(name)) Say("site", absl::StrCat(name, " has no record"));
    }
    for (const std::string& key : indexes_) {
      if (!expected_.contains(key)) Say("left over", absl::CHexEscape(key));
    }
    for (const std::string& key : expected_) {
      if (!indexes_.contains(key)) Say("missing", absl::CHexEscape(key));
    }
    const Counters counters = use_.counters();
    Same("messages", counters.queued_count, static_cast<int64_t>(messages_.size()));
    Same("recipients", counters.queued_recipient_count, static_cast<int64_t>(recipients_.size()));
    Same("in flight", counters.in_flight_count, in_flight_count_);
    Same("held", counters.held_count, held_count_);
    Same("reports on TLS", counted_tls_reports_, tls_report_count_);
    Same("MTA-STS policies", counted_sts_, sts_count_);
    Same("remembered", counters.remembered_count, remembered_count_);
  }

 private:
  absl::Status Load(absl::string_view key, absl::string_view value) {
    switch (key[0]) {
      case kQueuedKind:
        return Decode(value, messages_[QueuedOfKey(key)]);
      case 'n':
        return Decode(value, recipients_[{QueuedOfKey(key), NumberOfQueuedRecipientKey(key)}]);
      case kDestinationKind:
        return Decode(value, destinations_[DestinationOfKey(key)]);
      case kSiteKind:
        return Decode(value, sites_[std::string(key.substr(1))]);
      case 'g':
        return Decode(value, attempts_[QueueGrant{QueuedOfKey(key).value}]);
      case 'y': {
        TlsReport report;
        RETURN_IF_ERROR(Decode(value, report));
        expected_.insert(TlsReportDueKey(report.due_time, report.key));
        ++tls_report_count_;
        return absl::OkStatus();
      }
      case 'z': {
        TlsReportCount count;
        RETURN_IF_ERROR(Decode(value, count));
        counted_tls_reports_ = count.count;
        return absl::OkStatus();
      }
      case 'k': {
        StsPolicy policy;
        RETURN_IF_ERROR(Decode(value, policy));
        expected_.insert(StsOrderKey(rules::StsOrder(policy), policy.domain));
        ++sts_count_;
        return absl::OkStatus();
      }
      case 'u': {
        StsCount count;
        RETURN_IF_ERROR(Decode(value, count));
        counted_sts_ = count.count;
        return absl::OkStatus();
      }
      default:
        indexes_.insert(std::string(key));
        return absl::OkStatus();
    }
  }

  void CheckAttempt(QueueGrant grant, const AttemptRecord& attempt) {
    expected_.insert(FlightKey(attempt.lease_number, grant));
    ++found_[attempt.destination].attempt_count;
    ++found_sites_[attempt.site].attempt_count;
    for (const int32_t number : attempt.recipients) {
      const auto kept = recipients_.find({attempt.message, number});
      if (kept == recipients_.end()) continue;
      if (kept->second.last_grant != grant) Say("attempt", "its recipient has another");
      in_attempts_.insert(kept->first);
    }
    if (attempt.recipients.empty()) Say("attempt", "without recipients");
  }

  void CheckRecipient(QueueId id, const rules::QueueRecipient& kept) {
    const QueuedRecipient& recipient = kept.recipient;
    const auto message = messages_.find(id);
    if (message == messages_.end()) return Say("recipient", "without its message");
    ++recipients_of_[id];
    if (recipient.in_flight) ++in_flight_count_;
    if (recipient.held) ++held_count_;
    if (recipient.in_flight != in_attempts_.contains({id, recipient.number}))
      Say("recipient", "in flight or not");
    if (rules::IsFree(recipient)) ++free_of_[id];
    if (const auto mailbox = rules::MailboxOf(recipient.destination); mailbox.has_value()) {
      if (rules::IsFree(recipient))
        expected_.insert(HereKey(recipient.next_attempt_time, id, recipient.number));
      if (mailbox->value != 0) expected_.insert(WaitingCopyKey(id, recipient.number));
      return;
    }
    Found& found = found_[recipient.destination];
    ++found.recipient_count;
    if (!rules::IsFree(recipient)) return;
    const std::string ready =
        ReadyKey(recipient.destination, rules::LaneOf(message->second.entry.lane), id, recipient.number);
    const std::string waiting =
        WaitingKey(recipient.destination, recipient.next_attempt_time, id, recipient.number);
    const bool is_ready = indexes_.contains(ready);
    ++(is_ready ? found.ready_count : found.waiting_count);
    expected_.insert(is_ready ? ready : waiting);
  }

  void CheckMessage(QueueId id, const QueuedRecord& message) {
    Same("recipients of a message", message.recipient_count, recipients_of_[id]);
    Same("free ones", message.free_count, free_of_[id]);
    if (message.recipient_count == 0) Say("message", "without recipients");
    const absl::Time event = rules::EventTime(message.entry);
    if (message.free_count > 0 && event != absl::InfiniteFuture()) expected_.insert(EventKey(event, id));
  }

  void CheckDestination(const std::string& name, const DestinationRecord& record) {
    const Found& found = found_[name];
    Same("recipients of a destination", record.destination.recipient_count, found.recipient_count);
    Same("ready ones", record.ready_count, found.ready_count);
    Same("waiting ones", record.waiting_count, found.waiting_count);
    Same("attempts", record.destination.in_flight_count, found.attempt_count);
    const rules::Destination& destination = record.destination;
    if (found.recipient_count + found.attempt_count == 0 && destination.site.empty())
      Say("destination", "of nothing");
    if (rules::IsRemembered(destination)) {
      ++remembered_count_;
      expected_.insert(RememberedKey(destination.site_until, name));
    }
    const std::string site_name = rules::SiteNameOf(name, destination);
    FoundSite& site = found_sites_[site_name];
    ++site.destination_count;
    site.waiting_since = std::min(site.waiting_since, destination.waiting_since);
    if ((destination.waiting_since != absl::InfiniteFuture()) !=
        (record.ready_count + record.waiting_count > 0)) {
      Say("destination", "waits or not");
    }
    if (destination.waiting_since != absl::InfiniteFuture()) {
      expected_.insert(PlaceKey(site_name, destination.waiting_since, name));
    }
  }

  void CheckSite(const std::string& name, const SiteRecord& record) {
    const FoundSite& found = found_sites_[name];
    Same("destinations of a site", record.site.destination_count, found.destination_count);
    Same("attempts of a site", record.site.in_flight_count, found.attempt_count);
    if (record.site.waiting_since != found.waiting_since) Say("site", "waits since another time");
    if (found.destination_count + found.attempt_count == 0) Say("site", "of nothing");
    if (record.due_time != rules::DueTime(record.site, policy_)) Say("site", "due at another time");
    if (record.due_time != absl::InfiniteFuture()) expected_.insert(DueKey(record.due_time, name));
  }

  void Same(absl::string_view what, int64_t counted, int64_t found) {
    if (counted != found) Say(what, absl::StrCat(counted, " are counted, and ", found, " there"));
  }
  void Say(absl::string_view what, absl::string_view problem) {
    absl::StrAppend(&problems_, "queue: ", what, ": ", problem, "\n");
  }

  const Database::Use& use_;
  const rules::QueuePolicy& policy_;
  std::string& problems_;
  std::map<QueueId, QueuedRecord> messages_;
  std::map<std::pair<QueueId, int32_t>, rules::QueueRecipient> recipients_;
  std::map<std::string, DestinationRecord> destinations_;
  std::map<std::string, SiteRecord> sites_;
  std::map<QueueGrant, AttemptRecord> attempts_;
  int64_t tls_report_count_ = 0;
  int64_t counted_tls_reports_ = 0;
  int64_t sts_count_ = 0;
  int64_t counted_sts_ = 0;
  std::set<std::string> indexes_;
  // What the records say that there must be in them.
  std::set<std::string> expected_;
  std::map<std::string, Found> found_;
  std::map<std::string, FoundSite> found_sites_;
  std::map<QueueId, int64_t> recipients_of_;
  std::map<QueueId, int64_t> free_of_;
  std::set<std::pair<QueueId, int32_t>> in_attempts_;
  int64_t in_flight_count_ = 0;
  int64_t held_count_ = 0;
  int64_t remembered_count_ = 0;
};

}  // namespace

void CheckQueue(const Database::Use& use, const rules::QueuePolicy& policy,
                std::map<int64_t, int64_t>& entries_of_body, std::string& problems) {
  Check(use, policy, problems).Run(entries_of_body);
}

}  // namespace mailstead::engine
