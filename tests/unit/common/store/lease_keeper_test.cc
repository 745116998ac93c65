#include "common/store/lease_keeper.h"

#include <gmock/gmock.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/reason.h"
#include "mailstead/frontend/v1/maildrop.pb.h"
#include "tests/support/fake_store.h"
#include "tests/support/fake_time.h"
#include "tests/unit/common/store/awaiting.h"

namespace mailstead::store {
namespace {

using test::When;
using testing::IsEmpty;
using testing::SizeIs;
namespace fv1 = ::mailstead::frontend::v1;

constexpr absl::Duration kTtl = absl::Seconds(6);
constexpr char kUser[] = "demo@example.test";

class LeaseKeeperTest : public test::Awaiting {
 protected:
  LeaseKeeperTest() {
    store_.AddDomain("example.test");
    store_.AddAccount(kUser, "secret");
  }

  // Renewals of this lease; those of a retired one go beside the beats.
  int renewals(const std::string& lease_id) {
    int count = 0;
    for (const test::SeenCall& seen : store_.way().seen("RenewLease")) {
      count += seen.As<fv1::RenewLeaseRequest>().lease_id() == lease_id ? 1 : 0;
    }
    return count;
  }
  int beats() { return renewals(keeper_->lease_id()); }
  // Until the beat that is due has had its answer, and the keeper waits for the next.
  void AwaitBeat(int count) {
    ASSERT_TRUE(Until([&] { return beats() >= count && time_.waiting_count() > 0; }));
  }
  void NextBeat() {
    const int before = beats();
    time_.Advance(kTtl / 3);
    AwaitBeat(before + 1);
  }
  void StartKeeper() {
    keeper_->Start();
    AwaitBeat(1);
  }

  // Logs in and opens the maildrop; gives the grant.
  absl::StatusOr<std::string> OpenMaildrop(const std::string& session) {
    const auto login = api_.StartLogin({.session_id = session});
    const sasl::Start start{.mechanism = "PLAIN",
                            .initial_response = sasl::PlainMessage(kUser, "secret"),
                            .client_address = "192.0.2.1"};
    const MaildropRequest maildrop{.lease_id = keeper_->lease_id()};
    const absl::StatusOr<LoginStep> step = Get(login->Begin(start, maildrop));
    if (!step.ok()) return step.status();
    const LoggedIn& logged_in = std::get<LoggedIn>(*step);
    if (!logged_in.maildrop.ok()) return logged_in.maildrop.status();
    return logged_in.grant;
  }
  void Release(const std::string& grant, const std::string& session) {
    keeper_->ReleaseLater(grant, session, io_.get_executor());
  }

