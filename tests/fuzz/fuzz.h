// What the fuzz targets share. Each target has the same shape: bytes in, and a CHECK for every promise of the parser
// that can be told without knowing the answer (a split gives the same result, a round trip gives the same bytes).
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace mailstead::fuzz {

// One call for each input; defined by each target.
void Run(absl::string_view input);

// Takes one byte off the end of `input` to choose something by: the front stays as it is in the corpus, which is
// easier to read and to mutate. 0 when there is none.
inline uint8_t TakeChoice(absl::string_view& input) {
  if (input.empty()) return 0;
  const auto choice = static_cast<uint8_t>(input.back());
  input.remove_suffix(1);
  return choice;
}

// Calls `feed` with the pieces of `input`: one byte each when `piece_bytes` is 0.
template <typename Feed>
void ForPieces(absl::string_view input, size_t piece_bytes, Feed feed) {
  if (piece_bytes == 0) piece_bytes = 1;
  while (!input.empty()) {
    feed(input.substr(0, piece_bytes));
    input.remove_prefix(piece_bytes < input.size() ? piece_bytes : input.size());
  }
}

}  // namespace mailstead::fuzz
