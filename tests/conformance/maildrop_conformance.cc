#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "common/base/reason.h"
#include "tests/conformance/conformance.h"

namespace mailstead::store {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr absl::Duration kTtl = absl::Seconds(6);
// Not overdue, and overdue.
constexpr absl::Duration kWithin = absl::Milliseconds(5999);
constexpr absl::Duration kBeyond = absl::Milliseconds(6001);

TEST_P(MaildropConformance, NeedsALiveLease) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  EXPECT_THAT(Open(mailbox, "unknown").status(), HasReason(StatusCode::kFailedPrecondition, kReasonNoLease));
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  clock().Advance(kBeyond);
  EXPECT_THAT(Open(mailbox, "lease").status(), HasReason(StatusCode::kFailedPrecondition, kReasonNoLease));
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  EXPECT_OK(Open(mailbox, "lease").status());
  ASSERT_OK(engine().EndLease("lease"));
  EXPECT_THAT(Open(mailbox, "lease").status(), HasReason(StatusCode::kFailedPrecondition, kReasonNoLease));
  EXPECT_OK(engine().EndLease("lease"));
}

TEST_P(MaildropConformance, AMailboxThatIsNotThere) {
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  EXPECT_THAT(Open(MailboxId{999}, "lease").status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(Commit(MailboxId{999}, LeaseToken{1}, {}), HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_OK(Release(MailboxId{999}, LeaseToken{1}));
}

TEST_P(MaildropConformance, TheListingIsOldestFirstAndFrozen) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  EXPECT_THAT(Open(mailbox, "lease")->messages, IsEmpty());
  clock().Advance(kBeyond);
  ASSERT_OK(engine().RenewLease("lease-2", "front-end", kTtl));
  for (int i = 0; i < 300; ++i) Put(mailbox, std::string(static_cast<size_t>(i), 'x'));
  const auto maildrop = Open(mailbox, "lease-2");
  ASSERT_OK(maildrop);
  Put(mailbox, "arrives later");
  const auto messages = List(mailbox);
  ASSERT_THAT(messages, SizeIs(301));
  ASSERT_THAT(maildrop->messages, SizeIs(300));
  for (size_t i = 0; i < 300; ++i) {
    EXPECT_EQ(maildrop->messages[i].id, messages[i].id);
    EXPECT_EQ(maildrop->messages[i].unique_id, messages[i].unique_id);
    EXPECT_EQ(maildrop->messages[i].size_bytes, messages[i].size_bytes);
  }
}

TEST_P(MaildropConformance, OneSessionAtATime) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  const MailboxId other = NewMailbox("b@example.test");
  ASSERT_OK(engine().RenewLease("lease-1", "one", kTtl));
  ASSERT_OK(engine().RenewLease("lease-2", "two", kTtl));
  const auto first = Open(mailbox, "lease-1");
  ASSERT_OK(first);
  for (const char* lease : {"lease-1", "lease-2"}) {
    EXPECT_THAT(Open(mailbox, lease).status(), HasReason(StatusCode::kAborted, kReasonMaildropInUse));
  }
  EXPECT_OK(Open(other, "lease-2").status());
  EXPECT_EQ(engine().Status()->open_maildrop_count, 2u);
  ASSERT_OK(Release(mailbox, first->token));
  EXPECT_EQ(engine().Status()->open_maildrop_count, 1u);
  const auto second = Open(mailbox, "lease-2");
  ASSERT_OK(second);
  EXPECT_GT(second->token, first->token);
}

TEST_P(MaildropConformance, OnlyOneOfManyOpensAtOnceWins) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "x");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  constexpr int kOpens = 64;
  absl::BlockingCounter answers(kOpens);
  std::atomic<int> won{0};
  std::atomic<int> in_use{0};
  for (int i = 0; i < kOpens; ++i) {
    engine().OpenMaildrop(mailbox, "lease", absl::ZeroDuration(), [&](absl::StatusOr<Maildrop> maildrop) {
      if (maildrop.ok()) {
        ++won;
      } else if (ReasonOf(maildrop.status()) == kReasonMaildropInUse) {
        ++in_use;
      }
      answers.DecrementCount();
    });
  }
  answers.Wait();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(in_use, kOpens - 1);
}

