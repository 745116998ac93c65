#include "mailctl/arguments.h"

#include <gtest/gtest.h>

#include "mailctl/exit_code.h"

namespace mailstead::ctl {
namespace {

Arguments With(const std::string& option, const std::string& value) {
  return Arguments({}, {{option, {value}}});
}

TEST(ArgumentsTest, AbsentIsNotAnError) {
  const Arguments none;
  EXPECT_FALSE(none.Has("to"));
  EXPECT_EQ(none.Get("to", "otherwise"), "otherwise");
  EXPECT_TRUE(none.GetAll("to").empty());
  EXPECT_EQ(none.positional(0), "");
  EXPECT_EQ(none.GetBytes("quota_bytes").value(), std::nullopt);
  EXPECT_EQ(none.GetCount("quota_messages").value(), std::nullopt);
  EXPECT_EQ(none.GetBool("disabled").value(), std::nullopt);
  EXPECT_EQ(none.GetDuration("timeout").value(), std::nullopt);
}

TEST(ArgumentsTest, LastValueWinsAndAllAreKept) {
  const Arguments arguments({}, {{"to", {"a@b", "c@d"}}});
  EXPECT_EQ(arguments.Get("to"), "c@d");
  EXPECT_EQ(arguments.GetAll("to"), (std::vector<std::string>{"a@b", "c@d"}));
}

TEST(ArgumentsTest, Bytes) {
  const std::pair<const char*, uint64_t> good[] = {{"0", 0},
                                                   {"1000000", 1'000'000},
                                                   {"10K", 10 * 1024},
                                                   {"10k", 10 * 1024},
                                                   {"500M", 500ull << 20},
                                                   {"500MiB", 500ull << 20},
                                                   {"500MB", 500ull << 20},
                                                   {"2G", 2ull << 30},
                                                   {"3T", 3ull << 40},
                                                   {"7B", 7},
                                                   {"18446744073709551615", UINT64_MAX},
                                                   {"16777215T", 16777215ull << 40}};
  for (const auto& [text, bytes] : good) {
    EXPECT_EQ(With("quota_bytes", text).GetBytes("quota_bytes").value(), bytes) << text;
  }
  for (const char* bad :
       {"", "-1", "+1", " 1", "1 ", "1.5G", "G", "1X", "18446744073709551616", "16777216T", "KK"}) {
    const auto result = With("quota_bytes", bad).GetBytes("quota_bytes");
    ASSERT_FALSE(result.ok()) << bad;
    EXPECT_TRUE(IsUsageError(result.status()));
    EXPECT_EQ(result.status().message().find("--quota_bytes="), 0u) << result.status();
  }
}

TEST(ArgumentsTest, Count) {
  EXPECT_EQ(With("n", "12").GetCount("n").value(), 12u);
  EXPECT_EQ(With("n", "18446744073709551615").GetCount("n").value(), UINT64_MAX);
  for (const char* bad : {"", "-1", "1k", "0x10", "18446744073709551616"}) {
    EXPECT_TRUE(IsUsageError(With("n", bad).GetCount("n").status())) << bad;
  }
}

TEST(ArgumentsTest, Bool) {
  EXPECT_EQ(With("disabled", "yes").GetBool("disabled").value(), true);
  EXPECT_EQ(With("disabled", "no").GetBool("disabled").value(), false);
  EXPECT_TRUE(IsUsageError(With("disabled", "maybe").GetBool("disabled").status()));
}

TEST(ArgumentsTest, Duration) {
  EXPECT_EQ(With("timeout", "1m30s").GetDuration("timeout").value(), absl::Seconds(90));
  for (const char* bad : {"", "0s", "-5s", "30", "soon"}) {
    EXPECT_TRUE(IsUsageError(With("timeout", bad).GetDuration("timeout").status())) << bad;
  }
}

TEST(ArgumentsTest, Ids) {
  EXPECT_EQ(ParseId("message", "1").value(), 1u);
  EXPECT_EQ(ParseId("message", "18446744073709551615").value(), UINT64_MAX);
  for (const char* bad : {"", "0", "-1", "one", "1.0", "18446744073709551616"}) {
    EXPECT_TRUE(IsUsageError(ParseId("message", bad).status())) << bad;
  }
}

}  // namespace
}  // namespace mailstead::ctl
