#include "common/rpc/server/grpc_door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/reason.h"
#include "tests/unit/common/rpc/server/toy.h"

namespace mailstead::rpc {
namespace {

class GrpcDoorTest : public testing::Test {
 protected:
  absl::Status Echo(const std::string& text) {
    GrpcCaller caller(server_.channel(), "toy.Toy/Echo");
    caller.Write(MakeText(text), /*last=*/true);
    return caller.End();
  }
  std::unique_ptr<GrpcCaller> Hold() {
    auto caller = std::make_unique<GrpcCaller>(server_.channel(), "toy.Toy/Hold");
    caller->Write(MakeText("held"), /*last=*/true);
    const int holding = seen_.holding;
    EXPECT_TRUE(Eventually([&] { return seen_.holding > holding || seen_.holding > 0; }));
    return caller;
  }

  ToyServer server_{{.max_request_bytes = 100'000, .slots = 2}};
  Seen& seen_ = server_.toy().seen();
};

TEST_F(GrpcDoorTest, MoreCallsThanSlotsAreServed) {
  std::vector<std::unique_ptr<GrpcCaller>> callers;
  for (int i = 0; i < 20; ++i) {
    callers.push_back(std::make_unique<GrpcCaller>(server_.channel(), "toy.Toy/Hold"));
    callers.back()->Write(MakeText("x"), /*last=*/true);
  }
  ASSERT_TRUE(Eventually([&] { return seen_.holding == 20; }));
  server_.toy().Release();
  for (const auto& caller : callers) EXPECT_TRUE(caller->End().ok());
}

TEST_F(GrpcDoorTest, BytesThatAreNoMessageAreRefused) {
  GrpcCaller caller(server_.channel(), "toy.Toy/Echo");
  caller.WriteBytes("\xff\xff\xff", /*last=*/true);
  EXPECT_TRUE(absl::IsInvalidArgument(caller.End()));
  GrpcCaller none(server_.channel(), "toy.Toy/Echo");
  none.HalfClose();
  EXPECT_TRUE(absl::IsInvalidArgument(none.End())) << "there is no request";
}

TEST_F(GrpcDoorTest, ARequestThatIsTooLargeIsRefused) {
  EXPECT_TRUE(Echo(std::string(100'000 - 4, 'x')).ok());
  const absl::Status status = Echo(std::string(100'000 - 3, 'x'));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(ReasonOf(status), kReasonTooLarge);
}

// What is wrong with a request that comes compressed: its size is that of what is in it.
TEST_F(GrpcDoorTest, RequestsMayComeCompressed) {
  for (const grpc_compression_algorithm encoding : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    const auto echo = [&](const std::string& text, std::string& answer) {
      GrpcCaller caller(server_.channel(), "toy.Toy/Echo", "1", absl::Seconds(30), "", encoding);
      caller.Write(MakeText(text), /*last=*/true);
      Text response;
      if (caller.Read(response)) answer = response.value();
      return caller.End();
    };
    std::string answer;
    // What is small does not get smaller, and comes as it is.
    for (const size_t size : {size_t{0}, size_t{1}, size_t{1000}, size_t{32 << 10}, size_t{100'000 - 4}}) {
      const std::string text(size, 'x');
      EXPECT_TRUE(echo(text, answer).ok()) << size;
      EXPECT_EQ(answer, text);
    }
    // A bomb: some kilobytes on their way.
    for (const size_t size : {size_t{100'000 - 3}, size_t{3'000'000}}) {
      const absl::Status status = echo(std::string(size, 'x'), answer);
      EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
      EXPECT_EQ(ReasonOf(status), kReasonTooLarge);
    }
  }
}

TEST_F(GrpcDoorTest, AStreamMayComeCompressed) {
  GrpcCaller caller(server_.channel(), "toy.Toy/Join", "1", absl::Seconds(30), "", GRPC_COMPRESS_GZIP);
  const std::string piece(50'000, 'x');
  ASSERT_TRUE(caller.Write(MakeText(piece)));
  ASSERT_TRUE(caller.Write(MakeText("between")));
  ASSERT_TRUE(caller.Write(MakeText(piece), /*last=*/true));
  Text joined;
  ASSERT_TRUE(caller.Read(joined));
  EXPECT_EQ(joined.value(), piece + "between" + piece);
  EXPECT_TRUE(caller.End().ok());
}

TEST_F(GrpcDoorTest, WhoIsNotKnownMaySendLess) {
  const auto open = [this](const std::string& token, size_t size) {
    GrpcCaller caller(server_.channel(), "toy.Toy/Open", token);
    caller.Write(MakeText(std::string(size, 'x')), /*last=*/true);
    return caller.End();
  };
  EXPECT_TRUE(open("", (64 << 10) - 4).ok());
  EXPECT_EQ(ReasonOf(open("", (64 << 10) - 3)), kReasonTooLarge);
  EXPECT_TRUE(open("1", (64 << 10) - 3).ok());
}

TEST_F(GrpcDoorTest, TheServerEndsStreamsByItsOwnClock) {
  server_.admission().set_max_stream_time(absl::Milliseconds(200));
  const std::pair<const char*, absl::string_view> kRows[] = {{"toy.Toy/Talk", kReasonCallTooLong},
                                                             {"toy.Toy/Watch", kReasonStreamAge}};
  for (const auto& [method, reason] : kRows) {
    GrpcCaller caller(server_.channel(), method, "1", absl::InfiniteDuration());
    Text answer;
    ASSERT_TRUE(caller.Write(MakeText("hello")));
    ASSERT_TRUE(caller.Read(answer));
    const absl::Status status = caller.End();
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
    EXPECT_EQ(ReasonOf(status), reason);
  }
}

TEST_F(GrpcDoorTest, WhoDoesNotReadIsCutOffByTheServersClock) {
  server_.admission().set_max_stream_time(absl::Milliseconds(200));
  GrpcCaller caller(server_.channel(), "toy.Toy/Flood", "1", absl::InfiniteDuration());
  ASSERT_TRUE(caller.Write(MakeText("100000"), /*last=*/true));
  ASSERT_TRUE(Eventually([&] {
    return server_.admission().ended("toy.Toy/Flood", Door::kGrpc, absl::StatusCode::kDeadlineExceeded) == 1;
  }));
  EXPECT_LT(seen_.written, 100'000);
  EXPECT_TRUE(absl::IsDeadlineExceeded(caller.End()));
}

TEST_F(GrpcDoorTest, AStreamThatEndsInTimeIsNotHeldByItsDeadline) {
  for (int i = 0; i < 20; ++i) {
    GrpcCaller caller(server_.channel(), "toy.Toy/Talk", "1", absl::InfiniteDuration());
    ASSERT_TRUE(caller.Write(MakeText("hello"), /*last=*/true));
    EXPECT_TRUE(caller.End().ok());
  }
  server_.Drain(absl::Minutes(2));
}

TEST_F(GrpcDoorTest, WhatARefusedCallerSendsIsNotRead) {
  GrpcCaller caller(server_.channel(), "toy.Toy/Join", "2");
  Text request = MakeText(std::string(50'000, 'x'));
  for (int i = 0; i < 100 && caller.Write(request); ++i) {
  }
  EXPECT_TRUE(absl::IsPermissionDenied(caller.End()));
}

TEST_F(GrpcDoorTest, DrainLetsCallsBeAnsweredAndRefusesNewOnes) {
  const auto held = Hold();
  std::thread drain([this] { server_.Drain(absl::Minutes(2)); });
  EXPECT_TRUE(Eventually([&] { return absl::IsUnavailable(Echo("x")); }));
  server_.toy().Release();
  EXPECT_TRUE(held->End().ok());
  drain.join();
}

TEST_F(GrpcDoorTest, WhatHasNotEndedWhenTheDrainIsOverIsUnavailable) {
  const auto held = Hold();
  GrpcCaller talking(server_.channel(), "toy.Toy/Talk");
  Text answer;
  ASSERT_TRUE(talking.Write(MakeText("hello")));
  ASSERT_TRUE(talking.Read(answer));
  const absl::Time begin = absl::Now();
  server_.Drain(absl::Milliseconds(100));
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(100));
  EXPECT_TRUE(absl::IsUnavailable(held->End()));
  EXPECT_TRUE(absl::IsUnavailable(talking.End()));
  EXPECT_TRUE(Eventually([&] { return seen_.held == 1; }));
  absl::MutexLock lock(&seen_.mutex);
  EXPECT_TRUE(absl::IsUnavailable(seen_.gone)) << seen_.gone;
}

TEST_F(GrpcDoorTest, TheEndOfTheServerWaitsForItsMethods) {
  const auto held = Hold();
  server_.End();
  EXPECT_EQ(seen_.held, 1);
  EXPECT_FALSE(held->End().ok());
}

TEST_F(GrpcDoorTest, CallersMayGoAtAnyMoment) {
  for (int i = 0; i < 200; ++i) {
    GrpcCaller caller(server_.channel(), i % 2 == 0 ? "toy.Toy/Talk" : "toy.Toy/Flood");
    Text answer;
    if (i % 3 > 0) caller.Write(MakeText("10"));
    if (i % 3 > 1) caller.Read(answer);
    caller.Cancel();
  }
  EXPECT_TRUE(Echo("x").ok());
}

TEST(Loop, ResumesInOrderOnItsThread) {
  Loop loop;
  std::vector<int> order;
  std::atomic<int> ended = 0;
  const auto go = [](Loop& loop, std::vector<int>& order, std::atomic<int>& ended, int i) -> Task<void> {
    for (int round = 0; round < 3; ++round) {
      co_await ResumeOn(loop);
      order.push_back(100 * round + i);
    }
    ++ended;
  };
  for (int i = 0; i < 100; ++i) Start(go(loop, order, ended, i));
  ASSERT_TRUE(Eventually([&] { return ended == 100; }));
  std::vector<int> of_seven;
  for (const int entry : order) {
    if (entry % 100 == 7) of_seven.push_back(entry);
  }
  EXPECT_THAT(of_seven, testing::ElementsAre(7, 107, 207));
  std::vector<int> first_round;
  for (const int entry : order) {
    if (entry < 100) first_round.push_back(entry);
  }
  EXPECT_TRUE(std::is_sorted(first_round.begin(), first_round.end()));
}

TEST(Loop, ManyThreadsResume) {
  Loop loop;
  std::atomic<int> ended = 0;
  int count = 0;
  const auto go = [](Loop& loop, std::atomic<int>& ended, int& count) -> Task<void> {
    co_await ResumeOn(loop);
    ++count;
    ++ended;
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) Start(go(loop, ended, count));
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(Eventually([&] { return ended == 4000; }));
  EXPECT_EQ(count, 4000);
}

}  // namespace
}  // namespace mailstead::rpc