  FakeTime time_;
  test::FakeStore store_{{.role = stored::kPop, .timers = &time_}};
  StoreApi api_{store_.way(), nullptr, time_};
  std::optional<LeaseKeeper> keeper_{std::in_place, api_, io_.get_executor(),
                                     LeaseKeeper::Options{.holder = "pop3d test", .ttl = kTtl}, time_};
};

TEST_F(LeaseKeeperTest, BeatsAndIsHealthyWhileTheStoreAnswers) {
  EXPECT_FALSE(keeper_->Health().ok());
  StartKeeper();
  for (int i = 0; i < 3; ++i) NextBeat();
  EXPECT_TRUE(keeper_->Health().ok());
  const std::vector<test::SeenCall> renewals = store_.way().seen("RenewLease");
  ASSERT_THAT(renewals, SizeIs(4));
  const auto first = renewals[0].As<fv1::RenewLeaseRequest>();
  EXPECT_EQ(first.lease_id().size(), 26u);
  EXPECT_EQ(first.lease_id(), keeper_->lease_id());
  EXPECT_EQ(first.lease_id(), renewals[3].As<fv1::RenewLeaseRequest>().lease_id());
  EXPECT_EQ(first.holder(), "pop3d test");
  EXPECT_EQ(first.ttl().seconds(), 6);
  // A heartbeat that takes longer than its period is one that failed.
  EXPECT_EQ(renewals[0].timeout, kTtl / 3);

  store_.way().SetAway(absl::UnavailableError("gone"));
  NextBeat();
  EXPECT_FALSE(keeper_->Health().ok());
  store_.way().SetAway(absl::OkStatus());
  NextBeat();
  EXPECT_TRUE(keeper_->Health().ok());
  Get(keeper_->End());
}

TEST_F(LeaseKeeperTest, EveryProcessHasALeaseOfItsOwn) {
  LeaseKeeper other(api_, io_.get_executor(), {.holder = "another", .ttl = kTtl}, time_);
  EXPECT_NE(other.lease_id(), keeper_->lease_id());
  ASSERT_TRUE(Get(keeper_->RenewNow()).ok());
  ASSERT_TRUE(Get(other.RenewNow()).ok());
  EXPECT_THAT(store_.Leases(), SizeIs(2));
}

TEST_F(LeaseKeeperTest, RenewsAtOnceWhenTheStoreDoesNotKnowTheLease) {
  // No heartbeat has been yet.
  EXPECT_EQ(ReasonOf(OpenMaildrop("one").status()), kReasonNoLease);
  ASSERT_TRUE(Get(keeper_->RenewNow()).ok());
  EXPECT_EQ(beats(), 1);
  const auto grant = OpenMaildrop("one");
  ASSERT_TRUE(grant.ok()) << grant.status();
  EXPECT_TRUE(store_.IsLocked(kUser));
  Release(*grant, "one");
  ASSERT_TRUE(Until([&] { return !store_.IsLocked(kUser); }));
  // The store was away for longer than the ttl.
  time_.Advance(kTtl * 2);
  EXPECT_EQ(ReasonOf(OpenMaildrop("two").status()), kReasonNoLease);
  ASSERT_TRUE(Get(keeper_->RenewNow()).ok());
  EXPECT_TRUE(OpenMaildrop("two").ok());
}

TEST_F(LeaseKeeperTest, AFailedRenewalIsTold) {
  store_.way().SetAway(absl::UnavailableError("gone"));
  EXPECT_EQ(Get(keeper_->RenewNow()), absl::UnavailableError("gone"));
}

TEST_F(LeaseKeeperTest, ReleasesAtOnce) {
  StartKeeper();
  const auto grant = OpenMaildrop("one");
  ASSERT_TRUE(grant.ok()) << grant.status();
  Release(*grant, "one");
  ASSERT_TRUE(Until([&] { return !store_.IsLocked(kUser); }));
  EXPECT_EQ(store_.way().seen("ReleaseMaildrop")[0].session_id, "one");
  Get(keeper_->End());
}

TEST_F(LeaseKeeperTest, ReleasesLaterWhatItCannotReleaseNow) {
  StartKeeper();
  const auto grant = OpenMaildrop("one");
  ASSERT_TRUE(grant.ok()) << grant.status();
  store_.way().SetAway(absl::UnavailableError("gone"));
  Release(*grant, "one");
  NextBeat();
  NextBeat();
  EXPECT_TRUE(store_.IsLocked(kUser));
  // It is not tried while the store is away.
  EXPECT_EQ(store_.way().calls("ReleaseMaildrop"), 1);
  store_.way().SetAway(absl::OkStatus());
  NextBeat();
  ASSERT_TRUE(Until([&] { return !store_.IsLocked(kUser); }));
  EXPECT_EQ(store_.way().calls("ReleaseMaildrop"), 2);
  Get(keeper_->End());
}

TEST_F(LeaseKeeperTest, AReleaseWhoseAnswerIsLostIsRepeatedWithoutHarm) {
  StartKeeper();
  const auto grant = OpenMaildrop("one");
  ASSERT_TRUE(grant.ok()) << grant.status();
  store_.way().Fail("ReleaseMaildrop", When::kAfter, absl::UnavailableError("lost"));
  Release(*grant, "one");
  ASSERT_TRUE(Until([&] { return !store_.IsLocked(kUser); }));
  // Meanwhile another session has it, and keeps it.
  ASSERT_TRUE(OpenMaildrop("two").ok());
  NextBeat();
  ASSERT_TRUE(Until([&] { return store_.way().calls("ReleaseMaildrop") == 2; }));
  ASSERT_TRUE(Get(keeper_->RenewNow()).ok());
  EXPECT_TRUE(store_.IsLocked(kUser));
  Get(keeper_->End());
}

TEST_F(LeaseKeeperTest, ASlowReleaseDelaysNoHeartbeat) {
  StartKeeper();
  const auto grant = OpenMaildrop("one");
  ASSERT_TRUE(grant.ok()) << grant.status();
  store_.way().Hold("ReleaseMaildrop");
  Release(*grant, "one");
  ASSERT_TRUE(Until([&] { return store_.way().held_count("ReleaseMaildrop") == 1; }));
  for (int i = 0; i < 3; ++i) {
    const int before = beats();
    time_.Advance(kTtl / 3);
    ASSERT_TRUE(Until([&] { return beats() > before && time_.waiting_count() == 2; }));
  }
  EXPECT_TRUE(keeper_->Health().ok());
  store_.way().Release("ReleaseMaildrop");
  ASSERT_TRUE(Until([&] { return !store_.IsLocked(kUser); }));
  Get(keeper_->End());
}

TEST_F(LeaseKeeperTest, ARefusedReleaseIsAnAnswer) {
  StartKeeper();
  Release("no grant at all", "one");
  ASSERT_TRUE(Until([&] { return store_.way().calls("ReleaseMaildrop") == 1; }));
  NextBeat();
  NextBeat();
  EXPECT_EQ(store_.way().calls("ReleaseMaildrop"), 1);
  Get(keeper_->End());
}

// A login whose answer is lost may have locked a maildrop, and nobody has the grant to release it.
TEST_F(LeaseKeeperTest, ALockThatNoSessionKnowsOfIsFreedWithItsLease) {
  StartKeeper();
  // The bystander holds another maildrop under the same lease.
  std::shared_ptr<const Lease> bystander = keeper_->lease();
  std::shared_ptr<const Lease> lost = keeper_->lease();
  store_.way().Fail("Authenticate", When::kAfter, absl::UnavailableError("lost"));
  EXPECT_FALSE(OpenMaildrop("one").ok());
  keeper_->Retire(lost);
  lost.reset();
  EXPECT_TRUE(store_.IsLocked(kUser));
  // New sessions lock under another lease.
  EXPECT_NE(keeper_->lease_id(), bystander->id);

  // The bystander's lease is kept alive for as long as it needs it.
  const auto are_renewed = [&] {
    for (const auto& lease : store_.Leases()) {
      if (lease.remaining < kTtl) return false;
    }
    return true;
  };
  for (int i = 0; i < 6; ++i) {
    NextBeat();
    ASSERT_TRUE(Until(are_renewed));
  }
  EXPECT_TRUE(store_.IsLocked(kUser));
  EXPECT_THAT(store_.Leases(), SizeIs(2));

  // After the last session of the old lease, the orphan is free.
  bystander.reset();
  NextBeat();
  ASSERT_TRUE(Until([&] { return store_.way().calls("EndLease") == 1; }));
  ASSERT_TRUE(Until([&] { return !store_.IsLocked(kUser); }));
  EXPECT_TRUE(OpenMaildrop("two").ok());
  Get(keeper_->End());
}

// The store may know a lease and be unable to write down a new one: a full disk, or one that hangs.
TEST_F(LeaseKeeperTest, ALeaseThatSessionsHoldIsRenewedWhateverBecomesOfTheNewOne) {
  StartKeeper();
  const std::shared_ptr<const Lease> held = keeper_->lease();
  ASSERT_TRUE(OpenMaildrop("one").ok());
  keeper_->Retire(held);
  for (int i = 0; i < 4; ++i) {
    // Those of both leases are under way at once; the second, that of the new one, is not answered.
    store_.way().Hold("RenewLease", When::kBefore, /*nth=*/2);
    const int before = renewals(held->id);
    time_.Advance(kTtl / 3);
    ASSERT_TRUE(Until([&] { return renewals(held->id) > before && beats() == i + 1; }));
    ASSERT_TRUE(Until([&] {
      const std::vector<engine::LeaseInfo> leases = store_.Leases();
      return leases.size() == 1 && leases[0].remaining == kTtl;
    }));
  }
  EXPECT_FALSE(keeper_->Health().ok());
  EXPECT_TRUE(store_.IsLocked(kUser));
  EXPECT_THAT(store_.Leases(), SizeIs(1));
  store_.way().Release("RenewLease");
  Get(keeper_->End());
}

TEST_F(LeaseKeeperTest, ASlowEndOfALeaseDelaysNoHeartbeat) {
  StartKeeper();
  keeper_->Retire(keeper_->lease());
  store_.way().Hold("EndLease");
  NextBeat();
  ASSERT_TRUE(Until([&] { return store_.way().held_count("EndLease") == 1; }));
  for (int i = 0; i < 3; ++i) {
    const int before = beats();
    time_.Advance(kTtl / 3);
    ASSERT_TRUE(Until([&] { return beats() > before && time_.waiting_count() == 2; }));
  }
  EXPECT_TRUE(keeper_->Health().ok());
  store_.way().Release("EndLease");
  Get(keeper_->End());
}

TEST_F(LeaseKeeperTest, OneOutageDoesNotPileUpLeases) {
  store_.way().SetAway(absl::UnavailableError("gone"));
  for (int i = 0; i < 100; ++i) keeper_->Retire(keeper_->lease());
  store_.way().SetAway(absl::OkStatus());
  ASSERT_TRUE(Get(keeper_->RenewNow()).ok());
  EXPECT_TRUE(OpenMaildrop("one").ok());
  EXPECT_THAT(store_.Leases(), SizeIs(1));
}

TEST_F(LeaseKeeperTest, ALeaseThatCannotBeEndedIsEndedLater) {
  StartKeeper();
  keeper_->Retire(keeper_->lease());
  store_.way().Fail("EndLease", When::kBefore, absl::UnavailableError("busy"));
  NextBeat();
  ASSERT_TRUE(Until([&] { return store_.way().calls("EndLease") == 1; }));
  NextBeat();
  ASSERT_TRUE(Until([&] { return store_.way().calls("EndLease") == 2; }));
  NextBeat();
  EXPECT_EQ(store_.way().calls("EndLease"), 2);
  EXPECT_THAT(store_.Leases(), SizeIs(1));
  Get(keeper_->End());
}

TEST_F(LeaseKeeperTest, EndEndsRetiredLeasesToo) {
  StartKeeper();
  const std::shared_ptr<const Lease> held = keeper_->lease();
  keeper_->Retire(held);
  NextBeat();
  EXPECT_THAT(store_.Leases(), SizeIs(2));
  Get(keeper_->End());
  EXPECT_THAT(store_.Leases(), IsEmpty());
}

TEST_F(LeaseKeeperTest, EndEndsTheLease) {
  StartKeeper();
  EXPECT_THAT(store_.Leases(), SizeIs(1));
  Get(keeper_->End());
  const std::vector<test::SeenCall> ended = store_.way().seen("EndLease");
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].As<fv1::EndLeaseRequest>().lease_id(), keeper_->lease_id());
  EXPECT_THAT(store_.Leases(), IsEmpty());
  // The heartbeat has ended.
  const int before = beats();
  time_.Advance(kTtl);
  io_.restart();
  io_.poll();
  EXPECT_EQ(beats(), before);
}

