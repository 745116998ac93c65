#include "pop3d/lease_keeper.h"

#include <chrono>
#include <functional>
#include <utility>

#include "absl/time/clock.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/io_context.hpp"
#include "common/base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/pop3d/fake_store.h"

namespace mailstead::pop3 {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LeaseKeeperTest : public testing::Test {
 protected:
  // Runs the loop until it is so.
  testing::AssertionResult Until(const std::function<bool()>& done) {
    const absl::Time deadline = absl::Now() + absl::Seconds(10);
    while (!done()) {
      if (absl::Now() > deadline) return testing::AssertionFailure() << "not in time";
      if (io_.stopped()) io_.restart();
      io_.run_one_for(std::chrono::milliseconds(5));
    }
    return testing::AssertionSuccess();
  }
  template <typename T>
  T Get(asio::awaitable<T> work) {
    std::optional<T> result;
    asio::co_spawn(io_, std::move(work), [&](std::exception_ptr, T value) { result = std::move(value); });
    EXPECT_TRUE(Until([&] { return result.has_value(); }));
    return *std::move(result);
  }
  void Get(asio::awaitable<void> work) {
    bool done = false;
    asio::co_spawn(io_, std::move(work), [&](std::exception_ptr) { done = true; });
    EXPECT_TRUE(Until([&] { return done; }));
  }
  absl::StatusOr<HeldMaildrop> Open(uint64_t mailbox_id) {
    HeldMaildrop held;
    const auto opened = Get(keeper_.Open(OpenRequest{.mailbox_id = mailbox_id}, held));
    if (!opened.ok()) return opened.status();
    return held;
  }
  void Release(HeldMaildrop held) { Get(keeper_.Release(std::move(held))); }

