#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/core/digest.h"
#include "tests/unit/stored/service/service_fixture.h"

namespace mailstead::store {
namespace {

constexpr char kId[] = "0123456789abcdef";
constexpr char kLease[] = "lease-of-the-test";
constexpr char kReturnPath[] = "Return-Path: <sender@elsewhere.test>\r\n";

class MailboxServiceTest : public ServiceTest {
 protected:
  MailboxServiceTest() : mailbox_(AddAccount("a@example.test")) {}

  v1::MailboxService::Stub& stub() { return *mailbox_stub_; }

  absl::StatusOr<std::string> Fetch(uint64_t message, uint64_t offset = 0, uint64_t limit = 0,
                                    size_t* largest_chunk = nullptr) {
    v1::FetchMessageRequest request;
    request.set_mailbox_id(mailbox_);
    request.set_message_id(message);
    request.set_read_offset(offset);
    request.set_read_limit(limit);
    const auto context = AsFrontend();
    const auto reader = stub().FetchMessage(context.get(), request);
    std::string bytes;
    v1::FetchMessageResponse response;
    while (reader->Read(&response)) {
      if (largest_chunk != nullptr) *largest_chunk = std::max(*largest_chunk, response.content().size());
      EXPECT_EQ(response.delivery_id().empty(), !bytes.empty()) << "in the first message";
      bytes += response.content();
    }
    absl::Status status = Read(reader->Finish());
    if (!status.ok()) return status;
    return bytes;
  }

  void RenewLease() {
    v1::RenewLeaseRequest request;
    request.set_lease_id(kLease);
    request.set_holder("test");
    request.mutable_ttl()->set_seconds(5);
    v1::RenewLeaseResponse response;
    ASSERT_TRUE(stub().RenewLease(AsFrontend().get(), request, &response).ok());
  }

  absl::StatusOr<uint64_t> OpenMaildrop(std::vector<v1::MessageSummary>* messages = nullptr,
                                        std::vector<int>* page_sizes = nullptr) {
    v1::OpenMaildropRequest request;
    request.set_mailbox_id(mailbox_);
    request.set_lease_id(kLease);
    const auto context = AsFrontend();
    const auto reader = stub().OpenMaildrop(context.get(), request);
    uint64_t token = 0;
    v1::OpenMaildropResponse response;
    while (reader->Read(&response)) {
      if (token == 0) token = response.token();
      if (page_sizes != nullptr) page_sizes->push_back(response.messages_size());
      if (messages != nullptr)
        messages->insert(messages->end(), response.messages().begin(), response.messages().end());
    }
    absl::Status status = Read(reader->Finish());
    if (!status.ok()) return status;
    return token;
  }

