#include "smtpd/inbound/header_scan.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead::smtp {
namespace {

// "received date message-id ended" as seen, however the bytes are split.
std::string Scan(absl::string_view text) {
  std::string whole;
  for (size_t step = text.size() + 1; step > 0; --step) {
    HeaderScan scan;
    for (size_t i = 0; i < text.size(); i += step) scan.Feed(text.substr(i, step));
    const std::string seen = absl::StrCat(scan.received_count(), scan.has_date() ? " date" : "",
                                          scan.has_message_id() ? " id" : "", scan.ended() ? " ended" : "");
    if (whole.empty()) whole = seen;
    EXPECT_EQ(seen, whole) << text << " by " << step;
  }
  return whole;
}

TEST(HeaderScan, FindsFields) {
  EXPECT_EQ(Scan("Date: x\r\nMessage-ID: y\r\nReceived: z\r\n\r\n"), "1 date id ended");
  EXPECT_EQ(Scan("date:\r\nMESSAGE-ID:\r\nreceived:\r\nRECEIVED:\r\n"), "2 date id");
  EXPECT_EQ(Scan("Date : obsolete blank\r\n\r\n"), "0 date ended");
}

TEST(HeaderScan, IsNotFooled) {
  EXPECT_EQ(Scan("Dates: x\r\nX-Date: y\r\nDat: z\r\nMessage-IDs: a\r\nReceived-SPF: b\r\n\r\n"), "0 ended");
  EXPECT_EQ(Scan("Subject: Date: x\r\n Received: continuation\r\n\tDate: too\r\n\r\n"), "0 ended");
  EXPECT_EQ(Scan("Subject: x\r\n\r\nDate: in the body\r\nReceived: too\r\n"), "0 ended");
}

TEST(HeaderScan, EndsWhereTheHeaderEnds) {
  EXPECT_EQ(Scan(""), "0");
  EXPECT_EQ(Scan("Subject: x\r\n"), "0");
  EXPECT_EQ(Scan("\r\nDate: x\r\n"), "0 ended");
  EXPECT_EQ(Scan("just text\r\nDate: x\r\n"), "0 ended");
  EXPECT_EQ(Scan("From mbox line\r\nDate: x\r\n"), "0 ended");
  EXPECT_EQ(Scan(" begins with a blank\r\nDate: x\r\n"), "0 ended");
  EXPECT_EQ(Scan(": no name\r\nDate: x\r\n"), "0 ended");
  EXPECT_EQ(Scan("gr\xc3\xbc\xc3\x9f"
                 "e\r\nDate: x\r\n"),
            "0 ended");
  EXPECT_EQ(Scan("noColon\r\nDate: x\r\n"), "0 ended");
}

}  // namespace
}  // namespace mailstead::smtp
