#include "stored/engine/rocksdb/chunk_codec.h"

#include <zstd.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace mailstead::engine {
namespace {

// The fastest of zstd's ordinary levels: every delivery waits for it.
constexpr int kLevel = 1;

using Compressor = std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)>;
using Decompressor = std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)>;

// Making one costs more than to compress a small message.
ZSTD_CCtx* ThreadCompressor() {
  thread_local const Compressor context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  CHECK(context != nullptr);
  return context.get();
}

ZSTD_DCtx* ThreadDecompressor() {
  thread_local const Decompressor context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  CHECK(context != nullptr);
  return context.get();
}

}  // namespace

absl::string_view PackChunk(absl::string_view chunk, std::string& buffer) {
  // Where it does not fit it is not worth it; zstd says so with an error.
  buffer.resize(chunk.size() - chunk.size() / 8);
  const size_t packed =
      ZSTD_compressCCtx(ThreadCompressor(), buffer.data(), buffer.size(), chunk.data(), chunk.size(), kLevel);
  if (ZSTD_isError(packed) || packed >= chunk.size()) return chunk;
  buffer.resize(packed);
  return buffer;
}

absl::Status UnpackChunk(std::string stored, size_t size_bytes, std::string& chunk) {
  if (stored.size() == size_bytes) {
    chunk = std::move(stored);
    return absl::OkStatus();
  }
  chunk.resize(size_bytes);
  const size_t unpacked =
      ZSTD_decompressDCtx(ThreadDecompressor(), chunk.data(), chunk.size(), stored.data(), stored.size());
  if (ZSTD_isError(unpacked)) return absl::DataLossError(ZSTD_getErrorName(unpacked));
  if (unpacked != size_bytes) {
    return absl::DataLossError(absl::StrCat("has ", unpacked, " bytes instead of ", size_bytes));
  }
  return absl::OkStatus();
}

}  // namespace mailstead::engine
