#include <string>
#include <vector>

#include "common/base/check.h"
#include "common/text/utf8.h"
#include "smtpd/protocol/extensions.h"
#include "smtpd/protocol/reply_parser.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

using smtp::PeerReply;
using smtp::ReplyParser;

struct Seen {
  std::vector<PeerReply> replies;
  // kNeedMore: the bytes came to their end.
  ReplyParser::Kind end = ReplyParser::Kind::kNeedMore;
  std::string garbage;
};

Seen Parse(absl::string_view input, size_t piece_bytes) {
  Seen seen;
  ReplyParser parser;
  ForPieces(input, piece_bytes, [&](absl::string_view piece) {
    while (!piece.empty() && seen.end == ReplyParser::Kind::kNeedMore) {
      const ReplyParser::Result result = parser.Feed(piece);
      CHECK(result.consumed > 0 || result.kind == ReplyParser::Kind::kTooLong);
      CHECK(result.consumed <= piece.size());
      piece.remove_prefix(result.consumed);
      if (result.kind == ReplyParser::Kind::kReply) {
        seen.replies.push_back(parser.Take());
      } else if (result.kind != ReplyParser::Kind::kNeedMore) {
        seen.end = result.kind;
        seen.garbage = parser.garbage();
      } else {
        CHECK(piece.empty());
      }
    }
  });
  return seen;
}

// SECURITY: what is shown is one line of valid UTF-8 of a bounded length.
void CheckShown(absl::string_view text) {
  CHECK(text.size() <= smtp::kMaxPeerTextBytes && IsValidUtf8(text));
  for (const char c : text) CHECK(static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
}

}  // namespace

void Run(absl::string_view input) {
  const uint8_t choice = TakeChoice(input);
  const Seen whole = Parse(input, input.size());
  const Seen pieces = Parse(input, choice);
  CHECK(whole.end == pieces.end && whole.garbage == pieces.garbage &&
        whole.replies.size() == pieces.replies.size());
  CheckShown(whole.garbage);
  for (size_t i = 0; i < whole.replies.size(); ++i) {
    const PeerReply& reply = whole.replies[i];
    CHECK(reply.code == pieces.replies[i].code && reply.enhanced == pieces.replies[i].enhanced &&
          reply.lines == pieces.replies[i].lines);
    CHECK(reply.code_class() >= 2 && reply.code_class() <= 5 && !reply.lines.empty());
    CHECK(reply.enhanced.empty() || reply.enhanced.front() == '0' + reply.code_class());
    size_t size_bytes = 0;
    for (const std::string& line : reply.lines) {
      CHECK(line.find('\n') == std::string::npos);
      size_bytes += line.size();
    }
    CHECK(size_bytes <= smtp::kMaxPeerReplyBytes);
    CheckShown(reply.Text());
    CHECK(smtp::ParseExtensions(reply).auth_mechanisms.size() <= smtp::kMaxPeerMechanisms);
  }
}

}  // namespace mailstead::fuzz
