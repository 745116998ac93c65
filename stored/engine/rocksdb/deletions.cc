#include "stored/engine/rocksdb/deletions.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/bodies.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/trash.h"
#include "stored/rules/listing.h"

namespace mailstead::engine {
namespace {

// Entries that are looked at in one step of staging, and runs in one record: a few milliseconds, a few kilobytes.
constexpr size_t kStageEntries = 1000;
constexpr size_t kRunsInRecord = 1000;
// The next message so near is walked to; one farther away is looked for.
constexpr int64_t kNear = 16;
// Removals of others that a commit looks at to find that what was staged is still so. While it is staged they are looked at
// step by step, so that few are left.
constexpr int64_t kMostFollowedAtOnce = 4;
// A mailbox that loses the same messages again and again while they are staged is left alone after so many times.
constexpr int kMaxStagings = 20;
// Keys that a deletion of one entry reads and writes at most, beside the chunks of a small body.
constexpr size_t kRecordsOfEntry = 6;
// And a commit beside its entries.
constexpr size_t kRecordsOfCommit = 13 + kMostFollowedAtOnce;

constexpr absl::string_view kToldMark = "1";

// Counts one more removal of the mailbox, and remembers what it was of unless that is too much.
void NoteRemoval(Batch& batch, AccountId account, rules::Mailbox& mailbox, const Removal& removal) {
  CountRemoval(batch, account, mailbox);
  if (removal.messages.size() > rules::kMaxRemovedMessages) return;
  batch.Put(Family::kMailbox, RemovalKey(account, mailbox.removal_count), Encode(removal));
}

// Deletes what a deletion that never committed has written down, a step at a time.
void SweepRuns(Database& database, int64_t deletion, uint64_t generation, size_t step) {
  const std::string prefix = RunsPrefix(deletion);
  for (std::string first = prefix;;) {
    const Database::Use use(database);
    // A database that was closed and opened again has swept them, or holds the commit after all.
    if (!use.status().ok() || use.generation() != generation) return;
    rocksdb::WriteBatch batch;
    const auto visit = [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
      first = absl::StrCat(key, absl::string_view("\0", 1));
      return batch.Delete(use.family(Family::kReclaim), ToSlice(key)).ok() && batch.Count() < step;
    };
    const absl::Status scanned = Scan(use, Family::kReclaim, first, PrefixEnd(prefix), visit);
    // Where this fails the next start sweeps.
    if (!scanned.ok() || batch.Count() == 0 || !use.Write(batch, /*sync=*/false).ok()) return;
  }
}

}  // namespace

std::vector<MessageRun> RunsOf(const std::vector<MessageId>& messages) {
  std::vector<MessageRun> runs;
  for (const MessageId message : messages) {
    if (runs.empty() || runs.back().last.value + 1 != message.value) runs.push_back({message, message});
    runs.back().last = message;
  }
  return runs;
}

std::vector<MessageId> Ascending(std::vector<MessageId> messages) {
  std::sort(messages.begin(), messages.end());
  messages.erase(std::unique(messages.begin(), messages.end()), messages.end());
  return messages;
}

void CountRemoval(Batch& batch, AccountId account, rules::Mailbox& mailbox) {
  ++mailbox.removal_count;
  if (mailbox.removal_count > rules::kMaxRemovals) {
    batch.Delete(Family::kMailbox, RemovalKey(account, mailbox.removal_count - rules::kMaxRemovals));
  }
}

absl::StatusOr<HiddenMessages> HiddenMessages::Of(const Database::Use& use, const rocksdb::Snapshot* snapshot,
                                                  AccountId account) {
  rocksdb::ReadOptions options = use.read_options();
  options.snapshot = snapshot;
  HiddenMessages hidden(use);
  const auto iterator = [&] {
    return std::unique_ptr<rocksdb::Iterator>(use.db().NewIterator(options, use.family(Family::kReclaim)));
  };
  const std::string prefix = DeletionPrefix(account);
  const std::unique_ptr<rocksdb::Iterator> it = iterator();
  for (it->Seek(ToSlice(prefix)); it->Valid() && it->key().starts_with(ToSlice(prefix)); it->Next()) {
    Hiding& hiding = hidden.hidings_.emplace_back();
    hiding.deletion = DeletionOfKey(ToView(it->key()));
    Deletion deletion;
    RETURN_IF_ERROR(Decode(ToView(it->value()), deletion));
    hiding.is_kept = !deletion.kept.domain.empty();
    hiding.it = iterator();
  }
  RETURN_IF_ERROR(use.Outcome(it->status()));
  return hidden;
}

absl::StatusOr<std::optional<MessageRun>> HiddenMessages::Find(MessageId message) {
  for (Hiding& hiding : hidings_) {
    ASSIGN_OR_RETURN(const std::optional<MessageRun> run, FindIn(hiding, message));
    if (run.has_value()) return run;
  }
  return std::optional<MessageRun>();
}

absl::StatusOr<bool> HiddenMessages::IsKept(MessageId message) {
  for (Hiding& hiding : hidings_) {
    if (!hiding.is_kept) continue;
    ASSIGN_OR_RETURN(const std::optional<MessageRun> run, FindIn(hiding, message));
    if (run.has_value()) return true;
  }
  return false;
}

absl::StatusOr<std::optional<MessageRun>> HiddenMessages::FindIn(Hiding& hiding, MessageId message) const {
  if (message.value < hiding.begin || message.value >= hiding.end) RETURN_IF_ERROR(Load(hiding, message));
  const std::vector<MessageRun>& runs = hiding.runs.runs;
  const auto behind = std::upper_bound(
      runs.begin(), runs.end(), message,
      [](MessageId sought, const MessageRun& run) { return sought.value < run.first.value; });
  if (behind == runs.begin() || message.value > std::prev(behind)->last.value) {
    return std::optional<MessageRun>();
  }
  return std::optional<MessageRun>(*std::prev(behind));
}

absl::Status HiddenMessages::Load(Hiding& hiding, MessageId message) const {
  const std::string prefix = RunsPrefix(hiding.deletion);
  rocksdb::Iterator& it = *hiding.it;
  const auto here = [&] { return it.Valid() && it.key().starts_with(ToSlice(prefix)); };
  hiding.runs.runs.clear();
  it.SeekForPrev(ToSlice(RunsKey(hiding.deletion, message)));
  RETURN_IF_ERROR(use_->Outcome(it.status()));
  if (here()) {
    hiding.begin = FirstOfRunsKey(ToView(it.key())).value;
    RETURN_IF_ERROR(Decode(ToView(it.value()), hiding.runs));
    it.Next();
  } else {
    hiding.begin = 0;
    it.Seek(ToSlice(prefix));
  }
  RETURN_IF_ERROR(use_->Outcome(it.status()));
  hiding.end = here() ? FirstOfRunsKey(ToView(it.key())).value : std::numeric_limits<int64_t>::max();
  return absl::OkStatus();
}

MailboxView::MailboxView(const Database::Use& use, AccountId account, ScanSize size)
    : use_(use),
      account_(account),
      lower_key_(MailboxKey(account)),
      upper_key_(PrefixEnd(lower_key_)),
      lower_(ToSlice(lower_key_)),
      upper_(ToSlice(upper_key_)),
      options_(use.read_options()) {
  options_.iterate_lower_bound = &lower_;
  options_.iterate_upper_bound = &upper_;
  if (size == ScanSize::kVeryMuch) options_.fill_cache = false;
}

MailboxView::~MailboxView() {
  it_.reset();
  hidden_.reset();
  if (snapshot_ != nullptr) use_.db().ReleaseSnapshot(snapshot_);
}

absl::Status MailboxView::Begin() {
  const Database& database = use_.database();
  rocksdb::ColumnFamilyHandle* const family = use_.family(Family::kMessage);
  const uint64_t begun = database.hidings_begun();
  if (!database.Hides(account_)) {
    it_.reset(use_.db().NewIterator(options_, family));
    if (database.hidings_begun() == begun) return absl::OkStatus();
    // A deletion may have committed and be half taken away in what the iterator sees.
  }
  snapshot_ = use_.db().GetSnapshot();
  options_.snapshot = snapshot_;
  ASSIGN_OR_RETURN(hidden_, HiddenMessages::Of(use_, snapshot_, account_));
  it_.reset(use_.db().NewIterator(options_, family));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<MessageRun>> MailboxView::HidingRun() {
  if (!hidden_.has_value()) return std::optional<MessageRun>();
  return hidden_->Find(MessageOfKey(ToView(it_->key())));
}

absl::Status MailboxView::Scan(
    MessageId first, int64_t end,
    absl::FunctionRef<absl::StatusOr<bool>(MessageId message, absl::string_view value)> visit) {
  for (it_->Seek(ToSlice(MessageKey(account_, first))); it_->Valid();) {
    const MessageId message = MessageOfKey(ToView(it_->key()));
    if (end != 0 && message.value >= end) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::optional<MessageRun> hidden, HidingRun());
    if (hidden.has_value()) {
      it_->Seek(ToSlice(MessageKey(account_, MessageId{hidden->last.value + 1})));
      continue;
    }
    ASSIGN_OR_RETURN(const bool go_on, visit(message, ToView(it_->value())));
    if (!go_on) return absl::OkStatus();
    it_->Next();
  }
  return use_.Outcome(it_->status());
}

absl::Status MailboxView::ScanBack(
    int64_t end, absl::FunctionRef<absl::StatusOr<bool>(MessageId message, absl::string_view value)> visit) {
  const int64_t from = (end == 0 ? std::numeric_limits<int64_t>::max() : end) - 1;
  for (it_->SeekForPrev(ToSlice(MessageKey(account_, MessageId{from}))); it_->Valid();) {
    ASSIGN_OR_RETURN(const std::optional<MessageRun> hidden, HidingRun());
    if (hidden.has_value()) {
      it_->SeekForPrev(ToSlice(MessageKey(account_, MessageId{hidden->first.value - 1})));
      continue;
    }
    ASSIGN_OR_RETURN(const bool go_on, visit(MessageOfKey(ToView(it_->key())), ToView(it_->value())));
    if (!go_on) return absl::OkStatus();
    it_->Prev();
  }
  return use_.Outcome(it_->status());
}

absl::StatusOr<MessageId> MailboxView::Last(int64_t end) {
  MessageId last;
  const auto take = [&last](MessageId message, absl::string_view) -> absl::StatusOr<bool> {
    last = message;
    return false;
  };
  RETURN_IF_ERROR(ScanBack(end, take));
  return last;
}

absl::Status ScanMessages(
    const Database::Use& use, AccountId account, MessageId first, int64_t end,
    absl::FunctionRef<absl::StatusOr<bool>(MessageId message, absl::string_view value)> visit,
    ScanSize size) {
  MailboxView view(use, account, size);
  RETURN_IF_ERROR(view.Begin());
  return view.Scan(first, end, visit);
}

// Without a snapshot: runs go with the last of their entries, so who finds none any more finds no entry either.
absl::StatusOr<bool> IsHidden(const Database::Use& use, AccountId account, MessageId message) {
  if (!use.database().Hides(account)) return false;
  ASSIGN_OR_RETURN(HiddenMessages hidden, HiddenMessages::Of(use, nullptr, account));
  ASSIGN_OR_RETURN(const std::optional<MessageRun> run, hidden.Find(message));
  return run.has_value();
}

absl::StatusOr<bool> IsOnItsWayToTrash(const Database::Use& use, AccountId account, MessageId message) {
  if (!use.database().Hides(account)) return false;
  ASSIGN_OR_RETURN(HiddenMessages hidden, HiddenMessages::Of(use, nullptr, account));
  return hidden.IsKept(message);
}

StagedDeletion::StagedDeletion(RocksDbShared& shared, AccountId account,
                               const std::vector<MessageId>& messages)
    : shared_(shared), id_(shared.database().NextId()), account_(account), messages_(messages) {}

StagedDeletion::~StagedDeletion() {
  if (!staged_) return;
  shared_.readers().Defer(
      [&database = shared_.database(), id = id_, generation = generation_,
       step = shared_.options().max_reclaimed_at_once] { SweepRuns(database, id, generation, step); });
}

absl::Status StagedDeletion::Stage() {
  {
    const Database::Use use(shared_.database());
    RETURN_IF_ERROR(use.status());
    generation_ = use.generation();
    ASSIGN_OR_RETURN(const auto mailbox,
                     FindRecord<rules::Mailbox>(use, Family::kMailbox, MailboxKey(account_)));
    // Its commit will say so.
    if (!mailbox.has_value()) return absl::OkStatus();
    mailbox_number_ = mailbox->number;
    removal_count_ = mailbox->removal_count;
  }
  size_t next = 0;
  while (next < messages_.size()) {
    RETURN_IF_ERROR(StageStep(next));
    RETURN_IF_ERROR(FollowRemovals(next));
  }
  if (run_.has_value()) runs_.runs.push_back(*std::exchange(run_, std::nullopt));
  return absl::OkStatus();
}

// Between two steps nothing leaves the mailbox, or comes back into it, without raising its removal_count, and what is new is
// behind all that a client can name: so the steps need no common view.
absl::Status StagedDeletion::StageStep(size_t& next) {
  const Database::Use use(shared_.database());
  RETURN_IF_ERROR(use.status());
  if (generation_ != use.generation()) {
    return absl::UnavailableError("the store recovered from a failure meanwhile");
  }
  MailboxView view(use, account_);
  RETURN_IF_ERROR(view.Begin());
  size_t looked_at = 0;
  bool stopped = true;
  const auto visit = [&](MessageId message, absl::string_view value) -> absl::StatusOr<bool> {
    stopped = true;
    ++looked_at;
    while (next < messages_.size() && messages_[next] < message) missing_.push_back(messages_[next++]);
    if (next == messages_.size()) return false;
    if (messages_[next] != message) {
      if (run_.has_value()) RETURN_IF_ERROR(EndRun(use));
      stopped = messages_[next].value - message.value > kNear || looked_at >= kStageEntries;
      return !stopped;
    }
    MaildropEntry entry;
    RETURN_IF_ERROR(DecodeListed(value, entry));
    if (message_count_ == 0) first_ = message;
    ++message_count_;
    message_bytes_ += entry.size_bytes;
    if (removal_.messages.size() <= rules::kMaxRemovedMessages) removal_.messages.push_back(message);
    // Not over what is gone already: the change feed tells the runs.
    if (run_.has_value() && run_->last.value + 1 != message.value) RETURN_IF_ERROR(EndRun(use));
    if (!run_.has_value()) run_ = MessageRun{message, message};
    run_->last = message;
    ++next;
    stopped = looked_at >= kStageEntries;
    return !stopped;
  };
  while (next < messages_.size() && looked_at < kStageEntries) {
    stopped = false;
    // A run goes on only over what was seen.
    const MessageId from = run_.has_value() ? MessageId{run_->last.value + 1} : messages_[next];
    RETURN_IF_ERROR(view.Scan(from, 0, visit));
    // The mailbox ends here: none of the others exists.
    if (stopped) continue;
    missing_.insert(missing_.end(), messages_.begin() + static_cast<std::ptrdiff_t>(next), messages_.end());
    next = messages_.size();
  }
  return absl::OkStatus();
}

absl::Status StagedDeletion::EndRun(const Database::Use& use) {
  runs_.runs.push_back(*std::exchange(run_, std::nullopt));
  if (runs_.runs.size() < kRunsInRecord) return absl::OkStatus();
  // Not synced: the commit syncs all that is in the log before it.
  rocksdb::WriteBatch batch;
  batch.Put(use.family(Family::kReclaim), RunsKey(id_, runs_.runs.front().first), Encode(runs_));
  RETURN_IF_ERROR(use.Write(batch, /*sync=*/false));
  runs_.runs.clear();
  staged_ = true;
  return absl::OkStatus();
}

absl::Status StagedDeletion::FollowRemovals(size_t next) {
  const Database::Use use(shared_.database());
  RETURN_IF_ERROR(use.status());
  ASSIGN_OR_RETURN(const auto mailbox,
                   FindRecord<rules::Mailbox>(use, Family::kMailbox, MailboxKey(account_)));
  if (!mailbox.has_value() || mailbox->number != mailbox_number_) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool elsewhere, AreElsewhere(use, mailbox->removal_count, next));
  // Else the commit finds that they have to be staged anew.
  if (elsewhere) removal_count_ = mailbox->removal_count;
  return absl::OkStatus();
}

