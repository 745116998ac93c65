#include "smtpd/protocol/reply_parser.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/text/utf8.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::smtp {
namespace {

using ::testing::ElementsAre;

// "code enhanced|line|line" of each reply, and how it ended.
std::vector<std::string> Parse(absl::string_view bytes, size_t piece_bytes) {
  ReplyParser parser;
  std::vector<std::string> seen;
  while (!bytes.empty()) {
    absl::string_view piece = bytes.substr(0, piece_bytes);
    bytes.remove_prefix(piece.size());
    while (!piece.empty()) {
      const ReplyParser::Result result = parser.Feed(piece);
      piece.remove_prefix(result.consumed);
      if (result.kind == ReplyParser::Kind::kNeedMore) {
        EXPECT_TRUE(piece.empty());
        break;
      }
      if (result.kind == ReplyParser::Kind::kMalformed) {
        seen.push_back(absl::StrCat("malformed: ", parser.garbage()));
        return seen;
      }
      if (result.kind == ReplyParser::Kind::kTooLong) {
        seen.push_back("too long");
        return seen;
      }
      const PeerReply reply = parser.Take();
      EXPECT_FALSE(parser.in_reply());
      seen.push_back(absl::StrCat(reply.code, " ", reply.enhanced, "|", absl::StrJoin(reply.lines, "|")));
    }
  }
  if (parser.in_reply()) seen.push_back("more");
  return seen;
}

struct Row {
  absl::string_view name;
  absl::string_view bytes;
  std::vector<std::string> seen;
};

TEST(ReplyParserTest, RepliesOfAnyShape) {
  const Row rows[] = {
      {"one line", "250 OK\r\n", {"250 |OK"}},
      {"several lines", "250-a\r\n250-b\r\n250 c\r\n", {"250 |a|b|c"}},
      {"no text", "250\r\n", {"250 |"}},
      {"a blank and no text", "250 \r\n", {"250 |"}},
      {"a hyphen and no text", "250-\r\n250 \r\n", {"250 ||"}},
      {"several replies", "250 a\r\n550 b\r\n", {"250 |a", "550 |b"}},
      {"LF alone", "250-a\n250 b\n", {"250 |a|b"}},
      {"CR CR LF", "250 a\r\r\n", {"250 |a\r"}},
      {"codes of one class: the last one counts", "251-a\r\n250 b\r\n", {"250 |a|b"}},
      {"codes of two classes", "250-a\r\n550 b\r\n", {"malformed: 550 b"}},
      {"enhanced", "250 2.1.5 fine\r\n", {"250 2.1.5|fine"}},
      {"enhanced on each line", "550-5.1.1 no\r\n550 5.1.1 such user\r\n", {"550 5.1.1|no|such user"}},
      {"another enhanced code behind the first", "550-5.1.1 a\r\n550 5.7.1 b\r\n", {"550 5.1.1|a|5.7.1 b"}},
      {"enhanced on the last line only", "550-no\r\n550 5.1.1 b\r\n", {"550 |no|5.1.1 b"}},
      {"enhanced and nothing else", "550 5.1.1\r\n", {"550 5.1.1|"}},
      {"enhanced of another class", "550 4.1.1 a\r\n", {"550 |4.1.1 a"}},
      {"enhanced of three digits", "550 5.123.456 a\r\n", {"550 5.123.456|a"}},
      {"enhanced of four digits", "550 5.1.1234 a\r\n", {"550 |5.1.1234 a"}},
      {"no blank behind it", "550 5.1.1x a\r\n", {"550 |5.1.1x a"}},
      {"half of it", "550 5.1\r\n", {"550 |5.1"}},
      {"half of it and a dot", "550 5.1.\r\n", {"550 |5.1."}},
      {"3yz has none", "354 3.0.0 go\r\n", {"354 |3.0.0 go"}},
      {"an empty line", "\r\n", {"malformed: "}},
      {"no code", "hello\r\n", {"malformed: hello"}},
      {"two digits", "25 a\r\n", {"malformed: 25 a"}},
      {"four digits", "2500 a\r\n", {"malformed: 2500 a"}},
      {"1yz", "150 a\r\n", {"malformed: 150 a"}},
      {"6yz", "650 a\r\n", {"malformed: 650 a"}},
      {"a tab behind the code", "250\ta\r\n", {"malformed: 250 a"}},
      {"a blank in front", " 250 a\r\n", {"malformed:  250 a"}},
      {"garbage within", "250-a\r\nb\r\n250 c\r\n", {"malformed: b"}},
      {"another protocol", "SSH-2.0-OpenSSH\x01\r\n", {"malformed: SSH-2.0-OpenSSH?"}},
      {"not ended", "250-a\r\n250 b", {"more"}},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(Parse(row.bytes, row.bytes.size()), row.seen) << row.name;
    EXPECT_EQ(Parse(row.bytes, 1), row.seen) << row.name << ", byte by byte";
    EXPECT_EQ(Parse(row.bytes, 7), row.seen) << row.name << ", seven bytes at a time";
  }
}

TEST(ReplyParserTest, AReplyHasAnEnd) {
  const std::string line = absl::StrCat("250-", std::string(506, 'x'), "\r\n");
  std::string most;
  while (most.size() + 2 * line.size() <= kMaxPeerReplyBytes) most += line;
  const std::string last =
      absl::StrCat("250 ", std::string(kMaxPeerReplyBytes - most.size() - 6, 'x'), "\r\n");
  for (const size_t piece_bytes : {size_t{1}, size_t{4096}, 2 * kMaxPeerReplyBytes}) {
    EXPECT_EQ(Parse(most + last, piece_bytes).size(), 1u);
    EXPECT_NE(Parse(most + last, piece_bytes).front(), "too long");
    EXPECT_THAT(Parse(absl::StrCat(most, "250 x", last.substr(4)), piece_bytes), ElementsAre("too long"));
    EXPECT_THAT(Parse(std::string(kMaxPeerReplyBytes + 1, '2'), piece_bytes), ElementsAre("too long"));
  }
  // The bound is on each reply, not on all.
  EXPECT_EQ(Parse(most + last + most + last, 4096).size(), 2u);
}

TEST(ReplyParserTest, ItsTextIsOneLineThatIsSafeToShow) {
  PeerReply reply;
  reply.lines = {"no\x1b[31m", "caf\xc3\xa9 \xff", std::string("a\0b\r", 4)};
  EXPECT_EQ(reply.Text(), "no?[31m caf\xc3\xa9 ? a?b?");
  reply.lines.assign(1, absl::StrCat(std::string(kMaxPeerTextBytes - 1, 'x'), "\xc3\xa9"));
  EXPECT_EQ(reply.Text(), std::string(kMaxPeerTextBytes - 1, 'x'));
  reply.lines.assign(1, absl::StrCat(std::string(kMaxPeerTextBytes - 2, 'x'), "\xc3\xa9", "y"));
  EXPECT_EQ(reply.Text().size(), kMaxPeerTextBytes);
  EXPECT_TRUE(IsValidUtf8(reply.Text()));
}

TEST(ReplyParserTest, ResetForgetsWhatHasBegun) {
  ReplyParser parser;
  parser.Feed("550-5.1.1 injected\r\n550");
  EXPECT_TRUE(parser.in_reply());
  parser.Reset();
  EXPECT_FALSE(parser.in_reply());
  EXPECT_EQ(parser.Feed("250 ok\r\n").kind, ReplyParser::Kind::kReply);
  const PeerReply reply = parser.Take();
  EXPECT_EQ(reply.code, 250);
  EXPECT_THAT(reply.lines, ElementsAre("ok"));
}

}  // namespace
}  // namespace mailstead::smtp
