// GetMessage, BatchGetMessages and FetchMessage: what they give of a message, whatever it is.
#include "stored/api/message_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/core/digest.h"
#include "stored/core/message_digest.h"
#include "tests/unit/stored/api/api_fixture.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kMail[] =
    "From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\r\n"
    "To: Friends: a@example.test, B <b@example.test>;, Nobody:;\r\n"
    "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    "Date: Sun, 29 Nov 2026 10:00:00 +0100\r\n"
    "Message-ID: <one@example.org>\r\n"
    "References: <a@x> <b@x>\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n"
    "\r\n"
    "--b\r\n"
    "Content-Type: text/plain; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n"
    "\r\n"
    "Gr=FC=DFe\r\n"
    "--b\r\n"
    "Content-Type: application/pdf; name=\"a.pdf\"\r\n"
    "Content-Disposition: attachment; filename*=utf-8''%C3%A4.pdf\r\n"
    "Content-Transfer-Encoding: base64\r\n"
    "\r\n"
    "AAECAwQFBgcICQ==\r\n"
    "--b--\r\n";

class MessageViewTest : public ApiTest {
 protected:
  MessageViewTest() : account_(AddAccount("a@example.test")) {}

  // Gives its id. What is larger than a piece goes straight into the engine.
  int64_t Put(const std::string& content) {
    const std::string delivery_id = absl::StrCat("delivery-number-", ++count_);
    if (content.size() <= size_t{1} << 20) {
      Deliver(account_, delivery_id, content);
    } else {
      MessageDigest digest;
      digest.Feed(content);
      Append(delivery_id, content, digest.Finish(""));
    }
    return count_;
  }

  void Append(const std::string& delivery_id, const std::string& content, engine::SearchedFields searched) {
    engine::NewMessage message;
    message.delivery_scope = "operator";
    message.envelope.delivery_id = delivery_id;
    message.envelope.recipients.emplace_back().address = "a@example.test";
    message.copies.emplace_back();
    message.copies[0].account = AccountId{account_};
    message.copies[0].recipients = {0};
    message.copies[0].prefix = "Return-Path: <>\r\nDelivered-To: a@example.test\r\n";
    message.sha256 = Sha256(content);
    message.fingerprint = Sha256(delivery_id);
    message.deliver_time = clock_.Now();
    message.searched = std::move(searched);
    engine::Content whole;
    whole.whole = content;
    ASSERT_TRUE(BlockOn(engine().messages().Append(std::move(message), std::move(whole), {})).ok());
  }

  absl::StatusOr<v1::Message> Get(int64_t message, v1::MessageView view, int64_t text_limit = -1) {
    v1::GetMessageRequest request;
    request.set_account("a@example.test");
    request.set_message_id(message);
    request.set_view(view);
    if (text_limit >= 0) request.mutable_text_limit_bytes()->set_value(text_limit);
    return AsOperator<v1::Message>("MessageService/GetMessage", request);
  }

  absl::StatusOr<v1::BatchGetMessagesResponse> GetBatch(const std::vector<int64_t>& messages,
                                                        v1::MessageView view) {
    v1::BatchGetMessagesRequest request;
    request.set_account("a@example.test");
    for (const int64_t message : messages) request.add_message_ids(message);
    request.set_view(view);
    return AsOperator<v1::BatchGetMessagesResponse>("MessageService/BatchGetMessages", request);
  }

