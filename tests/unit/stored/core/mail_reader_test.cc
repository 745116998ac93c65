#include "stored/core/mail_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/mail/mime/parser.h"
#include "tests/support/block_on.h"

namespace mailstead::stored {
namespace {

// A message in memory; counts what is read of it.
class TextReader final : public engine::MessageReader {
 public:
  explicit TextReader(std::string bytes) : bytes_(std::move(bytes)) {}
  int64_t size_bytes() const override { return static_cast<int64_t>(bytes_.size()); }
  const std::string& delivery_id() const override { return delivery_id_; }
  Task<absl::StatusOr<std::string>> Read(int64_t offset, size_t max_bytes) override {
    if (offset >= damaged_at_) co_return absl::DataLossError("damaged");
    const size_t wanted = std::min(max_bytes, size_t{65536});
    largest_ = std::max(largest_, wanted);
    read_bytes_ += wanted;
    co_return bytes_.substr(static_cast<size_t>(offset), wanted);
  }

  int64_t damaged_at_ = INT64_MAX;
  size_t largest_ = 0;
  size_t read_bytes_ = 0;

 private:
  const std::string bytes_;
  const std::string delivery_id_;
};

class MailReaderTest : public testing::Test {
 protected:
  absl::StatusOr<mime::Message> Parse(TextReader& reader,
                                      MailReader::Extent extent = MailReader::Extent::kWhole) {
    return BlockOn(mail_.Parse(reader, extent));
  }
  std::vector<PartText> Texts(TextReader& reader, size_t limit) {
    const auto message = Parse(reader);
    EXPECT_TRUE(message.ok()) << message.status();
    auto texts = BlockOn(mail_.ReadTexts(reader, *message, limit));
    EXPECT_TRUE(texts.ok()) << texts.status();
    return *std::move(texts);
  }

  ThreadExecutor executor_;
  MailReader mail_{2, executor_, 1000};
};

TEST_F(MailReaderTest, ReadsAnyMessageAsTheParserDoes) {
  for (const size_t size : {size_t{0}, size_t{100}, size_t{70'000}, size_t{700'000}}) {
    std::string content = "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n";
    content += std::string(size, 'x') + "\r\n--b\r\nContent-Type: text/html\r\n\r\nhtml\r\n--b--\r\n";
    TextReader reader(content);
    const auto message = Parse(reader);
    ASSERT_TRUE(message.ok());
    ASSERT_EQ(message->parts.size(), 3u);
    EXPECT_EQ(message->parts[1].decoded_bytes, size);
    EXPECT_EQ(message->fields.size(), 2u);
    EXPECT_LE(reader.largest_, 65536u);
  }
}

TEST_F(MailReaderTest, OfAHeaderNoMoreIsReadThanItHas) {
  TextReader reader(absl::StrCat("Subject: s\r\n\r\n", std::string(1 << 20, 'x')));
  const auto message = Parse(reader, MailReader::Extent::kHeader);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->fields.size(), 1u);
  EXPECT_EQ(message->parts.front().body_begin, 14u);
  EXPECT_LE(reader.read_bytes_, 16384u);
  TextReader all_header(absl::StrCat("Subject: s\r\nX: ", std::string(1 << 20, 'x'), "\r\n\r\n"));
  EXPECT_EQ(Parse(all_header, MailReader::Extent::kHeader)->fields.size(), 2u);
}

TEST_F(MailReaderTest, TextsAreBoundedTogether) {
  const std::string euro = "\xe2\x82\xac";
  const std::string content =
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
      "--b\r\n\r\none\r\n"
      "--b\r\nContent-Type: application/pdf\r\n\r\nnot this\r\n"
      "--b\r\nContent-Type: text/html; charset=windows-1252\r\nContent-Transfer-Encoding: "
      "quoted-printable\r\n\r\n"
      "=80=80\r\n"
      "--b\r\nContent-Type: text/plain\r\n\r\n\r\n"
      "--b\r\n\r\nlast\r\n--b--\r\n";
  TextReader reader(content);
  struct Case {
    size_t limit;
    std::string texts[5];
    std::string truncated;
  };
  const Case cases[] = {
      {1000, {"one", "", euro + euro, "", "last"}, "-----"},
      {13, {"one", "", euro + euro, "", "last"}, "-----"},
      {12, {"one", "", euro + euro, "", "las"}, "----t"},
      {9, {"one", "", euro + euro, "", ""}, "----t"},
      // Not within a character.
      {8, {"one", "", euro, "", ""}, "--t-t"},
      {3, {"one", "", "", "", ""}, "--t-t"},
      {0, {"", "", "", "", ""}, "t-t-t"},
  };
  for (const Case& c : cases) {
    const std::vector<PartText> texts = Texts(reader, c.limit);
    ASSERT_EQ(texts.size(), 6u);
    std::string truncated;
    for (size_t i = 1; i < texts.size(); ++i) {
      EXPECT_EQ(texts[i].text, c.texts[i - 1]) << c.limit;
      truncated += texts[i].truncated ? 't' : '-';
    }
    EXPECT_EQ(truncated, c.truncated) << c.limit;
  }
}

TEST_F(MailReaderTest, OfALongTextAboutAsMuchIsReadAsIsWanted) {
  TextReader reader(absl::StrCat("Subject: s\r\n\r\n", std::string(4 << 20, 'x')));
  const auto message = Parse(reader);
  ASSERT_TRUE(message.ok());
  reader.read_bytes_ = 0;
  const auto texts = BlockOn(mail_.ReadTexts(reader, *message, 1000));
  ASSERT_TRUE(texts.ok());
  EXPECT_EQ((*texts)[0].text, std::string(1000, 'x'));
  EXPECT_TRUE((*texts)[0].truncated);
  EXPECT_LE(reader.read_bytes_, 10'000u);
}

TEST_F(MailReaderTest, DamageIsTold) {
  TextReader reader(absl::StrCat("Subject: s\r\n\r\n", std::string(200'000, 'x')));
  reader.damaged_at_ = 100'000;
  EXPECT_TRUE(absl::IsDataLoss(Parse(reader).status()));
  EXPECT_TRUE(Parse(reader, MailReader::Extent::kHeader).ok());
}

TEST_F(MailReaderTest, WhatIsHeldIsBounded) {
  auto first = mail_.Hold(600);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(ReasonOf(mail_.Hold(401).status()), kReasonBusy);
  EXPECT_TRUE(mail_.Hold(400).ok());
  first->Clear();
  EXPECT_TRUE(mail_.Hold(1000).ok());
}

}  // namespace
}  // namespace mailstead::stored
