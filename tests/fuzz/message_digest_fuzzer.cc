// What is kept of a header to be searched: the same for any split of the bytes, within its bounds, and text in one line.
#include <string>

#include "common/base/check.h"
#include "common/text/utf8.h"
#include "stored/core/message_digest.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

engine::SearchedFields Digest(absl::string_view content, absl::string_view trace, size_t piece_bytes) {
  stored::MessageDigest digest;
  ForPieces(content, piece_bytes, [&digest](absl::string_view piece) { digest.Feed(piece); });
  return digest.Finish(trace);
}

void CheckText(absl::string_view text, size_t max_bytes) {
  CHECK(text.size() <= max_bytes && IsValidUtf8(text));
  CHECK(text.find_first_of(absl::string_view("\r\n\0", 3)) == absl::string_view::npos);
}

void Check(absl::string_view content, absl::string_view trace) {
  const engine::SearchedFields fields = Digest(content, trace, content.size() + 1);
  CHECK(fields.known);
  CheckText(fields.subject, engine::kMaxKeptSubjectBytes);
  CheckText(fields.message_id, engine::kMaxKeptMessageIdBytes);
  size_t from_bytes = 0;
  for (const engine::SearchedAddress& from : fields.from) {
    CHECK(!from.name.empty() || !from.address.empty());
    CheckText(from.name, engine::kMaxKeptFromBytes);
    CheckText(from.address, engine::kMaxKeptFromBytes);
    from_bytes += from.name.size() + from.address.size();
  }
  CHECK(from_bytes <= engine::kMaxKeptFromBytes);
  for (const size_t piece : {1, 2, 7, 100}) CHECK(Digest(content, trace, piece) == fields);
}

}  // namespace

void Run(absl::string_view input) {
  Check(input, "");
  // The first half in front of the rest.
  Check(input.substr(input.size() / 2), input.substr(0, input.size() / 2));
}

}  // namespace mailstead::fuzz
