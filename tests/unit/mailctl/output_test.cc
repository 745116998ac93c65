#include "mailctl/output.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <sstream>
#include <streambuf>

#include "common/base/reason.h"
#include "mailctl/exit_code.h"
#include "mailstead/store/v1/directory.pb.h"

namespace mailstead::ctl {
namespace {

struct Printed {
  std::ostringstream out;
  std::ostringstream err;
  Output text{out, err, /*json=*/false};
  Output json{out, err, /*json=*/true};
};

store::v1::Domain Example() {
  store::v1::Domain domain;
  domain.set_name("example.test");
  return domain;
}

TEST(OutputTest, ResultIsALineOrADocument) {
  Printed person;
  person.text.Result(Example(), "domain example.test added");
  EXPECT_EQ(person.out.str(), "domain example.test added\n");
  Printed script;
  script.json.Result(Example(), "domain example.test added");
  EXPECT_TRUE(script.json.Finish(absl::OkStatus()).ok());
  EXPECT_EQ(script.out.str(),
            "{\n \"name\": \"example.test\",\n \"plus_addressing\": \"PLUS_ADDRESSING_UNSPECIFIED\",\n"
            " \"etag\": \"\",\n \"mta_sts\": \"MTA_STS_UNSPECIFIED\"\n}\n");
}

TEST(OutputTest, Errors) {
  Printed person;
  EXPECT_TRUE(absl::IsInvalidArgument(person.text.Finish(FieldError("account.address", "is empty"))));
  EXPECT_EQ(person.err.str(), "mailctl: account.address: is empty\n");
  EXPECT_EQ(person.out.str(), "");
  Printed script;
  EXPECT_TRUE(absl::IsAborted(
      script.json.Finish(WithReason(absl::AbortedError("in \"use\""), kReasonMaildropInUse))));
  EXPECT_EQ(script.err.str(),
            "{\"error\": {\"code\": \"ABORTED\", \"message\": \"in \\\"use\\\"\", \"exit_code\": 5, "
            "\"reason\": \"MAILDROP_IN_USE\"}}\n");
  Printed field;
  EXPECT_FALSE(field.json.Finish(FieldError("domain.name", "is empty")).ok());
  EXPECT_NE(field.err.str().find("\"field\": \"domain.name\""), std::string::npos);
}

TEST(OutputTest, AnErrorBehindAResultIsInItsDocument) {
  Printed whole;
  whole.json.Result(Example(), "");
  EXPECT_TRUE(absl::IsUnavailable(whole.json.Finish(absl::UnavailableError("away"))));
  EXPECT_EQ(whole.out.str(),
            "{\n \"name\": \"example.test\",\n \"plus_addressing\": \"PLUS_ADDRESSING_UNSPECIFIED\",\n "
            "\"etag\": \"\",\n \"mta_sts\": \"MTA_STS_UNSPECIFIED\",\n"
            " \"error\": {\"code\": \"UNAVAILABLE\", \"message\": \"away\", \"exit_code\": 5}\n}\n");
  EXPECT_EQ(whole.err.str(), "");
  // A list that broke off.
  Printed part;
  {
    JsonList list(part.json, "domains");
    list.Add(Example());
  }
  EXPECT_TRUE(absl::IsUnavailable(part.json.Finish(absl::UnavailableError("away"))));
  EXPECT_EQ(part.out.str(),
            "{\"domains\": [\n"
            "  "
            "{\"name\":\"example.test\",\"plus_addressing\":\"PLUS_ADDRESSING_UNSPECIFIED\",\"etag\":\"\","
            "\"mta_sts\":\"MTA_STS_UNSPECIFIED\"}\n"
            "], \"error\": {\"code\": \"UNAVAILABLE\", \"message\": \"away\", \"exit_code\": 5}}\n");
  EXPECT_EQ(part.err.str(), "");
  // For a person it is a line behind what was printed.
  Printed person;
  person.text.Result(Example(), "domain example.test added");
  EXPECT_TRUE(absl::IsUnavailable(person.text.Finish(absl::UnavailableError("away"))));
  EXPECT_EQ(person.out.str(), "domain example.test added\n");
  EXPECT_EQ(person.err.str(), "mailctl: away\n");
}

TEST(OutputTest, AnEmptyDocument) {
  Printed printed;
  printed.json.Json(store::v1::DeleteDomainResponse());
  EXPECT_TRUE(printed.json.Finish(absl::OkStatus()).ok());
  EXPECT_EQ(printed.out.str(), "{}\n");
  Printed failed;
  failed.json.Json(store::v1::DeleteDomainResponse());
  EXPECT_FALSE(failed.json.Finish(absl::UnavailableError("away")).ok());
  EXPECT_EQ(failed.out.str(),
            "{\"error\": {\"code\": \"UNAVAILABLE\", \"message\": \"away\", \"exit_code\": 5}}\n");
}

TEST(OutputTest, AWarningIsForAPerson) {
  Printed printed;
  printed.text.Warning("beware");
  EXPECT_EQ(printed.err.str(), "mailctl: beware\n");
  printed.json.Warning("beware");
  EXPECT_EQ(printed.err.str(), "mailctl: beware\n");
}

TEST(OutputTest, ErrorsAreOneLine) {
  Printed person;
  EXPECT_TRUE(absl::IsNotFound(person.text.Finish(absl::NotFoundError("one\ntwo"))));
  EXPECT_EQ(person.err.str(), "mailctl: one\\x0atwo\n");
}

TEST(OutputTest, FailedWriteIsReported) {
  Printed printed;
  printed.text.Line("x");
  EXPECT_TRUE(printed.text.Finish(absl::OkStatus()).ok());
  printed.out.setstate(std::ios::badbit);
  EXPECT_TRUE(absl::IsUnavailable(printed.text.Finish(absl::OkStatus())));
}

// Takes `room` bytes and fails with `error` then, as a descriptor does.
class FailingBuffer : public std::streambuf {
 public:
  FailingBuffer(std::streamsize room, int error) : room_(room), error_(error) {}

