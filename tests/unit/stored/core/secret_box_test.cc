#include "stored/core/secret_box.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace mailstead::stored {
namespace {

constexpr char kSecret[] = "the secret of the test";

// 00 01 02 ...
std::string Counting(size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

// What another implementation of HMAC-SHA256 and AES-256-GCM makes of the same. A change here is a change of the format,
// and needs another version byte.
TEST(SecretBox, KnownAnswers) {
  struct Row {
    std::string plain;
    std::string belongs_to;
    const char* sealed;
  };
  const Row rows[] = {
      {"", "",
       "01980ffda0f824a066"
       "000102030405060708090a0b"
       "e9e2c1d4f230cdc3f26d61da0ccd138a"},
      {"secret", "",
       "01980ffda0f824a066"
       "000102030405060708090a0b"
       "26e65eb3ed58"
       "84c9efec5668c00f5a2e623adcf0faa2"},
      {"correct horse battery staple", std::string("route\0default\0", 14),
       "01980ffda0f824a066"
       "000102030405060708090a0b"
       "36ec4fb3ed4f9281b2a20d29fefaa9777871abf4a0b7bc16f6c7f200"
       "a923850da520d118129da99a1c2c1569"},
  };
  const SecretBox box(kSecret, Counting);
  for (const Row& row : rows) {
    EXPECT_EQ(absl::BytesToHexString(box.Seal(row.plain, row.belongs_to)), row.sealed) << row.plain;
    const auto opened = SecretBox(kSecret).Open(absl::HexStringToBytes(row.sealed), row.belongs_to);
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(*opened, row.plain);
  }
}

TEST(SecretBox, TheSameIsNeverSealedTheSameTwice) {
  const SecretBox box(kSecret);
  std::set<std::string> sealed;
  for (int i = 0; i < 100; ++i) sealed.insert(box.Seal("secret", "a"));
  EXPECT_EQ(sealed.size(), 100u);
}

TEST(SecretBox, EveryChangedBitAndEveryCutIsSeen) {
  const SecretBox box(kSecret);
  const std::string sealed = box.Seal("secret", "a");
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    // The key's id says that it is another key.
    const bool in_key_id = bit / 8 >= 1 && bit / 8 < 9;
    EXPECT_EQ(box.Open(changed, "a").status().code(),
              in_key_id ? absl::StatusCode::kFailedPrecondition : absl::StatusCode::kDataLoss)
        << bit;
  }
  for (size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(box.Open(sealed.substr(0, size), "a").status())) << size;
  }
  EXPECT_TRUE(absl::IsDataLoss(box.Open(absl::StrCat(sealed, "x"), "a").status()));
}

TEST(SecretBox, OpensForWhatItBelongsToOnly) {
  const SecretBox box(kSecret);
  const std::string sealed = box.Seal("secret", "route a");
  EXPECT_TRUE(box.Open(sealed, "route a").ok());
  for (const char* other : {"", "route", "route b", "route a "}) {
    EXPECT_TRUE(absl::IsDataLoss(box.Open(sealed, other).status())) << other;
  }
}

TEST(SecretBox, AnotherKeyIsNamedAsTheCause) {
  const std::string sealed = SecretBox(kSecret).Seal("secret", "a");
  EXPECT_TRUE(absl::IsFailedPrecondition(SecretBox("another secret").Open(sealed, "a").status()));
}

}  // namespace
}  // namespace mailstead::stored
