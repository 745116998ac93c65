// Webhooks, and the events of theirs that wait or were given up.
#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "common/base/status.h"
#include "stored/engine/memory/engine_impl.h"
#include "stored/rules/directory.h"
#include "stored/rules/webhook.h"

namespace mailstead::engine {
namespace {

using State = Webhook::State;

// What one Delete takes away.
constexpr size_t kDeletedAtOnce = 1000;

WebhookLane LaneOf(const KeptHook& hook, AccountId account) {
  const auto first = hook.waiting.lower_bound({account, ChangeCursor()});
  if (first == hook.waiting.end() || first->first.first != account) return {account, absl::InfiniteFuture()};
  return {account, first->second.time};
}

void DropOldDead(KeptHook& hook, absl::Time now) {
  while (!hook.dead.empty() &&
         rules::IsDeadEventToGo(hook.dead.begin()->second, hook.kept.progress.dead_count, now)) {
    hook.dead.erase(hook.dead.begin());
    --hook.kept.progress.dead_count;
    ++hook.kept.progress.dropped_count;
  }
}

void Apply(KeptHook& hook, const WebhookOutcome& outcome, absl::Time now) {
  const std::pair<AccountId, ChangeCursor> place(outcome.account, outcome.at);
  const auto present = hook.waiting.find(place);
  std::optional<WebhookEvent> waiting;
  if (present != hook.waiting.end()) waiting = present->second;
  rules::WebhookChange change = rules::Decide(waiting, outcome, now, hook.kept);
  using Kind = rules::WebhookChange::Kind;
  if (change.kind == Kind::kNone) return;
  if (change.kind == Kind::kWait) {
    hook.waiting.insert_or_assign(place, std::move(change.event));
    return;
  }
  hook.waiting.erase(place);
  if (change.kind != Kind::kDie) return;
  hook.dead.insert_or_assign(outcome.at, std::move(change.event));
  DropOldDead(hook, now);
}

}  // namespace

template <typename Act>
auto MemoryWebhooks::With(const std::string& id, Act act) -> std::invoke_result_t<Act&, KeptHook&> {
  MemoryStore::State& state = shared_.state();
  absl::MutexLock lock(&state.mutex);
  const auto found = state.webhooks.find(id);
  if (found == state.webhooks.end() || found->second.kept.webhook.state == State::kRemoved) {
    return rules::NoWebhook(id);
  }
  return act(found->second);
}

Task<absl::StatusOr<std::vector<KeptWebhook>>> MemoryWebhooks::List() {
  std::vector<KeptWebhook> all;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    for (const auto& [id, hook] : state.webhooks) all.push_back(hook.kept);
  }
  co_await shared_.End();
  co_return all;
}

Task<absl::StatusOr<KeptWebhook>> MemoryWebhooks::Find(std::string id) {
  const auto read = [](KeptHook& hook) -> absl::StatusOr<KeptWebhook> { return hook.kept; };
  absl::StatusOr<KeptWebhook> found = With(id, read);
  co_await shared_.End();
  co_return found;
}

Task<absl::Status> MemoryWebhooks::Create(KeptWebhook webhook) {
  absl::Status created;
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    if (state.webhooks.size() >= kMaxWebhooks) {
      created = rules::TooManyWebhooks(kMaxWebhooks);
    } else {
      const std::string id = webhook.webhook.id;
      state.webhooks[id].kept = std::move(webhook);
    }
  }
  co_await shared_.End();
  co_return created;
}

Task<absl::StatusOr<KeptWebhook>> MemoryWebhooks::Update(WebhookUpdate update) {
  const auto change = [&update](KeptHook& hook) -> absl::StatusOr<KeptWebhook> {
    RETURN_IF_ERROR(rules::Update(update, hook.kept));
    return hook.kept;
  };
  absl::StatusOr<KeptWebhook> kept = With(update.id, change);
  co_await shared_.End();
  co_return kept;
}

Task<absl::StatusOr<KeptWebhook>> MemoryWebhooks::Reset(std::string id, int64_t expected_version,
                                                        ChangeCursor cursor, std::string incarnation) {
  const auto set = [&](KeptHook& hook) -> absl::StatusOr<KeptWebhook> {
    RETURN_IF_ERROR(rules::CheckVersion(expected_version, hook.kept.webhook.version));
    hook.kept.progress.cursor = cursor;
    hook.kept.progress.incarnation = incarnation;
    hook.kept.progress.lease_id.clear();
    hook.kept.progress.fence = 0;
    return hook.kept;
  };
  absl::StatusOr<KeptWebhook> kept = With(id, set);
  co_await shared_.End();
  co_return kept;
}

Task<absl::StatusOr<bool>> MemoryWebhooks::Delete(std::string id, int64_t expected_version) {
  absl::StatusOr<bool> more = rules::NoWebhook(id);
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto found = state.webhooks.find(id);
    if (found != state.webhooks.end() && found->second.kept.webhook.state != State::kRemoved) {
      Webhook& webhook = found->second.kept.webhook;
      const absl::Status as_expected = rules::CheckVersion(expected_version, webhook.version);
      if (as_expected.ok()) webhook.state = State::kRemoved;
      more = as_expected.ok() ? absl::StatusOr<bool>(true) : as_expected;
    } else if (found != state.webhooks.end()) {
      KeptHook& hook = found->second;
      size_t left = kDeletedAtOnce;
      for (; left > 0 && !hook.waiting.empty(); --left) hook.waiting.erase(hook.waiting.begin());
      for (; left > 0 && !hook.dead.empty(); --left) hook.dead.erase(hook.dead.begin());
      more = left == 0;
      if (left > 0) state.webhooks.erase(found);
    }
  }
  co_await shared_.End();
  co_return more;
}

