#include "pop3d/protocol/language.h"

#include "gtest/gtest.h"

namespace mailstead::pop3 {
namespace {

absl::string_view Found(absl::string_view range) {
  const LanguageEntry* entry = FindLanguage(range);
  return entry == nullptr ? "none" : entry->tag;
}

TEST(FindLanguage, LooksUpAsRfc4647) {
  EXPECT_EQ(Found("en"), "en");
  EXPECT_EQ(Found("EN"), "en");
  EXPECT_EQ(Found("de"), "de");
  EXPECT_EQ(Found("de-AT"), "de");
  EXPECT_EQ(Found("de-Latn-DE-1996"), "de");
  EXPECT_EQ(Found("en-x-private"), "en");
  EXPECT_EQ(Found("i-default"), "i-default");
  EXPECT_EQ(Found("*"), "i-default");
}

TEST(FindLanguage, NoneMatches) {
  for (const char* range :
       {"MUL", "fr", "e", "i", "i-klingon", "english", "deutsch", "d-e", "-", "--", "-de", "", "de*"}) {
    EXPECT_EQ(Found(range), "none") << range;
  }
}

}  // namespace
}  // namespace mailstead::pop3
