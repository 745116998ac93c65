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

TEST_F(RelayJournalTest, EveryHandshakeIsLoggedAndCounted) {
  ConnectionKey key;
  key.address = "192.0.2.1";
  key.port = 25;
  key.tls.server_name = "mx.example.net";
  net::TlsInfo info;
  info.version = "TLSv1.3";
  info.cipher = "TLS_AES_256_GCM_SHA384";
  info.tls_exporter = "secret-of-the-connection";
  std::string line = Logged([&] { journal_.Shook(key, TlsResult::kEncrypted, &info, {}); });
  for (const char* part :
       {"event=tls_handshake", "host=mx.example.net", "address=192.0.2.1", "tls_level=may", "result=encrypted",
        "version=TLSv1.3", "cipher=TLS_AES_256_GCM_SHA384", "resumed=false"}) {
    EXPECT_TRUE(absl::StrContains(line, part)) << part << " in " << line;
  }
  EXPECT_FALSE(absl::StrContains(line, "secret")) << line;
  EXPECT_FALSE(absl::StrContains(line, "error=")) << line;
  const ConnectionOutcome broken{.kind = ConnectionOutcome::Kind::kTlsBroken,
                                 .stage = Stage::kHandshake,
                                 .code = 0,
                                 .enhanced = "4.7.5",
                                 .text = "wrong version number"};
  line = Logged([&] { journal_.Shook(key, TlsResult::kBroken, nullptr, broken); });
  for (const char* part : {"result=broken", "stage=handshake", "error=\"wrong version number\""}) {
    EXPECT_TRUE(absl::StrContains(line, part)) << part << " in " << line;
  }
  // There was no handshake.
  EXPECT_EQ(Logged([&] { journal_.Shook(key, TlsResult::kNotOffered, nullptr, {}); }), "");
  const std::string metrics = Metrics();
  for (const char* part : {"{result=\"encrypted\"} 1", "{result=\"broken\"} 1", "{result=\"not_offered\"} 1",
                           "{result=\"verified\"} 0", "{result=\"not_wanted\"} 0"}) {
    EXPECT_TRUE(absl::StrContains(metrics, std::string("mailstead_relay_tls_total") + part))
        << part << metrics;
  }
}

TEST_F(RelayJournalTest, AnAttemptIsLoggedWithTheConnectionThatItTook) {
  store::QueueAttempt attempt;
  attempt.message = QueueId{7};
  attempt.destination = "one.example";
  Delivered delivered;
  delivered.report.site = "mx.example.net";
  delivered.report.outcomes.emplace_back().kind = store::QueueOutcome::Kind::kDelivered;
  delivered.carrier = Carrier{"mx.example.net", "192.0.2.1", "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256",
                              TlsPolicy::Level::kVerify};
  std::string line = Logged([&] { journal_.Attempted(attempt, delivered, absl::Seconds(1)); });
  for (const char* part :
       {"event=attempted", "destination=one.example", "site=mx.example.net", "address=192.0.2.1",
        "tls=TLSv1.2", "cipher=ECDHE-RSA-AES128-GCM-SHA256", "tls_level=verify", "delivered=1"}) {
    EXPECT_TRUE(absl::StrContains(line, part)) << part << " in " << line;
  }
  // None was reached.
  delivered.carrier.reset();
  line = Logged([&] { journal_.Attempted(attempt, delivered, absl::Seconds(1)); });
  EXPECT_FALSE(absl::StrContains(line, "tls_level=") || absl::StrContains(line, "address=")) << line;
}

}  // namespace
}  // namespace mailstead::smtp::outbound
