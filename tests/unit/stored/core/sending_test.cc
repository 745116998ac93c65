#include "stored/core/sending.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/details.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/base/task.h"
#include "stored/rules/lane.h"
#include "tests/support/faulty_engine.h"
#include "tests/unit/stored/core/store_fixture.h"

namespace mailstead::stored {
namespace {

using Why = engine::SendingPause::Why;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr AccountId kAnn{1};
constexpr AccountId kBob{2};

class Told final : public SendingObserver {
 public:
  void Refused(AccountId, const absl::Status& why) override { refused.push_back(ReasonOf(why)); }
  void Paused(AccountId, Why why, const engine::SendingSlot&, const engine::SendingSlot&) override {
    paused.push_back(why);
  }
  void Resumed(AccountId account) override { resumed.push_back(account); }
  std::vector<std::string> refused;
  std::vector<Why> paused;
  std::vector<AccountId> resumed;
};

class SendingTest : public StoreTest {
 protected:
  SendingTest() { Open(); }

  // As a program that starts.
  void Open() {
    sending_ = std::make_unique<AccountSending>(faulty_.sending(), clock_, options_);
    sending_->SetObserver(&told_);
  }
  void With(rules::SendingBounds bounds, rules::PauseThresholds thresholds = {}) {
    options_ = {bounds, thresholds};
    Open();
  }

  // To so many whom it has not written to before.
  absl::StatusOr<AccountSending::Counted> Send(int count, AccountId account = kAnn) {
    std::vector<std::string> addresses;
    for (int i = 0; i < count; ++i)
      addresses.push_back(absl::StrCat("friend-", ++friends_, "@elsewhere.test"));
    return BlockOn(sending_->Count(account, std::move(addresses)));
  }
  // The reason; empty: it is taken.
  std::string Refusal(int count, AccountId account = kAnn) { return ReasonOf(Send(count, account).status()); }
  std::string RefusalTo(std::vector<std::string> addresses) {
    return ReasonOf(BlockOn(sending_->Count(kAnn, std::move(addresses))).status());
  }
  void Note(int64_t delivered, int64_t refused) { BlockOn(sending_->NoteOutcomes(kAnn, delivered, refused)); }
  AccountSending::State State(AccountId account = kAnn) { return *BlockOn(sending_->Get(account)); }
  bool IsPaused(AccountId account = kAnn) { return *BlockOn(sending_->IsPaused(account)); }

