// Webhooks, and the events of theirs that wait or were given up: a record for each, and one of how far a webhook has got, which
// is written with each report.
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/records.h"
#include "stored/rules/directory.h"
#include "stored/rules/webhook.h"

namespace mailstead::engine {
namespace {

constexpr Family kFamily = Family::kMeta;
using State = Webhook::State;

// What one Delete takes away.
constexpr size_t kDeletedAtOnce = 1000;

// Also one that is being removed.
absl::StatusOr<KeptWebhook> FindAny(const Source& source, const std::string& id) {
  ASSIGN_OR_RETURN(auto webhook, FindRecord<Webhook>(source, kFamily, WebhookKey(kWebhookPrefix, id)));
  if (!webhook.has_value()) return rules::NoWebhook(id);
  ASSIGN_OR_RETURN(auto progress,
                   FindRecord<WebhookProgress>(source, kFamily, WebhookKey(kWebhookProgressPrefix, id)));
  if (!progress.has_value()) return absl::DataLossError("a webhook has no place in the feed");
  return KeptWebhook{*std::move(webhook), *std::move(progress)};
}

absl::StatusOr<KeptWebhook> FindPresent(const Source& source, const std::string& id) {
  ASSIGN_OR_RETURN(KeptWebhook kept, FindAny(source, id));
  if (kept.webhook.state == State::kRemoved) return rules::NoWebhook(id);
  return kept;
}

// Writes what has changed.
void Keep(Batch& batch, const KeptWebhook& before, const KeptWebhook& after) {
  const std::string& id = after.webhook.id;
  if (!(after.webhook == before.webhook))
    batch.Put(kFamily, WebhookKey(kWebhookPrefix, id), Encode(after.webhook));
  batch.Put(kFamily, WebhookKey(kWebhookProgressPrefix, id), Encode(after.progress));
}

absl::StatusOr<WebhookLane> LaneOf(Batch& batch, const std::string& id, AccountId account) {
  WebhookLane lane{account, absl::InfiniteFuture()};
  const std::string prefix = WaitingEventsPrefix(id, account);
  RETURN_IF_ERROR(batch.Scan(kFamily, prefix, PrefixEnd(prefix),
                             [&](absl::string_view, absl::string_view value) -> absl::StatusOr<bool> {
                               WebhookEvent first;
                               RETURN_IF_ERROR(Decode(value, first));
                               lane.time = first.time;
                               return false;
                             }));
  return lane;
}

absl::Status DropOldDead(Batch& batch, absl::Time now, KeptWebhook& kept) {
  const std::string prefix = DeadEventsPrefix(kept.webhook.id);
  std::vector<std::string> old;
  RETURN_IF_ERROR(batch.Scan(kFamily, prefix, PrefixEnd(prefix),
                             [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                               WebhookEvent oldest;
                               RETURN_IF_ERROR(Decode(value, oldest));
                               const int64_t left =
                                   kept.progress.dead_count - static_cast<int64_t>(old.size());
                               if (!rules::IsDeadEventToGo(oldest, left, now)) return false;
                               old.emplace_back(key);
                               return true;
                             }));
  for (const std::string& key : old) batch.Delete(kFamily, key);
  kept.progress.dead_count -= static_cast<int64_t>(old.size());
  kept.progress.dropped_count += static_cast<int64_t>(old.size());
  return absl::OkStatus();
}

absl::Status Apply(Batch& batch, const WebhookOutcome& outcome, absl::Time now, KeptWebhook& kept) {
  const std::string& id = kept.webhook.id;
  const std::string place = WaitingEventKey(id, outcome.account, outcome.at);
  ASSIGN_OR_RETURN(const auto waiting, FindRecord<WebhookEvent>(batch, kFamily, place));
  const rules::WebhookChange change = rules::Decide(waiting, outcome, now, kept);
  using Kind = rules::WebhookChange::Kind;
  if (change.kind == Kind::kNone) return absl::OkStatus();
  if (change.kind == Kind::kWait) {
    batch.Put(kFamily, place, Encode(change.event));
    return absl::OkStatus();
  }
  if (waiting.has_value()) batch.Delete(kFamily, place);
  if (change.kind != Kind::kDie) return absl::OkStatus();
  batch.Put(kFamily, DeadEventKey(id, outcome.at), Encode(change.event));
  return DropOldDead(batch, now, kept);
}

class ReportChange final : public Change {
 public:
  ReportChange(const WebhookReport& report, absl::Time now) : report_(report), now_(now) {}

