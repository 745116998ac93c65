#include "stored/engine/rocksdb/queue_step.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "stored/engine/rocksdb/bodies.h"
#include "stored/engine/rocksdb/expiry.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/submission_records.h"
#include "stored/rules/destination.h"
#include "stored/rules/lane.h"
#include "stored/rules/queue.h"
#include "stored/rules/room.h"
#include "stored/rules/submission.h"
#include "stored/rules/times.h"

namespace mailstead::engine {
namespace {

constexpr Family kFamily = Family::kQueue;
// Of one commit: recipients whose time has come that are moved, and of these for one destination each time it is served; and
// destinations that are looked at.
constexpr size_t kMostPromoted = 1000;
constexpr size_t kMostPromotedAtOnce = 250;
constexpr size_t kMostServed = 1000;
// Of a site: its destinations that are found by one walk.
constexpr size_t kMostPlacesAtOnce = 16;

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the queue has ", what, " without its record"));
}

// Whether there is room for one that waits for a mailbox here and is not due. Nothing of it is touched, and so written.
absl::StatusOr<bool> HasRoomEarly(const Batch& batch, QueueId id, int32_t number, absl::Time now) {
  ASSIGN_OR_RETURN(const auto message, FindRecord<QueuedRecord>(batch, kFamily, QueuedKey(id)));
  ASSIGN_OR_RETURN(const auto kept,
                   FindRecord<rules::QueueRecipient>(batch, kFamily, QueuedRecipientKey(id, number)));
  if (!message.has_value() || !kept.has_value()) return Damaged("a recipient that waits for a mailbox here");
  const AccountId account = rules::MailboxOf(kept->recipient.destination).value_or(AccountId{0});
  ASSIGN_OR_RETURN(const auto mailbox,
                   FindRecord<rules::Mailbox>(batch, Family::kMailbox, MailboxKey(account)));
  return rules::HasRoomEarly(mailbox.has_value() ? &*mailbox : nullptr, message->entry, now);
}

// Places of one destination.
bool IsSameTurn(const ReadyPlace& one, const ReadyPlace& other) {
  return one.lane == other.lane && one.turn == other.turn && one.message == other.message;
}

}  // namespace

QueueStep::QueueStep(RocksDbShared& shared, Batch& batch)
    : shared_(shared), batch_(batch), now_(rules::Kept(shared.clock().Now())), promotable_(kMostPromoted) {}

absl::Time QueueStep::EventTime(const QueuedRecord& record) {
  return record.free_count > 0 ? rules::EventTime(record.entry) : absl::InfiniteFuture();
}

absl::StatusOr<QueueStep::Message*> QueueStep::FindMessage(QueueId id) {
  auto it = messages_.find(id);
  if (it == messages_.end()) {
    ASSIGN_OR_RETURN(auto record, FindRecord<QueuedRecord>(batch_, kFamily, QueuedKey(id)));
    std::optional<Message> message;
    if (record.has_value()) {
      const absl::Time event_time = EventTime(*record);
      message = Message{*std::move(record), event_time};
    }
    it = messages_.emplace(id, std::move(message)).first;
  }
  return it->second.has_value() && !it->second->ended ? &*it->second : nullptr;
}

absl::StatusOr<QueueStep::Destination*> QueueStep::FindDestination(const std::string& name) {
  auto it = destinations_.find(name);
  if (it == destinations_.end()) {
    ASSIGN_OR_RETURN(auto record, FindRecord<DestinationRecord>(batch_, kFamily, DestinationKey(name)));
    Destination destination;
    if (record.has_value()) {
      destination.record = *std::move(record);
      const rules::Destination& kept = destination.record.destination;
      destination.placed_site = rules::SiteNameOf(name, kept);
      destination.placed_time = kept.waiting_since;
      if (rules::IsRemembered(kept)) destination.remembered_until = kept.site_until;
    }
    it = destinations_.emplace(name, std::move(destination)).first;
  }
  return &it->second;
}

absl::StatusOr<QueueStep::Site*> QueueStep::FindSite(const std::string& name) {
  auto it = sites_.find(name);
  if (it == sites_.end()) {
    ASSIGN_OR_RETURN(auto record, FindRecord<SiteRecord>(batch_, kFamily, SiteKey(name)));
    Site site;
    site.is_new = !record.has_value();
    if (record.has_value()) site.record = *record;
    it = sites_.emplace(name, std::move(site)).first;
  }
  return &it->second;
}

absl::StatusOr<std::optional<rules::QueueRecipient>> QueueStep::FindRecipient(QueueId id,
                                                                              int32_t number) const {
  return FindRecord<rules::QueueRecipient>(batch_, kFamily, QueuedRecipientKey(id, number));
}

void QueueStep::PutRecipient(QueueId id, const rules::QueueRecipient& kept) {
  batch_.Put(kFamily, QueuedRecipientKey(id, kept.recipient.number), Encode(kept));
}

absl::Status QueueStep::WriteDestination(const std::string& name, Destination& destination) {
  DestinationRecord& record = destination.record;
  if (record.ready_count + record.waiting_count == 0)
    record.destination.waiting_since = absl::InfiniteFuture();
  Remember(name, destination);
  const bool is_gone = rules::IsIdle(record.destination) && !rules::IsRemembered(record.destination);
  RETURN_IF_ERROR(
      Place(name, destination, is_gone ? std::string() : rules::SiteNameOf(name, record.destination)));
  if (is_gone) {
    batch_.Delete(kFamily, DestinationKey(name));
    marks().Drop(name);
  } else {
    batch_.PutOnce(DestinationKey(name), Encode(record));
  }
  return absl::OkStatus();
}

