#include "smtpd/inbound/trace.h"

#include "gtest/gtest.h"

namespace mailstead::smtp {
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
    info.smtp_utf8 = c.utf8;
    EXPECT_EQ(WithProtocol(info), c.name);
  }
}

TEST(Fields, OfSubmission) {
  EXPECT_EQ(DateField(absl::FromUnixSeconds(0)), "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n");
  EXPECT_EQ(MessageIdField("abc", "mx.example.test"), "Message-ID: <abc@mx.example.test>\r\n");
}

}  // namespace
}  // namespace mailstead::smtp