  // What is fetched; `part` is what the first piece says of the part.
  absl::StatusOr<std::string> Fetch(v1::FetchMessageRequest request, v1::Part* part = nullptr) {
    request.set_account("a@example.test");
    std::vector<v1::FetchMessageResponse> pieces;
    const absl::Status status =
        CallMany("mailstead.store.v1.MessageService/FetchMessage", {.role = kOperator}, request, pieces);
    if (!status.ok()) return status;
    std::string bytes;
    for (const v1::FetchMessageResponse& piece : pieces) {
      EXPECT_LE(piece.content().size(), 65536u);
      EXPECT_EQ(piece.has_part(), &piece == &pieces.front() && !request.part_id().empty());
      bytes += piece.content();
    }
    if (part != nullptr && !pieces.empty()) *part = pieces.front().part();
    return bytes;
  }
  static v1::FetchMessageRequest PartOf(int64_t message, const std::string& id,
                                        v1::PartForm form = v1::PART_FORM_UNSPECIFIED) {
    v1::FetchMessageRequest request;
    request.set_message_id(message);
    request.set_part_id(id);
    request.set_part_form(form);
    return request;
  }
  static v1::FetchMessageRequest SectionOf(int64_t message, v1::MessageSection section) {
    v1::FetchMessageRequest request;
    request.set_message_id(message);
    request.set_section(section);
    return request;
  }

  const int64_t account_;
  int64_t count_ = 0;
};

INSTANTIATE_TEST_SUITE_P(EveryDoor, MessageViewTest, testing::Values(TestDoor::kGrpc, TestDoor::kInProcess),
                         NameOfDoor);

TEST_P(MessageViewTest, EachViewGivesMore) {
  const int64_t id = Put(kMail);
  const auto summary = Get(id, v1::MESSAGE_VIEW_UNSPECIFIED);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->summary().message_id(), id);
  EXPECT_EQ(summary->summary().subject(),
            "Gr\xc3\xbc\xc3\x9f"
            "e");
  ASSERT_EQ(summary->summary().from_addresses_size(), 1);
  EXPECT_EQ(summary->summary().from_addresses(0).display_name(), "J\xc3\xb6rg");
  EXPECT_EQ(summary->summary().from_addresses(0).address(), "joerg@example.org");
  EXPECT_EQ(summary->summary().header_message_id(), "one@example.org");
  EXPECT_EQ(summary->summary().date().seconds(), 1'795'942'800);
  EXPECT_TRUE(summary->summary().has_attachment().value());
  EXPECT_FALSE(summary->has_header());
  EXPECT_FALSE(summary->has_parsed());
  EXPECT_EQ(summary->raw(), "");

  const auto headers = Get(id, v1::MESSAGE_VIEW_HEADERS);
  ASSERT_TRUE(headers.ok()) << headers.status();
  EXPECT_FALSE(headers->has_parsed());
  const v1::MessageHeader& header = headers->header();
  EXPECT_EQ(header.fields(0).name(), "Return-Path");
  EXPECT_EQ(header.fields(header.fields_size() - 1).name(), "Content-Type");
  EXPECT_EQ(header.subject(), summary->summary().subject());
  EXPECT_EQ(header.date().seconds(), 1'795'942'800);
  EXPECT_EQ(header.date_offset_minutes().value(), 60);
  EXPECT_EQ(header.header_message_id(), "one@example.org");
  EXPECT_THAT(header.references(), ElementsAre("a@x", "b@x"));
  ASSERT_EQ(header.to_addresses_size(), 3);
  EXPECT_EQ(header.to_addresses(0).group(), "Friends");
  EXPECT_EQ(header.to_addresses(1).display_name(), "B");
  EXPECT_EQ(header.to_addresses(2).group(), "Nobody");
  EXPECT_EQ(header.to_addresses(2).address(), "");
  EXPECT_FALSE(header.truncated());

  const auto parsed = Get(id, v1::MESSAGE_VIEW_PARSED);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->header().SerializeAsString(), header.SerializeAsString());
  ASSERT_EQ(parsed->parsed().parts_size(), 3);
  EXPECT_EQ(parsed->parsed().plain_text_part_id(), "1.1");
  EXPECT_EQ(parsed->parsed().html_text_part_id(), "");
  EXPECT_THAT(parsed->parsed().attachment_part_ids(), ElementsAre("1.2"));
  const v1::Part& text = parsed->parsed().parts(1);
  EXPECT_EQ(text.text(),
            "Gr\xc3\xbc\xc3\x9f"
            "e");
  EXPECT_EQ(text.charset(), "iso-8859-1");
  EXPECT_EQ(text.parent_part_id(), "1");
  const v1::Part& file = parsed->parsed().parts(2);
  EXPECT_EQ(file.file_name(), "\xc3\xa4.pdf");
  EXPECT_EQ(file.disposition(), "attachment");
  EXPECT_EQ(file.transfer_encoding(), "base64");
  EXPECT_EQ(file.decoded_size_bytes(), 10);
  EXPECT_TRUE(file.is_attachment());

  const auto raw = Get(id, v1::MESSAGE_VIEW_RAW);
  ASSERT_TRUE(raw.ok()) << raw.status();
  EXPECT_EQ(raw->raw(), *Fetch(SectionOf(id, v1::MESSAGE_SECTION_WHOLE)));
  EXPECT_EQ(
      raw->raw().substr(static_cast<size_t>(file.body_offset()), static_cast<size_t>(file.size_bytes())),
      "AAECAwQFBgcICQ==");
  EXPECT_FALSE(raw->has_header());
}

