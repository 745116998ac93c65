#include <string>

#include "absl/strings/match.h"
#include "common/base/check.h"
#include "tests/fuzz/fuzz.h"
#include "webd/connect/envelope.h"
#include "webd/connect/query.h"
#include "webd/http/head_scanner.h"

namespace mailstead::fuzz {
namespace {

using web::HeadScanner;

struct Scanned {
  HeadScanner::Verdict verdict = HeadScanner::Verdict::kNeedMore;
  size_t size_bytes = 0;
  size_t blank_bytes = 0;
  bool operator==(const Scanned&) const = default;
};

Scanned Scan(absl::string_view input, size_t piece_bytes) {
  HeadScanner scanner;
  Scanned scanned;
  std::string bytes;
  ForPieces(input, piece_bytes, [&](absl::string_view piece) {
    if (scanned.verdict != HeadScanner::Verdict::kNeedMore) return;
    bytes.append(piece.data(), piece.size());
    scanned.verdict = scanner.Scan(bytes);
  });
  if (scanned.verdict == HeadScanner::Verdict::kComplete) {
    scanned.size_bytes = scanner.size_bytes();
    scanned.blank_bytes = scanner.blank_bytes();
  }
  return scanned;
}

// A head ends where any other server finds its end: at its first empty line.
void CheckHead(absl::string_view input, const Scanned& scanned) {
  if (scanned.verdict != HeadScanner::Verdict::kComplete) return;
  const absl::string_view head = input.substr(scanned.blank_bytes, scanned.size_bytes - scanned.blank_bytes);
  CHECK(head.find("\r\n\r\n") == head.size() - 4);
  CHECK(head.find("\r\n ") == absl::string_view::npos && head.find("\r\n\t") == absl::string_view::npos);
  for (size_t i = 0; i < head.size(); ++i) {
    CHECK(head[i] != '\n' || head[i - 1] == '\r');
    CHECK(head[i] != '\r' || head[i + 1] == '\n');
  }
}

// The messages of a body that comes in pieces of that size, one behind another, and how it went.
std::string Messages(absl::string_view input, size_t piece_bytes) {
  web::EnvelopeReader reader(1000);
  std::string messages;
  bool bad = false;
  ForPieces(input, piece_bytes, [&](absl::string_view piece) {
    if (bad) return;
    reader.Append(piece);
    while (true) {
      const auto next = reader.Next();
      bad = !next.ok();
      if (bad || !next->has_value()) break;
      CHECK((*next)->message.size() <= 1000);
      messages += web::Enveloped((*next)->compressed ? web::kCompressedFlag : 0, (*next)->message);
    }
  });
  CHECK(absl::StartsWith(input, messages));
  if (!bad) CHECK(reader.held_bytes() == input.size() - messages.size());
  return messages;
}

}  // namespace

void Run(absl::string_view input) {
  const Scanned whole = Scan(input, input.size() + 1);
  for (const size_t piece_bytes : {1, 2, 7}) CHECK(Scan(input, piece_bytes) == whole);
  CheckHead(input, whole);
  const auto envelope = web::OnlyEnvelope(input);
  if (envelope.ok()) {
    CHECK(web::Enveloped(envelope->compressed ? web::kCompressedFlag : 0, envelope->message) == input);
  }
  for (const size_t piece_bytes : {1, 7}) {
    CHECK(Messages(input, piece_bytes) == Messages(input, input.size() + 1));
  }
  CHECK(web::PathOf(input).size() <= input.size() + 1);
  static_cast<void>(web::ParseGetQuery(input));
}

}  // namespace mailstead::fuzz
