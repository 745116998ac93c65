// What a mailbox holds, and the state of the store.
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/message_reader.h"
#include "stored/engine/rocksdb/schema.h"

namespace mailstead::store {
namespace {

absl::StatusOr<MailboxRecord> FindMailbox(const Source& source, MailboxId mailbox) {
  ASSIGN_OR_RETURN(auto record, FindRecord<MailboxRecord>(source, Family::kMailbox, MailboxKey(mailbox)));
  if (!record.has_value()) return absl::NotFoundError(absl::StrCat("no mailbox ", mailbox.value));
  return *std::move(record);
}

}  // namespace

absl::StatusOr<MailboxUsage> RocksDbEngine::GetUsage(MailboxId mailbox) {
  const Database::Use use(*database_);
  RETURN_IF_ERROR(use.status());
  ASSIGN_OR_RETURN(const MailboxRecord record, FindMailbox(use, mailbox));
  return MailboxUsage{record.message_count, record.message_bytes};
}

absl::StatusOr<std::vector<MessageSummary>> RocksDbEngine::ListMessages(MailboxId mailbox, MessageId after,
                                                                        size_t limit) {
  std::vector<MessageSummary> messages;
  const Database::Use use(*database_);
  RETURN_IF_ERROR(use.status());
  RETURN_IF_ERROR(FindMailbox(use, mailbox).status());
  const MessageId none_left{~uint64_t{0}};
  if (limit == 0 || after == none_left) return messages;
  RETURN_IF_ERROR(Scan(use, nullptr, Family::kMessage, MessageKey(mailbox, MessageId{after.value + 1}),
                       PrefixEnd(MailboxKey(mailbox)),
                       [&](absl::string_view key, absl::string_view value) -> absl::StatusOr<bool> {
                         MessageRecord record;
                         RETURN_IF_ERROR(Decode(value, record));
                         messages.push_back({MessageOfKey(key), std::move(record.unique_id),
                                             record.size_bytes, record.deliver_time,
                                             std::move(record.delivery_id), std::move(record.reverse_path),
                                             std::move(record.recipient), std::move(record.sha256)});
                         return messages.size() < limit;
                       }));
  return messages;
}

absl::StatusOr<std::unique_ptr<MessageReader>> RocksDbEngine::OpenMessage(MailboxId mailbox,
                                                                          MessageId message) {
  return OpenMessageReader(*database_, mailbox, message);
}

absl::StatusOr<EngineStatus> RocksDbEngine::Status() {
  EngineStatus status;
  status.engine = "rocksdb";
  status.schema_version = kSchemaVersion;
  const Counters counters = database_->counters();
  status.domain_count = counters.domain_count;
  status.account_count = counters.account_count;
  status.alias_count = counters.alias_count;
  status.message_count = counters.message_count;
  status.message_bytes = counters.message_bytes;
  status.disk_bytes = database_->DiskBytes();
  status.disk_free_bytes = health_.free_bytes();
  status.leases = leases_.LiveLeases();
  const Database::Use use(*database_);
  RETURN_IF_ERROR(use.status());
  RETURN_IF_ERROR(Scan(use, nullptr, Family::kLock, "", "",
                       [&](absl::string_view, absl::string_view value) -> absl::StatusOr<bool> {
                         LockRecord lock;
                         RETURN_IF_ERROR(Decode(value, lock));
                         const LeaseTable::State state = leases_.StateOf(lock.lease_id, lock.lease_number);
                         if (state == LeaseTable::State::kLive) ++status.open_maildrop_count;
                         return true;
                       }));
  return status;
}

}  // namespace mailstead::store