absl::Status QueueStep::Place(const std::string& name, Destination& destination,
                              const std::string& site_name) {
  const bool moves = site_name != destination.placed_site;
  const absl::Time time = destination.record.destination.waiting_since;
  if (!moves && time == destination.placed_time) return absl::OkStatus();
  if (!destination.placed_site.empty()) {
    ASSIGN_OR_RETURN(Site* const left, FindSite(destination.placed_site));
    if (moves) --left->record.site.destination_count;
    if (destination.placed_time != absl::InfiniteFuture()) {
      batch_.Delete(kFamily, PlaceKey(destination.placed_site, destination.placed_time, name));
      left->first.erase({destination.placed_time, name});
      if (destination.placed_time == left->record.site.waiting_since) left->look_for_first = true;
    }
  }
  if (!site_name.empty()) {
    ASSIGN_OR_RETURN(Site* const entered, FindSite(site_name));
    if (moves) ++entered->record.site.destination_count;
    if (time != absl::InfiniteFuture()) {
      batch_.Put(kFamily, PlaceKey(site_name, time, name), "");
      std::pair<absl::Time, std::string> place(time, name);
      const bool is_before_last = !entered->first.empty() && place < *entered->first.rbegin();
      if (is_before_last || entered->first_are_all) entered->first.insert(std::move(place));
      entered->record.site.waiting_since = std::min(entered->record.site.waiting_since, time);
    }
  }
  destination.placed_site = site_name;
  destination.placed_time = time;
  return absl::OkStatus();
}

void QueueStep::Remember(const std::string& name, Destination& destination) {
  const rules::Destination& kept = destination.record.destination;
  const absl::Time until = rules::IsRemembered(kept) ? kept.site_until : absl::InfiniteFuture();
  if (until == destination.remembered_until) return;
  if (destination.remembered_until != absl::InfiniteFuture()) {
    batch_.Delete(kFamily, RememberedKey(destination.remembered_until, name));
    --batch_.counters().remembered_count;
  }
  if (until != absl::InfiniteFuture()) {
    batch_.Put(kFamily, RememberedKey(until, name), "");
    ++batch_.counters().remembered_count;
  }
  destination.remembered_until = until;
}

absl::Status QueueStep::Forget() {
  std::vector<std::string> names;
  const int64_t too_many = batch_.counters().remembered_count - policy().most_remembered;
  const absl::string_view kind(&kRememberedKind, 1);
  const std::string over = QueueTimeBound(kRememberedKind, now_ + absl::Microseconds(1));
  RETURN_IF_ERROR(batch_.Scan(kFamily, kind, PrefixEnd(kind),
                              [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                                const bool is_over = key < over;
                                const bool makes_room = static_cast<int64_t>(names.size()) < too_many;
                                if (!is_over && !makes_room) return false;
                                names.push_back(NameOfTimeKey(key));
                                return names.size() < rules::kMostForgotten;
                              }));
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(Destination* const destination, FindDestination(name));
    rules::Unlearn(destination->record.destination);
    RETURN_IF_ERROR(WriteDestination(name, *destination));
  }
  return absl::OkStatus();
}

absl::Status QueueStep::WriteSite(const std::string& name, Site& site) {
  rules::Site& kept = site.record.site;
  if (site.look_for_first) {
    ASSIGN_OR_RETURN(const auto first, FirstPlace(name, site));
    kept.waiting_since = first.first;
    site.look_for_first = false;
  }
  const bool is_gone = kept.destination_count == 0 && kept.in_flight_count == 0;
  const absl::Time due = is_gone ? absl::InfiniteFuture() : rules::DueTime(kept, policy());
  if (due != site.record.due_time) {
    if (site.record.due_time != absl::InfiniteFuture()) {
      batch_.Delete(kFamily, DueKey(site.record.due_time, name));
    }
    if (due != absl::InfiniteFuture()) {
      const std::string key = DueKey(due, name);
      batch_.Put(kFamily, key, "");
      marks().AddDue(key);
    }
    site.record.due_time = due;
  }
  if (!is_gone) {
    batch_.PutOnce(SiteKey(name), Encode(site.record));
    site.is_new = false;
  } else if (!site.is_new) {
    batch_.Delete(kFamily, SiteKey(name));
  }
  return absl::OkStatus();
}

absl::Status QueueStep::Finish() {
  for (auto& [name, destination] : destinations_) RETURN_IF_ERROR(WriteDestination(name, destination));
  if (!tried_in_vain_.empty()) RETURN_IF_ERROR(AskStaleAnew(tried_in_vain_));
  if (forgets_ || batch_.counters().remembered_count > policy().most_remembered) RETURN_IF_ERROR(Forget());
  for (auto& [name, site] : sites_) RETURN_IF_ERROR(WriteSite(name, site));
  for (auto& [id, message] : messages_) {
    if (!message.has_value()) continue;
    const absl::Time event = message->ended ? absl::InfiniteFuture() : EventTime(message->record);
    if (event != message->event_time) {
      if (message->event_time != absl::InfiniteFuture())
        batch_.Delete(kFamily, EventKey(message->event_time, id));
      if (event != absl::InfiniteFuture()) batch_.Put(kFamily, EventKey(event, id), "");
    }
    if (message->ended) {
      batch_.Delete(kFamily, QueuedKey(id));
    } else {
      batch_.Put(kFamily, QueuedKey(id), Encode(message->record));
    }
  }
  return absl::OkStatus();
}

