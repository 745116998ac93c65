#include <algorithm>
#include <string>

#include "common/base/check.h"
#include "common/text/dot_codec.h"
#include "common/text/line_check.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

struct Decoded {
  std::string text;
  size_t consumed = 0;
  bool done = false;
  bool bare = false;
  bool nul = false;
  bool operator==(const Decoded&) const = default;
};

Decoded Decode(BareLineEnds bare_line_ends, absl::string_view input, size_t piece_bytes) {
  DotDecoder decoder(bare_line_ends);
  Decoded decoded;
  ForPieces(input, piece_bytes, [&](absl::string_view piece) {
    if (decoded.done) return;
    const DotDecoder::Result result = decoder.Decode(piece, decoded.text);
    CHECK(result.done || result.consumed == piece.size());
    decoded.consumed += result.consumed;
    decoded.done = result.done;
  });
  LineCheck check;
  ForPieces(decoded.text, piece_bytes, [&](absl::string_view piece) { check.Feed(piece); });
  decoded.bare = check.saw_bare_line_end();
  decoded.nul = check.saw_nul();
  return decoded;
}

bool HasBareLineEnd(absl::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) return true;
    // A CR at the very end may still get its LF.
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] != '\n') return true;
  }
  return false;
}

// The slow and obvious way, for messages with whole line ends: `lines` begins with the CRLF of the DATA command.
std::string TakeOffStuffing(absl::string_view lines) {
  std::string text;
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool at_line_start = i >= 2 && lines[i - 2] == '\r' && lines[i - 1] == '\n';
    if (!(at_line_start && lines[i] == '.')) text.push_back(lines[i]);
  }
  return text.substr(2);
}

void CheckAgainstTheRule(const Decoded& strict, const Decoded& normalized, absl::string_view input) {
  const std::string lines = "\r\n" + std::string(input);
  const size_t end = lines.find("\r\n.\r\n");
  for (const Decoded* decoded : {&strict, &normalized}) {
    CHECK(decoded->done == (end != std::string::npos));
    CHECK(decoded->consumed == (decoded->done ? end + 3 : input.size()));
  }
  const absl::string_view used = input.substr(0, strict.consumed);
  const absl::string_view message = strict.done ? used.substr(0, used.size() - 3) : used;
  CHECK(strict.nul == (used.find('\0') != absl::string_view::npos));
  // In a message that did not end yet, a CR at the end of the input is not known to be bare.
  CHECK(strict.bare == HasBareLineEnd(used));
  CHECK(!normalized.bare);
  CHECK(!HasBareLineEnd(normalized.text));
  if (!strict.bare) CHECK(strict.text == normalized.text);
  if (!strict.bare && strict.done) CHECK(strict.text == TakeOffStuffing("\r\n" + std::string(message)));
}

}  // namespace

void Run(absl::string_view input) {
  const size_t piece_bytes = TakeChoice(input) % 16;
  const Decoded strict = Decode(BareLineEnds::kRefuse, input, std::max<size_t>(input.size(), 1));
  const Decoded normalized = Decode(BareLineEnds::kNormalize, input, std::max<size_t>(input.size(), 1));
  CHECK(Decode(BareLineEnds::kRefuse, input, piece_bytes) == strict);
  CHECK(Decode(BareLineEnds::kNormalize, input, piece_bytes) == normalized);
  CheckAgainstTheRule(strict, normalized, input);
}

}  // namespace mailstead::fuzz