TEST_F(LeaseKeeperTest, EndWaitsForReleases) {
  StartKeeper();
  const auto grant = OpenMaildrop("one");
  ASSERT_TRUE(grant.ok()) << grant.status();
  store_.way().Hold("ReleaseMaildrop");
  Release(*grant, "one");
  ASSERT_TRUE(Until([&] { return store_.way().held_count("ReleaseMaildrop") == 1; }));
  const auto ended = std::make_shared<bool>(false);
  asio::co_spawn(io_, keeper_->End(), [ended](std::exception_ptr) { *ended = true; });
  io_.restart();
  io_.poll();
  EXPECT_FALSE(*ended);
  store_.way().Release("ReleaseMaildrop");
  ASSERT_TRUE(Until([&] { return *ended; }));
  EXPECT_FALSE(store_.IsLocked(kUser));
  EXPECT_EQ(store_.way().calls("EndLease"), 1);
}

TEST_F(LeaseKeeperTest, EndDoesNotHangOnAStoreThatIsAway) {
  StartKeeper();
  const auto grant = OpenMaildrop("one");
  ASSERT_TRUE(grant.ok()) << grant.status();
  store_.way().SetAway(absl::UnavailableError("gone"));
  Release(*grant, "one");
  Get(keeper_->End());
  EXPECT_THAT(store_.Leases(), SizeIs(1));
}

TEST_F(LeaseKeeperTest, WhatHasNotStartedCanEnd) {
  Get(keeper_->End());
  EXPECT_EQ(store_.way().calls("EndLease"), 1);
}

}  // namespace
}  // namespace mailstead::store
