#include "common/dns/caching_resolver.h"

#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "common/dns/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/begin.h"
#include "tests/support/fake_resolver.h"
#include "tests/support/fake_time.h"

namespace mailstead::dns {
namespace {

class CachingResolverTest : public ::testing::Test {
 protected:
  CachingResolverTest() { behind_.Set("example.test", Type::kMx, Answered({Mx{10, "mx.example.test"}})); }

  Begun<Answer> Begin(const std::string& name, Type type = Type::kMx,
                      absl::Duration patience = absl::Minutes(1)) {
    Begun<Answer> answer = mailstead::Begin(context_, cache_->Ask({name, type}, time_.Now() + patience));
    Poll(context_);
    return answer;
  }
  Answer Ask(const std::string& name, Type type = Type::kMx) { return Begin(name, type)->value(); }
  void Advance(absl::Duration by) {
    time_.Advance(by);
    Poll(context_);
  }
  void Limit(const CacheOptions& options) {
    cache_ = std::make_unique<CachingResolver>(behind_, context_.get_executor(), options, time_);
  }

  FakeTime time_;
  asio::io_context context_{1};
  FakeResolver behind_{time_};
  std::unique_ptr<CachingResolver> cache_ =
      std::make_unique<CachingResolver>(behind_, context_.get_executor(), CacheOptions(), time_);
};

TEST_F(CachingResolverTest, KeepsAnAnswerForItsTime) {
  EXPECT_EQ(Ask("example.test").outcome, Outcome::kAnswer);
  Advance(absl::Seconds(59));
  const Answer kept = Ask("example.test");
  EXPECT_EQ(kept.records.size(), 1u);
  // What is left of it.
  EXPECT_EQ(kept.ttl, absl::Seconds(1));
  EXPECT_EQ(behind_.count("example.test", Type::kMx), 1);
  EXPECT_EQ(cache_->hit_count(), 1u);

  Advance(absl::Seconds(1));
  Ask("example.test");
  EXPECT_EQ(behind_.count("example.test", Type::kMx), 2);
}

TEST_F(CachingResolverTest, KeepsAbsenceAndByType) {
  EXPECT_EQ(Ask("example.test", Type::kA).outcome, Outcome::kNoData);
  EXPECT_EQ(Ask("example.test", Type::kAaaa).outcome, Outcome::kNoData);
  EXPECT_EQ(Ask("none.test").outcome, Outcome::kNoName);
  EXPECT_EQ(Ask("example.test", Type::kA).outcome, Outcome::kNoData);
  EXPECT_EQ(Ask("none.test").outcome, Outcome::kNoName);
  EXPECT_EQ(Ask("example.test").outcome, Outcome::kAnswer);
  EXPECT_EQ(behind_.asked().size(), 4u);
  EXPECT_EQ(cache_->entry_count(), 4u);
}

TEST_F(CachingResolverTest, NamesAreTheSameInAnyCase) {
  Ask("Example.TEST");
  Ask("example.test");
  EXPECT_EQ(behind_.count("example.test", Type::kMx), 1);
}

TEST_F(CachingResolverTest, KeepsWhetherItIsSecure) {
  behind_.Set("signed.test", Type::kMx, Secure(Answered({Mx{10, "mx.test"}})));
  EXPECT_TRUE(Ask("signed.test").secure);
  EXPECT_TRUE(Ask("signed.test").secure);
  EXPECT_FALSE(Ask("example.test").secure);
}

TEST_F(CachingResolverTest, KeepsAFailureForAMoment) {
  behind_.Set("down.test", Type::kMx, Failed(Failure::kServFail));
  EXPECT_EQ(Ask("down.test").failure, Failure::kServFail);
  behind_.Set("down.test", Type::kMx, Answered({Mx{10, "mx.test"}}));
  EXPECT_EQ(Ask("down.test").failure, Failure::kServFail);
  Advance(kFailureTtl);
  EXPECT_EQ(Ask("down.test").outcome, Outcome::kAnswer);
}

TEST_F(CachingResolverTest, KeepsNoFailureThatSaysNothingOfTheName) {
  for (const Failure failure : {Failure::kBusy, Failure::kStopped}) {
    behind_.Set("down.test", Type::kMx, Failed(failure));
    EXPECT_EQ(Ask("down.test").failure, failure);
  }
  EXPECT_EQ(behind_.count("down.test", Type::kMx), 2);
  EXPECT_EQ(cache_->entry_count(), 0u);
}

TEST_F(CachingResolverTest, ManyWhoAskAtTheSameTimeAskOnce) {
  behind_.SetDelay(absl::Seconds(3));
  std::vector<Begun<Answer>> answers;
  for (int i = 0; i < 10; ++i) answers.push_back(Begin("example.test"));
  const Begun<Answer> other_type = Begin("example.test", Type::kA);
  for (const auto& answer : answers) EXPECT_FALSE(answer->has_value());
  Advance(absl::Seconds(3));
  for (const auto& answer : answers) {
    ASSERT_TRUE(answer->has_value());
    EXPECT_EQ((*answer)->outcome, Outcome::kAnswer);
  }
  EXPECT_TRUE(other_type->has_value());
  EXPECT_EQ(behind_.count("example.test", Type::kMx), 1);
  EXPECT_EQ(cache_->shared_count(), 9u);
}

TEST_F(CachingResolverTest, WhoeverHasLessTimeWaitsLessAndTheAnswerIsKept) {
  behind_.SetDelay(absl::Seconds(3));
  const Begun<Answer> hasty = Begin("example.test", Type::kMx, absl::Seconds(1));
  const Begun<Answer> patient = Begin("example.test");
  Advance(absl::Seconds(1));
  ASSERT_TRUE(hasty->has_value());
  EXPECT_EQ((*hasty)->failure, Failure::kTimeout);
  EXPECT_FALSE(patient->has_value());
  Advance(absl::Seconds(2));
  ASSERT_TRUE(patient->has_value());
  EXPECT_EQ((*patient)->outcome, Outcome::kAnswer);
  EXPECT_EQ(Ask("example.test").outcome, Outcome::kAnswer);
  EXPECT_EQ(behind_.count("example.test", Type::kMx), 1);
}

TEST_F(CachingResolverTest, TheOtherResolverHasItsTime) {
  Limit({.timeout = absl::Seconds(5)});
  behind_.SetDelay(absl::Seconds(30));
  const Begun<Answer> answer = Begin("example.test");
  Advance(absl::Seconds(5));
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->failure, Failure::kTimeout);
}

TEST_F(CachingResolverTest, AKnownAnswerNeedsNoTime) {
  Ask("example.test");
  behind_.SetDelay(absl::Seconds(1));
  EXPECT_EQ(Begin("example.test", Type::kMx, -absl::Seconds(1))->value().outcome, Outcome::kAnswer);
  EXPECT_EQ(Begin("none.test", Type::kMx, -absl::Seconds(1))->value().failure, Failure::kTimeout);
  // The question is still open, and is answered.
  Advance(absl::Seconds(1));
  EXPECT_EQ(cache_->entry_count(), 2u);
}

TEST_F(CachingResolverTest, OpenQuestionsAreBounded) {
  Limit({.max_open = 2});
  behind_.SetDelay(absl::Seconds(1));
  const Begun<Answer> first = Begin("a.test");
  const Begun<Answer> second = Begin("b.test");
  // One that waits for another's answer is no further question.
  const Begun<Answer> shared = Begin("a.test");
  const Begun<Answer> third = Begin("c.test");
  ASSERT_TRUE(third->has_value());
  EXPECT_EQ((*third)->failure, Failure::kBusy);
  Advance(absl::Seconds(1));
  EXPECT_TRUE(first->has_value() && second->has_value() && shared->has_value());
  const Begun<Answer> later = Begin("c.test");
  Advance(absl::Seconds(1));
  EXPECT_EQ(later->value().outcome, Outcome::kNoName);
}

TEST_F(CachingResolverTest, WhatIsKeptIsBoundedInBytes) {
  Ask("n0.test");
  const size_t one = cache_->bytes();
  EXPECT_GT(one, CachingResolver::kEntryBytes);
  Limit({.max_bytes = 3 * one});
  for (const char* name : {"n0.test", "n1.test", "n2.test"}) Ask(name);
  EXPECT_EQ(cache_->entry_count(), 3u);
  // n0 is used, so n1 goes.
  Ask("n0.test");
  Ask("n3.test");
  EXPECT_EQ(cache_->entry_count(), 3u);
  EXPECT_LE(cache_->bytes(), 3 * one);
  Ask("n0.test");
  EXPECT_EQ(behind_.count("n0.test", Type::kMx), 2);
  Ask("n1.test");
  EXPECT_EQ(behind_.count("n1.test", Type::kMx), 2);
}

TEST_F(CachingResolverTest, WhatIsTooLargeForItIsNotKept) {
  Limit({.max_bytes = 2000});
  Ask("example.test");
  const size_t before = cache_->bytes();
  behind_.Set("large.test", Type::kTxt, Answered({Txt{std::string(3000, 'x')}}));
  EXPECT_EQ(Ask("large.test", Type::kTxt).records.size(), 1u);
  EXPECT_EQ(cache_->bytes(), before);
  EXPECT_EQ(cache_->entry_count(), 1u);
}

TEST_F(CachingResolverTest, ClearForgets) {
  Ask("example.test");
  cache_->Clear();
  EXPECT_EQ(cache_->entry_count(), 0u);
  EXPECT_EQ(cache_->bytes(), 0u);
  Ask("example.test");
  EXPECT_EQ(behind_.count("example.test", Type::kMx), 2);
}

TEST_F(CachingResolverTest, MayGoWhileItWaits) {
  behind_.SetDelay(absl::Seconds(1));
  const Begun<Answer> answer = Begin("example.test");
  cache_.reset();
  Advance(absl::Seconds(1));
  EXPECT_EQ(answer->value().outcome, Outcome::kAnswer);
}

// As front-ends use it: one cache, askers on several threads.
TEST(CachingResolverThreadsTest, ManyThreadsShareIt) {
  constexpr int kThreads = 4;
  constexpr int kQuestions = 200;
  FakeTime time;
  FakeResolver behind(time);
  asio::io_context own{1};
  auto own_work = asio::make_work_guard(own);
  std::thread own_thread([&own] { own.run(); });
  CachingResolver cache(behind, own.get_executor(), {.max_bytes = 20'000}, time);

  // They outlive whoever posts to them.
  std::deque<asio::io_context> contexts(kThreads);
  std::vector<std::thread> threads;
  std::vector<int> answered(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&cache, &time, &answered, &context = contexts[t], t] {
      const auto work = asio::make_work_guard(context);
      for (int i = 0; i < kQuestions; ++i) {
        Begun<Answer> answer = Begin(context, cache.Ask({absl::StrCat("n", i % 50, ".test"), Type::kMx},
                                                        time.Now() + absl::Minutes(1)));
        while (!answer->has_value()) context.run_one();
        if ((*answer)->outcome == Outcome::kNoName) ++answered[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  own_work.reset();
  own_thread.join();
  EXPECT_THAT(answered, ::testing::Each(kQuestions));
  EXPECT_LE(cache.bytes(), 20'000u);
}

}  // namespace
}  // namespace mailstead::dns
