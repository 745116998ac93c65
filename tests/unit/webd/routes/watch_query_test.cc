#include "webd/routes/watch_query.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

absl::StatusOr<store::v1::WatchRequest> Read(std::string target, std::vector<HeaderField> fields = {}) {
  return ReadWatchQuery({.target = std::move(target), .fields = std::move(fields)});
}

TEST(WatchQuery, Everything) {
  const auto request = Read(
      "/v1/watch?account=a%2Bb@example.test&account=7&kind=delivered&kind=account&start=oldest&view=headers"
      "&text_limit_bytes=5&heartbeat_seconds=9&max_unacknowledged=3");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_THAT(request->filter().accounts(), ElementsAre("a+b@example.test", "7"));
  EXPECT_THAT(request->filter().kinds(),
              ElementsAre(store::v1::WATCH_KIND_DELIVERED, store::v1::WATCH_KIND_ACCOUNT));
  EXPECT_EQ(request->start(), store::v1::WATCH_START_OLDEST);
  EXPECT_EQ(request->view(), store::v1::MESSAGE_VIEW_HEADERS);
  EXPECT_EQ(request->text_limit_bytes().value(), 5);
  EXPECT_EQ(request->heartbeat_interval().seconds(), 9);
  EXPECT_EQ(request->max_unacknowledged(), 3);
  EXPECT_TRUE(Read("/v1/watch?all=true")->filter().all());
  EXPECT_EQ(Read("/v1/watch?domain=example.test")->filter().domain(), "example.test");
  EXPECT_EQ(Read("/v1/watch?")->ByteSizeLong(), 0u);
}

TEST(WatchQuery, WhereItGoesOn) {
  EXPECT_EQ(Read("/v1/watch?all=true&cursor=YWJj")->cursor(), "abc");
  const auto again = Read("/v1/watch?all=true&cursor=YWJj&start=oldest", {{"last-event-id", "-_8"}});
  EXPECT_EQ(again->cursor(), "\xfb\xff");
  EXPECT_EQ(again->start(), store::v1::WATCH_START_UNSPECIFIED);
  EXPECT_EQ(Read("/v1/watch?all=true&start=oldest", {{"last-event-id", ""}})->start(),
            store::v1::WATCH_START_OLDEST);
  EXPECT_EQ(Read("/v1/watch?consumer=desk", {{"last-event-id", "YWJj"}})->cursor(), "")
      << "it has its own place";
  EXPECT_FALSE(Read("/v1/watch?all=true", {{"last-event-id", "!"}}).ok());
  EXPECT_FALSE(Read("/v1/watch?all=true", {{"last-event-id", "YWJj"}, {"last-event-id", "YWJj"}}).ok());
}

TEST(WatchQuery, WhatIsRefused) {
  for (const char* const query :
       {"all=true&all=true", "all=yes", "All=true", "other=1", "kind=DELIVERED", "kind=delivered%20",
        "kind=", "start=soon", "view=all", "cursor=", "cursor=*",
        "consumer=", "domain=", "heartbeat_seconds=1.5", "heartbeat_seconds=99999999999",
        "max_unacknowledged=x", "text_limit_bytes=", "account=%ff", "account=%"}) {
    EXPECT_EQ(Read(std::string("/v1/watch?") + query).status().code(), absl::StatusCode::kInvalidArgument)
        << query;
  }
  EXPECT_THAT(Read("/v1/watch?all=yes").status().message(), HasSubstr("all"));
  EXPECT_THAT(Read("/v1/watch?key=secret").status().message(), Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace mailstead::web