  absl::Status Apply(Batch& batch) override {
    ASSIGN_OR_RETURN(const KeptWebhook before, FindPresent(batch, report_.id));
    KeptWebhook kept = before;
    RETURN_IF_ERROR(rules::BeginReport(report_, now_, kept));
    std::set<AccountId> accounts;
    for (const WebhookOutcome& outcome : report_.outcomes) {
      RETURN_IF_ERROR(engine::Apply(batch, outcome, now_, kept));
      accounts.insert(outcome.account);
    }
    if (kept.progress.waiting_count > kMaxWaitingEvents) return rules::TooMuchWaits(report_.id);
    Keep(batch, before, kept);
    reported_.lanes.clear();
    for (const AccountId account : accounts) {
      ASSIGN_OR_RETURN(reported_.lanes.emplace_back(), LaneOf(batch, report_.id, account));
    }
    reported_.progress = std::move(kept.progress);
    return absl::OkStatus();
  }
  size_t record_count() const override { return 4 + 3 * report_.outcomes.size(); }
  size_t size_bytes() const override {
    size_t bytes = 0;
    for (const WebhookOutcome& outcome : report_.outcomes) bytes += sizeof(outcome) + outcome.event.size();
    return bytes;
  }
  WebhookReported Take() { return std::move(reported_); }

 private:
  const WebhookReport& report_;
  const absl::Time now_;
  WebhookReported reported_;
};

template <typename Visit>
Task<absl::StatusOr<std::vector<WebhookEvent>>> ReadEvents(RocksDbShared& shared, std::string id,
                                                           std::string first, std::string prefix,
                                                           Visit wanted) {
  const auto read = [&](const Database::Use& use) -> absl::StatusOr<std::vector<WebhookEvent>> {
    RETURN_IF_ERROR(FindPresent(use, id).status());
    std::vector<WebhookEvent> events;
    RETURN_IF_ERROR(Scan(use, kFamily, first, PrefixEnd(prefix),
                         [&](absl::string_view, absl::string_view value) -> absl::StatusOr<bool> {
                           if (!wanted(events.size())) return false;
                           RETURN_IF_ERROR(Decode(value, events.emplace_back()));
                           return true;
                         }));
    return events;
  };
  co_return co_await shared.OnDisk(read);
}

}  // namespace

template <typename Change>
Task<absl::StatusOr<KeptWebhook>> RocksDbWebhooks::Move(std::string id, Change change) {
  KeptWebhook kept;
  const auto apply = [&](Batch& batch) -> absl::Status {
    ASSIGN_OR_RETURN(const KeptWebhook before, FindPresent(batch, id));
    kept = before;
    ASSIGN_OR_RETURN(const bool changed, change(batch, kept));
    if (changed) Keep(batch, before, kept);
    return absl::OkStatus();
  };
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(apply, /*sync=*/true));
  co_return kept;
}

Task<absl::StatusOr<std::vector<KeptWebhook>>> RocksDbWebhooks::List() {
  const auto read = [](const Database::Use& use) -> absl::StatusOr<std::vector<KeptWebhook>> {
    std::vector<KeptWebhook> all;
    RETURN_IF_ERROR(Scan(use, kFamily, kWebhookPrefix, PrefixEnd(kWebhookPrefix),
                         [&](absl::string_view, absl::string_view value) -> absl::StatusOr<bool> {
                           Webhook webhook;
                           RETURN_IF_ERROR(Decode(value, webhook));
                           absl::StatusOr<KeptWebhook> kept = FindAny(use, webhook.id);
                           // It went meanwhile.
                           if (absl::IsNotFound(kept.status())) return true;
                           RETURN_IF_ERROR(kept.status());
                           all.push_back(*std::move(kept));
                           return true;
                         }));
    return all;
  };
  co_return co_await shared_.InMemoryFirst(read);
}

