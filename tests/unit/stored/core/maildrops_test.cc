#include "stored/core/maildrops.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>

#include "absl/synchronization/notification.h"
#include "common/base/reason.h"
#include "tests/unit/stored/core/store_fixture.h"

namespace mailstead::stored {
namespace {

constexpr char kLease[] = "0123456789abcdef";
constexpr absl::Duration kLong = absl::Seconds(30);

// Everything happens on the executor's thread, as in the store.
class MaildropsTest : public StoreTest {
 protected:
  MaildropsTest() {
    EXPECT_TRUE(directory_.CreateDomain("example.test", true).ok());
    NewAccount account;
    account.address = "a@example.test";
    account_ = directory_.CreateAccount(account)->id;
    EXPECT_TRUE(BlockOn(engine_->leases().Renew(kLease, "test", absl::Seconds(60))).ok());
  }

  engine::OpenRequest Request(const std::string& session) const {
    engine::OpenRequest request;
    request.account = account_;
    request.session_id = session;
    request.lease_id = kLease;
    return request;
  }

  Task<absl::StatusOr<engine::OpenedMaildrop>> OpenHere(Maildrops& maildrops, std::string session,
                                                        std::function<absl::Status()> wanted) {
    co_await ResumeOn(executor_);
    co_return co_await maildrops.Open(Request(session), std::move(wanted));
  }
  Task<absl::Status> ReleaseHere(Maildrops& maildrops, std::string session) {
    co_await ResumeOn(executor_);
    co_return co_await maildrops.Release(account_, std::move(session));
  }
  Task<absl::Status> EndLeaseHere(Maildrops& maildrops) {
    co_await ResumeOn(executor_);
    co_return co_await maildrops.EndLease(kLease);
  }
  Task<absl::StatusOr<engine::CommittedMaildrop>> CommitHere(Maildrops& maildrops,
                                                             engine::CommitRequest request) {
    co_await ResumeOn(executor_);
    co_return co_await maildrops.Commit(std::move(request));
  }

  absl::StatusOr<engine::OpenedMaildrop> Open(Maildrops& maildrops, const std::string& session) {
    return BlockOn(OpenHere(maildrops, session, [] { return absl::OkStatus(); }));
  }

  // An Open that goes on by itself.
  struct Waiting {
    std::optional<absl::StatusOr<engine::OpenedMaildrop>> result;
    absl::Notification ended;
  };
  static Task<void> Keep(Task<absl::StatusOr<engine::OpenedMaildrop>> task, Waiting& waiting) {
    waiting.result.emplace(co_await std::move(task));
  }
  void StartOpen(Maildrops& maildrops, const std::string& session, Waiting& waiting) {
    Start(Keep(OpenHere(maildrops, session, [] { return absl::OkStatus(); }), waiting),
          [&waiting] { waiting.ended.Notify(); });
  }
  static Task<void> Forget(Task<absl::Status> task) { (void)co_await std::move(task); }
  // Until what was started before has come to where it waits.
  void Settle() {
    for (int i = 0; i < 3; ++i) BlockOn(Pass());
  }
  Task<void> Pass() { co_await ResumeOn(executor_); }

  Maildrops New(absl::Duration in_use_wait) {
    return Maildrops(engine_->maildrops(), engine_->leases(), timers_, executor_, Clock::Steady(),
                     in_use_wait);
  }

