#include "pop3d/session/maildrop.h"

#include <limits>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::pop3 {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Maildrop ThreeMessages() {
  ListingBuilder builder;
  EXPECT_TRUE(builder.Add(MessageId{11}, 120, "first"));
  EXPECT_TRUE(builder.Add(MessageId{12}, 200, "second"));
  EXPECT_TRUE(builder.Add(MessageId{15}, 3, "third"));
  return Maildrop(std::move(builder).Build());
}

TEST(Maildrop, FindsByNumber) {
  const Maildrop maildrop = ThreeMessages();
  EXPECT_EQ(maildrop.count(), 3u);
  const auto second = maildrop.Find({2});
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->id, MessageId{12});
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
  EXPECT_EQ(maildrop.Find({3})->id, MessageId{15});
  EXPECT_THAT(maildrop.Deletions(), ElementsAre(MessageId{12}));
  maildrop.Delete({3});
  EXPECT_THAT(maildrop.Deletions(), ElementsAre(MessageId{12}, MessageId{15}));
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

TEST(Maildrop, SessionsShareTheListingAndNotTheMarks) {
  Maildrop one = ThreeMessages();
  Maildrop other(one.listing());
  one.Delete({2});
  EXPECT_FALSE(other.Find({2})->deleted);
  EXPECT_EQ(other.kept_count(), 3u);
  EXPECT_EQ(one.listing(), other.listing());
}

}  // namespace
}  // namespace mailstead::pop3
