// Notices as they are sent, one in each file of this folder, with LF for CRLF. UPDATE_GOLDEN=1 rewrites them;
// test_dsn.py has another implementation read them.
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/mail/dsn/writer.h"
#include "gtest/gtest.h"

namespace mailstead::dsn {
namespace {

constexpr char kFolder[] = "tests/golden/dsn";
constexpr absl::Time kArrival = absl::FromUnixSeconds(1'700'000'000);

constexpr char kLunch[] =
    "Received: from client.test ([192.0.2.1])\r\n"
    "\tby mx.example.test with ESMTPSA\r\n"
    "\tid 0000000000000001; Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    "Date: Tue, 14 Nov 2023 23:13:19 +0100\r\n"
    "From: Alice <alice@example.test>\r\n"
    "To: bob@remote.test\r\n"
    "Subject: Lunch on Friday?\r\n"
    "Message-ID: <lunch@client.test>\r\n"
    "\r\n"
    "Are you free at noon?\r\n"
    "\r\n"
    "--=_notice-1\r\n";

constexpr char kLatin1[] =
    "From: M\xfcller <alice@example.test>\r\n"
    "Subject: Gr\xfc\xdf"
    "e\r\n"
    "Message-ID: <latin1@client.test>\r\n"
    "\r\n"
    "Sch\xf6ne Gr\xfc\xdf"
    "e\r\n";

constexpr char kUtf8[] =
    "From: Ä <ä@example.test>\r\n"
    "To: böb@例.test\r\n"
    "Subject: Grüße\r\n"
    "Message-ID: <utf8@client.test>\r\n"
    "\r\n"
    "Schöne Grüße\r\n";

Notice About(NoticeKind kind, absl::string_view original) {
  Notice notice;
  notice.kind = kind;
  notice.envelope.reverse_path = "alice@example.test";
  notice.original = {original, true};
  notice.arrival = kArrival;
  notice.now = kArrival + absl::Seconds(5);
  notice.reporting_mta = "mx.example.test";
  notice.from = "MAILER-DAEMON@mx.example.test";
  notice.id = "notice-1";
  return notice;
}

NoticeRecipient Refused(std::string address, std::string diagnostic) {
  return {.address = std::move(address),
          .status = "5.1.1",
          .remote_mta = "mx1.remote.test",
          .diagnostic = std::move(diagnostic),
          .last_attempt = kArrival + absl::Seconds(4)};
}

void ExpectGolden(const std::string& name, const Notice& notice) {
  const std::string written = Write(notice).content;
  EXPECT_FALSE(absl::StrContains(absl::StrReplaceAll(written, {{"\r\n", ""}}), "\n"));
  const std::string shown = absl::StrReplaceAll(written, {{"\r\n", "\n"}});
  const std::string path = absl::StrCat(kFolder, "/", name, ".eml");
  const char* update = std::getenv("UPDATE_GOLDEN");
  if (update != nullptr && absl::string_view(update) == "1") {
    std::ofstream(path, std::ios::binary) << shown;
    return;
  }
  std::stringstream golden;
  golden << std::ifstream(path, std::ios::binary).rdbuf();
  EXPECT_EQ(shown, golden.str()) << path;
}

TEST(GoldenDsn, FailedRefused) {
  Notice notice = About(NoticeKind::kFailed, kLunch);
  notice.recipients = {Refused(
      "bob@remote.test",
      "550-5.1.1 The mailbox does not exist.\n550-5.1.1 Please check the address; some are spelled in "
      "ways that nobody would expect of them.\n550 5.1.1 https://remote.test/help?code=5.1.1")};
  ExpectGolden("failed_refused", notice);
}

TEST(GoldenDsn, FailedForSeveral) {
  Notice notice = About(NoticeKind::kFailed, kLunch);
  notice.envelope.dsn_return = DsnReturn::kHeaders;
  notice.envelope.dsn_envelope_id = "QQ314159";
  NoticeRecipient listed = Refused("carol@remote.test", "550 5.1.1 No such user");
  listed.original_recipient = "rfc822;team@example.test";
  notice.recipients = {
      Refused("bob@remote.test", "550 5.1.1 No such user"),
      {.address = "dave@slow.test",
       .status = "4.4.7",
       .explanation = "In five days no host of slow.test could be reached.",
       .last_attempt = kArrival + absl::Hours(120)},
      listed,
  };
  ExpectGolden("failed_for_several", notice);
}

TEST(GoldenDsn, Delayed) {
  Notice notice = About(NoticeKind::kDelayed, kLunch);
  notice.envelope.dsn_return = DsnReturn::kFull;
  notice.now = kArrival + absl::Hours(4);
  notice.recipients = {{.address = "bob@remote.test",
                        .status = "4.2.2",
                        .remote_mta = "mx1.remote.test",
                        .diagnostic = "452 4.2.2 The mailbox is full",
                        .last_attempt = kArrival + absl::Hours(4),
                        .will_retry_until = kArrival + absl::Hours(120)}};
  ExpectGolden("delayed", notice);
}

TEST(GoldenDsn, Delivered) {
  Notice notice = About(NoticeKind::kDelivered, kLunch);
  notice.envelope.dsn_envelope_id = "QQ314159";
  notice.recipients = {
      {.address = "bob@example.test", .original_recipient = "rfc822;bob@example.test", .status = "2.1.5"}};
  ExpectGolden("delivered", notice);
}

TEST(GoldenDsn, Relayed) {
  Notice notice = About(NoticeKind::kRelayed, kLunch);
  notice.recipients = {{.address = "bob@remote.test",
                        .status = "2.1.5",
                        .remote_mta = "mx1.remote.test",
                        .diagnostic = "250 Queued as 12345",
                        .last_attempt = kArrival + absl::Seconds(4)}};
  ExpectGolden("relayed", notice);
}

TEST(GoldenDsn, Expanded) {
  Notice notice = About(NoticeKind::kExpanded, kLunch);
  notice.recipients = {{.address = "team@example.test", .status = "2.1.5"}};
  ExpectGolden("expanded", notice);
}

TEST(GoldenDsn, FailedWithHostileWords) {
  Notice notice = About(NoticeKind::kFailed, kLunch);
  notice.recipients = {Refused(
      "bob@remote.test",
      "550 no\r\n\r\n--=_notice-1\r\nContent-Type: text/html\r\n\r\n<b>Log in</b> at b\xf6se.test\x1b[2J"
      "\r\nFinal-Recipient: rfc822; x@y.test")};
  ExpectGolden("failed_with_hostile_words", notice);
}

TEST(GoldenDsn, FailedEightBit) {
  Notice notice = About(NoticeKind::kFailed, kLatin1);
  notice.envelope.eight_bit_mime = true;
  notice.recipients = {Refused("bob@remote.test", "550 5.1.1 Nicht gefunden: Bj\xc3\xb6rn")};
  ExpectGolden("failed_eight_bit", notice);
}

// The sender's own address is ASCII: no host on the way back need know SMTPUTF8.
TEST(GoldenDsn, FailedUtf8ToAnAsciiSender) {
  Notice notice = About(NoticeKind::kFailed, kUtf8);
  notice.envelope.smtputf8 = true;
  notice.recipients = {Refused("böb@例.test", "553 5.6.7 Keine solche Adresse: böb")};
  notice.recipients[0].original_recipient = "utf-8;böb@例.test";
  ExpectGolden("failed_utf8_to_an_ascii_sender", notice);
}

TEST(GoldenDsn, DelayedUtf8ToAnAsciiSender) {
  Notice notice = About(NoticeKind::kDelayed, kUtf8);
  notice.envelope.smtputf8 = true;
  notice.recipients = {{.address = "böb@例.test",
                        .status = "4.4.1",
                        .explanation = "No host of 例.test could be reached yet."}};
  ExpectGolden("delayed_utf8_to_an_ascii_sender", notice);
}

TEST(GoldenDsn, FailedUtf8ToAUtf8Sender) {
  Notice notice = About(NoticeKind::kFailed, kUtf8);
  notice.envelope.smtputf8 = true;
  notice.envelope.reverse_path = "ä@example.test";
  notice.recipients = {Refused("böb@例.test", "553 5.6.7 Keine solche Adresse: böb")};
  notice.recipients[0].original_recipient = "utf-8;böb@例.test";
  ExpectGolden("failed_utf8_to_a_utf8_sender", notice);
}

TEST(GoldenDsn, FailedRequireTls) {
  Notice notice = About(NoticeKind::kFailed, kLunch);
  notice.envelope.require_tls = true;
  notice.envelope.dsn_return = DsnReturn::kFull;
  notice.recipients = {
      {.address = "bob@remote.test",
       .status = "5.7.30",
       .remote_mta = "mx1.remote.test",
       .explanation = "The message may go over verified TLS only, and mx1.remote.test does not offer that.",
       .last_attempt = kArrival + absl::Seconds(4)}};
  ExpectGolden("failed_require_tls", notice);
}

}  // namespace
}  // namespace mailstead::dsn
