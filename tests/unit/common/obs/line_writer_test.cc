#include "common/obs/line_writer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace mailstead::obs {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

constexpr absl::Duration kLong = absl::Seconds(30);
constexpr absl::Duration kShort = absl::Milliseconds(20);

class LineWriterTest : public testing::Test {
 protected:
  LineWriterTest() {
    signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(pipe(pipe_), 0);
    // The least there is.
    fcntl(pipe_[1], F_SETPIPE_SZ, 4096);
  }
  ~LineWriterTest() override { close(pipe_[0]); }

  // It is never destroyed, and so is the descriptor that it writes to.
  LineWriter& Make(size_t max_waiting_bytes = kMaxWaitingLogBytes) {
    return *new LineWriter(pipe_[1], max_waiting_bytes,
                           [](int64_t count) { return absl::StrCat("dropped ", count); });
  }
  // What there is to be read, until `count` lines have come.
  std::vector<std::string> Read(size_t count) {
    std::vector<std::string> lines;
    while (lines.size() < count) {
      char bytes[4096];
      const ssize_t size = read(pipe_[0], bytes, sizeof bytes);
      if (size <= 0) break;
      read_.append(bytes, static_cast<size_t>(size));
      lines = absl::StrSplit(read_, '\n');
      // Behind the last line's end.
      lines.pop_back();
    }
    return lines;
  }

  int pipe_[2];
  std::string read_;
};

// How many lines these say were dropped.
int64_t ToldOf(const std::vector<std::string>& lines) {
  int64_t sum = 0;
  for (absl::string_view line : lines) {
    int64_t count = 0;
    if (absl::ConsumePrefix(&line, "dropped ") && absl::SimpleAtoi(line, &count)) sum += count;
  }
  return sum;
}

TEST_F(LineWriterTest, LinesComeInOrder) {
  LineWriter& writer = Make();
  for (int i = 0; i < 5; ++i) writer.Write(absl::StrCat("line ", i));
  EXPECT_TRUE(writer.Flush(kLong));
  EXPECT_THAT(Read(5), ElementsAre("line 0", "line 1", "line 2", "line 3", "line 4"));
  writer.Write("");
  EXPECT_THAT(Read(6).back(), "");
  EXPECT_EQ(writer.dropped_count(), 0);
}

// Also when each has gone before the next one comes: to wake the thread costs more than to write.
TEST(LineWriter, LinesThatFollowEachOtherGoTogether) {
  constexpr int kLines = 40;
  int ends[2];
  // What one write sends is what one recv gets.
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
  LineWriter& writer =
      *new LineWriter(ends[1], kMaxWaitingLogBytes, [](int64_t) { return std::string("dropped"); });
  const absl::Time begin = absl::Now();
  for (int i = 0; i < kLines; ++i) {
    writer.Write("line");
    absl::SleepFor(absl::Microseconds(500));
  }
  const absl::Duration took = absl::Now() - begin;
  ASSERT_TRUE(writer.Flush(kLong));
  int writes = 0;
  char bytes[4096];
  while (recv(ends[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0) ++writes;
  // The first goes at once, and what is left with Flush.
  EXPECT_LE(writes, took / kLogGatherTime + 2) << took;
  close(ends[0]);
}

TEST_F(LineWriterTest, ALineByItselfNeedsNoFlush) {
  LineWriter& writer = Make();
  writer.Write("one");
  EXPECT_THAT(Read(1), ElementsAre("one"));
  writer.Write("two");
  EXPECT_THAT(Read(2), ElementsAre("one", "two"));
}

TEST_F(LineWriterTest, NobodyWaitsForWhoDoesNotReadAndWhatWasDroppedIsSaid) {
  LineWriter& writer = Make(/*max_waiting_bytes=*/10'000);
  // More than the pipe and the writer hold.
  constexpr int kLines = 2000;
  std::string line(99, 'x');
  for (int i = 0; i < kLines; ++i) writer.Write(line);
  const int64_t dropped = writer.dropped_count();
  EXPECT_GT(dropped, kLines / 2);
  EXPECT_FALSE(writer.Flush(kShort));
  // What is left of them, and behind each gap a line that tells.
  const int64_t kept = kLines - dropped;
  std::vector<std::string> lines = Read(static_cast<size_t>(kept) + 1);
  while (ToldOf(lines) < dropped) lines = Read(lines.size() + 1);
  EXPECT_EQ(ToldOf(lines), dropped);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), line), kept);
  EXPECT_TRUE(writer.Flush(kLong));
  // Said once.
  writer.Write("afterwards");
  EXPECT_EQ(Read(lines.size() + 1).back(), "afterwards");
  EXPECT_EQ(writer.dropped_count(), dropped);
}

TEST_F(LineWriterTest, AFlushWaitsAsLongAsSomethingGoes) {
  LineWriter& writer = Make();
  const std::string line(999, 'x');
  for (int i = 0; i < 100; ++i) writer.Write(line);
  std::thread reader([this] { EXPECT_THAT(Read(100), SizeIs(100)); });
  EXPECT_TRUE(writer.Flush(kLong));
  reader.join();
  EXPECT_TRUE(writer.Flush(kShort));
}

TEST_F(LineWriterTest, AReaderThatHasGoneHoldsNothingUp) {
  LineWriter& writer = Make();
  close(pipe_[0]);
  for (int i = 0; i < 3; ++i) {
    writer.Write("lost");
    EXPECT_TRUE(writer.Flush(kLong));
  }
  // The last one may be counted a moment later.
  while (writer.dropped_count() < 3) std::this_thread::yield();
  EXPECT_EQ(writer.dropped_count(), 3);
  pipe_[0] = open("/dev/null", O_RDONLY);
}

TEST_F(LineWriterTest, ADescriptorThatDoesNotBlockLosesNothing) {
  fcntl(pipe_[1], F_SETFL, O_NONBLOCK);
  LineWriter& writer = Make();
  const std::string line(999, 'x');
  for (int i = 0; i < 100; ++i) writer.Write(line);
  EXPECT_THAT(Read(100), SizeIs(100));
  EXPECT_TRUE(writer.Flush(kLong));
  EXPECT_EQ(writer.dropped_count(), 0);
}

TEST_F(LineWriterTest, LinesOfManyThreadsStayWhole) {
  LineWriter& writer = Make();
  std::vector<std::thread> threads;
  for (char name = 'a'; name < 'e'; ++name) {
    threads.emplace_back([&writer, name] {
      for (int i = 0; i < 200; ++i) writer.Write(std::string(50, name));
    });
  }
  const std::vector<std::string> lines = Read(800);
  for (std::thread& thread : threads) thread.join();
  ASSERT_THAT(lines, SizeIs(800));
  for (const std::string& line : lines) EXPECT_EQ(line, std::string(50, line[0]));
}

}  // namespace
}  // namespace mailstead::obs
