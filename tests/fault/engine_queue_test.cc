// The queue of the RocksDB engine: what one commit writes does not grow with the queue, and its records agree with one
// another.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "tests/fault/store_fixture.h"

namespace mailstead::engine {
namespace {

using Kind = QueueOutcome::Kind;
using Sign = QueueReport::Sign;

class HandClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(seconds_.load()); }
  void Advance(absl::Duration by) { seconds_.fetch_add(absl::ToInt64Seconds(by)); }

 private:
  std::atomic<int64_t> seconds_{1'700'000'000};
};

class EngineQueue : public testing::Test {
 protected:
  EngineQueue() {
    store_.SetTweak([this](RocksDbOptions& options) {
      options.clock = options.lease_clock = &clock_;
      options.dice = [] { return 0.5; };
      options.on_write = [this](const WriteWork& work) {
        absl::MutexLock lock(&mutex_);
        most_records_ = std::max(most_records_, work.records);
      };
    });
    store_.Open();
  }
  ~EngineQueue() override { store_.Close(); }

  SyncEngine engine() { return store_.engine(); }
  void Reopen() {
    store_.Close();
    EXPECT_EQ(CheckRecords(store_.options(), store_.env()), "");
    store_.Open();
  }

  void Put(const std::string& destination, int recipients) {
    NewMessage message;
    message.delivery_scope = "smtp";
    message.envelope.delivery_id = absl::StrCat("queued-delivery-", ++count_);
    message.envelope.recipients.resize(1);
    for (int i = 0; i < recipients; ++i) {
      message.queued.recipients.push_back({0, absl::StrCat(i, "@", destination), destination});
    }
    message.queued.lane = absl::StrCat("lane ", count_ % 3);
    message.queued.expire_time = clock_.Now() + absl::Hours(120);
    message.sha256 = message.fingerprint = Sha256("content");
    ASSERT_TRUE(engine().Append(std::move(message), Content{"content", nullptr}).ok());
  }
  // To two mailboxes; a copy for one that is full waits.
  void PutHere(AccountId first, AccountId second) {
    NewMessage message;
    message.delivery_scope = "smtp";
    message.envelope.delivery_id = absl::StrCat("queued-delivery-", ++count_);
    message.envelope.recipients.resize(1);
    for (const AccountId account : {first, second}) {
      NewCopy& copy = message.copies.emplace_back();
      copy.account = account;
      copy.recipients = {0};
      copy.may_wait = true;
    }
    message.queued.expire_time = clock_.Now() + absl::Hours(120);
    message.sha256 = message.fingerprint = Sha256("content");
    ASSERT_TRUE(engine().Append(std::move(message), Content{"content", nullptr}).ok());
  }
  // A mailbox that takes one message.
  AccountId MakeSmall(const std::string& address) {
    AccountChange change;
    change.id = MakeAccount(engine(), address);
    change.quota_messages = 1;
    EXPECT_TRUE(engine().UpdateAccount(change).ok());
    return change.id;
  }
  std::vector<QueueAttempt> Lease(size_t limit) {
    EXPECT_TRUE(engine().RenewLease("relay", "host", absl::Hours(1)).ok());
    return engine().Lease({"relay", limit, 100}).value();
  }
  void Report(const QueueAttempt& attempt, Kind kind, Sign sign, const std::string& site = "",
              QueueReport::Tls tls = QueueReport::Tls::kNone) {
    QueueReport report{attempt.message.id, attempt.grant, {}, sign, site, tls};
    for (const QueuedRecipient& recipient : attempt.message.recipients) {
      report.outcomes.push_back({recipient.number, kind, {}, absl::InfinitePast()});
    }
    EXPECT_TRUE(engine().Report(report).ok());
  }
  size_t TakeMost() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(most_records_, 0);
  }

