#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/store/limits.h"
#include "stored/core/digest.h"
#include "stored/core/limits.h"
#include "tests/unit/stored/api/api_fixture.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

constexpr char kId[] = "0123456789abcdef";
constexpr char kDeliver[] = "mailstead.frontend.v1.DeliveryService/Deliver";
constexpr char kDeliverMessage[] = "mailstead.store.v1.MessageService/DeliverMessageStream";
constexpr char kOurs[] = "Return-Path: <sender@elsewhere.test>\r\nDelivered-To: a@example.test\r\n";

// A message as a test delivers it.
struct Sent {
  std::string id = kId;
  std::string address = "a@example.test";
  std::string content;
  std::string trace;
};

class MessageApiTest : public ApiTest {
 protected:
  MessageApiTest() : account_(AddAccount("a@example.test")) {}

  static v1::Envelope EnvelopeOf(const Sent& sent) {
    v1::Envelope envelope;
    envelope.set_delivery_id(sent.id);
    envelope.set_reverse_path("sender@elsewhere.test");
    envelope.add_recipients()->set_address(sent.address);
    return envelope;
  }

  // By smtpd's method: whole by any door, or in pieces over a stream.
  absl::StatusOr<frontend::v1::DeliverResponse> DeliverWhole(const Sent& sent) {
    frontend::v1::DeliverRequest request;
    *request.mutable_envelope() = EnvelopeOf(sent);
    request.set_content(sent.content);
    request.mutable_end()->set_trace(sent.trace);
    return Call<frontend::v1::DeliverResponse>(kDeliver, {.role = kSmtp, .session_id = "session"}, request);
  }

  absl::StatusOr<frontend::v1::DeliverResponse> DeliverInPieces(const Sent& sent, size_t piece_bytes) {
    const auto dialog = Open(kDeliver, {.role = kSmtp});
    for (size_t offset = 0; offset == 0 || offset < sent.content.size(); offset += piece_bytes) {
      frontend::v1::DeliverRequest request;
      if (offset == 0) *request.mutable_envelope() = EnvelopeOf(sent);
      request.set_content(sent.content.substr(offset, piece_bytes));
      if (offset + piece_bytes >= sent.content.size()) request.mutable_end()->set_trace(sent.trace);
      if (!dialog->Write(request)) break;
    }
    frontend::v1::DeliverResponse response;
    const bool answered = dialog->Read(response);
    const absl::Status status = dialog->Finish();
    if (!status.ok()) return status;
    EXPECT_TRUE(answered);
    return response;
  }

  // By the operator's method, in one piece.
  absl::StatusOr<v1::DeliverMessageResponse> DeliverAsOperator(const Sent& sent) {
    v1::DeliverMessageRequest request;
    *request.mutable_envelope() = EnvelopeOf(sent);
    request.set_content(sent.content);
    return AsOperator<v1::DeliverMessageResponse>("MessageService/DeliverMessage", request);
  }

  absl::StatusOr<std::string> Fetch(int64_t message, int64_t offset = 0, int64_t limit = 0,
                                    size_t* largest_piece = nullptr) {
    v1::FetchMessageRequest request;
    request.set_account(absl::StrCat(account_));
    request.set_message_id(message);
    request.set_read_offset(offset);
    request.set_read_limit(limit);
    std::vector<v1::FetchMessageResponse> pieces;
    const absl::Status status =
        CallMany("mailstead.store.v1.MessageService/FetchMessage", {.role = kOperator}, request, pieces);
    if (!status.ok()) return status;
    std::string bytes;
    for (const v1::FetchMessageResponse& piece : pieces) {
      if (largest_piece != nullptr) *largest_piece = std::max(*largest_piece, piece.content().size());
      bytes += piece.content();
    }
    return bytes;
  }

  const int64_t account_;
};

INSTANTIATE_TEST_SUITE_P(EveryDoor, MessageApiTest,
                         testing::Values(TestDoor::kGrpc, TestDoor::kBatch, TestDoor::kInProcess),
                         NameOfDoor);

