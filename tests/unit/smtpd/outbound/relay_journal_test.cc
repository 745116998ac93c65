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

TEST_F(RelayJournalTest, WhatBecameOfTlsIsCountedByWhoseWordItWas) {
  ConnectionKey key;
  key.tls.level = TlsPolicy::Level::kDane;
  key.tls.source = TlsPolicy::Source::kDane;
  Protection protection{.version = "TLSv1.3", .cipher = "c", .verified = true, .tlsa = "3 1 1"};
  std::string line = Logged([&] { journal_.Connected(key, {}, protection); });
  for (const char* part : {"policy=dane", "level=dane", "verified_by=\"TLSA 3 1 1\""}) {
    EXPECT_TRUE(absl::StrContains(line, part)) << part << " in " << line;
  }
  ConnectionOutcome broken;
  broken.kind = ConnectionOutcome::Kind::kTlsBroken;
  broken.tls_failure = mailauth::TlsFailure::kCertificateExpired;
  line = Logged([&] { journal_.Connected(key, broken, {}); });
  EXPECT_TRUE(absl::StrContains(line, "failure=certificate-expired")) << line;
  TlsDecision decision;
  decision.text = "its records cannot be had";
  decision.reported.emplace_back();
  decision.reported[0].type = mailauth::TlsPolicyType::kTlsa;
  decision.reported[0].failure = mailauth::TlsFailure::kDnssecInvalid;
  decision.reported[0].reason = "tlsa-lookup-failed";
  line = Logged([&] { journal_.PassedOver({}, "mx.example.net", decision); });
  for (const char* part : {"event=host_passed_over", "host=mx.example.net", "policy=dane", "failure=dnssec-invalid",
                           "reason=tlsa-lookup-failed", "error=\"its records cannot be had\""}) {
    EXPECT_TRUE(absl::StrContains(line, part)) << part << " in " << line;
  }
  const std::string metrics = Metrics();
  for (const char* part : {"mailstead_relay_tls_total{policy=\"dane\",result=\"verified\"} 1",
                           "mailstead_relay_tls_total{policy=\"dane\",result=\"certificate-expired\"} 1",
                           "mailstead_relay_tls_total{policy=\"dane\",result=\"dnssec-invalid\"} 1",
                           "mailstead_relay_tls_versions_total{version=\"TLSv1.3\"} 1"}) {
    EXPECT_TRUE(absl::StrContains(metrics, part)) << part << metrics;
  }
}

TEST_F(RelayJournalTest, WhetherDaneIsOnIsSaid) {
  std::string line = Logged([&] { journal_.Dane("nobody is trusted"); });
  for (const char* part : {"level=warning", "event=dane_off", "reason=\"nobody is trusted\""}) {
    EXPECT_TRUE(absl::StrContains(line, part)) << part << " in " << line;
  }
  EXPECT_TRUE(absl::StrContains(Metrics(), "mailstead_relay_dane 0"));
  line = Logged([&] { journal_.Dane(""); });
  EXPECT_TRUE(absl::StrContains(line, "event=dane_on")) << line;
  EXPECT_TRUE(absl::StrContains(Metrics(), "mailstead_relay_dane 1"));
}

TEST_F(RelayJournalTest, ReportsAreLoggedAndCounted) {
  std::string line = Logged([&] { journal_.Reported("example.net", "https", "https://r.example.net/", "302"); });
  for (const char* part : {"event=tls_report", "destination=example.net", "way=https", "error=302"}) {
    EXPECT_TRUE(absl::StrContains(line, part)) << part << " in " << line;
  }
  EXPECT_EQ(Logged([&] { journal_.Reported("example.org", "none", "", ""); }), "");
  const std::string metrics = Metrics();
  EXPECT_TRUE(absl::StrContains(metrics, "mailstead_relay_tls_reports_total{result=\"failed\",way=\"https\"} 1")) << metrics;
  EXPECT_TRUE(absl::StrContains(metrics, "mailstead_relay_tls_reports_total{result=\"ok\",way=\"none\"} 1")) << metrics;
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

TEST_F(RelayJournalTest, MtaStsIsLoggedAndCounted) {
  std::string line = Logged([&] {
    journal_.PolicyFetched("a.test", "1", {mailauth::StsPolicy::Mode::kEnforce, absl::Hours(1), {"mx.test"}});
  });
  for (const char* part : {"event=sts_fetched", "domain=a.test", "policy=1", "mode=enforce", "hosts=1", "max_age_s=3600"}) {
    EXPECT_TRUE(absl::StrContains(line, part)) << part << " in " << line;
  }
  const StsFetchFailure failure{mailauth::TlsFailure::kStsWebpkiInvalid, "expired"};
  line = Logged([&] { journal_.PolicyNotFetched("a.test", "2", failure, /*kept=*/true); });
  for (const char* part : {"event=sts_not_fetched", "result=sts-webpki-invalid", "error=expired", "kept=true"}) {
    EXPECT_TRUE(absl::StrContains(line, part)) << part << " in " << line;
  }
  Logged([&] { journal_.PolicyNotFetched("b.test", "1", failure, /*kept=*/false); });
  line = Logged([&] { journal_.StsHost("a.test", "mx.test", {StsAnswer::Mode::kTesting, false, "1"}); });
  for (const char* part : {"event=sts_mismatch", "domain=a.test", "host=mx.test", "mode=testing"}) {
    EXPECT_TRUE(absl::StrContains(line, part)) << part << " in " << line;
  }
  EXPECT_EQ(Logged([&] { journal_.StsHost("a.test", "mx.test", {StsAnswer::Mode::kEnforce, true, "1"}); }), "");
  const std::string metrics = Metrics();
  for (const char* part : {"fetches_total{result=\"fetched\"} 1", "fetches_total{result=\"kept\"} 1",
                           "fetches_total{result=\"failed\"} 1", "hosts_total{mode=\"testing\",result=\"mismatch\"} 1",
                           "hosts_total{mode=\"enforce\",result=\"match\"} 1",
                           "hosts_total{mode=\"enforce\",result=\"mismatch\"} 0"}) {
    EXPECT_TRUE(absl::StrContains(metrics, std::string("mailstead_relay_sts_") + part)) << part << metrics;
  }
}

}  // namespace
}  // namespace mailstead::smtp::outbound
