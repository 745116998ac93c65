#include "common/text/line_framer.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = Line::Kind;
using Lines = std::vector<std::pair<Kind, std::string>>;

constexpr size_t kMaxLineBytes = 16;

// Feeds the pieces one after the other and reports every line; what is left over stays in `buffer`.
class Feed {
 public:
  explicit Feed(size_t max_line_bytes = kMaxLineBytes) : framer_(max_line_bytes) {}

  Feed& operator<<(absl::string_view piece) {
    buffer_.Append(piece);
    for (;;) {
      const Line line = framer_.Next(buffer_.bytes());
      if (line.kind != Kind::kNeedMore) lines_.emplace_back(line.kind, std::string(line.text));
      buffer_.Consume(line.size_bytes);
      if (line.kind == Kind::kNeedMore) return *this;
    }
  }

  const Lines& lines() const { return lines_; }
  absl::string_view rest() const { return buffer_.bytes(); }

 private:
  LineFramer framer_;
  InputBuffer buffer_;
  Lines lines_;
};

TEST(LineFramerTest, GivesLinesWithoutTheirEnds) {
  Feed feed;
  feed << "EHLO a\r\n\r\nNOOP\r\nQU";
  EXPECT_THAT(feed.lines(), ElementsAre(std::pair(Kind::kLine, "EHLO a"), std::pair(Kind::kLine, ""),
                                        std::pair(Kind::kLine, "NOOP")));
  EXPECT_EQ(feed.rest(), "QU");
}

TEST(LineFramerTest, NeedsMoreForNothingAndForHalfALine) {
  LineFramer framer(kMaxLineBytes);
  for (const absl::string_view bytes : {"", "N", "NOOP", "NOOP\r"}) {
    const Line line = framer.Next(bytes);
    EXPECT_EQ(line.kind, Kind::kNeedMore) << bytes;
    EXPECT_EQ(line.size_bytes, 0u) << bytes;
  }
}

TEST(LineFramerTest, TellsBareLineEnds) {
  for (const absl::string_view bytes : {"NOOP\n", "NOOP\rQUIT\r\n", "NOOP\r\r\n", "NOOP\rQUIT\n"}) {
    LineFramer framer(kMaxLineBytes);
    const Line line = framer.Next(bytes);
    EXPECT_EQ(line.kind, Kind::kBareLineEnd) << bytes;
    EXPECT_EQ(line.text, "NOOP") << bytes;
    EXPECT_EQ(line.size_bytes, bytes.size()) << bytes;
  }
}

TEST(LineFramerTest, NeverTakesWhatFollowsABareCrForACommand) {
  Feed feed;
  feed << "NOOP\rQUIT\r\nRSET\r\n";
  EXPECT_THAT(feed.lines(),
              ElementsAre(std::pair(Kind::kBareLineEnd, "NOOP"), std::pair(Kind::kLine, "RSET")));
}

TEST(LineFramerTest, KeepsNulAndHighBytes) {
  const absl::string_view bytes("a\0\xff\r\n", 5);
  LineFramer framer(kMaxLineBytes);
  const Line line = framer.Next(bytes);
  EXPECT_EQ(line.kind, Kind::kLine);
  EXPECT_EQ(line.text, bytes.substr(0, 3));
}

TEST(LineFramerTest, LimitCountsTheLineEnd) {
  for (const size_t text_bytes : {kMaxLineBytes - 3, kMaxLineBytes - 2}) {
    Feed feed;
    feed << std::string(text_bytes, 'x') + "\r\nNOOP\r\n";
    EXPECT_THAT(feed.lines(), ElementsAre(std::pair(Kind::kLine, std::string(text_bytes, 'x')),
                                          std::pair(Kind::kLine, "NOOP")));
  }
  Feed feed;
  feed << std::string(kMaxLineBytes - 1, 'x') + "\r\nNOOP\r\n";
  EXPECT_THAT(feed.lines(), ElementsAre(std::pair(Kind::kTooLong, ""), std::pair(Kind::kLine, "NOOP")));
}

TEST(LineFramerTest, DropsALongLineAsItComesAndHoldsNoneOfIt) {
  Feed feed;
  for (int i = 0; i < 1000; ++i) {
    feed << "0123456789";
    EXPECT_LT(feed.rest().size(), kMaxLineBytes);
  }
  EXPECT_THAT(feed.lines(), IsEmpty());
  feed << "\r\nNOOP\r\n";
  EXPECT_THAT(feed.lines(), ElementsAre(std::pair(Kind::kTooLong, ""), std::pair(Kind::kLine, "NOOP")));
}

