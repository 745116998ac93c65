#include "common/dns/server_list.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/dns/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::dns {
namespace {

using ::testing::HasSubstr;

std::string Parsed(const std::string& text) {
  const absl::StatusOr<std::vector<Server>> servers = ParseServers(text);
  if (!servers.ok()) return "bad";
  return absl::StrJoin(*servers, " ", [](std::string* out, const Server& server) {
    absl::StrAppend(out, ServerText(server));
  });
}

TEST(ParseServersTest, Table) {
  const std::pair<std::string, std::string> kRows[] = {
      {"", ""},
      {"  ", ""},
      {"127.0.0.1", "127.0.0.1:53"},
      {"127.0.0.1:5353", "127.0.0.1:5353"},
      {"127.0.0.1:65535", "127.0.0.1:65535"},
      {"[::1]", "[::1]:53"},
      {"[2001:db8::53]:1", "[2001:db8::53]:1"},
      {"192.0.2.1, [::1]:54", "192.0.2.1:53 [::1]:54"},
      {"192.0.2.1,192.0.2.1:54", "192.0.2.1:53 192.0.2.1:54"},
      {"127.0.0.1:0", "bad"},
      {"127.0.0.1:65536", "bad"},
      {"127.0.0.1:", "bad"},
      {"127.0.0.1:53x", "bad"},
      {"127.0.0.1:-1", "bad"},
      {"127.0.0.1:000053", "bad"},
      {"127.1", "bad"},
      {"localhost", "bad"},
      {"::1", "bad"},
      {"[::1", "bad"},
      {"[::1]53", "bad"},
      {"[127.0.0.1]", "bad"},
      {"[fe80::1%lo]", "bad"},
      {"[]", "bad"},
      {",", "bad"},
      {"127.0.0.1,", "bad"},
      {"127.0.0.1,127.0.0.1:53", "bad"},
      {std::string("127.0.0.1\0", 10), "bad"},
  };
  for (const auto& [text, want] : kRows) EXPECT_EQ(Parsed(text), want) << text;
}

TEST(ParseServersTest, SaysWhichItemIsBad) {
  EXPECT_THAT(ParseServers("127.0.0.1,dns.test").status().message(), HasSubstr("\"dns.test\""));
}

TEST(ParseServersTest, IsBounded) {
  std::vector<std::string> items;
  for (size_t i = 0; i < kMaxServers; ++i) items.push_back(absl::StrCat("192.0.2.", i));
  EXPECT_TRUE(ParseServers(absl::StrJoin(items, ",")).ok());
  items.push_back("192.0.2.200");
  EXPECT_FALSE(ParseServers(absl::StrJoin(items, ",")).ok());
}

TEST(TrustTest, OnlyTheTwoAddressesOfLoopbackAreTrustedByDefault) {
  const std::vector<Server> servers = *ParseServers("127.0.0.1:5353,127.0.0.11,127.0.0.53,[::1],192.0.2.1");
  EXPECT_EQ(TrustedByDefault(servers), *ParseServers("127.0.0.1:5353,[::1]"));
}

TEST(TrustTest, AllThatAreUsedMustBeTrusted) {
  const std::vector<Server> trusted = *ParseServers("127.0.0.1,192.0.2.1:5353");
  EXPECT_TRUE(AllTrusted(*ParseServers("127.0.0.1"), trusted));
  EXPECT_TRUE(AllTrusted(*ParseServers("192.0.2.1:5353,127.0.0.1"), trusted));
  EXPECT_FALSE(AllTrusted(*ParseServers("127.0.0.1,192.0.2.2"), trusted));
  EXPECT_FALSE(AllTrusted(*ParseServers("192.0.2.1"), trusted));
  EXPECT_FALSE(AllTrusted({}, trusted));
  EXPECT_FALSE(AllTrusted(*ParseServers("127.0.0.1"), {}));
}

}  // namespace
}  // namespace mailstead::dns
