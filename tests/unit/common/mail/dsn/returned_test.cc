#include "common/mail/dsn/returned.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/mail/header_reader.h"
#include "common/text/base64.h"
#include "gtest/gtest.h"

namespace mailstead::dsn {
namespace {

Notice Failed(absl::string_view content) {
  Notice notice;
  notice.envelope.reverse_path = "a@b.test";
  notice.original = {content, true};
  return notice;
}

constexpr char kAsciiHeader[] = "Subject: x\r\n";
constexpr char kLatin1Header[] = "Subject: b\xf6se\r\n";
constexpr char kUtf8Header[] = "Subject: b\xc3\xb6se\r\n";

// The table of returned.h.
TEST(Return, WritesAsTheTableSays) {
  const std::string long_line(999, 'x');
  struct {
    const char* what;
    std::string header;
    std::string body;
    bool smtputf8;
    bool utf8;
    const char* whole;        // type and encoding of a failed one
    const char* header_only;  // of a delayed one
  } rows[] = {
      {"ASCII", kAsciiHeader, "hello", false, false, "message/rfc822 7bit", "text/rfc822-headers 7bit"},
      {"ASCII with SMTPUTF8", kAsciiHeader, "hello", true, true, "message/rfc822 7bit",
       "text/rfc822-headers 7bit"},
      {"8-bit body", kAsciiHeader, "\xe4", false, false, "text/rfc822-headers 7bit",
       "text/rfc822-headers 7bit"},
      {"8-bit header", kLatin1Header, "x", false, false, "text/rfc822-headers quoted-printable",
       "text/rfc822-headers quoted-printable"},
      {"UTF-8 header that nobody announced", kUtf8Header, "x", false, false,
       "text/rfc822-headers quoted-printable", "text/rfc822-headers quoted-printable"},
      {"long line in the body", kAsciiHeader, long_line, false, false, "text/rfc822-headers 7bit",
       "text/rfc822-headers 7bit"},
      {"long line in the header", absl::StrCat("X: ", long_line, "\r\n"), "x", false, false,
       "text/rfc822-headers quoted-printable", "text/rfc822-headers quoted-printable"},
      {"UTF-8 header", kUtf8Header, "x", true, false, "message/global base64",
       "message/global-headers quoted-printable"},
      {"UTF-8 header, UTF-8 notice", kUtf8Header, "x", true, true, "message/global 8bit",
       "message/global-headers 8bit"},
      {"UTF-8 body", kAsciiHeader, "\xc3\xb6", true, false, "message/global base64",
       "text/rfc822-headers 7bit"},
      {"long line, UTF-8 notice", kUtf8Header, long_line, true, true, "message/global base64",
       "message/global-headers 8bit"},
      {"SMTPUTF8 and a header that is no UTF-8", kLatin1Header, "x", true, true,
       "text/rfc822-headers quoted-printable", "text/rfc822-headers quoted-printable"},
  };
  for (const auto& row : rows) {
    const std::string content = absl::StrCat(row.header, "\r\n", row.body, "\r\n");
    Notice notice = Failed(content);
    notice.envelope.smtputf8 = row.smtputf8;
    Returned returned = Return(notice, row.utf8);
    ASSERT_TRUE(returned.part.has_value()) << row.what;
    EXPECT_EQ(absl::StrCat(returned.part->type, " ", returned.part->encoding), row.whole) << row.what;
    EXPECT_EQ(returned.part->whole, !absl::StrContains(row.whole, "headers")) << row.what;
    notice.kind = NoticeKind::kDelayed;
    returned = Return(notice, row.utf8);
    EXPECT_EQ(absl::StrCat(returned.part->type, " ", returned.part->encoding), row.header_only) << row.what;
    EXPECT_FALSE(returned.part->whole) << row.what;
  }
}

TEST(Return, GivesBackWhatItSays) {
  Notice notice = Failed("Subject: b\xf6se\r\nTo: x\r\n\r\nbody\r\n");
  EXPECT_EQ(Return(notice, false).part->body, "Subject: b=F6se\r\nTo: x\r\n");
  const std::string content = absl::StrCat(kUtf8Header, "\r\nbody\r\n");
  notice = Failed(content);
  notice.envelope.smtputf8 = true;
  EXPECT_EQ(DecodeBase64(std::string(absl::StripAsciiWhitespace(Return(notice, false).part->body))), content);
  EXPECT_EQ(Return(notice, true).part->body, content);
}

// RFC 3461 sections 4.3 and 6.2, RFC 8689 section 5.
TEST(Return, IsWholeOnlyWithAFailureAndWhereNothingForbidsIt) {
  const std::string content = "Subject: x\r\n\r\nbody\r\n";
  struct {
    NoticeKind kind;
    DsnReturn asked;
    bool require_tls;
    bool complete;
    bool whole;
  } rows[] = {
      {NoticeKind::kFailed, DsnReturn::kFull, false, true, true},
      {NoticeKind::kFailed, DsnReturn::kUnspecified, false, true, true},
      {NoticeKind::kFailed, DsnReturn::kHeaders, false, true, false},
      {NoticeKind::kFailed, DsnReturn::kFull, true, true, false},
      {NoticeKind::kFailed, DsnReturn::kFull, false, false, false},
      {NoticeKind::kDelayed, DsnReturn::kFull, false, true, false},
      {NoticeKind::kDelivered, DsnReturn::kFull, false, true, false},
      {NoticeKind::kRelayed, DsnReturn::kFull, false, true, false},
      {NoticeKind::kExpanded, DsnReturn::kFull, false, true, false},
  };
  for (const auto& row : rows) {
    Notice notice = Failed(content);
    notice.kind = row.kind;
    notice.envelope.dsn_return = row.asked;
    notice.envelope.require_tls = row.require_tls;
    notice.original.complete = row.complete;
    const Returned returned = Return(notice, false);
    EXPECT_EQ(returned.part->whole, row.whole) << NoticeKindName(row.kind);
    EXPECT_EQ(returned.part->body, row.whole ? content : "Subject: x\r\n");
  }
}

TEST(Return, HasABoundOnTheMessage) {
  for (const size_t size : {kMaxReturnedBytes - 1, kMaxReturnedBytes, kMaxReturnedBytes + 1}) {
    std::string content = "Subject: x\r\n\r\n";
    while (content.size() + 100 < size) content += absl::StrCat(std::string(78, 'x'), "\r\n");
    content += absl::StrCat(std::string(size - content.size() - 2, 'x'), "\r\n");
    ASSERT_EQ(content.size(), size);
    const Returned returned = Return(Failed(content), false);
    EXPECT_EQ(returned.part->whole, size <= kMaxReturnedBytes) << size;
  }
}

TEST(Return, HasABoundOnTheHeader) {
  std::string content;
  for (int i = 0; content.size() <= 2 * kMaxReturnedHeaderBytes; ++i) {
    absl::StrAppend(&content, "X-Field-", i, ": ", std::string(40, 'x'), "\r\n\t", std::string(40, 'y'),
                    "\r\n");
  }
  content += "\r\nbody\r\n";
  const Returned returned = Return(Failed(content), false);
  EXPECT_FALSE(returned.part->whole);
  EXPECT_LE(returned.part->body.size(), kMaxReturnedHeaderBytes);
  EXPECT_GT(returned.part->body.size(), kMaxReturnedHeaderBytes - 120);
  // No field is cut.
  EXPECT_TRUE(absl::EndsWith(returned.part->body, absl::StrCat("\t", std::string(40, 'y'), "\r\n")));
}

TEST(Return, LeavesOutAFieldThatIsTooLongOrCutOff) {
  const std::string content = absl::StrCat("X-Long: ", std::string(kMaxHeaderFieldBytes, 'x'),
                                           "\r\nSubject: x\r\nX-Cut: off in the mid");
  Notice notice = Failed(content);
  notice.original.complete = false;
  EXPECT_EQ(Return(notice, false).part->body, "Subject: x\r\n");
}

TEST(Return, NeedsAHeader) {
  EXPECT_FALSE(Return(Failed(""), false).part.has_value());
  EXPECT_FALSE(Return(Failed("no field\r\nSubject: x\r\n"), false).part.has_value());
  EXPECT_FALSE(Return(Failed("\r\nbody\r\n"), false).part.has_value());
}

TEST(Return, FindsWhatTheNoticeSaysOfTheMessage) {
  struct {
    std::string message_id;
    std::string found;
  } ids[] = {
      {"<1@a.test>", "<1@a.test>"},
      {"\r\n <1@a.test> ", "<1@a.test>"},
      {"<<1@a.test>>", ""},
      {"<1@a.test> <2@a.test>", ""},
      {"1@a.test", ""},
      {"<>", ""},
      {"<b\xc3\xb6@a.test>", ""},
      {absl::StrCat("<", std::string(898, 'x'), ">"), absl::StrCat("<", std::string(898, 'x'), ">")},
      {absl::StrCat("<", std::string(899, 'x'), ">"), ""},
  };
  for (const auto& id : ids) {
    EXPECT_EQ(
        Return(Failed(absl::StrCat("message-id: ", id.message_id, "\r\n\r\n")), false).fields.message_id,
        id.found)
        << id.message_id;
  }
  std::pair<std::string, std::string> subjects[] = {
      {"Lunch?", "Lunch?"},
      {"two\r\n lines", "two lines"},
      {"=?utf-8?q?b=C3=B6se?=", ""},
      {"b\xc3\xb6se", "b\xc3\xb6se"},
      {"b\xf6se", ""},
      {std::string(kMaxSubjectBytes + 1, 'x'), std::string(kMaxSubjectBytes, 'x')},
  };
  for (const auto& [subject, found] : subjects) {
    EXPECT_EQ(Return(Failed(absl::StrCat("Subject: ", subject, "\r\n\r\n")), false).fields.subject, found)
        << subject;
  }
}

}  // namespace
}  // namespace mailstead::dsn