TEST_P(MessageViewTest, WhatIsAskedWronglyIsNamed) {
  Put(kMail);
  EXPECT_EQ(FieldOf(Get(0, v1::MESSAGE_VIEW_SUMMARY).status()), "message_id");
  EXPECT_EQ(FieldOf(Get(1, static_cast<v1::MessageView>(99)).status()), "view");
  EXPECT_EQ(FieldOf(Get(1, v1::MESSAGE_VIEW_PARSED, 1'048'577).status()), "text_limit_bytes");
  EXPECT_TRUE(Get(1, v1::MESSAGE_VIEW_PARSED, 1'048'576).ok());
  EXPECT_EQ(ReasonOf(Get(2, v1::MESSAGE_VIEW_SUMMARY).status()), kReasonMessageNotFound);
  EXPECT_EQ(ReasonOf(Get(2, v1::MESSAGE_VIEW_RAW).status()), kReasonMessageNotFound);

  EXPECT_EQ(FieldOf(GetBatch({}, v1::MESSAGE_VIEW_SUMMARY).status()), "message_ids");
  EXPECT_EQ(FieldOf(GetBatch({1, 0}, v1::MESSAGE_VIEW_SUMMARY).status()), "message_ids[1]");
  EXPECT_EQ(FieldOf(GetBatch({1, 1}, v1::MESSAGE_VIEW_SUMMARY).status()), "message_ids");
  EXPECT_EQ(FieldOf(GetBatch(std::vector<int64_t>(101, 1), v1::MESSAGE_VIEW_SUMMARY).status()),
            "message_ids");

  EXPECT_EQ(ReasonOf(Fetch(PartOf(1, "1.3")).status()), kReasonPartNotFound);
  EXPECT_EQ(ReasonOf(Fetch(PartOf(2, "1")).status()), kReasonMessageNotFound);
  v1::FetchMessageRequest both = PartOf(1, "1");
  both.set_section(v1::MESSAGE_SECTION_HEADER);
  EXPECT_EQ(FieldOf(Fetch(both).status()), "section");
  EXPECT_EQ(FieldOf(Fetch(PartOf(1, "", v1::PART_FORM_TEXT)).status()), "part_form");
  EXPECT_EQ(FieldOf(Fetch(PartOf(1, "1", static_cast<v1::PartForm>(99))).status()), "part_form");
  EXPECT_EQ(FieldOf(Fetch(SectionOf(1, static_cast<v1::MessageSection>(99))).status()), "section");
}

