#include <algorithm>
#include <string>

#include "common/base/check.h"
#include "common/text/line_check.h"
#include "smtpd/inbound/pipeline/chunk_decoder.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

struct Decoded {
  std::string text;
  bool bare = false;
  bool nul = false;
  bool operator==(const Decoded&) const = default;
};

// Each piece is a BDAT chunk, or what one read brought of it.
Decoded Decode(BareLineEnds bare_line_ends, absl::string_view input, size_t piece_bytes) {
  smtp::ChunkDecoder decoder(bare_line_ends);
  Decoded decoded;
  ForPieces(input, piece_bytes, [&](absl::string_view piece) { decoder.Decode(piece, decoded.text); });
  decoder.Finish(decoded.text);
  LineCheck check;
  check.Feed(decoded.text);
  check.Finish();
  decoded.bare = check.saw_bare_line_end();
  decoded.nul = check.saw_nul();
  return decoded;
}

// The slow and obvious way: every CRLF, CR and LF is a line end, and so is CR CR LF.
std::string Normalize(absl::string_view text, bool& has_bare) {
  std::string normal;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r' && text[i] != '\n') {
      normal += text[i];
      continue;
    }
    normal += "\r\n";
    if (text.substr(i, 3) == "\r\r\n") {
      has_bare = true;
      i += 2;
      continue;
    }
    const bool is_whole = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (is_whole) ++i;
    has_bare |= !is_whole;
  }
  return normal;
}

}  // namespace

void Run(absl::string_view input) {
  const size_t piece_bytes = TakeChoice(input) % 16;
  const size_t whole = std::max<size_t>(input.size(), 1);
  const Decoded strict = Decode(BareLineEnds::kRefuse, input, whole);
  const Decoded normalized = Decode(BareLineEnds::kNormalize, input, whole);
  CHECK(Decode(BareLineEnds::kRefuse, input, piece_bytes) == strict);
  CHECK(Decode(BareLineEnds::kNormalize, input, piece_bytes) == normalized);

  bool has_bare = false;
  CHECK(normalized.text == Normalize(input, has_bare));
  CHECK(strict.text == std::string(input));
  CHECK(strict.bare == has_bare);
  CHECK(!normalized.bare);
  const bool has_nul = input.find('\0') != absl::string_view::npos;
  CHECK(strict.nul == has_nul && normalized.nul == has_nul);
}

}  // namespace mailstead::fuzz
