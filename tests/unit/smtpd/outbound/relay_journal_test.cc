#include "smtpd/outbound/relay_journal.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <memory>
#include <string>

#include "absl/strings/match.h"

namespace mailstead::smtp::outbound {
namespace {

class RelayJournalTest : public testing::Test {
 protected:
  std::string Metrics() const { return prometheus::TextSerializer().Serialize(registry_->Collect()); }
  // What `act` writes.
  template <typename Act>
  std::string Logged(Act act) {
    testing::internal::CaptureStderr();
    act();
    return testing::internal::GetCapturedStderr();
  }

  const std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  RelayJournal journal_{registry_};
};

TEST_F(RelayJournalTest, EveryConnectionIsLoggedAndCounted) {
  ConnectionKey key;
  key.address = "192.0.2.1";
  key.port = 25;
  key.tls.server_name = "mx.example.net";
  Protection protection{.version = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384", .resumed = true};
  std::string line = Logged([&] { journal_.Connected(key, {}, protection); });
  for (const char* part : {"event=connected", "host=mx.example.net", "address=192.0.2.1", "port=25",
                           "result=tls ", "tls=TLSv1.3", "cipher=TLS_AES_256_GCM_SHA384", "resumed=true"}) {
    EXPECT_TRUE(absl::StrContains(line, part)) << part << " in " << line;
  }
  EXPECT_FALSE(absl::StrContains(line, "error=")) << line;
  protection.verified = true;
  line = Logged([&] { journal_.Connected(key, {}, protection); });
  EXPECT_TRUE(absl::StrContains(line, "result=tls_verified")) << line;
  const ConnectionOutcome broken{.kind = ConnectionOutcome::Kind::kTlsBroken,
                                 .stage = Stage::kHandshake,
                                 .code = 0,
                                 .enhanced = "4.7.5",
                                 .text = "wrong version number"};
  line = Logged([&] { journal_.Connected(key, broken, {}); });
  for (const char* part : {"result=tls_broken", "error=\"wrong version number\""}) {
    EXPECT_TRUE(absl::StrContains(line, part)) << part << " in " << line;
  }
  Logged([&] { journal_.Connected(key, {}, {}); });
  const std::string metrics = Metrics();
  for (const char* part : {"{result=\"tls\"} 1", "{result=\"tls_verified\"} 1", "{result=\"tls_broken\"} 1",
                           "{result=\"clear\"} 1", "{result=\"failed\"} 0"}) {
    EXPECT_TRUE(absl::StrContains(metrics, std::string("mailstead_relay_connections_total") + part))
        << part << metrics;
  }
}

TEST_F(RelayJournalTest, AnAttemptIsLoggedWithTheConnectionThatItTook) {
  store::QueueAttempt attempt;
  attempt.message = QueueId{7};
  attempt.destination = "one.example";
  DeliveryResult result;
  result.report.site = "mx.example.net";
  result.report.outcomes.emplace_back().kind = store::QueueOutcome::Kind::kDelivered;
  result.host = "mx1.example.net";
  result.protection = {.version = "TLSv1.2", .cipher = "ECDHE-RSA-AES128-GCM-SHA256", .verified = true};
  std::string line = Logged([&] { journal_.Attempted(attempt, result, absl::Seconds(1)); });
  for (const char* part :
       {"event=attempted", "destination=one.example", "site=mx.example.net", "host=mx1.example.net",
        "tls=TLSv1.2", "cipher=ECDHE-RSA-AES128-GCM-SHA256", "verified=true", "delivered=1"}) {
    EXPECT_TRUE(absl::StrContains(line, part)) << part << " in " << line;
  }
  // None was reached.
  result.host.clear();
  result.protection = {};
  line = Logged([&] { journal_.Attempted(attempt, result, absl::Seconds(1)); });
  EXPECT_FALSE(absl::StrContains(line, " tls=") || absl::StrContains(line, " host=")) << line;
}

}  // namespace
}  // namespace mailstead::smtp::outbound
