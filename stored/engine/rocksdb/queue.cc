// Mail on its way to other hosts.
#include "stored/rules/queue.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/append_change.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/message_reader.h"
#include "stored/engine/rocksdb/queue_step.h"
#include "stored/rules/destination.h"
#include "stored/rules/lock.h"
#include "stored/rules/new_message.h"

namespace mailstead::engine {
namespace {

constexpr Family kFamily = Family::kQueue;
// What a recipient costs whose place or state changes, about.
constexpr size_t kRecordsOfRecipient = 5;
// What one costs that waits for a mailbox here.
constexpr size_t kRecordsOfHere = 9;
// Notices up to here are packed on the caller's thread: to change threads would cost more.
constexpr size_t kPackedAtOnceBytes = 16 << 10;
// A few messages are listed at once on the caller's thread, when they are in memory.
constexpr size_t kFew = 32;

absl::Status NoMessage() { return absl::NotFoundError("no such message in the queue"); }

class LeaseChange final : public Change {
 public:
  LeaseChange(RocksDbShared& shared, const QueueLeaseRequest& request) : shared_(shared), request_(request) {}

  size_t record_count() const override {
    const size_t in_each = std::min<size_t>(request_.recipient_limit, rules::kRecipientsOfTurn);
    const size_t recipients = std::min(request_.attempt_limit, rules::kEnoughLeasedRecipients) * in_each;
    return 8 + kRecordsOfRecipient * std::min(recipients, rules::kEnoughLeasedRecipients);
  }
  absl::Status Apply(Batch& batch) override {
    const int64_t lease_number = shared_.leases().LiveNumber(request_.lease_id);
    if (lease_number == 0) return rules::NoLease();
    QueueStep step(shared_, batch);
    ASSIGN_OR_RETURN(attempts, step.Lease(request_, lease_number, more));
    return step.Finish();
  }

  // Behind Apply.
  std::vector<QueueAttempt> attempts;
  bool more = false;

 private:
  RocksDbShared& shared_;
  const QueueLeaseRequest& request_;
};

// What is changed in the queue, and the notices of it, or nothing.
class TellingChange : public Change {
 public:
  TellingChange(RocksDbShared& shared, std::vector<NewNotice> notices) : shared_(shared) {
    for (NewNotice& notice : notices) {
      checked_.Update(rules::Check(notice.message));
      contents_bytes_ += notice.content.size();
      contents_.push_back(std::move(notice.content));
      notices_.push_back(std::make_unique<AppendChange>(shared, std::move(notice.message)));
    }
  }

  // Of the notices; before the commit they are packed, on this thread.
  size_t contents_bytes() const { return contents_bytes_; }
  void Pack() {
    for (size_t i = 0; i < notices_.size(); ++i) notices_[i]->SetWhole(std::move(contents_[i]));
    contents_.clear();
  }

  size_t record_count() const override {
    size_t count = 8 + kRecordsOfRecipient * recipient_count();
    for (const auto& notice : notices_) count += notice->record_count();
    return count;
  }
  size_t size_bytes() const override {
    size_t bytes = 0;
    for (const auto& notice : notices_) bytes += notice->size_bytes();
    return bytes;
  }
  absl::Status Apply(Batch& batch) override {
    QueueStep step(shared_, batch);
    bool tell = false;
    ASSIGN_OR_RETURN(change_, ChangeQueue(step, tell));
    RETURN_IF_ERROR(step.Finish());
    leaves_work_ = step.leaves_work();
    if (!tell) return absl::OkStatus();
    RETURN_IF_ERROR(checked_);
    for (const auto& notice : notices_) RETURN_IF_ERROR(notice->Apply(batch));
    return absl::OkStatus();
  }

  bool has_notices() const { return !notices_.empty(); }
  // Behind Apply.
  bool leaves_work() const { return leaves_work_; }
  const QueueChange& change() const { return change_; }

 private:
  virtual size_t recipient_count() const = 0;
  virtual absl::StatusOr<QueueChange> ChangeQueue(QueueStep& step, bool& tell) = 0;

