#include "common/net/stream.h"

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "asio/detached.hpp"
#include "asio/post.hpp"
#include "asio/steady_timer.hpp"
#include "asio/this_coro.hpp"
#include "asio/use_awaitable.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/net/loopback.h"

namespace mailstead::net {
namespace {

constexpr absl::Duration kLong = absl::Seconds(10);
constexpr absl::Duration kShort = absl::Milliseconds(60);

TEST(StreamTest, ReadsWhatIsThereWithoutWaiting) {
  Loopback link;
  ASSERT_TRUE(link.client.Send("EHLO a\r\n"));
  absl::StatusOr<std::string> read = Await(link.context, ReadUpTo(*link.stream, 100, absl::ZeroDuration()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, "EHLO a\r\n");
}

TEST(StreamTest, WaitsForBytes) {
  Loopback link;
  std::thread later([&] {
    absl::SleepFor(absl::Milliseconds(30));
    link.client.Send("late");
  });
  absl::StatusOr<std::string> read = Await(link.context, ReadUpTo(*link.stream, 100, kLong));
  later.join();
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, "late");
}

TEST(StreamTest, ReadsNoMoreThanAskedFor) {
  Loopback link;
  ASSERT_TRUE(link.client.Send("abcdef"));
  EXPECT_EQ(*Await(link.context, ReadUpTo(*link.stream, 4, kLong)), "abcd");
  EXPECT_EQ(*Await(link.context, ReadUpTo(*link.stream, 4, kLong)), "ef");
}

asio::awaitable<absl::Status> TakeSome(Stream& stream, size_t max_bytes, absl::Duration timeout,
                                       std::string& into) {
  const auto take = [&into](absl::string_view bytes) { into.append(bytes.data(), bytes.size()); };
  absl::Status status = co_await stream.ReadInto(take, max_bytes, timeout);
  co_return status;
}

TEST(StreamTest, GivesBytesWithoutABufferOfTheCallers) {
  Loopback link;
  std::string taken;
  ASSERT_TRUE(link.client.Send("abcdef"));
  ASSERT_TRUE(Await(link.context, TakeSome(*link.stream, 4, kLong, taken)).ok());
  EXPECT_EQ(taken, "abcd");
  ASSERT_TRUE(Await(link.context, TakeSome(*link.stream, Stream::kMaxReadBytes, kLong, taken)).ok());
  EXPECT_EQ(taken, "abcdef");

  EXPECT_TRUE(absl::IsDeadlineExceeded(Await(link.context, TakeSome(*link.stream, 4, kShort, taken))));
  std::thread later([&] {
    absl::SleepFor(absl::Milliseconds(20));
    link.client.Send("late");
  });
  ASSERT_TRUE(Await(link.context, TakeSome(*link.stream, 100, kLong, taken)).ok());
  later.join();
  EXPECT_EQ(taken, "abcdeflate");

  link.client.Close();
  EXPECT_TRUE(absl::IsUnavailable(Await(link.context, TakeSome(*link.stream, 100, kLong, taken))));
  link.stream->Close();
  EXPECT_TRUE(absl::IsCancelled(Await(link.context, TakeSome(*link.stream, 100, kLong, taken))));
  EXPECT_EQ(taken, "abcdeflate");
}

// Writes until neither side has room; how much that was.
size_t Stuff(Stream& stream) {
  const std::string much = Pattern(1 << 20);
  size_t all = 0;
  // What is on its way to the other side's buffer makes room again, until an acknowledgment that is put off has come.
  for (int full = 0; full < 5;) {
    const absl::StatusOr<size_t> written = stream.TryWrite(much);
    EXPECT_TRUE(written.ok()) << written.status();
    if (!written.ok()) return all;
    all += *written;
    full = *written == 0 ? full + 1 : 0;
    absl::SleepFor(absl::Milliseconds(100));
  }
  return all;
}

TEST(StreamTest, ReadingAndWritingAtOnce) {
  Loopback link;
  const size_t stuffed = Stuff(*link.stream);
  ASSERT_GT(stuffed, 0u);
  EXPECT_TRUE(absl::IsDeadlineExceeded(Await(link.context, link.stream->WaitForPeer(true, kShort))));
  // The client speaks, and has read nothing.
  ASSERT_TRUE(link.client.Send("x"));
  ASSERT_TRUE(Await(link.context, link.stream->WaitForPeer(true, kLong)).ok());
  EXPECT_EQ(*Await(link.context, ReadUpTo(*link.stream, 100, absl::ZeroDuration())), "x");
  EXPECT_EQ(*link.stream->TryWrite("y"), 0u);
  // The client reads, and says nothing.
  std::thread later([&] {
    absl::SleepFor(absl::Milliseconds(20));
    for (size_t read = 0; read < stuffed;) read += link.client.Receive(65536).size();
  });
  ASSERT_TRUE(Await(link.context, link.stream->WaitForPeer(true, kLong)).ok());
  later.join();
  EXPECT_EQ(*link.stream->TryWrite("y"), 1u);
  EXPECT_EQ(link.client.Receive(), "y");
  // A wait that was for both leaves nothing behind for one that is not.
  EXPECT_TRUE(absl::IsDeadlineExceeded(Await(link.context, link.stream->WaitForPeer(false, kShort))));
  link.client.Reset();
  EXPECT_TRUE(Await(link.context, link.stream->WaitForPeer(true, kLong)).ok()) << "the end can be read";
  EXPECT_TRUE(
      absl::IsUnavailable(Await(link.context, ReadUpTo(*link.stream, 1, absl::ZeroDuration())).status()));
}

TEST(StreamTest, AWaitForBothIsInterruptedAndClosed) {
  Loopback link;
  Stuff(*link.stream);
  asio::steady_timer timer(link.context, std::chrono::milliseconds(20));
  timer.async_wait([&](const std::error_code&) { link.stream->Interrupt(); });
  EXPECT_TRUE(absl::IsCancelled(Await(link.context, link.stream->WaitForPeer(true, kLong))));
  timer.expires_after(std::chrono::milliseconds(20));
  timer.async_wait([&](const std::error_code&) { link.stream->Close(); });
  EXPECT_TRUE(absl::IsCancelled(Await(link.context, link.stream->WaitForPeer(true, kLong))));
  EXPECT_FALSE(link.stream->TryWrite("x").ok());
}

TEST(StreamTest, TwoThatReadOnOneThreadDoNotMixTheirBytes) {
  Loopback first;
  Loopback second;
  std::string of_first, of_second;
  for (int round = 0; round < 50; ++round) {
    ASSERT_TRUE(first.client.Send("11111"));
    ASSERT_TRUE(second.client.Send("22222"));
    ASSERT_TRUE(Await(first.context, TakeSome(*first.stream, 3, kLong, of_first)).ok());
    ASSERT_TRUE(Await(second.context, TakeSome(*second.stream, 2, kLong, of_second)).ok());
  }
  EXPECT_EQ(of_first.find_first_not_of('1'), std::string::npos);
  EXPECT_EQ(of_second.find_first_not_of('2'), std::string::npos);
}

TEST(StreamTest, SilenceEndsAtTheDeadlineAndTheStreamLivesOn) {
  Loopback link;
  const absl::Time begin = absl::Now();
  absl::StatusOr<std::string> read = Await(link.context, ReadUpTo(*link.stream, 100, kShort));
  EXPECT_EQ(read.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_GE(absl::Now() - begin, kShort);
  EXPECT_LT(absl::Now() - begin, kLong);

  ASSERT_TRUE(link.client.Send("still here"));
  EXPECT_EQ(*Await(link.context, ReadUpTo(*link.stream, 100, kLong)), "still here");
}

// The timer stays set from one wait to the next.
TEST(StreamTest, AShorterDeadlineAfterALongerOneIsKept) {
  Loopback link;
  std::thread later([&] {
    absl::SleepFor(absl::Milliseconds(10));
    link.client.Send("x");
  });
  EXPECT_EQ(*Await(link.context, ReadUpTo(*link.stream, 1, absl::InfiniteDuration())), "x");
  later.join();
  const absl::Time begin = absl::Now();
  EXPECT_TRUE(absl::IsDeadlineExceeded(Await(link.context, ReadUpTo(*link.stream, 1, kShort)).status()));
  EXPECT_GE(absl::Now() - begin, kShort);
  EXPECT_LT(absl::Now() - begin, kLong);
}

TEST(StreamTest, ALongerDeadlineAfterAShorterOneIsKept) {
  Loopback link;
  std::thread first([&] {
    absl::SleepFor(kShort / 4);
    link.client.Send("1");
  });
  EXPECT_EQ(*Await(link.context, ReadUpTo(*link.stream, 1, kShort)), "1");
  first.join();
  // The timer goes off meanwhile.
  const absl::Time begin = absl::Now();
  EXPECT_TRUE(absl::IsDeadlineExceeded(Await(link.context, ReadUpTo(*link.stream, 1, 2 * kShort)).status()));
  EXPECT_GE(absl::Now() - begin, 2 * kShort);
}

TEST(StreamTest, ATimerThatGoesOffBetweenTwoWaitsDoesNoHarm) {
  Loopback link;
  std::thread first([&] {
    absl::SleepFor(kShort / 4);
    link.client.Send("1");
  });
  EXPECT_EQ(*Await(link.context, ReadUpTo(*link.stream, 1, kShort)), "1");
  first.join();
  absl::SleepFor(kShort);
  link.context.poll();
  const absl::Time begin = absl::Now();
  EXPECT_TRUE(absl::IsDeadlineExceeded(Await(link.context, ReadUpTo(*link.stream, 1, kShort)).status()));
  EXPECT_GE(absl::Now() - begin, kShort);
}

TEST(StreamTest, NoTimeAtAllMeansOneTry) {
  Loopback link;
  EXPECT_EQ(Await(link.context, ReadUpTo(*link.stream, 1, absl::ZeroDuration())).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Await(link.context, ReadUpTo(*link.stream, 1, -absl::InfiniteDuration())).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

asio::awaitable<absl::Status> AnswerChunks(Stream& stream, size_t chunk_bytes, int count) {
  for (int i = 0; i < count; ++i) {
    const absl::StatusOr<std::string> chunk = co_await ReadExactly(stream, chunk_bytes, kLong);
    if (!chunk.ok()) co_return chunk.status();
    const absl::Status written = co_await stream.Write("250 2.0.0 octets received\r\n", kLong);
    if (!written.ok()) co_return written;
  }
  co_return absl::OkStatus();
}

// A client that writes a command in two pieces, and has Nagle's algorithm on, has the second one held back by its kernel
// until ours acknowledges the first; by itself it takes 40 ms to do so.
TEST(StreamTest, AcknowledgesAtOnceWhatIsNotAnswered) {
  constexpr int kCount = 21;
  Loopback link;
  std::vector<absl::Duration> took;
  std::thread client([&] {
    for (int i = 0; i < kCount; ++i) {
      const absl::Time begin = absl::Now();
      link.client.Send("BDAT 5\r\n");
      link.client.Send("abcde");
      ASSERT_NE(link.client.Receive(), "");
      took.push_back(absl::Now() - begin);
    }
  });
  EXPECT_TRUE(Await(link.context, AnswerChunks(*link.stream, 13, kCount)).ok());
  client.join();
  ASSERT_EQ(took.size(), size_t{kCount});
  std::sort(took.begin(), took.end());
  EXPECT_LT(took[kCount / 2], absl::Milliseconds(20));
}

TEST(StreamTest, KnowsWhatHasNotLeft) {
  Loopback link;
  EXPECT_FALSE(link.stream->HasUnsent());
  ASSERT_TRUE(Await(link.context, link.stream->Write("250 ok\r\n", kLong)).ok());
  EXPECT_FALSE(link.stream->HasUnsent());
  // The client takes nothing.
  const std::string much(4 << 20, 'x');
  EXPECT_TRUE(absl::IsDeadlineExceeded(Await(link.context, link.stream->Write(much, kShort))));
  EXPECT_TRUE(link.stream->HasUnsent());
  link.stream->Close();
  EXPECT_FALSE(link.stream->HasUnsent());
}

TEST(StreamTest, InfiniteTimeoutWaits) {
  Loopback link;
  std::thread later([&] {
    absl::SleepFor(absl::Milliseconds(20));
    link.client.Send("x");
  });
  EXPECT_EQ(*Await(link.context, ReadUpTo(*link.stream, 1, absl::InfiniteDuration())), "x");
  later.join();
}

TEST(StreamTest, OrderlyEndIsToldApartFromReset) {
  Loopback link;
  link.client.Close();
  const absl::Status closed = Await(link.context, ReadUpTo(*link.stream, 100, kLong)).status();
  EXPECT_EQ(closed, absl::UnavailableError("connection closed"));

  Loopback other;
  other.client.Reset();
  const absl::Status reset = Await(other.context, ReadUpTo(*other.stream, 100, kLong)).status();
  EXPECT_EQ(reset.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(reset.message(), "connection closed");
}

asio::awaitable<absl::Status> CloseSoon(Stream& stream, absl::Duration delay) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(absl::ToChronoNanoseconds(delay));
  co_await timer.async_wait(asio::use_awaitable);
  stream.Close();
  co_return absl::OkStatus();
}

TEST(StreamTest, CloseEndsAWaitForBytesWithCancelled) {
  Loopback link;
  asio::co_spawn(link.context, CloseSoon(*link.stream, absl::Milliseconds(20)), asio::detached);
  const absl::Time begin = absl::Now();
  EXPECT_EQ(Await(link.context, ReadUpTo(*link.stream, 100, kLong)).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
  EXPECT_EQ(link.client.Receive(), "");
}

TEST(StreamTest, CloseEndsAWaitForSpaceWithCancelled) {
  Loopback link;
  asio::co_spawn(link.context, CloseSoon(*link.stream, absl::Milliseconds(20)), asio::detached);
  const std::string much = Pattern(8 << 20);
  EXPECT_EQ(Await(link.context, link.stream->Write(much, kLong)).code(), absl::StatusCode::kCancelled);
}

TEST(StreamTest, NothingWorksAfterClose) {
  Loopback link;
  ASSERT_TRUE(link.client.Send("pending"));
  link.stream->Close();
  link.stream->Close();
  EXPECT_FALSE(link.stream->HasPendingInput());
  EXPECT_EQ(Await(link.context, ReadUpTo(*link.stream, 100, kLong)).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(Await(link.context, link.stream->Write("x", kLong)).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Await(link.context, link.stream->WaitReadable(kLong)).code(), absl::StatusCode::kCancelled);
  link.stream->ShutdownSend();
}

asio::awaitable<absl::Status> ReadOnceAndDie(std::unique_ptr<Stream> stream) {
  absl::StatusOr<std::string> read = co_await ReadUpTo(*stream, 1, kLong);
  co_return read.status();
}

TEST(StreamTest, TheTimerOfAFinishedWaitTouchesNothing) {
  Loopback link;
  std::thread later([&] {
    absl::SleepFor(absl::Milliseconds(10));
    link.client.Send("x");
  });
  EXPECT_TRUE(Await(link.context, ReadOnceAndDie(std::move(link.stream))).ok());
  later.join();
}

// Reads for about as long as the timeout, over and over: the timer's handler and the bytes race.
TEST(StreamTest, BytesThatRaceWithTheDeadlineAreNeverLost) {
  Loopback link;
  constexpr int kRounds = 100;
  std::thread sender([&] {
    for (int i = 0; i < kRounds; ++i) {
      absl::SleepFor(absl::Milliseconds(1));
      link.client.Send("x");
    }
  });
  int received = 0;
  while (received < kRounds) {
    absl::StatusOr<std::string> read =
        Await(link.context, ReadUpTo(*link.stream, 100, absl::Milliseconds(1)));
    if (read.ok()) {
      received += static_cast<int>(read->size());
    } else {
      ASSERT_EQ(read.status().code(), absl::StatusCode::kDeadlineExceeded) << read.status();
    }
  }
  sender.join();
  EXPECT_EQ(received, kRounds);
}

TEST(StreamTest, WritesAllAgainstBackPressure) {
  Loopback link;
  const std::string sent = Pattern(4 << 20);
  std::string received;
  std::thread reader([&] {
    while (received.size() < sent.size()) {
      const std::string part = link.client.Receive(65536);
      if (part.empty()) break;
      received += part;
    }
  });
  const absl::Status written = Await(link.context, link.stream->Write(sent, kLong));
  reader.join();
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_TRUE(received == sent);
}

TEST(StreamTest, AWriterWhosePeerNeverReadsEndsAtTheDeadline) {
  Loopback link;
  const std::string much = Pattern(8 << 20);
  EXPECT_EQ(Await(link.context, link.stream->Write(much, kShort)).code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(StreamTest, ProgressPutsTheWriteDeadlineOff) {
  Loopback link;
  const std::string sent = Pattern(400'000);
  constexpr absl::Duration kStep = absl::Milliseconds(400);
  std::string received;
  std::thread slow_reader([&] {
    while (received.size() < sent.size()) {
      absl::SleepFor(absl::Milliseconds(50));
      const std::string part = link.client.Receive(20'000);
      if (part.empty()) break;
      received += part;
    }
  });
  const absl::Time begin = absl::Now();
  const absl::Status written = Await(link.context, link.stream->Write(sent, kStep));
  EXPECT_TRUE(written.ok()) << written;
  EXPECT_GT(absl::Now() - begin, kStep) << "the reader was not slow enough to show anything";
  slow_reader.join();
  EXPECT_TRUE(received == sent);
}

TEST(StreamTest, WritingToAPeerThatWentIsUnavailable) {
  Loopback link;
  link.client.Reset();
  absl::Status status;
  for (int i = 0; i < 3 && status.ok(); ++i) status = Await(link.context, link.stream->Write("x", kLong));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
}

asio::awaitable<absl::StatusOr<std::string>> PeekUpTo(Stream& stream, size_t max_bytes,
                                                      absl::Duration timeout) {
  std::string bytes(max_bytes, '\0');
  absl::StatusOr<size_t> count = co_await stream.Peek(absl::MakeSpan(bytes), timeout);
  if (!count.ok()) co_return count.status();
  bytes.resize(*count);
  co_return bytes;
}

TEST(StreamTest, PeekLeavesTheBytes) {
  Loopback link;
  EXPECT_EQ(Await(link.context, PeekUpTo(*link.stream, 10, kShort)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(link.client.Send("abc"));
  EXPECT_EQ(*Await(link.context, PeekUpTo(*link.stream, 2, kLong)), "ab");
  EXPECT_EQ(*Await(link.context, ReadUpTo(*link.stream, 10, kLong)), "abc");
  link.client.Close();
  EXPECT_EQ(Await(link.context, PeekUpTo(*link.stream, 10, kLong)).status(),
            absl::UnavailableError("connection closed"));
}

TEST(StreamTest, PendingInputIsSeenAndLeft) {
  Loopback link;
  EXPECT_FALSE(link.stream->HasPendingInput());
  ASSERT_TRUE(link.client.Send("x"));
  ASSERT_TRUE(Await(link.context, link.stream->WaitReadable(kLong)).ok());
  EXPECT_TRUE(link.stream->HasPendingInput());
  EXPECT_EQ(*Await(link.context, ReadUpTo(*link.stream, 10, kLong)), "x");
  EXPECT_FALSE(link.stream->HasPendingInput());
  link.client.Close();
  ASSERT_TRUE(Await(link.context, link.stream->WaitReadable(kLong)).ok());
  EXPECT_FALSE(link.stream->HasPendingInput());
}

TEST(StreamTest, WaitReadableHonoursItsDeadline) {
  Loopback link;
  EXPECT_EQ(Await(link.context, link.stream->WaitReadable(kShort)).code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(StreamTest, ShutdownSendEndsOneDirectionOnly) {
  Loopback link;
  ASSERT_TRUE(Await(link.context, link.stream->Write("221 bye\r\n", kLong)).ok());
  link.stream->ShutdownSend();
  EXPECT_EQ(link.client.ReceiveAll(), "221 bye\r\n");
  ASSERT_TRUE(link.client.Send("more"));
  EXPECT_EQ(*Await(link.context, ReadUpTo(*link.stream, 10, kLong)), "more");
}

TEST(StreamTest, KnowsItsEndpointsAndTakesOthers) {
  Loopback link;
  EXPECT_EQ(AddressText(link.stream->peer()), "127.0.0.1");
  EXPECT_EQ(AddressText(link.stream->local()), "127.0.0.1");
  EXPECT_NE(link.stream->peer().port(), 0);
  const asio::ip::tcp::endpoint client(asio::ip::make_address("2001:db8::1"), 4000);
  const asio::ip::tcp::endpoint server(asio::ip::make_address("2001:db8::2"), 25);
  link.stream->SetEndpoints(client, server);
  EXPECT_EQ(link.stream->peer(), client);
  EXPECT_EQ(link.stream->local(), server);
}

TEST(StreamTest, ShowsMappedAddressesAsIpv4) {
  EXPECT_EQ(AddressText({asio::ip::make_address("::ffff:192.0.2.7"), 1}), "192.0.2.7");
  EXPECT_EQ(AddressText({asio::ip::make_address("2001:db8::1"), 1}), "2001:db8::1");
  EXPECT_EQ(AddressText({asio::ip::make_address("192.0.2.7"), 1}), "192.0.2.7");
}

}  // namespace
}  // namespace mailstead::net
