// Mail on its way to other hosts. Nothing is indexed: what a verb needs is looked for in the whole queue.
#include <algorithm>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/functional/function_ref.h"
#include "common/base/status.h"
#include "stored/engine/memory/engine_impl.h"
#include "stored/rules/lane.h"
#include "stored/rules/room.h"
#include "stored/rules/submission.h"
#include "stored/rules/times.h"

namespace mailstead::engine {
namespace {

using State = MemoryStore::State;

absl::Status NoMessage() { return absl::NotFoundError("no such message in the queue"); }

// One verb's changes of the queue. Under the state's mutex.
class Step {
 public:
  explicit Step(MemoryShared& shared)
      : shared_(shared), queue_(shared.state().queue), now_(rules::Kept(shared.Now())) {}

  std::vector<QueueAttempt> Lease(const QueueLeaseRequest& request, int64_t lease_number);
  // `tell`: whether what is said of it in notices is so.
  QueueChange Report(const QueueReport& report, bool& tell);
  QueueChange Decide(const QueueDecision& decision, bool has_notices, bool& tell);
  size_t TakeBack(size_t limit);
  absl::StatusOr<std::vector<DeliveredHere>> DeliverHere(size_t limit);
  // What all of them do at their end: of destinations that nothing waits under, and of those and sites that are done with.
  void Finish();

 private:
  const rules::QueuePolicy& policy() const { return shared_.queue_policy(); }
  rules::QueueRecipient* Find(QueueId message, int32_t number);
  // Its first waiting recipient's time.
  absl::Time FirstTime(const std::string& destination) const;
  QueueAttempt BeginAttempt(const QueueLeaseRequest& request, int64_t lease_number, const std::string& name);
  bool HasReady(const std::string& destination) const { return FirstTime(destination) <= now_; }
  // Their attempt has ended: they wait for their time.
  void PutBack(const KeptAttempt& attempt, const std::vector<int32_t>& numbers);
  // `seen`: what its report says; null: its lease has ended.
  void EndAttempt(std::map<QueueGrant, KeptAttempt>::iterator attempt, const QueueReport* seen);
  void Observe(const KeptAttempt& attempt, const QueueReport& seen);
  // It does not wait for a site that is away any longer, nor for its own pause: one attempt is made.
  void AskAnew(const std::string& name);
  // Those that have waited for a site longest, where its hosts may be theirs no more.
  void AskStaleAnew(const std::string& site);
  // Destinations that nothing waits for: those whose time is over, and those that are too many.
  void Forget();
  rules::Site& SiteOf(const std::string& name) {
    return queue_.sites[rules::SiteNameOf(name, queue_.destinations.at(name))];
  }
  // Destinations of a site for which something waits, the one that has waited longest first.
  std::vector<std::pair<absl::Time, std::string>> PlacesOf(const std::string& site) const;
  void EndRecipient(QueueId message, int32_t number, SubmissionOutcome outcome, QueueChange& change);
  // Of a submission's message, for the change feed.
  void NoteNews(const rules::QueueEntry& entry, SubmissionNews news) {
    engine::NoteNews(shared_, rules::AccountOfLane(entry.lane).value_or(AccountId()), std::move(news));
  }
  // Those that wait for mailboxes here with times between these, in their order; at most `limit`.
  std::vector<std::tuple<absl::Time, QueueId, int32_t>> WaitingHere(absl::Time first, absl::Time last,
                                                                    size_t limit) const;
  absl::StatusOr<DeliveredHere> TryHere(QueueId id, int32_t number);

