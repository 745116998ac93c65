// Against a server in the test's own process. tests/integration/test_dns.py asks real ones.
#include "common/dns/ares_resolver.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/post.hpp"
#include "common/base/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/begin.h"
#include "tests/unit/common/dns/fake_server.h"
#include "tests/unit/common/dns/wire.h"

namespace mailstead::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class AresResolverTest : public ::testing::Test {
 protected:
  std::unique_ptr<AresResolver> Start(AresOptions options) {
    absl::StatusOr<std::unique_ptr<AresResolver>> resolver =
        AresResolver::Start(context_.get_executor(), options);
    EXPECT_TRUE(resolver.ok()) << resolver.status();
    return *std::move(resolver);
  }
  std::unique_ptr<AresResolver> Start(const FakeServer& server) {
    return Start({.servers = {server.server()}, .trusted = {server.server()}});
  }
  Begun<Answer> Begin(Resolver& resolver, const std::string& name,
                      absl::Duration patience = absl::Seconds(30)) {
    return mailstead::Begin(context_, resolver.Ask({name, Type::kA}, Clock::Steady().Now() + patience));
  }
  Answer End(const Begun<Answer>& begun) {
    context_.restart();
    while (!begun->has_value()) context_.run_one();
    return **begun;
  }
  Answer Ask(Resolver& resolver, const std::string& name, absl::Duration patience = absl::Seconds(30)) {
    return End(Begin(resolver, name, patience));
  }
  // Until nothing is open any more: nothing of the resolver may be left.
  void Drain(FakeServer& server) {
    server.Close();
    context_.restart();
    context_.run();
  }

  asio::io_context context_{1};
};

TEST_F(AresResolverTest, SendsOurQueryAndBelievesATrustedServer) {
  FakeServer server(context_, [](const std::string& query) { return Reply(query, {Address(1)}); });
  std::unique_ptr<AresResolver> resolver = Start(server);
  EXPECT_TRUE(resolver->trusted());
  EXPECT_THAT(resolver->servers(), ElementsAre(server.server()));
  const Answer answer = Ask(*resolver, "Mail.Example.Test");
  EXPECT_EQ(answer.outcome, Outcome::kAnswer) << FailureText(answer.failure);
  EXPECT_TRUE(answer.secure);
  EXPECT_THAT(answer.records, ElementsAre(Record(Ipv4Bytes{192, 0, 2, 1})));
  ASSERT_THAT(server.udp_queries(), SizeIs(1));
  const std::string& query = server.udp_queries().front();
  EXPECT_EQ(query.substr(2), EncodeQuery(0, {"mail.example.test", Type::kA})->substr(2));
  resolver.reset();
  Drain(server);
}

TEST_F(AresResolverTest, DoesNotBelieveAnother) {
  FakeServer server(context_, [](const std::string& query) { return Reply(query, {Address(1)}); });
  std::unique_ptr<AresResolver> resolver = Start({.servers = {server.server()}});
  EXPECT_FALSE(resolver->trusted());
  EXPECT_FALSE(Ask(*resolver, "a.test").secure);
  resolver.reset();
  Drain(server);
}

TEST_F(AresResolverTest, AnAnswerToAnotherQuestionIsNone) {
  // A wrong id, another name, from before: each is passed over, and the right one counts.
  int sent = 0;
  FakeServer server(context_, [&sent](const std::string& query) {
    std::string reply = Reply(query, {Address(9)});
    switch (sent++) {
      case 0:
        reply[0] = static_cast<char>(reply[0] + 1);
        return reply;
      case 1:
        reply[13] = 'x';
        return reply;
      default:
        return Reply(query, {Address(1)});
    }
  });
  std::unique_ptr<AresResolver> resolver =
      Start({.servers = {server.server()}, .try_timeout = absl::Milliseconds(300), .tries = 5});
  EXPECT_THAT(Ask(*resolver, "a.test").records, ElementsAre(Record(Ipv4Bytes{192, 0, 2, 1})));
  EXPECT_THAT(server.udp_queries(), SizeIs(3));
  resolver.reset();
  Drain(server);
}

