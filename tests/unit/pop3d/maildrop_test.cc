#include "pop3d/session/maildrop.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pop3d/protocol/limits.h"

namespace mailstead::pop3 {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Maildrop ThreeMessages() {
  Maildrop maildrop;
  EXPECT_TRUE(maildrop.Add(11, 120, "first"));
  EXPECT_TRUE(maildrop.Add(12, 200, "second"));
  EXPECT_TRUE(maildrop.Add(15, 3, "third"));
  maildrop.Freeze();
  return maildrop;
}

TEST(Maildrop, FindsByNumber) {
  const Maildrop maildrop = ThreeMessages();
  EXPECT_EQ(maildrop.count(), 3u);
  const auto second = maildrop.Find({2});
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->message_id, 12u);
  EXPECT_EQ(second->size_bytes, 200u);
  EXPECT_EQ(second->unique_id, "second");
  EXPECT_FALSE(second->deleted);
  EXPECT_EQ(maildrop.Find({3})->unique_id, "third");
}

TEST(Maildrop, NoMessageZeroAndNonePastTheEnd) {
  const Maildrop maildrop = ThreeMessages();
  EXPECT_FALSE(maildrop.Find({0}).has_value());
  EXPECT_FALSE(maildrop.Find({4}).has_value());
  EXPECT_FALSE(maildrop.Find({std::numeric_limits<uint64_t>::max()}).has_value());
  EXPECT_FALSE(Maildrop().Find({1}).has_value());
}

TEST(Maildrop, DeletionChangesTheSumsAndNoNumber) {
  Maildrop maildrop = ThreeMessages();
  EXPECT_EQ(maildrop.kept_bytes(), 323u);
  maildrop.Delete({2});
  EXPECT_EQ(maildrop.count(), 3u);
  EXPECT_EQ(maildrop.kept_count(), 2u);
  EXPECT_EQ(maildrop.deleted_count(), 1u);
  EXPECT_EQ(maildrop.kept_bytes(), 123u);
  EXPECT_TRUE(maildrop.Find({2})->deleted);
  EXPECT_EQ(maildrop.Find({3})->message_id, 15u);
  EXPECT_THAT(maildrop.Deletions(), ElementsAre(12));
  maildrop.Delete({3});
  EXPECT_THAT(maildrop.Deletions(), ElementsAre(12, 15));
}

TEST(Maildrop, UndeleteAllBringsBackEverything) {
  Maildrop maildrop = ThreeMessages();
  maildrop.Delete({1});
  maildrop.Delete({3});
  maildrop.UndeleteAll();
  EXPECT_EQ(maildrop.kept_count(), 3u);
  EXPECT_EQ(maildrop.kept_bytes(), 323u);
  EXPECT_THAT(maildrop.Deletions(), IsEmpty());
  EXPECT_FALSE(maildrop.Find({1})->deleted);
}

TEST(Maildrop, TakesOnlyUniqueIdsOfRfc1939) {
  Maildrop maildrop;
  EXPECT_TRUE(maildrop.Add(1, 1, "!"));
  EXPECT_TRUE(maildrop.Add(2, 1, "~"));
  EXPECT_TRUE(maildrop.Add(3, 1, std::string(kMaxUniqueIdBytes, 'x')));
  EXPECT_FALSE(maildrop.Add(4, 1, std::string(kMaxUniqueIdBytes + 1, 'x')));
  EXPECT_FALSE(maildrop.Add(4, 1, ""));
  EXPECT_FALSE(maildrop.Add(4, 1, "a b"));
  EXPECT_FALSE(maildrop.Add(4, 1, "a\r\nb"));
  EXPECT_FALSE(maildrop.Add(4, 1, "\xC3\xA4"));
  EXPECT_EQ(maildrop.count(), 3u);
}

TEST(Maildrop, IsFullAtItsLimit) {
  Maildrop maildrop;
  for (size_t i = 1; i <= kMaxMaildropMessages; ++i) ASSERT_TRUE(maildrop.Add(i, 1, "u"));
  EXPECT_FALSE(maildrop.Add(0, 1, "u"));
  EXPECT_EQ(maildrop.count(), kMaxMaildropMessages);
  EXPECT_EQ(maildrop.Find({kMaxMaildropMessages})->message_id, kMaxMaildropMessages);
}

TEST(Maildrop, HundredThousandMessagesKeepTheirIds) {
  Maildrop maildrop;
  for (int i = 1; i <= 100'000; ++i) ASSERT_TRUE(maildrop.Add(i, i, absl::StrCat("unique-id-", i)));
  maildrop.Freeze();
  for (const uint64_t i : {1, 2, 9999, 10'000, 99'999, 100'000}) {
    EXPECT_EQ(maildrop.Find({i})->unique_id, absl::StrCat("unique-id-", i));
  }
}

}  // namespace
}  // namespace mailstead::pop3