  TimerQueue timers_;
  AccountId account_;
};

TEST_F(MaildropsTest, InUseIsToldAfterAWait) {
  Maildrops maildrops = New(absl::Milliseconds(50));
  ASSERT_TRUE(Open(maildrops, "one").ok());
  const absl::Time began = absl::Now();
  EXPECT_EQ(ReasonOf(Open(maildrops, "two").status()), kReasonMaildropInUse);
  EXPECT_GE(absl::Now() - began, absl::Milliseconds(50));
}

TEST_F(MaildropsTest, ALoginWaitsForTheReleaseOfTheSessionBefore) {
  Maildrops maildrops = New(kLong);
  ASSERT_TRUE(Open(maildrops, "one").ok());
  Waiting two;
  StartOpen(maildrops, "two", two);
  Settle();
  EXPECT_FALSE(two.ended.HasBeenNotified());
  ASSERT_TRUE(BlockOn(ReleaseHere(maildrops, "one")).ok());
  two.ended.WaitForNotification();
  EXPECT_TRUE(two.result->ok()) << two.result->status();
}

TEST_F(MaildropsTest, ACommitAndTheEndOfALeaseLetItInToo) {
  Maildrops maildrops = New(kLong);
  const auto one = Open(maildrops, "one");
  ASSERT_TRUE(one.ok()) << one.status();
  Waiting two;
  StartOpen(maildrops, "two", two);
  Settle();
  ASSERT_TRUE(BlockOn(CommitHere(maildrops, {account_, "one", one->token, {}})).ok());
  two.ended.WaitForNotification();
  ASSERT_TRUE(two.result->ok()) << two.result->status();
  Waiting three;
  StartOpen(maildrops, "three", three);
  Settle();
  ASSERT_TRUE(BlockOn(EndLeaseHere(maildrops)).ok());
  three.ended.WaitForNotification();
  EXPECT_EQ(ReasonOf(three.result->status()), kReasonNoLease) << "its own lease was that";
}

TEST_F(MaildropsTest, OneOfManyGetsItAndTheOthersWaitOn) {
  Maildrops maildrops = New(kLong);
  ASSERT_TRUE(Open(maildrops, "holder").ok());
  Waiting waiting[3];
  for (int i = 0; i < 3; ++i) StartOpen(maildrops, std::string(1, static_cast<char>('a' + i)), waiting[i]);
  Settle();
  std::string holder = "holder";
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(BlockOn(ReleaseHere(maildrops, holder)).ok());
    Settle();
    int in = 0;
    for (int i = 0; i < 3; ++i) {
      if (!waiting[i].ended.HasBeenNotified()) continue;
      ++in;
      ASSERT_TRUE(waiting[i].result->ok());
      if (BlockOn(engine_->maildrops().FindLock(account_))->session_id ==
          std::string(1, static_cast<char>('a' + i))) {
        holder = std::string(1, static_cast<char>('a' + i));
      }
    }
    EXPECT_EQ(in, round + 1);
  }
}

// The release is on its way while the login asks: never a false IN-USE, whichever comes first.
TEST_F(MaildropsTest, AReleaseThatNobodyWaitedForNeverMakesAFalseInUse) {
  Maildrops maildrops = New(kLong);
  ASSERT_TRUE(Open(maildrops, "0").ok());
  for (int i = 1; i <= 200; ++i) {
    Waiting next;
    absl::Notification released;
    if (i % 2 == 0) StartOpen(maildrops, std::to_string(i), next);
    Start(Forget(ReleaseHere(maildrops, std::to_string(i - 1))), [&released] { released.Notify(); });
    if (i % 2 == 1) StartOpen(maildrops, std::to_string(i), next);
    next.ended.WaitForNotification();
    released.WaitForNotification();
    ASSERT_TRUE(next.result->ok()) << i << ": " << next.result->status();
  }
}

TEST_F(MaildropsTest, WhoIsNotWantedAnyMoreDoesNotOpen) {
  Maildrops maildrops = New(kLong);
  ASSERT_TRUE(Open(maildrops, "one").ok());
  std::atomic<bool> gone = false;
  Waiting two;
  std::function<absl::Status()> wanted = [&] {
    return gone ? absl::CancelledError("gone") : absl::OkStatus();
  };
  Start(Keep(OpenHere(maildrops, "two", wanted), two), [&two] { two.ended.Notify(); });
  Settle();
  gone = true;
  ASSERT_TRUE(BlockOn(ReleaseHere(maildrops, "one")).ok());
  two.ended.WaitForNotification();
  EXPECT_TRUE(absl::IsCancelled(two.result->status()));
  EXPECT_TRUE(absl::IsNotFound(BlockOn(engine_->maildrops().FindLock(account_)).status()));
}

TEST_F(MaildropsTest, OtherErrorsDoNotWait) {
  Maildrops maildrops = New(kLong);
  ASSERT_TRUE(BlockOn(EndLeaseHere(maildrops)).ok());
  EXPECT_EQ(ReasonOf(Open(maildrops, "one").status()), kReasonNoLease);
}

}  // namespace
}  // namespace mailstead::stored