  MemoryShared& shared_;
  KeptQueue& queue_;
  const absl::Time now_;
  // Whose hosts were tried in vain while they were away; empty: none.
  std::string tried_in_vain_;
  // What is remembered for too long is to go.
  bool forgets_ = false;
};

rules::QueueRecipient* Step::Find(QueueId message, int32_t number) {
  const auto it = queue_.messages.find(message);
  if (it == queue_.messages.end()) return nullptr;
  const auto recipient = it->second.recipients.find(number);
  return recipient == it->second.recipients.end() ? nullptr : &recipient->second;
}

absl::Time Step::FirstTime(const std::string& destination) const {
  absl::Time first = absl::InfiniteFuture();
  for (const auto& [id, message] : queue_.messages) {
    for (const auto& [number, kept] : message.recipients) {
      if (kept.recipient.destination != destination || !rules::IsFree(kept.recipient)) continue;
      first = std::min(first, kept.recipient.next_attempt_time);
    }
  }
  return first;
}

std::vector<QueueAttempt> Step::Lease(const QueueLeaseRequest& request, int64_t lease_number) {
  std::vector<QueueAttempt> attempts;
  if (request.recipient_limit == 0) return attempts;
  size_t recipient_count = 0;
  while (attempts.size() < request.attempt_limit && recipient_count < rules::kEnoughLeasedRecipients) {
    // The one that has waited longest.
    std::pair<absl::Time, std::string> first(absl::InfiniteFuture(), "");
    for (auto& [site_name, site] : queue_.sites) {
      const auto places = PlacesOf(site_name);
      site.waiting_since = places.empty() ? absl::InfiniteFuture() : places.front().first;
      first = std::min(first, {rules::DueTime(site, policy()), site_name});
    }
    if (first.first > now_) break;
    const std::string name = PlacesOf(first.second).front().second;
    rules::Destination& destination = queue_.destinations.at(name);
    const rules::Site& site = SiteOf(name);
    for (size_t turn = 0; turn < rules::kAttemptsOfTurn && attempts.size() < request.attempt_limit &&
                          recipient_count < rules::kEnoughLeasedRecipients && HasReady(name) &&
                          rules::FreeAttempts(site, policy(), now_) > 0;
         ++turn) {
      attempts.push_back(BeginAttempt(request, lease_number, name));
      recipient_count += attempts.back().message.recipients.size();
    }
    // Behind the others, if there is more.
    destination.waiting_since = std::max(now_, FirstTime(name));
  }
  return attempts;
}

std::vector<std::pair<absl::Time, std::string>> Step::PlacesOf(const std::string& site) const {
  std::vector<std::pair<absl::Time, std::string>> places;
  for (const auto& [name, destination] : queue_.destinations) {
    const bool waits = destination.waiting_since != absl::InfiniteFuture();
    if (waits && rules::SiteNameOf(name, destination) == site)
      places.emplace_back(destination.waiting_since, name);
  }
  std::sort(places.begin(), places.end());
  return places;
}

QueueAttempt Step::BeginAttempt(const QueueLeaseRequest& request, int64_t lease_number,
                                const std::string& name) {
  // What is ready, in the order in which it goes; the lanes that had their turn are behind the others.
  rules::Destination& destination = queue_.destinations.at(name);
  using Key = std::tuple<bool, uint64_t, int32_t, QueueId>;
  std::map<Key, std::vector<int32_t>> ready;
  for (const auto& [id, message] : queue_.messages) {
    const uint64_t lane = rules::LaneOf(message.entry.lane);
    for (const auto& [number, kept] : message.recipients) {
      const QueuedRecipient& recipient = kept.recipient;
      if (recipient.destination != name || !rules::IsFree(recipient) || recipient.next_attempt_time > now_) {
        continue;
      }
      ready[{lane <= destination.last_lane, lane, rules::TurnOf(number), id}].push_back(number);
    }
  }
  const auto& [key, numbers] = *ready.begin();
  destination.last_lane = std::get<1>(key);
  const QueueId id = std::get<3>(key);

  QueueAttempt attempt;
  attempt.grant = {queue_.next_grant++};
  attempt.destination = name;
  rules::Site& site = SiteOf(name);
  attempt.probe = rules::IsAway(site);
  attempt.tls_broken = rules::IsTlsBroken(site, now_);
  KeptQueued& message = queue_.messages.at(id);
  attempt.message =
      rules::QueuedMessageOf(id, message.entry, static_cast<int64_t>(message.recipients.size()));
  KeptAttempt kept{request.lease_id, lease_number, id, name, rules::SiteNameOf(name, destination), {}};
  const double dice = shared_.ThrowDice();
  for (const int32_t number : numbers) {
    if (kept.recipients.size() == request.recipient_limit) break;
    rules::QueueRecipient& recipient = message.recipients.at(number);
    rules::Begin(recipient, attempt.grant, policy(), now_, dice);
    attempt.message.recipients.push_back(recipient.recipient);
    kept.recipients.push_back(number);
  }
  queue_.attempts[attempt.grant] = std::move(kept);
  ++destination.in_flight_count;
  rules::Begin(site, policy(), now_);
  return attempt;
}

void Step::PutBack(const KeptAttempt& attempt, const std::vector<int32_t>& numbers) {
  for (const int32_t number : numbers) {
    rules::QueueRecipient* kept = Find(attempt.message, number);
    if (kept == nullptr || !kept->recipient.in_flight) continue;
    kept->recipient.in_flight = false;
    rules::AddWaiting(queue_.destinations.at(attempt.destination), kept->recipient.next_attempt_time);
  }
}

void Step::EndAttempt(std::map<QueueGrant, KeptAttempt>::iterator attempt, const QueueReport* seen) {
  --queue_.destinations.at(attempt->second.destination).in_flight_count;
  if (seen == nullptr || (seen->sign == QueueReport::Sign::kNone && seen->site.empty())) {
    rules::End(queue_.sites.at(attempt->second.site), QueueReport::Sign::kNone, policy(), now_);
  } else {
    Observe(attempt->second, *seen);
  }
  queue_.attempts.erase(attempt);
}

void Step::Observe(const KeptAttempt& attempt, const QueueReport& seen) {
  rules::Destination& destination = queue_.destinations.at(attempt.destination);
  // Empty: they could not be found out.
  if (seen.site.empty()) {
    rules::Unlearn(destination);
  } else {
    rules::Learn(destination, seen.site, policy(), now_);
  }
  const std::string found = rules::SiteNameOf(attempt.destination, destination);
  rules::Site& begun = queue_.sites.at(attempt.site);
  if (found == attempt.site) {
    const bool was_away = rules::IsAway(begun);
    rules::End(begun, seen.sign, policy(), now_);
    rules::NoteTls(begun, seen.tls, now_);
    const bool in_vain = was_away && seen.sign == QueueReport::Sign::kUnreachable;
    if (in_vain && !rules::IsOwnSite(found)) tried_in_vain_ = found;
    return;
  }
  rules::End(begun, QueueReport::Sign::kNone, policy(), now_);
  // It was to find out whether those hosts are back, and went elsewhere.
  if (begun.in_flight_count == 0) rules::Wake(begun);
  const bool is_new = !queue_.sites.contains(found);
  rules::Site& site = queue_.sites[found];
  if (is_new && rules::IsOwnSite(attempt.site)) site = rules::FoundedOn(begun);
  rules::EndElsewhere(site, seen.sign, policy(), now_);
  rules::NoteTls(site, seen.tls, now_);
}

void Step::AskAnew(const std::string& name) {
  const rules::Site site = SiteOf(name);
  if (!rules::IsAway(site)) return;
  const std::string own_name = rules::OwnSiteName(name);
  const bool is_new = !queue_.sites.contains(own_name);
  rules::Site& own = queue_.sites[own_name];
  if (is_new) own = rules::AskedAnew(site);
  rules::Wake(own);
  rules::Unlearn(queue_.destinations.at(name));
}

void Step::AskStaleAnew(const std::string& site) {
  std::vector<std::pair<absl::Time, std::string>> places = PlacesOf(site);
  places.resize(std::min(places.size(), rules::kMostAskedAnew));
  for (const auto& [time, name] : places) {
    if (rules::IsStale(queue_.destinations.at(name), now_)) AskAnew(name);
  }
}

void Step::Forget() {
  std::set<std::pair<absl::Time, std::string>> remembered;
  for (const auto& [name, destination] : queue_.destinations) {
    if (rules::IsRemembered(destination)) remembered.insert({destination.site_until, name});
  }
  const int64_t too_many = static_cast<int64_t>(remembered.size()) - policy().most_remembered;
  int64_t count = 0;
  for (const auto& [until, name] : remembered) {
    if (until > now_ && count >= too_many) break;
    queue_.destinations.erase(name);
    if (++count == static_cast<int64_t>(rules::kMostForgotten)) break;
  }
}

void Step::EndRecipient(QueueId message, int32_t number, SubmissionOutcome outcome, QueueChange& change) {
  const auto it = queue_.messages.find(message);
  const QueuedRecipient& recipient = it->second.recipients.at(number).recipient;
  const rules::QueueEntry& entry = it->second.entry;
  if (!entry.submission.empty()) NoteNews(entry, rules::NewsOf(entry.submission, recipient, outcome));
  RecordOutcome(shared_, entry, number, std::move(outcome));
  if (!rules::WaitsHere(recipient)) --queue_.destinations.at(recipient.destination).recipient_count;
  it->second.recipients.erase(number);
  it->second.copies.erase(number);
  change.ended.push_back(number);
  if (!it->second.recipients.empty()) return;
  RecordEnd(shared_, it->second.entry);
  queue_.messages.erase(it);
  change.message_ended = true;
}

QueueChange Step::Report(const QueueReport& report, bool& tell) {
  const bool all_failed_count =
      std::all_of(report.outcomes.begin(), report.outcomes.end(), [&](const QueueOutcome& outcome) {
        return outcome.kind != QueueOutcome::Kind::kFailed ||
               rules::Counts(Find(report.message, outcome.number), outcome, report.grant);
      });
  QueueChange change;
  for (const QueueOutcome& outcome : report.outcomes) {
    rules::QueueRecipient* kept = Find(report.message, outcome.number);
    if (!rules::Counts(kept, outcome, report.grant)) continue;
    switch (outcome.kind) {
      case QueueOutcome::Kind::kFailed:
        if (!all_failed_count) continue;
        [[fallthrough]];
      case QueueOutcome::Kind::kDelivered:
        EndRecipient(report.message, outcome.number, rules::OutcomeOf(kept->recipient, outcome), change);
        break;
      case QueueOutcome::Kind::kDeferred:
        rules::Defer(*kept, outcome, now_);
        if (rules::IsFree(kept->recipient)) {
          rules::AddWaiting(queue_.destinations.at(kept->recipient.destination),
                            kept->recipient.next_attempt_time);
        }
        if (const rules::QueueEntry& entry = queue_.messages.at(report.message).entry;
            !entry.submission.empty()) {
          NoteNews(entry, rules::DeferralNews(entry.submission, kept->recipient));
        }
        change.deferred.push_back(outcome.number);
        break;
    }
  }
  const auto attempt = queue_.attempts.find(report.grant);
  if (attempt != queue_.attempts.end() && attempt->second.message == report.message) {
    PutBack(attempt->second, attempt->second.recipients);
    EndAttempt(attempt, &report);
  }
  tell = all_failed_count && !(change.ended.empty() && change.deferred.empty());
  return change;
}

QueueChange Step::Decide(const QueueDecision& decision, bool has_notices, bool& tell) {
  QueueChange change;
  KeptQueued& message = queue_.messages.at(decision.message);
  if (decision.kind == QueueDecision::Kind::kDelayTold) {
    tell = !message.entry.delay_told;
    message.entry.delay_told = true;
    return change;
  }
  std::set<int32_t> named(decision.recipients.begin(), decision.recipients.end());
  if (named.empty()) {
    for (const auto& [number, kept] : message.recipients) named.insert(number);
  }
  std::vector<int32_t> changed;
  for (const int32_t number : named) {
    const rules::QueueRecipient* kept = Find(decision.message, number);
    if (kept != nullptr && rules::Changes(decision.kind, kept->recipient)) changed.push_back(number);
  }
  if (has_notices && changed.size() < named.size()) return change;
  tell = true;
  for (const int32_t number : changed) {
    if (decision.kind == QueueDecision::Kind::kEnd) {
      EndRecipient(decision.message, number,
                   rules::OutcomeOf(Find(decision.message, number)->recipient, decision, now_), change);
      continue;
    }
    rules::QueueRecipient& kept = *Find(decision.message, number);
    rules::Apply(decision.kind, kept, message.entry.not_before, now_);
    if (decision.kind == QueueDecision::Kind::kHold) change.deferred.push_back(number);
    if (rules::WaitsHere(kept.recipient)) continue;
    if (decision.kind == QueueDecision::Kind::kRetry) AskAnew(kept.recipient.destination);
    rules::Destination& destination = queue_.destinations.at(kept.recipient.destination);
    if (rules::IsFree(kept.recipient)) rules::AddWaiting(destination, kept.recipient.next_attempt_time);
  }
  return change;
}

size_t Step::TakeBack(size_t limit) {
  std::vector<std::pair<int64_t, QueueGrant>> ended;
  for (const auto& [grant, attempt] : queue_.attempts) {
    if (shared_.StateOf(attempt.lease_id, attempt.lease_number) != rules::LeaseState::kLive) {
      ended.emplace_back(attempt.lease_number, grant);
    }
  }
  std::sort(ended.begin(), ended.end());
  size_t count = 0;
  for (const auto& [lease, grant] : ended) {
    if (count == limit) break;
    const auto it = queue_.attempts.find(grant);
    std::vector<int32_t>& numbers = it->second.recipients;
    const auto end = numbers.begin() + static_cast<int64_t>(std::min(numbers.size(), limit - count));
    PutBack(it->second, {numbers.begin(), end});
    count += static_cast<size_t>(end - numbers.begin());
    numbers.erase(numbers.begin(), end);
    if (numbers.empty()) EndAttempt(it, nullptr);
  }
  forgets_ = true;
  return count;
}

absl::StatusOr<std::vector<DeliveredHere>> Step::DeliverHere(size_t limit) {
  std::vector<DeliveredHere> delivered;
  for (const auto& [time, id, number] : WaitingHere(absl::InfinitePast(), now_, limit)) {
    ASSIGN_OR_RETURN(DeliveredHere one, TryHere(id, number));
    delivered.push_back(std::move(one));
  }
  const absl::Time later = now_ + absl::Microseconds(1);
  for (const auto& [time, id, number] :
       WaitingHere(later, absl::InfiniteFuture(), rules::kLookedAtForEachTried * limit)) {
    if (delivered.size() == limit) break;
    const KeptQueued& message = queue_.messages.at(id);
    const std::string& destination = message.recipients.at(number).recipient.destination;
    const KeptAccount* const account = shared_.state().Find(*rules::MailboxOf(destination));
    if (!rules::HasRoomEarly(account == nullptr ? nullptr : &account->mailbox, message.entry, now_)) continue;
    ASSIGN_OR_RETURN(DeliveredHere one, TryHere(id, number));
    delivered.push_back(std::move(one));
  }
  return delivered;
}

std::vector<std::tuple<absl::Time, QueueId, int32_t>> Step::WaitingHere(absl::Time first, absl::Time last,
                                                                        size_t limit) const {
  std::vector<std::tuple<absl::Time, QueueId, int32_t>> waiting;
  for (const auto& [id, message] : queue_.messages) {
    for (const auto& [number, kept] : message.recipients) {
      const QueuedRecipient& recipient = kept.recipient;
      const absl::Time time = recipient.next_attempt_time;
      if (!rules::WaitsHere(recipient) || !rules::IsFree(recipient) || time < first || time > last) continue;
      waiting.emplace_back(time, id, number);
    }
  }
  std::sort(waiting.begin(), waiting.end());
  if (waiting.size() > limit) waiting.resize(limit);
  return waiting;
}

absl::StatusOr<DeliveredHere> Step::TryHere(QueueId id, int32_t number) {
  KeptQueued& message = queue_.messages.at(id);
  rules::QueueRecipient& kept = message.recipients.at(number);
  const int64_t recipient_count = static_cast<int64_t>(message.recipients.size());
  DeliveredHere result{std::nullopt, rules::QueuedMessageOf(id, message.entry, recipient_count)};
  KeptAccount* const account = shared_.state().Find(*rules::MailboxOf(kept.recipient.destination));
  result.obstacle = rules::ObstacleOf(account == nullptr ? nullptr : &account->mailbox, message.entry);
  if (result.obstacle.has_value()) {
    rules::PutOff(kept, *result.obstacle, policy(), now_, shared_.ThrowDice());
    result.message.recipients.push_back(kept.recipient);
    return result;
  }
  ASSIGN_OR_RETURN(const MessageId message_id, rules::ChooseMessageId(account->mailbox, std::nullopt));
  rules::Entry entry = std::move(message.copies.at(number));
  entry.deliver_time = now_;
  rules::Add(account->mailbox, message_id, entry.size_bytes());
  account->messages[message_id] = {std::move(entry), message.body};
  FeedChange delivered;
  delivered.account = account->account.id;
  delivered.message = message_id;
  shared_.Note(std::move(delivered));
  result.message.recipients.push_back(kept.recipient);
  QueueChange change;
  EndRecipient(id, number, rules::DeliveredOutcome(result.message.recipients.front(), now_), change);
  return result;
}

void Step::Finish() {
  std::set<std::string> waited_under;
  for (const auto& [id, message] : queue_.messages) {
    for (const auto& [number, kept] : message.recipients) {
      if (rules::IsFree(kept.recipient)) waited_under.insert(kept.recipient.destination);
    }
  }
  for (auto& [name, destination] : queue_.destinations) {
    if (!waited_under.contains(name)) destination.waiting_since = absl::InfiniteFuture();
  }
  if (!tried_in_vain_.empty()) AskStaleAnew(tried_in_vain_);
  std::erase_if(queue_.destinations, [](const auto& named) {
    return rules::IsIdle(named.second) && !rules::IsRemembered(named.second);
  });
  const int64_t remembered_count =
      std::count_if(queue_.destinations.begin(), queue_.destinations.end(),
                    [](const auto& named) { return rules::IsRemembered(named.second); });
  if (forgets_ || remembered_count > policy().most_remembered) Forget();
  for (auto& [name, site] : queue_.sites) site.destination_count = 0;
  for (const auto& [name, destination] : queue_.destinations) ++SiteOf(name).destination_count;
  std::erase_if(queue_.sites, [](const auto& named) {
    return named.second.destination_count == 0 && named.second.in_flight_count == 0;
  });
  ++shared_.state().queue_version;
}

// The store as it was before, for changes that fail behind others. Under the state's mutex.
class Savepoint {
 public:
  explicit Savepoint(State& state)
      : state_(state),
        queue_(state.queue),
        accounts_(state.accounts),
        receipts_(state.receipts),
        submissions_(state.submissions) {}
  void Restore() {
    state_.queue = std::move(queue_);
    state_.accounts = std::move(accounts_);
    state_.receipts = std::move(receipts_);
    state_.submissions = std::move(submissions_);
  }

