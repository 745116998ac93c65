#include "smtpd/session/recipients_ahead.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::smtp {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(RecipientsAhead, TakesWhatFollowsInOrder) {
  EXPECT_THAT(RecipientsAhead("RCPT TO:<a@example.test>\r\nrcpt to:<B@Example.Test> NOTIFY=NEVER\r\nDATA\r\n",
                              false, Limits(), 100),
              ElementsAre("a@example.test", "B@Example.Test"));
  EXPECT_THAT(
      RecipientsAhead("RCPT TO:<postmaster>\r\nRCPT TO:<\"a b\"@example.test>\r\n", false, Limits(), 100),
      ElementsAre("postmaster", "\"a b\"@example.test"));
}

TEST(RecipientsAhead, EndsBeforeAnythingElse) {
  const std::string first = "RCPT TO:<a@example.test>\r\n";
  for (const char* next :
       {"", "RCPT TO:<b@example.te", "RCPT TO:<b@example.test>\n", "RCPT TO:<b@example.test>\r",
        "RCPT TO:<b@@example.test>\r\n", "RCPT FROM:<b@example.test>\r\n", "RCPTTO:<b@example.test>\r\n",
        "RCPT TO:<b@example.test> COLOUR=RED\r\n", "RCPT TO:<b\x01@example.test>\r\n", "RSET\r\n", "\r\n",
        "DATA\r\n", "RCPT TO:<j\xc3\xb6rg@example.test>\r\n"}) {
    EXPECT_THAT(RecipientsAhead(absl::StrCat(first, next), false, Limits(), 100),
                ElementsAre("a@example.test"))
        << next;
  }
  EXPECT_THAT(RecipientsAhead("", false, Limits(), 100), IsEmpty());
  EXPECT_THAT(RecipientsAhead("NOOP\r\nRCPT TO:<a@example.test>\r\n", false, Limits(), 100), IsEmpty());
  EXPECT_THAT(RecipientsAhead(absl::StrCat("RCPT TO:<", std::string(3000, 'a'), "@example.test>\r\n", first),
                              false, Limits(), 100),
              IsEmpty());
}

TEST(RecipientsAhead, NeedsSmtpUtf8ForOtherThanAscii) {
  EXPECT_THAT(RecipientsAhead("RCPT TO:<j\xc3\xb6rg@example.test>\r\n", true, Limits(), 100),
              ElementsAre("j\xc3\xb6rg@example.test"));
}

TEST(RecipientsAhead, HasTheLimitsOfTheSession) {
  Limits limits;
  limits.max_command_bytes = 512;
  const std::string blanks(512 - std::string("RCPT TO:<a@example.test>\r\n").size(), ' ');
  const std::string fits = absl::StrCat("RCPT", blanks, " TO:<a@example.test>\r\n");
  ASSERT_EQ(fits.size(), 512u);
  EXPECT_THAT(RecipientsAhead(fits, false, limits, 100), ElementsAre("a@example.test"));
  EXPECT_THAT(RecipientsAhead(absl::StrCat("RCPT ", fits.substr(4)), false, limits, 100), IsEmpty());

  const std::string routed = absl::StrCat("RCPT TO:<@", std::string(60, 'x'), ".test:a@example.test>\r\n");
  limits.max_path_bytes = 83;
  EXPECT_THAT(RecipientsAhead(routed, false, limits, 100), ElementsAre("a@example.test"));
  limits.max_path_bytes = 82;
  EXPECT_THAT(RecipientsAhead(routed, false, limits, 100), IsEmpty());
}

TEST(RecipientsAhead, IsBounded) {
  std::string input;
  for (int i = 0; i < 101; ++i) absl::StrAppend(&input, "RCPT TO:<a", i, "@example.test>\r\n");
  EXPECT_EQ(RecipientsAhead(input, false, Limits(), 100).size(), 100u);
  EXPECT_EQ(RecipientsAhead(input, false, Limits(), 101).size(), 101u);
  EXPECT_EQ(RecipientsAhead(input, false, Limits(), 102).size(), 101u);
  EXPECT_THAT(RecipientsAhead(input, false, Limits(), 0), IsEmpty());
}

}  // namespace
}  // namespace mailstead::smtp
