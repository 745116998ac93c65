#include "webd/routes/route.h"

#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

TEST(Route, Messages) {
  const auto raw = FindRoute("/v1/accounts/demo+x@example.test/messages/12/raw");
  ASSERT_TRUE(raw.has_value());
  EXPECT_EQ(raw->kind, RouteKind::kRaw);
  EXPECT_EQ(raw->account, "demo+x@example.test");
  EXPECT_EQ(raw->message_id, 12);
  const auto part = FindRoute("/v1/accounts/a%2Fb%40example.test/messages/9223372036854775807/parts/1.2");
  ASSERT_TRUE(part.has_value());
  EXPECT_EQ(part->kind, RouteKind::kPart);
  EXPECT_EQ(part->account, "a/b@example.test");
  EXPECT_EQ(part->message_id, 9223372036854775807);
  EXPECT_EQ(part->part_id, "1.2");
}

TEST(Route, Others) {
  EXPECT_EQ(FindRoute("/v1/watch")->kind, RouteKind::kWatch);
  EXPECT_EQ(FindRoute("/openapi.json")->kind, RouteKind::kOpenApi);
  EXPECT_EQ(FindRoute("/")->kind, RouteKind::kDocs);
  EXPECT_EQ(FindRoute("/.well-known/mta-sts.txt")->kind, RouteKind::kStsPolicy);
}

TEST(Route, WhatLeadsNowhere) {
  for (const char* const path : {"",
                                 "*",
                                 "//",
                                 "/v1",
                                 "/v1/watch/",
                                 "/V1/watch",
                                 "/v1/%77atch",
                                 "/v1/accounts//messages/1/raw",
                                 "/v1/accounts/a/messages/x/raw",
                                 "/v1/accounts/a/messages/-1/raw",
                                 "/v1/accounts/a/messages/+1/raw",
                                 "/v1/accounts/a/messages/9223372036854775808/raw",
                                 "/v1/accounts/a/messages//raw",
                                 "/v1/accounts/a/messages/1/raw/",
                                 "/v1/accounts/a%/messages/1/raw",
                                 "/v1/accounts/%ff/messages/1/raw",
                                 "/v1/accounts/a/b/messages/1/raw",
                                 "/v1/accounts/a/messages/1/parts/",
                                 "/v1/accounts/a/messages/1/parts/1/2",
                                 "/openapi.json/",
                                 "/.well-known/mta-sts.txt/",
                                 "/mta-sts.txt"}) {
    EXPECT_FALSE(FindRoute(path).has_value()) << path;
  }
}

}  // namespace
}  // namespace mailstead::web
