#include "stored/core/feed_cursor.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

#include "common/base/reason.h"

namespace mailstead::stored {
namespace {

constexpr char kStore[] = "incarnation";
const FeedCursor kCursor{{300, MessageId{7}}, 9};

TEST(FeedCursor, ComesBackAsItWasMade) {
  const int64_t most = std::numeric_limits<int64_t>::max();
  for (const FeedCursor& cursor : {FeedCursor(), kCursor, FeedCursor{{most, MessageId{most}}, most}}) {
    const std::string bytes = MakeFeedCursor(kStore, "all", cursor);
    EXPECT_LE(bytes.size(), kMaxCursorBytes);
    const auto read = ReadFeedCursor(kStore, "all", bytes);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, cursor);
  }
}

TEST(FeedCursor, IsOfOneStoreAndScope) {
  const std::string bytes = MakeFeedCursor(kStore, WatchScope({AccountId{3}, AccountId{7}}, ""), kCursor);
  EXPECT_TRUE(ReadFeedCursor(kStore, "accounts/3,7", bytes).ok());
  const absl::Status scope = ReadFeedCursor(kStore, WatchScope({}, ""), bytes).status();
  EXPECT_EQ(scope.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(scope), "cursor");
  const absl::Status store = ReadFeedCursor("another", "accounts/3,7", bytes).status();
  EXPECT_EQ(store.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(store), kReasonCursorExpired);
  EXPECT_EQ(WatchScope({}, "example.test"), "domain/example.test");
}

TEST(FeedCursor, WhatIsNoneIsRefused) {
  const std::string bytes = MakeFeedCursor(kStore, "all", kCursor);
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(ReadFeedCursor(kStore, "all", bytes.substr(0, size)).ok());
  EXPECT_FALSE(ReadFeedCursor(kStore, "all", bytes + "x").ok());
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x80);
    EXPECT_EQ(FieldOf(ReadFeedCursor(kStore, "all", changed).status()), "cursor") << i;
  }
  const FeedCursor negative{{-1, MessageId{0}}, 0};
  EXPECT_FALSE(ReadFeedCursor(kStore, "all", MakeFeedCursor(kStore, "all", negative)).ok());
  std::mt19937 random(1);
  for (int i = 0; i < 10'000; ++i) {
    std::string noise(random() % 64, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    EXPECT_FALSE(ReadFeedCursor(kStore, "all", noise).ok());
  }
}

}  // namespace
}  // namespace mailstead::stored
