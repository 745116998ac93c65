#include "common/dns/host_finder.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "asio/io_context.hpp"
#include "common/base/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/begin.h"
#include "tests/unit/common/dns/fake_server.h"

namespace mailstead::dns {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Found = absl::StatusOr<std::vector<asio::ip::address>>;

constexpr unsigned kNoSuchName = kResponseFlags | 3;

bool AsksForIpv4(const std::string& query) { return query[QuestionBytes(query) - 3] == 1; }

class HostFinderTest : public ::testing::Test {
 protected:
  HostFinder Make(const FakeServer& server, HostFinderOptions options = {}) {
    options.servers = {server.server()};
    return HostFinder(context_.get_executor(), std::move(options));
  }
  Begun<Found> Begin(HostFinder& finder, const std::string& host) {
    return mailstead::Begin(context_, finder.Find(host));
  }
  Found End(const Begun<Found>& begun) {
    context_.restart();
    while (!begun->has_value()) context_.run_one();
    return **begun;
  }
  Found Find(HostFinder& finder, const std::string& host) { return End(Begin(finder, host)); }
  // Until nothing is open any more: nothing of the finder may be left.
  void Drain(FakeServer& server) {
    server.Close();
    context_.restart();
    context_.run();
  }

  asio::io_context context_{1};
};

TEST_F(HostFinderTest, FindsAndRemembers) {
  FakeServer server(context_, [](const std::string& query) {
    if (!AsksForIpv4(query)) return Reply(query, {}, kResponseFlags, false);
    return Reply(query, {Address(1), Address(1), Address(2)}, kResponseFlags, false);
  });
  {
    HostFinder finder = Make(server);
    const Found found = Find(finder, "app.example.test");
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_THAT(*found, ::testing::UnorderedElementsAre(asio::ip::make_address("192.0.2.1"),
                                                        asio::ip::make_address("192.0.2.2")));
    const size_t asked = server.udp_queries().size();
    EXPECT_EQ(*Find(finder, "App.Example.test"), *found);
    EXPECT_THAT(server.udp_queries(), SizeIs(asked));
  }
  Drain(server);
}

TEST_F(HostFinderTest, ForgetsWithTime) {
  FakeServer server(context_, [](const std::string& query) {
    return Reply(query,
                 AsksForIpv4(query) ? std::vector<std::string>{Address(1)} : std::vector<std::string>{},
                 kResponseFlags, false);
  });
  {
    HostFinder finder = Make(server, {.kept_for = absl::ZeroDuration()});
    ASSERT_TRUE(Find(finder, "app.example.test").ok());
    const size_t asked = server.udp_queries().size();
    ASSERT_TRUE(Find(finder, "app.example.test").ok());
    EXPECT_THAT(server.udp_queries(), SizeIs(2 * asked));
  }
  Drain(server);
}

TEST_F(HostFinderTest, OneAsksForAllAndNoneWaitsForAnother) {
  // It says nothing of one of the two hosts.
  FakeServer server(context_, [](const std::string& query) {
    if (query.find("silent") != std::string::npos) return std::string();
    return Reply(query,
                 AsksForIpv4(query) ? std::vector<std::string>{Address(1)} : std::vector<std::string>{},
                 kResponseFlags, false);
  });
  {
    HostFinder finder = Make(server, {.timeout = absl::Milliseconds(300), .try_timeout = absl::Minutes(1)});
    const absl::Time begin = Clock::Steady().Now();
    const Begun<Found> silent = Begin(finder, "silent.example.test");
    const Begun<Found> with_it = Begin(finder, "silent.example.test");
    EXPECT_TRUE(Find(finder, "app.example.test").ok());
    EXPECT_FALSE(silent->has_value());
    const Found late = End(silent);
    EXPECT_TRUE(absl::IsDeadlineExceeded(late.status())) << late.status();
    EXPECT_THAT(std::string(late.status().message()), HasSubstr("silent.example.test cannot be looked up"));
    EXPECT_THAT(Clock::Steady().Now() - begin,
                AllOf(Ge(absl::Milliseconds(300)), ::testing::Lt(absl::Seconds(20))));
    EXPECT_TRUE(absl::IsDeadlineExceeded(End(with_it).status()));
    size_t asked = 0;
    for (const std::string& query : server.udp_queries()) asked += query.find("silent") != std::string::npos;
    // Of each family once, for both.
    EXPECT_LE(asked, 2u);
  }
  Drain(server);
}

TEST_F(HostFinderTest, WhatHasNoAddress) {
  FakeServer server(context_, [](const std::string& query) { return Reply(query, {}, kNoSuchName, false); });
  {
    HostFinder finder = Make(server);
    EXPECT_TRUE(absl::IsNotFound(Find(finder, "none.example.test").status()));
    EXPECT_TRUE(absl::IsNotFound(Find(finder, std::string(64, 'a') + ".test").status()));
  }
  Drain(server);
}

TEST_F(HostFinderTest, KnowsThisMachineWithoutTheDns) {
  FakeServer server(context_, [](const std::string& query) { return Reply(query, {}, kNoSuchName, false); });
  {
    HostFinder finder = Make(server);
    const Found found = Find(finder, "localhost");
    ASSERT_TRUE(found.ok()) << found.status();
    for (const asio::ip::address& address : *found) EXPECT_TRUE(address.is_loopback()) << address.to_string();
    EXPECT_THAT(server.udp_queries(), SizeIs(0));
  }
  Drain(server);
}

TEST_F(HostFinderTest, IsBounded) {
  FakeServer server(context_, [](const std::string&) { return std::string(); });
  {
    HostFinder finder = Make(server, {.max_open = 1, .try_timeout = absl::Minutes(1)});
    const Begun<Found> first = Begin(finder, "a.example.test");
    EXPECT_TRUE(absl::IsResourceExhausted(Find(finder, "b.example.test").status()));
    finder.Stop();
    EXPECT_TRUE(absl::IsCancelled(End(first).status()));
    EXPECT_TRUE(absl::IsCancelled(Find(finder, "b.example.test").status()));
  }
  Drain(server);
}

}  // namespace
}  // namespace mailstead::dns
