// Five days of retries, in virtual time and from a seed: hosts that are down for ever or for a while, that greylist, refuse or
// put off, and what the queue makes of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/worker_pool.h"
#include "stored/core/directory.h"
#include "stored/core/intake.h"
#include "stored/core/notices.h"
#include "stored/core/queue.h"
#include "stored/core/routes.h"
#include "stored/engine/memory/memory_engine.h"
#include "stored/rules/queue.h"
#include "tests/support/block_on.h"

namespace mailstead::stored {
namespace {

using engine::QueueAttempt;
using engine::QueueOutcome;
using Kind = QueueOutcome::Kind;
using Sign = engine::QueueReport::Sign;

constexpr char kLease[] = "lease-of-the-first-relay";
constexpr char kSender[] = "sender@example.test";
// How often the queue is looked at: nothing is later than it should be by more.
constexpr absl::Duration kStep = absl::Seconds(20);
constexpr absl::Duration kGreylisting = absl::Minutes(5);
constexpr int kMessagesOfEach = 60;

// How the hosts of a destination behave.
enum class Host { kUp, kDown, kDying, kGreylisting, kRefusing, kPuttingOff };
struct Place {
  Host host = Host::kUp;
  std::string name;
  // kDying: whether it is down now, and until when that is so.
  bool is_down = false;
  absl::Time changes_at;
  int attempt_count = 0;
  int probe_count = 0;
};

// What is known of a recipient.
struct Sent {
  Host host = Host::kUp;
  absl::Time sent_at;
  std::vector<absl::Time> attempts;
  std::vector<absl::Time> delays_told;
  std::vector<absl::Time> ends;
  QueueEvent::Kind end = QueueEvent::Kind::kDeferred;
};

class Ledger final : public QueueObserver {
 public:
  explicit Ledger(const Clock& clock) : clock_(clock) {}
  void Happened(const QueueEvent& event) override {
    Sent& one = sent[event.recipient];
    if (event.kind == QueueEvent::Kind::kDelayTold) one.delays_told.push_back(clock_.Now());
    if (event.kind == QueueEvent::Kind::kDelayTold || event.kind == QueueEvent::Kind::kDeferred) return;
    one.ends.push_back(clock_.Now());
    one.end = event.kind;
  }
  void NoticeDropped(QueueId, const std::string&, const absl::Status& why) override { ADD_FAILURE() << why; }

  std::map<std::string, Sent> sent;

 private:
  const Clock& clock_;
};

class QueueRetriesTest : public testing::TestWithParam<int> {
 protected:
  QueueRetriesTest() {
    EXPECT_TRUE(BlockOn(directory_.CreateDomain({"example.test", true, {}, {}})).ok());
    NewAccount account;
    account.address = kSender;
    sender_ = BlockOn(directory_.CreateAccount(std::move(account)))->id;
    queue_.SetObserver(&ledger_);
    EXPECT_TRUE(BlockOn(engine_->leases().Renew(kLease, "relay", absl::Hours(1000))).ok());
  }

  double Draw() { return std::uniform_real_distribution<double>()(random_); }
  absl::Duration DrawUpTo(absl::Duration most) { return most * Draw(); }

  void Submit(const Place& place, int number) {
    const std::string address = absl::StrCat("user", number, "@", place.name);
    Envelope envelope;
    envelope.delivery_id = absl::StrCat("delivery-number-", ledger_.sent.size());
    envelope.reverse_path = kSender;
    envelope.recipients.resize(1);
    envelope.recipients[0].address = address;
    Intake intake(context_, "smtp", Promise::kGiven);
    intake.AllowRelay();
    const absl::Status begun = BlockOn(intake.Begin(std::move(envelope)));
    ASSERT_TRUE(begun.ok()) << begun;
    ASSERT_TRUE(BlockOn(intake.Append("Subject: s\r\n\r\nbody\r\n")).ok());
    ASSERT_TRUE(BlockOn(intake.Finish("Received: here\r\n")).ok());
    Sent& sent = ledger_.sent[address];
    sent.host = place.host;
    sent.sent_at = clock_.Now();
  }

  // What a host says to an attempt now.
  std::pair<Kind, Sign> Say(Place& place, const Sent& sent) {
    switch (place.host) {
      case Host::kUp:
        return {Kind::kDelivered, Sign::kAnswered};
      case Host::kDown:
        return {Kind::kDeferred, Sign::kUnreachable};
      case Host::kDying:
        if (clock_.Now() >= place.changes_at) {
          place.is_down = !place.is_down;
          place.changes_at = clock_.Now() + DrawUpTo(absl::Hours(6));
        }
        return place.is_down ? std::pair(Kind::kDeferred, Sign::kUnreachable)
                             : std::pair(Draw() < 0.5 ? Kind::kDelivered : Kind::kDeferred, Sign::kAnswered);
      case Host::kGreylisting:
        return {clock_.Now() < sent.attempts.front() + kGreylisting ? Kind::kDeferred : Kind::kDelivered,
                Sign::kAnswered};
      case Host::kRefusing:
        return {Draw() < 0.5 ? Kind::kFailed : Kind::kDeferred, Sign::kAnswered};
      case Host::kPuttingOff:
        return {Kind::kDeferred, Sign::kAnswered};
    }
    return {Kind::kDeferred, Sign::kNone};
  }

