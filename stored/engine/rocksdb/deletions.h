// Deletions of any number of messages, each in one commit whose work does not grow with their number.
//
// A few are deleted by the commit itself. Of more, a thread that may wait first finds out which of them exist, and writes
// down where they are (runs, family reclaim), a bounded step at a time; nobody takes notice of that. The commit then
// counts them off the mailbox and adds one small record, the deletion. From that moment on every verb passes over what the
// deletion's runs name. Upkeep takes entries and bodies away afterwards, again in bounded steps, and the deletion with the
// last of them; where the mailbox's domain keeps what is deleted, they go into the trash (trash.h), at once or in these
// steps. What the mailbox lost since the runs were made is told by its removal_count and by what it remembers of its
// removals: if one of the messages is among it, or it is not remembered, they are made anew. Runs whose deletion never
// committed are swept like bodies that were staged for nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/task.h"
#include "stored/engine/rocksdb/database.h"
#include "stored/engine/rocksdb/records.h"
#include "stored/engine/rocksdb/writer.h"
#include "stored/rules/mailbox.h"
#include "stored/rules/trash.h"

namespace mailstead::engine {

class RocksDbShared;

// What deletions hide of one mailbox, at one moment.
class HiddenMessages {
 public:
  // `snapshot` may be null: the newest state. It and `use` outlive this.
  static absl::StatusOr<HiddenMessages> Of(const Database::Use& use, const rocksdb::Snapshot* snapshot,
                                           AccountId account);
  HiddenMessages(HiddenMessages&&) = default;
  HiddenMessages& operator=(HiddenMessages&&) = default;

  // The run that hides a message; absent: it is there for all. Cheap where one call's message is near that before it.
  absl::StatusOr<std::optional<MessageRun>> Find(MessageId message);
  // Whether one of the deletions that hide it puts it into the trash.
  absl::StatusOr<bool> IsKept(MessageId message);

 private:
  // A deletion, with the one record of its runs that was looked at last.
  struct Hiding {
    int64_t deletion = 0;
    // What it is of goes into the trash.
    bool is_kept = false;
    std::unique_ptr<rocksdb::Iterator> it;
    Runs runs;
    // The record tells of messages from `begin` on, before `end`.
    int64_t begin = 0;
    int64_t end = 0;
  };
  explicit HiddenMessages(const Database::Use& use) : use_(&use) {}
  absl::Status Load(Hiding& hiding, MessageId message) const;
  absl::StatusOr<std::optional<MessageRun>> FindIn(Hiding& hiding, MessageId message) const;

  const Database::Use* use_;
  std::vector<Hiding> hidings_;
};

// Counts a commit that takes messages out of the mailbox, or brings them back: listings from before lead to none behind it
// unless a Removal is put under that count.
void CountRemoval(Batch& batch, AccountId account, rules::Mailbox& mailbox);

// Runs of messages that ascend.
std::vector<MessageRun> RunsOf(const std::vector<MessageId>& messages);
std::vector<MessageId> Ascending(std::vector<MessageId> messages);

// A view of a mailbox's messages without those that are deleted but not yet taken away: the same for all that is read
// through it.
class MailboxView {
 public:
  MailboxView(const Database::Use& use, AccountId account, ScanSize size = ScanSize::kUsual);
  ~MailboxView();
  MailboxView(const MailboxView&) = delete;
  MailboxView& operator=(const MailboxView&) = delete;

  // Before all else.
  absl::Status Begin();
  // Those from `first` on, before `end` (0: all), in order: calls `visit` until it gives false.
  absl::Status Scan(
      MessageId first, int64_t end,
      absl::FunctionRef<absl::StatusOr<bool>(MessageId message, absl::string_view value)> visit);
  // The other way around: those before `end` (0: all), the last one first.
  absl::Status ScanBack(
      int64_t end, absl::FunctionRef<absl::StatusOr<bool>(MessageId message, absl::string_view value)> visit);
  // The last message before `end`; 0: there is none.
  absl::StatusOr<MessageId> Last(int64_t end);

 private:
  // The run that hides the iterator's message.
  absl::StatusOr<std::optional<MessageRun>> HidingRun();

