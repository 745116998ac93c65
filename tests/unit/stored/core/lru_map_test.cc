#include "stored/core/lru_map.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace mailstead::stored {
namespace {

TEST(LruMap, ForgetsWhatWasTouchedLongestAgo) {
  LruMap<int> map(3);
  map["a"] = 1;
  map["b"] = 2;
  map["c"] = 3;
  ASSERT_NE(map.Find("a"), nullptr);  // touched: now b is the oldest
  map["d"] = 4;
  EXPECT_EQ(map.size(), 3u);
  EXPECT_EQ(map.Find("b"), nullptr);
  EXPECT_EQ(*map.Find("a"), 1);
  EXPECT_EQ(*map.Find("c"), 3);
  EXPECT_EQ(*map.Find("d"), 4);
}

TEST(LruMap, ErasesAndTakesAgain) {
  LruMap<std::string> map(2);
  map["key"] = "first";
  map.Erase("key");
  map.Erase("key");
  EXPECT_EQ(map.Find("key"), nullptr);
  map["key"] = "second";
  EXPECT_EQ(*map.Find("key"), "second");
  EXPECT_EQ(map.size(), 1u);
}

TEST(LruMap, ErasesWhatIsNotWanted) {
  LruMap<int> map(4);
  for (int i = 0; i < 4; ++i) map[absl::StrCat(i)] = i;
  map.EraseIf([](absl::string_view key, int value) { return key == "0" || value == 2; });
  std::string seen;
  map.ForEach([&](absl::string_view key, int) { absl::StrAppend(&seen, key); });
  EXPECT_EQ(seen, "31") << "the latest first";
  EXPECT_EQ(map.Find("0"), nullptr);
  map["4"] = 4;
  map["5"] = 5;
  map["6"] = 6;
  EXPECT_EQ(map.Find("1"), nullptr) << "seeing it was no touch";
  EXPECT_EQ(map.size(), 4u);
}

TEST(LruMap, StaysBoundedUnderAFlood) {
  LruMap<int> map(10);
  for (int i = 0; i < 1000; ++i) map[absl::StrCat("key ", i)] = i;
  EXPECT_EQ(map.size(), 10u);
  EXPECT_EQ(*map.Find("key 999"), 999);
  EXPECT_EQ(map.Find("key 989"), nullptr);
}

}  // namespace
}  // namespace mailstead::stored
