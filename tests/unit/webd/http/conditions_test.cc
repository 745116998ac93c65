#include "webd/http/conditions.h"

#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

constexpr absl::string_view kTag = "\"a,b\"";

Condition Of(std::vector<HeaderField> fields) { return Judge({.fields = std::move(fields)}, kTag); }

TEST(Conditions, IfNoneMatch) {
  for (const char* const value :
       {"\"a,b\"", "W/\"a,b\"", "\"x\", \"a,b\"", "*", "\"x\",W/\"y\" , \"a,b\",\"z\""}) {
    EXPECT_EQ(Of({{"if-none-match", value}}), Condition::kNotModified) << value;
  }
  for (const char* const value :
       {"", "a,b", "\"a\"", "\"a,b", "\"x\" \"a,b\"", "w/\"a,b\"", "\"A,B\"", "*x"}) {
    EXPECT_EQ(Of({{"if-none-match", value}}), Condition::kHolds) << value;
  }
  EXPECT_EQ(Of({{"if-none-match", "\"x\""}, {"if-none-match", "\"a,b\""}}), Condition::kNotModified);
}

TEST(Conditions, IfMatchIsStrong) {
  EXPECT_EQ(Of({{"if-match", "\"a,b\""}}), Condition::kHolds);
  EXPECT_EQ(Of({{"if-match", "*"}}), Condition::kHolds);
  EXPECT_EQ(Of({{"if-match", "W/\"a,b\""}}), Condition::kFailed);
  EXPECT_EQ(Of({{"if-match", "\"x\""}}), Condition::kFailed);
  EXPECT_EQ(Of({{"if-match", ""}}), Condition::kFailed);
  EXPECT_EQ(Of({{"if-none-match", "\"a,b\""}, {"if-match", "\"x\""}}), Condition::kFailed)
      << "RFC 9110 section 13.2.2: If-Match is first";
}

TEST(Conditions, IfRangeIsOneStrongTag) {
  const auto counts = [](std::vector<HeaderField> fields) {
    return RangeCounts({.fields = std::move(fields)}, kTag);
  };
  EXPECT_TRUE(counts({}));
  EXPECT_TRUE(counts({{"if-range", "\"a,b\""}}));
  EXPECT_FALSE(counts({{"if-range", "W/\"a,b\""}}));
  EXPECT_FALSE(counts({{"if-range", "Sun, 06 Nov 1994 08:49:37 GMT"}})) << "there are no dates";
  EXPECT_FALSE(counts({{"if-range", "\"a,b\""}, {"if-range", "\"a,b\""}}));
}

}  // namespace
}  // namespace mailstead::web
