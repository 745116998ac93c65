#include <string>

#include "absl/strings/match.h"
#include "common/base/check.h"
#include "common/mail/mime/limits.h"
#include "common/mail/mime/parser.h"
#include "common/mail/mime/part_decoder.h"
#include "common/mail/mime/words.h"
#include "common/text/utf8.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

using mime::Part;

mime::Message Parse(absl::string_view bytes, size_t piece_bytes, const mime::Charsets& charsets) {
  mime::Parser parser(charsets);
  ForPieces(bytes, piece_bytes, [&parser](absl::string_view piece) { parser.Feed(piece); });
  return parser.Finish();
}

void CheckSame(const mime::Message& a, const mime::Message& b) {
  CHECK(a.fields.size() == b.fields.size() && a.parts.size() == b.parts.size());
  for (size_t i = 0; i < a.fields.size(); ++i) {
    CHECK(a.fields[i].name == b.fields[i].name && a.fields[i].value == b.fields[i].value);
    CHECK(a.fields[i].begin == b.fields[i].begin && a.fields[i].end == b.fields[i].end);
  }
  for (size_t i = 0; i < a.parts.size(); ++i) {
    const Part& p = a.parts[i];
    const Part& q = b.parts[i];
    CHECK(p.id == q.id && p.media_type == q.media_type && p.disposition == q.disposition);
    CHECK(p.file_name == q.file_name && p.content_id == q.content_id && p.description == q.description);
    CHECK(p.parameters.size() == q.parameters.size() && p.encoding == q.encoding && p.defects == q.defects);
    CHECK(p.header_begin == q.header_begin && p.body_begin == q.body_begin && p.end == q.end);
    CHECK(p.decoded_bytes == q.decoded_bytes && p.has_parts == q.has_parts && p.parent == q.parent);
  }
}

// Offsets lie within the part that holds a part, and one behind another.
void CheckPlaces(const mime::Message& message, uint64_t bytes) {
  CHECK(!message.parts.empty() && message.parts.size() <= mime::kMaxPartCount);
  CHECK(message.fields.size() <= mime::kMaxFieldCount);
  size_t kept = 0;
  uint64_t last = 0;
  for (const mime::Field& field : message.fields) {
    CHECK(field.begin >= last && field.begin < field.end && field.end <= bytes);
    last = field.end;
    kept += field.name.size() + field.value.size();
  }
  CHECK(kept <= mime::kMaxHeaderBytes);
  CHECK(message.parts[0].header_begin == 0 && message.parts[0].end == bytes);
  std::vector<uint64_t> behind(message.parts.size(), 0);
  std::vector<size_t> depth(message.parts.size(), 1);
  for (size_t i = 0; i < message.parts.size(); ++i) {
    const Part& part = message.parts[i];
    CHECK(part.header_begin <= part.body_begin && part.body_begin <= part.end);
    behind[i] = part.body_begin;
    if (i == 0) continue;
    const Part& parent = message.parts[part.parent];
    CHECK(part.parent < i && parent.has_parts && absl::StartsWith(part.id, parent.id + "."));
    CHECK(part.header_begin >= behind[part.parent] && part.end <= parent.end);
    behind[part.parent] = part.end;
    depth[i] = depth[part.parent] + 1;
    CHECK(depth[i] <= mime::kMaxDepth);
  }
}

void CheckPart(const Part& part, absl::string_view bytes, size_t piece_bytes,
               const mime::Charsets& charsets) {
  for (const absl::string_view text :
       {absl::string_view(part.file_name), absl::string_view(part.description)}) {
    CHECK(IsValidUtf8(text) && text.find_first_of("\r\n") == text.npos && !absl::StrContains(text, '\0'));
  }
  const absl::string_view body = bytes.substr(part.body_begin, part.encoded_bytes());
  for (const auto text_as : {mime::PartDecoder::TextAs::kBytes, mime::PartDecoder::TextAs::kUtf8}) {
    std::string whole, pieces;
    mime::PartDecoder decoder(part, charsets, text_as);
    decoder.Feed(body, whole);
    decoder.Finish(whole);
    mime::PartDecoder by_pieces(part, charsets, text_as);
    ForPieces(body, piece_bytes, [&](absl::string_view piece) { by_pieces.Feed(piece, pieces); });
    by_pieces.Finish(pieces);
    CHECK(whole == pieces);
    if (text_as == mime::PartDecoder::TextAs::kBytes) CHECK(whole.size() == part.decoded_bytes);
    if (text_as == mime::PartDecoder::TextAs::kUtf8 && part.is_text()) CHECK(IsValidUtf8(whole));
  }
}

}  // namespace

void Run(absl::string_view input) {
  const uint8_t choice = TakeChoice(input);
  const mime::Charsets charsets;
  const mime::Message whole = Parse(input, input.size(), charsets);
  CheckSame(whole, Parse(input, choice, charsets));
  CheckPlaces(whole, input.size());
  size_t decoded = 0;
  for (const Part& part : whole.parts) {
    // Parts in parts are decoded again and again: no more than is quick.
    if ((decoded += part.encoded_bytes()) > 65'536) break;
    CheckPart(part, input, choice, charsets);
  }
}

}  // namespace mailstead::fuzz
