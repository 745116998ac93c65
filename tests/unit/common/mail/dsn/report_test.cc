#include "common/mail/dsn/report.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/mail/dsn/notice.h"
#include "common/mail/dsn/writer.h"

namespace mailstead::dsn {
namespace {

using Action = ReportedRecipient::Action;

// With CRLF.
std::string Crlf(absl::string_view text) { return absl::StrReplaceAll(text, {{"\n", "\r\n"}}); }

// As hosts write it, with these fields on the message and on recipients.
std::string ReportWith(absl::string_view status, absl::string_view returned = "Message-ID: <m@x.test>\n") {
  return Crlf(
      absl::StrCat("From: MAILER-DAEMON@mx.test\nContent-Type: multipart/report; "
                   "report-type=delivery-status;\n boundary=\"b\"\n\n"
                   "--b\nContent-Type: text/plain\n\nSorry.\n--b\nContent-Type: message/delivery-status\n\n",
                   status, "\n--b\nContent-Type: message/rfc822\n\n", returned, "\nbody\n--b--\n"));
}

constexpr char kStatus[] =
    "Reporting-MTA: dns; mx.test\nOriginal-Envelope-ID: envid\n\n"
    "Original-Recipient: rfc822;o@x.test\nFinal-Recipient: rfc822; f@y.test\nAction: failed\nStatus: 5.1.1 "
    "(bad)\n"
    "Diagnostic-Code: smtp; 550 5.1.1\n  no such user\n\n"
    "Final-Recipient: rfc822;<g@y.test>\nACTION: DELAYED\nStatus: 4.4.1\n";

TEST(Report, WhatHostsSay) {
  const auto report = ParseReport(ReportWith(kStatus));
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->reporting_mta, "mx.test");
  EXPECT_EQ(report->envelope_id, "envid");
  EXPECT_EQ(report->message_id, "m@x.test");
  ASSERT_EQ(report->recipients.size(), 2u);
  EXPECT_EQ(report->recipients[0].final_recipient, "f@y.test");
  EXPECT_EQ(report->recipients[0].original_recipient, "o@x.test");
  EXPECT_EQ(report->recipients[0].action, Action::kFailed);
  EXPECT_EQ(report->recipients[0].status, "5.1.1");
  EXPECT_EQ(report->recipients[0].diagnostic, "550 5.1.1 no such user");
  EXPECT_EQ(report->recipients[1].final_recipient, "g@y.test");
  EXPECT_EQ(report->recipients[1].action, Action::kDelayed);
  EXPECT_EQ(report->recipients[1].diagnostic, "");
}

TEST(Report, WhatIsNone) {
  const std::string good = ReportWith(kStatus);
  EXPECT_FALSE(ParseReport("").has_value());
  EXPECT_FALSE(ParseReport("Subject: x\r\n\r\nbody\r\n").has_value());
  for (const auto& [word, other] :
       {std::pair("multipart/report", "multipart/mixed"),
        std::pair("report-type=delivery-status", "report-type=disposition-notification"),
        std::pair("message/delivery-status", "text/plain")}) {
    EXPECT_FALSE(ParseReport(absl::StrReplaceAll(good, {{word, other}})).has_value()) << other;
  }
  EXPECT_FALSE(ParseReport(ReportWith("Reporting-MTA: dns; mx.test\n")).has_value()) << "it speaks of nobody";
}

TEST(Report, WhatOneDoesNotSayIsEmpty) {
  const auto report =
      ParseReport(ReportWith("X: y\n\nFinal-Recipient: rfc822;f@y.test\nAction: relayed\n", "Subject: x\n"));
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->envelope_id, "");
  EXPECT_EQ(report->message_id, "");
  ASSERT_EQ(report->recipients.size(), 1u);
  EXPECT_EQ(report->recipients[0].action, Action::kOther);
  EXPECT_EQ(report->recipients[0].status, "");
}

TEST(Report, ItIsBounded) {
  std::string status = "Reporting-MTA: dns; mx.test\n";
  for (size_t i = 0; i <= kMaxReportedRecipients; ++i) {
    absl::StrAppend(&status, "\nFinal-Recipient: rfc822;", i,
                    "@y.test\nAction: failed\nDiagnostic-Code: smtp; ", std::string(900, 'x'), "\n");
  }
  const auto report = ParseReport(ReportWith(status));
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->recipients.size(), kMaxReportedRecipients);
  EXPECT_LE(report->recipients[0].diagnostic.size(), kMaxReportTextBytes);
}

TEST(Report, TextIsOneLineWithoutControlCharacters) {
  const auto report = ParseReport(ReportWith(
      "X: y\n\nFinal-Recipient: rfc822;f@y.test\nAction: failed\nDiagnostic-Code: smtp; a\x01\x1b[31mb\n"));
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->recipients[0].diagnostic.find_first_of("\x01\x1b"), std::string::npos);
}

TEST(Report, ACutOneIsReadAsFarAsItGoes) {
  const std::string good = ReportWith(kStatus);
  for (size_t size = 0; size < good.size(); ++size) {
    const auto report = ParseReport(absl::string_view(good).substr(0, size));
    EXPECT_LE(report.has_value() ? report->recipients.size() : 0u, 2u);
  }
}

TEST(Report, OurOwnAreRead) {
  Notice notice;
  notice.kind = NoticeKind::kFailed;
  notice.envelope.reverse_path = "ann@example.test";
  notice.envelope.dsn_envelope_id = "0123456789abcdef";
  notice.reporting_mta = "mail.example.test";
  notice.from = "MAILER-DAEMON@mail.example.test";
  notice.id = "notice-1";
  NoticeRecipient& recipient = notice.recipients.emplace_back();
  recipient.address = "bob@x.test";
  recipient.status = "5.1.1";
  recipient.diagnostic = "550 5.1.1 no";
  const std::string beginning = "Message-ID: <m@example.test>\r\nSubject: x\r\n\r\nbody\r\n";
  notice.original = {beginning, true};
  const auto report = ParseReport(Write(notice).content);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->envelope_id, "0123456789abcdef");
  EXPECT_EQ(report->message_id, "m@example.test");
  ASSERT_EQ(report->recipients.size(), 1u);
  EXPECT_EQ(report->recipients[0].final_recipient, "bob@x.test");
  EXPECT_EQ(report->recipients[0].action, Action::kFailed);
}

}  // namespace
}  // namespace mailstead::dsn