 private:
  State& state_;
  KeptQueue queue_;
  std::map<AccountId, KeptAccount> accounts_;
  std::map<std::pair<std::string, std::string>, ReceiptAt> receipts_;
  std::map<std::string, KeptSubmission> submissions_;
};

// `change` and the notices of it, or nothing. Under the state's mutex.
absl::StatusOr<QueueChange> WithNotices(MemoryShared& shared, const std::vector<NewNotice>& notices,
                                        absl::FunctionRef<QueueChange(bool& tell)> change) {
  std::optional<Savepoint> before;
  if (!notices.empty()) before.emplace(shared.state());
  bool tell = false;
  const QueueChange changed = change(tell);
  if (!tell) return changed;
  for (const NewNotice& notice : notices) {
    const absl::StatusOr<Receipt> stored = Store(shared, notice.message, notice.content);
    if (stored.ok()) continue;
    before->Restore();
    return stored.status();
  }
  return changed;
}

QueuedMessage Show(QueueId id, const KeptQueued& message, int32_t first, size_t limit, bool only_free) {
  QueuedMessage shown =
      rules::QueuedMessageOf(id, message.entry, static_cast<int64_t>(message.recipients.size()));
  for (auto it = message.recipients.lower_bound(first); it != message.recipients.end(); ++it) {
    if (shown.recipients.size() >= limit) break;
    if (only_free && !rules::IsFree(it->second.recipient)) continue;
    shown.recipients.push_back(it->second.recipient);
  }
  return shown;
}

}  // namespace

QueueId Enqueue(MemoryShared& shared, const NewMessage& message, std::shared_ptr<const KeptBody> body,
                const std::vector<rules::Waiting>& waiting, std::vector<rules::Entry> entries) {
  State& state = shared.state();
  KeptQueue& queue = state.queue;
  const absl::Time now = shared.Now();
  const QueueId id{queue.next_message++};
  KeptQueued& queued = queue.messages[id];
  queued.entry = rules::QueueEntryOf(message, static_cast<int64_t>(body->content.size()), now);
  queued.body = std::move(body);
  const auto add = [&](rules::QueueRecipient kept) {
    if (!rules::WaitsHere(kept.recipient)) {
      rules::Destination& destination = queue.destinations[kept.recipient.destination];
      if (rules::IsIdle(destination) && destination.site.empty()) {
        // A new one.
        ++queue.sites[rules::OwnSiteName(kept.recipient.destination)].destination_count;
      }
      rules::AddWaiting(destination, kept.recipient.next_attempt_time);
      ++destination.recipient_count;
    }
    queued.recipients[kept.recipient.number] = std::move(kept);
  };
  for (size_t i = 0; i < message.queued.recipients.size(); ++i) {
    add(rules::QueueRecipientOf(message, i, now));
  }
  for (size_t i = 0; i < waiting.size(); ++i) {
    const int32_t number = static_cast<int32_t>(message.queued.recipients.size() + i);
    add(rules::WaitingRecipientOf(message, waiting[i], number, shared.queue_policy(), now,
                                  shared.ThrowDice()));
    queued.copies[number] = std::move(entries[i]);
  }
  ++state.queue_version;
  return id;
}

Task<absl::StatusOr<std::vector<QueueAttempt>>> MemoryQueue::Lease(QueueLeaseRequest request) {
  absl::StatusOr<std::vector<QueueAttempt>> attempts = rules::NoLease();
  {
    absl::MutexLock lock(&shared_.state().mutex);
    const int64_t lease_number = shared_.LiveNumber(request.lease_id);
    if (lease_number != 0) {
      Step step(shared_);
      attempts = step.Lease(request, lease_number);
    }
  }
  co_await shared_.End();
  co_return attempts;
}

Task<absl::StatusOr<QueueChange>> MemoryQueue::Report(QueueReport report, std::vector<NewNotice> notices) {
  CO_RETURN_IF_ERROR(rules::Check(report));
  absl::StatusOr<QueueChange> changed = NoMessage();
  {
    absl::MutexLock lock(&shared_.state().mutex);
    changed = WithNotices(shared_, notices, [&](bool& tell) {
      Step step(shared_);
      const QueueChange change = step.Report(report, tell);
      step.Finish();
      return change;
    });
  }
  co_await shared_.End();
  co_return changed;
}

Task<absl::StatusOr<QueueChange>> MemoryQueue::Decide(QueueDecision decision,
                                                      std::vector<NewNotice> notices) {
  CO_RETURN_IF_ERROR(rules::Check(decision, !notices.empty()));
  absl::StatusOr<QueueChange> changed = NoMessage();
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    if (state.queue.messages.contains(decision.message)) {
      changed = WithNotices(shared_, notices, [&](bool& tell) {
        Step step(shared_);
        const QueueChange change = step.Decide(decision, !notices.empty(), tell);
        step.Finish();
        return change;
      });
    }
  }
  co_await shared_.End();
  co_return changed;
}

