#include "pop3d/session/listing.h"

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pop3d/limits.h"
#include "pop3d/protocol/limits.h"

namespace mailstead::pop3 {
namespace {

using ListingPtr = std::shared_ptr<const Listing>;

// Message n has the id n, the size 10 * n and the unique-id "u<n>".
bool Add(int64_t n, ListingBuilder& builder) {
  return builder.Add(MessageId{n}, 10 * n, absl::StrCat("u", n));
}
ListingPtr Of(const std::vector<int64_t>& messages) {
  ListingBuilder builder;
  for (const int64_t n : messages) EXPECT_TRUE(Add(n, builder));
  return std::move(builder).Build();
}
std::vector<int64_t> Range(int64_t first, int64_t last) {
  std::vector<int64_t> messages;
  for (int64_t n = first; n <= last; ++n) messages.push_back(n);
  return messages;
}
std::vector<MessageId> Ids(const std::vector<int64_t>& messages) {
  std::vector<MessageId> ids;
  for (const int64_t n : messages) ids.push_back(MessageId{n});
  return ids;
}

// The same as one made of nothing but its messages, in every answer that it gives.
void ExpectIs(const Listing& listing, const std::vector<int64_t>& messages) {
  ASSERT_EQ(listing.count(), messages.size());
  uint64_t size_bytes = 0;
  for (size_t i = 0; i < messages.size(); ++i) {
    const auto message = listing.Find({i + 1});
    ASSERT_TRUE(message.has_value());
    ASSERT_EQ(message->number.value, i + 1);
    ASSERT_EQ(message->id.value, messages[i]);
    ASSERT_EQ(message->size_bytes, static_cast<uint64_t>(10 * messages[i]));
    ASSERT_EQ(message->unique_id, absl::StrCat("u", messages[i]));
    size_bytes += message->size_bytes;
  }
  EXPECT_EQ(listing.size_bytes(), size_bytes);
  EXPECT_FALSE(listing.Find({0}).has_value());
  EXPECT_FALSE(listing.Find({messages.size() + 1}).has_value());
  EXPECT_FALSE(listing.Find({std::numeric_limits<uint64_t>::max()}).has_value());
}

TEST(Listing, OfNothing) {
  ExpectIs(*Listing::Empty(), {});
  EXPECT_EQ(ListingBuilder().Build(), Listing::Empty());
}

TEST(Listing, TakesOnlyUniqueIdsOfRfc1939) {
  ListingBuilder builder;
  EXPECT_TRUE(builder.Add(MessageId{1}, 1, "!"));
  EXPECT_TRUE(builder.Add(MessageId{2}, 1, "~"));
  EXPECT_TRUE(builder.Add(MessageId{3}, 1, std::string(kMaxUniqueIdBytes, 'x')));
  EXPECT_FALSE(builder.Add(MessageId{4}, 1, std::string(kMaxUniqueIdBytes + 1, 'x')));
  EXPECT_FALSE(builder.Add(MessageId{4}, 1, ""));
  EXPECT_FALSE(builder.Add(MessageId{4}, 1, "a b"));
  EXPECT_FALSE(builder.Add(MessageId{4}, 1, "a\r\nb"));
  EXPECT_FALSE(builder.Add(MessageId{4}, 1, "\xC3\xA4"));
  EXPECT_EQ(builder.count(), 3u);
  EXPECT_EQ(std::move(builder).Build()->count(), 3u);
}

TEST(Listing, IdsGrowAndSizesAreNone) {
  ListingBuilder builder;
  EXPECT_FALSE(builder.Add(MessageId{0}, 1, "u"));
  EXPECT_TRUE(builder.Add(MessageId{5}, 0, "u"));
  EXPECT_FALSE(builder.Add(MessageId{5}, 1, "u"));
  EXPECT_FALSE(builder.Add(MessageId{4}, 1, "u"));
  EXPECT_FALSE(builder.Add(MessageId{6}, -1, "u"));
  EXPECT_FALSE(builder.Add(MessageId{6}, int64_t{1} << 48, "u"));
  EXPECT_TRUE(builder.Add(MessageId{6}, (int64_t{1} << 48) - 1, "u"));
  EXPECT_EQ(std::move(builder).Build()->Find({2})->size_bytes, (uint64_t{1} << 48) - 1);
}

TEST(Listing, IsFullAtItsLimit) {
  ListingBuilder builder;
  const int64_t last = kMaxMaildropMessages;
  for (int64_t n = 1; n <= last; ++n) ASSERT_TRUE(builder.Add(MessageId{n}, 1, "u"));
  EXPECT_FALSE(builder.Add(MessageId{last + 1}, 1, "u"));
  const ListingPtr full = std::move(builder).Build();
  EXPECT_EQ(full->count(), kMaxMaildropMessages);
  EXPECT_EQ(full->Find({kMaxMaildropMessages})->id.value, last);
  // Also when it is made of another one.
  ListingBuilder more(*full, {});
  EXPECT_FALSE(more.Add(MessageId{last + 1}, 1, "u"));
  ListingBuilder again(*full, {MessageId{1}});
  EXPECT_TRUE(again.Add(MessageId{last + 1}, 1, "u"));
  EXPECT_FALSE(again.Add(MessageId{last + 2}, 1, "u"));
}

TEST(Listing, MayBeFullEarlier) {
  ListingBuilder builder({.max_messages = 2});
  for (const int64_t n : {1, 2}) EXPECT_TRUE(builder.Add(MessageId{n}, 1, "u"));
  EXPECT_FALSE(builder.Add(MessageId{3}, 1, "u"));
  const ListingPtr full = std::move(builder).Build();
  EXPECT_EQ(full->count(), 2u);
  ListingBuilder again(*full, {MessageId{1}}, {.max_messages = 2});
  EXPECT_TRUE(again.Add(MessageId{3}, 1, "u"));
  EXPECT_FALSE(again.Add(MessageId{4}, 1, "u"));
}

TEST(Listing, CostsNoMoreThanWasReserved) {
  for (const size_t count : {1u, 511u, 512u, 513u, 2000u}) {
    for (const size_t id_bytes : {size_t{6}, size_t{20}, kMaxUniqueIdBytes}) {
      ByteBudget budget(size_t{1} << 30);
      ByteHold hold(budget);
      hold.Take(Listing::MemoryOf(count, id_bytes));
      const size_t reserved = budget.used_bytes();
      ListingBuilder builder({.memory = std::move(hold)});
      for (size_t n = 1; n <= count; ++n) {
        const std::string number = absl::StrCat(100'000 + n);
        ASSERT_TRUE(builder.Add(MessageId{static_cast<int64_t>(n)}, 1,
                                std::string(id_bytes - number.size(), 'x') + number));
      }
      const ListingPtr listing = std::move(builder).Build();
      EXPECT_LE(listing->memory_bytes(), reserved + sizeof(Listing)) << count << " " << id_bytes;
      EXPECT_LE(budget.used_bytes(), reserved + 32) << count << " " << id_bytes;
    }
  }
}

TEST(Listing, HundredThousandMessagesKeepTheirIds) {
  ListingBuilder builder;
  for (int i = 1; i <= 100'000; ++i) {
    ASSERT_TRUE(builder.Add(MessageId{i}, i, absl::StrCat("unique-id-", i)));
  }
  const ListingPtr listing = std::move(builder).Build();
  for (const uint64_t i : {1, 2, 9999, 10'000, 99'999, 100'000}) {
    EXPECT_EQ(listing->Find({i})->unique_id, absl::StrCat("unique-id-", i));
  }
  // 16 bytes and the unique-id for each message, as the header says.
  EXPECT_LT(listing->memory_bytes(), 100'000u * (16 + sizeof("unique-id-100000")));
}

TEST(Listing, LongUniqueIdsInAFullChunk) {
  ListingBuilder builder;
  const int64_t last = 2 * kListingChunkEntries;
  for (int64_t n = 1; n <= last; ++n) {
    ASSERT_TRUE(
        builder.Add(MessageId{n}, n, absl::StrCat(std::string(kMaxUniqueIdBytes - 5, 'x'), 10'000 + n)));
  }
  const ListingPtr listing = std::move(builder).Build();
  for (int64_t n = 1; n <= last; ++n) {
    ASSERT_EQ(listing->Find({static_cast<uint64_t>(n)})->unique_id,
              absl::StrCat(std::string(kMaxUniqueIdBytes - 5, 'x'), 10'000 + n));
  }
}

TEST(Listing, WhatCameAndWent) {
  const ListingPtr base = Of(Range(1, 10));
  ListingBuilder builder(*base, Ids({1, 4, 5, 10, 11}));
  for (const int64_t n : {12, 13}) EXPECT_TRUE(Add(n, builder));
  ExpectIs(*std::move(builder).Build(), {2, 3, 6, 7, 8, 9, 12, 13});
  // The one before is as it was.
  ExpectIs(*base, Range(1, 10));
}

TEST(Listing, AllGone) {
  ListingBuilder builder(*Of(Range(1, 3000)), Ids(Range(1, 3000)));
  EXPECT_EQ(std::move(builder).Build(), Listing::Empty());
}

TEST(Listing, WhatDoesNotChangeIsShared) {
  const ListingPtr base = Of(Range(1, 50 * kListingChunkEntries));
  const auto first = base->Find({1})->unique_id.data();
  const auto middle = base->Find({25 * kListingChunkEntries})->unique_id.data();
  ListingBuilder builder(*base, Ids({1}));
  EXPECT_TRUE(Add(1'000'000, builder));
  const ListingPtr next = std::move(builder).Build();
  EXPECT_NE(next->Find({1})->unique_id.data(), first);
  EXPECT_EQ(next->Find({25 * kListingChunkEntries - 1})->unique_id.data(), middle);
}

// What a session costs that finds one message more each time, and one less, must not grow.
TEST(Listing, SmallChangesDoNotMakeManyChunks) {
  ListingPtr listing = Of(Range(1, 2000));
  const size_t before = listing->memory_bytes();
  for (int64_t n = 2001; n <= 12'000; ++n) {
    ListingBuilder builder(*listing, Ids({n - 2000}));
    ASSERT_TRUE(Add(n, builder));
    listing = std::move(builder).Build();
  }
  ExpectIs(*listing, Range(10'001, 12'000));
  EXPECT_LT(listing->memory_bytes(), 2 * before);
}

// Deltas of every kind, one on top of the other, against a plain list.
TEST(Listing, RandomChangesAgainstAFullListing) {
  for (uint32_t seed = 1; seed <= 8; ++seed) {
    std::mt19937 random(seed);
    const auto upto = [&random](size_t n) { return static_cast<int64_t>(random() % (n + 1)); };
    std::vector<int64_t> messages = Range(1, upto(3000));
    int64_t last = messages.empty() ? 0 : messages.back();
    ListingPtr listing = Of(messages);
    for (int round = 0; round < 40; ++round) {
      std::vector<int64_t> left;
      std::vector<MessageId> removed;
      // Single ones, many, or all of a range.
      const int64_t rarity = 1 + upto(round % 3 == 0 ? 1 : 200);
      const int64_t begin = upto(static_cast<size_t>(last));
      const int64_t end = begin + upto(1500);
      for (const int64_t n : messages) {
        const bool goes = n >= begin && n <= end && upto(static_cast<size_t>(rarity)) == 0;
        if (goes) {
          removed.push_back(MessageId{n});
        } else {
          left.push_back(n);
        }
      }
      ListingBuilder builder(*listing, removed);
      for (int64_t count = upto(round % 5 == 0 ? 1200 : 3); count > 0; --count) {
        last += 1 + upto(2);
        ASSERT_TRUE(Add(last, builder));
        left.push_back(last);
      }
      ASSERT_EQ(builder.count(), left.size());
      listing = std::move(builder).Build();
      messages = std::move(left);
      ExpectIs(*listing, messages);
      if (HasFatalFailure()) FAIL() << "seed " << seed << ", round " << round;
    }
  }
}

}  // namespace
}  // namespace mailstead::pop3
