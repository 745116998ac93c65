#include "pop3d/listing_cache.h"

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead::pop3 {
namespace {

std::shared_ptr<const Listing> Of(int64_t count) {
  ListingBuilder builder;
  for (int64_t n = 1; n <= count; ++n) EXPECT_TRUE(builder.Add(MessageId{n}, n, absl::StrCat("uid-", n)));
  return std::move(builder).Build();
}

KnownListing Known(int64_t account, std::string version, int64_t count = 3) {
  return {AccountId{account}, std::move(version), Of(count)};
}

std::string VersionOf(const std::optional<KnownListing>& known) {
  return known.has_value() ? known->version : "none";
}

TEST(ListingCache, FindsByAccountAndByName) {
  ListingCache cache(1 << 20);
  EXPECT_EQ(VersionOf(cache.Find(AccountId{1})), "none");
  EXPECT_EQ(VersionOf(cache.FindByName("demo@example.test")), "none");
  cache.Remember(Known(1, "v1"), "Demo@Example.test");
  cache.Remember(Known(2, "w1"), "other@example.test");
  EXPECT_EQ(VersionOf(cache.Find(AccountId{1})), "v1");
  const auto known = cache.FindByName("demo@example.TEST");
  EXPECT_EQ(VersionOf(known), "v1");
  ASSERT_TRUE(known.has_value());
  EXPECT_EQ(known->account, AccountId{1});
  EXPECT_EQ(known->listing->count(), 3u);
  EXPECT_EQ(VersionOf(cache.FindByName("")), "none");
}

TEST(ListingCache, RemembersTheNewestOfAnAccount) {
  ListingCache cache(1 << 20);
  cache.Remember(Known(1, "v1", 1000), "demo");
  const size_t before = cache.used_bytes();
  // After a commit nobody says the name again.
  cache.Remember(Known(1, "v2", 0), "");
  EXPECT_EQ(cache.count(), 1u);
  EXPECT_LT(cache.used_bytes(), before);
  EXPECT_EQ(VersionOf(cache.Find(AccountId{1})), "v2");
  EXPECT_EQ(VersionOf(cache.FindByName("demo")), "v2");
}

TEST(ListingCache, ANameLeadsToTheAccountThatUsedItLast) {
  ListingCache cache(1 << 20);
  cache.Remember(Known(1, "v1"), "demo");
  cache.Remember(Known(2, "w1"), "demo");
  EXPECT_EQ(VersionOf(cache.FindByName("demo")), "w1");
  EXPECT_EQ(VersionOf(cache.Find(AccountId{1})), "v1");
  // And an account is known by the name it used last.
  cache.Remember(Known(2, "w2"), "alias");
  EXPECT_EQ(VersionOf(cache.FindByName("alias")), "w2");
  EXPECT_EQ(VersionOf(cache.FindByName("demo")), "none");
}

TEST(ListingCache, StaysWithinItsBudgetAndForgetsTheLeastRecentlyUsed) {
  ListingCache measure(1 << 20);
  measure.Remember(Known(1, "v"), "n1");
  const size_t each = measure.used_bytes();
  ListingCache cache(3 * each);
  for (int64_t account = 1; account <= 3; ++account)
    cache.Remember(Known(account, "v"), absl::StrCat("n", account));
  EXPECT_EQ(cache.count(), 3u);
  EXPECT_EQ(cache.used_bytes(), 3 * each);
  EXPECT_EQ(VersionOf(cache.Find(AccountId{1})), "v");
  cache.Remember(Known(4, "v"), "n4");
  EXPECT_EQ(cache.count(), 3u);
  EXPECT_EQ(VersionOf(cache.Find(AccountId{2})), "none");
  EXPECT_EQ(VersionOf(cache.FindByName("n2")), "none");
  EXPECT_EQ(VersionOf(cache.FindByName("n1")), "v");
  // One that needs the room of all.
  cache.Remember(Known(5, "great", 20), "n5");
  EXPECT_LE(cache.used_bytes(), 3 * each);
  EXPECT_EQ(VersionOf(cache.Find(AccountId{5})), "great");
}

TEST(ListingCache, WhatIsGreaterThanTheBudgetIsNotRememberedAndTheOlderOneGoes) {
  ListingCache cache(4096);
  cache.Remember(Known(1, "v1"), "demo");
  cache.Remember(Known(2, "w1"), "other");
  cache.Remember(Known(1, "v2", 10'000), "demo");
  EXPECT_EQ(VersionOf(cache.Find(AccountId{1})), "none");
  EXPECT_EQ(VersionOf(cache.FindByName("demo")), "none");
  EXPECT_EQ(VersionOf(cache.Find(AccountId{2})), "w1");
}

TEST(ListingCache, OfNothingRemembersNothing) {
  ListingCache cache(0);
  cache.Remember(Known(1, "v1", 0), "demo");
  EXPECT_EQ(cache.count(), 0u);
  EXPECT_EQ(cache.used_bytes(), 0u);
}

TEST(ListingCache, ASessionKeepsWhatTheCacheForgets) {
  ListingCache cache(1 << 20);
  cache.Remember(Known(1, "v1"), "demo");
  const auto known = cache.Find(AccountId{1});
  cache.Remember(Known(1, "v2", 0), "");
  ASSERT_TRUE(known.has_value());
  EXPECT_EQ(known->listing->count(), 3u);
}

// A listing that is counted.
std::shared_ptr<const Listing> Counted(ListingCache& cache, int64_t count) {
  ByteHold hold = *cache.Reserve(Listing::MemoryOf(static_cast<size_t>(count), 8));
  ListingBuilder builder({.memory = std::move(hold)});
  for (int64_t n = 1; n <= count; ++n) EXPECT_TRUE(builder.Add(MessageId{n}, n, absl::StrCat("uid-", n)));
  return std::move(builder).Build();
}

TEST(ListingCache, CountsAllListingsAndWhatTheyShareOnce) {
  ListingCache cache(1 << 20);
  std::shared_ptr<const Listing> listing = Counted(cache, 1000);
  const size_t each = cache.memory().used_bytes();
  EXPECT_EQ(each, listing->memory_bytes() - sizeof(Listing));
  EXPECT_LE(each, Listing::MemoryOf(1000, 8));
  cache.Remember({AccountId{1}, "v1", listing}, "demo");
  EXPECT_EQ(cache.memory().used_bytes(), each);
  // Of two chunks the second one is made anew.
  ListingBuilder builder(*listing, {MessageId{1000}}, {.memory = *cache.Reserve(0)});
  std::shared_ptr<const Listing> later = std::move(builder).Build();
  EXPECT_GT(cache.memory().used_bytes(), each + each / 4);
  EXPECT_LT(cache.memory().used_bytes(), each + each * 3 / 4);
  EXPECT_LE(cache.memory().used_bytes(), each + listing->MemoryWithout(1));
  cache.Remember({AccountId{1}, "v2", later}, "demo");
  listing.reset();
  EXPECT_EQ(cache.memory().used_bytes(), later->memory_bytes() - sizeof(Listing));
  cache.Remember({AccountId{1}, "v3", Listing::Empty()}, "demo");
  later.reset();
  EXPECT_EQ(cache.memory().used_bytes(), 0u);
}

TEST(ListingCache, WhatIsRememberedGivesWayToSessionsAndWhatTheyLookAtStays) {
  const size_t each = [] {
    ListingCache measure(1 << 20);
    const auto listing = Counted(measure, 1000);
    return measure.memory().used_bytes();
  }();
  ListingCache cache(size_t{1} << 30, 4 * each);
  const std::shared_ptr<const Listing> looked_at = Counted(cache, 1000);
  cache.Remember({AccountId{1}, "v", looked_at}, "n1");
  cache.Remember({AccountId{2}, "v", Counted(cache, 1000)}, "n2");
  cache.Remember({AccountId{3}, "v", Counted(cache, 1000)}, "n3");
  EXPECT_EQ(VersionOf(cache.Find(AccountId{2})), "v");
  {
    // There is room for this one, and not for a second.
    const std::optional<ByteHold> one = cache.Reserve(each);
    EXPECT_TRUE(one.has_value());
    EXPECT_EQ(cache.count(), 3u);
    const std::optional<ByteHold> two = cache.Reserve(each);
    EXPECT_TRUE(two.has_value());
    // The least recently used one that nobody looks at has gone.
    EXPECT_EQ(VersionOf(cache.Find(AccountId{3})), "none");
    EXPECT_EQ(VersionOf(cache.FindByName("n3")), "none");
    EXPECT_EQ(cache.count(), 2u);
    const std::optional<ByteHold> three = cache.Reserve(each);
    EXPECT_TRUE(three.has_value());
    EXPECT_EQ(VersionOf(cache.Find(AccountId{2})), "none");
    // Now sessions have all of it.
    EXPECT_FALSE(cache.Reserve(1).has_value());
    EXPECT_EQ(VersionOf(cache.Find(AccountId{1})), "v");
    EXPECT_EQ(cache.memory().used_bytes(), 4 * each);
  }
  EXPECT_EQ(cache.memory().used_bytes(), each);
}

TEST(ListingCache, WhatCanNeverFitTakesNothingAway) {
  ListingCache cache(1 << 20, 1 << 16);
  cache.Remember({AccountId{1}, "v", Counted(cache, 100)}, "demo");
  EXPECT_FALSE(cache.Reserve((1 << 16) + 1).has_value());
  EXPECT_EQ(cache.count(), 1u);
  EXPECT_TRUE(cache.Reserve(1 << 16).has_value());
  EXPECT_EQ(cache.count(), 0u);
}

TEST(ListingCache, ForgetsAnAccount) {
  ListingCache cache(1 << 20);
  cache.Remember(Known(1, "v1"), "demo");
  cache.Remember(Known(2, "w1"), "other");
  cache.Forget(AccountId{1});
  cache.Forget(AccountId{3});
  EXPECT_EQ(VersionOf(cache.Find(AccountId{1})), "none");
  EXPECT_EQ(VersionOf(cache.FindByName("demo")), "none");
  EXPECT_EQ(VersionOf(cache.FindByName("other")), "w1");
}

TEST(ListingCache, ManyThreads) {
  ListingCache cache(20'000);
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (int64_t i = 0; i < 500; ++i) {
        const int64_t account = (i * (t + 1)) % 50;
        cache.Remember(Known(account, absl::StrCat(i), i % 30), absl::StrCat("n", account % 40));
        cache.FindByName(absl::StrCat("n", i % 40));
        const auto known = cache.Find(AccountId{account});
        if (known.has_value()) {
          EXPECT_EQ(known->account, AccountId{account});
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.used_bytes(), 20'000u);
}

}  // namespace
}  // namespace mailstead::pop3
