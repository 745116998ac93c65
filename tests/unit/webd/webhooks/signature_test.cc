#include "webd/webhooks/signature.h"

#include <gtest/gtest.h>

namespace mailstead::web {
namespace {

// The example of the specification's libraries.
TEST(WebhookSignatureTest, IsThatOfTheSpecification) {
  const auto signature =
      WebhookSignature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                       R"({"test": 2432232314})");
  ASSERT_TRUE(signature.ok()) << signature.status();
  EXPECT_EQ(*signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(WebhookSignatureTest, NeedsASecret) {
  for (const char* secret : {"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_*", "whsec_MfKQ9"}) {
    EXPECT_FALSE(WebhookSignature(secret, "id", 1, "{}").ok()) << secret;
  }
}

}  // namespace
}  // namespace mailstead::web