  const Database::Use& use_;
  const AccountId account_;
  const std::string lower_key_;
  const std::string upper_key_;
  const rocksdb::Slice lower_;
  const rocksdb::Slice upper_;
  rocksdb::ReadOptions options_;
  const rocksdb::Snapshot* snapshot_ = nullptr;
  std::optional<HiddenMessages> hidden_;
  std::unique_ptr<rocksdb::Iterator> it_;
};

// As MailboxView::Scan, of a view of its own.
absl::Status ScanMessages(
    const Database::Use& use, AccountId account, MessageId first, int64_t end,
    absl::FunctionRef<absl::StatusOr<bool>(MessageId message, absl::string_view value)> visit,
    ScanSize size = ScanSize::kUsual);
// Whether a message is deleted but not yet taken away.
absl::StatusOr<bool> IsHidden(const Database::Use& use, AccountId account, MessageId message);
// Whether it is deleted and goes into the trash, but is not there yet.
absl::StatusOr<bool> IsOnItsWayToTrash(const Database::Use& use, AccountId account, MessageId message);

// Messages of one mailbox that are to be deleted by one commit, found and written down where nobody sees it.
class StagedDeletion {
 public:
  // `messages` ascend, and outlive it.
  StagedDeletion(RocksDbShared& shared, AccountId account, const std::vector<MessageId>& messages);
  // Sweeps what is written, on another thread, unless it was committed.
  ~StagedDeletion();
  StagedDeletion(const StagedDeletion&) = delete;
  StagedDeletion& operator=(const StagedDeletion&) = delete;

  // On a thread that may wait; once.
  absl::Status Stage();
  // Whether what was found is still so: `mailbox` is as the commit finds it.
  absl::StatusOr<bool> IsTrue(const Batch& batch, const rules::Mailbox& mailbox) const;
  // Within the commit: counts the messages off `mailbox`, which the caller writes when it is more than none, hides them, and
  // adds them to the change feed, which names their runs. How many there were.
  int64_t Commit(Batch& batch, rules::Mailbox& mailbox, const rules::Deletion& deletion);
  // What of the messages does not exist, ascending; as true as the rest.
  const std::vector<MessageId>& missing() const { return missing_; }
  // The commit was written, or may have been: what is staged stays.
  void Keep() { staged_ = false; }

 private:
  absl::Status StageStep(size_t& next);
  // Passes over what the mailbox lost during a step of others than the first `next` messages.
  absl::Status FollowRemovals(size_t next);
  // Whether none of the first `count` messages is among what removals behind removal_count_, up to `to`, have deleted.
  absl::StatusOr<bool> AreElsewhere(const Source& source, int64_t to, size_t count) const;
  absl::Status EndRun(const Database::Use& use);

  RocksDbShared& shared_;
  const int64_t id_;
  const AccountId account_;
  const std::vector<MessageId>& messages_;
  uint64_t generation_ = 0;
  int64_t mailbox_number_ = 0;
  // What was found is so after this many removals.
  int64_t removal_count_ = 0;
  int64_t message_count_ = 0;
  int64_t message_bytes_ = 0;
  MessageId first_;
  std::vector<MessageId> missing_;
  // Up to one more than a mailbox remembers of a commit.
  Removal removal_;
  std::optional<MessageRun> run_;
  // Those that no record has yet.
  Runs runs_;
  // A record was written.
  bool staged_ = false;
};

// A change that deletes messages of one mailbox, all or none, however many.
class DeletingChange : public Change {
 public:
  DeletingChange(RocksDbShared& shared, AccountId account, std::vector<MessageId> messages,
                 DeletionCause cause);
  ~DeletingChange() override;

  absl::Status Apply(Batch& batch) final;
  bool needs_sync() const final { return deleted_count_ > 0; }
  size_t size_bytes() const final { return messages_.size() * sizeof(MessageId); }
  size_t record_count() const final;

  // co_await change.Run(): through the writer, staged where that must be.
  Task<absl::Status> Run();
  int64_t deleted_count() const { return deleted_count_; }
  // What did not exist: ascending, each once.
  std::vector<MessageId> TakeMissing() { return std::move(missing_); }

 protected:
  // Whether the deletions are to be made; false: OK without them. `mailbox` is null when the account is gone.
  virtual absl::StatusOr<bool> Decide(const Batch& batch, const rules::Mailbox* mailbox) = 0;
  // They are made: what is to be written with them, beside the entries. True: `mailbox` is to be written in any case.
  virtual bool Finish(Batch& batch, rules::Mailbox& mailbox) = 0;

  RocksDbShared& shared() const { return shared_; }
  AccountId account() const { return account_; }

 private:
  absl::Status DeleteAtOnce(Batch& batch, rules::Mailbox& mailbox, const rules::Deletion& deletion);

  RocksDbShared& shared_;
  const AccountId account_;
  // Ascending, each once.
  const std::vector<MessageId> messages_;
  const DeletionCause cause_;
  std::unique_ptr<StagedDeletion> staged_;
  // What the last Apply came to.
  bool must_stage_ = false;
  bool used_staged_ = false;
  bool leaves_work_ = false;
  int64_t deleted_count_ = 0;
  std::vector<MessageId> missing_;
};

}  // namespace mailstead::engine
