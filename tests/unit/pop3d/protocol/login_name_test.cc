#include "pop3d/protocol/login_name.h"

#include "gtest/gtest.h"

namespace mailstead::pop3 {
namespace {

TEST(LoginName, IsInTheFirstMessage) {
  using namespace std::string_literals;
  EXPECT_EQ(LoginName("PLAIN", "\0demo@example.test\0secret"s), "demo@example.test");
  EXPECT_EQ(LoginName("PLAIN", "admin\0demo\0secret"s), "demo");
  EXPECT_EQ(LoginName("LOGIN", "demo"), "demo");
  EXPECT_EQ(LoginName("SCRAM-SHA-256", "n,,n=demo,r=nonce"), "demo");
  EXPECT_EQ(LoginName("SCRAM-SHA-256", "n,a=admin,n=demo,r=nonce,ext=1"), "demo");
  EXPECT_EQ(LoginName("SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=a=2Cb=3Dc,r=nonce"), "a,b=c");
}

TEST(LoginName, IsEmptyWhenThereIsNone) {
  using namespace std::string_literals;
  for (const char* mechanism : {"PLAIN", "LOGIN", "SCRAM-SHA-256"}) {
    EXPECT_EQ(LoginName(mechanism, std::nullopt), "");
    EXPECT_EQ(LoginName(mechanism, ""), "");
  }
  EXPECT_EQ(LoginName("PLAIN", "demo"), "");
  EXPECT_EQ(LoginName("PLAIN", "\0demo"s), "");
  EXPECT_EQ(LoginName("PLAIN", "\0demo\0sec\0ret"s), "");
  EXPECT_EQ(LoginName("SCRAM-SHA-256", "n,,"), "");
  EXPECT_EQ(LoginName("SCRAM-SHA-256", "n=demo,r=nonce"), "");
  EXPECT_EQ(LoginName("SCRAM-SHA-256", "n,,m=x,n=demo"), "");
}

}  // namespace
}  // namespace mailstead::pop3