TEST(LineFramerTest, TwoLongLinesAreTwoReports) {
  const std::string longer(3 * kMaxLineBytes, 'x');
  Feed feed;
  feed << longer + "\r\n" + longer + "\n\r\n";
  EXPECT_THAT(feed.lines(), ElementsAre(std::pair(Kind::kTooLong, ""), std::pair(Kind::kTooLong, ""),
                                        std::pair(Kind::kLine, "")));
}

TEST(LineFramerTest, EverySplitGivesTheSameLines) {
  const std::string bytes = "EHLO a\r\nNOOP\n\r\nA\rB\r\n\r\r\n" + std::string(14, 'x') + "\r\n" +
                            std::string(15, 'y') + "\r\n" + std::string(16, 'z') + "\n" +
                            std::string(40, 'w') + "\r\nQUIT\r\nhalf\r";
  Feed whole;
  whole << bytes;
  for (size_t i = 0; i <= bytes.size(); ++i) {
    for (size_t j = i; j <= bytes.size(); ++j) {
      Feed split;
      split << bytes.substr(0, i) << bytes.substr(i, j - i) << bytes.substr(j);
      ASSERT_EQ(split.lines(), whole.lines()) << i << " " << j;
      ASSERT_EQ(split.rest(), whole.rest()) << i << " " << j;
    }
  }
  Feed bytewise;
  for (const char c : bytes) bytewise << absl::string_view(&c, 1);
  EXPECT_EQ(bytewise.lines(), whole.lines());
  EXPECT_EQ(bytewise.rest(), whole.rest());
}

TEST(LineFramerTest, TakesThousandsOfPipelinedCommands) {
  Feed feed;
  std::string packet;
  for (int i = 0; i < 2500; ++i) packet += "NOOP\r\n";
  feed << packet;
  EXPECT_EQ(feed.lines().size(), 2500u);
  EXPECT_EQ(feed.rest(), "");
}

TEST(InputBufferTest, GivesBytesInOrder) {
  InputBuffer buffer;
  EXPECT_TRUE(buffer.empty());
  buffer.Append("abc");
  buffer.Append("def");
  EXPECT_EQ(buffer.bytes(), "abcdef");
  buffer.Consume(4);
  EXPECT_EQ(buffer.bytes(), "ef");
  buffer.Append("g");
  EXPECT_EQ(buffer.bytes(), "efg");
  EXPECT_FALSE(buffer.empty());
  buffer.Consume(3);
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.bytes(), "");
}

TEST(InputBufferTest, ClearForgetsEverything) {
  InputBuffer buffer;
  buffer.Append("STLS\r\nUSER evil\r\n");
  buffer.Consume(6);
  buffer.Clear();
  EXPECT_TRUE(buffer.empty());
  buffer.Append("new");
  EXPECT_EQ(buffer.bytes(), "new");
}

// A peer that always leaves half a line behind must not make the buffer grow.
TEST(InputBufferTest, KeepsTheBytesThroughManyPartialReads) {
  InputBuffer buffer;
  std::string expected;
  size_t next = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string piece;
    for (int j = 0; j < 7; ++j) piece.push_back(static_cast<char>('a' + next++ % 26));
    buffer.Append(piece);
    expected += piece;
    const size_t consumed = buffer.bytes().size() - 3;
    expected.erase(0, consumed);
    buffer.Consume(consumed);
    ASSERT_EQ(buffer.bytes(), expected);
  }
}

TEST(InputBufferTest, MovesALongConsumedBeginningAway) {
  InputBuffer buffer;
  std::string expected(10'000, 'x');
  for (size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<char>('a' + i % 26);
  buffer.Append(expected);
  for (const size_t count : {4095u, 1u, 2000u, 1u, 3000u}) {
    buffer.Consume(count);
    expected.erase(0, count);
    ASSERT_EQ(buffer.bytes(), expected);
  }
}

TEST(InputBufferDeathTest, CannotConsumeMoreThanItHas) {
  InputBuffer buffer;
  buffer.Append("ab");
  buffer.Consume(1);
  EXPECT_DEATH(buffer.Consume(2), "CHECK failed");
}

}  // namespace
}  // namespace mailstead