  RocksDbShared& shared_;
  std::vector<std::unique_ptr<AppendChange>> notices_;
  std::vector<std::string> contents_;
  size_t contents_bytes_ = 0;
  absl::Status checked_;
  QueueChange change_;
  bool leaves_work_ = false;
};

class ReportChange final : public TellingChange {
 public:
  ReportChange(RocksDbShared& shared, const QueueReport& report, std::vector<NewNotice> notices)
      : TellingChange(shared, std::move(notices)), report_(report) {}

 private:
  size_t recipient_count() const override { return report_.outcomes.size(); }
  absl::StatusOr<QueueChange> ChangeQueue(QueueStep& step, bool& tell) override {
    return step.Report(report_, tell);
  }

  const QueueReport& report_;
};

class DecideChange final : public TellingChange {
 public:
  DecideChange(RocksDbShared& shared, const QueueDecision& decision, std::vector<NewNotice> notices)
      : TellingChange(shared, std::move(notices)), decision_(decision) {}

 private:
  // Of all of a message's it is not known how many there are.
  size_t recipient_count() const override {
    if (decision_.kind == QueueDecision::Kind::kDelayTold) return 0;
    return decision_.recipients.empty() ? rules::kEnoughLeasedRecipients : decision_.recipients.size();
  }
  absl::StatusOr<QueueChange> ChangeQueue(QueueStep& step, bool& tell) override {
    return step.Decide(decision_, has_notices(), tell);
  }

  const QueueDecision& decision_;
};

class TakeBackChange final : public Change {
 public:
  TakeBackChange(RocksDbShared& shared, size_t limit) : shared_(shared), limit_(limit) {}

  size_t record_count() const override {
    return 8 + kRecordsOfRecipient * std::min(limit_, rules::kEnoughLeasedRecipients);
  }
  absl::Status Apply(Batch& batch) override {
    QueueStep step(shared_, batch);
    ASSIGN_OR_RETURN(count, step.TakeBack(limit_));
    return step.Finish();
  }

  // Behind Apply.
  size_t count = 0;

 private:
  RocksDbShared& shared_;
  const size_t limit_;
};

class HereChange final : public Change {
 public:
  HereChange(RocksDbShared& shared, size_t limit) : shared_(shared), limit_(limit) {}

  size_t record_count() const override {
    return 8 + kRecordsOfHere * std::min(limit_, rules::kEnoughLeasedRecipients);
  }
  absl::Status Apply(Batch& batch) override {
    QueueStep step(shared_, batch);
    ASSIGN_OR_RETURN(delivered, step.DeliverHere(std::min(limit_, rules::kEnoughLeasedRecipients)));
    RETURN_IF_ERROR(step.Finish());
    leaves_work = step.leaves_work();
    return absl::OkStatus();
  }

  // Behind Apply.
  std::vector<DeliveredHere> delivered;
  bool leaves_work = false;

