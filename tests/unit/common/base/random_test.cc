#include "common/base/random.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace mailstead {
namespace {

TEST(RandomTest, GivesTheSizeAskedFor) {
  for (const size_t size : {0u, 1u, 20u, 26u, 1000u}) {
    EXPECT_EQ(RandomBytes(size).size(), size);
    EXPECT_EQ(RandomId(size).size(), size);
  }
}

TEST(RandomTest, IdsHaveEachOfThe32CharactersAndNoOther) {
  const std::string id = RandomId(10'000);
  const std::set<char> seen(id.begin(), id.end());
  EXPECT_EQ(seen.size(), 32u);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdefghjkmnpqrstvwxyz"), std::string::npos);
}

TEST(RandomTest, IdsDoNotRepeat) {
  std::set<std::string> ids;
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(ids.insert(RandomId(20)).second);
}

// Each of 256 values is expected about 1,000 times; a bias of a third is 10 standard deviations away.
TEST(RandomTest, BytesAreEven) {
  int counts[256] = {};
  for (const char c : RandomBytes(256'000)) ++counts[static_cast<unsigned char>(c)];
  for (const int count : counts) {
    EXPECT_GT(count, 670);
    EXPECT_LT(count, 1330);
  }
}

TEST(Random, FractionsLieEverywhereBetweenZeroAndOne) {
  bool low = false;
  bool high = false;
  for (int i = 0; i < 1000; ++i) {
    const double fraction = RandomFraction();
    ASSERT_GE(fraction, 0);
    ASSERT_LT(fraction, 1);
    low = low || fraction < 0.1;
    high = high || fraction > 0.9;
  }
  EXPECT_TRUE(low);
  EXPECT_TRUE(high);
}

}  // namespace
}  // namespace mailstead