TEST_P(MessageApiTest, ASmallMessageComesBackByteForByte) {
  const std::string content("Subject: x\r\n\r\n.\r\n\x01\x7f\xff and a dot.\r\n");
  const auto delivered = DeliverWhole({.content = content, .trace = "Received: here\r\n"});
  ASSERT_TRUE(delivered.ok()) << delivered.status();
  EXPECT_EQ(delivered->outcome(), v1::DELIVER_OUTCOME_STORED);
  EXPECT_GT(delivered->deliver_time().seconds(), 0);
  EXPECT_EQ(*Fetch(1), absl::StrCat(kOurs, "Received: here\r\n", content));
  EXPECT_EQ(store_->staged_bytes(), 0);
}

TEST_P(MessageApiTest, AnOperatorDeliversTheSameWay) {
  const auto delivered = DeliverAsOperator({.content = "Subject: x\r\n\r\nhello\r\n"});
  ASSERT_TRUE(delivered.ok()) << delivered.status();
  EXPECT_EQ(delivered->delivery_id(), kId);
  EXPECT_EQ(delivered->outcome(), v1::DELIVER_OUTCOME_STORED);
  EXPECT_EQ(delivered->sha256(), Sha256("Subject: x\r\n\r\nhello\r\n"));
  EXPECT_EQ(delivered->mailbox_count(), 1);
  EXPECT_EQ(*Fetch(1), absl::StrCat(kOurs, "Subject: x\r\n\r\nhello\r\n"));
}

TEST_P(MessageApiTest, AStreamOfAnOperatorAndOneRequestAreTheSame) {
  v1::DeliverMessageStreamRequest piece;
  *piece.mutable_envelope() = EnvelopeOf({});
  piece.set_content("Subject: x\r\n\r\nhello\r\n");
  piece.set_last(true);
  const auto streamed = AsOperator<v1::DeliverMessageResponse>("MessageService/DeliverMessageStream", piece);
  ASSERT_TRUE(streamed.ok()) << streamed.status();
  EXPECT_EQ(streamed->outcome(), v1::DELIVER_OUTCOME_STORED);
  const auto whole = DeliverAsOperator({.content = "Subject: x\r\n\r\nhello\r\n"});
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(whole->outcome(), v1::DELIVER_OUTCOME_ALREADY_STORED);
  EXPECT_EQ(FieldOf(AsOperator<v1::DeliverMessageResponse>("MessageService/DeliverMessage",
                                                           v1::DeliverMessageRequest())
                        .status()),
            "envelope");
}

TEST_P(MessageApiTest, OneRequestTakesFourMebibytesOfContent) {
  const std::string line = std::string(1022, 'x') + "\r\n";
  std::string content = "Subject: x\r\n\r\n";
  while (content.size() + line.size() <= kMaxUnaryContentBytes) content += line;
  content += std::string(kMaxUnaryContentBytes - content.size() - 2, 'x') + "\r\n";
  ASSERT_EQ(content.size(), kMaxUnaryContentBytes);
  const auto taken = DeliverAsOperator({.content = content});
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->sha256(), Sha256(content));
  EXPECT_EQ(ReasonOf(DeliverAsOperator({.id = "another-delivery-id", .content = content + "x\r\n"}).status()),
            kReasonTooLarge);
}

TEST_P(MessageApiTest, AllRecipientsThatCannotBeTakenAreNamedAtOnce) {
  v1::DeliverMessageRequest request;
  *request.mutable_envelope() = EnvelopeOf({});
  request.set_content("Subject: x\r\n");
  for (const char* address : {"gone@example.test", "a@example.test", "also-gone@example.test"}) {
    request.mutable_envelope()->add_recipients()->set_address(address);
  }
  const absl::Status status =
      AsOperator<v1::DeliverMessageResponse>("MessageService/DeliverMessage", request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(status), kReasonRecipientUnknown);
  EXPECT_EQ(FieldOf(status), "envelope.recipients[1].address");
  EXPECT_EQ(status.message(), "there is no mailbox gone@example.test (and 1 more)");
}

