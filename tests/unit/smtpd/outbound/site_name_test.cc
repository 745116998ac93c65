#include "smtpd/outbound/site_name.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/store/limits.h"

namespace mailstead::smtp::outbound {
namespace {

std::vector<std::string> Many(int count) {
  std::vector<std::string> hosts;
  for (int i = 0; i < count; ++i) hosts.push_back(absl::StrCat("mx", i, ".example.net"));
  return hosts;
}

// By the store.
bool IsTaken(const std::string& name) {
  return name.size() <= store::kMaxSiteBytes && std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != '@';
         });
}

TEST(SiteName, IsTheSortedNames) {
  EXPECT_EQ(SiteName({"mx.example.net"}), "mx.example.net");
  EXPECT_EQ(SiteName({"mx2.example.net", "mx1.example.net"}), "mx1.example.net,mx2.example.net");
  EXPECT_EQ(SiteName({"MX.example.net", "mx.Example.net"}), "mx.example.net");
  EXPECT_EQ(SiteName({"relay.example:587"}), "relay.example:587");
  EXPECT_EQ(SiteName({"[192.0.2.1]"}), "[192.0.2.1]");
  EXPECT_EQ(SiteName({}), "");
}

TEST(SiteName, IsBounded) {
  std::string before;
  for (int count = 1; count < 100; ++count) {
    const std::string name = SiteName(Many(count));
    EXPECT_LE(name.size(), store::kMaxSiteBytes) << count;
    EXPECT_TRUE(IsTaken(name)) << name;
    EXPECT_TRUE(absl::StartsWith(name, "mx0.example.net")) << name;
    EXPECT_NE(name, std::exchange(before, name)) << count;
  }
  EXPECT_EQ(SiteName({std::string(255, 'a')}), std::string(255, 'a'));
  EXPECT_EQ(SiteName({std::string(256, 'a')}).size(), 33u);
}

// SECURITY: a name that is chosen to look like another set's.
TEST(SiteName, NoTwoSetsHaveOne) {
  const std::string many = SiteName(Many(50));
  EXPECT_NE(SiteName({many}), many);
  EXPECT_NE(SiteName({"a,b"}), SiteName({"a", "b"}));
  EXPECT_TRUE(IsTaken(SiteName({"a@b"})));
  EXPECT_TRUE(IsTaken(SiteName({std::string("a\0b", 3)})));
  EXPECT_NE(SiteName({"a@b"}), SiteName({"a@c"}));
}

}  // namespace
}  // namespace mailstead::smtp::outbound