  // What one commit of each verb wrote, at most. The queue is as long afterwards as before.
  std::map<std::string, size_t> Measure() {
    std::map<std::string, size_t> written;
    clock_.Advance(absl::Hours(2));
    TakeMost();
    Put("there.example", 10);
    written["Append"] = TakeMost();
    // As many as the one takes at a time, and one look at the other.
    const std::vector<QueueAttempt> attempts = Lease(100);
    written["Lease"] = TakeMost();
    EXPECT_EQ(attempts.size(), 6u);
    for (size_t i = 0; i < attempts.size(); ++i) {
      const bool gone = attempts[i].destination == "gone.example";
      EXPECT_EQ(attempts[i].probe, gone);
      const bool delivered = written["Delivered"] == 0 && !gone;
      Report(attempts[i], delivered ? Kind::kDelivered : Kind::kDeferred,
             gone ? Sign::kUnreachable : Sign::kNone);
      written[gone ? "Unreachable" : delivered ? "Delivered" : "Deferred"] = TakeMost();
    }
    const QueueId first = engine().ListQueued(QueueId{0}, 1, 0)->at(0).id;
    for (const auto& [name, kind] : {std::pair("Hold", QueueDecision::Kind::kHold),
                                     {"Release", QueueDecision::Kind::kRelease},
                                     {"Retry", QueueDecision::Kind::kRetry},
                                     {"DelayTold", QueueDecision::Kind::kDelayTold}}) {
      EXPECT_TRUE(engine().Decide({kind, first, {0}}).ok());
      written[name] = TakeMost();
    }
    EXPECT_EQ(Lease(1).size(), 1u);
    EXPECT_TRUE(engine().EndLease("relay").ok());
    TakeMost();
    EXPECT_EQ(engine().TakeBack(10).value(), 10u);
    written["TakeBack"] = TakeMost();
    return written;
  }

  HandClock clock_;
  FaultyStore store_;
  absl::Mutex mutex_;
  size_t most_records_ ABSL_GUARDED_BY(mutex_) = 0;
  int count_ = 0;
};

TEST_F(EngineQueue, OneCommitWritesAsMuchOfALongQueueAsOfAShortOne) {
  const auto fill = [&](int messages) {
    for (int i = 0; i < messages; ++i) {
      Put("gone.example", 10);
      Put("there.example", 10);
    }
  };
  fill(10);
  // Until it is away.
  for (bool away = false; !away;) {
    for (const QueueAttempt& attempt : Lease(100)) {
      const bool gone = attempt.destination == "gone.example";
      Report(attempt, Kind::kDeferred, gone ? Sign::kUnreachable : Sign::kNone);
    }
    away = engine().ListDestinations("", 1)->at(0).paused_until != absl::InfinitePast();
  }
  // What has become ready is moved once: the second time there is none.
  clock_.Advance(absl::Hours(1));
  Measure();
  const std::map<std::string, size_t> of_short = Measure();
  Reopen();
  fill(150);
  const std::map<std::string, size_t> of_long = Measure();
  for (const auto& [verb, records] : of_long) {
    // But for the places of a destination and its site, which move or stay.
    EXPECT_NEAR(static_cast<double>(records), static_cast<double>(of_short.at(verb)), 4) << verb;
    EXPECT_LT(records, 500u) << verb;
  }
  Reopen();
}

// A site with many destinations that are all due costs a commit no more than one with few, whether it answers or not.
TEST_F(EngineQueue, OneCommitWritesAsMuchForASiteOfManyDestinationsAsOfFew) {
  const auto measure = [&](const std::string& site, int destinations) {
    const auto name = [&](int i) { return absl::StrCat("d", i, ".", site); };
    for (int i = 0; i < destinations; ++i) Put(name(i), 1);
    for (std::vector<QueueAttempt> attempts = Lease(20); !attempts.empty(); attempts = Lease(20)) {
      for (const QueueAttempt& attempt : attempts) Report(attempt, Kind::kDelivered, Sign::kNone, site);
    }
    for (int i = 0; i < destinations; ++i) Put(name(i), 1);
    std::map<std::string, size_t> written;
    TakeMost();
    std::vector<QueueAttempt> attempts = Lease(100);
    written["Lease"] = TakeMost();
    EXPECT_EQ(attempts.size(), 5u);
    for (const QueueAttempt& attempt : attempts) {
      Report(attempt, Kind::kDeferred, Sign::kUnreachable, site);
      written["Unreachable"] = std::max(written["Unreachable"], TakeMost());
    }
    EXPECT_EQ(Lease(100).size(), 0u);
    written["Nothing"] = TakeMost();
    // Behind a day, when all are to be asked about anew.
    clock_.Advance(absl::Hours(25));
    attempts = Lease(100);
    written["Probe"] = TakeMost();
    EXPECT_EQ(attempts.size(), 1u);
    Report(attempts.at(0), Kind::kDeferred, Sign::kUnreachable, site);
    written["InVain"] = TakeMost();
    attempts = Lease(100);
    EXPECT_EQ(attempts.size(), 20u);
    for (const QueueAttempt& attempt : attempts) Report(attempt, Kind::kDelivered, Sign::kAnswered, site);
    // It is back, and takes what was deferred, too.
    clock_.Advance(absl::Hours(1));
    for (attempts = Lease(100); !attempts.empty(); attempts = Lease(100)) {
      for (const QueueAttempt& attempt : attempts) Report(attempt, Kind::kDelivered, Sign::kAnswered, site);
    }
    Reopen();
    return written;
  };
  const std::map<std::string, size_t> of_few = measure("few.example", 60);
  const std::map<std::string, size_t> of_many = measure("many.example", 600);
  for (const auto& [verb, records] : of_many) {
    EXPECT_NEAR(static_cast<double>(records), static_cast<double>(of_few.at(verb)), 4) << verb;
    EXPECT_LT(records, 300u) << verb;
  }
}