absl::StatusOr<bool> StagedDeletion::AreElsewhere(const Source& source, int64_t to, size_t count) const {
  if (to - removal_count_ > rules::kMaxRemovals) return false;
  const auto end = messages_.begin() + static_cast<std::ptrdiff_t>(count);
  for (int64_t number = removal_count_ + 1; number <= to; ++number) {
    ASSIGN_OR_RETURN(const auto removal,
                     FindRecord<Removal>(source, Family::kMailbox, RemovalKey(account_, number)));
    if (!removal.has_value()) return false;
    for (const MessageId gone : removal->messages) {
      if (std::binary_search(messages_.begin(), end, gone)) return false;
    }
  }
  return true;
}

absl::StatusOr<bool> StagedDeletion::IsTrue(const Batch& batch, const rules::Mailbox& mailbox) const {
  if (generation_ != batch.use().generation() || mailbox_number_ != mailbox.number) return false;
  if (mailbox.removal_count - removal_count_ > kMostFollowedAtOnce) return false;
  return AreElsewhere(batch, mailbox.removal_count, messages_.size());
}

int64_t StagedDeletion::Commit(Batch& batch, rules::Mailbox& mailbox, const rules::Deletion& deletion) {
  if (message_count_ == 0) return 0;
  if (!runs_.runs.empty()) {
    batch.Put(Family::kReclaim, RunsKey(id_, runs_.runs.front().first), Encode(runs_));
  }
  batch.Put(Family::kReclaim, DeletionKey(account_, id_), Encode(Deletion{first_, deletion}));
  rules::Remove(mailbox, message_bytes_, message_count_);
  batch.counters().message_count -= message_count_;
  batch.counters().message_bytes -= message_bytes_;
  NoteRemoval(batch, account_, mailbox, removal_);
  batch.Put(Family::kChange, ToldDeletionKey(id_), kToldMark);
  batch.Note({.kind = ChangeKind::kDeleted,
              .account = account_,
              .time = shared_.clock().Now(),
              .deletion = id_,
              .cause = deletion.cause});
  shared_.database().BeginHiding(account_);
  return message_count_;
}

