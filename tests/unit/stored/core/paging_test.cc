#include "stored/core/paging.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "common/base/details.h"
#include "common/base/reason.h"
#include "common/base/task.h"
#include "stored/core/limits.h"
#include "tests/support/block_on.h"

namespace mailstead::stored {
namespace {

TEST(Paging, ReadPageTellsAllThatIsWrong) {
  const absl::StatusOr<PageStart> page = ReadPage("x", 7, MakePageToken("x", "key"));
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->size, 7u);
  EXPECT_EQ(page->after, "key");
  const std::vector<FieldViolation> wrong = ViolationsOf(ReadPage("x", -1, "?").status());
  ASSERT_EQ(wrong.size(), 2u);
  EXPECT_EQ(wrong[0].field, "page_size");
  EXPECT_EQ(wrong[1].field, "page_token");
}

TEST(Paging, Sizes) {
  EXPECT_EQ(*CheckPageSize(0), kDefaultPageSize);
  EXPECT_EQ(*CheckPageSize(1), 1u);
  EXPECT_EQ(*CheckPageSize(1000), 1000u);
  EXPECT_EQ(*CheckPageSize(1001), 1000u);
  EXPECT_EQ(FieldOf(CheckPageSize(-1).status()), "page_size");
}

TEST(Paging, TokensComeBack) {
  EXPECT_EQ(*ReadPageToken("domains", ""), "");
  const std::string token = MakePageToken("domains", "example.test");
  EXPECT_EQ(*ReadPageToken("domains", token), "example.test");
  EXPECT_EQ(token.find("example"), std::string::npos);
}

TEST(Paging, OnlyTheListingsOwnTokensAreTaken) {
  const std::string token = MakePageToken("accounts/a.test", "x@a.test");
  for (const std::string& bad : {token.substr(1), token.substr(0, token.size() - 4), token + "AAAA",
                                 std::string("x"), std::string("****"), std::string(2000, 'A')}) {
    EXPECT_EQ(FieldOf(ReadPageToken("accounts/a.test", bad).status()), "page_token") << bad;
  }
  EXPECT_EQ(FieldOf(ReadPageToken("accounts/b.test", token).status()), "page_token");
  EXPECT_EQ(FieldOf(ReadPageToken("accounts/", token).status()), "page_token");
}

// Numbers from 1 on, each of so many bytes, listed as an engine does it.
struct Numbers {
  size_t count;
  size_t bytes_each = 1;
  // How many it was asked for, call by call.
  std::vector<size_t> asked = {};

  absl::StatusOr<Gathered<size_t>> Page(size_t after, size_t page_size) {
    asked.clear();
    const auto list = [this](size_t behind, size_t limit) { return List(behind, limit); };
    const auto key = [](size_t number) { return number; };
    const auto size = [this](size_t) { return bytes_each; };
    return BlockOn(Gather<size_t>(after, page_size, list, key, size));
  }

  Task<absl::StatusOr<std::vector<size_t>>> List(size_t behind, size_t limit) {
    asked.push_back(limit);
    std::vector<size_t> numbers;
    for (size_t n = behind + 1; n <= count && numbers.size() < limit; ++n) numbers.push_back(n);
    co_return numbers;
  }
};

TEST(Paging, APageHasAsManyItemsAsWereAskedFor) {
  for (const size_t page_size : {1u, 31u, 32u, 33u, 100u}) {
    for (const size_t count : {page_size - 1, page_size, page_size + 1}) {
      Numbers numbers{.count = count};
      const auto page = numbers.Page(0, page_size);
      ASSERT_TRUE(page.ok());
      EXPECT_EQ(page->items.size(), std::min(count, page_size)) << count << " of " << page_size;
      EXPECT_EQ(page->more, count > page_size) << count << " of " << page_size;
    }
  }
}

TEST(Paging, TheEngineIsAskedForAFewAtOnce) {
  Numbers numbers{.count = 1000};
  EXPECT_EQ(numbers.Page(0, 100)->items.size(), 100u);
  EXPECT_EQ(numbers.asked, (std::vector<size_t>{32, 32, 32, 5}));
  EXPECT_EQ(numbers.Page(990, 100)->items.size(), 10u);
  EXPECT_EQ(numbers.asked, (std::vector<size_t>{32}));
}

TEST(Paging, APageEndsWhereItsBytesDo) {
  for (const size_t each : {kMaxPageBytes / 4, kMaxPageBytes / 4 + 1}) {
    const size_t fits = each > kMaxPageBytes / 4 ? 3 : 4;
    Numbers numbers{.count = 10, .bytes_each = each};
    const auto page = numbers.Page(0, 100);
    EXPECT_EQ(page->items.size(), fits);
    EXPECT_TRUE(page->more);
    // All come, page by page.
    const auto last = numbers.Page(10 - fits, 100);
    EXPECT_EQ(last->items.size(), fits);
    EXPECT_FALSE(last->more);
  }
}

TEST(Paging, OneItemAlwaysFits) {
  Numbers numbers{.count = 2, .bytes_each = 3 * kMaxPageBytes};
  for (const size_t after : {0u, 1u}) {
    const auto page = numbers.Page(after, 100);
    EXPECT_EQ(page->items, std::vector<size_t>{after + 1});
    EXPECT_EQ(page->more, after == 0);
  }
}

}  // namespace
}  // namespace mailstead::stored
