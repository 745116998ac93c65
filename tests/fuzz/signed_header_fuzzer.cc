#include <algorithm>
#include <string>

#include "common/base/check.h"
#include "common/mailauth/canonical.h"
#include "common/mailauth/signed_header.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

using namespace mailauth;

struct Read {
  SignedHeader header;
  std::string body;
  std::string simple;
  std::string relaxed;
};

Read ReadMessage(absl::string_view input, size_t piece_bytes) {
  Read read;
  SignedHeaderReader reader;
  BodyCanonicalizer simple(Canonicalization::kSimple);
  BodyCanonicalizer relaxed(Canonicalization::kRelaxed);
  const auto take_simple = [&](absl::string_view bytes) { read.simple.append(bytes.data(), bytes.size()); };
  const auto take_relaxed = [&](absl::string_view bytes) { read.relaxed.append(bytes.data(), bytes.size()); };
  ForPieces(input, piece_bytes, [&](absl::string_view piece) {
    const absl::string_view body = reader.Feed(piece);
    read.body.append(body.data(), body.size());
    simple.Feed(body, take_simple);
    relaxed.Feed(body, take_relaxed);
  });
  read.header = reader.Finish();
  simple.Finish(take_simple);
  relaxed.Finish(take_relaxed);
  return read;
}

}  // namespace

// Any split gives the same; the body is the end of the message; canonical forms are forms of themselves.
void Run(absl::string_view input) {
  const size_t piece_bytes = TakeChoice(input) % 16;
  const Read whole = ReadMessage(input, std::max<size_t>(input.size(), 1));
  const Read split = ReadMessage(input, piece_bytes);
  CHECK(whole.header.names == split.header.names && whole.header.canonical == split.header.canonical);
  CHECK(whole.header.from_count == split.header.from_count && whole.body == split.body);
  CHECK(whole.simple == split.simple && whole.relaxed == split.relaxed);
  CHECK(whole.body.size() <= input.size());
  CHECK(std::string(input.substr(input.size() - whole.body.size())) == whole.body);
  const Read again = ReadMessage("\r\n" + whole.relaxed, 1);
  CHECK(again.relaxed == whole.relaxed);
  CHECK(whole.relaxed.size() <= whole.simple.size());
  // What is signed has the fields that it names, each in one line.
  const Read header = ReadMessage(whole.header.canonical + "\r\n", 7);
  if (whole.header.from_count <= 1) CHECK(header.header.from_count <= whole.header.from_count);
}

}  // namespace mailstead::fuzz