TEST_F(AresResolverTest, ALongAnswerComesOverUdpAndATruncatedOneAgainOverTcp) {
  const std::vector<std::string> long_answer(50, Address(7));
  FakeServer whole(context_, [&](const std::string& query) { return Reply(query, long_answer); });
  std::unique_ptr<AresResolver> resolver = Start(whole);
  EXPECT_THAT(Ask(*resolver, "a.test").records, SizeIs(50));
  EXPECT_THAT(whole.udp_queries(), SizeIs(1));
  resolver.reset();
  Drain(whole);

  FakeServer truncating(
      context_, [](const std::string& query) { return Reply(query, {}, kResponseFlags | 0x0200); },
      [&](const std::string& query) { return Reply(query, std::vector<std::string>(200, Address(7))); });
  resolver = Start(truncating);
  EXPECT_THAT(Ask(*resolver, "a.test").records, SizeIs(200));
  EXPECT_THAT(truncating.tcp_queries(), SizeIs(1));
  resolver.reset();
  Drain(truncating);
}

TEST_F(AresResolverTest, TruncatedOverTcpIsAFailure) {
  const auto truncated = [](const std::string& query) { return Reply(query, {}, kResponseFlags | 0x0200); };
  FakeServer server(context_, truncated, truncated);
  std::unique_ptr<AresResolver> resolver = Start(server);
  const Answer answer = Ask(*resolver, "a.test");
  EXPECT_EQ(answer.outcome, Outcome::kFailed);
  EXPECT_EQ(answer.failure, Failure::kTooLarge);
  resolver.reset();
  Drain(server);
}

TEST_F(AresResolverTest, AServerWithoutEdnsIsOfNoUseAndSpoilsNothing) {
  bool old = true;
  FakeServer server(context_, [&old](const std::string& query) {
    const bool has_opt = query[11] != 0;
    if (old && has_opt) return Reply(query, {}, kResponseFlags | 1, /*opt=*/false);
    return Reply(query, {Address(1)}, kResponseFlags, has_opt);
  });
  std::unique_ptr<AresResolver> resolver = Start(server);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Ask(*resolver, "a.test").failure, Failure::kNoEdns);
  old = false;
  const Answer answer = Ask(*resolver, "a.test");
  EXPECT_EQ(answer.outcome, Outcome::kAnswer);
  EXPECT_TRUE(answer.secure);
  // The first query of each had OPT, and so has the last.
  EXPECT_NE(server.udp_queries().back()[11], 0);
  resolver.reset();
  Drain(server);
}

TEST_F(AresResolverTest, AServerThatLeavesOptOutIsInsecure) {
  FakeServer server(context_, [](const std::string& query) {
    return Reply(query, {Address(1)}, kResponseFlags, /*opt=*/false);
  });
  std::unique_ptr<AresResolver> resolver = Start(server);
  const Answer answer = Ask(*resolver, "a.test");
  EXPECT_EQ(answer.outcome, Outcome::kAnswer);
  EXPECT_FALSE(answer.secure);
  resolver.reset();
  Drain(server);
}

TEST_F(AresResolverTest, NamesThatTheDnsCannotHoldDoNotExist) {
  FakeServer server(context_, [](const std::string& query) { return Reply(query, {Address(1)}); });
  std::unique_ptr<AresResolver> resolver = Start(server);
  for (const std::string& name : {std::string(""), std::string("a..test"), std::string(64, 'a') + ".test",
                                  std::string("\xc3\xa4.test")}) {
    EXPECT_EQ(Ask(*resolver, name).outcome, Outcome::kNoName) << name;
  }
  EXPECT_THAT(server.udp_queries(), SizeIs(0));
  resolver.reset();
  Drain(server);
}

TEST_F(AresResolverTest, NobodyWaitsLongerThanTheDeadline) {
  FakeServer server(context_, [](const std::string&) { return std::string(); });
  std::unique_ptr<AresResolver> resolver =
      Start({.servers = {server.server()}, .try_timeout = absl::Milliseconds(200), .tries = 1});
  EXPECT_EQ(Ask(*resolver, "a.test", -absl::Seconds(1)).failure, Failure::kTimeout);
  EXPECT_THAT(server.udp_queries(), SizeIs(0));
  EXPECT_EQ(Ask(*resolver, "a.test", absl::Milliseconds(20)).failure, Failure::kTimeout);
  EXPECT_EQ(Ask(*resolver, "b.test").failure, Failure::kTimeout);
  resolver.reset();
  Drain(server);
}

