// What the journal counts. Lines of the log are pinned by the integration tests.
#include "smtpd/inbound/journal.h"

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <memory>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "smtpd/inbound/metrics.h"

namespace mailstead::smtp {
namespace {

using testing::HasSubstr;
using testing::Not;

class JournalTest : public testing::Test {
 protected:
  // Everything that is counted, as /metrics shows it.
  std::string Counted() const { return prometheus::TextSerializer().Serialize(registry_->Collect()); }

  const std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  Metrics metrics_{registry_};
  FakeClock steady_;
};

TEST_F(JournalTest, CountsTheConnectionAsLongAsItLives) {
  {
    const Journal journal(metrics_, steady_, ListenerKind::kMx, "session");
    EXPECT_THAT(Counted(), HasSubstr("mailstead_smtp_connections{listener=\"mx\"} 1"));
  }
  EXPECT_THAT(Counted(), HasSubstr("mailstead_smtp_connections{listener=\"mx\"} 0"));
  EXPECT_THAT(Counted(), HasSubstr("mailstead_smtp_connections_total{listener=\"mx\"} 1"));
}

TEST_F(JournalTest, CountsReplies) {
  Journal journal(metrics_, steady_, ListenerKind::kMx, "session");
  journal.Replied(ReplyId::kOk);
  journal.Replied(ReplyId::kOk);
  EXPECT_THAT(Counted(), HasSubstr("mailstead_smtp_replies_total{code=\"250\",reply=\"ok\"} 2"));
}

TEST_F(JournalTest, CountsHowLoginsEnd) {
  Journal journal(metrics_, steady_, ListenerKind::kSubmission, "session");
  journal.Authenticated("PLAIN", "alice@example.test");
  journal.AuthenticationRefused("PLAIN");
  journal.AuthenticationFailed("LOGIN");
  journal.AuthenticationCancelled("SCRAM-SHA-256");
  const std::string counted = Counted();
  for (const char* labels :
       {"{mechanism=\"PLAIN\",result=\"ok\"}", "{mechanism=\"PLAIN\",result=\"refused\"}",
        "{mechanism=\"LOGIN\",result=\"failed\"}", "{mechanism=\"SCRAM-SHA-256\",result=\"cancelled\"}"}) {
    EXPECT_THAT(counted, HasSubstr(absl::StrCat("mailstead_smtp_authentications_total", labels, " 1")));
  }
}

TEST_F(JournalTest, CountsAMessageThatIsOnDisk) {
  Journal journal(metrics_, steady_, ListenerKind::kMx, "session");
  Envelope envelope;
  envelope.recipients.resize(3);
  journal.Stored({.envelope = envelope,
                  .account = "",
                  .size_bytes = 1000,
                  .total = absl::Seconds(2),
                  .store_wait = absl::Milliseconds(3)});
  const std::string counted = Counted();
  EXPECT_THAT(counted, HasSubstr("mailstead_smtp_messages_total{listener=\"mx\"} 1"));
  EXPECT_THAT(counted, HasSubstr("mailstead_smtp_message_bytes_total 1000"));
  EXPECT_THAT(counted, HasSubstr("mailstead_smtp_recipients_total 3"));
  EXPECT_THAT(counted, HasSubstr("mailstead_smtp_store_seconds_bucket{le=\"0.0025\"} 0"));
  EXPECT_THAT(counted, HasSubstr("mailstead_smtp_store_seconds_bucket{le=\"0.005\"} 1"));
}

// Each try of a call is counted once: by the library that makes the tries while the store is away, and by the
// journal where there is one try only.
TEST_F(JournalTest, CountsEachFailureOfTheStoreOnce) {
  Journal journal(metrics_, steady_, ListenerKind::kMx, "session");
  metrics_.TryFailed("ResolveRecipient", absl::UnavailableError("away"));
  metrics_.TryFailed("ResolveRecipient", absl::UnavailableError("away"));
  journal.StoreFailed("resolve", absl::UnavailableError("away"));
  EXPECT_THAT(Counted(),
              HasSubstr("mailstead_smtp_store_failures_total{call=\"resolve\",code=\"UNAVAILABLE\"} 2"));
  journal.StoreFailed("deliver", absl::ResourceExhaustedError("full"));
  EXPECT_THAT(
      Counted(),
      HasSubstr("mailstead_smtp_store_failures_total{call=\"deliver\",code=\"RESOURCE_EXHAUSTED\"} 1"));
}

TEST_F(JournalTest, KnowsTheMethodsOfTheStoreByTheirOldNames) {
  const struct {
    const char* method;
    const char* call;
  } names[] = {{"ResolveRecipient", "resolve"},
               {"CheckSender", "check_sender"},
               {"Deliver", "deliver"},
               {"Authenticate", "auth"}};
  for (const auto& name : names) {
    metrics_.TryFailed(name.method, absl::DeadlineExceededError("slow"));
    EXPECT_THAT(Counted(),
                HasSubstr(absl::StrCat("{call=\"", name.call, "\",code=\"DEADLINE_EXCEEDED\"} 1")));
    EXPECT_THAT(Counted(), Not(HasSubstr(name.method)));
  }
}

}  // namespace
}  // namespace mailstead::smtp
