#include "common/mailauth/tag_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace mailstead::mailauth {
namespace {

using testing::ElementsAre;

TEST(TagList, Lists) {
  const struct {
    std::string text;
    std::vector<Tag> tags;
  } kTable[] = {
      {"a=b", {{"a", "b"}}},
      {"a=b;", {{"a", "b"}}},
      {"a=b; \r\n\t", {{"a", "b"}}},
      {" a = b c ;\r\n\tB=", {{"a", "b c"}, {"B", ""}}},
      {"a=b=c==", {{"a", "b=c=="}}},
      // Names are compared with their case.
      {"a=1;A=2;a_1=3", {{"a", "1"}, {"A", "2"}, {"a_1", "3"}}},
  };
  for (const auto& row : kTable) {
    const auto tags = ParseTagList(row.text);
    ASSERT_TRUE(tags.ok()) << row.text << tags.status();
    EXPECT_EQ(*tags, row.tags) << row.text;
  }
}

TEST(TagList, WhatIsNone) {
  for (const std::string& text :
       std::vector<std::string>{"", ";", "a", "=b", "a=b;;c=d", "a=b;a=c", "1a=b", "a-b=c", "a b=c",
                                "a=\xc3\xa4", "a=\x01", "_a=b", "hello", "v=spf1 include:x.test ~all"}) {
    if (text == "v=spf1 include:x.test ~all") {
      // A value may have blanks: it is a list, of one tag.
      EXPECT_TRUE(ParseTagList(text).ok());
      continue;
    }
    EXPECT_FALSE(ParseTagList(text).ok()) << text;
  }
}

TEST(TagList, IsBounded) {
  std::string tags;
  for (size_t i = 0; i < kMaxTags; ++i) absl::StrAppend(&tags, i == 0 ? "" : ";", "t", i, "=x");
  EXPECT_TRUE(ParseTagList(tags).ok());
  EXPECT_FALSE(ParseTagList(absl::StrCat(tags, ";more=x")).ok());
  EXPECT_TRUE(ParseTagList(absl::StrCat("a=", std::string(kMaxTagListBytes - 2, 'x'))).ok());
  EXPECT_FALSE(ParseTagList(absl::StrCat("a=", std::string(kMaxTagListBytes - 1, 'x'))).ok());
}

TEST(TagList, Parts) {
  EXPECT_EQ(WithoutSpace(" a b\r\n\tc "), "abc");
  EXPECT_THAT(SplitColons("a : b:c"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(SplitColons(""), ElementsAre(""));
}

}  // namespace
}  // namespace mailstead::mailauth