TEST_P(MaildropConformance, ACommitDeletesAndUnlocks) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 5; ++i) Put(mailbox, absl::StrCat(i));
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto maildrop = Open(mailbox, "lease");
  ASSERT_OK(maildrop);
  const auto& messages = maildrop->messages;
  // Unknown ids are passed over, repeated ones count once.
  ASSERT_OK(
      Commit(mailbox, maildrop->token, {messages[1].id, messages[3].id, messages[1].id, MessageId{999}}));
  Restart();
  EXPECT_THAT(Ids(mailbox), ElementsAre(messages[0].id, messages[2].id, messages[4].id));
  uint64_t bytes = 0;
  for (const MessageSummary& message : List(mailbox)) bytes += message.size_bytes;
  EXPECT_EQ(engine().GetUsage(mailbox)->message_count, 3u);
  EXPECT_EQ(engine().GetUsage(mailbox)->message_bytes, bytes);
  EXPECT_EQ(engine().Status()->message_count, 3u);
  EXPECT_EQ(engine().Status()->message_bytes, bytes);
  EXPECT_THAT(engine().OpenMessage(mailbox, messages[1].id).status(), HasCode(StatusCode::kNotFound));
  EXPECT_OK(Open(mailbox, "lease").status());
}

TEST_P(MaildropConformance, ARepeatedCommitIsOk) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  Put(mailbox, "two");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto maildrop = Open(mailbox, "lease");
  ASSERT_OK(maildrop);
  ASSERT_OK(Commit(mailbox, maildrop->token, {maildrop->messages[0].id}));
  EXPECT_OK(Commit(mailbox, maildrop->token, {maildrop->messages[0].id}));
  Restart();
  EXPECT_OK(Commit(mailbox, maildrop->token, {maildrop->messages[0].id}));
  // A repeat is an answer, not a second commit.
  EXPECT_OK(Commit(mailbox, maildrop->token, {maildrop->messages[1].id}));
  EXPECT_THAT(List(mailbox), SizeIs(1));
  // Also while the next session has it, which it does not disturb.
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto next = Open(mailbox, "lease");
  ASSERT_OK(next);
  EXPECT_OK(Commit(mailbox, maildrop->token, {maildrop->messages[0].id}));
  EXPECT_THAT(Open(mailbox, "lease").status(), HasReason(StatusCode::kAborted, kReasonMaildropInUse));
  EXPECT_OK(Commit(mailbox, next->token, {next->messages[0].id}));
  EXPECT_THAT(List(mailbox), IsEmpty());
}

TEST_P(MaildropConformance, AReleasedTokenIsFenced) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto maildrop = Open(mailbox, "lease");
  ASSERT_OK(maildrop);
  ASSERT_OK(Release(mailbox, maildrop->token));
  EXPECT_OK(Release(mailbox, maildrop->token));
  EXPECT_THAT(Commit(mailbox, maildrop->token, {maildrop->messages[0].id}),
              HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_THAT(List(mailbox), SizeIs(1));
}

TEST_P(MaildropConformance, ATokenThatNeverWasIsFenced) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  EXPECT_THAT(Commit(mailbox, LeaseToken{0}, Ids(mailbox)), HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_THAT(Commit(mailbox, LeaseToken{7}, Ids(mailbox)), HasReason(StatusCode::kAborted, kReasonFenced));
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto maildrop = Open(mailbox, "lease");
  ASSERT_OK(maildrop);
  EXPECT_THAT(Commit(mailbox, LeaseToken{maildrop->token.value + 1}, Ids(mailbox)),
              HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_THAT(List(mailbox), SizeIs(1));
}

TEST_P(MaildropConformance, AReleaseByAnOldTokenDoesNotUnlock) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto first = Open(mailbox, "lease");
  ASSERT_OK(first);
  ASSERT_OK(Release(mailbox, first->token));
  ASSERT_OK(Open(mailbox, "lease"));
  EXPECT_OK(Release(mailbox, first->token));
  EXPECT_THAT(Open(mailbox, "lease").status(), HasReason(StatusCode::kAborted, kReasonMaildropInUse));
}