  int friends_ = 0;
  SendingOptions options_;
  Told told_;
  FaultyEngine faulty_{*engine_};
  std::unique_ptr<AccountSending> sending_;
};

TEST_F(SendingTest, ALaneNamesItsAccount) {
  EXPECT_EQ(rules::AccountOfLane(rules::AccountLane(AccountId{17})), AccountId{17});
  for (const char* other :
       {"", "notice", "elsewhere.test", "account", "account ", "account x", "accounts 1"}) {
    EXPECT_FALSE(rules::AccountOfLane(other).has_value()) << other;
  }
}

TEST_F(SendingTest, EachAccountHasItsOwnLimit) {
  With({.hourly_recipients = 3});
  EXPECT_EQ(Refusal(3), "");
  EXPECT_EQ(Refusal(1), kReasonSendingLimit);
  EXPECT_EQ(Refusal(1, kBob), "");
  EXPECT_EQ(Refusal(4, kBob), kReasonTooManyRecipients);
  EXPECT_THAT(told_.refused, ElementsAre(kReasonSendingLimit, kReasonTooManyRecipients));
  EXPECT_EQ(State().hour.recipients, 3);
  EXPECT_EQ(State().day.messages, 1);
}

TEST_F(SendingTest, ARefusalSaysWhenItMayGoOn) {
  With({.hourly_recipients = 3});
  ASSERT_EQ(Refusal(3), "");
  const absl::Status refused = Send(1).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  // FakeClock begins at 2023-11-14 22:13:20.
  EXPECT_EQ(
      refused.message(),
      "the account may have 3 recipients at other hosts in an hour; this message from 2023-11-14 23:14 UTC");
  EXPECT_EQ(RetryDelayOf(refused), absl::Minutes(60) + absl::Seconds(40));
  clock_.Advance(absl::Minutes(60));
  EXPECT_EQ(Refusal(1), kReasonSendingLimit);
  clock_.Advance(absl::Seconds(40));
  EXPECT_EQ(Refusal(3), "");
}

TEST_F(SendingTest, MailForMailboxesHereIsNotCounted) {
  With({.hourly_messages = 1});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Refusal(0), "");
  EXPECT_EQ(State().hour.messages, 0);
  EXPECT_EQ(Refusal(1), "");
  EXPECT_EQ(Refusal(1), kReasonSendingLimit);
  EXPECT_EQ(Refusal(0), "");
}

TEST_F(SendingTest, WhatWasNotStoredIsTakenBack) {
  With({.hourly_recipients = 3});
  auto counted = Send(3);
  ASSERT_TRUE(counted.ok());
  EXPECT_EQ(Refusal(1), kReasonSendingLimit);
  BlockOn(sending_->TakeBack(*std::move(counted)));
  EXPECT_EQ(Refusal(3), "");
}

TEST_F(SendingTest, ARestartForgetsNothing) {
  With({.hourly_recipients = 5}, {.new_recipients = 6});
  ASSERT_EQ(RefusalTo({"a@elsewhere.test", "b@elsewhere.test"}), "");
  Open();
  EXPECT_EQ(State().hour.recipients, 2);
  ASSERT_EQ(RefusalTo({"A@ELSEWHERE.test", "b@elsewhere.test", "c@elsewhere.test"}), "");
  EXPECT_EQ(State().hour.new_recipients, 3);
  Open();
  EXPECT_EQ(Refusal(1), kReasonSendingLimit);
}

TEST_F(SendingTest, LimitsThatSomebodyElseHasSetAreNotLost) {
  engine::SendingLimits limits;
  limits.hourly_recipients = 10;
  const int64_t none = rules::VersionOf(engine::SendingLimits());
  ASSERT_TRUE(BlockOn(sending_->SetLimits(kAnn, limits, none)).ok());
  EXPECT_NE(rules::VersionOf(limits), none);
  engine::SendingLimits others = limits;
  others.trusted = true;
  EXPECT_EQ(ReasonOf(BlockOn(sending_->SetLimits(kAnn, others, none))), kReasonEtagMismatch);
  EXPECT_FALSE(BlockOn(sending_->Get(kAnn))->settings.limits.trusted);
  ASSERT_TRUE(BlockOn(sending_->SetLimits(kAnn, others, rules::VersionOf(limits))).ok());
  EXPECT_TRUE(BlockOn(sending_->Get(kAnn))->settings.limits.trusted);
}

TEST_F(SendingTest, OwnLimitsOfAnAccount) {
  With({.hourly_recipients = 1});
  engine::SendingLimits limits;
  limits.hourly_recipients = 10;
  ASSERT_TRUE(BlockOn(sending_->SetLimits(kAnn, limits)).ok());
  EXPECT_EQ(Refusal(10), "");
  EXPECT_EQ(Refusal(1), kReasonSendingLimit);
  limits.hourly_recipients = 0;
  ASSERT_TRUE(BlockOn(sending_->SetLimits(kAnn, limits)).ok());
  EXPECT_EQ(Refusal(1000), "");
  Open();
  EXPECT_EQ(Refusal(1000), "");
  ASSERT_TRUE(BlockOn(sending_->SetLimits(kAnn, {})).ok());
  EXPECT_EQ(Refusal(1), kReasonSendingLimit);
}

TEST_F(SendingTest, ManyNewRecipientsPause) {
  With({}, {.new_recipients = 10});
  EXPECT_EQ(Refusal(9), "");
  EXPECT_EQ(Refusal(1), kReasonSendingPaused) << "also the one that brings it about";
  EXPECT_TRUE(IsPaused());
  EXPECT_EQ(State().settings.pause.why, Why::kNewRecipients);
  EXPECT_EQ(State().hour.recipients, 9);
  EXPECT_EQ(ReasonOf(BlockOn(sending_->Check(kAnn))), kReasonSendingPaused);
  EXPECT_EQ(Refusal(0), kReasonSendingPaused);
  EXPECT_FALSE(IsPaused(kBob));
  EXPECT_THAT(told_.paused, ElementsAre(Why::kNewRecipients));
  // Time does not end it, nor a restart.
  clock_.Advance(absl::Hours(48));
  Open();
  EXPECT_TRUE(IsPaused());
  ASSERT_TRUE(BlockOn(sending_->Resume(kAnn)).ok());
  EXPECT_THAT(told_.resumed, ElementsAre(kAnn));
  EXPECT_EQ(Refusal(1), "");
}

TEST_F(SendingTest, AResumedAccountBeginsAnew) {
  With({}, {.new_recipients = 10, .refusals = 10, .refusal_percent = 30});
  ASSERT_EQ(Refusal(10), kReasonSendingPaused);
  ASSERT_TRUE(BlockOn(sending_->Resume(kAnn)).ok());
  EXPECT_EQ(Refusal(9), "");
  Note(0, 9);
  EXPECT_FALSE(IsPaused());
  Note(0, 1);
  EXPECT_EQ(State().settings.pause.why, Why::kRefusals);
  ASSERT_TRUE(BlockOn(sending_->Resume(kAnn)).ok());
  Open();
  Note(0, 9);
  EXPECT_FALSE(IsPaused());
}

TEST_F(SendingTest, FriendsAreNotNew) {
  With({}, {.new_recipients = 4});
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(RefusalTo({"a@elsewhere.test", "b@elsewhere.test", "c@elsewhere.test"}), "") << i;
  }
  EXPECT_FALSE(IsPaused());
}

