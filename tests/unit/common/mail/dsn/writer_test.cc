// What holds for every notice; tests/golden/dsn shows whole ones.
#include "common/mail/dsn/writer.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/text/line_check.h"
#include "common/text/utf8.h"
#include "gtest/gtest.h"

namespace mailstead::dsn {
namespace {

constexpr char kOriginal[] = "Subject: x\r\nMessage-ID: <1@b.test>\r\n\r\nbody\r\n";

Notice Failed() {
  Notice notice;
  notice.envelope.reverse_path = "a@b.test";
  notice.recipients.push_back({.address = "c@d.test", .status = "5.1.1"});
  notice.original = {kOriginal, true};
  notice.arrival = absl::FromUnixSeconds(1'700'000'000);
  notice.now = notice.arrival + absl::Minutes(1);
  notice.reporting_mta = "mx.example.test";
  notice.from = "MAILER-DAEMON@mx.example.test";
  notice.id = "n1";
  return notice;
}

std::vector<std::string> LinesThatBegin(absl::string_view content, absl::string_view beginning) {
  std::vector<std::string> found;
  for (const absl::string_view line : absl::StrSplit(content, "\r\n")) {
    if (absl::StartsWith(line, beginning)) found.emplace_back(line);
  }
  return found;
}

void ExpectGoodLines(const WrittenNotice& written) {
  LineCheck check;
  check.Feed(written.content);
  check.Finish();
  EXPECT_FALSE(check.saw_bare_line_end());
  EXPECT_FALSE(check.saw_nul());
  EXPECT_TRUE(check.at_line_start());
  for (const absl::string_view line : absl::StrSplit(written.content, "\r\n"))
    EXPECT_LE(line.size(), 998u) << line;
  EXPECT_TRUE(written.envelope.smtputf8 || IsAscii(written.content));
}

TEST(Write, GoesToTheSenderAndIsNeverAnswered) {
  Notice notice = Failed();
  notice.envelope.dsn_envelope_id = "QQ1";
  notice.envelope.dsn_return = DsnReturn::kFull;
  const WrittenNotice written = Write(notice);
  EXPECT_EQ(written.envelope.reverse_path, "");
  ASSERT_EQ(written.envelope.recipients.size(), 1u);
  EXPECT_EQ(written.envelope.recipients[0].address, "a@b.test");
  EXPECT_EQ(written.envelope.recipients[0].notify, (DsnNotify{.given = true}));
  // RFC 3461 section 6.1.
  EXPECT_EQ(written.envelope.dsn_return, DsnReturn::kUnspecified);
  EXPECT_EQ(written.envelope.dsn_envelope_id, "");
  EXPECT_FALSE(written.envelope.eight_bit_mime);
  EXPECT_FALSE(written.envelope.smtputf8);
  EXPECT_FALSE(written.envelope.require_tls);
  ExpectGoodLines(written);
}

// RFC 8689 section 5.
TEST(Write, RequiresTlsWhereTheMessageDid) {
  Notice notice = Failed();
  notice.envelope.require_tls = true;
  EXPECT_TRUE(Write(notice).envelope.require_tls);
}

TEST(Write, NeedsSmtpUtf8OnlyForAnAddressOfItsOwn) {
  const std::string original = "Subject: b\xc3\xb6se\r\n\r\nb\xc3\xb6se\r\n";
  Notice notice = Failed();
  notice.original = {original, true};
  notice.envelope.smtputf8 = true;
  notice.recipients[0].address =
      "b\xc3\xb6"
      "b@d.test";
  notice.recipients[0].original_recipient =
      "utf-8;b\xc3\xb6"
      "b@d.test";
  notice.recipients[0].diagnostic = "550 b\xc3\xb6se";
  WrittenNotice written = Write(notice);
  EXPECT_FALSE(written.envelope.smtputf8);
  EXPECT_FALSE(written.envelope.eight_bit_mime);
  ExpectGoodLines(written);
  notice.envelope.reverse_path = "\xc3\xa4@b.test";
  written = Write(notice);
  EXPECT_TRUE(written.envelope.smtputf8);
  EXPECT_TRUE(written.envelope.eight_bit_mime);
  ExpectGoodLines(written);
}

// RFC 3463 section 2, RFC 3461 section 6.3 (g).
TEST(Write, HasAStatusThatFitsTheAction) {
  struct {
    NoticeKind kind;
    const char* status;
    const char* written;
  } rows[] = {
      {NoticeKind::kFailed, "5.1.1", "5.1.1"},         {NoticeKind::kFailed, "4.4.7", "4.4.7"},
      {NoticeKind::kFailed, "2.0.0", "5.0.0"},         {NoticeKind::kFailed, "", "5.0.0"},
      {NoticeKind::kFailed, "5.1", "5.0.0"},           {NoticeKind::kFailed, "5.1.1.1", "5.0.0"},
      {NoticeKind::kFailed, "5.1000.1", "5.0.0"},      {NoticeKind::kFailed, "5.1.1\r\nX: y", "5.0.0"},
      {NoticeKind::kFailed, "5.999.999", "5.999.999"}, {NoticeKind::kFailed, "5..1", "5.0.0"},
      {NoticeKind::kDelayed, "4.4.1", "4.4.1"},        {NoticeKind::kDelayed, "5.4.1", "4.0.0"},
      {NoticeKind::kDelivered, "2.1.5", "2.1.5"},      {NoticeKind::kRelayed, "", "2.0.0"},
      {NoticeKind::kExpanded, "5.0.0", "2.0.0"},
  };
  for (const auto& row : rows) {
    Notice notice = Failed();
    notice.kind = row.kind;
    notice.recipients[0].status = row.status;
    const std::string content = Write(notice).content;
    EXPECT_EQ(LinesThatBegin(content, "Status:"),
              std::vector<std::string>{absl::StrCat("Status: ", row.written)})
        << row.status;
    EXPECT_EQ(LinesThatBegin(content, "Action:"),
              std::vector<std::string>{absl::StrCat("Action: ", NoticeKindName(row.kind))});
  }
}

// RFC 3461 section 6.3 (a) and (d).
TEST(Write, HasOriginalsOnlyWhereTheyWereGiven) {
  Notice notice = Failed();
  std::string content = Write(notice).content;
  EXPECT_TRUE(LinesThatBegin(content, "Original-").empty());
  notice.envelope.dsn_envelope_id = "QQ+1=2";
  notice.recipients[0].original_recipient = "rfc822;Al+ice@a.test";
  content = Write(notice).content;
  EXPECT_EQ(LinesThatBegin(content, "Original-"),
            (std::vector<std::string>{"Original-Envelope-Id: QQ+1=2",
                                      "Original-Recipient: rfc822; Al+ice@a.test"}));
}

TEST(Write, TellsUntilWhenOnlyOfADelay) {
  Notice notice = Failed();
  notice.recipients[0].will_retry_until = notice.now;
  EXPECT_FALSE(absl::StrContains(Write(notice).content, "Will-Retry-Until"));
  notice.kind = NoticeKind::kDelayed;
  EXPECT_TRUE(
      absl::StrContains(Write(notice).content, "Will-Retry-Until: Tue, 14 Nov 2023 22:14:20 +0000\r\n"));
}

// SECURITY: the words of others are text and nothing else.
TEST(Write, KeepsWordsOfOthersInTheirPlace) {
  const std::vector<std::string> hostile = {
      "550 a\r\n\r\nFinal-Recipient: rfc822; x@y.test\r\nAction: delivered",
      "550 a\r\n--=_n1\r\nContent-Type: text/html\r\n\r\n<b>",
      "\r\n.\r\nMAIL FROM:<>\r\n",
      "550 \xff\xfe\x80",
      std::string("550 \0\0", 6),
      absl::StrCat("550 ", std::string(100'000, 'x')),
      absl::StrCat("550 ", std::string(2000, '\n'), "x"),
  };
  const std::string plain = Write(Failed()).content;
  for (const std::string& words : hostile) {
    Notice notice = Failed();
    NoticeRecipient& recipient = notice.recipients[0];
    recipient.diagnostic = recipient.explanation = recipient.remote_mta = words;
    recipient.address = recipient.original_recipient = words.substr(0, 200);
    notice.envelope.dsn_envelope_id = words.substr(0, 200);
    notice.reporting_mta = words.substr(0, 200);
    notice.from = words.substr(0, 200);
    const WrittenNotice written = Write(notice);
    ExpectGoodLines(written);
    for (const char* once :
         {"Final-Recipient:", "Action:", "Status:", "From:", "To:", "MIME-Version:", "Reporting-MTA:"}) {
      EXPECT_EQ(LinesThatBegin(written.content, once).size(), 1u) << once << " after " << words;
    }
    for (const char* often : {"Content-Type:", "Content-Transfer-Encoding:"}) {
      EXPECT_EQ(LinesThatBegin(written.content, often).size(), LinesThatBegin(plain, often).size()) << words;
    }
    EXPECT_EQ(LinesThatBegin(written.content, "--=_n1").size(), 4u) << words;
    EXPECT_LT(written.content.size(), 8'000u);
  }
}

TEST(Write, ChoosesABoundaryThatIsNotInItsParts) {
  const std::string original = "Subject: x\r\n\r\n--=_n1\r\n--=_n1--\r\n=_n1.1 and =_n1.2\r\n";
  Notice notice = Failed();
  notice.original = {original, true};
  const std::string content = Write(notice).content;
  EXPECT_TRUE(absl::StrContains(content, "boundary=\"=_n1.3\""));
  EXPECT_EQ(LinesThatBegin(content, "--=_n1.3").size(), 4u);
  // And one that is no longer than 70 characters (RFC 2046 section 5.1.1).
  notice.id = std::string(200, 'i');
  EXPECT_TRUE(
      absl::StrContains(Write(notice).content, absl::StrCat("boundary=\"=_", std::string(40, 'i'), "\"")));
}

TEST(Write, HasABoundAndTellsOfEachRecipient) {
  Notice notice = Failed();
  notice.recipients.clear();
  for (size_t i = 0; i < kMaxNoticeRecipients; ++i) {
    notice.recipients.push_back(
        {.address = absl::StrCat(std::string(64, 'a'), "@", std::string(180, 'b'), i, ".test"),
         .original_recipient = absl::StrCat("rfc822;", std::string(490, 'c')),
         .status = "5.0.0",
         .remote_mta = std::string(255, 'd'),
         // What quoted-printable makes most of.
         .diagnostic = absl::StrCat(i, "\xc3\xb6", std::string(kMaxDiagnosticBytes, '=')),
         .explanation = std::string(2 * kMaxExplanationBytes, '=')});
  }
  const WrittenNotice written = Write(notice);
  ExpectGoodLines(written);
  EXPECT_EQ(LinesThatBegin(written.content, "Final-Recipient:").size(), kMaxNoticeRecipients);
  EXPECT_LT(written.content.size(), 10'000'000u);
}

TEST(Write, SaysOnceWhatIsTheSameForMany) {
  Notice notice = Failed();
  for (int i = 0; i < 100; ++i) notice.recipients.push_back({.address = absl::StrCat("c", i, "@d.test")});
  for (NoticeRecipient& recipient : notice.recipients) recipient.diagnostic = "550 no such user";
  const std::string content = Write(notice).content;
  EXPECT_EQ(LinesThatBegin(content, "  550 no such user").size(), 1u);
  EXPECT_EQ(LinesThatBegin(content, "  <c").size(), 101u);
  EXPECT_EQ(LinesThatBegin(content, "Diagnostic-Code: smtp; 550 no such user").size(), 101u);
}

// RFC 3461 section 6.3 (b).
TEST(Write, SaysWhatKindOfNameItHas) {
  Notice notice = Failed();
  EXPECT_TRUE(absl::StrContains(Write(notice).content, "Reporting-MTA: dns; mx.example.test\r\n"));
  notice.reporting_mta = "localhost";
  EXPECT_TRUE(absl::StrContains(Write(notice).content, "Reporting-MTA: x-local-hostname; localhost\r\n"));
}

}  // namespace
}  // namespace mailstead::dsn
