#include "common/rpc/exchange.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "asio/co_spawn.hpp"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "common/base/reason.h"
#include "common/rpc/channel.h"
#include "tests/unit/common/rpc/test_store.h"

namespace mailstead::rpc {
namespace {

using Answer = v1::ExchangeAnswer;
using Answers = std::vector<Answer>;
using Outcome = absl::StatusOr<Answer>;
using testing::ElementsAre;

constexpr absl::Duration kLong = absl::Minutes(2);

// The calls of these tests carry a number, as the mailbox they are about.
v1::ExchangeCall Numbered(uint64_t number) {
  v1::ExchangeCall call;
  call.mutable_fetch_message()->set_mailbox_id(number);
  return call;
}

v1::ExchangeCall Open(uint64_t mailbox_id) {
  v1::ExchangeCall call;
  call.mutable_open_maildrop()->set_mailbox_id(mailbox_id);
  return call;
}

// Part of a listing: messages `first` to `last`.
Answer Listing(uint64_t token, int first, int last, bool more) {
  Answer answer;
  answer.set_more(more);
  answer.mutable_open_maildrop()->set_token(token);
  for (int i = first; i <= last; ++i) answer.mutable_open_maildrop()->add_messages()->set_message_id(i);
  return answer;
}

// How much gRPC takes before the store reads is its own affair; of these, a few.
v1::ExchangeCall Large() {
  v1::ExchangeCall call;
  call.mutable_deliver()->set_content(std::string(64 << 10, 'x'));
  return call;
}

Answers Echo(const v1::ExchangeCall& call) {
  Answer answer;
  answer.mutable_fetch_message()->set_content(absl::StrCat("message of ", call.fetch_message().mailbox_id()));
  return {answer};
}

class ExchangeTest : public testing::Test {
 protected:
  ExchangeTest() { store_.exchange.answer = Echo; }

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
  Pending<Outcome> Ask(v1::ExchangeCall call, absl::Duration timeout = kLong) {
    return Start(exchange_->Ask(std::move(call), timeout));
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
    return outcome.ok() ? outcome->fetch_message().content() : outcome.status().ToString();
  }