  void Attempt(const QueueAttempt& attempt, Place& place) {
    ++place.attempt_count;
    if (attempt.probe) ++place.probe_count;
    ASSERT_EQ(attempt.message.recipients.size(), 1u);
    const engine::QueuedRecipient& recipient = attempt.message.recipients[0];
    Sent& sent = ledger_.sent[recipient.address];
    EXPECT_TRUE(sent.ends.empty()) << recipient.address << " had ended";
    sent.attempts.push_back(clock_.Now());
    EXPECT_EQ(static_cast<size_t>(recipient.attempt_count), sent.attempts.size()) << recipient.address;
    const auto [kind, sign] = Say(place, sent);
    engine::QueueReport report;
    report.message = attempt.message.id;
    report.grant = attempt.grant;
    report.sign = sign;
    const int code = sign == Sign::kUnreachable ? 0
                     : kind == Kind::kDelivered ? 250
                     : kind == Kind::kFailed    ? 550
                                                : 451;
    report.outcomes.push_back({recipient.number,
                               kind,
                               {code, "", "as you like", "mx.far.test", clock_.Now()},
                               absl::InfinitePast()});
    ASSERT_TRUE(BlockOn(queue_.Report(std::move(report), {})).ok());
  }

  // All that is due now.
  void Turn(std::map<std::string, Place>& places) {
    for (;;) {
      engine::QueueLeaseRequest request;
      request.lease_id = kLease;
      request.attempt_limit = 20;
      const auto leased =
          BlockOn(queue_.Lease(std::move(request), absl::ZeroDuration(), [] { return absl::OkStatus(); }));
      ASSERT_TRUE(leased.ok()) << leased.status();
      if (leased->empty()) break;
      for (const OutboundQueue::Assignment& assignment : *leased) {
        Attempt(assignment.attempt, places[assignment.attempt.destination]);
      }
    }
    for (bool more = true; more;) {
      const auto expired = BlockOn(queue_.Expire());
      ASSERT_TRUE(expired.ok()) << expired.status();
      more = *expired;
    }
  }

