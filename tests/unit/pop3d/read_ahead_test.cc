#include "pop3d/read_ahead.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "pop3d/limits.h"

namespace mailstead::pop3 {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

// Message n has the id 100 + n.
Maildrop Of(int count, int64_t size_bytes) {
  ListingBuilder builder;
  for (int i = 1; i <= count; ++i)
    EXPECT_TRUE(builder.Add(MessageId{100 + i}, size_bytes, absl::StrCat("uid-", i)));
  return Maildrop(std::move(builder).Build());
}

// The ids of messages `first` to `last`.
std::vector<MessageId> Ids(int first, int last) {
  std::vector<MessageId> ids;
  for (int i = first; i <= last; ++i) ids.push_back(MessageId{100 + i});
  return ids;
}

// Asks for one message after the other: its number, and that of the last one that is fetched with it.
void ExpectPlans(int count, const std::vector<std::pair<int, int>>& plans) {
  const Maildrop maildrop = Of(count, 100);
  ByteBudget budget(kReadAheadBytesInAll);
  ReadAhead read_ahead(budget);
  for (const auto& [number, last] : plans) {
    EXPECT_EQ(read_ahead.Plan(maildrop, {static_cast<uint64_t>(number)}), Ids(number, last)) << number;
  }
}

TEST(ReadAhead, TheLongerInOrderTheMoreIsFetchedTogether) {
  // Sixteen at most.
  ExpectPlans(60, {{1, 1}, {2, 5}, {6, 21}, {22, 37}, {38, 53}, {54, 60}});
}

TEST(ReadAhead, AClientThatJumpsGetsOneAtATime) {
  // From 3 on in order, and not any more.
  ExpectPlans(60, {{30, 30}, {10, 10}, {10, 10}, {60, 60}, {1, 1}, {3, 3}, {4, 7}, {8, 23}, {40, 40}});
}

TEST(ReadAhead, FromTheLastToTheFirstIsNoOrder) {
  std::vector<std::pair<int, int>> plans;
  for (int number = 20; number > 0; --number) plans.emplace_back(number, number);
  ExpectPlans(20, plans);
}

TEST(ReadAhead, DeletedMessagesArePassedOver) {
  Maildrop maildrop = Of(12, 100);
  for (const uint64_t number : {3, 4, 6}) maildrop.Delete({number});
  ByteBudget budget(kReadAheadBytesInAll);
  ReadAhead read_ahead(budget);
  read_ahead.Plan(maildrop, {1});
  EXPECT_THAT(read_ahead.Plan(maildrop, {2}),
              ElementsAre(MessageId{102}, MessageId{105}, MessageId{107}, MessageId{108}));
  EXPECT_EQ(read_ahead.Plan(maildrop, {9}), Ids(9, 12));
}

TEST(ReadAhead, ManyDeletedMessagesAreNotSearchedThrough) {
  Maildrop maildrop = Of(100'000, 100);
  for (uint64_t number = 3; number < 100'000; ++number) maildrop.Delete({number});
  ByteBudget budget(kReadAheadBytesInAll);
  ReadAhead read_ahead(budget);
  read_ahead.Plan(maildrop, {1});
  EXPECT_THAT(read_ahead.Plan(maildrop, {2}), ElementsAre(MessageId{102}));
}

TEST(ReadAhead, WhatIsFetchedTogetherHasABoundInBytes) {
  for (const auto& [size_bytes, fit] :
       {std::pair(kReadAheadBytes / 4, 4), std::pair(kReadAheadBytes / 4 + 1, 3),
        std::pair(kReadAheadBytes / 2 + 1, 1), std::pair(kReadAheadBytes + 1, 1)}) {
    const Maildrop maildrop = Of(20, size_bytes);
    ByteBudget budget(kReadAheadBytesInAll);
    ReadAhead read_ahead(budget);
    read_ahead.Plan(maildrop, {1});
    EXPECT_EQ(read_ahead.Plan(maildrop, {2}), Ids(2, 1 + fit)) << size_bytes;
  }
}

TEST(ReadAhead, WhatIsKeptIsTakenOnce) {
  ByteBudget budget(kReadAheadBytesInAll);
  ReadAhead read_ahead(budget);
  read_ahead.Keep(MessageId{101}, {"one", "a"});
  read_ahead.Keep(MessageId{102}, {"two", "b"});
  const std::optional<store::FetchedMessage> one = read_ahead.Take(MessageId{101});
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->content, "one");
  EXPECT_EQ(one->delivery_id, "a");
  EXPECT_TRUE(read_ahead.Take(MessageId{102}).has_value());
  EXPECT_FALSE(read_ahead.Take(MessageId{102}).has_value());
}

TEST(ReadAhead, WhatIsPassedOverIsDropped) {
  ByteBudget budget(kReadAheadBytesInAll);
  ReadAhead read_ahead(budget);
  for (int64_t id = 101; id <= 104; ++id) read_ahead.Keep(MessageId{id}, {absl::StrCat(id), ""});
  EXPECT_TRUE(read_ahead.Take(MessageId{103}).has_value());
  EXPECT_FALSE(read_ahead.Take(MessageId{101}).has_value());
  // That one was not there: nothing is any more.
  EXPECT_FALSE(read_ahead.Take(MessageId{104}).has_value());
}

TEST(ReadAhead, APlanAndClearDropWhatIsKept) {
  const Maildrop maildrop = Of(20, 100);
  ByteBudget budget(kReadAheadBytesInAll);
  ReadAhead read_ahead(budget);
  read_ahead.Keep(MessageId{101}, {"one", "a"});
  read_ahead.Plan(maildrop, {5});
  EXPECT_FALSE(read_ahead.Take(MessageId{101}).has_value());
  read_ahead.Keep(MessageId{102}, {"two", "b"});
  read_ahead.Clear();
  EXPECT_FALSE(read_ahead.Take(MessageId{102}).has_value());
}

TEST(ReadAhead, AllSessionsTogetherHaveABound) {
  const Maildrop maildrop = Of(20, 100);
  ByteBudget budget(kReadAheadBytesInAll);
  ReadAhead other(budget);
  ReadAhead read_ahead(budget);
  read_ahead.Plan(maildrop, {1});
  {
    ReadAhead greedy(budget);
    greedy.Keep(MessageId{1}, {std::string(kReadAheadBytesInAll - 1, 'x'), ""});
    EXPECT_THAT(read_ahead.Plan(maildrop, {2}), SizeIs(4)) << "a byte is free";
    other.Keep(MessageId{1}, {"x", ""});
    EXPECT_EQ(read_ahead.Plan(maildrop, {6}), Ids(6, 6));
    EXPECT_EQ(read_ahead.Plan(maildrop, {7}), Ids(7, 7));
  }
  // A session that ends gives back what it kept.
  EXPECT_EQ(read_ahead.Plan(maildrop, {8}), Ids(8, 20));
}

TEST(ReadAhead, WhatIsBeingFetchedCountsAsKept) {
  const Maildrop maildrop = Of(20, kReadAheadBytes / 4);
  constexpr size_t kEach = kReadAheadBytes / 4 * 3;
  ByteBudget budget(kReadAheadBytesInAll);
  std::deque<ReadAhead> sessions;
  for (size_t i = 0; i < kReadAheadBytesInAll / kEach + 1; ++i) {
    ReadAhead& session = sessions.emplace_back(budget);
    session.Plan(maildrop, {1});
    ASSERT_THAT(session.Plan(maildrop, {2}), SizeIs(4));
  }
  ReadAhead late(budget);
  late.Plan(maildrop, {1});
  EXPECT_EQ(late.Plan(maildrop, {2}), Ids(2, 2));
  // One whose fetch has failed keeps nothing, and gives back what it had reserved.
  sessions.pop_back();
  EXPECT_THAT(late.Plan(maildrop, {3}), SizeIs(4));
}

TEST(ReadAhead, ASessionGivesBackAllItTook) {
  const Maildrop maildrop = Of(20, 100);
  ByteBudget budget(kReadAheadBytesInAll);
  {
    ReadAhead read_ahead(budget);
    read_ahead.Plan(maildrop, {1});
    read_ahead.Plan(maildrop, {2});
    EXPECT_EQ(budget.used_bytes(), 300u);
    read_ahead.Keep(MessageId{103}, {std::string(100, 'x'), ""});
    // Greater than its listing said.
    read_ahead.Keep(MessageId{104}, {std::string(500, 'x'), ""});
    EXPECT_EQ(budget.used_bytes(), 600u);
    read_ahead.Take(MessageId{103});
    EXPECT_EQ(budget.used_bytes(), 500u);
  }
  EXPECT_EQ(budget.used_bytes(), 0u);
}

}  // namespace
}  // namespace mailstead::pop3