 protected:
  std::streamsize xsputn(const char*, std::streamsize count) override {
    if (count <= room_) {
      room_ -= count;
      return count;
    }
    errno = error_;
    return 0;
  }

 private:
  std::streamsize room_;
  const int error_;
};

TEST(OutputTest, AReaderThatWentAwayIsToldFromAFullDisk) {
  for (const int error : {EPIPE, ENOSPC}) {
    FailingBuffer buffer(10, error);
    std::ostream out(&buffer);
    std::ostringstream err;
    Output output(out, err, /*json=*/false);
    output.Raw("0123456789");
    EXPECT_TRUE(output.Finish(absl::OkStatus()).ok());
    output.Raw("0");
    // What goes wrong elsewhere later does not hide it.
    errno = EAGAIN;
    output.Raw("1");
    EXPECT_EQ(IsReaderGone(output.Finish(absl::OkStatus())), error == EPIPE);
    EXPECT_EQ(absl::IsUnavailable(output.Finish(absl::OkStatus())), error == ENOSPC);
  }
}

TEST(JsonListTest, Document) {
  Printed printed;
  JsonList list(printed.json, "domains");
  EXPECT_EQ(printed.out.str(), "");
  list.Add(Example());
  list.Add(Example());
  list.Finish("\"more\": 1");
  EXPECT_TRUE(printed.json.Finish(absl::OkStatus()).ok());
  EXPECT_EQ(printed.out.str(),
            "{\"domains\": [\n"
            "  "
            "{\"name\":\"example.test\",\"plus_addressing\":\"PLUS_ADDRESSING_UNSPECIFIED\",\"etag\":\"\","
            "\"mta_sts\":\"MTA_STS_UNSPECIFIED\"},\n"
            "  "
            "{\"name\":\"example.test\",\"plus_addressing\":\"PLUS_ADDRESSING_UNSPECIFIED\",\"etag\":\"\","
            "\"mta_sts\":\"MTA_STS_UNSPECIFIED\"}\n"
            "], \"more\": 1}\n");
}

TEST(JsonListTest, EmptyAndText) {
  Printed printed;
  JsonList(printed.json, "domains").Finish();
  EXPECT_TRUE(printed.json.Finish(absl::OkStatus()).ok());
  EXPECT_EQ(printed.out.str(), "{\"domains\": []}\n");
  Printed person;
  JsonList list(person.text, "domains");
  list.Add(Example());
  list.Finish();
  EXPECT_EQ(person.out.str(), "");
}

TEST(TableTest, ColumnsAreAligned) {
  Table table({{"ADDRESS"}, {"MESSAGES", true}, {"STATE"}});
  EXPECT_TRUE(table.empty());
  table.Row({"a@example.test", "12", "active"});
  table.Row({"j\xc3\xbcrg@b.test", "12345", "x"});
  EXPECT_EQ(table.Text(),
            "ADDRESS         MESSAGES  STATE\n"
            "a@example.test        12  active\n"
            "j\xc3\xbcrg@b.test        12345  x\n");
}

TEST(TableTest, FieldsAreAligned) {
  FieldList fields;
  fields.Add("a", "1");
  fields.Add("longer", "2");
  EXPECT_EQ(fields.Text(), "a:       1\nlonger:  2\n");
}

// What strangers mail must not reach the terminal as commands.
TEST(PrintableTest, ControlsAreEscaped) {
  EXPECT_EQ(Printable("plain \xc3\xa4"), "plain \xc3\xa4");
  EXPECT_EQ(Printable("\x1b[2J\x7f"), "\\x1b[2J\\x7f");
  EXPECT_EQ(Printable("a\nb\tc"), "a\\x0ab\\x09c");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "2J"),
            "\\x9b2J");
  EXPECT_EQ(Printable("\x9b"
                      "2J"),
            "\\x9b2J");
  EXPECT_EQ(Printable("\xc2\xa0"), "\xc2\xa0");
  Table table({{"FROM"}});
  table.Row({"<\x1b]0;x\x07@y>"});
  EXPECT_EQ(table.Text(), "FROM\n<\\x1b]0;x\\x07@y>\n");
}

