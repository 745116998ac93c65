#include "common/rpc/batch_stream.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "common/base/reason.h"
#include "common/rpc/channel.h"
#include "common/rpc/grpc_transport.h"
#include "common/rpc/resume.h"
#include "tests/unit/common/rpc/test_store.h"

namespace mailstead::rpc {
namespace {

using Answer = v1::Answer;
using Answers = std::vector<Answer>;
using Outcome = absl::StatusOr<v1::FetchMessageResponse>;
using Request = v1::FetchMessageRequest;

constexpr absl::Duration kLong = absl::Minutes(2);
constexpr char kFetch[] = "mailstead.frontend.v1.MaildropService/FetchMessage";

// The calls of these tests carry a number, as the message that they are about.
Request Numbered(int64_t number) {
  Request request;
  request.set_message_id(number);
  return request;
}

// How much gRPC takes before the store reads is its own affair; of these, a few.
Request Large() {
  Request request;
  request.set_grant(std::string(64 << 10, 'x'));
  return request;
}

int64_t NumberOf(const v1::Call& call) {
  Request request;
  request.ParseFromString(call.request());
  return request.message_id();
}

Answer Response(const std::string& content, Answer::Part part = Answer::PART_UNSPECIFIED) {
  v1::FetchMessageResponse response;
  response.set_content(content);
  Answer answer;
  answer.set_response(response.SerializeAsString());
  answer.set_part(part);
  return answer;
}

Answers Echo(const v1::Call& call) { return {Response(absl::StrCat("message of ", NumberOf(call)))}; }

// A clock that any thread may read while the test sets it.
class SharedClock : public Clock {
 public:
  absl::Time Now() const override {
    absl::MutexLock lock(&mutex_);
    return now_;
  }
  void Advance(absl::Duration by) {
    absl::MutexLock lock(&mutex_);
    now_ += by;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_) = absl::FromUnixSeconds(1'700'000'000);
};

asio::awaitable<Outcome> Fetch(GrpcTransport* transport, Request request, absl::Duration timeout) {
  v1::FetchMessageResponse response;
  CallOptions options{.timeout = timeout, .session_id = "session"};
  const absl::Status status = co_await transport->Call(kFetch, request, response, options);
  if (!status.ok()) co_return status;
  co_return response;
}

asio::awaitable<std::vector<Outcome>> FetchAll(GrpcTransport* transport, std::vector<Request> requests) {
  std::vector<v1::FetchMessageResponse> responses(requests.size());
  std::vector<OneOfMany> calls;
  for (size_t i = 0; i < requests.size(); ++i) calls.push_back({&requests[i], &responses[i]});
  CallOptions options{.timeout = kLong};
  const std::vector<absl::Status> ends = co_await transport->CallAll(kFetch, std::move(calls), options);
  std::vector<Outcome> outcomes;
  for (size_t i = 0; i < requests.size(); ++i) {
    outcomes.push_back(ends[i].ok() ? Outcome(responses[i]) : Outcome(ends[i]));
  }
  co_return outcomes;
}

class BatchStreamTest : public testing::Test {
 protected:
  BatchStreamTest() { store_.batch.answer = Echo; }

  // Of a call that is under way: empty until it is answered.
  template <typename T>
  using Pending = std::shared_ptr<std::optional<T>>;

  template <typename T>
  Pending<T> Start(asio::awaitable<T> work) {
    auto pending = std::make_shared<std::optional<T>>();
    asio::co_spawn(io_, std::move(work), [pending](std::exception_ptr error, T value) {
      if (error) std::rethrow_exception(error);
      *pending = std::move(value);
    });
    // Up to where it waits for the store.
    io_.restart();
    io_.poll();
    return pending;
  }
  Pending<Outcome> Ask(Request request, absl::Duration timeout = kLong) {
    return Start(Fetch(transport_.get(), std::move(request), timeout));
  }
  Pending<std::vector<Outcome>> AskAll(std::vector<Request> requests) {
    return Start(FetchAll(transport_.get(), std::move(requests)));
  }
  template <typename T>
  T Get(const Pending<T>& pending) {
    const auto guard = asio::make_work_guard(io_);
    const absl::Time give_up = absl::Now() + absl::Seconds(60);
    io_.restart();
    while (!pending->has_value() && absl::Now() < give_up) io_.run_one_for(std::chrono::milliseconds(100));
    if (pending->has_value()) return **pending;
    ADD_FAILURE() << "no answer";
    return T();
  }
  static std::string Text(const Outcome& outcome) {
    return outcome.ok() ? outcome->content() : outcome.status().ToString();
  }
  void Use(BatchStreams::Options options) {
    transport_ = std::make_unique<GrpcTransport>(*channel_, options);
  }

