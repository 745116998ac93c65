// Proof that what is stored is what came in.
#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/message_reader.h"
#include "stored/rules/directory.h"

namespace mailstead::engine {
namespace {

// A step reads so many messages, or so many bytes, whichever comes first.
constexpr size_t kStepMessages = 256;
constexpr int64_t kStepBytes = 8 << 20;

using Place = VerifyCursor::Place;

absl::Status HashContent(RocksDbReader& reader, absl::string_view expected) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  CHECK(digest != nullptr && EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) == 1);
  int64_t offset = reader.front_bytes();
  for (;;) {
    ASSIGN_OR_RETURN(const std::string piece, reader.ReadNow(offset, kChunkBytes));
    if (piece.empty()) break;
    CHECK(EVP_DigestUpdate(digest.get(), piece.data(), piece.size()) == 1);
    offset += static_cast<int64_t>(piece.size());
  }
  unsigned char sum[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(EVP_DigestFinal_ex(digest.get(), sum, &size) == 1);
  if (absl::string_view(reinterpret_cast<const char*>(sum), size) == expected) return absl::OkStatus();
  return absl::DataLossError("the content differs from its SHA-256");
}

// The messages behind `from`, of one account, or of all and of the queue: those of a step at most.
absl::StatusOr<std::vector<VerifyCursor>> NextEntries(const Database::Use& use, AccountId account,
                                                      VerifyCursor from) {
  std::vector<VerifyCursor> entries;
  if (account.value != 0) {
    std::string bytes;
    ASSIGN_OR_RETURN(const bool exists, use.Find(Family::kMailbox, MailboxKey(account), bytes));
    if (!exists) return rules::NoAccount(absl::StrCat(account.value));
  }
  const auto add = [&](VerifyCursor entry) -> absl::StatusOr<bool> {
    entries.push_back(entry);
    return entries.size() < kStepMessages;
  };
  if (from.place == Place::kMailboxes) {
    std::string first = MessageKey(from.account, from.message) + '\0';
    if (account.value != 0) first = std::max(first, MailboxKey(account));
    const std::string end = account.value == 0 ? "" : PrefixEnd(MailboxKey(account));
    RETURN_IF_ERROR(Scan(use, Family::kMessage, first, end, [&](absl::string_view key, absl::string_view) {
      return add({Place::kMailboxes, AccountOfKey(key), MessageOfKey(key)});
    }));
    if (entries.size() == kStepMessages) return entries;
    from = {Place::kTrash, AccountId(), MessageId()};
  }
  if (from.place == Place::kTrash) {
    std::string first = TrashKey(from.account, from.message) + '\0';
    if (account.value != 0) first = std::max(first, TrashPrefix(account));
    const std::string end = PrefixEnd(account.value == 0 ? "m" : TrashPrefix(account));
    RETURN_IF_ERROR(Scan(use, Family::kTrash, first, end, [&](absl::string_view key, absl::string_view) {
      return add({Place::kTrash, AccountOfTrashKey(key), MessageOfTrashKey(key)});
    }));
    if (entries.size() == kStepMessages) return entries;
    from = {Place::kQueue, AccountId(), MessageId()};
  }
  if (account.value != 0) return entries;
  RETURN_IF_ERROR(Scan(use, Family::kQueue, QueuedKey(QueueId{from.message.value + 1}),
                       PrefixEnd(absl::string_view(&kQueuedKind, 1)),
                       [&](absl::string_view key, absl::string_view) {
                         return add({Place::kQueue, AccountId(), MessageId{QueuedOfKey(key).value}});
                       }));
  return entries;
}

absl::StatusOr<OpenedMessage> OpenAt(const Database::Use& use, Database& database, Readers& readers,
                                     const VerifyCursor& entry) {
  switch (entry.place) {
    case Place::kMailboxes: {
      absl::StatusOr<OpenedMessage> opened =
          OpenMessage(use, database, readers, entry.account, entry.message);
      if (!absl::IsNotFound(opened.status())) return opened;
      // One that has got there since is met in the trash.
      return OpenOnItsWayToTrash(use, database, readers, entry.account, entry.message);
    }
    case Place::kTrash:
      return OpenTrashed(use, database, readers, entry.account, entry.message);
    case Place::kQueue:
      return OpenQueued(use, database, readers, QueueId{entry.message.value});
  }
  CHECK(false);
}

}  // namespace

// The walk holds no view of the database while bodies are read.
absl::StatusOr<VerifyStep> VerifyNow(Database& database, Readers& readers, AccountId account,
                                     VerifyCursor from) {
  VerifyStep step;
  std::vector<VerifyCursor> entries;
  {
    const Database::Use use(database);
    RETURN_IF_ERROR(use.status());
    ASSIGN_OR_RETURN(entries, NextEntries(use, account, from));
  }
  bool all = entries.size() < kStepMessages;
  int64_t bytes = 0;
  for (const VerifyCursor& entry : entries) {
    if (bytes >= kStepBytes) {
      all = false;
      break;
    }
    const absl::StatusOr<OpenedMessage> opened = [&]() -> absl::StatusOr<OpenedMessage> {
      const Database::Use use(database);
      RETURN_IF_ERROR(use.status());
      return OpenAt(use, database, readers, entry);
    }();
    absl::Status status = opened.status();
    if (status.ok()) {
      bytes += opened->reader->size_bytes();
      status = HashContent(*opened->reader, opened->record.entry.sha256);
      opened->reader->DropView();
    }
    from = entry;
    // Deleted meanwhile.
    if (absl::IsNotFound(status)) continue;
    // The store is away: that says nothing about the message.
    if (!status.ok() && !absl::IsDataLoss(status)) return status;
    ++step.checked_count;
    if (!status.ok()) {
      step.damaged.push_back({entry.account, entry.message, status});
    }
  }
  if (!all) step.next = from;
  return step;
}

Task<absl::StatusOr<VerifyStep>> RocksDbUpkeep::Verify(AccountId account, VerifyCursor from) {
  if (!co_await shared_.background().Enter()) co_return Readers::TooMany();
  absl::StatusOr<VerifyStep> step = VerifyNow(shared_.database(), shared_.readers(), account, from);
  co_await shared_.background().Leave();
  co_return step;
}

}  // namespace mailstead::engine
