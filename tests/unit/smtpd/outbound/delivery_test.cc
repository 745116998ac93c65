#include "smtpd/outbound/delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "asio/co_spawn.hpp"
#include "asio/io_context.hpp"
#include "asio/use_future.hpp"

namespace mailstead::smtp::outbound {
namespace {

using store::QueueReport;
using testing::ElementsAre;
using Kind = store::QueueOutcome::Kind;

RecipientOutcome Outcome(RecipientOutcome::Kind kind, int code, std::string status, std::string text = "words",
                         Stage stage = Stage::kRcpt) {
  RecipientOutcome outcome;
  outcome.kind = kind;
  outcome.code = code;
  outcome.enhanced = std::move(status);
  outcome.text = std::move(text);
  outcome.stage = stage;
  return outcome;
}
const RecipientOutcome kTaken = Outcome(RecipientOutcome::Kind::kDelivered, 250, "2.0.0");
const RecipientOutcome kNoSuchUser = Outcome(RecipientOutcome::Kind::kFailed, 550, "5.1.1");
const RecipientOutcome kWantsTls = Outcome(RecipientOutcome::Kind::kFailed, 530, "5.7.0");
const RecipientOutcome kNotNow = Outcome(RecipientOutcome::Kind::kDeferred, 451, "4.2.0");
const RecipientOutcome kNoEightBit = Outcome(RecipientOutcome::Kind::kFailed, 0, "5.6.3");
const RecipientOutcome kLost = Outcome(RecipientOutcome::Kind::kDeferred, 0, "4.4.2");
const RecipientOutcome kLostAtRest =
    Outcome(RecipientOutcome::Kind::kDeferred, 0, "4.4.2", "words", Stage::kIdle);

ConnectionOutcome Ended(ConnectionOutcome::Kind kind, Stage stage, int code = 0, std::string status = "4.4.1") {
  return {.kind = kind, .stage = stage, .code = code, .enhanced = std::move(status), .text = "connection words"};
}
const ConnectionOutcome kRefusedConnect = Ended(ConnectionOutcome::Kind::kBroken, Stage::kConnect);
const ConnectionOutcome kNoService = Ended(ConnectionOutcome::Kind::kRefused, Stage::kGreeting, 554, "5.3.2");
const ConnectionOutcome kTlsBroke = Ended(ConnectionOutcome::Kind::kTlsBroken, Stage::kHandshake, 0, "4.7.5");
const ConnectionOutcome kClosedAtRest = Ended(ConnectionOutcome::Kind::kBroken, Stage::kIdle, 0, "4.4.2");
const ConnectionOutcome kClosing = Ended(ConnectionOutcome::Kind::kClosing, Stage::kMail, 421, "4.3.2");

// What one connection to an address comes to.
struct Script {
  // Not usable: there is no connection.
  ConnectionOutcome opening;
  TransactionOutcome transaction;
  // After it.
  ConnectionOutcome closing;
  // In the clear by default.
  Protection protection;
};

Script Refuses(ConnectionOutcome outcome) { return {std::move(outcome), {}, {}, {}}; }
Script UnderTls(Script script) {
  script.protection.version = "TLSv1.3";
  script.protection.cipher = "TLS_AES_256_GCM_SHA384";
  return script;
}
Script Says(std::vector<RecipientOutcome> recipients, ConnectionOutcome closing = {}, bool unknown = false) {
  return {{}, {std::move(recipients), unknown, false}, std::move(closing), {}};
}

class FakeHost final : public Host {
 public:
  FakeHost(Script script, std::vector<std::string>& log) : script_(std::move(script)), log_(log) {}
  asio::awaitable<TransactionOutcome> Send(Transaction transaction, Body&) override {
    std::vector<std::string> to;
    for (const EnvelopeRecipient& recipient : transaction.envelope.recipients) to.push_back(recipient.address);
    log_.push_back(absl::StrCat("send ", absl::StrJoin(to, " ")));
    closing_ = script_.closing;
    co_return script_.transaction;
  }
  const ConnectionOutcome& connection() const override { return closing_; }
  const Protection& protection() const override { return script_.protection; }

