#include "smtpd/protocol/command_writer.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "smtpd/protocol/limits.h"
#include "smtpd/protocol/parameters.h"

namespace mailstead::smtp {
namespace {

template <typename Command>
std::string Written(absl::Status (*append)(const Command&, std::string&), const Command& command) {
  std::string out;
  const absl::Status status = append(command, out);
  if (status.ok()) return out;
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(out, "");
  return "refused";
}
std::string Mail(const MailLine& mail) { return Written(AppendMail, mail); }
std::string Rcpt(const RcptLine& rcpt) { return Written(AppendRcpt, rcpt); }

TEST(CommandWriterTest, Mail) {
  EXPECT_EQ(Mail({}), "MAIL FROM:<>\r\n");
  EXPECT_EQ(Mail({.reverse_path = "a@example.test"}), "MAIL FROM:<a@example.test>\r\n");
  EXPECT_EQ(Mail({.reverse_path = "\"a b\"@example.test"}), "MAIL FROM:<\"a b\"@example.test>\r\n");
  EXPECT_EQ(Mail({.reverse_path = "a..b@example.test"}), "MAIL FROM:<\"a..b\"@example.test>\r\n");
  EXPECT_EQ(Mail({.reverse_path = "a@example.test",
                  .size_bytes = 0,
                  .eight_bit_mime = true,
                  .smtputf8 = true,
                  .dsn_return = DsnReturn::kHeaders,
                  .dsn_envelope_id = "a=1+ b",
                  .require_tls = true,
                  .auth = "e+=mc2@example.test"}),
            "MAIL FROM:<a@example.test> SIZE=0 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+3D1+2B+20b REQUIRETLS "
            "AUTH=e+2B+3Dmc2@example.test\r\n");
  EXPECT_EQ(Mail({.dsn_return = DsnReturn::kFull, .auth = "<>"}), "MAIL FROM:<> RET=FULL AUTH=<>\r\n");
}

TEST(CommandWriterTest, Rcpt) {
  EXPECT_EQ(Rcpt({.forward_path = "b@example.test"}), "RCPT TO:<b@example.test>\r\n");
  EXPECT_EQ(Rcpt({.forward_path = "b@[192.0.2.1]", .notify = {.given = true}}),
            "RCPT TO:<b@[192.0.2.1]> NOTIFY=NEVER\r\n");
  EXPECT_EQ(Rcpt({.forward_path = "b@example.test",
                  .notify = {.given = true, .success = true, .failure = true, .delay = true},
                  .original_recipient = "rfc822;b+c@example.test"}),
            "RCPT TO:<b@example.test> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;b+2Bc@example.test\r\n");
  EXPECT_EQ(Rcpt({.forward_path = "b@example.test", .original_recipient = "utf-8;j\xc3\xb6@example.test"}),
            "RCPT TO:<b@example.test> ORCPT=utf-8;j\\x{F6}@example.test\r\n");
}

TEST(CommandWriterTest, ULabelsBecomeALabelsWithoutSmtpUtf8) {
  EXPECT_EQ(Rcpt({.forward_path = "b@b\xc3\xbc"
                                  "cher.test"}),
            "RCPT TO:<b@xn--bcher-kva.test>\r\n");
  EXPECT_EQ(Mail({.reverse_path = "b@b\xc3\xbc"
                                  "cher.test"}),
            "MAIL FROM:<b@xn--bcher-kva.test>\r\n");
  EXPECT_EQ(Rcpt({.forward_path = "b@b\xc3\xbc"
                                  "cher.test",
                  .smtputf8 = true}),
            "RCPT TO:<b@b\xc3\xbc"
            "cher.test>\r\n");
  EXPECT_EQ(Rcpt({.forward_path = "j\xc3\xb6@example.test"}), "refused");
  EXPECT_EQ(Rcpt({.forward_path = "j\xc3\xb6@example.test", .smtputf8 = true}),
            "RCPT TO:<j\xc3\xb6@example.test>\r\n");
}

// SECURITY: nothing that a stranger chose can end the line or begin another.
TEST(CommandWriterTest, NothingCanBeInjected) {
  const std::vector<std::string> bad = {"\r\nRCPT TO:<x@example.test>", "\n",   "\r",
                                        std::string(1, '\0'),           "\x7f", "\x1b"};
  for (const std::string& text : bad) {
    EXPECT_EQ(Mail({.reverse_path = absl::StrCat("a", text, "@example.test")}), "refused");
    EXPECT_EQ(Mail({.reverse_path = absl::StrCat("\"a", text, "\"@example.test")}), "refused");
    EXPECT_EQ(Mail({.reverse_path = absl::StrCat("a@example", text, ".test")}), "refused");
    EXPECT_EQ(Mail({.dsn_envelope_id = absl::StrCat("a", text)}), "refused");
    EXPECT_EQ(Mail({.auth = absl::StrCat("a", text, "@example.test")}), "refused");
    EXPECT_EQ(Rcpt({.forward_path = absl::StrCat("a@example.test", text)}), "refused");
    EXPECT_EQ(Rcpt({.forward_path = "a@example.test", .original_recipient = absl::StrCat("rfc822;a", text)}),
              "refused");
    EXPECT_EQ(Rcpt({.forward_path = "a@example.test", .original_recipient = absl::StrCat("utf-8;a", text)}),
              "refused");
    EXPECT_EQ(Rcpt({.forward_path = "a@example.test", .original_recipient = absl::StrCat("rfc", text, ";a")}),
              "refused");
    std::string out;
    EXPECT_FALSE(AppendHello("EHLO", absl::StrCat("mail", text, ".example.test"), out).ok());
    EXPECT_FALSE(AppendAuth(absl::StrCat("PLAIN", text), std::nullopt, out).ok());
    EXPECT_EQ(out, "");
  }
  EXPECT_EQ(Mail({.reverse_path = "a@example.test> SIZE=1"}), "refused");
  EXPECT_EQ(Mail({.reverse_path = "a b@example.test"}), "refused");
  EXPECT_EQ(Mail({.reverse_path = "no domain"}), "refused");
  EXPECT_EQ(Rcpt({.forward_path = ""}), "refused");
  EXPECT_EQ(Rcpt({.forward_path = "a@example.test", .original_recipient = "no type"}), "refused");
  EXPECT_EQ(Rcpt({.forward_path = "a@example.test", .original_recipient = "rfc822;j\xc3\xb6@example.test"}),
            "refused");
  EXPECT_EQ(Rcpt({.forward_path = "a@example.test", .original_recipient = "utf-8;\xff@example.test"}),
            "refused");
}

TEST(CommandWriterTest, ParametersKeepToTheirLengths) {
  EXPECT_NE(Mail({.dsn_envelope_id = std::string(kMaxEnvidBytes, 'x')}), "refused");
  EXPECT_EQ(Mail({.dsn_envelope_id = std::string(kMaxEnvidBytes + 1, 'x')}), "refused");
  const std::string most = absl::StrCat("rfc822;", std::string(kMaxOrcptBytes - 7, 'x'));
  EXPECT_NE(Rcpt({.forward_path = "a@example.test", .original_recipient = most}), "refused");
  EXPECT_EQ(Rcpt({.forward_path = "a@example.test", .original_recipient = most + "x"}), "refused");
}

// What we write, our own server reads as it was meant.
TEST(CommandWriterTest, TheServersSideReadsIt) {
  const MailLine mail = {.reverse_path = "a@example.test",
                         .size_bytes = 5,
                         .eight_bit_mime = true,
                         .smtputf8 = true,
                         .dsn_return = DsnReturn::kFull,
                         .dsn_envelope_id = "x+y=z \"w\"",
                         .auth = "<>"};
  std::string line = Mail(mail);
  const Parsed<MailCommand> read =
      ParseMail(absl::string_view(line).substr(5, line.size() - 7), {.auth = true});
  ASSERT_TRUE(read.ok()) << line;
  EXPECT_EQ(read->reverse_path.ToString(), mail.reverse_path);
  EXPECT_EQ(read->size_bytes, mail.size_bytes);
  EXPECT_TRUE(read->eight_bit_mime && read->smtputf8);
  EXPECT_EQ(read->dsn_return, mail.dsn_return);
  EXPECT_EQ(read->dsn_envelope_id, mail.dsn_envelope_id);

  for (const char* orcpt :
       {"rfc822;a+b=c@example.test", "utf-8;\xe2\x82\xac\\x+=\xf0\x9f\x90\xb1@example.test"}) {
    const RcptLine rcpt = {.forward_path = "b@example.test",
                           .notify = {.given = true, .delay = true},
                           .original_recipient = orcpt};
    line = Rcpt(rcpt);
    const Parsed<RcptCommand> recipient =
        ParseRcpt(absl::string_view(line).substr(5, line.size() - 7), /*smtputf8=*/false);
    ASSERT_TRUE(recipient.ok()) << line;
    EXPECT_EQ(recipient->forward_path.ToString(), rcpt.forward_path);
    EXPECT_EQ(recipient->notify, rcpt.notify);
    EXPECT_EQ(recipient->original_recipient, rcpt.original_recipient);
  }
}

TEST(CommandWriterTest, TheOthers) {
  std::string out;
  EXPECT_TRUE(AppendHello("EHLO", "[192.0.2.1]", out).ok());
  EXPECT_TRUE(AppendAuth("PLAIN", std::nullopt, out).ok());
  EXPECT_TRUE(AppendAuth("PLAIN", "", out).ok());
  EXPECT_TRUE(AppendAuth("PLAIN", std::string("\0a\0b", 4), out).ok());
  AppendAuthResponse("", out);
  AppendAuthResponse("abc", out);
  AppendBdat(0, true, out);
  AppendBdat(12, false, out);
  EXPECT_EQ(out,
            "EHLO [192.0.2.1]\r\nAUTH PLAIN\r\nAUTH PLAIN =\r\nAUTH PLAIN AGEAYg==\r\n\r\nYWJj\r\nBDAT 0 "
            "LAST\r\nBDAT 12\r\n");
}

}  // namespace
}  // namespace mailstead::smtp
