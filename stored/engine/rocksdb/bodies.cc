#include "stored/engine/rocksdb/bodies.h"

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/chunk_codec.h"
#include "stored/rules/mailbox.h"

namespace mailstead::engine {
namespace {

// Of a body that is swept, in one write.
constexpr uint32_t kChunksInStep = 128;

absl::StatusOr<BodyRef> FindBodyRef(const Batch& batch, int64_t id) {
  ASSIGN_OR_RETURN(std::optional<BodyRef> ref, FindRecord<BodyRef>(batch, Family::kBodyRef, BodyKey(id)));
  if (!ref.has_value()) return absl::DataLossError(absl::StrCat("body ", id, " of a message is missing"));
  return *ref;
}

}  // namespace

StagedBody::StagedBody(Database& database, Health& health, Readers& readers)
    : database_(database), health_(health), readers_(readers), id_(database.NextId()) {}

StagedBody::~StagedBody() {
  if (staged_bytes_ == 0) return;
  readers_.Defer([&database = database_, id = id_, generation = generation_,
                  chunks = ChunkCount(static_cast<int64_t>(staged_bytes_))] {
    for (uint32_t chunk = 0; chunk < chunks;) {
      const Database::Use use(database);
      // A database that was closed and opened again has swept the chunks, or holds the commit after all.
      if (!use.status().ok() || use.generation() != generation) return;
      rocksdb::WriteBatch batch;
      const uint32_t end = std::min(chunks, chunk + kChunksInStep);
      for (; chunk < end; ++chunk) batch.Delete(use.family(Family::kBody), ChunkKey(id, chunk));
      // The mark goes with the last, so where this fails the next start sweeps.
      if (chunk == chunks) batch.Delete(use.family(Family::kStaged), BodyKey(id));
      if (!use.Write(batch, /*sync=*/false).ok()) return;
    }
  });
}

Task<absl::Status> StagedBody::Append(std::string bytes) {
  if (!Fills(bytes.size())) co_return Add(bytes);
  if (!co_await readers_.Enter()) co_return Readers::TooMany();
  absl::Status added = Add(bytes);
  co_await readers_.Leave();
  co_return added;
}

absl::Status StagedBody::Add(absl::string_view bytes) {
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

absl::Status StagedBody::Seal(absl::string_view trace) {
  RETURN_IF_ERROR(Add(trace));
  std::string buffer;
  if (const absl::string_view packed = PackChunk(rest_, buffer); packed.size() < rest_.size()) {
    rest_ = std::move(buffer);
  }
  return absl::OkStatus();
}

absl::Status StagedBody::Commit(Batch& batch, int64_t mailbox_count) {
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

WholeBody::WholeBody(int64_t id, absl::string_view bytes)
    : id_(id), size_bytes_(static_cast<int64_t>(bytes.size())) {
  chunks_.reserve(ChunkCount(size_bytes_));
  std::string buffer;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), kChunkBytes))) {
    chunks_.emplace_back(PackChunk(bytes.substr(0, kChunkBytes), buffer));
  }
}

void WholeBody::Commit(Batch& batch, int64_t mailbox_count) const {
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

absl::Status RefBody(Batch& batch, int64_t id) {
  ASSIGN_OR_RETURN(BodyRef ref, FindBodyRef(batch, id));
  ++ref.mailbox_count;
  batch.Put(Family::kBodyRef, BodyKey(id), Encode(ref));
  return absl::OkStatus();
}

absl::StatusOr<bool> UnrefBody(Batch& batch, int64_t id) {
  ASSIGN_OR_RETURN(BodyRef ref, FindBodyRef(batch, id));
  ASSIGN_OR_RETURN(const bool was_last, rules::Unreference(ref.mailbox_count));
  if (!was_last) {
    batch.Put(Family::kBodyRef, BodyKey(id), Encode(ref));
    return false;
  }
  batch.Delete(Family::kBodyRef, BodyKey(id));
  batch.counters().deleted_body_bytes += ref.size_bytes;
  if (ChunkCount(ref.size_bytes) > kChunksDeletedAtOnce) {
    batch.Put(Family::kReclaim, DeadBodyKey(id), Encode(BodyRef{0, ref.size_bytes}));
    return true;
  }
  for (uint32_t chunk = 0; chunk < ChunkCount(ref.size_bytes); ++chunk) {
    batch.Delete(Family::kBody, ChunkKey(id, chunk));
  }
  return false;
}

}  // namespace mailstead::engine
