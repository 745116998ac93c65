#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/text/dot_codec.h"
#include "common/text/line_check.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

std::string Encode(absl::string_view input, size_t piece_bytes) {
  DotEncoder encoder;
  std::string encoded;
  ForPieces(input, piece_bytes, [&](absl::string_view piece) { encoder.Encode(piece, encoded); });
  encoder.Finish(encoded);
  return encoded;
}

// Where a client that takes LF for a line end sees the end of the response.
size_t EndForALenientClient(absl::string_view response) {
  size_t begin = 0;
  for (;;) {
    const size_t lf = response.find('\n', begin);
    CHECK(lf != absl::string_view::npos);
    const absl::string_view line = absl::StripSuffix(response.substr(begin, lf - begin), "\r");
    if (line == ".") return lf + 1;
    begin = lf + 1;
  }
}

}  // namespace

void Run(absl::string_view input) {
  const size_t piece_bytes = TakeChoice(input) % 16;
  const std::string encoded = Encode(input, std::max<size_t>(input.size(), 1));
  CHECK(Encode(input, piece_bytes) == encoded);
  CHECK(EndForALenientClient(encoded) == encoded.size());

  DotDecoder decoder(BareLineEnds::kRefuse);
  std::string decoded;
  const DotDecoder::Result result = decoder.Decode(encoded, decoded);
  CHECK(result.done && result.consumed == encoded.size());
  // Byte for byte but for the CRLF that a message without a last line end gets.
  const bool ended = input.empty() || absl::EndsWith(input, "\r\n");
  LineCheck check;
  check.Feed(decoded);
  check.Finish();
  if (!check.saw_bare_line_end()) CHECK(decoded == std::string(input) + (ended ? "" : "\r\n"));
}

}  // namespace mailstead::fuzz