DeletingChange::DeletingChange(RocksDbShared& shared, AccountId account, std::vector<MessageId> messages,
                               DeletionCause cause)
    : shared_(shared), account_(account), messages_(Ascending(std::move(messages))), cause_(cause) {}

DeletingChange::~DeletingChange() = default;

size_t DeletingChange::record_count() const {
  const bool few = messages_.size() <= shared_.options().max_deleted_at_once;
  return kRecordsOfCommit + (few ? messages_.size() * (kRecordsOfEntry + kChunksDeletedAtOnce) : 0);
}

absl::Status DeletingChange::Apply(Batch& batch) {
  must_stage_ = used_staged_ = leaves_work_ = false;
  deleted_count_ = 0;
  missing_.clear();
  const std::string key = MailboxKey(account_);
  ASSIGN_OR_RETURN(auto mailbox, FindRecord<rules::Mailbox>(batch, Family::kMailbox, key));
  ASSIGN_OR_RETURN(const bool wanted, Decide(batch, mailbox.has_value() ? &*mailbox : nullptr));
  if (!wanted) return absl::OkStatus();
  ASSIGN_OR_RETURN(const rules::Deletion deletion,
                   DeletionIn(batch, account_, cause_, shared_.clock().Now()));
  // Where some are hidden they are told apart by who may wait for the disk.
  const bool at_once = messages_.empty() || (messages_.size() <= shared_.options().max_deleted_at_once &&
                                             !shared_.database().Hides(account_));
  bool is_staged = false;
  if (!at_once && staged_ != nullptr) {
    ASSIGN_OR_RETURN(is_staged, staged_->IsTrue(batch, *mailbox));
  }
  if (at_once) {
    RETURN_IF_ERROR(DeleteAtOnce(batch, *mailbox, deletion));
  } else if (is_staged) {
    deleted_count_ = staged_->Commit(batch, *mailbox, deletion);
    missing_ = staged_->missing();
    used_staged_ = leaves_work_ = deleted_count_ > 0;
  } else {
    must_stage_ = true;
    return absl::OkStatus();
  }
  if (Finish(batch, *mailbox) || deleted_count_ > 0) batch.Put(Family::kMailbox, key, Encode(*mailbox));
  return absl::OkStatus();
}