  TestStore store_;
  // Outlives the channel, whose thread may be about to wake who waits here.
  asio::io_context io_;
  std::unique_ptr<StoreChannel> channel_ = *StoreChannel::Create({.target = store_.address()});
  std::unique_ptr<GrpcTransport> transport_ = std::make_unique<GrpcTransport>(*channel_);
};

TEST_F(BatchStreamTest, ManyCallsAtOnceGetTheirOwnAnswers) {
  std::vector<Pending<Outcome>> calls;
  for (int i = 1; i <= 1000; ++i) calls.push_back(Ask(Numbered(i)));
  for (int i = 1; i <= 1000; ++i) ASSERT_EQ(Text(Get(calls[i - 1])), absl::StrCat("message of ", i));
  EXPECT_EQ(store_.batch.stream_count(), 1);
}

TEST_F(BatchStreamTest, ManyThreadsShareAStream) {
  constexpr int kThreads = 4;
  constexpr int kCalls = 300;
  // The stream is there: threads that find none at the same moment begin one each.
  ASSERT_TRUE(Get(Ask(Numbered(1))).ok());
  std::vector<std::unique_ptr<asio::io_context>> contexts;
  for (int i = 0; i < kThreads; ++i) contexts.push_back(std::make_unique<asio::io_context>());
  std::atomic<int> answered = 0;
  // One after the other and several at once: writes and reads of all of them meet.
  const auto ask = [&](asio::io_context& io, int from, int to) {
    const auto one_by_one = [](GrpcTransport* transport, std::atomic<int>& answered, int from,
                               int to) -> asio::awaitable<void> {
      for (int i = from; i < to; ++i) {
        const Outcome outcome = co_await Fetch(transport, Numbered(i), kLong);
        EXPECT_EQ(Text(outcome), absl::StrCat("message of ", i));
        if (outcome.ok()) ++answered;
      }
    };
    asio::co_spawn(io, one_by_one(transport_.get(), answered, from, to), asio::detached);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    for (int part = 0; part < 3; ++part) ask(*contexts[i], part * kCalls / 3, (part + 1) * kCalls / 3);
    threads.emplace_back([&io = *contexts[i]] { io.run(); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, kThreads * kCalls);
  EXPECT_EQ(store_.batch.stream_count(), 1);
  // Before the contexts.
  transport_.reset();
  channel_.reset();
}

TEST_F(BatchStreamTest, WhoDoesNotWaitIsToldWithoutHisThread) {
  store_.batch.answer = [](const v1::Call& call) {
    if (NumberOf(call) != 2) return Echo(call);
    return Answers{test::FakeBatch::Error(absl::NotFoundError("gone"))};
  };
  for (int i = 1; i <= 3; ++i) {
    absl::Notification told;
    absl::Status end;
    transport_->Start(io_.get_executor(), kFetch, std::make_unique<Request>(Numbered(i)),
                      std::make_unique<v1::FetchMessageResponse>(), {.timeout = kLong},
                      [&](absl::Status status) {
                        end = std::move(status);
                        told.Notify();
                      });
    // Nothing runs on io_.
    ASSERT_TRUE(told.WaitForNotificationWithTimeout(absl::Seconds(60)));
    EXPECT_EQ(end.code(), i == 2 ? absl::StatusCode::kNotFound : absl::StatusCode::kOk);
  }
}

TEST_F(BatchStreamTest, AnOldStreamMakesRoomForANewOne) {
  Use({.stream_life = absl::Milliseconds(30)});
  const absl::Time end = absl::Now() + absl::Milliseconds(400);
  for (int i = 1; absl::Now() < end; ++i) {
    const std::vector<Pending<Outcome>> calls = {Ask(Numbered(i)), Ask(Numbered(i))};
    for (const auto& call : calls) ASSERT_EQ(Text(Get(call)), absl::StrCat("message of ", i));
  }
  EXPECT_GE(store_.batch.stream_count(), 3);
  // Those that owe nothing end, also the last one, which no call follows.
  EXPECT_EQ(store_.batch.WaitForHalfClosed(store_.batch.stream_count()), store_.batch.stream_count());
}

TEST_F(BatchStreamTest, AnOldStreamStillBringsWhatItOwes) {
  Use({.stream_life = absl::Milliseconds(30)});
  ASSERT_TRUE(Get(Ask(Numbered(1))).ok());
  store_.batch.Hold();
  const auto before = Ask(Numbered(2));
  absl::SleepFor(absl::Milliseconds(100));
  const auto after = Ask(Numbered(3));
  store_.batch.Resume();
  EXPECT_EQ(Text(Get(before)), "message of 2");
  EXPECT_EQ(Text(Get(after)), "message of 3");
  // Three, where the machine was so slow that the first was old before the second call.
  EXPECT_GE(store_.batch.stream_count(), 2);
  EXPECT_EQ(store_.batch.WaitForHalfClosed(store_.batch.stream_count()), store_.batch.stream_count());
}

TEST_F(BatchStreamTest, WhatWaitsForAWriteGoesTogether) {
  store_.batch.Hold();
  // More than gRPC takes while nobody reads, and less than may wait (see WhatWaitsForAStoreThatDoesNotReadHasABound).
  constexpr int kLarge = 240;
  std::vector<Pending<Outcome>> calls;
  for (int i = 0; i < kLarge; ++i) calls.push_back(Ask(Large()));
  for (int i = 1; i <= 1000; ++i) calls.push_back(Ask(Numbered(i)));
  store_.batch.Resume();
  for (int i = 1; i <= 1000; ++i) ASSERT_EQ(Text(Get(calls[kLarge - 1 + i])), absl::StrCat("message of ", i));
  // One write of each would be as many as there are calls.
  EXPECT_LT(store_.batch.WaitForCalls(kLarge + 1000).size(), kLarge + 1000u);
}

TEST_F(BatchStreamTest, WhatIsAskedAtOneMomentGoesTogether) {
  store_.batch.answer = [](const v1::Call& call) { return NumberOf(call) == 0 ? Answers() : Echo(call); };
  const auto unanswered = Ask(Numbered(0));
  constexpr int kRounds = 50;
  constexpr int kTogether = 10;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Pending<Outcome>> calls;
    for (int i = 1; i <= kTogether; ++i) {
      auto pending = std::make_shared<std::optional<Outcome>>();
      asio::co_spawn(io_, Fetch(transport_.get(), Numbered(i), kLong),
                     [pending](std::exception_ptr, Outcome outcome) { *pending = std::move(outcome); });
      calls.push_back(std::move(pending));
    }
    for (int i = 1; i <= kTogether; ++i) ASSERT_EQ(Text(Get(calls[i - 1])), absl::StrCat("message of ", i));
  }
  // One for each round; where the stream's tick comes between, one more.
  EXPECT_LT(store_.batch.WaitForCalls(kRounds * kTogether + 1).size(), kRounds * 3 / 2);
}

TEST_F(BatchStreamTest, ARequestHasABound) {
  store_.batch.Hold();
  std::vector<Pending<Outcome>> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(Ask(Large()));
  store_.batch.Resume();
  for (const auto& call : calls) EXPECT_TRUE(Get(call).ok());
  for (const auto& request : store_.batch.WaitForCalls(100)) EXPECT_LE(request.ByteSizeLong(), 1u << 20);
}

TEST_F(BatchStreamTest, WhatCouldNotBeSentInTimeIsNotSent) {
  store_.batch.Hold();
  std::vector<Pending<Outcome>> late;
  for (int i = 0; i < 200; ++i) late.push_back(Ask(Large(), absl::Milliseconds(200)));
  const auto patient = Ask(Numbered(1));
  size_t perhaps_sent = 0;
  for (const auto& call : late) {
    const absl::Status status = Get(call).status();
    EXPECT_TRUE(absl::IsDeadlineExceeded(status));
    if (!WasNotSent(status)) ++perhaps_sent;
  }
  store_.batch.Resume();
  EXPECT_EQ(Text(Get(patient)), "message of 1");
  size_t arrived = 0;
  for (const auto& request : store_.batch.WaitForCalls(1)) arrived += request.calls_size();
  EXPECT_LT(arrived, 100u);
  // The patient one came too. What was said not to be sent has not come.
  EXPECT_LE(arrived, perhaps_sent + 1);
  EXPECT_GE(perhaps_sent, 1u);
}

TEST_F(BatchStreamTest, WhatWaitsForAStoreThatDoesNotReadHasABound) {
  store_.batch.Hold();
  std::vector<Pending<Outcome>> calls;
  for (int i = 0; i < 500; ++i) calls.push_back(Ask(Large()));
  EXPECT_TRUE(absl::IsUnavailable(Get(calls.back()).status()));
  EXPECT_TRUE(WasNotSent(Get(calls.back()).status()));
  store_.batch.Resume();
  int done = 0;
  for (const auto& call : calls) done += Get(call).ok() ? 1 : 0;
  // 16 MiB wait, and some were under way.
  EXPECT_GE(done, 256);
  EXPECT_LT(done, 400);
  EXPECT_EQ(Text(Get(Ask(Numbered(1)))), "message of 1");
}

TEST_F(BatchStreamTest, WhatCameTooLateToBeSentMakesRoom) {
  SharedClock clock;
  Use({.clock = clock});
  store_.batch.Hold();
  std::vector<Pending<Outcome>> late;
  for (int i = 0; i < 500; ++i) late.push_back(Ask(Large(), absl::Seconds(1)));
  EXPECT_TRUE(absl::IsUnavailable(Get(late.back()).status())) << "there is no room";
  clock.Advance(absl::Seconds(2));
  for (const auto& call : late) EXPECT_FALSE(Get(call).ok());
  const auto patient = Ask(Numbered(1));
  store_.batch.Resume();
  EXPECT_EQ(Text(Get(patient)), "message of 1");
  // Before its clock.
  transport_.reset();
}

TEST_F(BatchStreamTest, TheStoreIsToldHowLongACallIsWaitedFor) {
  ASSERT_TRUE(Get(Ask(Numbered(1), absl::Seconds(20))).ok());
  const v1::Call call = store_.batch.WaitForCalls(1)[0].calls(0);
  EXPECT_LE(call.timeout_ms(), 20'000);
  EXPECT_GT(call.timeout_ms(), 10'000);
  EXPECT_EQ(call.method(), kFetch);
  EXPECT_EQ(call.session_id(), "session");
}

TEST_F(BatchStreamTest, SeveralTogetherKeepTheirOrder) {
  store_.batch.answer = [](const v1::Call& call) {
    if (NumberOf(call) % 3 != 0) return Echo(call);
    return Answers{test::FakeBatch::Error(absl::NotFoundError("gone"))};
  };
  std::vector<Request> calls;
  for (int i = 1; i <= 20; ++i) calls.push_back(Numbered(i));
  const std::vector<Outcome> outcomes = Get(AskAll(std::move(calls)));
  ASSERT_EQ(outcomes.size(), 20u);
  for (int i = 1; i <= 20; ++i) {
    if (i % 3 == 0) {
      EXPECT_TRUE(absl::IsNotFound(outcomes[i - 1].status()));
    } else {
      EXPECT_EQ(Text(outcomes[i - 1]), absl::StrCat("message of ", i));
    }
  }
  const auto requests = store_.batch.WaitForCalls(20);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(NumberOf(requests[0].calls(19)), 20);
}

TEST_F(BatchStreamTest, AnErrorIsOfItsCallOnlyAndKeepsReasonAndField) {
  store_.batch.answer = [](const v1::Call& call) {
    switch (NumberOf(call)) {
      case 1:
        return Answers{
            test::FakeBatch::Error(WithReason(absl::ResourceExhaustedError("full"), kReasonDiskFull))};
      case 2:
        return Answers{test::FakeBatch::Error(FieldError("message_id", "must be set"))};
      default:
        return Echo(call);
    }
  };
  const absl::Status full = Get(Ask(Numbered(1))).status();
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_EQ(ReasonOf(full), kReasonDiskFull);
  EXPECT_EQ(full.message(), "full");
  const absl::Status field = Get(Ask(Numbered(2))).status();
  EXPECT_TRUE(absl::IsInvalidArgument(field)) << field;
  EXPECT_EQ(FieldOf(field), "message_id");
  EXPECT_EQ(Text(Get(Ask(Numbered(3)))), "message of 3");
  EXPECT_EQ(store_.batch.stream_count(), 1);
}

TEST_F(BatchStreamTest, AnAnswerThatDoesNotComeIsNotWaitedForLong) {
  store_.batch.answer = [](const v1::Call& call) { return NumberOf(call) == 1 ? Answers() : Echo(call); };
  const absl::Time begin = absl::Now();
  const auto lost = Ask(Numbered(1), absl::Milliseconds(300));
  EXPECT_EQ(Text(Get(Ask(Numbered(2)))), "message of 2");
  EXPECT_TRUE(absl::IsDeadlineExceeded(Get(lost).status())) << Get(lost).status();
  EXPECT_FALSE(WasNotSent(Get(lost).status()));
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(300));
  // The stream is none the worse for it.
  EXPECT_EQ(Text(Get(Ask(Numbered(3)))), "message of 3");
  EXPECT_EQ(store_.batch.stream_count(), 1);
}

TEST_F(BatchStreamTest, AnAnswerInPartsHasOneResponse) {
  Answer end_only;
  end_only.set_part(Answer::PART_END_ONLY);
  store_.batch.answer = [&](const v1::Call& call) {
    switch (NumberOf(call)) {
      case 1:
        return Answers{Response("first and last", Answer::PART_MORE), end_only};
      case 2:
        return Answers{Response("one", Answer::PART_MORE), Response("two")};
      case 3:
        return Answers{Response("one", Answer::PART_MORE), Response("two", Answer::PART_MORE), end_only};
      case 4:
        return Answers{end_only};
      case 5:
        return Answers{Response("one", Answer::PART_MORE),
                       test::FakeBatch::Error(absl::DataLossError("the rest is damaged"))};
      default:
        return Echo(call);
    }
  };
  EXPECT_EQ(Text(Get(Ask(Numbered(1)))), "first and last");
  for (const int64_t call : {2, 3, 4}) {
    EXPECT_EQ(Get(Ask(Numbered(call))).status().code(), absl::StatusCode::kInternal) << call;
  }
  EXPECT_TRUE(absl::IsDataLoss(Get(Ask(Numbered(5))).status()));
  // The stream is none the worse for it.
  EXPECT_EQ(Text(Get(Ask(Numbered(6)))), "message of 6");
  EXPECT_EQ(store_.batch.stream_count(), 1);
}

TEST_F(BatchStreamTest, AnAnswerThatComesTooLateIsPassedOver) {
  absl::Notification given_up;
  store_.batch.answer = [&](const v1::Call& call) {
    if (NumberOf(call) == 7) given_up.WaitForNotificationWithTimeout(absl::Seconds(60));
    return Echo(call);
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(Get(Ask(Numbered(7), absl::Milliseconds(100))).status()));
  given_up.Notify();
  EXPECT_EQ(Text(Get(Ask(Numbered(1)))), "message of 1");
  EXPECT_EQ(Text(Get(Ask(Numbered(2)))), "message of 2");
  EXPECT_EQ(store_.batch.WaitForCalls(3).size(), 3u);
}

TEST_F(BatchStreamTest, WhatIsNoSuchMessageIsAnErrorOfItsCall) {
  store_.batch.answer = [&](const v1::Call& call) {
    if (NumberOf(call) != 1) return Echo(call);
    Answer answer;
    answer.set_response("\xff\xff");
    return Answers{answer};
  };
  EXPECT_EQ(Get(Ask(Numbered(1))).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Text(Get(Ask(Numbered(2)))), "message of 2");
}

TEST_F(BatchStreamTest, TimeIsThatOfTheClock) {
  SharedClock clock;
  Use({.clock = clock});
  store_.batch.answer = [](const v1::Call& call) { return NumberOf(call) == 1 ? Answers() : Echo(call); };
  const auto lost = Ask(Numbered(1), absl::Hours(1));
  EXPECT_EQ(Text(Get(Ask(Numbered(2)))), "message of 2");
  EXPECT_FALSE(lost->has_value());
  clock.Advance(absl::Hours(1));
  EXPECT_TRUE(absl::IsDeadlineExceeded(Get(lost).status()));
  // The stream is old too.
  EXPECT_EQ(Text(Get(Ask(Numbered(3)))), "message of 3");
  EXPECT_EQ(store_.batch.stream_count(), 2);
  // Before its clock.
  transport_.reset();
}

// To the store 0 would be no limit at all.
TEST_F(BatchStreamTest, ACallInItsLastMillisecondHasALimitToo) {
  SharedClock clock;
  Use({.clock = clock});
  ASSERT_TRUE(Get(Ask(Numbered(1), absl::Microseconds(100))).ok());
  EXPECT_EQ(store_.batch.WaitForCalls(1)[0].calls(0).timeout_ms(), 1);
  // Nor may it be more than a number can hold.
  ASSERT_TRUE(Get(Ask(Numbered(2), absl::Hours(24 * 365))).ok());
  EXPECT_EQ(store_.batch.WaitForCalls(2)[1].calls(0).timeout_ms(), 60'000);
  // Before its clock.
  transport_.reset();
}

TEST_F(BatchStreamTest, AStreamThatEndsFailsAllThatWaitAndTheNextCallOpensAnother) {
  // The status of a store that drains, of one that ends the stream in order, and of one that cuts it off.
  for (const grpc::Status& end : {grpc::Status(grpc::UNAVAILABLE, "shutting down"), grpc::Status::OK,
                                  grpc::Status(grpc::CANCELLED, "")}) {
    const int streams_before = store_.batch.stream_count();
    store_.batch.answer = [&](const v1::Call& call) {
      if (NumberOf(call) == 99) store_.batch.end = end;
      return NumberOf(call) == 1 ? Echo(call) : Answers();
    };
    EXPECT_EQ(Text(Get(Ask(Numbered(1)))), "message of 1");
    std::vector<Pending<Outcome>> calls;
    for (int i = 2; i <= 10; ++i) calls.push_back(Ask(Numbered(i)));
    calls.push_back(Ask(Numbered(99)));
    for (const auto& call : calls) {
      EXPECT_TRUE(absl::IsUnavailable(Get(call).status())) << Get(call).status();
      // The store has seen them.
      EXPECT_FALSE(WasNotSent(Get(call).status()));
    }
    EXPECT_EQ(Text(Get(Ask(Numbered(1)))), "message of 1");
    EXPECT_EQ(store_.batch.stream_count() - streams_before, streams_before == 0 ? 2 : 1);
  }
}

TEST_F(BatchStreamTest, AnAnswerThatBreaksOffIsNone) {
  store_.batch.answer = [&](const v1::Call&) {
    store_.batch.end = grpc::Status(grpc::UNAVAILABLE, "restarting");
    return Answers{Response("a part", Answer::PART_MORE)};
  };
  EXPECT_TRUE(absl::IsUnavailable(Get(Ask(Numbered(7))).status()));
}

TEST_F(BatchStreamTest, AStoreThatIsAwayIsUnavailableUntilItIsBack) {
  EXPECT_EQ(Text(Get(Ask(Numbered(1)))), "message of 1");
  store_.Stop();
  // The stream of before may take this one yet.
  EXPECT_TRUE(absl::IsUnavailable(Get(Ask(Numbered(2))).status()));
  std::vector<Request> calls = {Numbered(3), Numbered(4)};
  for (const Outcome& outcome : Get(AskAll(std::move(calls)))) {
    EXPECT_TRUE(absl::IsUnavailable(outcome.status())) << outcome.status();
    EXPECT_TRUE(WasNotSent(outcome.status()));
  }
  store_.Start();
  EXPECT_TRUE(channel_->WaitUntilConnected(absl::Seconds(30)));
  EXPECT_EQ(Text(Get(Ask(Numbered(5)))), "message of 5");
}

TEST_F(BatchStreamTest, WhatIsUnderWayAtTheEndIsCancelled) {
  store_.batch.answer = [](const v1::Call&) { return Answers(); };
  std::vector<Pending<Outcome>> calls;
  for (int i = 1; i <= 5; ++i) calls.push_back(Ask(Numbered(i)));
  calls.push_back(Ask(Numbered(8)));
  std::vector<Request> several = {Numbered(6), Numbered(7)};
  const auto together = AskAll(std::move(several));
  store_.batch.WaitForCalls(8);
  transport_.reset();
  for (const auto& call : calls) EXPECT_TRUE(absl::IsCancelled(Get(call).status())) << Get(call).status();
  for (const Outcome& outcome : Get(together))
    EXPECT_TRUE(absl::IsCancelled(outcome.status())) << outcome.status();
}

TEST_F(BatchStreamTest, AnEndBeforeAnyCall) { transport_.reset(); }

TEST_F(BatchStreamTest, SeveralStreamsAreUsedInTurn) {
  Use({.streams = 3});
  for (int i = 1; i <= 9; ++i) EXPECT_EQ(Text(Get(Ask(Numbered(i)))), absl::StrCat("message of ", i));
  EXPECT_EQ(store_.batch.stream_count(), 3);
}

}  // namespace
}  // namespace mailstead::rpc