 private:
  RocksDbShared& shared_;
  const size_t limit_;
};

Task<absl::StatusOr<QueueChange>> Commit(RocksDbShared& shared, TellingChange& change) {
  if (change.has_notices()) CO_RETURN_IF_ERROR(shared.health().CheckSpace());
  const bool at_once = change.contents_bytes() <= kPackedAtOnceBytes;
  if (!at_once && !co_await shared.readers().Enter()) co_return Readers::TooMany();
  change.Pack();
  absl::Status committed = co_await shared.writer().Commit(change);
  // A refusal comes at once, on whatever thread this is; a commit on the executor.
  if (!at_once && !committed.ok()) co_await shared.readers().Leave();
  CO_RETURN_IF_ERROR(committed);
  if (change.leaves_work()) shared.NoteReclaim();
  co_return change.change();
}

// Recipients from number `first` on, at most `limit`; of all, or of those that are neither held nor in flight.
absl::Status AddRecipients(const Database::Use& use, int32_t first, size_t limit, bool only_free,
                           QueuedMessage& message) {
  if (limit == 0) return absl::OkStatus();
  return Scan(use, kFamily, QueuedRecipientKey(message.id, std::max(first, 0)),
              PrefixEnd(QueuedRecipientPrefix(message.id)),
              [&](absl::string_view, absl::string_view value) -> absl::StatusOr<bool> {
                rules::QueueRecipient kept;
                RETURN_IF_ERROR(Decode(value, kept));
                if (only_free && !rules::IsFree(kept.recipient)) return true;
                message.recipients.push_back(std::move(kept.recipient));
                return message.recipients.size() < limit;
              });
}

absl::StatusOr<QueuedMessage> FindMessage(const Database::Use& use, QueueId id) {
  ASSIGN_OR_RETURN(const auto record, FindRecord<QueuedRecord>(use, kFamily, QueuedKey(id)));
  if (!record.has_value()) return NoMessage();
  return rules::QueuedMessageOf(id, record->entry, record->recipient_count);
}

}  // namespace

Task<absl::StatusOr<std::vector<QueueAttempt>>> RocksDbQueue::Lease(QueueLeaseRequest request) {
  for (;;) {
    LeaseChange change(shared_, request);
    CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(change));
    // It has looked at much, and found nothing yet.
    if (change.attempts.empty() && change.more) continue;
    co_return std::move(change.attempts);
  }
}

Task<absl::StatusOr<QueueChange>> RocksDbQueue::Report(QueueReport report, std::vector<NewNotice> notices) {
  CO_RETURN_IF_ERROR(rules::Check(report));
  ReportChange change(shared_, report, std::move(notices));
  co_return co_await Commit(shared_, change);
}

Task<absl::StatusOr<QueueChange>> RocksDbQueue::Decide(QueueDecision decision,
                                                       std::vector<NewNotice> notices) {
  CO_RETURN_IF_ERROR(rules::Check(decision, !notices.empty()));
  DecideChange change(shared_, decision, std::move(notices));
  co_return co_await Commit(shared_, change);
}

Task<absl::StatusOr<size_t>> RocksDbQueue::TakeBack(size_t limit) {
  TakeBackChange change(shared_, limit);
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(change));
  co_return change.count;
}

Task<absl::StatusOr<std::vector<DeliveredHere>>> RocksDbQueue::DeliverHere(size_t limit) {
  HereChange change(shared_, limit);
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(change));
  if (change.leaves_work) shared_.NoteReclaim();
  co_return std::move(change.delivered);
}