TEST_F(SendingTest, ManyRefusalsPause) {
  With({}, {.refusals = 10, .refusal_percent = 30});
  Note(100, 9);
  Note(0, 5);
  EXPECT_FALSE(IsPaused()) << "a list with some old addresses";
  Note(0, 40);
  EXPECT_TRUE(IsPaused());
  EXPECT_THAT(told_.paused, ElementsAre(Why::kRefusals));
}

TEST_F(SendingTest, WhoIsTrustedIsNotPaused) {
  With({}, {.new_recipients = 10, .refusals = 10});
  engine::SendingLimits limits;
  limits.trusted = true;
  ASSERT_TRUE(BlockOn(sending_->SetLimits(kAnn, limits)).ok());
  EXPECT_EQ(Refusal(1000), "");
  Note(0, 1000);
  EXPECT_FALSE(IsPaused());
  // But by an operator.
  ASSERT_TRUE(BlockOn(sending_->Pause(kAnn)).ok());
  EXPECT_TRUE(IsPaused());
  EXPECT_EQ(State().settings.pause.why, Why::kOperator);
}

TEST_F(SendingTest, WhatCannotBeWrittenIsNotSent) {
  With({.hourly_recipients = 3});
  faulty_.Fail("Sending.KeepUse", FaultyEngine::When::kBefore, absl::UnavailableError("away"));
  EXPECT_EQ(Send(1).status().code(), absl::StatusCode::kUnavailable);
  faulty_.Fail("Sending.Find", FaultyEngine::When::kBefore, absl::UnavailableError("away"));
  EXPECT_EQ(Send(1, kBob).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Send(1, kBob).ok());
}