TEST_P(MaildropConformance, ALockIsTakenOverFromADeadFrontEnd) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  ASSERT_OK(engine().RenewLease("dead", "one", kTtl));
  ASSERT_OK(engine().RenewLease("live", "two", absl::Seconds(60)));
  const auto old = Open(mailbox, "dead");
  ASSERT_OK(old);
  clock().Advance(kWithin);
  EXPECT_THAT(Open(mailbox, "live").status(), HasReason(StatusCode::kAborted, kReasonMaildropInUse));
  clock().Advance(absl::Milliseconds(2));
  const auto taken = Open(mailbox, "live");
  ASSERT_OK(taken);
  EXPECT_GT(taken->token, old->token);
  // The old session wakes up: fenced, also after its lease lives again.
  EXPECT_THAT(Commit(mailbox, old->token, {old->messages[0].id}),
              HasReason(StatusCode::kAborted, kReasonFenced));
  ASSERT_OK(engine().RenewLease("dead", "one", kTtl));
  EXPECT_THAT(Commit(mailbox, old->token, {old->messages[0].id}),
              HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_OK(Release(mailbox, old->token));
  EXPECT_THAT(List(mailbox), SizeIs(1));
  EXPECT_OK(Commit(mailbox, taken->token, {old->messages[0].id}));
  EXPECT_THAT(List(mailbox), IsEmpty());
}

TEST_P(MaildropConformance, AHeartbeatKeepsTheLock) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(engine().RenewLease("lease", "one", kTtl));
  ASSERT_OK(engine().RenewLease("other", "two", absl::Hours(1)));
  const auto maildrop = Open(mailbox, "lease");
  ASSERT_OK(maildrop);
  for (int i = 0; i < 20; ++i) {
    clock().Advance(kTtl / 3);
    ASSERT_OK(engine().RenewLease("lease", "one", kTtl));
  }
  EXPECT_THAT(Open(mailbox, "other").status(), HasReason(StatusCode::kAborted, kReasonMaildropInUse));
  // A longer ttl is the same lease.
  ASSERT_OK(engine().RenewLease("lease", "one", absl::Seconds(60)));
  clock().Advance(absl::Seconds(59));
  EXPECT_THAT(Open(mailbox, "other").status(), HasReason(StatusCode::kAborted, kReasonMaildropInUse));
  EXPECT_OK(Commit(mailbox, maildrop->token, {}));
}

TEST_P(MaildropConformance, AnOverdueLockThatNobodyTookStillCommits) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  ASSERT_OK(engine().RenewLease("lease", "one", kTtl));
  const auto maildrop = Open(mailbox, "lease");
  ASSERT_OK(maildrop);
  clock().Advance(absl::Minutes(5));
  EXPECT_OK(Commit(mailbox, maildrop->token, {maildrop->messages[0].id}));
  EXPECT_THAT(List(mailbox), IsEmpty());
}

TEST_P(MaildropConformance, AnEndedLeaseVoidsItsLocks) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  ASSERT_OK(engine().RenewLease("lease", "one", kTtl));
  ASSERT_OK(engine().RenewLease("other", "two", kTtl));
  const auto old = Open(mailbox, "lease");
  ASSERT_OK(old);
  ASSERT_OK(engine().EndLease("lease"));
  EXPECT_THAT(Commit(mailbox, old->token, {old->messages[0].id}),
              HasReason(StatusCode::kAborted, kReasonFenced));
  // Nor do they come back with a new lease of the same name.
  ASSERT_OK(engine().RenewLease("lease", "one", kTtl));
  EXPECT_THAT(Commit(mailbox, old->token, {old->messages[0].id}),
              HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_OK(Open(mailbox, "other").status());
  EXPECT_THAT(List(mailbox), SizeIs(1));
}

TEST_P(MaildropConformance, LocksOutliveARestart) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  const MailboxId released = NewMailbox("b@example.test");
  Put(mailbox, "one");
  Put(released, "two");
  ASSERT_OK(engine().RenewLease("lease", "one", kTtl));
  const auto held = Open(mailbox, "lease");
  const auto given_back = Open(released, "lease");
  ASSERT_OK(held);
  ASSERT_OK(given_back);
  ASSERT_OK(Release(released, given_back->token));
  clock().Advance(kWithin);
  Restart();
  // The whole ttl again: the front-end's heartbeat gets a chance to arrive.
  clock().Advance(kWithin);
  ASSERT_OK(engine().RenewLease("other", "two", absl::Minutes(1)));
  EXPECT_THAT(Open(mailbox, "other").status(), HasReason(StatusCode::kAborted, kReasonMaildropInUse));
  EXPECT_OK(Commit(mailbox, held->token, {held->messages[0].id}));
  EXPECT_THAT(List(mailbox), IsEmpty());
  EXPECT_THAT(Commit(released, given_back->token, {given_back->messages[0].id}),
              HasReason(StatusCode::kAborted, kReasonFenced));
  const auto next = Open(released, "other");
  ASSERT_OK(next);
  EXPECT_GT(next->token, given_back->token);
}

