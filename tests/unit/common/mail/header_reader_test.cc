#include "common/mail/header_reader.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Collector : public HeaderObserver {
 public:
  void OnField(const HeaderField& field) override {
    if (field.Is("Received")) ++received_count;
    if (field.Is("Date")) has_date = true;
    if (field.Is("Message-ID")) has_message_id = true;
    fields.push_back(absl::StrCat(field.name, "|", field.value, "|", field.raw, field.cut ? "|cut" : ""));
    unfolded.push_back(field.Unfolded());
  }

  int received_count = 0;
  bool has_date = false;
  bool has_message_id = false;
  std::vector<std::string> fields;
  std::vector<std::string> unfolded;
};

// Calls `look` with the reader before its end and with what it gave, for the text in pieces of `step` bytes.
template <typename Look>
void Read(absl::string_view text, size_t step, Look look) {
  Collector collector;
  HeaderReader reader({&collector});
  for (size_t i = 0; i < text.size(); i += step) reader.Feed(text.substr(i, step));
  const bool ended = reader.ended();
  reader.Finish();
  EXPECT_TRUE(reader.ended());
  look(reader, collector, ended);
}

// "received date message-id ended" as seen, however the bytes are split. "ended" does not know of the end of
// the message.
std::string Scan(absl::string_view text) {
  std::string whole;
  for (size_t step = text.size() + 1; step > 0; --step) {
    Read(text, step, [&](const HeaderReader&, const Collector& seen_fields, bool ended) {
      const std::string seen = absl::StrCat(seen_fields.received_count, seen_fields.has_date ? " date" : "",
                                            seen_fields.has_message_id ? " id" : "", ended ? " ended" : "");
      if (whole.empty()) whole = seen;
      EXPECT_EQ(seen, whole) << text << " by " << step;
    });
  }
  return whole;
}

// "name|value|raw" of each field, however the bytes are split.
std::vector<std::string> Fields(absl::string_view text) {
  std::vector<std::string> whole;
  for (size_t step = text.size() + 1; step > 0; --step) {
    Read(text, step, [&](const HeaderReader&, const Collector& collector, bool) {
      if (step == text.size() + 1) whole = collector.fields;
      EXPECT_EQ(collector.fields, whole) << text << " by " << step;
    });
  }
  return whole;
}

bool BeginsWithText(absl::string_view text) {
  bool whole = false;
  for (size_t step = text.size() + 1; step > 0; --step) {
    Read(text, step, [&](const HeaderReader& reader, const Collector&, bool) {
      if (step == text.size() + 1) whole = reader.begins_with_text();
      EXPECT_EQ(reader.begins_with_text(), whole) << text << " by " << step;
    });
  }
  return whole;
}

TEST(HeaderReader, FindsFields) {
  EXPECT_EQ(Scan("Date: x\r\nMessage-ID: y\r\nReceived: z\r\n\r\n"), "1 date id ended");
  EXPECT_EQ(Scan("date:\r\nMESSAGE-ID:\r\nreceived:\r\nRECEIVED:\r\n"), "2 date id");
  EXPECT_EQ(Scan("Date : obsolete blank\r\n\r\n"), "0 date ended");
}

TEST(HeaderReader, IsNotFooled) {
  EXPECT_EQ(Scan("Dates: x\r\nX-Date: y\r\nDat: z\r\nMessage-IDs: a\r\nReceived-SPF: b\r\n\r\n"), "0 ended");
  EXPECT_EQ(Scan("Subject: Date: x\r\n Received: continuation\r\n\tDate: too\r\n\r\n"), "0 ended");
  EXPECT_EQ(Scan("Subject: x\r\n\r\nDate: in the body\r\nReceived: too\r\n"), "0 ended");
}