TEST_P(MessageViewTest, SectionsFitTogether) {
  const int64_t id = Put(kMail);
  const std::string whole = *Fetch(SectionOf(id, v1::MESSAGE_SECTION_UNSPECIFIED));
  const std::string content = *Fetch(SectionOf(id, v1::MESSAGE_SECTION_CONTENT));
  EXPECT_EQ(content, kMail);
  EXPECT_EQ(Sha256(content), Get(id, v1::MESSAGE_VIEW_SUMMARY)->summary().sha256());
  const std::string header = *Fetch(SectionOf(id, v1::MESSAGE_SECTION_HEADER));
  EXPECT_EQ(header, whole.substr(0, whole.find("\r\n\r\n") + 4));
  // Of a section as of the whole.
  v1::FetchMessageRequest range = SectionOf(id, v1::MESSAGE_SECTION_CONTENT);
  range.set_read_offset(6);
  range.set_read_limit(5);
  EXPECT_EQ(*Fetch(range), content.substr(6, 5));
  range.set_read_offset(static_cast<int64_t>(content.size()));
  EXPECT_EQ(*Fetch(range), "");
  range.set_read_offset(static_cast<int64_t>(content.size()) + 1);
  EXPECT_TRUE(absl::IsOutOfRange(Fetch(range).status()));
  range.set_section(v1::MESSAGE_SECTION_HEADER);
  range.set_read_offset(static_cast<int64_t>(header.size()) + 1);
  EXPECT_TRUE(absl::IsOutOfRange(Fetch(range).status()));
}

TEST_P(MessageViewTest, APartComesInEachForm) {
  const int64_t id = Put(kMail);
  v1::Part part;
  EXPECT_EQ(*Fetch(PartOf(id, "1.2"), &part), std::string("\0\1\2\3\4\5\6\7\x8\x9", 10));
  EXPECT_EQ(part.file_name(), "\xc3\xa4.pdf");
  EXPECT_EQ(part.text(), "");
  EXPECT_EQ(*Fetch(PartOf(id, "1.2", v1::PART_FORM_ENCODED)), "AAECAwQFBgcICQ==");
  EXPECT_EQ(*Fetch(PartOf(id, "1.2", v1::PART_FORM_TEXT)), std::string("\0\1\2\3\4\5\6\7\x8\x9", 10));
  EXPECT_EQ(*Fetch(PartOf(id, "1.1", v1::PART_FORM_ENCODED)), "Gr=FC=DFe");
  EXPECT_EQ(*Fetch(PartOf(id, "1.1", v1::PART_FORM_DECODED)),
            "Gr\xfc\xdf"
            "e");
  EXPECT_EQ(*Fetch(PartOf(id, "1.1", v1::PART_FORM_TEXT)),
            "Gr\xc3\xbc\xc3\x9f"
            "e");
  // What holds others is given as it stands.
  const std::string body = std::string(kMail).substr(std::string(kMail).find("\r\n\r\n") + 4);
  for (const auto form : {v1::PART_FORM_DECODED, v1::PART_FORM_TEXT, v1::PART_FORM_ENCODED}) {
    EXPECT_EQ(*Fetch(PartOf(id, "1", form)), body);
  }
}