TEST_F(AresResolverTest, ASilentServerIsWaitedForOnce) {
  FakeServer silent(context_, [](const std::string&) { return std::string(); });
  FakeServer good(context_, [](const std::string& query) { return Reply(query, {Address(1)}); });
  const std::vector<Server> servers = {silent.server(), good.server()};
  std::unique_ptr<AresResolver> resolver =
      Start({.servers = servers, .trusted = servers, .try_timeout = absl::Milliseconds(500)});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Ask(*resolver, absl::StrCat("n", i, ".test")).secure);
  EXPECT_THAT(silent.udp_queries(), SizeIs(1));
  EXPECT_THAT(good.udp_queries(), SizeIs(5));
  EXPECT_EQ(resolver->servers(), servers);
  resolver.reset();
  silent.Close();
  Drain(good);
}

TEST_F(AresResolverTest, OpenQuestionsAreBounded) {
  FakeServer server(context_, [](const std::string&) { return std::string(); });
  std::unique_ptr<AresResolver> resolver =
      Start({.servers = {server.server()}, .try_timeout = absl::Minutes(1), .max_open = 2});
  const Begun<Answer> first = Begin(*resolver, "a.test");
  // Whoever gave up early counts as long as c-ares tries.
  EXPECT_EQ(Ask(*resolver, "b.test", absl::Milliseconds(1)).failure, Failure::kTimeout);
  EXPECT_EQ(Ask(*resolver, "c.test").failure, Failure::kBusy);
  resolver.reset();
  EXPECT_EQ(End(first).failure, Failure::kStopped);
  Drain(server);
}

TEST_F(AresResolverTest, AnAnswerMakesRoomForTheNextQuestion) {
  FakeServer server(context_, [](const std::string& query) { return Reply(query, {Address(1)}); });
  std::unique_ptr<AresResolver> resolver = Start({.servers = {server.server()}, .max_open = 1});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Ask(*resolver, "a.test").outcome, Outcome::kAnswer);
  resolver.reset();
  Drain(server);
}

TEST_F(AresResolverTest, WhatIsOpenFailsWhenItIsDestroyed) {
  FakeServer server(context_, [](const std::string&) { return std::string(); });
  std::unique_ptr<AresResolver> resolver = Start(server);
  std::vector<Begun<Answer>> begun;
  for (int i = 0; i < 3; ++i) begun.push_back(Begin(*resolver, absl::StrCat("n", i, ".test")));
  Poll(context_);
  resolver.reset();
  for (const auto& each : begun) EXPECT_EQ(End(each).failure, Failure::kStopped);
  Drain(server);
}

TEST_F(AresResolverTest, IsAskedFromOtherThreads) {
  FakeServer server(context_, [](const std::string& query) { return Reply(query, {Address(1)}); });
  std::unique_ptr<AresResolver> resolver = Start(server);
  constexpr int kThreads = 3;
  constexpr int kQuestions = 50;
  std::vector<int> answered(kThreads);
  // They outlive whoever posts to them.
  std::deque<asio::io_context> contexts(kThreads);
  std::vector<std::thread> threads;
  auto work = asio::make_work_guard(context_);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&resolver, &answered, &context = contexts[t], t] {
      const auto own_work = asio::make_work_guard(context);
      for (int i = 0; i < kQuestions; ++i) {
        const Begun<Answer> answer =
            mailstead::Begin(context, resolver->Ask({absl::StrCat("t", t, "-", i, ".test"), Type::kA},
                                                    Clock::Steady().Now() + absl::Seconds(30)));
        while (!answer->has_value()) context.run_one();
        if ((*answer)->secure) ++answered[t];
      }
    });
  }
  std::thread own([this] { context_.run(); });
  for (std::thread& thread : threads) thread.join();
  work.reset();
  resolver.reset();
  asio::post(context_, [&server] { server.Close(); });
  own.join();
  EXPECT_THAT(answered, ::testing::Each(kQuestions));
}

}  // namespace
}  // namespace mailstead::dns