Task<absl::StatusOr<KeptWebhook>> RocksDbWebhooks::Find(std::string id) {
  const auto read = [&id](const Database::Use& use) { return FindPresent(use, id); };
  co_return co_await shared_.InMemoryFirst(read);
}

Task<absl::Status> RocksDbWebhooks::Create(KeptWebhook webhook) {
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  const auto apply = [&](Batch& batch) -> absl::Status {
    ASSIGN_OR_RETURN(const size_t count, batch.CountPrefix(kFamily, kWebhookPrefix, kMaxWebhooks));
    if (count >= kMaxWebhooks) return rules::TooManyWebhooks(kMaxWebhooks);
    Keep(batch, KeptWebhook(), webhook);
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/true);
}

Task<absl::StatusOr<KeptWebhook>> RocksDbWebhooks::Update(WebhookUpdate update) {
  const auto change = [&update](Batch&, KeptWebhook& kept) -> absl::StatusOr<bool> {
    RETURN_IF_ERROR(rules::Update(update, kept));
    return true;
  };
  co_return co_await Move(update.id, change);
}

Task<absl::StatusOr<KeptWebhook>> RocksDbWebhooks::Reset(std::string id, int64_t expected_version,
                                                         ChangeCursor cursor, std::string incarnation) {
  const auto change = [&](Batch&, KeptWebhook& kept) -> absl::StatusOr<bool> {
    RETURN_IF_ERROR(rules::CheckVersion(expected_version, kept.webhook.version));
    kept.progress.cursor = cursor;
    kept.progress.incarnation = incarnation;
    kept.progress.lease_id.clear();
    kept.progress.fence = 0;
    return true;
  };
  co_return co_await Move(std::move(id), change);
}

Task<absl::StatusOr<bool>> RocksDbWebhooks::Delete(std::string id, int64_t expected_version) {
  bool more = true;
  const auto apply = [&](Batch& batch) -> absl::Status {
    ASSIGN_OR_RETURN(KeptWebhook kept, FindAny(batch, id));
    more = true;
    if (kept.webhook.state != State::kRemoved) {
      RETURN_IF_ERROR(rules::CheckVersion(expected_version, kept.webhook.version));
      kept.webhook.state = State::kRemoved;
      batch.Put(kFamily, WebhookKey(kWebhookPrefix, id), Encode(kept.webhook));
      return absl::OkStatus();
    }
    std::vector<std::string> keys;
    for (const std::string& prefix : {WaitingEventsPrefix(id), DeadEventsPrefix(id)}) {
      if (keys.size() == kDeletedAtOnce) break;
      RETURN_IF_ERROR(batch.Scan(kFamily, prefix, PrefixEnd(prefix),
                                 [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                                   keys.emplace_back(key);
                                   return keys.size() < kDeletedAtOnce;
                                 }));
    }
    for (const std::string& key : keys) batch.Delete(kFamily, key);
    more = keys.size() == kDeletedAtOnce;
    if (more) return absl::OkStatus();
    for (const absl::string_view prefix : {kWebhookPrefix, kWebhookProgressPrefix}) {
      batch.Delete(kFamily, WebhookKey(prefix, id));
    }
    return absl::OkStatus();
  };
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(apply, /*sync=*/true));
  co_return more;
}

Task<absl::StatusOr<KeptWebhook>> RocksDbWebhooks::Claim(std::string id, std::string lease_id) {
  const auto may = [&](const KeptWebhook& kept) {
    return rules::MayClaim(kept, lease_id, shared_.leases().LiveNumber(kept.progress.lease_id) != 0);
  };
  // Mostly it is as it was.
  CO_ASSIGN_OR_RETURN(const KeptWebhook present, co_await Find(id));
  if (!may(present)) co_return present;
  const auto change = [&](Batch&, KeptWebhook& kept) -> absl::StatusOr<bool> {
    if (!may(kept)) return false;
    kept.progress.lease_id = lease_id;
    kept.progress.fence = shared_.database().NextId();
    return true;
  };
  co_return co_await Move(std::move(id), change);
}

