#include "stored/core/removal.h"

#include <gtest/gtest.h>

#include <optional>

#include "absl/synchronization/notification.h"
#include "common/base/reason.h"
#include "tests/unit/stored/core/store_fixture.h"

namespace mailstead::stored {
namespace {

constexpr char kLease[] = "0123456789abcdef";

class RemovalTest : public StoreTest {
 protected:
  RemovalTest() {
    EXPECT_TRUE(directory_.CreateDomain("example.test", true).ok());
    NewAccount account;
    account.address = "a@example.test";
    account_ = *directory_.CreateAccount(account);
    EXPECT_TRUE(BlockOn(engine_->leases().Renew(kLease, "test", absl::Seconds(60))).ok());
  }

  void Lock() {
    engine::OpenRequest request;
    request.account = account_.id;
    request.session_id = "session";
    request.lease_id = kLease;
    ASSERT_TRUE(BlockOn(engine_->maildrops().Open(request)).ok());
  }
  Task<absl::Status> RemoveHere(int64_t expected_version, absl::Duration at_most) {
    co_await ResumeOn(executor_);
    co_return co_await RemoveAccount(watched_, maildrops_, Clock::Steady(), account_, expected_version,
                                     at_most);
  }
  Task<absl::Status> ReleaseHere() {
    co_await ResumeOn(executor_);
    co_return co_await maildrops_.Release(account_.id, "session");
  }
  // What a front-end sees of the account's sessions.
  Task<LoginChanges::Since> ChangesHere(std::string cursor) {
    co_await ResumeOn(executor_);
    co_return changes_.After(cursor);
  }
  static Task<void> Keep(Task<absl::Status> task, std::optional<absl::Status>& result) {
    result.emplace(co_await std::move(task));
  }

  TimerQueue timers_;
  LoginChanges changes_;
  Directory watched_{engine_->directory(), clock_, kIterations, hash_pool_, executor_, &changes_};
  Maildrops maildrops_{engine_->maildrops(), engine_->leases(), timers_, executor_,
                       Clock::Steady(),      absl::Seconds(1)};
  engine::Account account_;
};

TEST_F(RemovalTest, WhatNobodyHoldsIsRemovedAtOnce) {
  EXPECT_EQ(ReasonOf(BlockOn(RemoveHere(account_.version + 1, absl::Seconds(30)))), kReasonEtagMismatch);
  EXPECT_TRUE(BlockOn(RemoveHere(account_.version, absl::Seconds(30))).ok());
  EXPECT_TRUE(absl::IsNotFound(directory_.GetAccount("a@example.test").status()));
}

TEST_F(RemovalTest, TheSessionThatHoldsItIsEnded) {
  Lock();
  const std::string cursor = BlockOn(ChangesHere("")).cursor;
  std::optional<absl::Status> removed;
  absl::Notification ended;
  Start(Keep(RemoveHere(account_.version, absl::Seconds(30)), removed), [&ended] { ended.Notify(); });
  // A front-end is told, and lets go.
  while (!directory_.GetAccount("a@example.test")->disabled) std::this_thread::yield();
  EXPECT_FALSE(BlockOn(ChangesHere(cursor)).accounts.empty());
  ASSERT_TRUE(BlockOn(ReleaseHere()).ok());
  ended.WaitForNotification();
  EXPECT_TRUE(removed->ok()) << *removed;
  EXPECT_TRUE(absl::IsNotFound(directory_.GetAccount("a@example.test").status()));
}

TEST_F(RemovalTest, WhenTheSessionStaysTheAccountIsAsItWas) {
  Lock();
  EXPECT_EQ(ReasonOf(BlockOn(RemoveHere(0, absl::Milliseconds(50)))), kReasonMaildropInUse);
  EXPECT_FALSE(directory_.GetAccount("a@example.test")->disabled);
  AccountUpdate update{"a@example.test"};
  update.disabled = true;
  account_ = *directory_.UpdateAccount(update);
  EXPECT_EQ(ReasonOf(BlockOn(RemoveHere(0, absl::Milliseconds(50)))), kReasonMaildropInUse);
  EXPECT_TRUE(directory_.GetAccount("a@example.test")->disabled);
}

}  // namespace
}  // namespace mailstead::stored
