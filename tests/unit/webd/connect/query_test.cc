#include "webd/connect/query.h"

#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

TEST(Query, ThePath) {
  EXPECT_EQ(PathOf("/a.B/C"), "/a.B/C");
  EXPECT_EQ(PathOf("/a.B/C?x=/y"), "/a.B/C");
  EXPECT_EQ(PathOf("http://host:8080/a.B/C?x"), "/a.B/C");
  EXPECT_EQ(PathOf("HTTPS://host"), "/");
  EXPECT_EQ(PathOf("*"), "*");
  EXPECT_EQ(PathOf(""), "");
}

TEST(Query, JsonInIt) {
  const auto got = ParseGetQuery("/m?connect=v1&encoding=json&message=%7B%22a%22:+1%7d&other=%zz");
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->encoding, "json");
  EXPECT_EQ(got->message, "{\"a\": 1}");
  EXPECT_EQ(got->connect, "v1");
  EXPECT_EQ(got->compression, "");
}

TEST(Query, BytesInIt) {
  for (const char* const base64 : {"-_8A", "-_8"}) {
    const auto got =
        ParseGetQuery(std::string("/m?encoding=proto&base64=1&compression=gzip&message=") + base64);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->message.substr(0, 2), "\xfb\xff");
    EXPECT_EQ(got->compression, "gzip");
  }
  EXPECT_FALSE(ParseGetQuery("/m?encoding=proto&base64=1&message=%2B%2F8").ok()) << "of the other alphabet";
}

TEST(Query, WhatIsNone) {
  for (const char* const target :
       {"/m", "/m?", "/m?encoding=json", "/m?message=x", "/m?encoding=json&message=%4",
        "/m?encoding=json&message=%", "/m?encoding=json&message=%gg",
        "/m?encoding=json&encoding=json&message=x", "/m?encoding=json&message=a&message=b",
        "/m?encoding=json&message=*&base64=1"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseGetQuery(target).status())) << target;
  }
  EXPECT_TRUE(ParseGetQuery("/m?encoding=proto&message=").ok()) << "an empty message";
}

}  // namespace
}  // namespace mailstead::web