absl::Status QueueStep::AddFree(QueueId id, Message& message, const QueuedRecipient& recipient) {
  if (rules::WaitsHere(recipient)) {
    batch_.Put(kFamily, HereKey(recipient.next_attempt_time, id, recipient.number), "");
    ++message.record.free_count;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(Destination* const destination, FindDestination(recipient.destination));
  DestinationRecord* const record = &destination->record;
  const uint64_t lane = rules::LaneOf(message.record.entry.lane);
  if (recipient.next_attempt_time <= now_) {
    batch_.Put(kFamily, ReadyKey(recipient.destination, lane, id, recipient.number), "");
    marks().AddReady(recipient.destination, {lane, rules::TurnOf(recipient.number), id, recipient.number},
                     record->ready_count == 0);
    ++record->ready_count;
  } else {
    const std::string key =
        WaitingKey(recipient.destination, recipient.next_attempt_time, id, recipient.number);
    batch_.Put(kFamily, key, Encode(WaitingRecord{lane}));
    marks().AddWaiting(recipient.destination, key, record->waiting_count == 0);
    ++record->waiting_count;
  }
  rules::AddWaiting(record->destination, recipient.next_attempt_time);
  ++message.record.free_count;
  return absl::OkStatus();
}

absl::Status QueueStep::RemoveFree(QueueId id, Message& message, const QueuedRecipient& recipient) {
  if (rules::WaitsHere(recipient)) {
    batch_.Delete(kFamily, HereKey(recipient.next_attempt_time, id, recipient.number));
    --message.record.free_count;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(Destination* const destination, FindDestination(recipient.destination));
  DestinationRecord* const record = &destination->record;
  const uint64_t lane = rules::LaneOf(message.record.entry.lane);
  const std::string ready = ReadyKey(recipient.destination, lane, id, recipient.number);
  std::string value;
  ASSIGN_OR_RETURN(const bool is_ready, batch_.Find(kFamily, ready, value));
  if (is_ready) {
    batch_.Delete(kFamily, ready);
    --record->ready_count;
  } else {
    batch_.Delete(kFamily,
                  WaitingKey(recipient.destination, recipient.next_attempt_time, id, recipient.number));
    --record->waiting_count;
  }
  --message.record.free_count;
  return absl::OkStatus();
}

absl::Status QueueStep::AddRecipient(QueueId id, Message& message, const rules::QueueRecipient& kept) {
  PutRecipient(id, kept);
  RETURN_IF_ERROR(AddFree(id, message, kept.recipient));
  if (rules::WaitsHere(kept.recipient)) return absl::OkStatus();
  ASSIGN_OR_RETURN(Destination* const destination, FindDestination(kept.recipient.destination));
  ++destination->record.destination.recipient_count;
  return absl::OkStatus();
}

absl::Status QueueStep::Enqueue(const NewMessage& message, int64_t body, int64_t content_bytes,
                                const std::vector<WaitingCopy>& copies) {
  const QueueId id{batch_.counters().next_queued++};
  Message& kept = messages_.emplace(id, Message()).first->second.value();
  kept.event_time = absl::InfiniteFuture();
  kept.record.body = body;
  kept.record.entry = rules::QueueEntryOf(message, content_bytes, now_);
  kept.record.recipient_count = static_cast<int64_t>(message.queued.recipients.size() + copies.size());
  for (size_t i = 0; i < message.queued.recipients.size(); ++i) {
    RETURN_IF_ERROR(AddRecipient(id, kept, rules::QueueRecipientOf(message, i, now_)));
  }
  for (size_t i = 0; i < copies.size(); ++i) {
    const int32_t number = static_cast<int32_t>(message.queued.recipients.size() + i);
    const double dice = shared_.options().dice();
    RETURN_IF_ERROR(AddRecipient(
        id, kept, rules::WaitingRecipientOf(message, copies[i].waits, number, policy(), now_, dice)));
    batch_.Put(kFamily, WaitingCopyKey(id, number), Encode(MessageRecord{body, copies[i].entry}));
  }
  ++batch_.counters().queued_count;
  batch_.counters().queued_recipient_count += kept.record.recipient_count;
  batch_.NoteQueue();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> QueueStep::FirstDue() {
  const std::string end = QueueTimeBound(kDueKind, now_ + absl::Microseconds(1));
  const std::string from = marks().due_from().empty() ? std::string(1, kDueKind) : marks().due_from();
  std::vector<std::string> first;
  if (from >= end) return first;
  RETURN_IF_ERROR(
      batch_.Scan(kFamily, from, end, [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
        first.emplace_back(key);
        return first.size() < 2;
      }));
  marks().DueBegins(first.empty() ? end : first.front());
  return first;
}

absl::Status QueueStep::Promote(const std::string& name, DestinationRecord& record) {
  struct Move {
    std::string waiting;
    std::string ready;
  };
  std::vector<Move> moves;
  const size_t limit = std::min(promotable_, kMostPromotedAtOnce);
  if (limit == 0 || record.waiting_count == 0) return absl::OkStatus();
  const std::string prefix = WaitingPrefix(name);
  std::string from = marks().Of(name).waiting_from;
  if (from.empty()) from = prefix;
  if (from != prefix && TimeOfWaitingKey(from) > now_) return absl::OkStatus();
  RETURN_IF_ERROR(batch_.Scan(
      kFamily, from, PrefixEnd(prefix),
      [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
        from = std::string(key);
        if (TimeOfWaitingKey(key) > now_) return false;
        WaitingRecord record;
        RETURN_IF_ERROR(Decode(value, record));
        moves.push_back({std::string(key),
                         ReadyKey(name, record.lane, QueuedOfWaitingKey(key), NumberOfWaitingKey(key))});
        return moves.size() < limit;
      }));
  for (const Move& move : moves) {
    batch_.Delete(kFamily, move.waiting);
    batch_.Put(kFamily, move.ready, "");
    marks().AddReady(name, PlaceOfReadyKey(move.ready), record.ready_count == 0 && &move == &moves.front());
  }
  if (from != prefix) marks().Of(name).waiting_from = from;
  promotable_ -= moves.size();
  record.waiting_count -= static_cast<int64_t>(moves.size());
  record.ready_count += static_cast<int64_t>(moves.size());
  return absl::OkStatus();
}

absl::StatusOr<absl::Time> QueueStep::FirstWaiting(const std::string& name) {
  absl::Time first = absl::InfiniteFuture();
  const std::string prefix = WaitingPrefix(name);
  const std::string from = marks().Of(name).waiting_from;
  RETURN_IF_ERROR(batch_.Scan(kFamily, from.empty() ? prefix : from, PrefixEnd(prefix),
                              [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                                first = TimeOfWaitingKey(key);
                                return false;
                              }));
  return first;
}

absl::StatusOr<std::vector<QueueAttempt>> QueueStep::Lease(const QueueLeaseRequest& request,
                                                           int64_t lease_number, bool& more) {
  std::vector<QueueAttempt> attempts;
  more = false;
  if (request.recipient_limit == 0) return attempts;
  size_t recipient_count = 0;
  const auto is_enough = [&] {
    return attempts.size() >= request.attempt_limit || recipient_count >= rules::kEnoughLeasedRecipients;
  };
  places_at_once_ = std::clamp<size_t>(request.attempt_limit, 1, kMostPlacesAtOnce);
  std::vector<std::string> due;
  for (size_t served = 0; !is_enough(); ++served) {
    if (due.empty()) {
      ASSIGN_OR_RETURN(due, FirstDue());
    }
    if (due.empty()) break;
    more = served == kMostServed || promotable_ == 0;
    if (more) break;
    const std::string site_name = NameOfTimeKey(due.front());
    ASSIGN_OR_RETURN(Site* const site, FindSite(site_name));
    ASSIGN_OR_RETURN(const auto first_place, FirstPlace(site_name, *site));
    const std::string& name = first_place.second;
    if (name.empty()) return Damaged("a site that is due, and what waits for it");
    ASSIGN_OR_RETURN(Destination* const destination, FindDestination(name));
    DestinationRecord& record = destination->record;
    RETURN_IF_ERROR(Promote(name, record));
    for (size_t turn = 0; turn < rules::kAttemptsOfTurn && !is_enough() && record.ready_count > 0 &&
                          rules::FreeAttempts(site->record.site, policy(), now_) > 0;
         ++turn) {
      ASSIGN_OR_RETURN(QueueAttempt attempt,
                       BeginAttempt(request, lease_number, name, record, site_name, site->record.site));
      recipient_count += attempt.message.recipients.size();
      attempts.push_back(std::move(attempt));
    }
    // Behind the others, if there is more.
    record.destination.waiting_since = now_;
    if (record.ready_count == 0) {
      absl::Time first = absl::InfiniteFuture();
      if (record.waiting_count > 0) {
        ASSIGN_OR_RETURN(first, FirstWaiting(name));
      }
      record.destination.waiting_since = std::max(now_, first);
    }
    // So that the next one is found.
    RETURN_IF_ERROR(WriteDestination(name, *destination));
    RETURN_IF_ERROR(WriteSite(site_name, *site));
    // It is the first again, unless the one behind it is now: what comes behind that is not known.
    const bool is_due = site->record.due_time <= now_;
    if (is_due) due.front() = DueKey(site->record.due_time, site_name);
    if (!is_due || (due.size() > 1 && due.back() < due.front())) due.clear();
  }
  return attempts;
}

absl::StatusOr<std::pair<absl::Time, std::string>> QueueStep::FirstPlace(const std::string& name,
                                                                         Site& site) {
  const absl::Time since = site.record.site.waiting_since;
  if (site.first.empty() && !site.first_are_all && since != absl::InfiniteFuture()) {
    RETURN_IF_ERROR(batch_.Scan(kFamily, PlaceKey(name, since, ""), PrefixEnd(PlacePrefix(name)),
                                [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                                  site.first.emplace(TimeOfPlaceKey(name, key),
                                                     DestinationOfPlaceKey(name, key));
                                  return site.first.size() < places_at_once_;
                                }));
    site.first_are_all = site.first.size() < places_at_once_;
  }
  if (site.first.empty()) return std::make_pair(absl::InfiniteFuture(), std::string());
  return *site.first.begin();
}

absl::StatusOr<std::vector<ReadyPlace>> QueueStep::FirstReady(const std::string& from, const std::string& end,
                                                              size_t limit) {
  std::vector<ReadyPlace> places;
  RETURN_IF_ERROR(
      batch_.Scan(kFamily, from, end, [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
        const ReadyPlace place = PlaceOfReadyKey(key);
        if (!places.empty() && !IsSameTurn(places.front(), place)) return false;
        places.push_back(place);
        return places.size() < limit;
      }));
  return places;
}

absl::StatusOr<bool> QueueStep::KnowLanes(const std::string& name, const DestinationRecord& record) {
  QueueMarks::OfDestination& known = marks().Of(name);
  if (known.lanes_known) return true;
  if (known.too_many_at > 0 && record.ready_count > known.too_many_at / 2) return false;
  std::map<uint64_t, QueueMarks::Place> lanes;
  std::string from = ReadyPrefix(name);
  const std::string end = PrefixEnd(from);
  while (lanes.size() <= kMaxKnownLanes) {
    ASSIGN_OR_RETURN(const std::vector<ReadyPlace> first, FirstReady(from, end, 1));
    if (!first.empty()) {
      const ReadyPlace& place = first.front();
      lanes.emplace(place.lane, QueueMarks::Place{place.turn, place.message, place.number});
      from = PrefixEnd(ReadyLanePrefix(name, place.lane));
    }
    if (!first.empty() && from < end) continue;
    marks().KnowLanes(known, std::move(lanes));
    return true;
  }
  known.too_many_at = record.ready_count;
  return false;
}

absl::StatusOr<std::vector<ReadyPlace>> QueueStep::NextReady(const std::string& name,
                                                             const DestinationRecord& record, size_t limit) {
  // No walk goes on behind the last one, where many may have been deleted.
  limit = std::min(limit, static_cast<size_t>(std::max<int64_t>(record.ready_count, 1)));
  // The lanes behind the one that had its turn, then those before.
  const uint64_t last_lane = record.destination.last_lane;
  ASSIGN_OR_RETURN(const bool known, KnowLanes(name, record));
  if (known) {
    QueueMarks::OfDestination& of_name = marks().Of(name);
    while (!of_name.lanes.empty()) {
      auto it = of_name.lanes.upper_bound(last_lane);
      if (it == of_name.lanes.end()) it = of_name.lanes.begin();
      const auto [lane, place] = *it;
      ASSIGN_OR_RETURN(std::vector<ReadyPlace> first,
                       FirstReady(ReadyKey(name, lane, place.message, place.number),
                                  PrefixEnd(ReadyLanePrefix(name, lane)), limit));
      if (!first.empty()) {
        it->second = {first.front().turn, first.front().message, first.front().number};
        return first;
      }
      marks().RemoveLane(of_name, lane);
    }
    return std::vector<ReadyPlace>();
  }
  const std::string end = PrefixEnd(ReadyPrefix(name));
  if (last_lane != std::numeric_limits<uint64_t>::max()) {
    ASSIGN_OR_RETURN(std::vector<ReadyPlace> first,
                     FirstReady(ReadyLanePrefix(name, last_lane + 1), end, limit));
    if (!first.empty()) return first;
  }
  return FirstReady(ReadyPrefix(name), end, limit);
}

absl::StatusOr<QueueAttempt> QueueStep::BeginAttempt(const QueueLeaseRequest& request, int64_t lease_number,
                                                     const std::string& name, DestinationRecord& record,
                                                     const std::string& site_name, rules::Site& site) {
  rules::Destination& destination = record.destination;
  ASSIGN_OR_RETURN(const std::vector<ReadyPlace> places, NextReady(name, record, request.recipient_limit));
  if (places.empty()) return Damaged("a destination with ready recipients");
  const ReadyPlace& place = places.front();
  destination.last_lane = place.lane;

  std::vector<int32_t> numbers;
  for (const ReadyPlace& one : places) numbers.push_back(one.number);
  ASSIGN_OR_RETURN(Message* const message, FindMessage(place.message));
  if (message == nullptr) return Damaged("a message");
  QueueAttempt attempt;
  attempt.grant = QueueGrant{batch_.counters().next_grant++};
  attempt.destination = name;
  attempt.probe = rules::IsAway(site);
  attempt.tls_broken = rules::IsTlsBroken(site, now_);
  attempt.message =
      rules::QueuedMessageOf(place.message, message->record.entry, message->record.recipient_count);
  const double dice = shared_.options().dice();
  for (const int32_t number : numbers) {
    ASSIGN_OR_RETURN(auto kept, FindRecipient(place.message, number));
    if (!kept.has_value()) return Damaged("a recipient");
    batch_.Delete(kFamily, ReadyKey(name, place.lane, place.message, number));
    rules::Begin(*kept, attempt.grant, policy(), now_, dice);
    PutRecipient(place.message, *kept);
    attempt.message.recipients.push_back(std::move(kept->recipient));
  }
  const int64_t count = static_cast<int64_t>(numbers.size());
  record.ready_count -= count;
  message->record.free_count -= count;
  batch_.counters().in_flight_count += count;
  batch_.Put(kFamily, AttemptKey(attempt.grant),
             Encode(AttemptRecord{request.lease_id, lease_number, place.message, name, site_name,
                                  std::move(numbers)}));
  batch_.Put(kFamily, FlightKey(lease_number, attempt.grant), "");
  marks().leases().insert_or_assign(lease_number, request.lease_id);
  ++destination.in_flight_count;
  rules::Begin(site, policy(), now_);
  return attempt;
}

absl::Status QueueStep::PutBack(const AttemptRecord& attempt, size_t count) {
  ASSIGN_OR_RETURN(Message* const message, FindMessage(attempt.message));
  if (message == nullptr) return absl::OkStatus();
  for (size_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(auto kept, FindRecipient(attempt.message, attempt.recipients[i]));
    if (!kept.has_value() || !kept->recipient.in_flight) continue;
    kept->recipient.in_flight = false;
    PutRecipient(attempt.message, *kept);
    --batch_.counters().in_flight_count;
    RETURN_IF_ERROR(AddFree(attempt.message, *message, kept->recipient));
  }
  return absl::OkStatus();
}

absl::Status QueueStep::EndAttempt(QueueGrant grant, const AttemptRecord& attempt, const QueueReport* seen) {
  ASSIGN_OR_RETURN(Destination* const destination, FindDestination(attempt.destination));
  ASSIGN_OR_RETURN(Site* const begun_under, FindSite(attempt.site));
  --destination->record.destination.in_flight_count;
  if (seen == nullptr || (seen->sign == QueueReport::Sign::kNone && seen->site.empty())) {
    rules::End(begun_under->record.site, QueueReport::Sign::kNone, policy(), now_);
  } else {
    RETURN_IF_ERROR(Observe(attempt, *destination, *begun_under, *seen));
  }
  batch_.Delete(kFamily, AttemptKey(grant));
  batch_.Delete(kFamily, FlightKey(attempt.lease_number, grant));
  batch_.NoteQueue();
  return absl::OkStatus();
}

absl::Status QueueStep::Observe(const AttemptRecord& attempt, Destination& destination, Site& begun_under,
                                const QueueReport& seen) {
  rules::Destination& kept = destination.record.destination;
  // Empty: they could not be found out.
  if (seen.site.empty()) {
    rules::Unlearn(kept);
  } else {
    rules::Learn(kept, seen.site, policy(), now_);
  }
  const std::string found = rules::SiteNameOf(attempt.destination, kept);
  rules::Site& begun = begun_under.record.site;
  if (found == attempt.site) {
    const bool was_away = rules::IsAway(begun);
    rules::End(begun, seen.sign, policy(), now_);
    rules::NoteTls(begun, seen.tls, now_);
    const bool in_vain = was_away && seen.sign == QueueReport::Sign::kUnreachable;
    if (in_vain && !rules::IsOwnSite(found)) tried_in_vain_ = found;
    return absl::OkStatus();
  }
  rules::End(begun, QueueReport::Sign::kNone, policy(), now_);
  // It was to find out whether those hosts are back, and went elsewhere.
  if (begun.in_flight_count == 0) rules::Wake(begun);
  ASSIGN_OR_RETURN(Site* const site, FindSite(found));
  if (site->is_new && rules::IsOwnSite(attempt.site)) site->record.site = rules::FoundedOn(begun);
  rules::EndElsewhere(site->record.site, seen.sign, policy(), now_);
  rules::NoteTls(site->record.site, seen.tls, now_);
  return absl::OkStatus();
}

absl::Status QueueStep::AskAnew(const std::string& name, Destination& destination) {
  const std::string site_name = rules::SiteNameOf(name, destination.record.destination);
  ASSIGN_OR_RETURN(Site* const site, FindSite(site_name));
  if (!rules::IsAway(site->record.site)) return absl::OkStatus();
  ASSIGN_OR_RETURN(Site* const own, FindSite(rules::OwnSiteName(name)));
  if (own->is_new) own->record.site = rules::AskedAnew(site->record.site);
  rules::Wake(own->record.site);
  rules::Unlearn(destination.record.destination);
  return absl::OkStatus();
}

absl::Status QueueStep::AskStaleAnew(const std::string& site) {
  std::vector<std::string> names;
  ASSIGN_OR_RETURN(const Site* const kept, FindSite(site));
  const absl::Time since = kept->record.site.waiting_since;
  if (since == absl::InfiniteFuture()) return absl::OkStatus();
  RETURN_IF_ERROR(batch_.Scan(kFamily, PlaceKey(site, since, ""), PrefixEnd(PlacePrefix(site)),
                              [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                                names.push_back(DestinationOfPlaceKey(site, key));
                                return names.size() < rules::kMostAskedAnew;
                              }));
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(Destination* const destination, FindDestination(name));
    if (!rules::IsStale(destination->record.destination, now_)) continue;
    RETURN_IF_ERROR(AskAnew(name, *destination));
    RETURN_IF_ERROR(WriteDestination(name, *destination));
  }
  return absl::OkStatus();
}

void QueueStep::NoteNews(const Message& message, SubmissionNews news) {
  ChangeRecord change;
  change.kind = ChangeKind::kSubmission;
  change.account = rules::AccountOfLane(message.record.entry.lane).value_or(AccountId());
  change.submission = std::move(news);
  batch_.Note(std::move(change));
}

absl::Status QueueStep::EndRecipient(QueueId id, Message& message, const rules::QueueRecipient& kept,
                                     absl::FunctionRef<SubmissionOutcome()> outcome, QueueChange& change) {
  const QueuedRecipient& recipient = kept.recipient;
  const std::string& submission = message.record.entry.submission;
  if (!submission.empty()) {
    const SubmissionOutcome ended = outcome();
    RecordOutcome(batch_, submission, recipient.number, ended);
    NoteNews(message, rules::NewsOf(submission, recipient, ended));
  }
  if (rules::IsFree(recipient)) RETURN_IF_ERROR(RemoveFree(id, message, recipient));
  if (recipient.in_flight) --batch_.counters().in_flight_count;
  if (recipient.held) --batch_.counters().held_count;
  if (rules::WaitsHere(recipient)) {
    batch_.Delete(kFamily, WaitingCopyKey(id, recipient.number));
  } else {
    ASSIGN_OR_RETURN(Destination* const destination, FindDestination(recipient.destination));
    --destination->record.destination.recipient_count;
  }
  --batch_.counters().queued_recipient_count;
  batch_.Delete(kFamily, QueuedRecipientKey(id, recipient.number));
  change.ended.push_back(recipient.number);
  if (--message.record.recipient_count > 0) return absl::OkStatus();
  const absl::StatusOr<bool> left = UnrefBody(batch_, message.record.body);
  // What was delivered is not sent again because its content is damaged: chunks that nobody knows of stay.
  if (!left.ok() && !absl::IsDataLoss(left.status())) return left.status();
  if (!left.ok()) obs::LogError("queue_body_damaged", {{"error", left.status().ToString()}});
  leaves_work_ = leaves_work_ || (left.ok() && *left);
  --batch_.counters().queued_count;
  if (!submission.empty()) RecordEnd(batch_, submission, now_);
  message.ended = true;
  change.message_ended = true;
  return absl::OkStatus();
}

absl::StatusOr<QueueChange> QueueStep::Report(const QueueReport& report, bool& tell) {
  const QueueId id = report.message;
  bool all_failed_count = true;
  for (const QueueOutcome& outcome : report.outcomes) {
    if (outcome.kind != QueueOutcome::Kind::kFailed) continue;
    ASSIGN_OR_RETURN(const auto kept, FindRecipient(id, outcome.number));
    all_failed_count =
        all_failed_count && rules::Counts(kept.has_value() ? &*kept : nullptr, outcome, report.grant);
  }
  QueueChange change;
  for (const QueueOutcome& outcome : report.outcomes) {
    ASSIGN_OR_RETURN(auto kept, FindRecipient(id, outcome.number));
    if (!rules::Counts(kept.has_value() ? &*kept : nullptr, outcome, report.grant)) continue;
    ASSIGN_OR_RETURN(Message* const message, FindMessage(id));
    if (message == nullptr) return Damaged("a message");
    if (outcome.kind == QueueOutcome::Kind::kFailed && !all_failed_count) continue;
    if (outcome.kind != QueueOutcome::Kind::kDeferred) {
      RETURN_IF_ERROR(EndRecipient(
          id, *message, *kept, [&] { return rules::OutcomeOf(kept->recipient, outcome); }, change));
      continue;
    }
    if (rules::IsFree(kept->recipient)) RETURN_IF_ERROR(RemoveFree(id, *message, kept->recipient));
    if (kept->recipient.in_flight) --batch_.counters().in_flight_count;
    rules::Defer(*kept, outcome, now_);
    if (rules::IsFree(kept->recipient)) RETURN_IF_ERROR(AddFree(id, *message, kept->recipient));
    PutRecipient(id, *kept);
    const std::string& submission = message->record.entry.submission;
    if (!submission.empty()) NoteNews(*message, rules::DeferralNews(submission, kept->recipient));
    change.deferred.push_back(outcome.number);
  }
  ASSIGN_OR_RETURN(const auto attempt, FindRecord<AttemptRecord>(batch_, kFamily, AttemptKey(report.grant)));
  if (attempt.has_value() && attempt->message == id) {
    RETURN_IF_ERROR(PutBack(*attempt, attempt->recipients.size()));
    RETURN_IF_ERROR(EndAttempt(report.grant, *attempt, &report));
  }
  tell = all_failed_count && !(change.ended.empty() && change.deferred.empty());
  return change;
}

absl::StatusOr<std::vector<int32_t>> QueueStep::Named(const QueueDecision& decision) {
  const std::set<int32_t> sorted(decision.recipients.begin(), decision.recipients.end());
  std::vector<int32_t> named(sorted.begin(), sorted.end());
  if (!named.empty()) return named;
  const std::string prefix = QueuedRecipientPrefix(decision.message);
  RETURN_IF_ERROR(batch_.Scan(kFamily, prefix, PrefixEnd(prefix),
                              [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                                named.push_back(NumberOfQueuedRecipientKey(key));
                                return true;
                              }));
  return named;
}

absl::StatusOr<QueueChange> QueueStep::Decide(const QueueDecision& decision, bool has_notices, bool& tell) {
  const QueueId id = decision.message;
  QueueChange change;
  ASSIGN_OR_RETURN(Message* const message, FindMessage(id));
  if (message == nullptr) return absl::NotFoundError("no such message in the queue");
  if (decision.kind == QueueDecision::Kind::kDelayTold) {
    tell = !message->record.entry.delay_told;
    message->record.entry.delay_told = true;
    return change;
  }
  ASSIGN_OR_RETURN(const std::vector<int32_t> named, Named(decision));
  std::vector<rules::QueueRecipient> changed;
  for (const int32_t number : named) {
    ASSIGN_OR_RETURN(auto kept, FindRecipient(id, number));
    if (kept.has_value() && rules::Changes(decision.kind, kept->recipient))
      changed.push_back(*std::move(kept));
  }
  if (has_notices && changed.size() < named.size()) return change;
  tell = true;
  for (rules::QueueRecipient& kept : changed) {
    if (decision.kind == QueueDecision::Kind::kEnd) {
      RETURN_IF_ERROR(EndRecipient(
          id, *message, kept, [&] { return rules::OutcomeOf(kept.recipient, decision, now_); }, change));
      continue;
    }
    if (rules::IsFree(kept.recipient)) RETURN_IF_ERROR(RemoveFree(id, *message, kept.recipient));
    if (kept.recipient.held) --batch_.counters().held_count;
    rules::Apply(decision.kind, kept, message->record.entry.not_before, now_);
    if (kept.recipient.held) ++batch_.counters().held_count;
    if (rules::IsFree(kept.recipient)) RETURN_IF_ERROR(AddFree(id, *message, kept.recipient));
    PutRecipient(id, kept);
    if (decision.kind == QueueDecision::Kind::kHold) change.deferred.push_back(kept.recipient.number);
    if (decision.kind == QueueDecision::Kind::kRetry && !rules::WaitsHere(kept.recipient)) {
      ASSIGN_OR_RETURN(Destination* const destination, FindDestination(kept.recipient.destination));
      RETURN_IF_ERROR(AskAnew(kept.recipient.destination, *destination));
    }
  }
  batch_.NoteQueue();
  return change;
}

absl::StatusOr<std::optional<QueueGrant>> QueueStep::FirstFlight(int64_t lease_number) {
  std::optional<QueueGrant> first;
  RETURN_IF_ERROR(batch_.Scan(kFamily, FlightBound(lease_number), FlightBound(lease_number + 1),
                              [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                                first = GrantOfFlightKey(key);
                                return false;
                              }));
  return first;
}

absl::StatusOr<std::map<int64_t, std::string>> QueueStep::FlightLeases() {
  if (marks().leases_known()) return marks().leases();
  std::string from(1, kFlightKind);
  const std::string end = PrefixEnd(from);
  for (;;) {
    std::string first;
    RETURN_IF_ERROR(batch_.Scan(kFamily, from, end,
                                [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                                  first = std::string(key);
                                  return false;
                                }));
    if (first.empty()) break;
    ASSIGN_OR_RETURN(const auto attempt,
                     FindRecord<AttemptRecord>(batch_, kFamily, AttemptKey(GrantOfFlightKey(first))));
    if (!attempt.has_value()) return Damaged("an attempt");
    const int64_t lease_number = LeaseOfFlightKey(first);
    marks().leases().insert_or_assign(lease_number, attempt->lease_id);
    from = FlightBound(lease_number + 1);
  }
  marks().KnowLeases();
  return marks().leases();
}

absl::StatusOr<size_t> QueueStep::TakeBack(size_t limit) {
  size_t count = 0;
  ASSIGN_OR_RETURN(const auto leases, FlightLeases());
  for (auto it = leases.begin(); it != leases.end() && count < limit;) {
    const auto& [lease_number, lease_id] = *it;
    const bool is_live = shared_.leases().StateOf(lease_id, lease_number) == rules::LeaseState::kLive;
    std::optional<QueueGrant> first;
    if (!is_live) {
      ASSIGN_OR_RETURN(first, FirstFlight(lease_number));
      if (!first.has_value()) marks().leases().erase(lease_number);
    }
    if (!first.has_value()) {
      ++it;
      continue;
    }
    const QueueGrant grant = *first;
    ASSIGN_OR_RETURN(auto attempt, FindRecord<AttemptRecord>(batch_, kFamily, AttemptKey(grant)));
    if (!attempt.has_value()) return Damaged("an attempt");
    const size_t taken = std::min(attempt->recipients.size(), limit - count);
    RETURN_IF_ERROR(PutBack(*attempt, taken));
    count += taken;
    attempt->recipients.erase(attempt->recipients.begin(),
                              attempt->recipients.begin() + static_cast<int64_t>(taken));
    if (attempt->recipients.empty()) {
      RETURN_IF_ERROR(EndAttempt(grant, *attempt, nullptr));
    } else {
      batch_.Put(kFamily, AttemptKey(grant), Encode(*attempt));
      batch_.NoteQueue();
    }
  }
  forgets_ = true;
  return count;
}

absl::StatusOr<std::vector<DeliveredHere>> QueueStep::DeliverHere(size_t limit) {
  struct Due {
    QueueId message;
    int32_t number = 0;
  };
  std::vector<Due> due;
  std::vector<DeliveredHere> delivered;
  if (limit == 0) return delivered;
  RETURN_IF_ERROR(batch_.Scan(kFamily, absl::string_view(&kHereKind, 1),
                              QueueTimeBound(kHereKind, now_ + absl::Microseconds(1)),
                              [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                                due.push_back({QueuedOfHereKey(key), NumberOfHereKey(key)});
                                return due.size() < limit;
                              }));
  for (const Due& one : due) {
    ASSIGN_OR_RETURN(DeliveredHere tried, TryHere(one.message, one.number));
    delivered.push_back(std::move(tried));
  }
  std::vector<Due> next;
  RETURN_IF_ERROR(batch_.Scan(kFamily, QueueTimeBound(kHereKind, now_ + absl::Microseconds(1)),
                              PrefixEnd(absl::string_view(&kHereKind, 1)),
                              [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                                next.push_back({QueuedOfHereKey(key), NumberOfHereKey(key)});
                                return next.size() < rules::kLookedAtForEachTried * limit;
                              }));
  for (const Due& one : next) {
    if (delivered.size() == limit) break;
    ASSIGN_OR_RETURN(const bool has_room, HasRoomEarly(batch_, one.message, one.number, now_));
    if (!has_room) continue;
    ASSIGN_OR_RETURN(DeliveredHere tried, TryHere(one.message, one.number));
    delivered.push_back(std::move(tried));
  }
  return delivered;
}

absl::StatusOr<DeliveredHere> QueueStep::TryHere(QueueId id, int32_t number) {
  ASSIGN_OR_RETURN(Message* const message, FindMessage(id));
  if (message == nullptr) return Damaged("a message");
  ASSIGN_OR_RETURN(auto kept, FindRecipient(id, number));
  if (!kept.has_value()) return Damaged("a recipient");
  DeliveredHere result{std::nullopt,
                       rules::QueuedMessageOf(id, message->record.entry, message->record.recipient_count)};
  const AccountId account = rules::MailboxOf(kept->recipient.destination).value_or(AccountId{0});
  ASSIGN_OR_RETURN(auto mailbox, FindRecord<rules::Mailbox>(batch_, Family::kMailbox, MailboxKey(account)));
  result.obstacle = rules::ObstacleOf(mailbox.has_value() ? &*mailbox : nullptr, message->record.entry);
  if (result.obstacle.has_value()) {
    RETURN_IF_ERROR(RemoveFree(id, *message, kept->recipient));
    rules::PutOff(*kept, *result.obstacle, policy(), now_, shared_.options().dice());
    RETURN_IF_ERROR(AddFree(id, *message, kept->recipient));
    PutRecipient(id, *kept);
    result.message.recipients.push_back(std::move(kept->recipient));
    return result;
  }
  ASSIGN_OR_RETURN(auto record, FindRecord<MessageRecord>(batch_, kFamily, WaitingCopyKey(id, number)));
  if (!record.has_value()) return Damaged("a copy");
  record->entry.deliver_time = now_;
  ASSIGN_OR_RETURN(const MessageId into, rules::ChooseMessageId(*mailbox, std::nullopt));
  const int64_t size_bytes = record->entry.size_bytes();
  rules::Add(*mailbox, into, size_bytes);
  RETURN_IF_ERROR(RefBody(batch_, record->body));
  batch_.Put(Family::kMessage, MessageKey(account, into), Encode(*record));
  batch_.Put(Family::kMailbox, MailboxKey(account), Encode(*mailbox));
  NoteRetention(batch_, account, into, record->entry);
  batch_.Note({.kind = ChangeKind::kDelivered, .account = account, .time = now_, .message = into});
  ++batch_.counters().message_count;
  batch_.counters().message_bytes += size_bytes;
  QueueChange change;
  RETURN_IF_ERROR(EndRecipient(
      id, *message, *kept, [&] { return rules::DeliveredOutcome(kept->recipient, now_); }, change));
  result.message.recipients.push_back(std::move(kept->recipient));
  return result;
}

}  // namespace mailstead::engine