Task<absl::StatusOr<KeptWebhook>> MemoryWebhooks::Claim(std::string id, std::string lease_id) {
  absl::StatusOr<KeptWebhook> kept = rules::NoWebhook(id);
  {
    MemoryStore::State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto found = state.webhooks.find(id);
    if (found != state.webhooks.end() && found->second.kept.webhook.state != State::kRemoved) {
      KeptWebhook& present = found->second.kept;
      const bool lives = shared_.LiveNumber(present.progress.lease_id) != 0;
      if (rules::MayClaim(present, lease_id, lives)) {
        present.progress.lease_id = lease_id;
        present.progress.fence = state.next_number++;
      }
      kept = present;
    }
  }
  co_await shared_.End();
  co_return kept;
}

Task<absl::StatusOr<WebhookReported>> MemoryWebhooks::Report(WebhookReport report, absl::Time now) {
  const auto apply = [&](KeptHook& hook) -> absl::StatusOr<WebhookReported> {
    KeptHook changed = hook;
    RETURN_IF_ERROR(rules::BeginReport(report, now, changed.kept));
    std::set<AccountId> accounts;
    for (const WebhookOutcome& outcome : report.outcomes) {
      Apply(changed, outcome, now);
      accounts.insert(outcome.account);
    }
    if (changed.kept.progress.waiting_count > kMaxWaitingEvents) return rules::TooMuchWaits(report.id);
    hook = std::move(changed);
    WebhookReported reported{hook.kept.progress, {}};
    for (const AccountId account : accounts) reported.lanes.push_back(LaneOf(hook, account));
    return reported;
  };
  absl::StatusOr<WebhookReported> reported = With(report.id, apply);
  co_await shared_.End();
  co_return reported;
}

Task<absl::StatusOr<std::vector<WebhookLane>>> MemoryWebhooks::ListLanes(std::string id, AccountId after,
                                                                         size_t limit) {
  const auto read = [&](KeptHook& hook) -> absl::StatusOr<std::vector<WebhookLane>> {
    std::vector<WebhookLane> lanes;
    for (const auto& [place, event] : hook.waiting) {
      if (place.first <= after || (!lanes.empty() && lanes.back().account == place.first)) continue;
      if (lanes.size() == limit) break;
      lanes.push_back({place.first, event.time});
    }
    return lanes;
  };
  absl::StatusOr<std::vector<WebhookLane>> lanes = With(id, read);
  co_await shared_.End();
  co_return lanes;
}

Task<absl::StatusOr<std::vector<WebhookEvent>>> MemoryWebhooks::ListWaiting(std::string id, AccountId account,
                                                                            size_t limit) {
  const auto read = [&](KeptHook& hook) -> absl::StatusOr<std::vector<WebhookEvent>> {
    std::vector<WebhookEvent> events;
    auto it = hook.waiting.lower_bound({account, ChangeCursor()});
    for (; it != hook.waiting.end() && it->first.first == account && events.size() < limit; ++it) {
      events.push_back(it->second);
    }
    return events;
  };
  absl::StatusOr<std::vector<WebhookEvent>> events = With(id, read);
  co_await shared_.End();
  co_return events;
}

Task<absl::StatusOr<std::vector<WebhookEvent>>> MemoryWebhooks::ListDead(std::string id, ChangeCursor after,
                                                                         size_t limit) {
  const auto read = [&](KeptHook& hook) -> absl::StatusOr<std::vector<WebhookEvent>> {
    std::vector<WebhookEvent> events;
    for (auto it = hook.dead.upper_bound(after); it != hook.dead.end() && events.size() < limit; ++it) {
      events.push_back(it->second);
    }
    return events;
  };
  absl::StatusOr<std::vector<WebhookEvent>> events = With(id, read);
  co_await shared_.End();
  co_return events;
}

Task<absl::StatusOr<int64_t>> MemoryWebhooks::Revive(std::string id, std::vector<ChangeCursor> dead,
                                                     absl::Time now) {
  const auto revive = [&](KeptHook& hook) -> absl::StatusOr<int64_t> {
    WebhookProgress& progress = hook.kept.progress;
    if (progress.waiting_count + static_cast<int64_t>(dead.size()) > kMaxWaitingEvents) {
      return rules::TooMuchWaits(id);
    }
    int64_t count = 0;
    for (const ChangeCursor& at : dead) {
      const auto found = hook.dead.find(at);
      if (found == hook.dead.end()) continue;
      WebhookEvent event = rules::Revived(std::move(found->second), now);
      hook.dead.erase(found);
      hook.waiting.insert_or_assign({event.account, at}, event);
      --progress.dead_count;
      ++progress.waiting_count;
      ++count;
    }
    if (count > 0) ++progress.revision;
    return count;
  };
  absl::StatusOr<int64_t> count = With(id, revive);
  co_await shared_.End();
  co_return count;
}

Task<absl::Status> MemoryWebhooks::Add(std::string id, WebhookEvent test) {
  const auto add = [&](KeptHook& hook) -> absl::Status {
    WebhookProgress& progress = hook.kept.progress;
    if (progress.waiting_count >= kMaxWaitingEvents) return rules::TooMuchWaits(id);
    // One more for each, so that no two have a place.
    test.at = {0, MessageId{++progress.revision}};
    ++progress.waiting_count;
    hook.waiting.insert_or_assign({test.account, test.at}, std::move(test));
    return absl::OkStatus();
  };
  absl::Status added = With(id, add);
  co_await shared_.End();
  co_return added;
}

}  // namespace mailstead::engine