Task<absl::StatusOr<std::vector<QueuedMessage>>> RocksDbQueue::Due(size_t limit, size_t recipient_limit) {
  const absl::Time now = shared_.clock().Now();
  const auto read = [=](const Database::Use& use) -> absl::StatusOr<std::vector<QueuedMessage>> {
    std::vector<QueuedMessage> due;
    if (limit == 0) return due;
    RETURN_IF_ERROR(Scan(use, kFamily, absl::string_view(&kEventKind, 1),
                         QueueTimeBound(kEventKind, now + absl::Microseconds(1)),
                         [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                           absl::StatusOr<QueuedMessage> message = FindMessage(use, QueuedOfEventKey(key));
                           // Ended since the walk began.
                           if (absl::IsNotFound(message.status())) return true;
                           RETURN_IF_ERROR(message.status());
                           RETURN_IF_ERROR(
                               AddRecipients(use, 0, recipient_limit, /*only_free=*/true, *message));
                           if (!message->recipients.empty()) due.push_back(*std::move(message));
                           return due.size() < limit;
                         }));
    return due;
  };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<QueuedMessage>> RocksDbQueue::Find(QueueId message, int32_t first,
                                                       size_t recipient_limit) {
  const auto read = [=](const Database::Use& use) -> absl::StatusOr<QueuedMessage> {
    ASSIGN_OR_RETURN(QueuedMessage found, FindMessage(use, message));
    RETURN_IF_ERROR(AddRecipients(use, first, recipient_limit, /*only_free=*/false, found));
    return found;
  };
  if (recipient_limit <= kFew) co_return co_await shared_.InMemoryFirst(read);
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<std::vector<QueuedMessage>>> RocksDbQueue::List(QueueId after, size_t limit,
                                                                    size_t recipient_limit) {
  const auto read = [=](const Database::Use& use) -> absl::StatusOr<std::vector<QueuedMessage>> {
    std::vector<QueuedMessage> page;
    if (limit == 0 || after.value == std::numeric_limits<int64_t>::max()) return page;
    RETURN_IF_ERROR(
        Scan(use, kFamily, QueuedKey(QueueId{after.value + 1}), PrefixEnd(absl::string_view(&kQueuedKind, 1)),
             [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
               QueuedRecord record;
               RETURN_IF_ERROR(Decode(value, record));
               page.push_back(rules::QueuedMessageOf(QueuedOfKey(key), record.entry, record.recipient_count));
               return page.size() < limit;
             }));
    for (QueuedMessage& message : page) {
      RETURN_IF_ERROR(AddRecipients(use, 0, recipient_limit, /*only_free=*/false, message));
    }
    return page;
  };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<std::vector<QueueDestination>>> RocksDbQueue::ListDestinations(std::string after,
                                                                                   size_t limit) {
  const rules::QueuePolicy& policy = shared_.options().queue_policy;
  const absl::Time now = shared_.clock().Now();
  const auto read = [&](const Database::Use& use) -> absl::StatusOr<std::vector<QueueDestination>> {
    std::vector<QueueDestination> page;
    if (limit == 0) return page;
    const std::string first = absl::StrCat(DestinationKey(after), absl::string_view("\0", 1));
    RETURN_IF_ERROR(
        Scan(use, kFamily, first, PrefixEnd(absl::string_view(&kDestinationKind, 1)),
             [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
               DestinationRecord record;
               RETURN_IF_ERROR(Decode(value, record));
               if (record.destination.recipient_count == 0) return true;
               const std::string name = DestinationOfKey(key);
               const std::string site = rules::SiteNameOf(name, record.destination);
               ASSIGN_OR_RETURN(const auto hosts, FindRecord<SiteRecord>(use, kFamily, SiteKey(site)));
               page.push_back(rules::QueueDestinationOf(
                   name, record.destination, hosts.has_value() ? hosts->site : rules::Site(), policy, now));
               return page.size() < limit;
             }));
    return page;
  };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<std::unique_ptr<MessageReader>>> RocksDbQueue::Open(QueueId message) {
  const auto read = [=, this](const Database::Use& use) -> absl::StatusOr<std::unique_ptr<MessageReader>> {
    ASSIGN_OR_RETURN(OpenedMessage opened, OpenQueued(use, shared_.database(), shared_.readers(), message));
    return std::move(opened.reader);
  };
  co_return co_await shared_.InMemoryFirst(read);
}

Task<absl::StatusOr<QueueStatus>> RocksDbQueue::Status() {
  const auto read = [](const Database::Use& use) -> absl::StatusOr<QueueStatus> {
    Database& database = use.database();
    const Counters counters = use.counters();
    QueueStatus status;
    status.message_count = counters.queued_count;
    status.recipient_count = counters.queued_recipient_count;
    status.in_flight_count = counters.in_flight_count;
    status.held_count = counters.held_count;
    int64_t first = 0;
    RETURN_IF_ERROR(Scan(use, kFamily, QueuedKey(QueueId{database.queued_from()}),
                         PrefixEnd(absl::string_view(&kQueuedKind, 1)),
                         [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                           QueuedRecord record;
                           RETURN_IF_ERROR(Decode(value, record));
                           status.oldest_time = record.entry.queue_time;
                           first = QueuedOfKey(key).value;
                           return false;
                         }));
    if (first > 0 && !use.missed()) database.QueuedBegin(first);
    return status;
  };
  co_return co_await shared_.InMemoryFirst(read);
}

}  // namespace mailstead::engine