  asio::io_context io_{1};
  FakeStore store_;
  LeaseKeeper keeper_{store_, io_.get_executor(), {.holder = "pop3d test", .ttl = absl::Milliseconds(30)}};
};

TEST_F(LeaseKeeperTest, BeatsAndIsHealthyWhileTheStoreAnswers) {
  EXPECT_FALSE(keeper_.Health().ok());
  keeper_.Start();
  ASSERT_TRUE(Until([&] { return store_.renewals.size() >= 4; }));
  EXPECT_TRUE(keeper_.Health().ok());
  EXPECT_EQ(store_.renewals[0].lease_id.size(), 26u);
  EXPECT_EQ(store_.renewals[0].lease_id, store_.renewals[3].lease_id);
  EXPECT_EQ(store_.renewals[0].holder, "pop3d test");
  EXPECT_EQ(store_.renewals[0].ttl, absl::Milliseconds(30));

  store_.away = absl::UnavailableError("gone");
  ASSERT_TRUE(Until([&] { return !keeper_.Health().ok(); }));
  store_.away = absl::OkStatus();
  ASSERT_TRUE(Until([&] { return keeper_.Health().ok(); }));
  Get(keeper_.End());
}

TEST_F(LeaseKeeperTest, EveryProcessHasALeaseOfItsOwn) {
  LeaseKeeper other(store_, io_.get_executor(), {});
  ASSERT_TRUE(Open(store_.demo()).ok());
  HeldMaildrop held;
  EXPECT_EQ(ReasonOf(Get(other.Open(OpenRequest{.mailbox_id = store_.demo()}, held)).status()),
            kReasonMaildropInUse);
  EXPECT_EQ(store_.leases.size(), 2u);
}

TEST_F(LeaseKeeperTest, RenewsAtOnceWhenTheStoreDoesNotKnowTheLease) {
  // No heartbeat has been yet.
  const auto held = Open(store_.demo());
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_EQ(store_.renewals.size(), 1u);
  Release(*held);
  store_.leases.clear();
  EXPECT_TRUE(Open(store_.demo()).ok());
  EXPECT_EQ(store_.renewals.size(), 2u);
}

TEST_F(LeaseKeeperTest, RefusalsPassThrough) {
  store_.open_failure = WithReason(absl::AbortedError("too soon"), kReasonLoginDelay);
  EXPECT_EQ(ReasonOf(Open(store_.demo()).status()), kReasonLoginDelay);
  // A refusal is an answer: the lease goes on.
  store_.open_failure = absl::OkStatus();
  ASSERT_TRUE(Open(store_.demo()).ok());
  EXPECT_EQ(store_.leases.size(), 1u);
}

TEST_F(LeaseKeeperTest, ReleasesLaterWhatItCannotReleaseNow) {
  keeper_.Start();
  auto held = Open(store_.demo());
  ASSERT_TRUE(held.ok());
  store_.away = absl::UnavailableError("gone");
  Release(*std::move(held));
  EXPECT_EQ(store_.locked_count(), 1u);
  store_.away = absl::OkStatus();
  ASSERT_TRUE(Until([&] { return store_.locked_count() == 0; }));
  Get(keeper_.End());
}

TEST_F(LeaseKeeperTest, ALockThatNoSessionKnowsOfIsFreedWithItsLease) {
  keeper_.Start();
  const uint64_t other = store_.AddAccount("other@example.test", "x");
  auto bystander = Open(other);
  ASSERT_TRUE(bystander.ok());

  store_.open_answer_is_lost = true;
  EXPECT_TRUE(absl::IsUnavailable(Open(store_.demo()).status()));
  store_.open_answer_is_lost = false;
  EXPECT_EQ(store_.locked_count(), 2u);

  // The bystander keeps its lock, and its lease is kept alive, for as long as it needs them.
  const size_t beats = store_.renewals.size();
  ASSERT_TRUE(Until([&] { return store_.renewals.size() >= beats + 4; }));
  EXPECT_EQ(store_.locked_count(), 2u);
  EXPECT_EQ(store_.leases.size(), 2u);

  // After the last session of the old lease, the orphan is free.
  Release(*std::move(bystander));
  ASSERT_TRUE(Until([&] { return store_.locked_count() == 0; }));
  EXPECT_EQ(store_.ended_leases.size(), 1u);
  EXPECT_TRUE(Open(store_.demo()).ok());
  Get(keeper_.End());
}

TEST_F(LeaseKeeperTest, OneOutageDoesNotPileUpLeases) {
  store_.away = absl::UnavailableError("gone");
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(Open(store_.demo()).ok());
  store_.away = absl::OkStatus();
  ASSERT_TRUE(Open(store_.demo()).ok());
  EXPECT_EQ(store_.leases.size(), 1u);
}

TEST_F(LeaseKeeperTest, ALeaseThatCannotBeEndedIsEndedLater) {
  keeper_.Start();
  ASSERT_TRUE(Until([&] { return keeper_.Health().ok(); }));
  store_.end_lease_failure = absl::UnavailableError("busy");
  store_.open_answer_is_lost = true;
  EXPECT_FALSE(Open(store_.demo()).ok());
  store_.open_answer_is_lost = false;
  const size_t beats = store_.renewals.size();
  ASSERT_TRUE(Until([&] { return store_.renewals.size() >= beats + 4; }));
  EXPECT_EQ(store_.locked_count(), 1u);
  store_.end_lease_failure = absl::OkStatus();
  ASSERT_TRUE(Until([&] { return store_.locked_count() == 0; }));
  Get(keeper_.End());
}

TEST_F(LeaseKeeperTest, EndEndsTheLease) {
  keeper_.Start();
  ASSERT_TRUE(Until([&] { return keeper_.Health().ok(); }));
  const std::string lease = store_.renewals[0].lease_id;
  Get(keeper_.End());
  EXPECT_THAT(store_.ended_leases, ElementsAre(lease));
  EXPECT_THAT(store_.leases, IsEmpty());
}

TEST_F(LeaseKeeperTest, EndDoesNotHangOnAStoreThatIsAway) {
  keeper_.Start();
  ASSERT_TRUE(Until([&] { return keeper_.Health().ok(); }));
  auto held = Open(store_.demo());
  store_.away = absl::UnavailableError("gone");
  Release(*std::move(held));
  Get(keeper_.End());
  EXPECT_THAT(store_.ended_leases, IsEmpty());
}

}  // namespace
}  // namespace mailstead::pop3