 private:
  const Script script_;
  std::vector<std::string>& log_;
  ConnectionOutcome closing_;
};

class FakeHosts final : public Hosts {
 public:
  asio::awaitable<Found> Connect(const ConnectionKey& key, const std::string&, Age age) override {
    log.push_back(absl::StrCat("connect ", key.address, age == Age::kFresh ? " anew" : "", key.tls.level == TlsPolicy::Level::kNone ? " in the clear" : ""));
    std::deque<Script>& of_address = scripts[key.address];
    if (of_address.empty()) co_return Found{nullptr, kRefusedConnect, true, {}};
    Script script = std::move(of_address.front());
    of_address.pop_front();
    if (!script.opening.usable()) co_return Found{nullptr, script.opening, true, {}};
    Found found;
    found.fresh = fresh;
    found.protection = script.protection;
    found.host = std::make_unique<FakeHost>(std::move(script), log);
    co_return found;
  }
  void GiveBack(const ConnectionKey& key, std::unique_ptr<Host>) override { log.push_back(absl::StrCat("keep ", key.address)); }

  std::map<std::string, std::deque<Script>> scripts;
  std::vector<std::string> log;
  // Those that are given were made for it.
  bool fresh = true;
};

class FakeBody final : public Body {
 public:
  const Content& content() const override { return content_; }
  asio::awaitable<absl::Status> Rewind() override { co_return status; }
  asio::awaitable<absl::StatusOr<std::string>> Next(size_t) override { co_return std::string(); }
  absl::Status status;

 private:
  Content content_;
};

class DeliveryTest : public testing::Test {
 protected:
  DeliveryTest() {
    attempt_.message = QueueId{7};
    attempt_.grant = 9;
    attempt_.envelope.reverse_path = "s@example.test";
    AddRecipient("a@far.test");
  }

  void AddRecipient(std::string address) {
    attempt_.recipient_numbers.push_back(static_cast<int32_t>(10 + attempt_.envelope.recipients.size()));
    attempt_.envelope.recipients.emplace_back().address = std::move(address);
  }

  // To these addresses, each a host of its own.
  QueueReport Run(std::vector<std::string> addresses) {
    std::vector<Way> ways;
    for (std::string& address : addresses) {
      Way way;
      way.host = absl::StrCat("mx-of-", address);
      way.decision = decision_;
      if (!passed_over_.contains(address)) way.decision.policy = TlsPolicy{.level = level_};
      way.key.tls.level = level_;
      way.key.address = std::move(address);
      ways.push_back(std::move(way));
    }
    asio::io_context context;
    Delivery delivery{attempt_, std::move(ways), some_unresolved_, body_, hosts_};
    auto future = asio::co_spawn(context, Deliver(std::move(delivery)), asio::use_future);
    context.run();
    result_ = future.get();
    return result_.report;
  }