  TestStore store_;
  std::unique_ptr<StoreChannel> channel_ = *StoreChannel::Create({.target = store_.address()});
  std::unique_ptr<Exchange> exchange_ = std::make_unique<Exchange>(*channel_, 1);
  asio::io_context io_;
};

TEST_F(ExchangeTest, ManyCallsAtOnceGetTheirOwnAnswers) {
  std::vector<Pending<Outcome>> calls;
  for (int i = 1; i <= 1000; ++i) calls.push_back(Ask(Numbered(i)));
  for (int i = 1; i <= 1000; ++i) ASSERT_EQ(Text(Get(calls[i - 1])), absl::StrCat("message of ", i));
  EXPECT_EQ(store_.exchange.stream_count(), 1);
}

TEST_F(ExchangeTest, AnOldStreamMakesRoomForANewOne) {
  exchange_ = std::make_unique<Exchange>(*channel_, 1, /*stream_life=*/absl::Milliseconds(30));
  const absl::Time end = absl::Now() + absl::Milliseconds(400);
  for (int i = 1; absl::Now() < end; ++i) {
    const std::vector<Pending<Outcome>> calls = {Ask(Numbered(i)), Ask(Numbered(i))};
    for (const auto& call : calls) ASSERT_EQ(Text(Get(call)), absl::StrCat("message of ", i));
  }
  EXPECT_GE(store_.exchange.stream_count(), 3);
  // Those that owe nothing end, also the last one, which no call follows.
  EXPECT_EQ(store_.exchange.WaitForHalfClosed(store_.exchange.stream_count()),
            store_.exchange.stream_count());
}

TEST_F(ExchangeTest, AnOldStreamStillBringsWhatItOwes) {
  exchange_ = std::make_unique<Exchange>(*channel_, 1, /*stream_life=*/absl::Milliseconds(30));
  ASSERT_TRUE(Get(Ask(Numbered(1))).ok());
  store_.exchange.Hold();
  const auto before = Ask(Numbered(2));
  absl::SleepFor(absl::Milliseconds(100));
  const auto after = Ask(Numbered(3));
  store_.exchange.Resume();
  EXPECT_EQ(Text(Get(before)), "message of 2");
  EXPECT_EQ(Text(Get(after)), "message of 3");
  // Three, where the machine was so slow that the first was old before the second call.
  EXPECT_GE(store_.exchange.stream_count(), 2);
  EXPECT_EQ(store_.exchange.WaitForHalfClosed(store_.exchange.stream_count()),
            store_.exchange.stream_count());
}

TEST_F(ExchangeTest, WhatWaitsForAWriteGoesTogether) {
  store_.exchange.Hold();
  // Takes a while to send.
  v1::ExchangeCall large;
  large.mutable_deliver()->set_content(std::string(3 << 20, 'x'));
  std::vector<Pending<Outcome>> calls = {Ask(std::move(large))};
  for (int i = 1; i <= 1000; ++i) calls.push_back(Ask(Numbered(i)));
  store_.exchange.Resume();
  for (int i = 1; i <= 1000; ++i) ASSERT_EQ(Text(Get(calls[i])), absl::StrCat("message of ", i));
  // One write of each would be 1001; how much gRPC takes of the first before it is read is its own affair.
  EXPECT_LT(store_.exchange.WaitForCalls(1001).size(), 700u);
}

TEST_F(ExchangeTest, ARequestHasABound) {
  store_.exchange.Hold();
  std::vector<Pending<Outcome>> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(Ask(Large()));
  store_.exchange.Resume();
  for (const auto& call : calls) EXPECT_TRUE(Get(call).ok());
  for (const auto& request : store_.exchange.WaitForCalls(100)) EXPECT_LE(request.ByteSizeLong(), 1u << 20);
}

TEST_F(ExchangeTest, WhatCouldNotBeSentInTimeIsNotSent) {
  store_.exchange.Hold();
  std::vector<Pending<Outcome>> late;
  for (int i = 0; i < 200; ++i) late.push_back(Ask(Large(), absl::Milliseconds(200)));
  const auto patient = Ask(Numbered(1));
  for (const auto& call : late) EXPECT_TRUE(absl::IsDeadlineExceeded(Get(call).status()));
  store_.exchange.Resume();
  EXPECT_EQ(Text(Get(patient)), "message of 1");
  size_t arrived = 0;
  for (const auto& request : store_.exchange.WaitForCalls(1)) arrived += request.calls_size();
  EXPECT_LT(arrived, 100u);
}

TEST_F(ExchangeTest, WhatWaitsForAStoreThatDoesNotReadHasABound) {
  store_.exchange.Hold();
  std::vector<Pending<Outcome>> calls;
  for (int i = 0; i < 500; ++i) calls.push_back(Ask(Large()));
  EXPECT_TRUE(absl::IsUnavailable(Get(calls.back()).status()));
  store_.exchange.Resume();
  int done = 0;
  for (const auto& call : calls) done += Get(call).ok() ? 1 : 0;
  // 16 MiB wait, and some were under way.
  EXPECT_GE(done, 256);
  EXPECT_LT(done, 400);
  EXPECT_EQ(Text(Get(Ask(Numbered(1)))), "message of 1");
}

TEST_F(ExchangeTest, TheStoreIsToldHowLongACallIsWaitedFor) {
  ASSERT_TRUE(Get(Ask(Numbered(1), absl::Seconds(20))).ok());
  const uint32_t timeout_ms = store_.exchange.WaitForCalls(1)[0].calls(0).timeout_ms();
  EXPECT_LE(timeout_ms, 20'000u);
  EXPECT_GT(timeout_ms, 10'000u);
}

TEST_F(ExchangeTest, SeveralTogetherKeepTheirOrder) {
  store_.exchange.answer = [](const v1::ExchangeCall& call) {
    if (call.fetch_message().mailbox_id() % 3 != 0) return Echo(call);
    return Answers{test::FakeExchange::Error(absl::NotFoundError("gone"))};
  };
  std::vector<v1::ExchangeCall> calls;
  for (int i = 1; i <= 20; ++i) calls.push_back(Numbered(i));
  const std::vector<Outcome> outcomes = Get(Start(exchange_->AskAll(std::move(calls), kLong)));
  ASSERT_EQ(outcomes.size(), 20u);
  for (int i = 1; i <= 20; ++i) {
    EXPECT_EQ(Text(outcomes[i - 1]), i % 3 == 0 ? "NOT_FOUND: gone" : absl::StrCat("message of ", i));
  }
  const auto requests = store_.exchange.WaitForCalls(20);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].calls(19).fetch_message().mailbox_id(), 20u);
}

TEST_F(ExchangeTest, AnErrorIsOfItsCallOnlyAndKeepsReasonAndField) {
  store_.exchange.answer = [](const v1::ExchangeCall& call) {
    switch (call.fetch_message().mailbox_id()) {
      case 1:
        return Answers{
            test::FakeExchange::Error(WithReason(absl::ResourceExhaustedError("full"), kReasonDiskFull))};
      case 2:
        return Answers{test::FakeExchange::Error(FieldError("message_id", "must be set"))};
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
  EXPECT_EQ(store_.exchange.stream_count(), 1);
}

TEST_F(ExchangeTest, AnAnswerThatDoesNotComeIsNotWaitedForLong) {
  store_.exchange.answer = [](const v1::ExchangeCall& call) {
    return call.fetch_message().mailbox_id() == 1 ? Answers() : Echo(call);
  };
  const absl::Time begin = absl::Now();
  const auto lost = Ask(Numbered(1), absl::Milliseconds(300));
  EXPECT_EQ(Text(Get(Ask(Numbered(2)))), "message of 2");
  EXPECT_TRUE(absl::IsDeadlineExceeded(Get(lost).status())) << Get(lost).status();
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(300));
  // The stream is none the worse for it.
  EXPECT_EQ(Text(Get(Ask(Numbered(3)))), "message of 3");
  EXPECT_EQ(store_.exchange.stream_count(), 1);
}

TEST_F(ExchangeTest, AListingInPartsIsJoined) {
  store_.exchange.answer = [](const v1::ExchangeCall&) {
    return Answers{Listing(42, 1, 2, true), Listing(0, 3, 4, true), Listing(0, 5, 5, false)};
  };
  const Outcome opened = Get(Ask(Open(7)));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->open_maildrop().token(), 42u);
  std::vector<uint64_t> ids;
  for (const auto& message : opened->open_maildrop().messages()) ids.push_back(message.message_id());
  EXPECT_THAT(ids, ElementsAre(1, 2, 3, 4, 5));
}

// The first call of this kind, or nothing.
std::optional<v1::ExchangeCall> FirstRelease(const std::vector<v1::ExchangeRequest>& requests) {
  for (const v1::ExchangeRequest& request : requests) {
    for (const v1::ExchangeCall& call : request.calls()) {
      if (call.has_release_maildrop()) return call;
    }
  }
  return std::nullopt;
}

TEST_F(ExchangeTest, AMaildropThatIsOpenedTooLateIsReleased) {
  absl::Notification given_up;
  store_.exchange.answer = [&](const v1::ExchangeCall& call) {
    if (!call.has_open_maildrop()) return Echo(call);
    given_up.WaitForNotificationWithTimeout(absl::Seconds(60));
    return Answers{Listing(42, 1, 2, true), Listing(0, 3, 3, false)};
  };
  const Outcome late = Get(Ask(Open(7), absl::Milliseconds(100)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.status())) << late.status();
  given_up.Notify();
  const auto release = FirstRelease(store_.exchange.WaitForCalls(2));
  ASSERT_TRUE(release.has_value());
  EXPECT_EQ(release->release_maildrop().mailbox_id(), 7u);
  EXPECT_EQ(release->release_maildrop().token(), 42u);
}

TEST_F(ExchangeTest, AMaildropThatIsRefusedTooLateIsNotReleased) {
  absl::Notification given_up;
  store_.exchange.answer = [&](const v1::ExchangeCall& call) {
    if (!call.has_open_maildrop()) return Echo(call);
    given_up.WaitForNotificationWithTimeout(absl::Seconds(60));
    return Answers{test::FakeExchange::Error(WithReason(absl::AbortedError("held"), kReasonMaildropInUse))};
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(Get(Ask(Open(7), absl::Milliseconds(100))).status()));
  given_up.Notify();
  // This answer comes behind the late one, so a release would be sent before the next call.
  EXPECT_EQ(Text(Get(Ask(Numbered(1)))), "message of 1");
  EXPECT_EQ(Text(Get(Ask(Numbered(2)))), "message of 2");
  EXPECT_FALSE(FirstRelease(store_.exchange.WaitForCalls(3)).has_value());
}

TEST_F(ExchangeTest, AStreamThatEndsFailsAllThatWaitAndTheNextCallOpensAnother) {
  // The status of a store that drains, and of one that ends the stream in order.
  for (const grpc::Status& end : {grpc::Status(grpc::UNAVAILABLE, "shutting down"), grpc::Status::OK}) {
    const int streams_before = store_.exchange.stream_count();
    store_.exchange.answer = [&](const v1::ExchangeCall& call) {
      if (call.has_commit_maildrop()) store_.exchange.end = end;
      return call.fetch_message().mailbox_id() == 1 ? Echo(call) : Answers();
    };
    EXPECT_EQ(Text(Get(Ask(Numbered(1)))), "message of 1");
    std::vector<Pending<Outcome>> calls;
    for (int i = 2; i <= 10; ++i) calls.push_back(Ask(Numbered(i)));
    v1::ExchangeCall last;
    last.mutable_commit_maildrop()->set_mailbox_id(7);
    calls.push_back(Ask(std::move(last)));
    for (const auto& call : calls) EXPECT_TRUE(absl::IsUnavailable(Get(call).status())) << Get(call).status();
    EXPECT_EQ(Text(Get(Ask(Numbered(1)))), "message of 1");
    EXPECT_EQ(store_.exchange.stream_count() - streams_before, streams_before == 0 ? 2 : 1);
  }
}

TEST_F(ExchangeTest, AListingThatBreaksOffIsNone) {
  store_.exchange.answer = [&](const v1::ExchangeCall&) {
    store_.exchange.end = grpc::Status(grpc::UNAVAILABLE, "restarting");
    return Answers{Listing(42, 1, 2, true)};
  };
  EXPECT_TRUE(absl::IsUnavailable(Get(Ask(Open(7))).status()));
}

TEST_F(ExchangeTest, AStoreThatIsAwayIsUnavailableUntilItIsBack) {
  EXPECT_EQ(Text(Get(Ask(Numbered(1)))), "message of 1");
  store_.Stop();
  EXPECT_TRUE(absl::IsUnavailable(Get(Ask(Numbered(2))).status()));
  std::vector<v1::ExchangeCall> calls = {Numbered(3), Numbered(4)};
  for (const Outcome& outcome : Get(Start(exchange_->AskAll(std::move(calls), kLong)))) {
    EXPECT_TRUE(absl::IsUnavailable(outcome.status())) << outcome.status();
  }
  store_.Start();
  EXPECT_TRUE(channel_->WaitUntilConnected(absl::Seconds(30)));
  EXPECT_EQ(Text(Get(Ask(Numbered(5)))), "message of 5");
}

TEST_F(ExchangeTest, WhatIsUnderWayAtTheEndIsCancelled) {
  store_.exchange.answer = [](const v1::ExchangeCall&) { return Answers(); };
  std::vector<Pending<Outcome>> calls;
  for (int i = 1; i <= 5; ++i) calls.push_back(Ask(Numbered(i)));
  calls.push_back(Ask(Open(7)));
  std::vector<v1::ExchangeCall> several = {Numbered(6), Numbered(7)};
  const auto together = Start(exchange_->AskAll(std::move(several), kLong));
  store_.exchange.WaitForCalls(8);
  exchange_.reset();
  for (const auto& call : calls) EXPECT_TRUE(absl::IsCancelled(Get(call).status())) << Get(call).status();
  for (const Outcome& outcome : Get(together))
    EXPECT_TRUE(absl::IsCancelled(outcome.status())) << outcome.status();
}

TEST_F(ExchangeTest, AnEndBeforeAnyCall) { exchange_.reset(); }

TEST_F(ExchangeTest, SeveralStreamsAreUsedInTurn) {
  exchange_ = std::make_unique<Exchange>(*channel_, 3);
  for (int i = 1; i <= 9; ++i) EXPECT_EQ(Text(Get(Ask(Numbered(i)))), absl::StrCat("message of ", i));
  EXPECT_EQ(store_.exchange.stream_count(), 3);
}

}  // namespace
}  // namespace mailstead::rpc
