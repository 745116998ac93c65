// The change feed. One record has what a commit has added, for those who follow all or a domain; and each change has one by
// its account, for those who follow a few accounts among many.
#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "stored/engine/rocksdb/deletions.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/known_addresses.h"
#include "stored/rules/change.h"
#include "stored/rules/directory.h"
#include "stored/rules/new_message.h"

namespace mailstead::engine {
namespace {

constexpr Family kFamily = Family::kChange;
// What one Read looks at, and about how many bytes it gives; and what one Trim deletes.
constexpr size_t kMaxLookedAt = 20'000;
constexpr size_t kMaxPageBytes = 128 << 10;
constexpr size_t kMaxTrimmed = 2000;
// Behind the cursor there is so little that it is read at once on the caller's thread, when it is in memory.
constexpr int64_t kFewChanges = 64;
// An account's own changes are sought where a walk over all would look at so many more.
constexpr int64_t kWalkedForOneSought = 32;

struct KnownAddress {
  std::string address;
  // It was not removed.
  bool exists = false;
};

// The address of an account as it is now, or was when it was removed; empty where neither is known.
absl::StatusOr<KnownAddress> FindAddress(const Source& source, AccountId account) {
  if (account.value == 0) return KnownAddress();
  // A rename may come in between the two reads.
  for (int tries = 0; tries < 2; ++tries) {
    std::string key;
    ASSIGN_OR_RETURN(const bool exists, source.Find(Family::kDirectory, AccountIdKey(account), key));
    if (!exists) break;
    ASSIGN_OR_RETURN(auto found, FindRecord<Account>(source, Family::kDirectory, key));
    if (found.has_value() && found->id == account) return KnownAddress{std::move(found->address), true};
  }
  ASSIGN_OR_RETURN(auto gone, FindRecord<GoneAccount>(source, kFamily, GoneAccountKey(account)));
  return KnownAddress{gone.has_value() ? std::move(gone->address) : std::string(), false};
}

// Makes a page of the changes that it is shown, in order.
class Page {
 public:
  Page(const Database::Use& use, const ChangeQuestion& question, KnownAddresses& known)
      : use_(use),
        question_(question),
        known_(known),
        directory_version_(use.database().directory_version()) {
    page_.reached = question.after;
  }

  // Behind `after`. False: the page is full, and not all of the change may be in it.
  absl::StatusOr<bool> Add(int64_t position, ChangeRecord record) {
    if (IsFull()) {
      page_.more = true;
      return false;
    }
    ASSIGN_OR_RETURN(const bool wanted, IsWanted(record));
    if (wanted && record.deletion != 0) return AddDeletion(position, record);
    if (wanted) RETURN_IF_ERROR(AddOne(position, std::move(record)));
    page_.reached = {position, MessageId{0}};
    return true;
  }
  // All up to this position was shown.
  void Reach(int64_t position) {
    if (page_.reached.position < position) page_.reached = {position, MessageId{0}};
  }
  void StopEarly() { page_.more = true; }
  ChangePage Take() { return std::move(page_); }

 private:
  bool IsFull() const { return page_.changes.size() >= question_.limit || bytes_ >= kMaxPageBytes; }

  absl::StatusOr<KnownAddress> AddressOf(AccountId account) {
    if (std::optional<std::string> known = known_.Find(account, directory_version_))
      return KnownAddress{*std::move(known), true};
    ASSIGN_OR_RETURN(KnownAddress found, FindAddress(use_, account));
    if (found.exists) known_.Learn(account, found.address, directory_version_);
    return found;
  }

  absl::StatusOr<bool> IsWanted(const ChangeRecord& record) {
    if (!rules::Wants(question_, record.kind, record.account)) return false;
    if (question_.domain.empty()) return true;
    ASSIGN_OR_RETURN(const KnownAddress known, AddressOf(record.account));
    return rules::IsOfDomain(question_.domain, known.address, record.kind, record.address,
                             record.old_address);
  }

