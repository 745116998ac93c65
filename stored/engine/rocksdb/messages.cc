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

// A step of a search.
absl::StatusOr<FoundMessages> SearchNow(const Database::Use& use, AccountId account,
                                        const MessageSearch& search) {
  FoundMessages found;
  std::string bytes;
  ASSIGN_OR_RETURN(const bool exists, use.Find(Family::kMailbox, MailboxKey(account), bytes));
  if (!exists) return rules::NoAccount(absl::StrCat(account.value));
  found.done = true;
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  if (search.after.value == kLast || (search.before.value != 0 && search.before <= search.after))
    return found;
  size_t looked = 0;
  MessageRecord record;
  const auto look = [&](MessageId message, absl::string_view value) -> absl::StatusOr<bool> {
    if (message <= search.after) return false;
    if (looked == search.look_limit || found.messages.size() == search.limit) {
      found.done = false;
      return false;
    }
    ++looked;
    found.last = message;
    RETURN_IF_ERROR(Decode(value, record));
    if (rules::Matches(search.filter, record.entry)) {
      found.messages.push_back(rules::SummaryOf(message, record.entry));
    }
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
  return found;
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
    std::string bytes;
    ASSIGN_OR_RETURN(const bool exists, use.Find(Family::kMailbox, MailboxKey(account), bytes));
    if (!exists) return rules::NoAccount(absl::StrCat(account.value));
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
