// Mail coming in, and messages on their way out.
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/append_change.h"
#include "stored/engine/rocksdb/deletions.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/message_reader.h"
#include "stored/engine/rocksdb/trash.h"
#include "stored/rules/directory.h"
#include "stored/rules/new_message.h"
#include "stored/rules/receipt.h"
#include "stored/rules/search.h"

namespace mailstead::engine {
namespace {

// A body up to here is packed on the caller's thread: to change threads would cost more.
constexpr size_t kPackedAtOnceBytes = 16 << 10;
// Entries listed at once on the caller's thread, when they are in memory.
constexpr size_t kFewEntries = 32;

// What a step of a search gathers.
class SearchStep {
 public:
  explicit SearchStep(const MessageSearch& search) : search_(search) { found_.done = true; }

  // There is another message. False: the step ends before it.
  bool Begin(MessageId message) {
    if (looked_ == search_.look_limit || found_.messages.size() == search_.limit) {
      found_.done = false;
      return false;
    }
    ++looked_;
    found_.last = message;
    return true;
  }
  void Look(MessageId message, const rules::Entry& entry,
            const std::optional<MessageDeletion>& deletion = std::nullopt) {
    if (!rules::Matches(search_.filter, entry)) return;
    found_.messages.push_back(rules::SummaryOf(message, entry));
    found_.messages.back().deletion = deletion;
  }
  FoundMessages Take() { return std::move(found_); }

 private:
  const MessageSearch& search_;
  FoundMessages found_;
  size_t looked_ = 0;
};

absl::Status CheckMailbox(const Database::Use& use, AccountId account) {
  std::string bytes;
  ASSIGN_OR_RETURN(const bool exists, use.Find(Family::kMailbox, MailboxKey(account), bytes));
  return exists ? absl::OkStatus() : rules::NoAccount(absl::StrCat(account.value));
}

absl::StatusOr<FoundMessages> SearchNow(const Database::Use& use, AccountId account,
                                        const MessageSearch& search) {
  RETURN_IF_ERROR(CheckMailbox(use, account));
  SearchStep step(search);
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  if (search.after.value == kLast || (search.before.value != 0 && search.before <= search.after))
    return step.Take();
  MessageRecord record;
  const auto look = [&](MessageId message, absl::string_view value) -> absl::StatusOr<bool> {
    if (message <= search.after || !step.Begin(message)) return false;
    RETURN_IF_ERROR(Decode(value, record));
    step.Look(message, record.entry);
    return true;
  };
  // One that passes over most leaves the cache to others.
  MailboxView view(use, account, search.look_limit > search.limit ? ScanSize::kVeryMuch : ScanSize::kUsual);
  RETURN_IF_ERROR(view.Begin());
  if (search.newest_first) {
    RETURN_IF_ERROR(view.ScanBack(search.before.value, look));
  } else {
    RETURN_IF_ERROR(view.Scan(MessageId{search.after.value + 1}, search.before.value, look));
  }
  return step.Take();
}

absl::StatusOr<FoundMessages> SearchTrash(const Database::Use& use, AccountId account,
                                          const MessageSearch& search, absl::Time now) {
  RETURN_IF_ERROR(CheckMailbox(use, account));
  SearchStep step(search);
  UndeleteWindows windows(use);
  const auto look = [&](MessageId message, const TrashedRecord& trashed) -> absl::StatusOr<bool> {
    if (!step.Begin(message)) return false;
    ASSIGN_OR_RETURN(const absl::Duration window, windows.Of(trashed.deletion.domain));
    if (!rules::IsRestorable(trashed.deletion, window, now)) return true;
    MessageRecord record;
    RETURN_IF_ERROR(Decode(trashed.message, record));
    step.Look(message, record.entry, rules::Told(trashed.deletion, window));
    return true;
  };
  RETURN_IF_ERROR(ScanTrash(use, account, search.after, search.before, search.newest_first, look));
  return step.Take();
}

// By a caller of the API. A session that holds the maildrop is no obstacle.
class DeleteChange final : public DeletingChange {
 public:
  DeleteChange(RocksDbShared& shared, AccountId account, std::vector<MessageId> messages)
      : DeletingChange(shared, account, std::move(messages), DeletionCause::kApi) {}