  const uint64_t mailbox_;
};

TEST_F(MailboxServiceTest, ASmallMessageComesBackByteForByte) {
  const std::string content("Subject: x\r\n\r\n.\r\nbare \r and \n and \0 too", 39);
  v1::DeliverResponse response;
  ASSERT_TRUE(Deliver(EnvelopeTo(mailbox_, kId), content, 1 << 20, &response).ok());
  EXPECT_EQ(response.delivery_id(), kId);
  EXPECT_FALSE(response.already_stored());
  EXPECT_EQ(response.sha256(), Sha256(content));
  EXPECT_GT(response.deliver_time().seconds(), 0);
  EXPECT_EQ(*Fetch(1), absl::StrCat(kReturnPath, content));
  EXPECT_EQ(engine_.staged_bytes(), 0u);
}

TEST_F(MailboxServiceTest, ALargeMessageInAnyChunks) {
  std::string content;
  for (int i = 0; content.size() < 1'000'000; ++i) content += absl::StrCat("line ", i, "\r\n");
  int count = 0;
  for (const size_t chunk_bytes : {size_t{1 << 20}, size_t{65'536}, size_t{10'007}}) {
    v1::DeliverResponse response;
    const grpc::Status status = Deliver(EnvelopeTo(mailbox_, absl::StrCat("large-delivery-", ++count)),
                                        content, chunk_bytes, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.sha256(), Sha256(content));
    size_t largest = 0;
    EXPECT_EQ(*Fetch(count, 0, 0, &largest), absl::StrCat(kReturnPath, content));
    EXPECT_EQ(largest, 65'536u);
  }
  EXPECT_EQ(engine_.staged_body_count(), 0);
}

TEST_F(MailboxServiceTest, ARepeatStoresNothing) {
  v1::DeliverResponse first, second;
  ASSERT_TRUE(Deliver(EnvelopeTo(mailbox_, kId), "hello", 100, &first).ok());
  ASSERT_TRUE(Deliver(EnvelopeTo(mailbox_, kId), "hello", 100, &second).ok());
  EXPECT_TRUE(second.already_stored());
  EXPECT_EQ(second.sha256(), first.sha256());
  EXPECT_EQ(engine_.delivery_count(), 1u);
  EXPECT_TRUE(absl::IsNotFound(Fetch(2).status()));
}

TEST_F(MailboxServiceTest, RecipientsWithoutMailboxesAreResolved) {
  v1::DeliverEnvelope envelope = EnvelopeTo(mailbox_, kId);
  envelope.mutable_recipients(0)->clear_mailbox_ids();
  envelope.mutable_recipients(0)->set_address("a+tag@example.test");
  v1::DeliverResponse response;
  ASSERT_TRUE(Deliver(envelope, "hello", 100, &response).ok());
  EXPECT_TRUE(Fetch(1).ok());
  envelope.set_delivery_id("another-delivery");
  envelope.mutable_recipients(0)->set_address("nobody@example.test");
  EXPECT_EQ(Deliver(envelope, "hello", 100, &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(MailboxServiceTest, AStreamWithoutItsLastMessageStoresNothing) {
  for (const size_t size : {size_t{10}, size_t{200'000}}) {
    const auto context = AsFrontend();
    v1::DeliverResponse response;
    const auto writer = stub().Deliver(context.get(), &response);
    v1::DeliverRequest request;
    *request.mutable_envelope() = EnvelopeTo(mailbox_, kId);
    request.set_content(std::string(size, 'x'));
    writer->Write(request);
    writer->WritesDone();
    EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
    EXPECT_EQ(engine_.delivery_count(), 0u);
    EXPECT_TRUE(Eventually([&] { return engine_.staged_body_count() == 0; }));
  }
}

TEST_F(MailboxServiceTest, ACancelledDeliveryDropsItsBody) {
  const auto context = AsFrontend();
  v1::DeliverResponse response;
  const auto writer = stub().Deliver(context.get(), &response);
  v1::DeliverRequest request;
  *request.mutable_envelope() = EnvelopeTo(mailbox_, kId);
  request.set_content(std::string(200'000, 'x'));
  ASSERT_TRUE(writer->Write(request));
  ASSERT_TRUE(Eventually([&] { return engine_.staged_bytes() == 200'000; }));
  EXPECT_EQ(engine_.staged_body_count(), 1);
  context->TryCancel();
  EXPECT_FALSE(writer->Finish().ok());
  EXPECT_TRUE(Eventually([&] { return engine_.staged_body_count() == 0; }));
  EXPECT_EQ(engine_.delivery_count(), 0u);
}

TEST_F(MailboxServiceTest, SizesAreLimited) {
  v1::DeliverResponse response;
  EXPECT_TRUE(
      Deliver(EnvelopeTo(mailbox_, kId), std::string(kMaxTestMessageBytes, 'x'), 1 << 20, &response).ok());
  const absl::Status status = Read(Deliver(EnvelopeTo(mailbox_, "another-delivery"),
                                           std::string(kMaxTestMessageBytes + 1, 'x'), 1 << 20, &response));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(ReasonOf(status), kReasonTooLarge);
  EXPECT_EQ(FieldOf(Read(Deliver(EnvelopeTo(mailbox_, "one-more-delivery"), std::string((1 << 20) + 1, 'x'),
                                 2 << 20, &response))),
            "content");
}

TEST_F(MailboxServiceTest, EnvelopesAreChecked) {
  v1::DeliverResponse response;
  v1::DeliverEnvelope envelope = EnvelopeTo(mailbox_, "short");
  EXPECT_EQ(FieldOf(Read(Deliver(envelope, "x", 10, &response))), "envelope.delivery_id");
  envelope = EnvelopeTo(0, kId);
  EXPECT_EQ(FieldOf(Read(Deliver(envelope, "x", 10, &response))), "envelope.recipients[0].mailbox_ids");
  envelope = EnvelopeTo(999, kId);
  EXPECT_EQ(Deliver(envelope, "x", 10, &response).error_code(), grpc::StatusCode::NOT_FOUND);

  for (const bool twice : {false, true}) {
    const auto context = AsFrontend();
    const auto writer = stub().Deliver(context.get(), &response);
    v1::DeliverRequest request;
    if (twice) {
      *request.mutable_envelope() = EnvelopeTo(mailbox_, kId);
      writer->Write(request);
    }
    request.set_last(true);
    writer->Write(request);
    EXPECT_EQ(FieldOf(Read(writer->Finish())), "envelope") << twice;
  }
}

TEST_F(MailboxServiceTest, FetchReadsRanges) {
  v1::DeliverResponse response;
  const std::string content(150'000, 'x');
  ASSERT_TRUE(Deliver(EnvelopeTo(mailbox_, kId), content + "END", 1 << 20, &response).ok());
  const uint64_t size = sizeof(kReturnPath) - 1 + content.size() + 3;
  EXPECT_EQ(*Fetch(1, 0, 11), "Return-Path");
  EXPECT_EQ(*Fetch(1, size - 3), "END");
  EXPECT_EQ(*Fetch(1, size - 3, 1000), "END");
  EXPECT_EQ(Fetch(1, 10, 100'000)->size(), 100'000u);
  EXPECT_EQ(*Fetch(1, size), "");
  EXPECT_TRUE(absl::IsOutOfRange(Fetch(1, size + 1).status()));
  EXPECT_TRUE(absl::IsNotFound(Fetch(2).status()));
  EXPECT_EQ(FieldOf(Fetch(0).status()), "message_id");
}

TEST_F(MailboxServiceTest, OnlyBytesThatWereFetchedAreCounted) {
  v1::DeliverResponse response;
  ASSERT_TRUE(Deliver(EnvelopeTo(mailbox_, kId), "content", 100, &response).ok());
  const auto counted = [this] {
    double bytes = -1;
    for (const prometheus::MetricFamily& family : registry_.Collect()) {
      if (family.name == "mailstead_store_fetched_bytes_total") bytes = family.metric.at(0).counter.value;
    }
    return bytes;
  };
  EXPECT_EQ(FieldOf(Fetch(0, 5).status()), "message_id");
  EXPECT_TRUE(absl::IsNotFound(Fetch(2, 5).status()));
  EXPECT_TRUE(absl::IsOutOfRange(Fetch(1, 1000).status()));
  EXPECT_EQ(counted(), 0);
  EXPECT_EQ(*Fetch(1, 0, 11), "Return-Path");
  EXPECT_EQ(counted(), 11);
}

TEST_F(MailboxServiceTest, AMaildropIsOpenedCommittedAndReleased) {
  v1::DeliverResponse delivered;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(
        Deliver(EnvelopeTo(mailbox_, absl::StrCat("delivery-number-", i)), "hello", 100, &delivered).ok());
  }
  EXPECT_EQ(ReasonOf(OpenMaildrop().status()), kReasonNoLease);
  RenewLease();
  std::vector<v1::MessageSummary> messages;
  const auto token = OpenMaildrop(&messages);
  ASSERT_TRUE(token.ok()) << token.status();
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0].message_id(), 1u);
  EXPECT_EQ(messages[0].unique_id(), "u1");
  EXPECT_EQ(messages[0].size_bytes(), sizeof(kReturnPath) - 1 + 5);
  EXPECT_EQ(messages[0].sha256(), "");
  EXPECT_EQ(ReasonOf(OpenMaildrop().status()), kReasonMaildropInUse);

  v1::CommitMaildropRequest commit;
  v1::CommitMaildropResponse committed;
  commit.set_mailbox_id(mailbox_);
  commit.set_token(*token + 1);
  commit.add_message_ids(2);
  EXPECT_EQ(ReasonOf(Read(stub().CommitMaildrop(AsFrontend().get(), commit, &committed))), kReasonFenced);
  commit.set_token(*token);
  EXPECT_TRUE(stub().CommitMaildrop(AsFrontend().get(), commit, &committed).ok());
  EXPECT_TRUE(stub().CommitMaildrop(AsFrontend().get(), commit, &committed).ok()) << "a repeat";
  EXPECT_TRUE(absl::IsNotFound(Fetch(2).status()));

  const auto again = OpenMaildrop();
  ASSERT_TRUE(again.ok());
  v1::ReleaseMaildropRequest release;
  v1::ReleaseMaildropResponse released;
  release.set_mailbox_id(mailbox_);
  release.set_token(*again);
  EXPECT_TRUE(stub().ReleaseMaildrop(AsFrontend().get(), release, &released).ok());
  EXPECT_FALSE(engine_.IsLocked(MailboxId{mailbox_}));
}

TEST_F(MailboxServiceTest, AListingComesInPages) {
  RenewLease();
  for (int i = 0; i < 4001; ++i) {
    Delivery delivery;
    delivery.delivery_id = absl::StrCat("delivery ", i);
    delivery.recipients = {{MailboxId{mailbox_}, "a"}};
    engine_.AppendDelivery(delivery, "x", "", [](absl::StatusOr<Receipt>) {});
  }
  std::vector<v1::MessageSummary> messages;
  std::vector<int> page_sizes;
  ASSERT_TRUE(OpenMaildrop(&messages, &page_sizes).ok());
  EXPECT_THAT(page_sizes, testing::ElementsAre(2000, 2000, 1));
  for (size_t i = 0; i < messages.size(); ++i) ASSERT_EQ(messages[i].message_id(), i + 1);
}

TEST_F(MailboxServiceTest, AnEmptyMaildropHasAToken) {
  RenewLease();
  std::vector<int> page_sizes;
  const auto token = OpenMaildrop(nullptr, &page_sizes);
  EXPECT_NE(*token, 0u);
  EXPECT_THAT(page_sizes, testing::ElementsAre(0));
}

TEST_F(MailboxServiceTest, AMaildropWhoseCallerLeftIsUnlocked) {
  RenewLease();
  // Enough that the listing does not fit in what gRPC takes before the caller reads.
  for (int i = 0; i < 20'000; ++i) {
    Delivery delivery;
    delivery.delivery_id = absl::StrCat("delivery ", i);
    delivery.recipients = {{MailboxId{mailbox_}, "a"}};
    engine_.AppendDelivery(delivery, "x", "", [](absl::StatusOr<Receipt>) {});
  }
  v1::OpenMaildropRequest request;
  request.set_mailbox_id(mailbox_);
  request.set_lease_id(kLease);
  const auto context = AsFrontend();
  const auto reader = stub().OpenMaildrop(context.get(), request);
  v1::OpenMaildropResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_TRUE(engine_.IsLocked(MailboxId{mailbox_}));
  context->TryCancel();
  reader->Finish();
  EXPECT_TRUE(Eventually([&] { return !engine_.IsLocked(MailboxId{mailbox_}); }));
}

TEST_F(MailboxServiceTest, LeasesAreChecked) {
  v1::RenewLeaseRequest renew;
  v1::RenewLeaseResponse renewed;
  renew.set_lease_id("short");
  EXPECT_EQ(FieldOf(Read(stub().RenewLease(AsFrontend().get(), renew, &renewed))), "lease_id");
  renew.set_lease_id(kLease);
  EXPECT_EQ(FieldOf(Read(stub().RenewLease(AsFrontend().get(), renew, &renewed))), "ttl");
  renew.mutable_ttl()->set_nanos(999'999'999);
  EXPECT_EQ(FieldOf(Read(stub().RenewLease(AsFrontend().get(), renew, &renewed))), "ttl");
  renew.mutable_ttl()->set_nanos(0);
  for (const auto& [seconds, ok] :
       {std::pair(1, true), std::pair(60, true), std::pair(61, false), std::pair(-1, false)}) {
    renew.mutable_ttl()->set_seconds(seconds);
    EXPECT_EQ(stub().RenewLease(AsFrontend().get(), renew, &renewed).ok(), ok) << seconds;
  }
  renew.mutable_ttl()->set_seconds(5);
  renew.set_holder("a\nb");
  EXPECT_EQ(FieldOf(Read(stub().RenewLease(AsFrontend().get(), renew, &renewed))), "holder");
  v1::EndLeaseRequest end;
  v1::EndLeaseResponse ended;
  EXPECT_EQ(FieldOf(Read(stub().EndLease(AsFrontend().get(), end, &ended))), "lease_id");
  end.set_lease_id(kLease);
  EXPECT_TRUE(stub().EndLease(AsFrontend().get(), end, &ended).ok());
  EXPECT_EQ(ReasonOf(OpenMaildrop().status()), kReasonNoLease);
}

TEST_F(MailboxServiceTest, MessagesAreListedInPagesAndDeleted) {
  v1::DeliverResponse delivered;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(
        Deliver(EnvelopeTo(mailbox_, absl::StrCat("delivery-number-", i)), "hello", 100, &delivered).ok());
  }
  v1::ListMessagesRequest list;
  v1::ListMessagesResponse page;
  list.set_mailbox_id(mailbox_);
  list.set_page_size(2);
  ASSERT_TRUE(stub().ListMessages(AsOperator().get(), list, &page).ok());
  ASSERT_EQ(page.messages_size(), 2);
  EXPECT_EQ(page.messages(0).delivery_id(), "delivery-number-0");
  EXPECT_EQ(page.messages(0).recipient(), "someone@example.test");
  EXPECT_EQ(page.messages(0).reverse_path(), "sender@elsewhere.test");
  EXPECT_EQ(page.messages(0).sha256(), Sha256("hello"));
  const std::string token = page.next_page_token();
  list.set_page_token(token);
  page.Clear();
  ASSERT_TRUE(stub().ListMessages(AsOperator().get(), list, &page).ok());
  EXPECT_EQ(page.messages_size(), 1);
  EXPECT_EQ(page.next_page_token(), "");
  list.set_mailbox_id(mailbox_ + 1);
  EXPECT_EQ(FieldOf(Read(stub().ListMessages(AsOperator().get(), list, &page))), "page_token");

  v1::DeleteMessagesRequest remove;
  v1::DeleteMessagesResponse removed;
  remove.set_mailbox_id(mailbox_);
  EXPECT_EQ(FieldOf(Read(stub().DeleteMessages(AsOperator().get(), remove, &removed))), "message_ids");
  for (const uint64_t id : {1, 3, 99}) remove.add_message_ids(id);
  ASSERT_TRUE(stub().DeleteMessages(AsOperator().get(), remove, &removed).ok());
  EXPECT_EQ(removed.deleted_count(), 2u);
  for (int i = 0; i < 9998; ++i) remove.add_message_ids(7);
  EXPECT_EQ(FieldOf(Read(stub().DeleteMessages(AsOperator().get(), remove, &removed))), "message_ids");
}

TEST_F(MailboxServiceTest, UnaryFieldsAreNamed) {
  v1::CommitMaildropRequest commit;
  v1::CommitMaildropResponse committed;
  EXPECT_EQ(FieldOf(Read(stub().CommitMaildrop(AsFrontend().get(), commit, &committed))), "mailbox_id");
  commit.set_mailbox_id(1);
  EXPECT_EQ(FieldOf(Read(stub().CommitMaildrop(AsFrontend().get(), commit, &committed))), "token");
  v1::ReleaseMaildropRequest release;
  v1::ReleaseMaildropResponse released;
  EXPECT_EQ(FieldOf(Read(stub().ReleaseMaildrop(AsFrontend().get(), release, &released))), "mailbox_id");
  v1::ListMessagesResponse page;
  EXPECT_EQ(FieldOf(Read(stub().ListMessages(AsOperator().get(), {}, &page))), "mailbox_id");
}

}  // namespace
}  // namespace mailstead::store