TEST(JsonQuoteTest, Escapes) {
  EXPECT_EQ(JsonQuote("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(JsonQuote("\n\x01\x7f"), R"("\u000a\u0001\u007f")");
  EXPECT_EQ(JsonQuote("\xc3\xa4"), "\"\xc3\xa4\"");
  EXPECT_EQ(JsonQuote("\xff"), R"("\ufffd")");
}

TEST(FormatTest, Bytes) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1.0 KiB");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(FormatBytes(52'428'800), "50.0 MiB");
  EXPECT_EQ(FormatBytes(UINT64_MAX), "16.0 EiB");
  EXPECT_EQ(FormatBytesLimit(0), "no limit");
  EXPECT_EQ(FormatLimit(7), "7");
}

TEST(FormatTest, Time) {
  google::protobuf::Timestamp time;
  EXPECT_EQ(FormatTime(time), "-");
  time.set_seconds(1'700'000'000);
  EXPECT_EQ(FormatTime(time), "2023-11-14T22:13:20Z");
}

TEST(FormatTest, Duration) {
  google::protobuf::Duration duration;
  const std::pair<int64_t, const char*> cases[] = {{0, "0.0s"},       {59, "59.0s"},   {60, "1m0s"},
                                                   {3'599, "59m59s"}, {3'600, "1h0m"}, {86'399, "23h59m"},
                                                   {90'000, "1d1h"}};
  for (const auto& [seconds, text] : cases) {
    duration.set_seconds(seconds);
    EXPECT_EQ(FormatDuration(duration), text);
  }
}

TEST(FormatTest, Plural) {
  EXPECT_EQ(Plural(0, "message"), "0 messages");
  EXPECT_EQ(Plural(1, "message"), "1 message");
  EXPECT_EQ(Plural(2, "message"), "2 messages");
}

}  // namespace
}  // namespace mailstead::ctl