// What only smtpd and mailctl once checked, the store holds every caller to.
TEST_P(MessageApiTest, ContentIsHeldToWhatMailCanCarry) {
  struct Case {
    std::string content;
    absl::string_view reason;
  };
  const std::string filler(70'000, 'x');
  for (const Case& c :
       {Case{"a\nb\r\n", kReasonBareLineEnd}, Case{"a\rb\r\n", kReasonBareLineEnd},
        Case{"a\r\n\n.\n", kReasonBareLineEnd}, Case{"a\r\n.\n", kReasonBareLineEnd},
        Case{"a\r", kReasonBareLineEnd}, Case{"a\r\r\n", kReasonBareLineEnd},
        Case{filler + "\n", kReasonBareLineEnd}, Case{std::string("a\0\r\n", 4), kReasonNul}}) {
    const absl::Status whole = DeliverWhole({.content = c.content}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(whole)) << c.content;
    EXPECT_EQ(FieldOf(whole), "content");
    const size_t piece = c.content.size() > 1000 ? 1000 : 1;
    for (const absl::Status& status : {whole, DeliverAsOperator({.content = c.content}).status(),
                                       DeliverInPieces({.content = c.content}, piece).status(),
                                       DeliverInPieces({.content = c.content}, 3 * piece).status()}) {
      EXPECT_EQ(ReasonOf(status), c.reason) << c.content.substr(0, 10);
    }
  }
  EXPECT_EQ(ReasonOf(DeliverAsOperator({.content = ""}).status()), kReasonEmptyMessage);
  EXPECT_EQ(store_->body_count(), 0);
  EXPECT_TRUE(Eventually([&] { return store_->staged_body_count() == 0; }));
}

// RFC 5321 section 4.1.1.4; POP3 could not give it otherwise, and sizes are of what it gives.
TEST_P(MessageApiTest, ALastLineWithoutEndGetsOne) {
  int64_t message = 0;
  for (const std::string& content :
       {std::string("Subject: x\r\n\r\nno end"), "X: " + std::string(70'000, 'x')}) {
    const auto delivered =
        DeliverAsOperator({.id = absl::StrCat("delivery-number-", ++message), .content = content});
    ASSERT_TRUE(delivered.ok()) << delivered.status();
    EXPECT_EQ(*Fetch(message), absl::StrCat(kOurs, content, "\r\n"));
    EXPECT_EQ(delivered->sha256(), Sha256(content + "\r\n"));
    // A repeat is the same message.
    EXPECT_EQ(
        DeliverAsOperator({.id = absl::StrCat("delivery-number-", message), .content = content})->outcome(),
        v1::DELIVER_OUTCOME_ALREADY_STORED);
  }
  // What it has in the end is what is limited.
  EXPECT_TRUE(DeliverInPieces(
                  {.id = "delivery-number-n", .content = std::string(kMaxTestMessageBytes - 2, 'x')}, 1 << 20)
                  .ok());
  EXPECT_EQ(ReasonOf(DeliverInPieces(
                         {.id = "delivery-number-m", .content = std::string(kMaxTestMessageBytes - 1, 'x')},
                         1 << 20)
                         .status()),
            kReasonTooLarge);
}

// What is read back has our fields and no other as its header, and all of the content as its body.
TEST_P(MessageApiTest, ContentThatBeginsWithNoFieldIsABody) {
  int64_t message = 0;
  for (const char* content :
       {"no header\r\n", " folded into Delivered-To\r\n", "\tfolded\r\n", ": x\r\n", "From me Mon\r\n"}) {
    ASSERT_TRUE(
        DeliverAsOperator({.id = absl::StrCat("delivery-number-", ++message), .content = content}).ok());
    EXPECT_EQ(*Fetch(message), absl::StrCat(kOurs, "\r\n", content)) << content;
    ASSERT_TRUE(
        DeliverInPieces({.id = absl::StrCat("delivery-number-", message), .content = content}, 1).ok());
    EXPECT_EQ(*Fetch(message + 1), absl::StrCat(kOurs, "\r\n", content)) << content;
    ++message;
  }
  for (const char* content : {"Subject: x\r\n\r\nbody\r\n", "Subject : x\r\n", "\r\nbody\r\n"}) {
    ASSERT_TRUE(
        DeliverAsOperator({.id = absl::StrCat("delivery-number-", ++message), .content = content}).ok());
    EXPECT_EQ(*Fetch(message), absl::StrCat(kOurs, content)) << content;
  }
  // A trace that has the empty line already gets no second one.
  ASSERT_TRUE(
      DeliverWhole({.id = "delivery-of-smtpd", .content = "text\r\n", .trace = "Received: x\r\n\r\n"}).ok());
  EXPECT_EQ(*Fetch(++message), absl::StrCat(kOurs, "Received: x\r\n\r\ntext\r\n"));
}

TEST_P(MessageApiTest, ALargeMessageInAnyPieces) {
  std::string content = "Subject: large\r\n\r\n";
  for (int i = 0; content.size() < 1'000'000; ++i) content += absl::StrCat("line ", i, "\r\n");
  int count = 0;
  for (const size_t piece_bytes : {size_t{1 << 20}, size_t{65'536}, size_t{10'007}}) {
    const auto delivered = DeliverInPieces(
        {.id = absl::StrCat("large-delivery-", ++count), .content = content, .trace = "Received: here\r\n"},
        piece_bytes);
    ASSERT_TRUE(delivered.ok()) << delivered.status();
    size_t largest = 0;
    EXPECT_EQ(*Fetch(count, 0, 0, &largest), absl::StrCat(kOurs, "Received: here\r\n", content));
    EXPECT_EQ(largest, 65'536u);
  }
  EXPECT_EQ(store_->staged_body_count(), 0);
}

TEST_P(MessageApiTest, ARepeatStoresNothing) {
  ASSERT_TRUE(DeliverWhole({.content = "hello"}).ok());
  const auto repeat = DeliverWhole({.content = "hello", .trace = "Received: again\r\n"});
  ASSERT_TRUE(repeat.ok());
  EXPECT_EQ(repeat->outcome(), v1::DELIVER_OUTCOME_ALREADY_STORED);
  EXPECT_EQ(store_->body_count(), 1);
  EXPECT_TRUE(absl::IsNotFound(Fetch(2).status()));
}

TEST_P(MessageApiTest, AnIdThatMeansSomethingElseIsRefused) {
  ASSERT_TRUE(DeliverWhole({.content = "hello"}).ok());
  const absl::Status reused = DeliverWhole({.content = "other"}).status();
  EXPECT_TRUE(absl::IsAlreadyExists(reused));
  EXPECT_EQ(ReasonOf(reused), kReasonDeliveryIdReused);
  EXPECT_EQ(ReasonOf(DeliverWhole({.address = "a+x@example.test", .content = "hello"}).status()),
            kReasonDeliveryIdReused);
  // The ids of smtp and operators do not meet.
  EXPECT_TRUE(DeliverAsOperator({.content = "other"}).ok());
  EXPECT_EQ(store_->body_count(), 2);
}

TEST_P(MessageApiTest, RecipientsWithoutAccountsAreResolved) {
  ASSERT_TRUE(DeliverWhole({.address = "a+tag@example.test", .content = "hello"}).ok());
  EXPECT_TRUE(absl::StrContains(*Fetch(1), "X-Original-To: a+tag@example.test\r\n"));
  const absl::Status unknown =
      DeliverWhole({.id = "another-delivery", .address = "nobody@example.test", .content = "hello"}).status();
  EXPECT_TRUE(absl::IsNotFound(unknown));
  EXPECT_EQ(ReasonOf(unknown), kReasonRecipientUnknown);
  EXPECT_EQ(FieldOf(unknown), "envelope.recipients[0].address");
}

TEST_P(MessageApiTest, AStreamWithoutItsLastMessageStoresNothing) {
  for (const size_t size : {size_t{10}, size_t{200'000}}) {
    frontend::v1::DeliverRequest request;
    *request.mutable_envelope() = EnvelopeOf({});
    request.set_content(std::string(size, 'x'));
    std::vector<frontend::v1::DeliverResponse> responses;
    const absl::Status status = CallMany(kDeliver, {.role = kSmtp}, request, responses);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_EQ(ReasonOf(status), kReasonIncompleteStream);
    EXPECT_EQ(store_->body_count(), 0);
    EXPECT_TRUE(Eventually([&] { return store_->staged_body_count() == 0; }));
  }
}

TEST_P(MessageApiTest, ACancelledDeliveryDropsItsBody) {
  const auto dialog = Open(kDeliver, {.role = kSmtp});
  frontend::v1::DeliverRequest request;
  *request.mutable_envelope() = EnvelopeOf({});
  request.set_content(std::string(200'000, 'x'));
  ASSERT_TRUE(dialog->Write(request));
  ASSERT_TRUE(Eventually([&] { return store_->staged_bytes() == 200'000; }));
  EXPECT_EQ(store_->staged_body_count(), 1);
  dialog->Cancel();
  EXPECT_FALSE(dialog->Finish().ok());
  EXPECT_TRUE(Eventually([&] { return store_->staged_body_count() == 0; }));
  EXPECT_EQ(store_->body_count(), 0);
}

TEST_P(MessageApiTest, SizesAreLimited) {
  EXPECT_TRUE(
      DeliverInPieces({.content = std::string(kMaxTestMessageBytes - 2, 'x') + "\r\n"}, 1 << 20).ok());
  const absl::Status status =
      DeliverInPieces({.id = "another-delivery", .content = std::string(kMaxTestMessageBytes + 1, 'x')},
                      1 << 20)
          .status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(ReasonOf(status), kReasonTooLarge);
  EXPECT_EQ(FieldOf(DeliverInPieces({.id = "one-more-delivery", .content = std::string((1 << 20) + 1, 'x')},
                                    2 << 20)
                        .status()),
            "content");
  EXPECT_EQ(FieldOf(DeliverWhole({.content = "x", .trace = std::string(65'537, 'x')}).status()), "end.trace");
}

TEST_P(MessageApiTest, EnvelopesAreChecked) {
  EXPECT_EQ(FieldOf(DeliverWhole({.id = "short", .content = "x"}).status()), "envelope.delivery_id");
  EXPECT_EQ(FieldOf(DeliverAsOperator({.id = "short", .content = "x"}).status()), "envelope.delivery_id");
  frontend::v1::DeliverRequest request = DeliverTo(account_, kId, "x");
  const auto deliver = [&] {
    return AsSmtp<frontend::v1::DeliverResponse>("DeliveryService/Deliver", request);
  };
  request.mutable_envelope()->mutable_recipients(0)->set_address("gone@example.test");
  EXPECT_TRUE(absl::IsNotFound(deliver().status()));
  request = DeliverTo(account_, kId, "x");
  request.mutable_envelope()->set_dsn_return(static_cast<v1::DsnReturn>(9));
  EXPECT_EQ(FieldOf(deliver().status()), "envelope.dsn_return");
  request = DeliverTo(account_, kId, "x");
  request.set_client_address("a\nb");
  EXPECT_EQ(FieldOf(deliver().status()), "client_address");
  request = DeliverTo(account_, kId, "x");
  request.clear_envelope();
  EXPECT_EQ(FieldOf(deliver().status()), "envelope");

  const auto dialog = Open(kDeliver, {.role = kSmtp});
  request = DeliverTo(account_, kId, "x");
  request.clear_end();
  dialog->Write(request);
  dialog->Write(request);
  EXPECT_EQ(FieldOf(dialog->Finish()), "envelope");
}

// smtpd makes none (kMaxEnvelopeBytes); whoever does hears of it, and nobody else.
TEST_P(MessageApiTest, AnEnvelopeOfMoreThanTwoMebibytesEndsItsOwnCallOnly) {
  Sent sent{.content = "x: y\r\n"};
  frontend::v1::DeliverRequest request = DeliverTo(account_, "delivery-of-an-envelope", sent.content);
  store::v1::EnvelopeRecipient recipient = request.envelope().recipients(0);
  recipient.set_dsn_original_recipient("rfc822;" + std::string(490, 'o'));
  for (int i = 0; i < 5000; ++i) *request.mutable_envelope()->add_recipients() = recipient;
  ASSERT_GT(request.ByteSizeLong(), store::kMaxReceivedBytes);
  const absl::Status status =
      Call<frontend::v1::DeliverResponse>(kDeliver, {.role = kSmtp, .session_id = "session"}, request)
          .status();
  // In the same process nothing is sent.
  EXPECT_EQ(status.ok(), GetParam() == TestDoor::kInProcess) << status;
  if (!status.ok()) {
    EXPECT_EQ(ReasonOf(status), kReasonTooLarge) << status << ": gRPC's own words tell nobody what to do";
  }
  EXPECT_TRUE(DeliverWhole(sent).ok());
}

TEST_P(MessageApiTest, DsnParametersOfRecipients) {
  const auto notify = [&](std::vector<v1::DsnNotify> wishes) {
    frontend::v1::DeliverRequest request = DeliverTo(account_, kId, "x");
    for (const v1::DsnNotify wish : wishes)
      request.mutable_envelope()->mutable_recipients(0)->add_dsn_notify(wish);
    return FieldOf(AsSmtp<frontend::v1::DeliverResponse>("DeliveryService/Deliver", request).status());
  };
  EXPECT_EQ(notify({v1::DSN_NOTIFY_NEVER}), "");
  EXPECT_EQ(notify({v1::DSN_NOTIFY_SUCCESS, v1::DSN_NOTIFY_FAILURE, v1::DSN_NOTIFY_DELAY}), "");
  EXPECT_EQ(notify({v1::DSN_NOTIFY_NEVER, v1::DSN_NOTIFY_FAILURE}), "envelope.recipients[0].dsn_notify");
  EXPECT_EQ(notify({v1::DSN_NOTIFY_UNSPECIFIED}), "envelope.recipients[0].dsn_notify");
}

TEST_P(MessageApiTest, FetchReadsRanges) {
  const std::string content = "X: " + std::string(150'000, 'x');
  ASSERT_TRUE(DeliverInPieces({.content = content + "D\r\n"}, 1 << 20).ok());
  const int64_t size = static_cast<int64_t>(sizeof(kOurs) - 1 + content.size() + 3);
  EXPECT_EQ(*Fetch(1, 0, 11), "Return-Path");
  EXPECT_EQ(*Fetch(1, size - 3), "D\r\n");
  EXPECT_EQ(*Fetch(1, size - 3, 1000), "D\r\n");
  EXPECT_EQ(Fetch(1, 10, 100'000)->size(), 100'000u);
  EXPECT_EQ(*Fetch(1, size), "");
  EXPECT_TRUE(absl::IsOutOfRange(Fetch(1, size + 1).status()));
  EXPECT_EQ(ReasonOf(Fetch(2).status()), kReasonMessageNotFound);
  EXPECT_EQ(FieldOf(Fetch(0).status()), "message_id");
  EXPECT_EQ(FieldOf(Fetch(1, -1).status()), "read_offset");
  EXPECT_EQ(FieldOf(Fetch(1, 0, -1).status()), "read_limit");
}

TEST_P(MessageApiTest, OnlyBytesThatWereFetchedAreCounted) {
  ASSERT_TRUE(DeliverWhole({.content = "content"}).ok());
  const auto counted = [this](int bytes) {
    return absl::StrContains(MetricsText(),
                             absl::StrCat("mailstead_store_fetched_bytes_total ", bytes, "\n"));
  };
  EXPECT_EQ(FieldOf(Fetch(0, 5).status()), "message_id");
  EXPECT_TRUE(absl::IsNotFound(Fetch(2, 5).status()));
  EXPECT_TRUE(absl::IsOutOfRange(Fetch(1, 1000).status()));
  EXPECT_TRUE(counted(0));
  EXPECT_EQ(*Fetch(1, 0, 11), "Return-Path");
  EXPECT_TRUE(counted(11));
}

TEST_P(MessageApiTest, MessagesAreListedInPagesAndDeleted) {
  for (int i = 0; i < 3; ++i) Deliver(account_, absl::StrCat("delivery-number-", i), "hello: x\r\n");
  v1::ListMessagesRequest list;
  list.set_account("a@example.test");
  list.set_page_size(2);
  auto page = AsOperator<v1::ListMessagesResponse>("MessageService/ListMessages", list);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->messages_size(), 2);
  EXPECT_EQ(page->messages(0).summary().delivery_id(), "delivery-number-0");
  EXPECT_THAT(page->messages(0).summary().recipients(), testing::ElementsAre("a@example.test"));
  EXPECT_EQ(page->messages(0).summary().reverse_path(), "sender@elsewhere.test");
  EXPECT_EQ(page->messages(0).summary().sha256(), Sha256("hello: x\r\n"));
  EXPECT_EQ(page->messages(0).summary().content_size_bytes(), 10);
  const std::string bytes = *Fetch(page->messages(0).summary().message_id());
  EXPECT_EQ(page->messages(0).summary().size_bytes(), static_cast<int64_t>(bytes.size()));
  EXPECT_EQ(Sha256(bytes.substr(bytes.size() - 10)), page->messages(0).summary().sha256());
  list.set_page_token(page->next_page_token());
  page = AsOperator<v1::ListMessagesResponse>("MessageService/ListMessages", list);
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->messages_size(), 1);
  EXPECT_EQ(page->next_page_token(), "");
  AddAccount("b@example.test");
  list.set_account("b@example.test");
  EXPECT_EQ(FieldOf(AsOperator<v1::ListMessagesResponse>("MessageService/ListMessages", list).status()),
            "page_token");
  EXPECT_EQ(
      FieldOf(AsOperator<v1::ListMessagesResponse>("MessageService/ListMessages", v1::ListMessagesRequest())
                  .status()),
      "account");

  v1::DeleteMessagesRequest remove;
  remove.set_account(absl::StrCat(account_));
  const auto removed = [&] {
    return AsOperator<v1::DeleteMessagesResponse>("MessageService/DeleteMessages", remove);
  };
  EXPECT_EQ(FieldOf(removed().status()), "message_ids");
  for (const int64_t id : {1, 3, 99}) remove.add_message_ids(id);
  const auto first = removed();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->deleted_count(), 2);
  EXPECT_THAT(first->missing_message_ids(), testing::ElementsAre(99));
  EXPECT_THAT(removed()->missing_message_ids(), testing::ElementsAre(1, 3, 99));
  remove.add_message_ids(0);
  EXPECT_EQ(FieldOf(removed().status()), "message_ids[3]");
  for (int i = 0; i < 9998; ++i) remove.add_message_ids(7);
  EXPECT_EQ(FieldOf(removed().status()), "message_ids");
}

// In the trash while the domain has a window; and back.
TEST_P(MessageApiTest, RestoreMessages) {
  v1::UpdateDomainRequest window;
  window.mutable_domain()->set_name("example.test");
  window.mutable_domain()->mutable_undelete_window()->set_seconds(3600);
  window.mutable_update_mask()->add_paths("undelete_window");
  ASSERT_TRUE(AsOperator<v1::Domain>("DirectoryService/UpdateDomain", window).ok());
  for (int i = 0; i < 3; ++i) {
    ASSERT_NO_FATAL_FAILURE(
        Deliver(account_, absl::StrCat("delivery-id-000000", i), "Subject: s\r\n\r\nx\r\n"));
  }
  v1::DeleteMessagesRequest remove;
  remove.set_account(absl::StrCat(account_));
  remove.add_message_ids(2);
  remove.add_message_ids(3);
  ASSERT_TRUE(AsOperator<v1::DeleteMessagesResponse>("MessageService/DeleteMessages", remove).ok());
  v1::ListMessagesRequest list;
  list.set_account(absl::StrCat(account_));
  list.set_in_trash(true);
  list.set_page_size(1);
  list.mutable_filter()->set_subject_contains("S");
  auto page = AsOperator<v1::ListMessagesResponse>("MessageService/ListMessages", list);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->messages_size(), 1);
  const v1::Message& first = page->messages(0);
  EXPECT_EQ(first.summary().message_id(), 2);
  EXPECT_EQ(first.deletion().cause(), v1::DELETION_CAUSE_API);
  EXPECT_EQ(first.deletion().restorable_until_time().seconds() - first.deletion().delete_time().seconds(),
            3600);
  // A token of the trash is none of the mailbox.
  list.set_page_token(page->next_page_token());
  page = AsOperator<v1::ListMessagesResponse>("MessageService/ListMessages", list);
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->messages(0).summary().message_id(), 3);
  list.set_in_trash(false);
  EXPECT_EQ(FieldOf(AsOperator<v1::ListMessagesResponse>("MessageService/ListMessages", list).status()),
            "page_token");
  list.clear_page_token();
  list.set_in_trash(true);
  list.set_view(v1::MESSAGE_VIEW_HEADERS);
  EXPECT_EQ(FieldOf(AsOperator<v1::ListMessagesResponse>("MessageService/ListMessages", list).status()),
            "view");

  v1::RestoreMessagesRequest restore;
  restore.set_account(absl::StrCat(account_));
  const auto restored = [&] {
    return AsOperator<v1::RestoreMessagesResponse>("MessageService/RestoreMessages", restore);
  };
  EXPECT_EQ(FieldOf(restored().status()), "message_ids");
  for (const int64_t id : {1, 3, 99}) restore.add_message_ids(id);
  const auto back = restored();
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->restored_count(), 1);
  EXPECT_THAT(back->missing_message_ids(), testing::ElementsAre(99));
  EXPECT_EQ(restored()->restored_count(), 0);
  v1::ListMessagesRequest there;
  there.set_account(absl::StrCat(account_));
  EXPECT_EQ(AsOperator<v1::ListMessagesResponse>("MessageService/ListMessages", there)->messages_size(), 2);
  restore.add_message_ids(0);
  EXPECT_EQ(FieldOf(restored().status()), "message_ids[3]");
  restore.mutable_message_ids()->RemoveLast();
  while (restore.message_ids_size() < 1000) restore.add_message_ids(1);
  EXPECT_TRUE(restored().ok());
  restore.add_message_ids(1);
  EXPECT_EQ(FieldOf(restored().status()), "message_ids");
}

TEST_P(MessageApiTest, ResolveRecipient) {
  const auto resolve = [&](const std::string& address) {
    frontend::v1::ResolveRecipientRequest request;
    request.set_address(address);
    const auto response =
        AsSmtp<frontend::v1::ResolveRecipientResponse>("DeliveryService/ResolveRecipient", request);
    EXPECT_TRUE(response.ok()) << address << response.status();
    return *response;
  };
  EXPECT_EQ(resolve("a@example.test").outcome(), v1::ResolveAddressResponse::OUTCOME_ACCOUNT);
  EXPECT_EQ(resolve("a+tag@example.test").mailbox_count(), 1);
  EXPECT_EQ(resolve("Postmaster").mailbox_count(), 1);
  EXPECT_EQ(resolve("x@example.test").outcome(), v1::ResolveAddressResponse::OUTCOME_UNKNOWN);
  EXPECT_EQ(resolve("x@elsewhere.test").outcome(), v1::ResolveAddressResponse::OUTCOME_REMOTE);
  EXPECT_EQ(FieldOf(AsSmtp<frontend::v1::ResolveRecipientResponse>("DeliveryService/ResolveRecipient",
                                                                   frontend::v1::ResolveRecipientRequest())
                        .status()),
            "address");
}

}  // namespace
}  // namespace mailstead::stored