// A large part, of which any range comes out of its decoder.
TEST_P(MessageViewTest, AnyRangeOfAPart) {
  std::string file(300'000, '\0');
  for (size_t i = 0; i < file.size(); ++i) file[i] = static_cast<char>(i * i >> 5);
  const std::string encoded = absl::Base64Escape(file);
  std::string content = "Content-Transfer-Encoding: base64\r\nContent-Type: application/octet-stream\r\n\r\n";
  for (size_t at = 0; at < encoded.size(); at += 76)
    absl::StrAppend(&content, encoded.substr(at, 76), "\r\n");
  const int64_t id = Put(content);
  std::string text = "Content-Type: text/plain; charset=iso-8859-1\r\n\r\n";
  std::string as_text;
  for (int i = 0; i < 2000; ++i) {
    absl::StrAppend(&text, i, " \xfc and so on, line by line until it is long\r\n");
    absl::StrAppend(&as_text, i, " \xc3\xbc and so on, line by line until it is long\r\n");
  }
  const int64_t text_id = Put(text);
  struct Form {
    v1::FetchMessageRequest request;
    std::string whole;
  };
  const Form forms[] = {
      {PartOf(id, "1"), file},
      {PartOf(text_id, "1", v1::PART_FORM_TEXT), as_text},
      {PartOf(text_id, "1", v1::PART_FORM_DECODED), text.substr(text.find("\r\n\r\n") + 4)}};
  for (const Form& form : forms) {
    EXPECT_EQ(*Fetch(form.request), form.whole);
    const int64_t size = static_cast<int64_t>(form.whole.size());
    for (const int64_t offset : {int64_t{0}, int64_t{1}, int64_t{49'151}, int64_t{65'536}, size - 1, size}) {
      for (const int64_t limit : {int64_t{0}, int64_t{1}, int64_t{65'536}, int64_t{65'537}, size}) {
        v1::FetchMessageRequest request = form.request;
        request.set_read_offset(offset);
        request.set_read_limit(limit);
        const auto bytes = Fetch(request);
        ASSERT_TRUE(bytes.ok()) << bytes.status() << " " << offset << " " << limit;
        EXPECT_EQ(*bytes, form.whole.substr(static_cast<size_t>(offset),
                                            limit == 0 ? std::string::npos : static_cast<size_t>(limit)))
            << offset << " " << limit;
      }
    }
    v1::FetchMessageRequest past = form.request;
    past.set_read_offset(size + 1);
    EXPECT_TRUE(absl::IsOutOfRange(Fetch(past).status()));
    past.set_read_limit(1);
    EXPECT_TRUE(absl::IsOutOfRange(Fetch(past).status()));
  }
}

TEST_P(MessageViewTest, RawEndsAtWhatAnAnswerMayHave) {
  // With the fields in front, and the summary, more or less than 4 MiB.
  const int64_t small = Put(absl::StrCat("Subject: s\r\n\r\n", std::string((4 << 20) - 2000, 'x'), "\r\n"));
  const auto fits = Get(small, v1::MESSAGE_VIEW_RAW);
  ASSERT_TRUE(fits.ok()) << fits.status();
  EXPECT_LE(fits->ByteSizeLong(), size_t{4} << 20);
  const int64_t large = Put(absl::StrCat("Subject: s\r\n\r\n", std::string((4 << 20) - 20, 'x'), "\r\n"));
  const absl::Status refused = Get(large, v1::MESSAGE_VIEW_RAW).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_EQ(ReasonOf(refused), kReasonTooLarge);
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("FetchMessage"));
  EXPECT_EQ(Get(large, v1::MESSAGE_VIEW_PARSED, 1 << 20)->parsed().parts(0).text(),
            std::string(1 << 20, 'x'));
  // One of many keeps no other from being read.
  const auto batch = GetBatch({large, small}, v1::MESSAGE_VIEW_RAW);
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_EQ(batch->messages_size() + batch->unread_message_ids_size(), 2);
  EXPECT_EQ(batch->messages(0).omitted_content(), v1::OMITTED_CONTENT_TOO_LARGE);
}

TEST_P(MessageViewTest, ABatchKeepsItsOrderAndItsBound) {
  for (int i = 0; i < 6; ++i)
    Put(absl::StrCat("Subject: ", i, "\r\n\r\n", std::string(1 << 20, 'x'), "\r\n"));
  const auto summaries = GetBatch({5, 99, 1, 98, 3}, v1::MESSAGE_VIEW_SUMMARY);
  ASSERT_TRUE(summaries.ok()) << summaries.status();
  std::vector<int64_t> ids;
  for (const v1::Message& message : summaries->messages()) ids.push_back(message.summary().message_id());
  EXPECT_THAT(ids, ElementsAre(5, 1, 3));
  EXPECT_THAT(summaries->missing_message_ids(), ElementsAre(99, 98));
  EXPECT_THAT(summaries->unread_message_ids(), IsEmpty());

  const auto raw = GetBatch({6, 5, 4, 99, 3, 2, 1}, v1::MESSAGE_VIEW_RAW);
  ASSERT_TRUE(raw.ok()) << raw.status();
  EXPECT_LE(raw->ByteSizeLong(), size_t{4} << 20);
  EXPECT_EQ(raw->messages_size(), 3);
  EXPECT_THAT(raw->unread_message_ids(), ElementsAre(3, 2, 1));
  EXPECT_THAT(raw->missing_message_ids(), ElementsAre(99));
}