Task<absl::StatusOr<size_t>> MemoryQueue::TakeBack(size_t limit) {
  size_t count = 0;
  {
    absl::MutexLock lock(&shared_.state().mutex);
    Step step(shared_);
    count = step.TakeBack(limit);
    step.Finish();
  }
  co_await shared_.End();
  co_return count;
}

Task<absl::StatusOr<std::vector<DeliveredHere>>> MemoryQueue::DeliverHere(size_t limit) {
  absl::StatusOr<std::vector<DeliveredHere>> delivered;
  {
    absl::MutexLock lock(&shared_.state().mutex);
    Step step(shared_);
    delivered = step.DeliverHere(limit);
    step.Finish();
  }
  co_await shared_.End();
  co_return delivered;
}

Task<absl::StatusOr<std::vector<QueuedMessage>>> MemoryQueue::Due(size_t limit, size_t recipient_limit) {
  std::vector<QueuedMessage> due;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    std::vector<std::pair<absl::Time, QueueId>> ids;
    for (const auto& [id, message] : state.queue.messages) {
      const absl::Time time = rules::EventTime(message.entry);
      if (time <= shared_.Now()) ids.emplace_back(time, id);
    }
    std::sort(ids.begin(), ids.end());
    for (const auto& [time, id] : ids) {
      if (due.size() >= limit) break;
      const KeptQueued& message = state.queue.messages.at(id);
      if (Show(id, message, 0, 1, /*only_free=*/true).recipients.empty()) continue;
      due.push_back(Show(id, message, 0, recipient_limit, /*only_free=*/true));
    }
  }
  co_await shared_.End();
  co_return due;
}