absl::Status DeletingChange::DeleteAtOnce(Batch& batch, rules::Mailbox& mailbox,
                                          const rules::Deletion& deletion) {
  Removal removal;
  for (const MessageId message : messages_) {
    const std::string key = MessageKey(account_, message);
    ASSIGN_OR_RETURN(const auto record, FindRecord<MessageRecord>(batch, Family::kMessage, key));
    if (!record.has_value()) {
      missing_.push_back(message);
      continue;
    }
    if (deletion.domain.empty()) {
      ASSIGN_OR_RETURN(const bool leaves_chunks, UnrefBody(batch, record->body));
      leaves_work_ = leaves_work_ || leaves_chunks;
    } else {
      PutIntoTrash(batch, account_, message, {deletion, Encode(*record)});
    }
    batch.Delete(Family::kMessage, key);
    const int64_t size_bytes = record->entry.size_bytes();
    rules::Remove(mailbox, size_bytes);
    --batch.counters().message_count;
    batch.counters().message_bytes -= size_bytes;
    removal.messages.push_back(message);
  }
  deleted_count_ = static_cast<int64_t>(removal.messages.size());
  if (deleted_count_ == 0) return absl::OkStatus();
  NoteRemoval(batch, account_, mailbox, removal);
  batch.Note({.kind = ChangeKind::kDeleted,
              .account = account_,
              .time = shared_.clock().Now(),
              .runs = RunsOf(removal.messages),
              .cause = cause_});
  return absl::OkStatus();
}

Task<absl::Status> DeletingChange::Run() {
  for (int stagings = 0;; ++stagings) {
    absl::Status committed = co_await shared_.writer().Commit(*this);
    if (used_staged_) staged_->Keep();
    CO_RETURN_IF_ERROR(committed);
    if (!must_stage_) break;
    if (stagings == kMaxStagings) co_return absl::UnavailableError("the mailbox loses messages all the time");
    staged_ = std::make_unique<StagedDeletion>(shared_, account_, messages_);
    if (!co_await shared_.readers().Enter()) co_return Readers::TooMany();
    absl::Status staged = staged_->Stage();
    co_await shared_.readers().Leave();
    CO_RETURN_IF_ERROR(staged);
  }
  if (leaves_work_) shared_.NoteReclaim();
  co_return absl::OkStatus();
}

}  // namespace mailstead::engine