Task<absl::StatusOr<WebhookReported>> RocksDbWebhooks::Report(WebhookReport report, absl::Time now) {
  ReportChange change(report, now);
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(change));
  co_return change.Take();
}

Task<absl::StatusOr<std::vector<WebhookLane>>> RocksDbWebhooks::ListLanes(std::string id, AccountId after,
                                                                          size_t limit) {
  const auto read = [&](const Database::Use& use) -> absl::StatusOr<std::vector<WebhookLane>> {
    RETURN_IF_ERROR(FindPresent(use, id).status());
    std::vector<WebhookLane> lanes;
    // At most kMaxWaitingEvents are there.
    RETURN_IF_ERROR(Scan(use, kFamily, WaitingEventsPrefix(id, AccountId{after.value + 1}),
                         PrefixEnd(WaitingEventsPrefix(id)),
                         [&](absl::string_view, absl::string_view value) -> absl::StatusOr<bool> {
                           WebhookEvent event;
                           RETURN_IF_ERROR(Decode(value, event));
                           if (!lanes.empty() && lanes.back().account == event.account) return true;
                           if (lanes.size() == limit) return false;
                           lanes.push_back({event.account, event.time});
                           return true;
                         }));
    return lanes;
  };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<std::vector<WebhookEvent>>> RocksDbWebhooks::ListWaiting(std::string id,
                                                                             AccountId account,
                                                                             size_t limit) {
  const std::string prefix = WaitingEventsPrefix(id, account);
  const auto wanted = [limit](size_t count) { return count < limit; };
  co_return co_await ReadEvents(shared_, std::move(id), prefix, prefix, wanted);
}

Task<absl::StatusOr<std::vector<WebhookEvent>>> RocksDbWebhooks::ListDead(std::string id, ChangeCursor after,
                                                                          size_t limit) {
  const std::string prefix = DeadEventsPrefix(id);
  const bool from_start = after == ChangeCursor();
  const std::string first = from_start ? prefix : DeadEventKey(id, after) + std::string(1, '\0');
  const auto wanted = [limit](size_t count) { return count < limit; };
  co_return co_await ReadEvents(shared_, std::move(id), first, prefix, wanted);
}

Task<absl::StatusOr<int64_t>> RocksDbWebhooks::Revive(std::string id, std::vector<ChangeCursor> dead,
                                                      absl::Time now) {
  int64_t count = 0;
  const auto change = [&](Batch& batch, KeptWebhook& kept) -> absl::StatusOr<bool> {
    WebhookProgress& progress = kept.progress;
    if (progress.waiting_count + static_cast<int64_t>(dead.size()) > kMaxWaitingEvents) {
      return rules::TooMuchWaits(id);
    }
    count = 0;
    for (const ChangeCursor& at : dead) {
      const std::string place = DeadEventKey(id, at);
      ASSIGN_OR_RETURN(auto event, FindRecord<WebhookEvent>(batch, kFamily, place));
      if (!event.has_value()) continue;
      batch.Delete(kFamily, place);
      batch.Put(kFamily, WaitingEventKey(id, event->account, at), Encode(rules::Revived(*event, now)));
      ++count;
    }
    progress.dead_count -= count;
    progress.waiting_count += count;
    if (count > 0) ++progress.revision;
    return count > 0;
  };
  const absl::StatusOr<KeptWebhook> moved = co_await Move(id, change);
  if (!moved.ok()) co_return moved.status();
  co_return count;
}

Task<absl::Status> RocksDbWebhooks::Add(std::string id, WebhookEvent test) {
  const auto change = [&](Batch& batch, KeptWebhook& kept) -> absl::StatusOr<bool> {
    WebhookProgress& progress = kept.progress;
    if (progress.waiting_count >= kMaxWaitingEvents) return rules::TooMuchWaits(id);
    // One more for each, so that no two have a place.
    test.at = {0, MessageId{++progress.revision}};
    ++progress.waiting_count;
    batch.Put(kFamily, WaitingEventKey(id, test.account, test.at), Encode(test));
    return true;
  };
  const absl::StatusOr<KeptWebhook> moved = co_await Move(id, change);
  co_return moved.status();
}

}  // namespace mailstead::engine
