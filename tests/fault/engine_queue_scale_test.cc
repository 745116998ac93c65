// A long queue to many destinations, half of them dead: what is new to a live one waits for a few attempts of each other, and
// the dead cost a few attempts each, however much waits for them.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/clock.h"
#include "stored/rules/queue.h"
#include "tests/fault/store_fixture.h"

namespace mailstead::engine {
namespace {

using Kind = QueueOutcome::Kind;
using Sign = QueueReport::Sign;

// A tenth of what bench/run has; the sanitizers take as long for a hundredth of it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kMessages = 10'000;
#else
constexpr int kMessages = 100'000;
#endif
constexpr int kDestinations = 1000;
constexpr size_t kLeased = 20;

class HandClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixMicros(micros_.load()); }
  void Advance(absl::Duration by) { micros_.fetch_add(absl::ToInt64Microseconds(by)); }

 private:
  std::atomic<int64_t> micros_{1'700'000'000'000'000};
};

class EngineQueueScale : public testing::Test {
 protected:
  EngineQueueScale() {
    store_.SetTweak([this](RocksDbOptions& options) { options.clock = options.lease_clock = &clock_; });
    store_.Open();
    EXPECT_TRUE(engine().RenewLease("relay", "host", absl::Hours(1000)).ok());
  }
  ~EngineQueueScale() override { store_.Close(); }

  SyncEngine engine() { return store_.engine(); }

  static std::string Name(int number) {
    return absl::StrFormat("%s%d.example", number % 2 == 0 ? "dead" : "live", number);
  }
  void Put(const std::string& destination, const std::string& lane) {
    NewMessage message;
    message.delivery_scope = "smtp";
    message.envelope.delivery_id = absl::StrCat("queued-delivery-", ++count_);
    message.envelope.recipients.resize(1);
    message.queued.recipients.push_back({0, absl::StrCat("user@", destination), destination});
    message.queued.lane = lane;
    message.queued.expire_time = clock_.Now() + absl::Hours(120);
    message.sha256 = message.fingerprint = sha256_;
    ASSERT_TRUE(engine().Append(std::move(message), Content{"content", nullptr}).ok());
  }

  // Attempts up to `most`, as fast relays make them; stops behind the first of `lane`. How many there were.
  int Work(int most, const std::string& lane = "") {
    int done = 0;
    while (done < most) {
      const std::vector<QueueAttempt> attempts = engine().Lease({"relay", kLeased, 100}).value();
      if (attempts.empty()) break;
      bool found = false;
      for (const QueueAttempt& attempt : attempts) {
        ++done;
        const bool dead = absl::StartsWith(attempt.destination, "dead");
        dead_attempts_ += dead;
        found = found || attempt.message.lane == lane;
        QueueReport report{
            attempt.message.id, attempt.grant, {}, dead ? Sign::kUnreachable : Sign::kAnswered};
        report.outcomes.push_back({attempt.message.recipients.front().number,
                                   dead ? Kind::kDeferred : Kind::kDelivered,
                                   {},
                                   absl::InfinitePast()});
        EXPECT_TRUE(engine().Report(report).ok());
      }
      clock_.Advance(absl::Milliseconds(1));
      if (found) break;
    }
    return done;
  }

  const std::string sha256_ = Sha256("content");
  HandClock clock_;
  FaultyStore store_;
  int count_ = 0;
  int dead_attempts_ = 0;
};

TEST_F(EngineQueueScale, WhatIsNewToALiveDestinationDoesNotWaitForTheRest) {
  for (int i = 0; i < kMessages; ++i) ASSERT_NO_FATAL_FAILURE(Put(Name(i % kDestinations), "bulk"));
  const rules::QueuePolicy policy;
  // While all are live for all that is known; later, while only the live ones are worked off.
  const int turns = static_cast<int>(rules::kAttemptsOfTurn);
  for (const int others : {kDestinations, kDestinations / 2, kDestinations / 2}) {
    ASSERT_NO_FATAL_FAILURE(Put("live1.example", absl::StrCat("new", count_)));
    const int waited = Work(kMessages, absl::StrCat("new", count_ - 1));
    // One round, and what was leased with it.
    EXPECT_LE(waited, others * turns + static_cast<int>(kLeased));
    Work(kMessages / 10);
  }
  // All that is live goes, and nothing else.
  Work(10 * kMessages);
  const QueueStatus status = *engine().GetQueueStatus();
  EXPECT_EQ(status.message_count, kMessages / 2);
  EXPECT_LE(dead_attempts_, kDestinations / 2 * (policy.initial_window + turns))
      << "each is given up for a while soon";
  ASSERT_NO_FATAL_FAILURE(Put("live1.example", "new"));
  EXPECT_EQ(Work(kMessages, "new"), 1);
}

}  // namespace
}  // namespace mailstead::engine