TEST(HeaderReader, EndsWhereTheHeaderEnds) {
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

TEST(HeaderReader, GivesWholeFieldsAsTheyCame) {
  EXPECT_THAT(Fields("Subject: one\r\n two\r\n\tthree\r\nX-A :b\r\nEmpty:\r\n\r\nBody: x\r\n"),
              ElementsAre("Subject| one\r\n two\r\n\tthree|Subject: one\r\n two\r\n\tthree\r\n",
                          "X-A|b|X-A :b\r\n", "Empty||Empty:\r\n"));
  EXPECT_THAT(Fields("\r\nBody: x\r\n"), IsEmpty());
  // A CR or LF alone is text of the value.
  EXPECT_THAT(Fields("A: b\rc\nd\r\r\nB: x\r\n\r\n"),
              ElementsAre("A| b\rc\nd\r|A: b\rc\nd\r\r\n", "B| x|B: x\r\n"));
}

TEST(HeaderReader, TheLastFieldEndsWithTheMessage) {
  EXPECT_THAT(Fields("A: b"), ElementsAre("A| b|A: b"));
  EXPECT_THAT(Fields("A: b\r\n"), ElementsAre("A| b|A: b\r\n"));
  EXPECT_THAT(Fields("A: b\r\n c"), ElementsAre("A| b\r\n c|A: b\r\n c"));
  EXPECT_THAT(Fields("A:"), ElementsAre("A||A:"));
  // What stops before its colon is none.
  EXPECT_THAT(Fields("A: b\r\nB"), ElementsAre("A| b|A: b\r\n"));
  EXPECT_THAT(Fields("A: b\r\n\r"), ElementsAre("A| b|A: b\r\n"));
}

TEST(HeaderReader, Unfolds) {
  Read("Subject:  one\r\n two\r\n\tthree \r\n\r\n", 1000,
       [](const HeaderReader&, const Collector& collector, bool) {
         EXPECT_THAT(collector.unfolded, ElementsAre("one two\tthree"));
       });
}

TEST(HeaderReader, KnowsTextThatHasNoHeader) {
  for (const char* text :
       {"just text\r\n", "From mbox line\r\nDate: x\r\n", " begins with a blank\r\n", ": no name\r\n",
        "noColon", "no", "\xc3\xbc: x\r\n", "\rx", "\r", "\n", "a b: c\r\n"}) {
    EXPECT_TRUE(BeginsWithText(text)) << text;
  }
  for (const char* text : {"", "\r\n", "\r\ntext", "A: b", "A: b\r\nno field\r\n", "A :\r\n\r\n", "A:"}) {
    EXPECT_FALSE(BeginsWithText(text)) << text;
  }
}

TEST(HeaderReader, CutsFieldsThatAreTooLong) {
  for (const int extra : {-1, 0, 1}) {
    const std::string begin = "Long: ";
    std::string field = begin + std::string(kMaxHeaderFieldBytes + extra - begin.size() - 2, 'x') + "\r\n";
    const std::string text = absl::StrCat(field, "Date: y\r\n\r\n");
    for (const size_t step : {text.size(), size_t{1}, size_t{1000}, size_t{16'384}, kMaxHeaderFieldBytes}) {
      Collector collector;
      HeaderReader reader({&collector});
      for (size_t i = 0; i < text.size(); i += step) reader.Feed(absl::string_view(text).substr(i, step));
      ASSERT_EQ(collector.fields.size(), 2u) << extra << " by " << step;
      EXPECT_TRUE(collector.has_date);
      const bool cut = extra > 0;
      const std::string kept = field.substr(0, kMaxHeaderFieldBytes);
      const std::string value = cut ? kept.substr(5) : kept.substr(5, kept.size() - 7);
      EXPECT_EQ(collector.fields[0], absl::StrCat("Long|", value, "|", kept, cut ? "|cut" : ""))
          << extra << " by " << step;
    }
  }
}

TEST(HeaderReader, ANameHasNoEndEither) {
  const std::string name(3 * kMaxHeaderFieldBytes, 'n');
  for (const size_t step : {size_t{1000}, size_t{1'000'000}}) {
    Collector collector;
    HeaderReader reader({&collector});
    const std::string text = absl::StrCat(name, ": x\r\n\r\n");
    for (size_t i = 0; i < text.size(); i += step) reader.Feed(absl::string_view(text).substr(i, step));
    EXPECT_THAT(collector.fields, ElementsAre(absl::StrCat(name.substr(0, kMaxHeaderFieldBytes), "||",
                                                           name.substr(0, kMaxHeaderFieldBytes), "|cut")));
  }
}

TEST(HeaderReader, TellsEachObserver) {
  Collector one;
  Collector two;
  HeaderReader reader({&one, &two});
  reader.Feed("Date: x\r\n\r\n");
  EXPECT_TRUE(one.has_date);
  EXPECT_TRUE(two.has_date);
}

}  // namespace
}  // namespace mailstead
