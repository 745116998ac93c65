#include "stored/engine/rocksdb/message_reader.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/bodies.h"
#include "stored/engine/rocksdb/chunk_codec.h"

namespace mailstead::store {
namespace {

constexpr uint32_t kNoChunk = std::numeric_limits<uint32_t>::max();

class Reader final : public MessageReader {
 public:
  Reader(Database& database, const MessageRecord& record)
      : database_(database),
        delivery_id_(record.delivery_id),
        prefix_(record.prefix),
        body_(record.body),
        body_bytes_(record.size_bytes - record.prefix.size()) {}

  // Most messages are one chunk: it is read at once, and no view is kept open for a slow client.
  // NotFound when the body was deleted since its message was looked up, or is missing.
  absl::Status Start(const Database::Use& use) {
    if (ChunkCount(body_bytes_) > 1) snapshot_.emplace(use);
    const rocksdb::Snapshot* view = snapshot_.has_value() ? snapshot_->Get(use) : nullptr;
    if (ChunkCount(body_bytes_) == 1) {
      const absl::Status loaded = LoadChunk(use, 0);
      if (!absl::IsDataLoss(loaded)) return loaded;
    }
    std::string ref;
    ASSIGN_OR_RETURN(const bool exists, use.FindAt(view, Family::kBodyRef, BodyKey(body_), ref));
    if (!exists) return absl::NotFoundError("no such body");
    return ChunkCount(body_bytes_) == 1 ? LoadChunk(use, 0) : absl::OkStatus();
  }

  uint64_t size_bytes() const override { return prefix_.size() + body_bytes_; }
  const std::string& delivery_id() const override { return delivery_id_; }

  absl::StatusOr<std::string> Read(uint64_t offset, size_t max_bytes) override {
    std::string piece;
    if (offset >= size_bytes()) return piece;
    const size_t wanted =
        static_cast<size_t>(std::min<uint64_t>({max_bytes, kChunkBytes, size_bytes() - offset}));
    piece.reserve(wanted);
    if (offset < prefix_.size()) piece = prefix_.substr(offset, wanted);
    while (piece.size() < wanted) {
      const uint64_t at = offset + piece.size() - prefix_.size();
      RETURN_IF_ERROR(NeedChunk(static_cast<uint32_t>(at / kChunkBytes)));
      piece.append(chunk_bytes_, at % kChunkBytes, wanted - piece.size());
    }
    return piece;
  }

 private:
  absl::Status NeedChunk(uint32_t chunk) {
    if (chunk == chunk_) return absl::OkStatus();
    const Database::Use use(database_);
    RETURN_IF_ERROR(use.status());
    return LoadChunk(use, chunk);
  }

  absl::Status LoadChunk(const Database::Use& use, uint32_t chunk) {
    const rocksdb::Snapshot* view = snapshot_.has_value() ? snapshot_->Get(use) : nullptr;
    chunk_ = kNoChunk;
    std::string stored;
    ASSIGN_OR_RETURN(const bool found, use.FindAt(view, Family::kBody, ChunkKey(body_, chunk), stored));
    if (!found && snapshot_.has_value() && view == nullptr) {
      return absl::UnavailableError("the message was deleted while the store recovered from a failure");
    }
    const uint64_t expected = std::min<uint64_t>(kChunkBytes, body_bytes_ - uint64_t{chunk} * kChunkBytes);
    const absl::Status unpacked =
        found ? UnpackChunk(std::move(stored), expected, chunk_bytes_) : absl::DataLossError("is missing");
    if (!unpacked.ok()) {
      return absl::DataLossError(absl::StrCat("chunk ", chunk, " of body ", body_, ": ", unpacked.message()));
    }
    chunk_ = chunk;
    return absl::OkStatus();
  }

  Database& database_;
  const std::string delivery_id_;
  const std::string prefix_;
  const uint64_t body_;
  const uint64_t body_bytes_;
  std::optional<Database::Snapshot> snapshot_;
  uint32_t chunk_ = kNoChunk;
  std::string chunk_bytes_;  // of chunk_
};

}  // namespace

absl::StatusOr<OpenedMessage> OpenMessageRecord(Database& database, MailboxId mailbox, MessageId message) {
  std::unique_ptr<Reader> reader;
  std::optional<MessageRecord> record;
  absl::Status started;
  {
    const Database::Use use(database);
    RETURN_IF_ERROR(use.status());
    std::string mailbox_bytes;
    // The entries of a deleted mailbox are swept later: it is gone when its record is.
    ASSIGN_OR_RETURN(const bool mailbox_exists,
                     use.Find(Family::kMailbox, MailboxKey(mailbox), mailbox_bytes));
    if (!mailbox_exists) return absl::NotFoundError("no such mailbox");
    // Bodies never change and ids are never used again, so all that a commit in between can do is to delete.
    ASSIGN_OR_RETURN(record, FindRecord<MessageRecord>(use, Family::kMessage, MessageKey(mailbox, message)));
    if (!record.has_value()) return absl::NotFoundError("no such message");
    reader = std::make_unique<Reader>(database, *record);
    started = reader->Start(use);
    if (absl::IsNotFound(started)) {
      // Either a commit in between deleted both, or an entry without its body is damage.
      std::string now;
      ASSIGN_OR_RETURN(const bool still, use.Find(Family::kMessage, MessageKey(mailbox, message), now));
      if (!still) return absl::NotFoundError("no such message");
      return absl::DataLossError(absl::StrCat("body ", record->body, " of a message is missing"));
    }
  }
  RETURN_IF_ERROR(started);
  return OpenedMessage{*std::move(record), std::move(reader)};
}

absl::StatusOr<std::unique_ptr<MessageReader>> OpenMessageReader(Database& database, MailboxId mailbox,
                                                                 MessageId message) {
  ASSIGN_OR_RETURN(OpenedMessage opened, OpenMessageRecord(database, mailbox, message));
  return std::move(opened.reader);
}

}  // namespace mailstead::store
