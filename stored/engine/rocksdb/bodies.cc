#include "stored/engine/rocksdb/bodies.h"

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/chunk_codec.h"

namespace mailstead::store {

StagedBody::StagedBody(Database& database, Health& health)
    : database_(database), health_(health), id_(database.NextId()) {}

StagedBody::~StagedBody() {
  if (staged_bytes_ == 0) return;
  const Database::Use use(database_);
  // A database that was closed and opened again has swept the chunks, or holds the commit after all.
  if (!use.status().ok() || use.generation() != generation_) return;
  rocksdb::WriteBatch batch;
  for (uint32_t chunk = 0; chunk < ChunkCount(staged_bytes_); ++chunk) {
    batch.Delete(use.family(Family::kBody), ChunkKey(id_, chunk));
  }
  batch.Delete(use.family(Family::kStaged), BodyKey(id_));
  // Where this fails the next start sweeps.
  use.Write(batch, /*sync=*/false).IgnoreError();
}

absl::Status StagedBody::Append(absl::string_view bytes) {
  RETURN_IF_ERROR(status_);
  while (!bytes.empty()) {
    // The last chunk stays here for the commit: one is staged only when more bytes follow it.
    if (rest_.size() == kChunkBytes) {
      status_ = Stage(rest_);
      RETURN_IF_ERROR(status_);
      rest_.clear();
      rest_bytes_ = 0;
    }
    const size_t taken = std::min(bytes.size(), kChunkBytes - rest_.size());
    rest_.append(bytes.data(), taken);
    rest_bytes_ = rest_.size();
    bytes.remove_prefix(taken);
  }
  return absl::OkStatus();
}

absl::Status StagedBody::Stage(absl::string_view chunk) {
  RETURN_IF_ERROR(health_.CheckSpace());
  const Database::Use use(database_);
  RETURN_IF_ERROR(use.status());
  const bool first = staged_bytes_ == 0;
  if (first) generation_ = use.generation();
  if (generation_ != use.generation()) {
    return absl::UnavailableError("the store recovered from a failure meanwhile");
  }
  rocksdb::WriteBatch batch;
  if (first) batch.Put(use.family(Family::kStaged), BodyKey(id_), rocksdb::Slice());
  const uint32_t number = static_cast<uint32_t>(staged_bytes_ / kChunkBytes);
  std::string buffer;
  batch.Put(use.family(Family::kBody), ChunkKey(id_, number), ToSlice(PackChunk(chunk, buffer)));
  RETURN_IF_ERROR(use.Write(batch, /*sync=*/false));
  staged_bytes_ += chunk.size();
  return absl::OkStatus();
}

void StagedBody::Seal() {
  std::string buffer;
  if (const absl::string_view packed = PackChunk(rest_, buffer); packed.size() < rest_.size()) {
    rest_ = std::move(buffer);
  }
}

absl::Status StagedBody::Commit(Batch& batch, uint64_t mailbox_count) {
  RETURN_IF_ERROR(status_);
  if (staged_bytes_ > 0) {
    if (generation_ != batch.use().generation()) {
      return absl::UnavailableError("the store recovered from a failure meanwhile");
    }
    batch.Delete(Family::kStaged, BodyKey(id_));
  }
  if (!rest_.empty()) {
    batch.Put(Family::kBody, ChunkKey(id_, static_cast<uint32_t>(staged_bytes_ / kChunkBytes)), rest_);
  }
  batch.Put(Family::kBodyRef, BodyKey(id_), Encode(BodyRef{mailbox_count, size_bytes()}));
  return absl::OkStatus();
}

WholeBody::WholeBody(uint64_t id, absl::string_view content) : id_(id), size_bytes_(content.size()) {
  chunks_.reserve(ChunkCount(content.size()));
  std::string buffer;
  for (; !content.empty(); content.remove_prefix(std::min(content.size(), kChunkBytes))) {
    chunks_.emplace_back(PackChunk(content.substr(0, kChunkBytes), buffer));
  }
}

void WholeBody::Commit(Batch& batch, uint64_t mailbox_count) const {
  for (uint32_t chunk = 0; chunk < chunks_.size(); ++chunk) {
    batch.Put(Family::kBody, ChunkKey(id_, chunk), chunks_[chunk]);
  }
  batch.Put(Family::kBodyRef, BodyKey(id_), Encode(BodyRef{mailbox_count, size_bytes_}));
}

size_t WholeBody::memory_bytes() const {
  size_t total = 0;
  for (const std::string& chunk : chunks_) total += chunk.capacity();
  return total;
}

absl::Status UnrefBody(Batch& batch, uint64_t id) {
  ASSIGN_OR_RETURN(std::optional<BodyRef> ref, FindRecord<BodyRef>(batch, Family::kBodyRef, BodyKey(id)));
  if (!ref.has_value() || ref->mailbox_count == 0) {
    return absl::DataLossError(absl::StrCat("body ", id, " of a message is missing"));
  }
  if (--ref->mailbox_count > 0) {
    batch.Put(Family::kBodyRef, BodyKey(id), Encode(*ref));
    return absl::OkStatus();
  }
  for (uint32_t chunk = 0; chunk < ChunkCount(ref->size_bytes); ++chunk) {
    batch.Delete(Family::kBody, ChunkKey(id, chunk));
  }
  batch.Delete(Family::kBodyRef, BodyKey(id));
  batch.counters().deleted_body_bytes += ref->size_bytes;
  return absl::OkStatus();
}

}  // namespace mailstead::store