TEST_P(MaildropConformance, ATakenOverLockStaysTakenOverARestart) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  ASSERT_OK(engine().RenewLease("dead", "one", kTtl));
  const auto old = Open(mailbox, "dead");
  ASSERT_OK(old);
  clock().Advance(kBeyond);
  ASSERT_OK(engine().RenewLease("live", "two", kTtl));
  ASSERT_OK(Open(mailbox, "live"));
  Restart();
  EXPECT_THAT(Commit(mailbox, old->token, {old->messages[0].id}),
              HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_THAT(List(mailbox), SizeIs(1));
}

TEST_P(MaildropConformance, LoginDelay) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(engine().RenewLease("lease", "one", absl::Hours(1)));
  auto maildrop = Open(mailbox, "lease", absl::Seconds(30));
  ASSERT_OK(maildrop);
  // Who holds it is told first.
  EXPECT_THAT(Open(mailbox, "lease", absl::Seconds(30)).status(),
              HasReason(StatusCode::kAborted, kReasonMaildropInUse));
  ASSERT_OK(Commit(mailbox, maildrop->token, {}));
  clock().Advance(absl::Seconds(29));
  EXPECT_THAT(Open(mailbox, "lease", absl::Seconds(30)).status(),
              HasReason(StatusCode::kAborted, kReasonLoginDelay));
  Restart();
  EXPECT_THAT(Open(mailbox, "lease", absl::Seconds(30)).status(),
              HasReason(StatusCode::kAborted, kReasonLoginDelay));
  // A refused try does not begin the time anew.
  clock().Advance(absl::Seconds(1));
  maildrop = Open(mailbox, "lease", absl::Seconds(30));
  ASSERT_OK(maildrop);
  ASSERT_OK(Release(mailbox, maildrop->token));
  EXPECT_OK(Open(mailbox, "lease", absl::ZeroDuration()).status());
}

TEST_P(MaildropConformance, OthersDoNotDeleteUnderALock) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  ASSERT_OK(engine().RenewLease("lease", "one", kTtl));
  const auto maildrop = Open(mailbox, "lease");
  ASSERT_OK(maildrop);
  EXPECT_THAT(engine().DeleteMessages(mailbox, Ids(mailbox)).status(),
              HasReason(StatusCode::kAborted, kReasonMaildropInUse));
  EXPECT_THAT(List(mailbox), SizeIs(1));
  clock().Advance(kBeyond);
  EXPECT_EQ(engine().DeleteMessages(mailbox, Ids(mailbox)).value(), 1u);
  EXPECT_OK(Commit(mailbox, maildrop->token, {maildrop->messages[0].id}));
}

TEST_P(MaildropConformance, StatusNamesTheLiveLeases) {
  ASSERT_OK(engine().RenewLease("lease-1", "pop3d at host one", kTtl));
  ASSERT_OK(engine().RenewLease("lease-2", "pop3d at host two", absl::Minutes(1)));
  clock().Advance(kBeyond);
  const auto status = engine().Status();
  ASSERT_OK(status);
  ASSERT_THAT(status->leases, SizeIs(1));
  EXPECT_EQ(status->leases[0].lease_id, "lease-2");
  EXPECT_EQ(status->leases[0].holder, "pop3d at host two");
  EXPECT_EQ(status->leases[0].remaining, absl::Minutes(1) - kBeyond);
}

TEST_P(MaildropConformance, ManyDeletionsAreOneCommit) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  constexpr int kMessages = 3000;
  absl::BlockingCounter answers(kMessages);
  for (int i = 0; i < kMessages; ++i) {
    engine().AppendDelivery(NewDelivery(absl::StrCat("delivery-number-", i), {mailbox}), std::string("x"),
                            Sha256("x"), [&](absl::StatusOr<Receipt> receipt) {
                              EXPECT_OK(receipt.status());
                              answers.DecrementCount();
                            });
  }
  answers.Wait();
  ASSERT_OK(engine().RenewLease("lease", "one", kTtl));
  const auto maildrop = Open(mailbox, "lease");
  ASSERT_OK(maildrop);
  ASSERT_THAT(maildrop->messages, SizeIs(kMessages));
  ASSERT_OK(Commit(mailbox, maildrop->token, Ids(mailbox)));
  EXPECT_THAT(List(mailbox), IsEmpty());
  EXPECT_EQ(engine().GetUsage(mailbox)->message_count, 0u);
  EXPECT_EQ(engine().GetUsage(mailbox)->message_bytes, 0u);
}

}  // namespace
}  // namespace mailstead::store
