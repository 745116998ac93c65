#include "stored/core/paging.h"

#include <gtest/gtest.h>

#include "common/base/reason.h"
#include "stored/core/limits.h"

namespace mailstead::stored {
namespace {

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

}  // namespace
}  // namespace mailstead::stored
