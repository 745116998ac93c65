#include "pop3d/protocol/top_cutter.h"

#include <algorithm>
#include <string>

#include "common/base/check.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

std::string Cut(absl::string_view message, uint64_t body_lines, size_t piece_bytes) {
  pop3::TopCutter cutter(body_lines);
  std::string kept;
  ForPieces(message, piece_bytes, [&](absl::string_view piece) {
    if (cutter.done()) return;
    const size_t taken = cutter.Take(piece);
    CHECK(taken == piece.size() || (taken < piece.size() && cutter.done()));
    kept += std::string(piece.substr(0, taken));
  });
  return kept;
}

}  // namespace

void Run(absl::string_view input) {
  const size_t piece_bytes = TakeChoice(input) % 16;
  const uint64_t body_lines = TakeChoice(input) % 8;
  const std::string whole = Cut(input, body_lines, std::max<size_t>(input.size(), 1));
  CHECK(Cut(input, body_lines, piece_bytes) == whole);
  CHECK(input.substr(0, whole.size()) == whole);
  // One more line is never less, and all lines are everything.
  CHECK(Cut(input, body_lines + 1, std::max<size_t>(input.size(), 1)).size() >= whole.size());
  CHECK(Cut(input, input.size() + 1, std::max<size_t>(input.size(), 1)) == input);
}

}  // namespace mailstead::fuzz
