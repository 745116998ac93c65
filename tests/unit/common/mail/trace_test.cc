#include "common/mail/trace.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

TraceInfo Info() {
  TraceInfo info;
  info.helo = "client.test";
  info.client_address = "192.0.2.1";
  info.hostname = "mx.example.test";
  info.delivery_id = "abc";
  info.time = absl::FromUnixSeconds(1'700'000'000);
  return info;
}

TEST(ReceivedField, HasTheFormOfRfc5321) {
  TraceInfo info = Info();
  EXPECT_EQ(ReceivedField(info),
            "Received: from client.test ([192.0.2.1])\r\n\tby mx.example.test with SMTP\r\n\tid abc; "
            "Tue, 14 Nov 2023 22:13:20 +0000\r\n");
  info.esmtp = true;
  info.tls_version = "TLSv1.2";
  info.tls_cipher = "ECDHE-RSA-AES256-GCM-SHA384";
  info.recipient = "a@b.test";
  info.client_address = "2001:db8::1";
  EXPECT_EQ(
      ReceivedField(info),
      "Received: from client.test ([IPv6:2001:db8::1])\r\n\tby mx.example.test with ESMTPS\r\n\t(TLSv1.2 "
      "ECDHE-RSA-AES256-GCM-SHA384)\r\n\tid abc\r\n\tfor <a@b.test>; Tue, 14 Nov 2023 22:13:20 +0000\r\n");
}

// No protocol that "with" may name is a call of an API.
TEST(ReceivedField, OfACallNamesNoProtocol) {
  TraceInfo info = Info();
  info.by_call = true;
  EXPECT_EQ(ReceivedField(info),
            "Received: from [192.0.2.1] ([192.0.2.1])\r\n\tby mx.example.test\r\n\tid abc (by a call); "
            "Tue, 14 Nov 2023 22:13:20 +0000\r\n");
  // Over a Unix socket.
  info.client_address = "";
  EXPECT_EQ(ReceivedField(info).substr(0, 41), "Received: from mx.example.test\r\n\tby mx.ex");
}

TEST(SubmissionFields, TellTheMessageIdThatIsThereOrThatIsMade) {
  const auto id_of = [](const std::string& header) {
    SubmissionFields fields;
    HeaderReader reader({&fields});
    reader.Feed(header);
    reader.Finish();
    return fields.MessageId(Info());
  };
  EXPECT_EQ(id_of("Subject: x\r\n\r\n"), "abc@mx.example.test");
  EXPECT_EQ(id_of("Message-ID: <a@b.test>\r\n\r\n"), "a@b.test");
  EXPECT_EQ(id_of("message-id:\r\n (x) <a@b.test> (y)\r\nMessage-ID: <c@d>\r\n\r\n"), "a@b.test");
  EXPECT_EQ(id_of("Message-ID: none at all\r\n\r\n"), "none at all");
  EXPECT_EQ(id_of("Message-ID: <" + std::string(2000, 'x') + ">\r\n\r\n").size(), kMaxMessageIdBytes);
}

std::string FromClient(const TraceInfo& info) {
  const std::string field = ReceivedField(info);
  return field.substr(0, field.find("\r\n\tby "));
}

// RFC 5321 section 4.4 has no place for them: a comment has.
TEST(ReceivedField, HasAnyNameOfAClientWithoutBreaking) {
  struct {
    const char* helo;
    const char* comment;
  } cases[] = {{"MY PC", "MY PC"},
               {"[IPv6:fe80::1%eth0]", "[IPv6:fe80::1%eth0]"},
               {"fe80::1%2", "fe80::1%2"},
               {"client.test.", "client.test."},
               {"(unknown)", "\\(unknown\\)"},
               {"x) by mx.other.test (", "x\\) by mx.other.test \\("},
               {"a\\", "a\\\\"},
               {"\"a;b\" <c@d>", "\"a;b\" <c@d>"},
               {"m\xc3\xbcller.test", "m?ller.test"},
               {"M\xdcLLER PC", "M?LLER PC"}};
  for (const auto& c : cases) {
    TraceInfo info = Info();
    info.helo = c.helo;
    const std::string begin = "Received: from [192.0.2.1] ([192.0.2.1])\r\n\t";
    EXPECT_EQ(FromClient(info), absl::StrCat(begin, "(HELO ", c.comment, ")"));
    info.esmtp = true;
    EXPECT_EQ(FromClient(info), absl::StrCat(begin, "(EHLO ", c.comment, ")"));
  }
  // The host that it goes to next may not take SMTPUTF8.
  TraceInfo info = Info();
  info.helo = "m\xc3\xbcller.test";
  info.client_address = "2001:db8::1";
  info.esmtp = true;
  info.smtputf8 = true;
  EXPECT_EQ(FromClient(info),
            "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\t(EHLO m?ller.test)");
  // Bytes that are no UTF-8 are nothing in any header.
  info.helo = "m\xfcller";
  EXPECT_EQ(FromClient(info), "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\t(EHLO m?ller)");
}

TEST(ReceivedField, NamesARecipientInAscii) {
  TraceInfo info = Info();
  info.recipient = "Al.Ice@b\xc3\xbc\x63her.test";
  EXPECT_NE(ReceivedField(info).find("\r\n\tfor <Al.Ice@xn--bcher-kva.test>; "), std::string::npos);
  info.recipient = "\"a b\"@b\xc3\xbc\x63her.test";
  EXPECT_NE(ReceivedField(info).find("\r\n\tfor <\"a b\"@xn--bcher-kva.test>; "), std::string::npos);
  info.recipient = "gr\xc3\xbcn@example.test";
  EXPECT_EQ(ReceivedField(info).find("for <"), std::string::npos);
}

TEST(WithProtocol, IsOneOfTheRegisteredNames) {
  struct {
    bool tls, authenticated, utf8;
    const char* name;
  } cases[] = {{false, false, false, "ESMTP"},   {true, false, false, "ESMTPS"},
               {false, true, false, "ESMTPA"},   {true, true, false, "ESMTPSA"},
               {false, false, true, "UTF8SMTP"}, {true, false, true, "UTF8SMTPS"},
               {false, true, true, "UTF8SMTPA"}, {true, true, true, "UTF8SMTPSA"}};
  for (const auto& c : cases) {
    TraceInfo info = Info();
    info.esmtp = true;
    if (c.tls) info.tls_version = "TLSv1.3";
    info.authenticated = c.authenticated;
    info.smtputf8 = c.utf8;
    EXPECT_EQ(WithProtocol(info), c.name);
  }
}

// What AppendMissing and EndTrace put behind the Received field for `content`.
std::string Missing(absl::string_view content) {
  TraceInfo info = Info();
  info.time = absl::FromUnixSeconds(0);
  SubmissionFields submission;
  HeaderReader header({&submission});
  header.Feed(content);
  header.Finish();
  std::string trace;
  submission.AppendMissing(info, trace);
  EndTrace(header, trace);
  return trace;
}

constexpr char kDate[] = "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n";
constexpr char kMessageId[] = "Message-ID: <abc@mx.example.test>\r\n";

TEST(SubmissionFields, AddsWhatIsMissing) {
  EXPECT_EQ(Missing("Subject: x\r\n\r\nbody\r\n"), absl::StrCat(kDate, kMessageId));
  EXPECT_EQ(Missing("date: x\r\n\r\nbody\r\n"), kMessageId);
  EXPECT_EQ(Missing("MESSAGE-ID : x\r\n\r\nbody\r\n"), kDate);
  EXPECT_EQ(Missing("Date: x\r\nMessage-ID: y\r\n\r\n"), "");
  EXPECT_EQ(Missing("Subject: x\r\n\r\nDate: in the body\r\nMessage-ID: likewise\r\n"),
            absl::StrCat(kDate, kMessageId));
}

// RFC 5322 section 2.1: an empty line stands between header and body.
TEST(EndTrace, PartsTheTraceFromContentThatIsNoField) {
  // What looks like fields behind such a line is text, for every reader: so each field is there once.
  EXPECT_EQ(Missing("no field\r\nDate: x\r\nMessage-ID: y\r\n\r\n"), absl::StrCat(kDate, kMessageId, "\r\n"));
  EXPECT_EQ(Missing(" blank\r\n"), absl::StrCat(kDate, kMessageId, "\r\n"));
  EXPECT_EQ(Missing(""), absl::StrCat(kDate, kMessageId));
  EXPECT_EQ(Missing("\r\nbody\r\n"), absl::StrCat(kDate, kMessageId));
}

}  // namespace
}  // namespace mailstead