 private:
  absl::StatusOr<bool> Decide(const Batch&, const rules::Mailbox* mailbox) override {
    if (mailbox == nullptr) return rules::NoAccount(absl::StrCat(account().value));
    return true;
  }
  bool Finish(Batch&, rules::Mailbox&) override { return false; }
};

}  // namespace

Task<absl::StatusOr<std::unique_ptr<BodyWriter>>> RocksDbMessages::NewBody() {
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  co_return std::make_unique<StagedBody>(shared_.database(), shared_.health(), shared_.readers());
}

Task<absl::StatusOr<Receipt>> RocksDbMessages::Append(NewMessage message, Content content,
                                                      std::vector<NewNotice> notices) {
  CO_RETURN_IF_ERROR(rules::Check(message));
  CO_RETURN_IF_ERROR(shared_.health().CheckSpace());
  AppendChange change(shared_, std::move(message));
  size_t whole_bytes = content.whole.size();
  for (const NewNotice& notice : notices) whole_bytes += notice.content.size();
  const bool at_once = content.staged == nullptr && whole_bytes <= kPackedAtOnceBytes;
  if (!at_once && !co_await shared_.readers().Enter()) co_return Readers::TooMany();
  for (NewNotice& notice : notices) change.AddNotice(std::move(notice));
  absl::Status sealed;
  if (content.staged != nullptr) {
    // Every body writer of this engine was made by NewBody.
    std::unique_ptr<StagedBody> staged(static_cast<StagedBody*>(content.staged.release()));
    const int64_t content_bytes = staged->size_bytes();
    sealed = staged->Seal(change.message().trace);
    change.SetStaged(std::move(staged), content_bytes);
  } else {
    change.SetWhole(std::move(content.whole));
  }
  if (!sealed.ok()) {
    co_await shared_.readers().Leave();
    co_return sealed;
  }
  absl::Status committed = co_await shared_.writer().Commit(change);
  // A refusal comes at once, on whatever thread this is; a commit on the executor.
  if (!at_once && !committed.ok()) co_await shared_.readers().Leave();
  CO_RETURN_IF_ERROR(committed);
  co_return change.TakeReceipt();
}

Task<absl::StatusOr<Settlement>> RocksDbMessages::Settle(std::string delivery_scope,
                                                         std::string delivery_id) {
  Settlement settlement;
  // Behind every Append that waits already: the writer takes changes in order.
  const auto apply = [&](Batch& batch) -> absl::Status {
    ASSIGN_OR_RETURN(const auto before, FindReceipt(shared_, batch, delivery_scope, delivery_id));
    settlement = rules::DecideSettlement(before);
    if (!before.has_value()) {
      PutReceipt(shared_, batch, delivery_scope, delivery_id, rules::VoidReceipt(shared_.clock().Now()));
    }
    return absl::OkStatus();
  };
  CO_RETURN_IF_ERROR(co_await shared_.writer().Commit(apply, /*sync=*/true));
  co_return settlement;
}

Task<absl::StatusOr<std::vector<MessageSummary>>> RocksDbMessages::List(AccountId account, MessageId after,
                                                                        size_t limit) {
  const auto read = [=](const Database::Use& use) -> absl::StatusOr<std::vector<MessageSummary>> {
    std::vector<MessageSummary> messages;
    RETURN_IF_ERROR(CheckMailbox(use, account));
    if (limit == 0 || after.value == std::numeric_limits<int64_t>::max()) return messages;
    RETURN_IF_ERROR(ScanMessages(use, account, MessageId{after.value + 1}, 0,
                                 [&](MessageId message, absl::string_view value) -> absl::StatusOr<bool> {
                                   MessageRecord record;
                                   RETURN_IF_ERROR(Decode(value, record));
                                   messages.push_back(rules::SummaryOf(message, record.entry));
                                   return messages.size() < limit;
                                 }));
    return messages;
  };
  if (limit <= kFewEntries) co_return co_await shared_.InMemoryFirst(read);
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<MessageSummary>> RocksDbMessages::Find(AccountId account, MessageId message) {
  const auto read = [=](const Database::Use& use) -> absl::StatusOr<MessageSummary> {
    ASSIGN_OR_RETURN(const MessageRecord record, FindMessage(use, account, message));
    return rules::SummaryOf(message, record.entry);
  };
  co_return co_await shared_.InMemoryFirst(read);
}

Task<absl::StatusOr<FoundMessages>> RocksDbMessages::Search(AccountId account, MessageSearch search) {
  if (search.in_trash) {
    CO_RETURN_IF_ERROR(co_await shared_.AwaitReclaimed(account));
    const absl::Time now = shared_.clock().Now();
    const auto read_trash = [account, &search, now](const Database::Use& use) {
      return SearchTrash(use, account, search, now);
    };
    co_return co_await shared_.OnDisk(read_trash);
  }
  const auto read = [account, &search](const Database::Use& use) { return SearchNow(use, account, search); };
  if (search.look_limit <= kFewEntries) co_return co_await shared_.InMemoryFirst(read);
  co_return co_await shared_.OnDisk(read);
}

Task<absl::StatusOr<std::unique_ptr<MessageReader>>> RocksDbMessages::Open(AccountId account,
                                                                           MessageId message) {
  const auto read = [=, this](const Database::Use& use) -> absl::StatusOr<std::unique_ptr<MessageReader>> {
    ASSIGN_OR_RETURN(OpenedMessage opened,
                     OpenMessage(use, shared_.database(), shared_.readers(), account, message));
    return std::move(opened.reader);
  };
  co_return co_await shared_.InMemoryFirst(read);
}

Task<absl::StatusOr<DeletedMessages>> RocksDbMessages::Delete(AccountId account,
                                                              std::vector<MessageId> messages) {
  DeleteChange change(shared_, account, std::move(messages));
  CO_RETURN_IF_ERROR(co_await change.Run());
  co_return DeletedMessages{change.deleted_count(), change.TakeMissing()};
}

}  // namespace mailstead::engine
