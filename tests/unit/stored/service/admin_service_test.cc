#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/unit/stored/service/service_fixture.h"

namespace mailstead::store {
namespace {

class AdminServiceTest : public ServiceTest {
 protected:
  std::vector<v1::VerifyMessagesResponse> Verify(uint64_t mailbox, grpc::Status* status) {
    v1::VerifyMessagesRequest request;
    request.set_mailbox_id(mailbox);
    const auto context = AsOperator();
    const auto reader = admin_stub_->VerifyMessages(context.get(), request);
    std::vector<v1::VerifyMessagesResponse> responses;
    v1::VerifyMessagesResponse response;
    while (reader->Read(&response)) responses.push_back(response);
    *status = reader->Finish();
    return responses;
  }
};

TEST_F(AdminServiceTest, Status) {
  AddAccount("a@example.test");
  v1::GetStatusResponse status;
  ASSERT_TRUE(admin_stub_->GetStatus(AsOperator().get(), {}, &status).ok());
  EXPECT_EQ(status.version(), "1.2.3");
  EXPECT_EQ(status.engine(), "fake");
  EXPECT_TRUE(status.healthy());
  EXPECT_EQ(status.domain_count(), 1u);
  EXPECT_EQ(status.account_count(), 1u);
}

TEST_F(AdminServiceTest, VerifyNamesEveryDamagedMessageAndThenTheTotals) {
  const uint64_t a = AddAccount("a@example.test");
  const uint64_t b = AddAccount("b@example.test");
  v1::DeliverResponse delivered;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Deliver(EnvelopeTo(a, absl::StrCat("delivery-to-a-no-", i)), "hello", 100, &delivered).ok());
    ASSERT_TRUE(Deliver(EnvelopeTo(b, absl::StrCat("delivery-to-b-no-", i)), "hello", 100, &delivered).ok());
  }
  grpc::Status status;
  auto responses = Verify(0, &status);
  ASSERT_TRUE(status.ok());
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].checked_count(), 6u);
  EXPECT_EQ(responses[0].damaged_count(), 0u);

  engine_.Damage(MailboxId{b}, MessageId{2});
  engine_.Damage(MailboxId{b}, MessageId{3});
  responses = Verify(0, &status);
  ASSERT_TRUE(status.ok());
  ASSERT_EQ(responses.size(), 3u);
  EXPECT_EQ(responses[0].mailbox_id(), b);
  EXPECT_EQ(responses[0].message_id() + responses[1].message_id(), 5u);
  EXPECT_NE(responses[0].error(), "");
  EXPECT_EQ(responses[2].mailbox_id(), 0u);
  EXPECT_EQ(responses[2].checked_count(), 6u);
  EXPECT_EQ(responses[2].damaged_count(), 2u);

  responses = Verify(a, &status);
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].checked_count(), 3u);
  Verify(999, &status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(AdminServiceTest, MetricsCountCallsByMethodAndCode) {
  const uint64_t mailbox = AddAccount("a@example.test");
  v1::DeliverResponse delivered;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Deliver(EnvelopeTo(mailbox, "0123456789abcdef"), "hello", 100, &delivered).ok());
  }
  v1::GetStatusResponse response;
  EXPECT_FALSE(admin_stub_->GetStatus(AsFrontend().get(), {}, &response).ok());
  const std::string text = prometheus::TextSerializer().Serialize(registry_.Collect());
  for (const char* line :
       {"mailstead_store_calls_total{code=\"OK\",method=\"MailboxService/Deliver\"} 2",
        "mailstead_store_calls_total{code=\"PERMISSION_DENIED\",method=\"AdminService/GetStatus\"} 1",
        "mailstead_store_call_seconds_count{method=\"MailboxService/Deliver\"} 2",
        "mailstead_store_deliveries_total 1", "mailstead_store_repeated_deliveries_total 1",
        "mailstead_store_delivered_bytes_total 5", "mailstead_store_logins_total{result=\"ok\"} 0"}) {
    EXPECT_TRUE(absl::StrContains(text, line)) << line << "\n" << text;
  }
}

}  // namespace
}  // namespace mailstead::store
