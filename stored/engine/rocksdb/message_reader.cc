#include "stored/engine/rocksdb/message_reader.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/bodies.h"
#include "stored/engine/rocksdb/chunk_codec.h"
#include "stored/engine/rocksdb/deletions.h"

namespace mailstead::engine {
namespace {

constexpr uint32_t kNoChunk = std::numeric_limits<uint32_t>::max();
constexpr int64_t kChunk = kChunkBytes;

// `family` and `key` are those of the message's record.
absl::StatusOr<OpenedMessage> OpenRecord(const Database::Use& use, Database& database, Readers& readers,
                                         MessageRecord record, Family family, const std::string& key) {
  auto reader = std::make_unique<RocksDbReader>(database, readers, record);
  const absl::Status started = reader->Start(use);
  if (absl::IsNotFound(started)) {
    // Either a commit in between deleted both, or an entry without its body is damage.
    std::string bytes;
    ASSIGN_OR_RETURN(const bool still, use.Find(family, key, bytes));
    if (!still) return absl::NotFoundError("no such message");
    return absl::DataLossError(absl::StrCat("body ", record.body, " of a message is missing"));
  }
  RETURN_IF_ERROR(started);
  return OpenedMessage{std::move(record), std::move(reader)};
}

}  // namespace

RocksDbReader::RocksDbReader(Database& database, Readers& readers, const MessageRecord& record)
    : database_(database),
      readers_(readers),
      delivery_id_(record.entry.envelope.delivery_id),
      front_(record.entry.prefix),
      body_(record.body),
      content_bytes_(record.entry.content_bytes),
      body_bytes_(record.entry.content_bytes + record.entry.trace_bytes),
      chunk_(kNoChunk) {}

RocksDbReader::~RocksDbReader() {
  // To give a snapshot back may wait for a database that is being opened again.
  if (snapshot_ != nullptr) readers_.Defer([snapshot = std::move(snapshot_)]() mutable { snapshot.reset(); });
}

absl::Status RocksDbReader::Start(const Database::Use& use) {
  const bool one_chunk = ChunkCount(body_bytes_) == 1;
  if (ChunkCount(body_bytes_) > 1) snapshot_ = std::make_unique<Database::Snapshot>(use);
  if (one_chunk) {
    const absl::Status loaded = LoadChunk(use, 0);
    if (!loaded.ok() && !absl::IsDataLoss(loaded)) return loaded;
  }
  if (chunk_ == kNoChunk) {
    const rocksdb::Snapshot* view = snapshot_ != nullptr ? snapshot_->Get(use) : nullptr;
    std::string ref;
    ASSIGN_OR_RETURN(const bool exists, use.FindAt(view, Family::kBodyRef, BodyKey(body_), ref));
    if (!exists) return absl::NotFoundError("no such body");
    if (one_chunk) RETURN_IF_ERROR(LoadChunk(use, 0));
  }
  // The trace stands behind the content in the body, and before it in the message.
  for (int64_t at = content_bytes_; at < body_bytes_;) {
    const uint32_t chunk = static_cast<uint32_t>(at / kChunk);
    if (chunk != chunk_) RETURN_IF_ERROR(LoadChunk(use, chunk));
    const absl::string_view part = absl::string_view(chunk_bytes_).substr(static_cast<size_t>(at % kChunk));
    front_.append(part.data(), part.size());
    at += static_cast<int64_t>(part.size());
  }
  return absl::OkStatus();
}

size_t RocksDbReader::Wanted(int64_t offset, size_t max_bytes) const {
  if (offset >= size_bytes()) return 0;
  return std::min<size_t>({max_bytes, kChunkBytes, static_cast<size_t>(size_bytes() - offset)});
}

std::string RocksDbReader::AtHand(int64_t offset, size_t wanted) const {
  std::string piece;
  if (offset < front_bytes()) piece = front_.substr(static_cast<size_t>(offset), wanted);
  while (piece.size() < wanted) {
    const int64_t at = offset + static_cast<int64_t>(piece.size()) - front_bytes();
    if (static_cast<uint32_t>(at / kChunk) != chunk_) break;
    const size_t in_chunk = static_cast<size_t>(at % kChunk);
    // The trace may follow the content in its chunk.
    const size_t content_left = static_cast<size_t>(content_bytes_ - at);
    piece.append(chunk_bytes_, in_chunk, std::min(wanted - piece.size(), content_left));
  }
  return piece;
}

absl::StatusOr<std::string> RocksDbReader::ReadNow(int64_t offset, size_t max_bytes) {
  const size_t wanted = Wanted(offset, max_bytes);
  std::string piece = AtHand(offset, wanted);
  while (piece.size() < wanted) {
    const int64_t at = offset + static_cast<int64_t>(piece.size());
    {
      const Database::Use use(database_);
      RETURN_IF_ERROR(use.status());
      RETURN_IF_ERROR(LoadChunk(use, static_cast<uint32_t>((at - front_bytes()) / kChunk)));
    }
    piece += AtHand(at, wanted - piece.size());
  }
  return piece;
}

Task<absl::StatusOr<std::string>> RocksDbReader::Read(int64_t offset, size_t max_bytes) {
  const size_t wanted = Wanted(offset, max_bytes);
  std::string piece = AtHand(offset, wanted);
  if (piece.size() == wanted) co_return piece;
  if (!co_await readers_.Enter()) co_return Readers::TooMany();
  absl::StatusOr<std::string> read = ReadNow(offset, max_bytes);
  co_await readers_.Leave();
  co_return read;
}

absl::Status RocksDbReader::LoadChunk(const Database::Use& use, uint32_t chunk) {
  const rocksdb::Snapshot* view = snapshot_ != nullptr ? snapshot_->Get(use) : nullptr;
  chunk_ = kNoChunk;
  std::string stored;
  ASSIGN_OR_RETURN(const bool found, use.FindAt(view, Family::kBody, ChunkKey(body_, chunk), stored));
  if (!found && snapshot_ != nullptr && view == nullptr) {
    return absl::UnavailableError("the message was deleted while the store recovered from a failure");
  }
  const size_t expected = static_cast<size_t>(std::min(kChunk, body_bytes_ - int64_t{chunk} * kChunk));
  const absl::Status unpacked =
      found ? UnpackChunk(std::move(stored), expected, chunk_bytes_) : absl::DataLossError("is missing");
  if (!unpacked.ok()) {
    return absl::DataLossError(absl::StrCat("chunk ", chunk, " of body ", body_, ": ", unpacked.message()));
  }
  chunk_ = chunk;
  return absl::OkStatus();
}

absl::StatusOr<MessageRecord> FindMessage(const Database::Use& use, AccountId account, MessageId message) {
  std::string bytes;
  // The entries of a deleted mailbox are swept later: it is gone when its record is.
  ASSIGN_OR_RETURN(const bool mailbox_exists, use.Find(Family::kMailbox, MailboxKey(account), bytes));
  if (!mailbox_exists) return absl::NotFoundError("no such mailbox");
  ASSIGN_OR_RETURN(const bool hidden, IsHidden(use, account, message));
  if (hidden) return absl::NotFoundError("no such message");
  ASSIGN_OR_RETURN(auto record,
                   FindRecord<MessageRecord>(use, Family::kMessage, MessageKey(account, message)));
  if (!record.has_value()) return absl::NotFoundError("no such message");
  return *std::move(record);
}

absl::StatusOr<OpenedMessage> OpenMessage(const Database::Use& use, Database& database, Readers& readers,
                                          AccountId account, MessageId message) {
  // Bodies never change and ids are never used again, so all that a commit in between can do is to delete.
  ASSIGN_OR_RETURN(MessageRecord record, FindMessage(use, account, message));
  return OpenRecord(use, database, readers, std::move(record), Family::kMessage,
                    MessageKey(account, message));
}

absl::StatusOr<OpenedMessage> OpenOnItsWayToTrash(const Database::Use& use, Database& database,
                                                  Readers& readers, AccountId account, MessageId message) {
  ASSIGN_OR_RETURN(const bool is_kept, IsOnItsWayToTrash(use, account, message));
  if (!is_kept) return absl::NotFoundError("no such message");
  const std::string key = MessageKey(account, message);
  ASSIGN_OR_RETURN(auto record, FindRecord<MessageRecord>(use, Family::kMessage, key));
  if (!record.has_value()) return absl::NotFoundError("no such message");
  return OpenRecord(use, database, readers, *std::move(record), Family::kMessage, key);
}

absl::StatusOr<OpenedMessage> OpenTrashed(const Database::Use& use, Database& database, Readers& readers,
                                          AccountId account, MessageId message) {
  const std::string key = TrashKey(account, message);
  ASSIGN_OR_RETURN(const auto trashed, FindRecord<TrashedRecord>(use, Family::kTrash, key));
  if (!trashed.has_value()) return absl::NotFoundError("no such message in the trash");
  MessageRecord record;
  RETURN_IF_ERROR(Decode(trashed->message, record));
  return OpenRecord(use, database, readers, std::move(record), Family::kTrash, key);
}

absl::StatusOr<OpenedMessage> OpenQueued(const Database::Use& use, Database& database, Readers& readers,
                                         QueueId message) {
  const std::string key = QueuedKey(message);
  ASSIGN_OR_RETURN(auto record, FindRecord<QueuedRecord>(use, Family::kQueue, key));
  if (!record.has_value()) return absl::NotFoundError("no such message in the queue");
  return OpenRecord(use, database, readers, {record->body, std::move(record->entry.entry)}, Family::kQueue,
                    key);
}

}  // namespace mailstead::engine
