// Message bodies: how they are cut into chunks, staged, counted and deleted.
//
// A body is the content of a message and, behind it, its trace fields. It is chunks 0 to n-1 of kChunkBytes each but the
// last, which has 1 to kChunkBytes; an empty body has none. Each is stored as PackChunk makes it. Chunks before the last
// are written as they come and named in family staged until the commit of their message, which adds the last chunk and the
// body_ref. So a small body is written by its commit alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "stored/engine/engine.h"
#include "stored/engine/rocksdb/database.h"
#include "stored/engine/rocksdb/health.h"
#include "stored/engine/rocksdb/readers.h"
#include "stored/engine/rocksdb/writer.h"

namespace mailstead::engine {

inline constexpr size_t kChunkBytes = 64 * 1024;

// A body of up to so many chunks is deleted by the commit that takes its last entry; one of more by upkeep.
inline constexpr uint32_t kChunksDeletedAtOnce = 4;

inline uint32_t ChunkCount(int64_t size_bytes) {
  return static_cast<uint32_t>((static_cast<uint64_t>(size_bytes) + kChunkBytes - 1) / kChunkBytes);
}

class StagedBody final : public BodyWriter {
 public:
  StagedBody(Database& database, Health& health, Readers& readers);
  // Sweeps what is staged, on another thread.
  ~StagedBody() override;

  Task<absl::Status> Append(std::string bytes) override;
  int64_t size_bytes() const override { return static_cast<int64_t>(staged_bytes_ + rest_bytes_); }

  // On a thread that may wait for the disk, behind the last Append: adds the trace and packs the last chunk.
  absl::Status Seal(absl::string_view trace);
  // Within the commit of the message: the last chunk and the body_ref. Unavailable when the database was opened anew since
  // the first byte (the chunks were swept then).
  absl::Status Commit(Batch& batch, int64_t mailbox_count);
  // The commit was acknowledged: the chunks stay.
  void Committed() { staged_bytes_ = 0; }
  int64_t id() const { return id_; }
  size_t memory_bytes() const { return rest_.size(); }

 private:
  // Whether Add writes a chunk.
  bool Fills(size_t bytes) const { return rest_.size() + bytes > kChunkBytes; }
  absl::Status Add(absl::string_view bytes);
  absl::Status Stage(absl::string_view chunk);

  Database& database_;
  Health& health_;
  Readers& readers_;
  const int64_t id_;
  uint64_t generation_ = 0;  // of the database that holds the staged chunks
  uint64_t staged_bytes_ = 0;
  // The last chunk, packed once the body is sealed, and its size before that.
  std::string rest_;
  size_t rest_bytes_ = 0;
  absl::Status status_;
};

// A body that is in memory whole: packed where it comes in, committed by the writer.
class WholeBody {
 public:
  WholeBody(int64_t id, absl::string_view bytes);

  void Commit(Batch& batch, int64_t mailbox_count) const;
  int64_t id() const { return id_; }
  size_t memory_bytes() const;

 private:
  const int64_t id_;
  const int64_t size_bytes_;
  std::vector<std::string> chunks_;
};

// One mailbox entry more. DataLoss when it is not there.
absl::Status RefBody(Batch& batch, int64_t id);
// One mailbox entry less; with the last one the body goes. True: its chunks are left to upkeep. DataLoss when it is not
// there.
absl::StatusOr<bool> UnrefBody(Batch& batch, int64_t id);

}  // namespace mailstead::engine
