#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/base/check.h"
#include "common/text/line_framer.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

constexpr size_t kMaxLineBytes = 24;

struct Framed {
  std::vector<std::pair<Line::Kind, std::string>> lines;
  std::string rest;
  bool operator==(const Framed&) const = default;
};

Framed Frame(absl::string_view input, size_t piece_bytes) {
  InputBuffer buffer;
  LineFramer framer(kMaxLineBytes);
  Framed framed;
  ForPieces(input, piece_bytes, [&](absl::string_view piece) {
    buffer.Append(piece);
    for (;;) {
      const Line line = framer.Next(buffer.bytes());
      if (line.kind != Line::Kind::kNeedMore) framed.lines.emplace_back(line.kind, std::string(line.text));
      buffer.Consume(line.size_bytes);
      if (line.kind == Line::Kind::kNeedMore) break;
    }
    // What waits for its end never exceeds a line.
    CHECK(buffer.bytes().size() < kMaxLineBytes);
  });
  framed.rest = std::string(buffer.bytes());
  return framed;
}

// Every line ends at an LF; what it is follows from its bytes alone.
std::pair<Line::Kind, std::string> Expected(absl::string_view line) {
  if (line.size() > kMaxLineBytes) return {Line::Kind::kTooLong, ""};
  const size_t end = line.find_first_of("\r\n");
  const bool whole = line.substr(end) == "\r\n";
  return {whole ? Line::Kind::kLine : Line::Kind::kBareLineEnd, std::string(line.substr(0, end))};
}

}  // namespace

void Run(absl::string_view input) {
  const size_t piece_bytes = TakeChoice(input) % 32;
  const Framed whole = Frame(input, std::max<size_t>(input.size(), 1));
  const Framed split = Frame(input, piece_bytes);
  CHECK(split == whole);
  size_t index = 0;
  while (true) {
    const size_t lf = input.find('\n');
    if (lf == absl::string_view::npos) break;
    CHECK(index < whole.lines.size());
    CHECK(whole.lines[index++] == Expected(input.substr(0, lf + 1)));
    input.remove_prefix(lf + 1);
  }
  CHECK(index == whole.lines.size());
  CHECK(whole.rest == (input.size() < kMaxLineBytes ? input : absl::string_view()));
}

}  // namespace mailstead::fuzz
