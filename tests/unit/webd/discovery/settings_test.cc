#include "webd/discovery/settings.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const MailSettings kBoth{.pop3s = {"pop.example.test", 995}, .submissions = {"smtp.example.test", 465}};
const MailSettings kAll{.pop3s = {"pop.example.test", 995},
                        .submissions = {"smtp.example.test", 465},
                        .submission = {"smtp.example.test", 587}};

absl::StatusOr<std::string> DomainOf(std::string target, std::string host = "webd") {
  return DomainOfRequest({.target = std::move(target), .fields = {{"host", std::move(host)}}});
}

TEST(MailSettings, Hosts) {
  EXPECT_EQ(*ParseHost("pop.example.test:995"), (Host{"pop.example.test", 995}));
  for (const char* const bad : {"", "a.test", "a.test:", ":995", "a.test:0", "a.test:65536", "a b.test:1",
                                "[::1]:995", "<a>.test:1", "a.test:x"}) {
    EXPECT_FALSE(ParseHost(bad).ok()) << bad;
  }
}

TEST(MailSettings, BothWays) {
  EXPECT_TRUE(kBoth.complete());
  EXPECT_FALSE(MailSettings{}.complete());
  EXPECT_FALSE((MailSettings{.pop3s = {"a.test", 995}}).complete());
  EXPECT_FALSE((MailSettings{.submission = {"a.test", 587}}).complete());
}

TEST(MailSettings, WhatThunderbirdAsks) {
  EXPECT_EQ(*DomainOf("/mail/config-v1.1.xml?emailaddress=ann%40example.test"), "example.test");
  EXPECT_EQ(*DomainOf("/mail/config-v1.1.xml?x=1&emailaddress=a+b@example.test"), "example.test");
  EXPECT_EQ(*DomainOf("/mail/config-v1.1.xml", "AutoConfig.Example.test:8080"), "example.test");
  EXPECT_EQ(*DomainOf("/.well-known/autoconfig/mail/config-v1.1.xml", "example.test"), "example.test");
  for (const char* const target :
       {"/?emailaddress=", "/?emailaddress=ann", "/?emailaddress=%zz", "/?emailaddress=a@[192.0.2.1]",
        "/?emailaddress=a@%ff", "/?emailaddress=a@b%3Cc"}) {
    EXPECT_FALSE(DomainOf(target).ok()) << target;
  }
  EXPECT_FALSE(DomainOf("/mail/config-v1.1.xml", "[::1]:8080").ok());
  EXPECT_FALSE(DomainOf("/mail/config-v1.1.xml", "").ok());
}

TEST(MailSettings, WhatThunderbirdIsTold) {
  EXPECT_EQ(ConfigFor("example.test", kBoth),
            R"(<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
  <emailProvider id="example.test">
    <domain>example.test</domain>
    <displayName>example.test</displayName>
    <incomingServer type="pop3"><hostname>pop.example.test</hostname><port>995</port><socketType>SSL</socketType><username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></incomingServer>
    <outgoingServer type="smtp"><hostname>smtp.example.test</hostname><port>465</port><socketType>SSL</socketType><username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></outgoingServer>
  </emailProvider>
</clientConfig>
)");
  EXPECT_THAT(ConfigFor("example.test", kAll),
              HasSubstr("<port>587</port><socketType>STARTTLS</socketType>"));
}

TEST(MailSettings, WhatOutlookAsks) {
  const auto of = [](absl::string_view inside) {
    return AddressOfAutodiscover(
        absl::StrCat("<?xml version=\"1.0\"?><Autodiscover><Request>", inside, "</Request></Autodiscover>"));
  };
  EXPECT_EQ(*of("<EMailAddress> ann@example.test\n</EMailAddress>"), "ann@example.test");
  EXPECT_EQ(*of("<EMailAddress>a&amp;b@example.test</EMailAddress>"), "a&b@example.test");
  for (const char* const inside :
       {"", "<EMailAddress>", "</EMailAddress><EMailAddress>", "<EMailAddress></EMailAddress>",
        "<EMailAddress>&xxe;</EMailAddress>", "<EMailAddress>ann</EMailAddress>",
        "<EMailAddress>a@b\xff</EMailAddress>", "<EMailAddress>a@[192.0.2.1]</EMailAddress>"}) {
    EXPECT_FALSE(of(inside).ok()) << inside;
  }
}

TEST(MailSettings, WhatOutlookIsTold) {
  const std::string told = AutodiscoverFor("a&b@example.test", kAll);
  EXPECT_THAT(told, HasSubstr("<Type>POP3</Type><Server>pop.example.test</Server><Port>995</Port>"
                              "<LoginName>a&amp;b@example.test</LoginName>"));
  EXPECT_THAT(told, HasSubstr("<Type>SMTP</Type><Server>smtp.example.test</Server><Port>465</Port>"));
  EXPECT_THAT(told, Not(HasSubstr("587"))) << "it takes one of a type";
  const MailSettings starttls{.pop3s = kAll.pop3s, .submission = kAll.submission};
  EXPECT_THAT(AutodiscoverFor("a@example.test", starttls),
              HasSubstr("<Port>587</Port><LoginName>a@example.test</LoginName><DomainRequired>off</"
                        "DomainRequired><SPA>off</SPA>"
                        "<SSL>off</SSL><Encryption>TLS</Encryption>"));
}

}  // namespace
}  // namespace mailstead::web