// Writes of what was used wait until they are let go, one after the other.
class HeldSending final : public engine::SendingEngine {
 public:
  explicit HeldSending(engine::SendingEngine& engine) : engine_(engine) {}
  Task<absl::StatusOr<engine::Sending>> Find(AccountId account) override { return engine_.Find(account); }
  Task<absl::Status> SetSettings(AccountId account, engine::SendingSettings settings) override {
    return engine_.SetSettings(account, std::move(settings));
  }
  Task<absl::Status> KeepUse(AccountId account, engine::SendingUse use) override {
    Arrival<absl::Status> let_go;
    held.push_back(&let_go);
    CO_RETURN_IF_ERROR(co_await let_go);
    co_return co_await engine_.KeepUse(account, std::move(use));
  }
  Task<absl::Status> KeepKnown(AccountId account, std::string known) override {
    return engine_.KeepKnown(account, std::move(known));
  }
  Task<absl::Status> Forget(AccountId account) override { return engine_.Forget(account); }

  std::vector<Arrival<absl::Status>*> held;

 private:
  engine::SendingEngine& engine_;
};

Task<void> CountInto(AccountSending& sending, AccountId account, std::string address,
                     std::vector<bool>& ended) {
  std::vector<std::string> addresses;
  addresses.push_back(std::move(address));
  const absl::StatusOr<AccountSending::Counted> counted =
      co_await sending.Count(account, std::move(addresses));
  ended.push_back(counted.ok());
}

TEST_F(SendingTest, WhoSendsDuringAWriteSharesTheNext) {
  HeldSending held(engine_->sending());
  AccountSending sending(held, clock_, {.bounds = {.hourly_recipients = 10}});
  std::vector<bool> ended;
  for (int i = 0; i < 5; ++i) Start(CountInto(sending, kAnn, absl::StrCat(i, "@elsewhere.test"), ended));
  ASSERT_EQ(held.held.size(), 1u);
  // Another account's does not wait for it.
  Start(CountInto(sending, kBob, "bob@elsewhere.test", ended));
  ASSERT_EQ(held.held.size(), 2u);
  // What was counted behind the write that is under way is not on disk with it.
  held.held[0]->Set(absl::OkStatus());
  EXPECT_THAT(ended, ElementsAre(true));
  ASSERT_EQ(held.held.size(), 3u);
  held.held[2]->Set(absl::OkStatus());
  EXPECT_THAT(ended, ElementsAre(true, true, true, true, true));
  EXPECT_EQ(held.held.size(), 3u);
  EXPECT_EQ(BlockOn(engine_->sending().Find(kAnn))->use.hour.front().recipients, 5);
  held.held[1]->Set(absl::OkStatus());
  EXPECT_EQ(ended.size(), 6u);
  // Nobody waits: the next one writes by itself. One that fails fails those who share it, and not the write behind it.
  for (int i = 5; i < 8; ++i) Start(CountInto(sending, kAnn, absl::StrCat(i, "@elsewhere.test"), ended));
  ASSERT_EQ(held.held.size(), 4u);
  held.held[3]->Set(absl::OkStatus());
  held.held[4]->Set(absl::UnavailableError("away"));
  EXPECT_THAT(std::vector<bool>(ended.begin() + 6, ended.end()), ElementsAre(true, false, false));
  Start(CountInto(sending, kAnn, "9@elsewhere.test", ended));
  ASSERT_EQ(held.held.size(), 6u);
  held.held[5]->Set(absl::OkStatus());
  EXPECT_TRUE(ended.back());
}

TEST_F(SendingTest, AnAccountThatIsGoneIsForgotten) {
  With({.hourly_recipients = 3});
  ASSERT_EQ(Refusal(3), "");
  ASSERT_TRUE(BlockOn(sending_->Forget(kAnn)).ok());
  EXPECT_EQ(*BlockOn(engine_->sending().Find(kAnn)), engine::Sending());
  EXPECT_EQ(State().hour.recipients, 0);
  EXPECT_THAT(told_.resumed, IsEmpty());
}

}  // namespace
}  // namespace mailstead::stored
