// Chunks of bodies as they are stored: compressed once, before they are logged, so that the log, the memory
// of what was written lately and the files all hold the shorter form.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace mailstead::engine {

// A zstd frame in `buffer` or, where that would save less than an eighth, `chunk` as it is. What is stored is
// a frame exactly when its size is not that of the chunk.
absl::string_view PackChunk(absl::string_view chunk, std::string& buffer);

// The chunk of `size_bytes` bytes that `stored` holds. DataLoss when it holds something else.
absl::Status UnpackChunk(std::string stored, size_t size_bytes, std::string& chunk);

}  // namespace mailstead::engine
