// Proof that what is stored is what came in.
#include <openssl/evp.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/message_reader.h"

namespace mailstead::store {
namespace {

// Entries looked up at a time: the walk holds no view of the database while bodies are read.
constexpr size_t kPageEntries = 256;

using Entry = std::pair<MailboxId, MessageId>;

absl::StatusOr<std::vector<Entry>> NextEntries(Database& database, const std::string& after,
                                               const std::string& end) {
  std::vector<Entry> entries;
  const Database::Use use(database);
  RETURN_IF_ERROR(use.status());
  RETURN_IF_ERROR(Scan(use, nullptr, Family::kMessage, after, end,
                       [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
                         entries.emplace_back(MailboxOfKey(key), MessageOfKey(key));
                         return entries.size() < kPageEntries;
                       }));
  return entries;
}

absl::Status HashContent(MessageReader& reader, uint64_t prefix_bytes, absl::string_view expected) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  CHECK(digest != nullptr && EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) == 1);
  uint64_t offset = prefix_bytes;
  for (;;) {
    ASSIGN_OR_RETURN(const std::string piece, reader.Read(offset, kChunkBytes));
    if (piece.empty()) break;
    CHECK(EVP_DigestUpdate(digest.get(), piece.data(), piece.size()) == 1);
    offset += piece.size();
  }
  unsigned char sum[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(EVP_DigestFinal_ex(digest.get(), sum, &size) == 1);
  if (absl::string_view(reinterpret_cast<const char*>(sum), size) == expected) return absl::OkStatus();
  return absl::DataLossError("the content differs from its SHA-256");
}

absl::Status VerifyMessage(Database& database, MailboxId mailbox, MessageId message) {
  ASSIGN_OR_RETURN(const OpenedMessage opened, OpenMessageRecord(database, mailbox, message));
  return HashContent(*opened.reader, opened.record.prefix.size(), opened.record.sha256);
}

}  // namespace

absl::StatusOr<uint64_t> RocksDbEngine::Verify(
    MailboxId mailbox, absl::FunctionRef<void(MailboxId, MessageId, const absl::Status&)> damaged) {
  if (mailbox.value != 0) RETURN_IF_ERROR(GetUsage(mailbox).status());
  const std::string all = mailbox.value == 0 ? "" : MailboxKey(mailbox);
  const std::string end = mailbox.value == 0 ? "" : PrefixEnd(all);
  std::string next = all;
  uint64_t checked = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const std::vector<Entry> entries, NextEntries(*database_, next, end));
    if (entries.empty()) return checked;
    for (const auto& [entry_mailbox, message] : entries) {
      const absl::Status status = VerifyMessage(*database_, entry_mailbox, message);
      // Deleted meanwhile.
      if (absl::IsNotFound(status)) continue;
      // The store is away: that says nothing about the message.
      if (!status.ok() && !absl::IsDataLoss(status)) return status;
      ++checked;
      if (!status.ok()) damaged(entry_mailbox, message, status);
    }
    next = MessageKey(entries.back().first, entries.back().second) + '\0';
  }
}

}  // namespace mailstead::store