  store::QueueAttempt attempt_;
  FakeBody body_;
  FakeHosts hosts_;
  TlsPolicy::Level level_ = TlsPolicy::Level::kMay;
  bool some_unresolved_ = false;
  // Of each way; its policy is that of level_, but for those addresses.
  TlsDecision decision_;
  std::set<std::string> passed_over_;
  // Of the last Run.
  DeliveryResult result_;
};

TEST_F(DeliveryTest, TheFirstHostTakesIt) {
  hosts_.scripts["1"] = {Says({kTaken})};
  const QueueReport report = Run({"1", "2"});
  EXPECT_EQ(report.message, QueueId{7});
  EXPECT_EQ(report.grant, 9);
  EXPECT_EQ(report.sign, QueueReport::Sign::kAnswered);
  ASSERT_EQ(report.outcomes.size(), 1u);
  EXPECT_EQ(report.outcomes[0].number, 10);
  EXPECT_EQ(report.outcomes[0].kind, Kind::kDelivered);
  EXPECT_EQ(report.outcomes[0].host, "mx-of-1");
  EXPECT_THAT(hosts_.log, ElementsAre("connect 1", "send a@far.test", "keep 1"));
}

// What each host says, and what comes of it.
TEST_F(DeliveryTest, Table) {
  const struct {
    const char* what;
    std::vector<Script> first;
    std::vector<Script> second;
    Kind kind;
    int code;
    const char* status;
    const char* host;
    QueueReport::Sign sign;
    std::vector<std::string> log;
  } kRows[] = {
      {"a refusal is the last word", {Says({kNoSuchUser})}, {}, Kind::kFailed, 550, "5.1.1", "mx-of-1",
       QueueReport::Sign::kAnswered, {"connect 1", "send a@far.test", "keep 1"}},
      {"so is a deferral", {Says({kNotNow})}, {}, Kind::kDeferred, 451, "4.2.0", "mx-of-1",
       QueueReport::Sign::kAnswered, {"connect 1", "send a@far.test", "keep 1"}},
      {"a host that is away is passed over", {Refuses(kRefusedConnect)}, {Says({kTaken})}, Kind::kDelivered, 250, "2.0.0",
       "mx-of-2", QueueReport::Sign::kAnswered, {"connect 1", "connect 2", "send a@far.test", "keep 2"}},
      {"all are away", {Refuses(kRefusedConnect)}, {Refuses(kRefusedConnect)}, Kind::kDeferred, 0, "4.4.1", "mx-of-1",
       QueueReport::Sign::kUnreachable, {"connect 1", "connect 2"}},
      {"a greeting of 554 is about one host", {Refuses(kNoService)}, {Says({kTaken})}, Kind::kDelivered, 250, "2.0.0",
       "mx-of-2", QueueReport::Sign::kAnswered, {"connect 1", "connect 2", "send a@far.test", "keep 2"}},
      {"unless all say so", {Refuses(kNoService)}, {Refuses(kNoService)}, Kind::kFailed, 554, "5.3.2", "mx-of-1",
       QueueReport::Sign::kUnreachable, {"connect 1", "connect 2"}},
      {"one that may come back is believed more", {Refuses(kNoService)}, {Refuses(kRefusedConnect)}, Kind::kDeferred, 0,
       "4.4.1", "mx-of-2", QueueReport::Sign::kUnreachable, {"connect 1", "connect 2"}},
      {"what one host cannot take another may", {Says({kNoEightBit})}, {Says({kTaken})}, Kind::kDelivered, 250, "2.0.0",
       "mx-of-2", QueueReport::Sign::kAnswered,
       {"connect 1", "send a@far.test", "keep 1", "connect 2", "send a@far.test", "keep 2"}},
      {"and none can", {Says({kNoEightBit})}, {Says({kNoEightBit})}, Kind::kFailed, 0, "5.6.3", "mx-of-2",
       QueueReport::Sign::kAnswered,
       {"connect 1", "send a@far.test", "keep 1", "connect 2", "send a@far.test", "keep 2"}},
      {"421 is about the host", {Says({Outcome(RecipientOutcome::Kind::kDeferred, 421, "4.3.2")}, kClosing)},
       {Says({kTaken})}, Kind::kDelivered, 250, "2.0.0", "mx-of-2", QueueReport::Sign::kAnswered,
       {"connect 1", "send a@far.test", "connect 2", "send a@far.test", "keep 2"}},
      {"lost before the end of the message", {Says({kLost}, kClosing)}, {Says({kTaken})}, Kind::kDelivered, 250, "2.0.0",
       "mx-of-2", QueueReport::Sign::kAnswered,
       {"connect 1", "send a@far.test", "connect 2", "send a@far.test", "keep 2"}},
      {"lost behind it: nobody else gets it now", {Says({kLost}, kClosing, /*unknown=*/true)}, {Says({kTaken})},
       Kind::kDeferred, 0, "4.4.2", "mx-of-1", QueueReport::Sign::kAnswered, {"connect 1", "send a@far.test"}},
      {"a connection that was closed at rest", {Says({kLostAtRest}, kClosedAtRest), Says({kTaken})}, {}, Kind::kDelivered, 250,
       "2.0.0", "mx-of-1", QueueReport::Sign::kAnswered,
       {"connect 1", "send a@far.test", "connect 1 anew", "send a@far.test", "keep 1"}},
      {"one that is closed behind the reply", {Says({kTaken}, kClosedAtRest), Says({kTaken})}, {}, Kind::kDelivered,
       250, "2.0.0", "mx-of-1", QueueReport::Sign::kAnswered, {"connect 1", "send a@far.test"}},
      {"or behind a refusal", {Says({kNoSuchUser}, kClosedAtRest), Says({kTaken})}, {}, Kind::kFailed, 550, "5.1.1",
       "mx-of-1", QueueReport::Sign::kAnswered, {"connect 1", "send a@far.test"}},
      {"TLS breaks: once more in the clear", {Refuses(kTlsBroke), Says({kTaken})}, {}, Kind::kDelivered, 250, "2.0.0",
       "mx-of-1", QueueReport::Sign::kAnswered,
       {"connect 1", "connect 1 in the clear", "send a@far.test", "keep 1"}},
  };
  for (const auto& row : kRows) {
    hosts_.log.clear();
    hosts_.scripts["1"].assign(row.first.begin(), row.first.end());
    hosts_.scripts["2"].assign(row.second.begin(), row.second.end());
    const QueueReport report = Run({"1", "2"});
    ASSERT_EQ(report.outcomes.size(), 1u) << row.what;
    EXPECT_EQ(report.outcomes[0].kind, row.kind) << row.what;
    EXPECT_EQ(report.outcomes[0].code, row.code) << row.what;
    EXPECT_EQ(report.outcomes[0].status, row.status) << row.what;
    EXPECT_EQ(report.outcomes[0].host, row.host) << row.what;
    EXPECT_EQ(report.sign, row.sign) << row.what;
    EXPECT_EQ(hosts_.log, row.log) << row.what;
  }
}

TEST_F(DeliveryTest, OnlyThoseThatAreLeftGoToTheNextHost) {
  AddRecipient("b@far.test");
  AddRecipient("c@far.test");
  hosts_.scripts["1"] = {Says({kTaken, kLost, kNoSuchUser}, kClosing)};
  hosts_.scripts["2"] = {Says({kTaken})};
  const QueueReport report = Run({"1", "2"});
  EXPECT_THAT(hosts_.log, ElementsAre("connect 1", "send a@far.test b@far.test c@far.test", "connect 2", "send b@far.test",
                                      "keep 2"));
  ASSERT_EQ(report.outcomes.size(), 3u);
  EXPECT_EQ(report.outcomes[0].kind, Kind::kDelivered);
  EXPECT_EQ(report.outcomes[1].kind, Kind::kDelivered);
  EXPECT_EQ(report.outcomes[1].number, 11);
  EXPECT_EQ(report.outcomes[2].kind, Kind::kFailed);
}

TEST_F(DeliveryTest, TransactionsOfOneAttemptAreBounded) {
  for (const char* address : {"1", "2", "3", "4"}) hosts_.scripts[address] = {Says({kLost}, kClosing)};
  Run({"1", "2", "3", "4"});
  EXPECT_EQ(std::count(hosts_.log.begin(), hosts_.log.end(), "send a@far.test"), kMaxTransactions);
}

TEST_F(DeliveryTest, NothingFailsForAHostThatIsNotKnownNow) {
  some_unresolved_ = true;
  hosts_.scripts["1"] = {Refuses(kNoService)};
  const QueueReport report = Run({"1"});
  EXPECT_EQ(report.outcomes[0].kind, Kind::kDeferred);
  EXPECT_EQ(report.outcomes[0].status, "4.3.2");
}

// SECURITY: DANE or MTA-STS says that such a host gets nothing: not in the clear, and not over another of its addresses.
TEST_F(DeliveryTest, AHostThatIsPassedOverIsNotSpokenTo) {
  passed_over_ = {"1"};
  decision_.text = "its TLSA records cannot be had";
  hosts_.scripts["2"] = {Says({kTaken})};
  QueueReport report = Run({"1", "2"});
  EXPECT_EQ(report.outcomes[0].kind, Kind::kDelivered);
  EXPECT_THAT(hosts_.log, ElementsAre("connect 2", "send a@far.test", "keep 2"));
  // When there is no other one, the mail waits.
  for (const bool require_tls : {false, true}) {
    attempt_.envelope.require_tls = require_tls;
    report = Run({"1"});
    EXPECT_EQ(report.outcomes[0].kind, Kind::kDeferred);
    EXPECT_EQ(report.outcomes[0].status, "4.7.5");
    EXPECT_EQ(report.outcomes[0].text, "its TLSA records cannot be had");
    EXPECT_EQ(report.outcomes[0].host, "mx-of-1");
    EXPECT_EQ(report.sign, QueueReport::Sign::kNone);
  }
  attempt_.envelope.require_tls = false;
  // What another one cannot take this one may, later.
  hosts_.scripts["2"] = {Says({kNoEightBit})};
  EXPECT_EQ(Run({"1", "2"}).outcomes[0].kind, Kind::kDeferred);
  hosts_.scripts["2"] = {Refuses(kNoService)};
  EXPECT_EQ(Run({"1", "2"}).outcomes[0].kind, Kind::kDeferred);
  // But a host's own word about the mail is the last one.
  hosts_.scripts["2"] = {Says({kNoSuchUser})};
  EXPECT_EQ(Run({"1", "2"}).outcomes[0].kind, Kind::kFailed);
}

TEST_F(DeliveryTest, AHostThatDoesNotComeUpToItsPolicyIsPassedOver) {
  decision_.text = "the host's owner can mend that";
  for (const TlsPolicy::Level level : {TlsPolicy::Level::kDane, TlsPolicy::Level::kVerify}) {
    level_ = level;
    hosts_.log.clear();
    hosts_.scripts["1"] = {Refuses(kTlsBroke)};
    hosts_.scripts["2"] = {Says({kNoEightBit})};
    const QueueReport report = Run({"1", "2"});
    EXPECT_THAT(hosts_.log, ElementsAre("connect 1", "connect 2", "send a@far.test", "keep 2"));
    EXPECT_EQ(report.outcomes[0].kind, Kind::kDeferred);
    hosts_.scripts["1"] = {Refuses(kTlsBroke)};
    const QueueReport alone = Run({"1"});
    EXPECT_EQ(alone.outcomes[0].status, "4.7.5");
    EXPECT_EQ(alone.outcomes[0].text, "connection words; the host's owner can mend that");
  }
}

// For the report to the domain: each connection that was made for it, once.
TEST_F(DeliveryTest, SessionsAreTold) {
  decision_.reported.emplace_back();
  const auto told = [this] {
    std::vector<std::string> shown;
    for (const TlsSession& session : result_.tls_sessions) {
      shown.push_back(absl::StrCat(session.mx_host, " ",
                                   session.failure.has_value() ? mailauth::FailureName(*session.failure) : "ok"));
    }
    return shown;
  };
  hosts_.scripts["1"] = {Refuses(kRefusedConnect)};
  hosts_.scripts["2"] = {UnderTls(Says({kTaken}))};
  Run({"1", "2"});
  EXPECT_THAT(told(), ElementsAre("mx-of-2 ok"));
  // Of the second try in the clear nothing new is to be told.
  ConnectionOutcome broke = kTlsBroke;
  broke.tls_failure = mailauth::TlsFailure::kValidationFailure;
  hosts_.scripts["1"] = {Refuses(broke), Says({kTaken})};
  Run({"1"});
  EXPECT_THAT(told(), ElementsAre("mx-of-1 validation-failure"));
  hosts_.fresh = false;
  hosts_.scripts["1"] = {UnderTls(Says({kTaken}))};
  Run({"1"});
  EXPECT_THAT(told(), testing::IsEmpty());
  passed_over_ = {"1"};
  decision_.reported[0].failure = mailauth::TlsFailure::kDnssecInvalid;
  Run({"1"});
  EXPECT_THAT(told(), ElementsAre("mx-of-1 dnssec-invalid"));
}

// What is remembered of the hosts' TLS.
TEST_F(DeliveryTest, WhatBecameOfTlsIsReported) {
  using Tls = QueueReport::Tls;
  const struct {
    const char* what;
    std::vector<Script> first;
    std::vector<Script> second;
    TlsPolicy::Level level;
    Tls tls;
    // The host that was offered the mail last, and the connection's TLS.
    const char* last;
  } kRows[] = {
      {"it was used", {UnderTls(Says({kTaken}))}, {}, TlsPolicy::Level::kMay, Tls::kUsed, "mx-of-1 TLSv1.3"},
      {"it was asked for", {UnderTls(Says({kTaken}))}, {}, TlsPolicy::Level::kVerify, Tls::kUsed, "mx-of-1 TLSv1.3"},
      {"there is none", {Says({kTaken})}, {}, TlsPolicy::Level::kMay, Tls::kNone, "mx-of-1 "},
      {"it was not wanted", {Says({kTaken})}, {}, TlsPolicy::Level::kNone, Tls::kNone, "mx-of-1 "},
      {"it broke", {Refuses(kTlsBroke), Says({kTaken})}, {}, TlsPolicy::Level::kMay, Tls::kBroken, "mx-of-1 "},
      {"it broke, and the mail was refused", {Refuses(kTlsBroke), Says({kNoSuchUser})}, {}, TlsPolicy::Level::kMay,
       Tls::kNone, "mx-of-1 "},
      {"it broke, and is wanted", {Refuses(kTlsBroke), Says({kWantsTls})}, {}, TlsPolicy::Level::kMay, Tls::kUsed,
       "mx-of-1 "},
      {"it broke where it was asked for", {Refuses(kTlsBroke)}, {}, TlsPolicy::Level::kRequire, Tls::kNone, " "},
      {"it broke, and nothing works in the clear either", {Refuses(kTlsBroke), Refuses(kRefusedConnect)}, {},
       TlsPolicy::Level::kMay, Tls::kNone, " "},
      {"it broke with the first, and works with the second", {Refuses(kTlsBroke), Refuses(kRefusedConnect)},
       {UnderTls(Says({kTaken}))}, TlsPolicy::Level::kMay, Tls::kUsed, "mx-of-2 TLSv1.3"},
      {"the first did not take it in the clear", {Refuses(kTlsBroke), Says({kNoEightBit})}, {UnderTls(Says({kTaken}))},
       TlsPolicy::Level::kMay, Tls::kUsed, "mx-of-2 TLSv1.3"},
      {"no host was reached", {}, {}, TlsPolicy::Level::kMay, Tls::kNone, " "},
  };
  for (const auto& row : kRows) {
    hosts_.scripts["1"].assign(row.first.begin(), row.first.end());
    hosts_.scripts["2"].assign(row.second.begin(), row.second.end());
    level_ = row.level;
    EXPECT_EQ(Run({"1", "2"}).tls, row.tls) << row.what;
    EXPECT_EQ(absl::StrCat(result_.host, " ", result_.protection.version), row.last) << row.what;
  }
}

// A host whose TLS is broken for a moment does not lose mail by that, nor for hours.
TEST_F(DeliveryTest, AHostThatWantsTlsDefersWhatComesInTheClear) {
  hosts_.scripts["1"] = {Refuses(kTlsBroke), Says({kWantsTls})};
  QueueReport report = Run({"1"});
  EXPECT_EQ(report.outcomes[0].kind, Kind::kDeferred);
  EXPECT_EQ(report.outcomes[0].status, "4.7.0");
  // It was known to be broken.
  attempt_.tls_broken = true;
  level_ = TlsPolicy::Level::kNone;
  hosts_.scripts["1"] = {Says({kWantsTls})};
  report = Run({"1"});
  EXPECT_EQ(report.outcomes[0].kind, Kind::kDeferred);
  EXPECT_EQ(report.tls, QueueReport::Tls::kUsed);
  // Where nobody has tried TLS, it is the last word: a login is wanted (RFC 4954 section 6).
  attempt_.tls_broken = false;
  hosts_.scripts["1"] = {Says({kWantsTls})};
  EXPECT_EQ(Run({"1"}).outcomes[0].kind, Kind::kFailed);
}

// SECURITY: what must be protected is never sent in the clear.
TEST_F(DeliveryTest, NoFallingBackWhereTlsIsAskedFor) {
  for (const TlsPolicy::Level level :
       {TlsPolicy::Level::kRequire, TlsPolicy::Level::kVerify, TlsPolicy::Level::kDane}) {
    level_ = level;
    hosts_.log.clear();
    hosts_.scripts["1"] = {Refuses(kTlsBroke)};
    EXPECT_EQ(Run({"1"}).outcomes[0].kind, Kind::kDeferred);
    EXPECT_THAT(hosts_.log, ElementsAre("connect 1"));
  }
  level_ = TlsPolicy::Level::kMay;
  attempt_.envelope.require_tls = true;
  hosts_.log.clear();
  hosts_.scripts["1"] = {Refuses(kTlsBroke)};
  Run({"1"});
  EXPECT_THAT(hosts_.log, ElementsAre("connect 1"));
}

// RFC 8689 section 4.2.1: the next host, and when none has verified TLS it is returned; but not while one may have.
TEST_F(DeliveryTest, RequireTlsIsNotWaitedFor) {
  attempt_.envelope.require_tls = true;
  level_ = TlsPolicy::Level::kVerify;
  const struct {
    std::vector<ConnectionOutcome> hosts;
    Kind kind;
    const char* status;
  } kTable[] = {
      {{kTlsBroke}, Kind::kFailed, "5.7.10"},
      {{kTlsBroke, kTlsBroke}, Kind::kFailed, "5.7.10"},
      {{kTlsBroke, kRefusedConnect}, Kind::kDeferred, "4.4.1"},
      {{kRefusedConnect, kTlsBroke}, Kind::kDeferred, "4.4.1"},
  };
  for (const auto& row : kTable) {
    std::vector<std::string> addresses;
    for (const ConnectionOutcome& host : row.hosts) {
      addresses.push_back(absl::StrCat(addresses.size() + 1));
      hosts_.scripts[addresses.back()] = {Refuses(host)};
    }
    const QueueReport report = Run(addresses);
    EXPECT_EQ(report.outcomes[0].kind, row.kind);
    EXPECT_EQ(report.outcomes[0].status, row.status);
  }
  hosts_.scripts = {{"1", {Refuses(kTlsBroke)}}, {"2", {Says({kTaken})}}};
  EXPECT_EQ(Run({"1", "2"}).outcomes[0].kind, Kind::kDelivered);
}

TEST_F(DeliveryTest, AHostThatAsksForTimeGetsItOnce) {
  const RecipientOutcome greylisted =
      Outcome(RecipientOutcome::Kind::kDeferred, 450, "4.7.1", "Greylisted, try again in 7 minutes");
  hosts_.scripts["1"] = {Says({greylisted}), Says({greylisted})};
  EXPECT_EQ(Run({"1"}).outcomes[0].retry_after, absl::Minutes(7));
  attempt_.attempt_count = 1;
  EXPECT_EQ(Run({"1"}).outcomes[0].retry_after, absl::ZeroDuration());
}

TEST_F(DeliveryTest, AMessageThatCannotBeReadIsNobodysFault) {
  body_.status = absl::UnavailableError("the store is away");
  hosts_.scripts["1"] = {Says({kTaken})};
  const QueueReport report = Run({"1", "2"});
  EXPECT_EQ(report.outcomes[0].kind, Kind::kDeferred);
  EXPECT_EQ(report.outcomes[0].status, "4.3.0");
  EXPECT_THAT(hosts_.log, ElementsAre("connect 1", "keep 1"));
}

TEST_F(DeliveryTest, WithoutAWay) {
  AddRecipient("b@far.test");
  const QueueReport failed = ReportWithoutWay(attempt_, "5.1.10", "takes no mail", QueueReport::Sign::kNone);
  ASSERT_EQ(failed.outcomes.size(), 2u);
  EXPECT_EQ(failed.outcomes[1].kind, Kind::kFailed);
  EXPECT_EQ(failed.outcomes[1].number, 11);
  EXPECT_EQ(ReportWithoutWay(attempt_, "4.4.3", "no answer", QueueReport::Sign::kUnreachable).outcomes[0].kind,
            Kind::kDeferred);
}

}  // namespace
}  // namespace mailstead::smtp::outbound