// Whatever comes, the answer stays below what clients take.
TEST_P(MessageViewTest, HostileMessagesAreReadWithinBounds) {
  std::vector<std::string> mails;
  std::string deep = "Content-Type: multipart/mixed; boundary=b0\r\n\r\n";
  for (int i = 0; i < 200; ++i) {
    absl::StrAppend(&deep, "--b", i, "\r\nContent-Type: multipart/mixed; boundary=b", i + 1, "\r\n\r\n");
  }
  mails.push_back(deep);
  std::string many = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (int i = 0; i < 3000; ++i) {
    absl::StrAppend(&many, "--b\r\nContent-Type: text/plain; charset=iso-2022-jp; name=\"",
                    std::string(300, 'n'), "\"\r\nContent-Disposition: attachment; filename=\"",
                    std::string(300, 'n'), "\"\r\nContent-Transfer-Encoding: x-none\r\n\r\n=\x80\r\n");
  }
  mails.push_back(many);
  std::string fields;
  for (int i = 0; i < 5000; ++i)
    absl::StrAppend(&fields, "X-", i, ": \xff\xff\xff\xff ", std::string(100, '\xff'), "\r\n");
  mails.push_back(fields + "\r\n");
  std::string addresses;
  for (const char* name : {"From", "To", "Cc", "Bcc", "Reply-To", "Sender"}) {
    absl::StrAppend(&addresses, name, ": ");
    for (int i = 0; i < 2000; ++i) absl::StrAppend(&addresses, "\xff <\xff@\xff>,\r\n ");
    absl::StrAppend(&addresses, "g:;\r\n");
  }
  mails.push_back(addresses + "\r\n");
  std::string words = "Subject: ";
  for (int i = 0; i < 1500; ++i) absl::StrAppend(&words, "=?iso-2022-kr?q?=0E?=\r\n =?big5?q?=A4=40?=\r\n ");
  mails.push_back(words + "\r\n\r\n");
  mails.push_back(absl::StrCat(
      "Content-Type: text/plain; charset=utf-7\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
      std::string(500'000, '='), "\r\n"));
  for (const std::string& mail : mails) {
    const int64_t id = Put(mail);
    for (const auto view : {v1::MESSAGE_VIEW_SUMMARY, v1::MESSAGE_VIEW_HEADERS, v1::MESSAGE_VIEW_PARSED}) {
      const auto got = Get(id, view, 1 << 20);
      ASSERT_TRUE(got.ok()) << got.status() << mail.substr(0, 100);
      EXPECT_LE(got->ByteSizeLong(), kMaxAnswerBytes) << mail.substr(0, 100);
    }
  }
  EXPECT_THAT(Get(1, v1::MESSAGE_VIEW_PARSED)->parsed().parts(39).defects(), testing::Contains("too-deep"));
  EXPECT_EQ(Get(1, v1::MESSAGE_VIEW_PARSED)->parsed().parts_size(), 40);
  EXPECT_TRUE(Get(2, v1::MESSAGE_VIEW_PARSED)->parsed().truncated());
  EXPECT_TRUE(Get(3, v1::MESSAGE_VIEW_HEADERS)->header().truncated());
}

// What a store of an earlier version took in has no fields in its record: they are read from the message.
TEST_P(MessageViewTest, MessagesOfEarlierStoresAreRead) {
  Append("delivery-of-old", kMail, engine::SearchedFields());
  const auto read = Get(1, v1::MESSAGE_VIEW_SUMMARY);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->summary().subject(),
            "Gr\xc3\xbc\xc3\x9f"
            "e");
  EXPECT_TRUE(read->summary().has_attachment().value());
  EXPECT_EQ(GetBatch({1}, v1::MESSAGE_VIEW_SUMMARY)->messages(0).summary().SerializeAsString(),
            read->summary().SerializeAsString());
}

}  // namespace
}  // namespace mailstead::stored