TEST_F(EngineQueue, ItsRecordsAgreeWhateverHappened) {
  for (int i = 0; i < 20; ++i) Put(absl::StrCat("host", i % 4, ".example"), 1 + i * 7 % 130);
  for (int round = 0; round < 12; ++round) {
    std::vector<QueueAttempt> attempts = Lease(5);
    for (size_t i = 0; i < attempts.size(); ++i) {
      if (i == 1) continue;
      const Kind kind = i == 0 ? Kind::kDelivered : i == 2 ? Kind::kFailed : Kind::kDeferred;
      // Hosts that two of them share, at times, and that cannot be found out at others.
      const char* const sites[] = {"mx.example", "mx.example", "", "other.example"};
      Report(attempts[i], kind, round % 2 == 0 ? Sign::kAnswered : Sign::kUnreachable, sites[(i + round) % 4],
             i == 3 ? QueueReport::Tls::kBroken : QueueReport::Tls::kNone);
    }
    const auto messages = engine().ListQueued(QueueId{0}, 3, 0).value();
    const QueueDecision::Kind kinds[] = {QueueDecision::Kind::kHold, QueueDecision::Kind::kRelease,
                                         QueueDecision::Kind::kRetry, QueueDecision::Kind::kEnd};
    for (const QueuedMessage& message : messages) {
      EXPECT_TRUE(engine().Decide({kinds[round % 4], message.id, {0, 2, 101}}).ok());
    }
    if (round % 5 == 4) {
      EXPECT_TRUE(engine().EndLease("relay").ok());
    }
    if (round % 3 == 2) {
      EXPECT_TRUE(engine().TakeBack(30).ok());
    }
    clock_.Advance(round == 8 ? absl::Hours(26) : absl::Minutes(3));
    Reopen();
  }
}

TEST_F(EngineQueue, WhatWaitsForMailboxesHereAgreesWhateverHappened) {
  const AccountId other = MakeAccount(engine(), "other@example.test");
  const AccountId full = MakeSmall("full@example.test");
  const AccountId leaves = MakeSmall("leaves@example.test");
  for (int i = 0; i < 20; ++i) PutHere(i % 3 == 0 ? leaves : full, other);
  EXPECT_EQ(engine().GetQueueStatus()->recipient_count, 18);
  Reopen();
  const QueueDecision::Kind kinds[] = {QueueDecision::Kind::kHold, QueueDecision::Kind::kRelease,
                                       QueueDecision::Kind::kRetry, QueueDecision::Kind::kEnd};
  for (int round = 0; round < 8; ++round) {
    const auto queued = engine().ListQueued(QueueId{0}, 3, 0).value();
    for (const QueuedMessage& message : queued) {
      EXPECT_TRUE(engine().Decide({kinds[round % 4], message.id, {}}).ok());
    }
    if (round == 3) {
      EXPECT_TRUE(engine().DeleteAccount("leaves@example.test").ok());
    }
    const auto there = engine().ListMessages(full, MessageId{0}, 1).value();
    for (const MessageSummary& message : there) {
      EXPECT_EQ(engine().DeleteMessages(full, {message.id}).value(), 1);
    }
    EXPECT_TRUE(engine().DeliverHere(4).ok());
    EXPECT_LE(engine().FindAccount(full)->usage.message_count, 1);
    clock_.Advance(absl::Minutes(40));
    Reopen();
  }
}

// What is tried does not depend on how much waits.
TEST_F(EngineQueue, OneStepForMailboxesHereWritesAsMuchOfALongQueueAsOfAShortOne) {
  const AccountId other = MakeAccount(engine(), "other@example.test");
  const AccountId full = MakeSmall("full@example.test");
  const auto measure = [&](int messages) {
    for (int i = 0; i < messages; ++i) PutHere(full, other);
    clock_.Advance(absl::Hours(4));
    TakeMost();
    EXPECT_EQ(engine().DeliverHere(10)->size(), 10u);
    return TakeMost();
  };
  const size_t of_short = measure(20);
  EXPECT_EQ(measure(300), of_short);
  EXPECT_LT(of_short, 100u);
  Reopen();
}

}  // namespace
}  // namespace mailstead::engine
