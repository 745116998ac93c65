#include "smtpd/protocol/parameters.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead::smtp {
namespace {

Parsed<MailCommand> Mail(absl::string_view parameters) {
  return ParseMail(absl::StrCat("FROM:<a@b.test> ", parameters), {});
}
Parsed<RcptCommand> Rcpt(absl::string_view parameters) {
  return ParseRcpt(absl::StrCat("TO:<a@b.test> ", parameters), /*smtputf8=*/false);
}

TEST(ParseMail, ReadsEveryParameter) {
  const Parsed<MailCommand> mail = Mail("SIZE=123 body=8bitmime SMTPUTF8 RET=full ENVID=a+2Bb");
  ASSERT_TRUE(mail.ok());
  EXPECT_EQ(mail->reverse_path.ToString(), "a@b.test");
  EXPECT_EQ(mail->size_bytes, 123u);
  EXPECT_TRUE(mail->eight_bit_mime);
  EXPECT_TRUE(mail->smtputf8);
  EXPECT_EQ(mail->dsn_return, DsnReturn::kFull);
  EXPECT_EQ(mail->dsn_envelope_id, "a+b");
}

TEST(ParseMail, HasDefaults) {
  const Parsed<MailCommand> mail = ParseMail("FROM:<>", {});
  ASSERT_TRUE(mail.ok());
  EXPECT_TRUE(mail->reverse_path.is_null());
  EXPECT_FALSE(mail->size_bytes.has_value());
  EXPECT_FALSE(mail->eight_bit_mime);
  EXPECT_FALSE(mail->smtputf8);
  EXPECT_EQ(mail->dsn_return, DsnReturn::kUnspecified);
  EXPECT_EQ(mail->dsn_envelope_id, "");
}

TEST(ParseMail, BoundsSize) {
  EXPECT_EQ(Mail("SIZE=18446744073709551615")->size_bytes, std::numeric_limits<uint64_t>::max());
  // Twenty digits are grammar, even when they fit nowhere.
  EXPECT_EQ(Mail("SIZE=99999999999999999999")->size_bytes, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(Mail("SIZE=100000000000000000000").error(), ParseError::kBadParameter);
  EXPECT_EQ(Mail("SIZE=0")->size_bytes, 0u);
}

TEST(ParseMail, BoundsEnvid) {
  EXPECT_TRUE(Mail(absl::StrCat("ENVID=", std::string(100, 'x'))).ok());
  EXPECT_EQ(Mail(absl::StrCat("ENVID=", std::string(101, 'x'))).error(), ParseError::kBadParameter);
}

TEST(ParseMail, SaysWhatIsWrong) {
  EXPECT_EQ(Mail("X=1").error(), ParseError::kUnknownParameter);
  EXPECT_EQ(Mail("AUTH=<>").error(), ParseError::kUnknownParameter);
  EXPECT_EQ(Mail("SIZE").error(), ParseError::kBadParameter);
  EXPECT_EQ(Mail("SIZE=1 size=2").error(), ParseError::kBadParameter);
  EXPECT_EQ(Mail("BODY=BINARYMIME").error(), ParseError::kBadParameter);
  EXPECT_EQ(Mail("-X").error(), ParseError::kSyntax);
  EXPECT_EQ(Mail("X\xc3\xbc").error(), ParseError::kSyntax);
  EXPECT_EQ(ParseMail("FROM:<Postmaster>", {}).error(), ParseError::kBadAddress);
  EXPECT_EQ(ParseMail("FROM:a", {}).error(), ParseError::kSyntax);
  EXPECT_EQ(ParseMail("FROM:<\xc3\xbc@b.test>", {}).error(), ParseError::kNeedsSmtpUtf8);
  EXPECT_TRUE(ParseMail("FROM:<\xc3\xbc@b.test> SMTPUTF8", {}).ok());
}

TEST(ParseMail, TakesAuthWhereItIsOffered) {
  EXPECT_TRUE(ParseMail("FROM:<a@b.test> AUTH=<>", {.auth = true}).ok());
  EXPECT_TRUE(ParseMail("FROM:<a@b.test> AUTH=", {.auth = true}).ok()) << "some clients mean <> by it";
  EXPECT_EQ(ParseMail("FROM:<a@b.test> auth= SIZE=5", {.auth = true})->size_bytes, 5u);
  EXPECT_EQ(ParseMail("FROM:<a@b.test> AUTH", {.auth = true}).error(), ParseError::kBadParameter);
  EXPECT_EQ(ParseMail("FROM:<a@b.test> AUTH= AUTH=", {.auth = true}).error(), ParseError::kBadParameter);
  EXPECT_EQ(ParseMail("FROM:<a@b.test> AUTH==", {.auth = true}).error(), ParseError::kBadParameter);
  EXPECT_EQ(ParseMail("FROM:<a@b.test> AUTH=", {}).error(), ParseError::kUnknownParameter);
  for (const char* other : {"SIZE=", "BODY=", "RET=", "ENVID=", "SMTPUTF8="}) {
    EXPECT_EQ(ParseMail(absl::StrCat("FROM:<a@b.test> ", other), {.auth = true}).error(),
              ParseError::kBadParameter)
        << other;
  }
  EXPECT_TRUE(ParseMail("FROM:<a@b.test> AUTH=e+3Dmc2@example.test", {.auth = true}).ok());
  EXPECT_EQ(ParseMail("FROM:<a@b.test> AUTH=+zz", {.auth = true}).error(), ParseError::kBadParameter);
}

// RFC 8689 section 3.
TEST(ParseMail, TakesRequireTlsWhereItIsOffered) {
  const MailOffers offers{.require_tls = true};
  EXPECT_TRUE(ParseMail("FROM:<a@b.test> REQUIRETLS", offers)->require_tls);
  EXPECT_TRUE(ParseMail("FROM:<> SIZE=5 requiretls", offers)->require_tls);
  EXPECT_FALSE(ParseMail("FROM:<a@b.test>", offers)->require_tls);
  EXPECT_EQ(ParseMail("FROM:<a@b.test> REQUIRETLS=1", offers).error(), ParseError::kBadParameter);
  EXPECT_EQ(ParseMail("FROM:<a@b.test> REQUIRETLS REQUIRETLS", offers).error(), ParseError::kBadParameter);
  EXPECT_EQ(ParseMail("FROM:<a@b.test> REQUIRETLS", {.auth = true}).error(), ParseError::kUnknownParameter);
}

TEST(ParseMail, BoundsTheNumberOfParameters) {
  std::string many;
  for (int i = 0; i < 17; ++i) absl::StrAppend(&many, " X", i);
  EXPECT_EQ(Mail(many).error(), ParseError::kBadParameter);
  EXPECT_EQ(Mail(many.substr(0, many.rfind(' '))).error(), ParseError::kUnknownParameter);
}

TEST(ParseRcpt, ReadsEveryParameter) {
  const Parsed<RcptCommand> rcpt = Rcpt("NOTIFY=success,FAILURE,Delay ORCPT=rfc822;x+40y");
  ASSERT_TRUE(rcpt.ok());
  EXPECT_EQ(rcpt->notify, (DsnNotify{.given = true, .success = true, .failure = true, .delay = true}));
  EXPECT_EQ(rcpt->original_recipient, "rfc822;x@y");
  EXPECT_EQ(Rcpt("NOTIFY=delay")->notify, (DsnNotify{.given = true, .delay = true}));
  EXPECT_EQ(Rcpt("NOTIFY=FAILURE,Success")->notify,
            (DsnNotify{.given = true, .success = true, .failure = true}));
  EXPECT_EQ(Rcpt("NOTIFY=never")->notify, DsnNotify{.given = true});
  EXPECT_EQ(Rcpt("")->notify, DsnNotify{});
}

TEST(ParseRcpt, SaysWhatIsWrong) {
  EXPECT_EQ(ParseRcpt("TO:<>", false).error(), ParseError::kBadAddress);
  EXPECT_EQ(ParseRcpt("TO:<a>", false).error(), ParseError::kBadAddress);
  EXPECT_EQ(ParseRcpt("TO:<\xc3\xbc@b.test>", false).error(), ParseError::kNeedsSmtpUtf8);
  EXPECT_TRUE(ParseRcpt("TO:<\xc3\xbc@b.test>", true).ok());
  for (const char* bad : {"NOTIFY=NEVER,DELAY", "NOTIFY=,", "NOTIFY=DELAY,", "ORCPT=a", "ORCPT=;a",
                          "ORCPT=rfc822;", "ORCPT=rfc822;+0A", "ORCPT=rfc822;+7F", "ORCPT=rfc822;gr+FCn@a",
                          "ORCPT=rfc822;a+C2+85", "ORCPT=x400;gr+C3+BCn@a", "NOTIFY", "ORCPT"}) {
    EXPECT_EQ(Rcpt(bad).error(), ParseError::kBadParameter) << bad;
  }
  EXPECT_EQ(Rcpt("SIZE=1").error(), ParseError::kUnknownParameter);
}

TEST(ParseRcpt, TakesUtf8WhereItIsSaidToBeAscii) {
  EXPECT_EQ(Rcpt("ORCPT=rfc822;gr+C3+BCn@example.test")->original_recipient, "utf-8;gr\u00fcn@example.test");
  EXPECT_EQ(Rcpt("ORCPT=rfc822;+41@example.test")->original_recipient, "rfc822;A@example.test");
}

TEST(ParseRcpt, BoundsOrcpt) {
  EXPECT_TRUE(Rcpt(absl::StrCat("ORCPT=rfc822;", std::string(493, 'x'))).ok());
  EXPECT_EQ(Rcpt(absl::StrCat("ORCPT=rfc822;", std::string(494, 'x'))).error(), ParseError::kBadParameter);
}

}  // namespace
}  // namespace mailstead::smtp
