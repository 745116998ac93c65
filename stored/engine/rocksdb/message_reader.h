// A message on its way out.
#pragma once

#include <memory>
#include <string>

#include "stored/engine/engine.h"
#include "stored/engine/rocksdb/database.h"
#include "stored/engine/rocksdb/readers.h"

namespace mailstead::engine {

// Reads from RocksDB. A message of one chunk is read when it is opened, and no view of the database is kept open for a
// slow client; a larger one keeps a snapshot.
class RocksDbReader final : public MessageReader {
 public:
  RocksDbReader(Database& database, Readers& readers, const MessageRecord& record);
  ~RocksDbReader() override;

  int64_t size_bytes() const override { return static_cast<int64_t>(front_.size()) + content_bytes_; }
  const std::string& delivery_id() const override { return delivery_id_; }
  Task<absl::StatusOr<std::string>> Read(int64_t offset, size_t max_bytes) override;

  // Once, before Read: what the first piece needs. NotFound when the body was deleted since its message was looked up, or
  // is missing.
  absl::Status Start(const Database::Use& use);
  // As Read, on a thread that may wait for the disk.
  absl::StatusOr<std::string> ReadNow(int64_t offset, size_t max_bytes);
  // On such a thread, when nothing more is read: gives back at once what the destructor has another thread give back.
  void DropView() { snapshot_.reset(); }
  // Of what stands in front of the content: prefix and trace.
  int64_t front_bytes() const { return static_cast<int64_t>(front_.size()); }

 private:
  // From `offset` as far as the chunk at hand reaches; empty when it is none of it.
  std::string AtHand(int64_t offset, size_t wanted) const;
  size_t Wanted(int64_t offset, size_t max_bytes) const;
  absl::Status LoadChunk(const Database::Use& use, uint32_t chunk);

  Database& database_;
  Readers& readers_;
  const std::string delivery_id_;
  std::string front_;
  const int64_t body_;
  const int64_t content_bytes_;
  const int64_t body_bytes_;  // content and trace
  std::unique_ptr<Database::Snapshot> snapshot_;
  uint32_t chunk_;  // the one at hand
  std::string chunk_bytes_;
};

// What is kept of a message. NotFound when the account or the message is not there.
absl::StatusOr<MessageRecord> FindMessage(const Database::Use& use, AccountId account, MessageId message);

// A reader that has been started, and the record that it was opened on. NotFound when the account or the message is not
// there.
struct OpenedMessage {
  MessageRecord record;
  std::unique_ptr<RocksDbReader> reader;
};
absl::StatusOr<OpenedMessage> OpenMessage(const Database::Use& use, Database& database, Readers& readers,
                                          AccountId account, MessageId message);
// The same of a message that is deleted, and not in the trash yet, where it goes.
absl::StatusOr<OpenedMessage> OpenOnItsWayToTrash(const Database::Use& use, Database& database,
                                                  Readers& readers, AccountId account, MessageId message);
// The same of a message in the trash.
absl::StatusOr<OpenedMessage> OpenTrashed(const Database::Use& use, Database& database, Readers& readers,
                                          AccountId account, MessageId message);
// The same of a message in the queue: trace and content.
absl::StatusOr<OpenedMessage> OpenQueued(const Database::Use& use, Database& database, Readers& readers,
                                         QueueId message);

}  // namespace mailstead::engine
