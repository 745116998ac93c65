#include "common/mailauth/tag_list.h"

#include <gmock/gmock.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace mailstead::mailauth {
namespace {

// "v=DMARC1|p=none", or what is wrong.
std::string Shown(absl::string_view text) {
  const absl::StatusOr<TagList> list = TagList::Parse(text);
  if (!list.ok()) return "wrong";
  std::string shown;
  for (const Tag& tag : list->tags())
    absl::StrAppend(&shown, shown.empty() ? "" : "|", tag.name, "=", tag.value);
  return shown;
}

TEST(TagList, ReadsTags) {
  EXPECT_EQ(Shown("v=DMARC1; p=none"), "v=DMARC1|p=none");
  EXPECT_EQ(Shown(" v = DMARC1 ;\r\n\tp=none ; "), "v=DMARC1|p=none");
  EXPECT_EQ(Shown("p=a b==; x_1="), "p=a b==|x_1=");
  EXPECT_EQ(Shown("v=1;P=2;p=3"), "v=1|P=2|p=3");
  EXPECT_EQ(Shown(""), "");
  for (const char* wrong :
       {"v", "v=1;;p=2", "=1", "1=2", "v-=1", "v=1; v=2", "v=\x01", "v=\xc3\xa4", "v=1; p"}) {
    EXPECT_EQ(Shown(wrong), "wrong") << wrong;
  }
}

TEST(TagList, FindsThem) {
  const TagList list = *TagList::Parse("v=DMARC1; p=none");
  EXPECT_EQ(*list.Find("p"), "none");
  EXPECT_EQ(list.Find("P"), nullptr);
  EXPECT_TRUE(list.BeginsWith("v", "DMARC1"));
  EXPECT_FALSE(list.BeginsWith("p", "none"));
}

TEST(TagList, IsBounded) {
  std::string tags;
  for (size_t i = 0; i < kMaxTags; ++i) absl::StrAppend(&tags, i == 0 ? "" : ";", "t", i, "=x");
  EXPECT_TRUE(TagList::Parse(tags).ok());
  EXPECT_FALSE(TagList::Parse(absl::StrCat(tags, ";more=x")).ok());
  EXPECT_TRUE(TagList::Parse(absl::StrCat("a=", std::string(kMaxTagListBytes - 2, 'x'))).ok());
  EXPECT_FALSE(TagList::Parse(absl::StrCat("a=", std::string(kMaxTagListBytes - 1, 'x'))).ok());
}

TEST(TagList, PartsOfValues) {
  EXPECT_EQ(WithoutBlanks(" a b\r\n\tc "), "abc");
  EXPECT_THAT(SplitColons("a : b:c"), testing::ElementsAre("a", "b", "c"));
  EXPECT_THAT(SplitColons(""), testing::ElementsAre(""));
}

}  // namespace
}  // namespace mailstead::mailauth
