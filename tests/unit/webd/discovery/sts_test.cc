#include "webd/discovery/sts.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

using mailauth::StsPolicy;

absl::StatusOr<std::string> DomainOf(std::string host) {
  return StsDomainOf({.fields = {{"host", std::move(host)}}});
}

TEST(Sts, TheHostSaysWhichDomain) {
  EXPECT_EQ(*DomainOf("mta-sts.example.test"), "example.test");
  EXPECT_EQ(*DomainOf("MTA-STS.Example.test:8443"), "example.test");
  EXPECT_EQ(*DomainOf("mta-sts.example.test."), "example.test");
  // Of a domain whose name begins so.
  EXPECT_EQ(*DomainOf("mta-sts.mta-sts.test"), "mta-sts.test");
  for (const char* const none :
       {"", "example.test", "mta-sts.", "mta-sts", "amta-sts.example.test", "mta-sts.[::1]", "mta-sts.a b",
        "mta-sts..test", "www.mta-sts.example.test"}) {
    EXPECT_TRUE(absl::IsNotFound(DomainOf(none).status())) << none;
  }
}

TEST(Sts, HostsThatAPolicyCanName) {
  for (const char* const good : {"mx.example.test", "*.example.test", "xn--bcher-kva.test"}) {
    EXPECT_TRUE(CheckStsPattern(good).ok()) << good;
  }
  for (const char* const bad : {"", "*", "MX.example.test", "mx.*.test", "[192.0.2.1]",
                                "b\xc3\xbc"
                                "cher.test",
                                "a b.test", "a.test\r\nmode: none", "*.*.test"}) {
    EXPECT_FALSE(CheckStsPattern(bad).ok()) << bad;
  }
}

TEST(Sts, ThePolicyIsWhatTheSettingsSay) {
  const StsSettings settings{.mx = {"mx1.test", "*.test"}};
  EXPECT_EQ(StsPolicyFor(StsPolicy::Mode::kEnforce, settings),
            (StsPolicy{StsPolicy::Mode::kEnforce, absl::Hours(14 * 24), {"mx1.test", "*.test"}}));
  EXPECT_EQ(StsPolicyFor(StsPolicy::Mode::kTesting, settings).max_age, absl::Hours(24));
  const StsSettings longer{.mx = {"mx1.test"}, .max_age = absl::Hours(48)};
  EXPECT_EQ(StsPolicyFor(StsPolicy::Mode::kTesting, longer).max_age, absl::Hours(48));
}

}  // namespace
}  // namespace mailstead::web