  int64_t QueuedCount() { return BlockOn(engine_->queue().Status())->message_count; }
  size_t NoticeCount() { return BlockOn(engine_->messages().List(sender_, MessageId{0}, 100'000))->size(); }

  // Attempts are made when they are due: neither before nor, where the host answers, much later.
  void CheckTimes(const std::string& address, const Sent& sent, const rules::QueuePolicy& policy) {
    const bool answers = sent.host != Host::kDown && sent.host != Host::kDying;
    for (size_t i = 0; i + 1 < sent.attempts.size(); ++i) {
      const absl::Duration gap = sent.attempts[i + 1] - sent.attempts[i];
      const absl::Duration wait = policy.retry_schedule[std::min(i, policy.retry_schedule.size() - 1)];
      EXPECT_GE(gap, wait * (1 - policy.retry_jitter)) << address << ", attempt " << i + 2;
      if (answers) {
        EXPECT_LE(gap, wait * (1 + policy.retry_jitter) + kStep) << address << ", attempt " << i + 2;
      }
    }
    if (answers) {
      EXPECT_LE(sent.attempts.front() - sent.sent_at, kStep) << address;
    }
  }

  void CheckEnd(const std::string& address, const Sent& sent) {
    ASSERT_EQ(sent.ends.size(), 1u) << address;
    const absl::Duration took = sent.ends[0] - sent.sent_at;
    // What ends in the very step in which it is told may come before that or after it.
    const bool is_late = took > context_.delay_notice_after + kStep;
    const bool may_be_told = took >= context_.delay_notice_after;
    EXPECT_GE(sent.delays_told.size(), is_late ? 1u : 0u) << address;
    EXPECT_LE(sent.delays_told.size(), may_be_told ? 1u : 0u) << address;
    if (!sent.delays_told.empty()) {
      EXPECT_GE(sent.delays_told[0] - sent.sent_at, context_.delay_notice_after) << address;
      EXPECT_LE(sent.delays_told[0] - sent.sent_at, context_.delay_notice_after + kStep) << address;
    }
    if (sent.end == QueueEvent::Kind::kExpired) {
      EXPECT_GE(took, context_.queue_lifetime) << address;
      EXPECT_LE(took, context_.queue_lifetime + kStep) << address;
    } else {
      EXPECT_LT(took, context_.queue_lifetime) << address;
    }
    switch (sent.host) {
      case Host::kUp:
        EXPECT_EQ(sent.end, QueueEvent::Kind::kDelivered) << address;
        EXPECT_EQ(sent.attempts.size(), 1u) << address;
        break;
      case Host::kGreylisting:
        EXPECT_EQ(sent.end, QueueEvent::Kind::kDelivered) << address;
        EXPECT_EQ(sent.attempts.size(), 2u)
            << address << ": the first retry is behind what greylisting asks for";
        break;
      case Host::kDown:
      case Host::kPuttingOff:
        EXPECT_EQ(sent.end, QueueEvent::Kind::kExpired) << address;
        break;
      case Host::kRefusing:
        EXPECT_EQ(sent.end, QueueEvent::Kind::kFailed) << address << ", tried " << sent.attempts.size() << " times";
        break;
      case Host::kDying:
        EXPECT_EQ(sent.end, QueueEvent::Kind::kDelivered) << address;
        break;
    }
  }

  std::mt19937_64 random_{static_cast<uint64_t>(GetParam())};
  FakeClock clock_;
  ThreadExecutor executor_;
  WorkerPool hash_pool_{1, 10};
  std::shared_ptr<engine::MemoryStore> store_ = std::make_shared<engine::MemoryStore>();
  std::unique_ptr<engine::Engine> engine_ = engine::OpenMemoryEngine(
      {.store = store_, .clock = &clock_, .lease_clock = &Clock::Steady(), .dice = [this] {
         return Draw();
       }});
  Directory directory_{engine_->directory(), clock_, 4096, hash_pool_, executor_};
  AccountId sender_;
  RecipientResolver resolver_{engine_->directory(), ""};
  Routes routes_{engine_->routes(), engine_->directory(), clock_, std::string(32, 'k')};
  IntakeContext context_{engine_->messages(), resolver_, &routes_, hash_pool_, executor_, clock_, 1 << 20};
  Notices notices_{context_, engine_->queue(), "mx.example.test"};
  TimerQueue timers_;
  OutboundQueue queue_{engine_->queue(), routes_,         context_, notices_,
                       clock_,           Clock::Steady(), timers_,  executor_};
  Ledger ledger_{clock_};
};

TEST_P(QueueRetriesTest, FiveDaysOfThem) {
  const rules::QueuePolicy policy;
  std::map<std::string, Place> places;
  for (const auto& [host, name] : {std::pair(Host::kUp, "up"),
                                   {Host::kDown, "down"},
                                   {Host::kDying, "dying"},
                                   {Host::kGreylisting, "greylisting"},
                                   {Host::kRefusing, "refusing"},
                                   {Host::kPuttingOff, "putting.off"}}) {
    for (int i = 0; i < 2; ++i) {
      Place place;
      place.host = host;
      place.name = absl::StrCat(name, i, ".test");
      place.changes_at = clock_.Now() + DrawUpTo(absl::Hours(6));
      places[place.name] = place;
    }
  }
  // All is sent within the first half of a day.
  std::multimap<absl::Time, std::pair<std::string, int>> to_send;
  for (const auto& [name, place] : places) {
    for (int i = 0; i < kMessagesOfEach; ++i) {
      to_send.emplace(clock_.Now() + DrawUpTo(absl::Hours(12)), std::pair(name, i));
    }
  }
  const absl::Time end = clock_.Now() + context_.queue_lifetime + absl::Hours(13);
  while (clock_.Now() < end && !(to_send.empty() && QueuedCount() == 0)) {
    for (; !to_send.empty() && to_send.begin()->first <= clock_.Now(); to_send.erase(to_send.begin())) {
      const auto& [name, number] = to_send.begin()->second;
      ASSERT_NO_FATAL_FAILURE(Submit(places[name], number));
    }
    ASSERT_NO_FATAL_FAILURE(Turn(places));
    clock_.Advance(kStep);
  }
  EXPECT_EQ(QueuedCount(), 0);
  ASSERT_EQ(ledger_.sent.size(), places.size() * kMessagesOfEach);
  size_t notice_count = 0;
  for (const auto& [address, sent] : ledger_.sent) {
    ASSERT_NO_FATAL_FAILURE(CheckEnd(address, sent));
    CheckTimes(address, sent, policy);
    notice_count += sent.delays_told.size() + (sent.end == QueueEvent::Kind::kDelivered ? 0 : 1);
  }
  EXPECT_EQ(NoticeCount(), notice_count) << "each told once";
  for (const auto& [name, place] : places) {
    if (place.host != Host::kDown) continue;
    // As many as it takes at a time, six that grow to an hour, and one an hour from then on: however much waits.
    const int most = policy.initial_window + 6 +
                     static_cast<int>(absl::ToInt64Hours(end - clock_.Now() + absl::Hours(133)));
    EXPECT_LE(place.attempt_count, most) << name;
    EXPECT_GE(place.probe_count, 100) << name << " is looked at every hour";
    EXPECT_LE(place.attempt_count - place.probe_count, policy.initial_window)
        << name << " is looked at by one at a time";
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, QueueRetriesTest, testing::Range(1, 5));

}  // namespace
}  // namespace mailstead::stored