Task<absl::StatusOr<QueuedMessage>> MemoryQueue::Find(QueueId message, int32_t first,
                                                      size_t recipient_limit) {
  absl::StatusOr<QueuedMessage> found = NoMessage();
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto it = state.queue.messages.find(message);
    if (it != state.queue.messages.end()) found = Show(message, it->second, first, recipient_limit, false);
  }
  co_await shared_.End();
  co_return found;
}

Task<absl::StatusOr<std::vector<QueuedMessage>>> MemoryQueue::List(QueueId after, size_t limit,
                                                                   size_t recipient_limit) {
  std::vector<QueuedMessage> page;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto& messages = state.queue.messages;
    for (auto it = messages.upper_bound(after); it != messages.end() && page.size() < limit; ++it) {
      page.push_back(Show(it->first, it->second, 0, recipient_limit, false));
    }
  }
  co_await shared_.End();
  co_return page;
}

Task<absl::StatusOr<std::vector<QueueDestination>>> MemoryQueue::ListDestinations(std::string after,
                                                                                  size_t limit) {
  std::vector<QueueDestination> page;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto& destinations = state.queue.destinations;
    for (auto it = destinations.upper_bound(after); it != destinations.end() && page.size() < limit; ++it) {
      if (it->second.recipient_count == 0) continue;
      const rules::Site& site = state.queue.sites.at(rules::SiteNameOf(it->first, it->second));
      page.push_back(
          rules::QueueDestinationOf(it->first, it->second, site, shared_.queue_policy(), shared_.Now()));
    }
  }
  co_await shared_.End();
  co_return page;
}

Task<absl::StatusOr<std::unique_ptr<MessageReader>>> MemoryQueue::Open(QueueId message) {
  absl::StatusOr<std::unique_ptr<MessageReader>> reader = NoMessage();
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto it = state.queue.messages.find(message);
    if (it != state.queue.messages.end()) {
      reader = NewMemoryReader(shared_, {it->second.entry.entry, it->second.body});
    }
  }
  co_await shared_.End();
  co_return reader;
}

Task<absl::StatusOr<QueueStatus>> MemoryQueue::Status() {
  QueueStatus status;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    for (const auto& [id, message] : state.queue.messages) {
      if (++status.message_count == 1) status.oldest_time = message.entry.queue_time;
      for (const auto& [number, kept] : message.recipients) {
        ++status.recipient_count;
        if (kept.recipient.in_flight) ++status.in_flight_count;
        if (kept.recipient.held) ++status.held_count;
      }
    }
  }
  co_await shared_.End();
  co_return status;
}

int64_t MemoryQueue::Version() const {
  absl::MutexLock lock(&shared_.state().mutex);
  return shared_.state().queue_version;
}

}  // namespace mailstead::engine