  absl::StatusOr<FeedChange> Begin(const ChangeRecord& record) {
    FeedChange change;
    change.kind = record.kind;
    change.account = record.account;
    change.time = record.time;
    change.message = record.message;
    change.cause = record.cause;
    ASSIGN_OR_RETURN(KnownAddress known, AddressOf(record.account));
    change.current_address = std::move(known.address);
    // Of an account that was removed entries are left for a while.
    if (record.kind == ChangeKind::kDelivered && question_.summaries && known.exists) {
      ASSIGN_OR_RETURN(change.summary, FindSummary(record.account, record.message));
    }
    return change;
  }

  void Give(FeedChange change) {
    bytes_ += sizeof(change) + (change.deleted.size() + change.restored.size()) * sizeof(MessageId) +
              change.address.size() + change.old_address.size() + change.submission.reply_text.size();
    if (change.summary.has_value()) {
      bytes_ += change.summary->reverse_path.size() + 128 * change.summary->recipients.size();
    }
    page_.reached = change.end;
    page_.changes.push_back(std::move(change));
  }

  absl::Status AddOne(int64_t position, ChangeRecord record) {
    ASSIGN_OR_RETURN(FeedChange change, Begin(record));
    change.end = {position, MessageId{0}};
    change.address = std::move(record.address);
    change.old_address = std::move(record.old_address);
    change.submission = std::move(record.submission);
    std::vector<MessageId>& messages =
        record.kind == ChangeKind::kRestored ? change.restored : change.deleted;
    for (const MessageRun& run : record.runs) {
      for (int64_t id = run.first.value; id <= run.last.value; ++id) messages.push_back(MessageId{id});
    }
    Give(std::move(change));
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<MessageSummary>> FindSummary(AccountId account, MessageId message) const {
    ASSIGN_OR_RETURN(const auto kept,
                     FindRecord<MessageRecord>(use_, Family::kMessage, MessageKey(account, message)));
    if (!kept.has_value()) return std::optional<MessageSummary>();
    ASSIGN_OR_RETURN(const bool hidden, IsHidden(use_, account, message));
    if (hidden) return std::optional<MessageSummary>();
    return std::optional<MessageSummary>(rules::SummaryOf(message, kept->entry));
  }

  // A deletion of many messages, in parts: where the page before ended in the middle of it, from there on.
  absl::StatusOr<bool> AddDeletion(int64_t position, const ChangeRecord& record) {
    MessageId after;
    if (page_.reached.position == position - 1) after = page_.reached.message;
    std::vector<MessageId> part;
    bool full = false;
    const auto give = [&](bool last) -> absl::Status {
      ASSIGN_OR_RETURN(FeedChange change, Begin(record));
      const MessageId end = part.back();
      change.deleted = std::exchange(part, {});
      change.end = last ? ChangeCursor{position, MessageId{0}} : ChangeCursor{position - 1, end};
      Give(std::move(change));
      return absl::OkStatus();
    };
    const auto visit = [&](absl::string_view, absl::string_view value) -> absl::StatusOr<bool> {
      Runs runs;
      RETURN_IF_ERROR(Decode(value, runs));
      for (const MessageRun& run : runs.runs) {
        for (int64_t id = std::max(run.first.value, after.value + 1); id <= run.last.value; ++id) {
          if (part.size() == kMaxToldDeletions) {
            RETURN_IF_ERROR(give(/*last=*/false));
            full = IsFull();
            if (full) return false;
          }
          part.push_back(MessageId{id});
        }
      }
      return true;
    };
    // The record with the runs about `after` may begin before it.
    const std::string prefix = RunsPrefix(record.deletion);
    RETURN_IF_ERROR(Scan(use_, Family::kReclaim, prefix, PrefixEnd(prefix), visit));
    if (full) {
      page_.more = true;
      return false;
    }
    if (!part.empty()) RETURN_IF_ERROR(give(/*last=*/true));
    page_.reached = {position, MessageId{0}};
    return true;
  }

  const Database::Use& use_;
  const ChangeQuestion& question_;
  ChangePage page_;
  KnownAddresses& known_;
  const int64_t directory_version_;
  size_t bytes_ = 0;
};

// Over all changes.
absl::Status Walk(const Database::Use& use, const ChangeQuestion& question, Page& page) {
  const int64_t first = question.after.position + 1;
  // The commit that has the first one may begin before it.
  std::string from = FeedKey(first);
  {
    const std::unique_ptr<rocksdb::Iterator> it(
        use.db().NewIterator(use.read_options(), use.family(kFamily)));
    it->SeekForPrev(ToSlice(from));
    RETURN_IF_ERROR(use.Outcome(it->status()));
    if (it->Valid() && it->key()[0] == kFeedKind) from = it->key().ToString();
  }
  size_t looked_at = 0;
  return Scan(use, kFamily, from, PrefixEnd(absl::string_view(&kFeedKind, 1)),
              [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                int64_t position = PositionOfChangeKey(key) - 1;
                if (looked_at >= kMaxLookedAt) {
                  page.StopEarly();
                  return false;
                }
                FeedRecord feed;
                RETURN_IF_ERROR(Decode(value, feed));
                looked_at += feed.changes.size();
                for (ChangeRecord& change : feed.changes) {
                  if (++position < first) continue;
                  ASSIGN_OR_RETURN(const bool go_on, page.Add(position, std::move(change)));
                  if (!go_on) return false;
                }
                return true;
              });
}

// Over those of the accounts alone.
absl::Status Seek(const Database::Use& use, const ChangeQuestion& question, Page& page) {
  const size_t of_each = std::clamp<size_t>(kMaxLookedAt / question.accounts.size(), 2, question.limit + 1);
  std::map<int64_t, ChangeRecord> found;
  // Of an account with more than that nothing is known from here on.
  int64_t known_to = std::numeric_limits<int64_t>::max();
  for (const AccountId account : question.accounts) {
    size_t count = 0;
    RETURN_IF_ERROR(Scan(use, kFamily, AccountChangeKey(account, question.after.position + 1),
                         PrefixEnd(AccountChangePrefix(account)),
                         [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                           const int64_t position = PositionOfChangeKey(key);
                           ChangeRecord& change = found[position];
                           RETURN_IF_ERROR(Decode(value, change));
                           change.account = account;
                           if (++count < of_each) return true;
                           known_to = std::min(known_to, position);
                           return false;
                         }));
  }
  for (auto& [position, change] : found) {
    if (position > known_to) break;
    ASSIGN_OR_RETURN(const bool go_on, page.Add(position, std::move(change)));
    if (!go_on) return absl::OkStatus();
  }
  if (known_to != std::numeric_limits<int64_t>::max()) page.StopEarly();
  return absl::OkStatus();
}

bool SeeksAccounts(const ChangeQuestion& question, const ChangeBounds& bounds) {
  const int64_t behind = bounds.last - question.after.position;
  return !question.accounts.empty() &&
         (question.accounts.size() == 1 ||
          static_cast<int64_t>(question.accounts.size()) * kWalkedForOneSought < behind);
}

absl::StatusOr<ChangePage> ReadPage(const Database::Use& use, const ChangeQuestion& question,
                                    KnownAddresses& known) {
  const Database& database = use.database();
  const ChangeBounds bounds = database.change_bounds();
  RETURN_IF_ERROR(rules::CheckCursor(question.after, bounds));
  Page page(use, question, known);
  RETURN_IF_ERROR(SeeksAccounts(question, bounds) ? Seek(use, question, page) : Walk(use, question, page));
  ChangePage read = page.Take();
  // What has committed since may be in the page or not.
  if (!read.more && read.reached.position < bounds.last) read.reached = {bounds.last, MessageId{0}};
  // Trim says where it is going to begin before it deletes: so what was read is whole.
  RETURN_IF_ERROR(rules::CheckCursor(question.after, {database.change_bounds().first, bounds.last}));
  return read;
}

absl::StatusOr<FeedConsumer> FindConsumerIn(const Source& source, const std::string& name) {
  ASSIGN_OR_RETURN(auto consumer, FindRecord<FeedConsumer>(source, kFamily, ConsumerKey(name)));
  if (!consumer.has_value()) return rules::NoConsumer(name);
  consumer->name = name;
  return *std::move(consumer);
}

// The keys of what a trimmed change has.
absl::Status DropChange(const Database::Use& use, int64_t position, const ChangeRecord& change,
                        rocksdb::WriteBatch& batch) {
  rocksdb::ColumnFamilyHandle* const family = use.family(kFamily);
  batch.Delete(family, AccountChangeKey(change.account, position));
  if (change.kind == ChangeKind::kAccountRemoved) {
    ASSIGN_OR_RETURN(const auto gone, FindRecord<GoneAccount>(use, kFamily, GoneAccountKey(change.account)));
    if (gone.has_value() && gone->position == position) batch.Delete(family, GoneAccountKey(change.account));
  }
  if (change.deletion == 0) return absl::OkStatus();
  batch.Delete(family, ToldDeletionKey(change.deletion));
  std::string mark;
  ASSIGN_OR_RETURN(const bool hides,
                   use.Find(Family::kReclaim, DeletionKey(change.account, change.deletion), mark));
  // Then they go with the last of what they hide, or when the store is opened next.
  if (hides) return absl::OkStatus();
  const std::string prefix = RunsPrefix(change.deletion);
  return Scan(use, Family::kReclaim, prefix, PrefixEnd(prefix),
              [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                batch.Delete(use.family(Family::kReclaim), ToSlice(key));
                return true;
              });
}

// A step of Trim, on a thread that may wait. Not through the writer: nobody else writes what it deletes.
absl::StatusOr<bool> TrimNow(RocksDbShared& shared, absl::Duration age, int64_t max_count) {
  Database& database = shared.database();
  const Database::Use use(database);
  RETURN_IF_ERROR(use.status());
  const ChangeBounds bounds = database.change_bounds();
  const absl::Time now = shared.clock().Now();
  rocksdb::WriteBatch batch;
  int64_t first = bounds.first;
  const auto visit = [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
    int64_t position = PositionOfChangeKey(key);
    FeedRecord feed;
    RETURN_IF_ERROR(Decode(value, feed));
    const int64_t kept_count = bounds.last - position + 1;
    if (feed.changes.empty() || position > bounds.last ||
        !rules::IsToBeForgotten(feed.changes.front().time, now, age, kept_count, max_count)) {
      return false;
    }
    for (const ChangeRecord& change : feed.changes)
      RETURN_IF_ERROR(DropChange(use, position++, change, batch));
    batch.Delete(use.family(kFamily), ToSlice(key));
    first = position;
    return batch.Count() < kMaxTrimmed;
  };
  RETURN_IF_ERROR(
      Scan(use, kFamily, FeedKey(bounds.first), PrefixEnd(absl::string_view(&kFeedKind, 1)), visit));
  if (first == bounds.first) return false;
  batch.Put(use.family(kFamily), ToSlice(kFeedBeginKey), Encode(FeedBegin{first}));
  database.set_change_first(first);
  RETURN_IF_ERROR(use.Write(batch, /*sync=*/false));
  return batch.Count() >= kMaxTrimmed;
}

}  // namespace

ChangeBounds RocksDbChanges::Bounds() const { return shared_.database().change_bounds(); }

Task<absl::StatusOr<ChangePage>> RocksDbChanges::Read(ChangeQuestion question) {
  const auto read = [&](const Database::Use& use) { return ReadPage(use, question, known_addresses_); };
  const ChangeBounds bounds = Bounds();
  const bool few = bounds.last - question.after.position <= kFewChanges || question.accounts.size() == 1;
  if (few && question.limit <= static_cast<size_t>(kFewChanges))
    co_return co_await shared_.InMemoryFirst(read);
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<bool>> RocksDbChanges::Trim(absl::Duration age, int64_t max_count) {
  if (!co_await shared_.background().Enter()) co_return Readers::TooMany();
  absl::StatusOr<bool> more = TrimNow(shared_, age, max_count);
  co_await shared_.background().Leave();
  co_return more;
}

void RocksDbChanges::SetListener(ChangeListener* listener) {
  shared_.database().set_change_listener(listener);
}

Task<absl::Status> RocksDbChanges::CreateConsumer(FeedConsumer consumer) {
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  const auto apply = [&](Batch& batch) -> absl::Status {
    std::string bytes;
    ASSIGN_OR_RETURN(const bool there, batch.Find(kFamily, ConsumerKey(consumer.name), bytes));
    if (there) return rules::ConsumerExists(consumer.name);
    ASSIGN_OR_RETURN(const size_t count,
                     batch.CountPrefix(kFamily, absl::string_view(&kConsumerKind, 1), kMaxConsumers));
    if (count >= kMaxConsumers) return rules::TooManyConsumers();
    consumer.fence = 0;
    batch.Put(kFamily, ConsumerKey(consumer.name), Encode(consumer));
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/true);
}

Task<absl::StatusOr<FeedConsumer>> RocksDbChanges::FindConsumer(std::string name) {
  const auto read = [&name](const Database::Use& use) { return FindConsumerIn(use, name); };
  co_return co_await shared_.InMemoryFirst(read);
}

Task<absl::StatusOr<std::vector<FeedConsumer>>> RocksDbChanges::ListConsumers(std::string after,
                                                                              size_t limit) {
  const auto read = [&](const Database::Use& use) -> absl::StatusOr<std::vector<FeedConsumer>> {
    std::vector<FeedConsumer> consumers;
    if (limit == 0) return consumers;
    std::string first = ConsumerKey(after);
    if (!after.empty()) first.push_back('\0');
    RETURN_IF_ERROR(Scan(use, kFamily, first, PrefixEnd(absl::string_view(&kConsumerKind, 1)),
                         [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                           FeedConsumer& consumer = consumers.emplace_back();
                           RETURN_IF_ERROR(Decode(value, consumer));
                           consumer.name = std::string(key.substr(1));
                           return consumers.size() < limit;
                         }));
    return consumers;
  };
  co_return co_await shared_.OnDisk(read);
}

Task<absl::Status> RocksDbChanges::DeleteConsumer(std::string name) {
  const auto apply = [&](Batch& batch) -> absl::Status {
    RETURN_IF_ERROR(FindConsumerIn(batch, name).status());
    batch.Delete(kFamily, ConsumerKey(name));
    return absl::OkStatus();
  };
  co_return co_await shared_.writer().Commit(apply, /*sync=*/true);
}

// Reads the consumer, lets `change` change it, and keeps it where that says true.
template <typename Change>
Task<absl::StatusOr<FeedConsumer>> RocksDbChanges::Move(std::string name, Change change) {
  FeedConsumer consumer;
  const auto apply = [&](Batch& batch) -> absl::Status {
    ASSIGN_OR_RETURN(consumer, FindConsumerIn(batch, name));
    ASSIGN_OR_RETURN(const bool changed, change(consumer));
    if (changed) batch.Put(kFamily, ConsumerKey(name), Encode(consumer));
    return absl::OkStatus();
  };
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(apply, /*sync=*/true));
  co_return consumer;
}

Task<absl::StatusOr<FeedConsumer>> RocksDbChanges::ActivateConsumer(std::string name) {
  const auto change = [this](FeedConsumer& consumer) -> absl::StatusOr<bool> {
    consumer.fence = shared_.database().NextId();
    return true;
  };
  co_return co_await Move(std::move(name), change);
}

Task<absl::Status> RocksDbChanges::AckConsumer(std::string name, int64_t fence, ChangeCursor cursor,
                                               absl::Time now) {
  const auto change = [=](FeedConsumer& consumer) { return rules::DecideAck(consumer, fence, cursor, now); };
  const absl::StatusOr<FeedConsumer> moved = co_await Move(std::move(name), change);
  co_return moved.status();
}

Task<absl::StatusOr<FeedConsumer>> RocksDbChanges::ResetConsumer(std::string name, ChangeCursor cursor,
                                                                 std::string incarnation) {
  const auto change = [&](FeedConsumer& consumer) -> absl::StatusOr<bool> {
    consumer.acked = cursor;
    consumer.incarnation = incarnation;
    consumer.fence = 0;
    return true;
  };
  co_return co_await Move(std::move(name), change);
}

}  // namespace mailstead::engine
