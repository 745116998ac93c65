#include "webd/webhooks/payload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailstead::web {
namespace {

using testing::HasSubstr;
using testing::Not;

frontend::v1::WebhookEvent Delivered() {
  frontend::v1::WebhookEvent event;
  event.set_type("message.delivered");
  event.set_kept("not told");
  event.mutable_event()->mutable_time()->set_seconds(1);
  event.mutable_event()->set_account_id("7");
  store::v1::WatchDelivered& delivered = *event.mutable_event()->mutable_delivered();
  delivered.set_message_id(3);
  delivered.mutable_message()->mutable_parsed()->add_parts()->set_part_id("1");
  delivered.mutable_message()->mutable_parsed()->add_parts()->set_part_id("1.2");
  return event;
}

TEST(WebhookPayloadTest, HasLinksToTheMessageAndItsParts) {
  const auto body = WebhookBody(Delivered(), "https://mail.test");
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_THAT(*body, testing::StartsWith(
                         R"({"type":"message.delivered","timestamp":"1970-01-01T00:00:01Z","data":{)"));
  EXPECT_THAT(*body, HasSubstr(R"("rawUrl":"https://mail.test/v1/accounts/7/messages/3/raw")"));
  EXPECT_THAT(*body,
              HasSubstr(R"({"partId":"1.2","url":"https://mail.test/v1/accounts/7/messages/3/parts/1.2"})"));
  EXPECT_THAT(*body, Not(HasSubstr("not told")));
}

TEST(WebhookPayloadTest, HasNoLinksWhereNoPlaceIsKnown) {
  const auto body = WebhookBody(Delivered(), "");
  ASSERT_TRUE(body.ok());
  EXPECT_THAT(*body, Not(HasSubstr("rawUrl")));
  EXPECT_THAT(*body, Not(HasSubstr("\"url\"")));
}

}  // namespace
}  // namespace mailstead::web
