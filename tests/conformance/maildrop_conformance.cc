#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"
#include "common/base/reason.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

Task<void> Count(Task<absl::StatusOr<OpenedMaildrop>> task, std::atomic<int>& won, std::atomic<int>& in_use) {
  const absl::StatusOr<OpenedMaildrop> maildrop = co_await std::move(task);
  if (maildrop.ok()) {
    ++won;
  } else if (ReasonOf(maildrop.status()) == kReasonMaildropInUse) {
    ++in_use;
  }
}

Task<void> ExpectStored(Task<absl::StatusOr<Receipt>> task) {
  const absl::StatusOr<Receipt> receipt = co_await std::move(task);
  EXPECT_OK(receipt.status());
}

constexpr absl::Duration kTtl = absl::Seconds(6);
// Not overdue, and overdue.
constexpr absl::Duration kWithin = absl::Milliseconds(5999);
constexpr absl::Duration kBeyond = absl::Milliseconds(6001);

TEST_P(MaildropConformance, NeedsALiveLease) {
  const AccountId mailbox = NewMailbox("a@example.test");
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
  EXPECT_THAT(Open(AccountId{999}, "lease").status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(Commit(AccountId{999}, LockToken{1}, {}), HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_OK(Release(AccountId{999}, LockToken{1}));
}

TEST_P(MaildropConformance, TheListingIsOldestFirstAndFrozen) {
  const AccountId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  EXPECT_THAT(Open(mailbox, "lease")->entries, IsEmpty());
  clock().Advance(kBeyond);
  ASSERT_OK(engine().RenewLease("lease-2", "front-end", kTtl));
  for (int i = 0; i < 300; ++i) Put(mailbox, std::string(static_cast<size_t>(i), 'x'));
  const auto maildrop = Open(mailbox, "lease-2");
  ASSERT_OK(maildrop);
  Put(mailbox, "arrives later");
  const auto messages = List(mailbox);
  ASSERT_THAT(messages, SizeIs(301));
  ASSERT_THAT(maildrop->entries, SizeIs(300));
  for (size_t i = 0; i < 300; ++i) {
    EXPECT_EQ(maildrop->entries[i].id, messages[i].id);
    EXPECT_EQ(maildrop->entries[i].unique_id, messages[i].unique_id);
    EXPECT_EQ(maildrop->entries[i].size_bytes, messages[i].size_bytes);
  }
}

TEST_P(MaildropConformance, OneSessionAtATime) {
  const AccountId mailbox = NewMailbox("a@example.test");
  const AccountId other = NewMailbox("b@example.test");
  ASSERT_OK(engine().RenewLease("lease-1", "one", kTtl));
  ASSERT_OK(engine().RenewLease("lease-2", "two", kTtl));
  const auto first = Open(mailbox, "lease-1");
  ASSERT_OK(first);
  for (const char* lease : {"lease-1", "lease-2"}) {
    EXPECT_THAT(Open(mailbox, lease).status(), HasReason(StatusCode::kAborted, kReasonMaildropInUse));
  }
  EXPECT_OK(Open(other, "lease-2").status());
  EXPECT_EQ(engine().Status()->open_maildrop_count, 2);
  ASSERT_OK(Release(mailbox, first->token));
  EXPECT_EQ(engine().Status()->open_maildrop_count, 1);
  const auto second = Open(mailbox, "lease-2");
  ASSERT_OK(second);
  EXPECT_GT(second->token, first->token);
}

TEST_P(MaildropConformance, OnlyOneOfManyOpensAtOnceWins) {
  const AccountId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "x");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  constexpr int kOpens = 64;
  absl::BlockingCounter answers(kOpens);
  std::atomic<int> won{0};
  std::atomic<int> in_use{0};
  for (int i = 0; i < kOpens; ++i) {
    OpenRequest request;
    request.account = mailbox;
    request.session_id = absl::StrCat("session-of-many-", i);
    request.lease_id = "lease";
    Start(Count(facets().maildrops().Open(std::move(request)), won, in_use),
          [&answers] { answers.DecrementCount(); });
  }
  answers.Wait();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(in_use, kOpens - 1);
}

TEST_P(MaildropConformance, ACommitDeletesAndUnlocks) {
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 5; ++i) Put(mailbox, absl::StrCat(i));
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto maildrop = Open(mailbox, "lease");
  ASSERT_OK(maildrop);
  const auto& messages = maildrop->entries;
  // Unknown ids are passed over, repeated ones count once.
  ASSERT_OK(
      Commit(mailbox, maildrop->token, {messages[1].id, messages[3].id, messages[1].id, MessageId{999}}));
  Restart();
  EXPECT_THAT(Ids(mailbox), ElementsAre(messages[0].id, messages[2].id, messages[4].id));
  int64_t bytes = 0;
  for (const MessageSummary& message : List(mailbox)) bytes += message.size_bytes;
  EXPECT_EQ(engine().GetUsage(mailbox)->message_count, 3);
  EXPECT_EQ(engine().GetUsage(mailbox)->message_bytes, bytes);
  EXPECT_EQ(engine().Status()->message_count, 3);
  EXPECT_EQ(engine().Status()->message_bytes, bytes);
  EXPECT_THAT(engine().OpenMessage(mailbox, messages[1].id).status(), HasCode(StatusCode::kNotFound));
  EXPECT_OK(Open(mailbox, "lease").status());
}

TEST_P(MaildropConformance, ARepeatedCommitIsOk) {
  const AccountId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  Put(mailbox, "two");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto maildrop = Open(mailbox, "lease");
  ASSERT_OK(maildrop);
  ASSERT_OK(Commit(mailbox, maildrop->token, {maildrop->entries[0].id}));
  EXPECT_OK(Commit(mailbox, maildrop->token, {maildrop->entries[0].id}));
  Restart();
  EXPECT_OK(Commit(mailbox, maildrop->token, {maildrop->entries[0].id}));
  // A repeat is an answer, not a second commit.
  EXPECT_OK(Commit(mailbox, maildrop->token, {maildrop->entries[1].id}));
  EXPECT_THAT(List(mailbox), SizeIs(1));
  // Also while the next session has it, which it does not disturb.
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto next = Open(mailbox, "lease");
  ASSERT_OK(next);
  EXPECT_OK(Commit(mailbox, maildrop->token, {maildrop->entries[0].id}));
  EXPECT_THAT(Open(mailbox, "lease").status(), HasReason(StatusCode::kAborted, kReasonMaildropInUse));
  EXPECT_OK(Commit(mailbox, next->token, {next->entries[0].id}));
  EXPECT_THAT(List(mailbox), IsEmpty());
}

TEST_P(MaildropConformance, AReleasedTokenIsFenced) {
  const AccountId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto maildrop = Open(mailbox, "lease");
  ASSERT_OK(maildrop);
  ASSERT_OK(Release(mailbox, maildrop->token));
  EXPECT_OK(Release(mailbox, maildrop->token));
  EXPECT_THAT(Commit(mailbox, maildrop->token, {maildrop->entries[0].id}),
              HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_THAT(List(mailbox), SizeIs(1));
}

TEST_P(MaildropConformance, ATokenThatNeverWasIsFenced) {
  const AccountId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  EXPECT_THAT(Commit(mailbox, LockToken{0}, Ids(mailbox)), HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_THAT(Commit(mailbox, LockToken{7}, Ids(mailbox)), HasReason(StatusCode::kAborted, kReasonFenced));
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto maildrop = Open(mailbox, "lease");
  ASSERT_OK(maildrop);
  EXPECT_THAT(Commit(mailbox, LockToken{maildrop->token.value + 1}, Ids(mailbox)),
              HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_THAT(List(mailbox), SizeIs(1));
}

TEST_P(MaildropConformance, AReleaseByAnOldTokenDoesNotUnlock) {
  const AccountId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto first = Open(mailbox, "lease");
  ASSERT_OK(first);
  ASSERT_OK(Release(mailbox, first->token));
  ASSERT_OK(Open(mailbox, "lease"));
  EXPECT_OK(Release(mailbox, first->token));
  EXPECT_THAT(Open(mailbox, "lease").status(), HasReason(StatusCode::kAborted, kReasonMaildropInUse));
}

TEST_P(MaildropConformance, ALockIsTakenOverFromADeadFrontEnd) {
  const AccountId mailbox = NewMailbox("a@example.test");
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
  EXPECT_THAT(Commit(mailbox, old->token, {old->entries[0].id}),
              HasReason(StatusCode::kAborted, kReasonFenced));
  ASSERT_OK(engine().RenewLease("dead", "one", kTtl));
  EXPECT_THAT(Commit(mailbox, old->token, {old->entries[0].id}),
              HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_OK(Release(mailbox, old->token));
  EXPECT_THAT(List(mailbox), SizeIs(1));
  EXPECT_OK(Commit(mailbox, taken->token, {old->entries[0].id}));
  EXPECT_THAT(List(mailbox), IsEmpty());
}

TEST_P(MaildropConformance, AHeartbeatKeepsTheLock) {
  const AccountId mailbox = NewMailbox("a@example.test");
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
  const AccountId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  ASSERT_OK(engine().RenewLease("lease", "one", kTtl));
  const auto maildrop = Open(mailbox, "lease");
  ASSERT_OK(maildrop);
  clock().Advance(absl::Minutes(5));
  EXPECT_OK(Commit(mailbox, maildrop->token, {maildrop->entries[0].id}));
  EXPECT_THAT(List(mailbox), IsEmpty());
}

TEST_P(MaildropConformance, AnEndedLeaseVoidsItsLocks) {
  const AccountId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  ASSERT_OK(engine().RenewLease("lease", "one", kTtl));
  ASSERT_OK(engine().RenewLease("other", "two", kTtl));
  const auto old = Open(mailbox, "lease");
  ASSERT_OK(old);
  ASSERT_OK(engine().EndLease("lease"));
  EXPECT_THAT(Commit(mailbox, old->token, {old->entries[0].id}),
              HasReason(StatusCode::kAborted, kReasonFenced));
  // Nor do they come back with a new lease of the same name.
  ASSERT_OK(engine().RenewLease("lease", "one", kTtl));
  EXPECT_THAT(Commit(mailbox, old->token, {old->entries[0].id}),
              HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_OK(Open(mailbox, "other").status());
  EXPECT_THAT(List(mailbox), SizeIs(1));
}

// A front-end that never came back is nothing to remember for ever.
TEST_P(MaildropConformance, ALeaseThatIsOverdueForLongIsForgotten) {
  const AccountId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(engine().RenewLease("dead", "one", kTtl));
  const auto maildrop = Open(mailbox, "dead");
  ASSERT_OK(maildrop);
  ASSERT_OK(engine().RenewLease("live", "two", absl::Hours(2)));
  // Nor does it come back with its whole ttl when the engine starts anew; but upkeep has a pace of its own.
  for (int i = 0; i < 100; ++i) {
    clock().Advance(kTtl + absl::Hours(1));
    ASSERT_OK(engine().RenewLease("live", "two", absl::Hours(2)));
    absl::SleepFor(absl::Milliseconds(20 * i));
    Restart();
    if (!engine().IsLive("dead")) break;
  }
  EXPECT_FALSE(engine().IsLive("dead"));
  EXPECT_TRUE(engine().IsLive("live"));
  EXPECT_THAT(engine().ListMaildrop(mailbox, "dead", MessageId{}, MessageId{100}, 10).status(),
              HasReason(StatusCode::kAborted, kReasonFenced));
}

TEST_P(MaildropConformance, LocksOutliveARestart) {
  const AccountId mailbox = NewMailbox("a@example.test");
  const AccountId released = NewMailbox("b@example.test");
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
  EXPECT_OK(Commit(mailbox, held->token, {held->entries[0].id}));
  EXPECT_THAT(List(mailbox), IsEmpty());
  EXPECT_THAT(Commit(released, given_back->token, {given_back->entries[0].id}),
              HasReason(StatusCode::kAborted, kReasonFenced));
  const auto next = Open(released, "other");
  ASSERT_OK(next);
  EXPECT_GT(next->token, given_back->token);
}

TEST_P(MaildropConformance, ATakenOverLockStaysTakenOverARestart) {
  const AccountId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  ASSERT_OK(engine().RenewLease("dead", "one", kTtl));
  const auto old = Open(mailbox, "dead");
  ASSERT_OK(old);
  clock().Advance(kBeyond);
  ASSERT_OK(engine().RenewLease("live", "two", kTtl));
  ASSERT_OK(Open(mailbox, "live"));
  Restart();
  EXPECT_THAT(Commit(mailbox, old->token, {old->entries[0].id}),
              HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_THAT(List(mailbox), SizeIs(1));
}

TEST_P(MaildropConformance, LoginDelay) {
  const AccountId mailbox = NewMailbox("a@example.test");
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
  maildrop = Open(mailbox, "lease", absl::ZeroDuration());
  ASSERT_OK(maildrop);
  ASSERT_OK(Release(mailbox, maildrop->token));
  // Nobody is locked out when the machine's date was wrong and is set back.
  clock().Advance(-absl::Hours(1));
  ASSERT_OK(engine().RenewLease("lease", "one", absl::Hours(1)));
  EXPECT_OK(Open(mailbox, "lease", absl::Seconds(30)).status());
}

// Who may delete is held up by no session; what it deletes the session has lost, and its own deletions are made all the same.
TEST_P(MaildropConformance, OthersDeleteUnderALock) {
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 6; ++i) Put(mailbox, std::string(static_cast<size_t>(i), 'x'));
  ASSERT_OK(engine().RenewLease("lease", "one", kTtl));
  const auto maildrop = Open(mailbox, "lease");
  ASSERT_OK(maildrop);
  const auto& messages = maildrop->entries;
  EXPECT_EQ(engine().DeleteMessages(mailbox, {messages[1].id, messages[4].id}).value(), 2);
  EXPECT_THAT(engine().OpenMessage(mailbox, messages[1].id).status(), HasCode(StatusCode::kNotFound));
  EXPECT_EQ(engine().GetUsage(mailbox)->message_count, 4);
  EXPECT_OK(engine().FindLock(mailbox).status()) << "the session goes on";
  const auto counted = [&] {
    int64_t bytes = 0;
    for (const MessageSummary& message : List(mailbox)) bytes += message.size_bytes;
    EXPECT_EQ(engine().GetUsage(mailbox)->message_count, static_cast<int64_t>(List(mailbox).size()));
    EXPECT_EQ(engine().GetUsage(mailbox)->message_bytes, bytes);
    EXPECT_EQ(engine().Status()->message_count, static_cast<int64_t>(List(mailbox).size()));
    EXPECT_EQ(engine().Status()->message_bytes, bytes);
  };
  counted();
  // What is gone counts for nobody a second time.
  ASSERT_OK(Commit(mailbox, maildrop->token, {messages[0].id, messages[1].id, messages[5].id}));
  EXPECT_THAT(Ids(mailbox), ElementsAre(messages[2].id, messages[3].id));
  counted();
  // The other order.
  const auto gone = engine().DeleteAndTell(mailbox, {messages[0].id, messages[1].id, messages[2].id});
  ASSERT_OK(gone);
  EXPECT_EQ(gone->count, 1);
  EXPECT_THAT(gone->missing, ElementsAre(messages[0].id, messages[1].id));
  counted();
  // All that a session wants to delete is gone already.
  const auto next = Open(mailbox, "lease");
  ASSERT_OK(next);
  ASSERT_THAT(next->entries, SizeIs(1));
  EXPECT_EQ(engine().DeleteMessages(mailbox, {messages[3].id}).value(), 1);
  EXPECT_OK(Commit(mailbox, next->token, {messages[3].id}));
  EXPECT_OK(Commit(mailbox, next->token, {messages[3].id})) << "its answer was lost";
  EXPECT_THAT(engine().FindLock(mailbox).status(), HasCode(StatusCode::kNotFound));
  Restart();
  EXPECT_THAT(List(mailbox), IsEmpty());
  counted();
}

// As a front-end does it that remembers listings: what it builds on one of them is what is there, whatever others have deleted
// since, before its first page, between two pages, and before its commit.
TEST_P(MaildropConformance, NoListingKeepsWhatOthersHaveDeleted) {
  const AccountId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(engine().RenewLease("lease", "front-end", absl::Hours(10)));
  for (int i = 0; i < 12; ++i) Put(mailbox, absl::StrCat(i));
  std::vector<MessageId> remembered;
  std::string version;
  for (int round = 0; round < 8; ++round) {
    const std::string name = absl::StrCat("session-of-round-", round);
    // Some only while the session goes on, some before it.
    if (round % 2 == 1) {
      ASSERT_EQ(engine().DeleteMessages(mailbox, {Ids(mailbox)[0]}).value(), 1);
    }
    const auto opened = OpenAs(name, mailbox, "lease", version, 4);
    ASSERT_OK(opened);
    EXPECT_EQ(opened->since_known_version, round > 0);
    std::vector<MessageId> listing;
    if (opened->since_known_version) listing = remembered;
    for (const MessageId removed : opened->removed) std::erase(listing, removed);
    for (const MaildropEntry& entry : opened->entries) listing.push_back(entry.id);
    if (round % 3 == 0) {
      ASSERT_EQ(engine().DeleteMessages(mailbox, {Ids(mailbox)[1], Ids(mailbox).back()}).value(), 2);
    }
    Put(mailbox, "arrives meanwhile");
    while (opened->more) {
      const auto page = engine().ListMaildrop(mailbox, name, listing.back(), opened->last, 4);
      ASSERT_OK(page);
      for (const MaildropEntry& entry : *page) listing.push_back(entry.id);
      if (page->size() < 4) break;
    }
    EXPECT_TRUE(std::is_sorted(listing.begin(), listing.end()));
    remembered = listing;
    version = opened->version;
    const bool meddled = round % 3 == 0 || round % 4 == 1;
    if (round % 4 == 1) {
      ASSERT_EQ(engine().DeleteMessages(mailbox, {listing[1]}).value(), 1);
    }
    const std::vector<MessageId> deletions = {listing[1], listing.back()};
    const auto committed = engine().CommitMaildrop({mailbox, name, opened->token, deletions});
    ASSERT_OK(committed);
    EXPECT_EQ(committed->version.empty(), meddled) << round;
    if (!committed->version.empty()) {
      version = committed->version;
      for (const MessageId deleted : deletions) std::erase(remembered, deleted);
    }
    for (int i = 0; i < 3; ++i) Put(mailbox, "comes in");
    // Who remembers nothing is told the same.
    const auto built = OpenAs(absl::StrCat("builds-", round), mailbox, "lease", version);
    ASSERT_OK(built);
    ASSERT_TRUE(built->since_known_version);
    std::vector<MessageId> all = remembered;
    for (const MessageId removed : built->removed) std::erase(all, removed);
    for (const MaildropEntry& entry : built->entries) all.push_back(entry.id);
    EXPECT_EQ(all, Ids(mailbox)) << round;
    ASSERT_OK(engine().ReleaseMaildrop(mailbox, absl::StrCat("builds-", round)));
  }
}

TEST_P(MaildropConformance, PagesEndWhereAllElseIsDeleted) {
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 10; ++i) Put(mailbox, absl::StrCat(i));
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto opened = OpenAs("session-a", mailbox, "lease", "", 3);
  ASSERT_OK(opened);
  ASSERT_TRUE(opened->more);
  const MessageId reached = opened->entries.back().id;
  const auto all = Ids(mailbox);
  ASSERT_EQ(engine().DeleteMessages(mailbox, {all[4], all[5], all[9]}).value(), 3);
  const auto page = engine().ListMaildrop(mailbox, "session-a", reached, opened->last, 10);
  ASSERT_OK(page);
  std::vector<MessageId> ids;
  for (const MaildropEntry& entry : *page) ids.push_back(entry.id);
  EXPECT_THAT(ids, ElementsAre(all[3], all[6], all[7], all[8]));
  ASSERT_EQ(engine().DeleteMessages(mailbox, all).value(), 7);
  EXPECT_THAT(*engine().ListMaildrop(mailbox, "session-a", reached, opened->last, 10), IsEmpty());
  // Asked again it is the same session's, and empty.
  const auto again = OpenAs("session-a", mailbox, "lease", "", 3);
  ASSERT_OK(again);
  EXPECT_EQ(again->token, opened->token);
  EXPECT_THAT(again->entries, IsEmpty());
  EXPECT_FALSE(again->more);
  EXPECT_OK(engine().CommitMaildrop({mailbox, "session-a", again->token, all}).status());
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
  const AccountId mailbox = NewMailbox("a@example.test");
  constexpr int kMessages = 3000;
  absl::BlockingCounter answers(kMessages);
  for (int i = 0; i < kMessages; ++i) {
    NewMessage message = NewDelivery(absl::StrCat("delivery-number-", i), {mailbox});
    message.sha256 = Sha256("x");
    Start(ExpectStored(facets().messages().Append(std::move(message), Content{"x", nullptr}, {})),
          [&answers] { answers.DecrementCount(); });
  }
  answers.Wait();
  ASSERT_OK(engine().RenewLease("lease", "one", kTtl));
  const auto maildrop = Open(mailbox, "lease");
  ASSERT_OK(maildrop);
  ASSERT_THAT(maildrop->entries, SizeIs(kMessages));
  ASSERT_OK(Commit(mailbox, maildrop->token, Ids(mailbox)));
  EXPECT_THAT(List(mailbox), IsEmpty());
  EXPECT_EQ(engine().GetUsage(mailbox)->message_count, 0);
  EXPECT_EQ(engine().GetUsage(mailbox)->message_bytes, 0);
}

TEST_P(MaildropConformance, ASessionThatAsksAgainGetsTheSameMaildrop) {
  const AccountId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto first = OpenAs("session-a", mailbox, "lease");
  ASSERT_OK(first);
  Put(mailbox, "arrives later");
  for (int round = 0; round < 2; ++round) {
    // Whatever the login delay is: it is no new login.
    OpenRequest request;
    request.account = mailbox;
    request.session_id = "session-a";
    request.lease_id = "lease";
    request.min_interval = absl::Hours(1);
    const auto again = engine().OpenMaildrop(request);
    ASSERT_OK(again);
    EXPECT_EQ(again->token, first->token);
    ASSERT_THAT(again->entries, SizeIs(1));
    EXPECT_EQ(again->entries[0].id, first->entries[0].id);
    EXPECT_EQ(again->last, first->last);
    EXPECT_THAT(OpenAs("session-b", mailbox, "lease").status(),
                HasReason(StatusCode::kAborted, kReasonMaildropInUse));
    Restart();
  }
  EXPECT_OK(engine().CommitMaildrop({mailbox, "session-a", first->token, {first->entries[0].id}}).status());
  EXPECT_THAT(List(mailbox), SizeIs(1));
  // Nor is it one when it comes back a moment later; another session's would be.
  OpenRequest request;
  request.account = mailbox;
  request.session_id = "session-a";
  request.lease_id = "lease";
  request.min_interval = absl::Hours(1);
  const auto back = engine().OpenMaildrop(request);
  ASSERT_OK(back);
  EXPECT_GT(back->token, first->token);
}

TEST_P(MaildropConformance, ALockFollowsItsSessionToAnotherLease) {
  const AccountId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(engine().RenewLease("old", "front-end", kTtl));
  const auto first = OpenAs("session-a", mailbox, "old");
  ASSERT_OK(first);
  clock().Advance(kBeyond);
  ASSERT_OK(engine().RenewLease("new", "front-end", absl::Hours(1)));
  EXPECT_EQ(OpenAs("session-a", mailbox, "new")->token, first->token);
  clock().Advance(absl::Minutes(1));
  EXPECT_THAT(OpenAs("session-b", mailbox, "new").status(),
              HasReason(StatusCode::kAborted, kReasonMaildropInUse));
  EXPECT_EQ(engine().FindLock(mailbox)->lease_id, "new");
}

TEST_P(MaildropConformance, ALockIsNamedByItsSession) {
  const AccountId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  EXPECT_THAT(engine().FindLock(mailbox).status(), HasCode(StatusCode::kNotFound));
  const auto opened = OpenAs("session-a", mailbox, "lease");
  ASSERT_OK(opened);
  const auto lock = engine().FindLock(mailbox);
  ASSERT_OK(lock);
  EXPECT_EQ(lock->account, mailbox);
  EXPECT_EQ(lock->session_id, "session-a");
  EXPECT_EQ(lock->lease_id, "lease");
  EXPECT_EQ(lock->token, opened->token);
  EXPECT_EQ(lock->open_time, clock().Now());
  // The token alone does not do.
  EXPECT_THAT(engine().CommitMaildrop({mailbox, "session-b", opened->token, Ids(mailbox)}).status(),
              HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_OK(engine().ReleaseMaildrop(mailbox, "session-b"));
  EXPECT_OK(engine().FindLock(mailbox).status());
  clock().Advance(kBeyond);
  EXPECT_THAT(engine().FindLock(mailbox).status(), HasCode(StatusCode::kNotFound));
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  EXPECT_OK(engine().FindLock(mailbox).status());
  EXPECT_OK(engine().ReleaseMaildrop(mailbox, "session-a"));
  EXPECT_THAT(engine().FindLock(mailbox).status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().FindLock(AccountId{999}).status(), HasCode(StatusCode::kNotFound));
}

TEST_P(MaildropConformance, ALockSaysWhereItsSessionCameFrom) {
  const AccountId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  OpenRequest request;
  request.account = mailbox;
  request.session_id = "session-a";
  request.lease_id = "lease";
  request.client_address = "2001:db8::1";
  ASSERT_OK(engine().OpenMaildrop(request));
  EXPECT_EQ(engine().FindLock(mailbox)->client_address, "2001:db8::1");
  EXPECT_EQ(engine().HolderOf("lease"), "front-end");
  EXPECT_EQ(engine().HolderOf("another"), "");
  Restart();
  EXPECT_EQ(engine().FindLock(mailbox)->client_address, "2001:db8::1");
  EXPECT_EQ(engine().HolderOf("lease"), "front-end");
  clock().Advance(kBeyond);
  EXPECT_EQ(engine().HolderOf("lease"), "");
}

TEST_P(MaildropConformance, WhatIsHeldIsListedInPages) {
  std::vector<AccountId> mailboxes;
  for (int i = 0; i < 5; ++i) mailboxes.push_back(NewMailbox(absl::StrCat(i, "@example.test")));
  ASSERT_OK(engine().RenewLease("lease", "front-end", absl::Hours(1)));
  ASSERT_OK(engine().RenewLease("dead", "another", kTtl));
  for (const int i : {4, 0, 2})
    ASSERT_OK(OpenAs(absl::StrCat("session-", i), mailboxes[static_cast<size_t>(i)], "lease"));
  ASSERT_OK(OpenAs("session-1", mailboxes[1], "dead"));
  clock().Advance(kBeyond);
  const auto list = [&](AccountId after, size_t limit) {
    std::vector<std::string> sessions;
    const auto locks = engine().ListLocks(after, limit);
    EXPECT_OK(locks.status());
    for (const LockInfo& lock : *locks) sessions.push_back(lock.session_id);
    return sessions;
  };
  EXPECT_THAT(list(AccountId{0}, 10), ElementsAre("session-0", "session-2", "session-4"));
  EXPECT_THAT(list(AccountId{0}, 2), ElementsAre("session-0", "session-2"));
  EXPECT_THAT(list(mailboxes[2], 2), ElementsAre("session-4"));
  EXPECT_THAT(list(mailboxes[4], 2), IsEmpty());
  EXPECT_THAT(list(AccountId{0}, 0), IsEmpty());
}

TEST_P(MaildropConformance, AnEndedSessionHasLostItsLock) {
  const AccountId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  EXPECT_THAT(engine().End(mailbox, "").status(), HasReason(StatusCode::kNotFound, kReasonSessionNotFound));
  EXPECT_THAT(engine().End(AccountId{999}, "").status(),
              HasReason(StatusCode::kNotFound, kReasonSessionNotFound));
  ASSERT_OK(engine().RenewLease("lease", "front-end", absl::Hours(1)));
  const auto opened = OpenAs("session-a", mailbox, "lease");
  ASSERT_OK(opened);
  EXPECT_THAT(engine().End(mailbox, "session-b").status(),
              HasReason(StatusCode::kNotFound, kReasonSessionNotFound));
  EXPECT_OK(engine().FindLock(mailbox).status());
  const auto ended = engine().End(mailbox, "session-a");
  ASSERT_OK(ended);
  EXPECT_EQ(ended->session_id, "session-a");
  EXPECT_EQ(ended->token, opened->token);
  EXPECT_THAT(engine().CommitMaildrop({mailbox, "session-a", opened->token, Ids(mailbox)}).status(),
              HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_THAT(List(mailbox), SizeIs(1));
  ASSERT_OK(OpenAs("session-b", mailbox, "lease"));
  EXPECT_EQ(engine().End(mailbox, "")->session_id, "session-b");
  Restart();
  EXPECT_THAT(engine().FindLock(mailbox).status(), HasCode(StatusCode::kNotFound));
}

TEST_P(MaildropConformance, ASessionWhoseLeaseIsOverdueIsEndedToo) {
  const AccountId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto opened = OpenAs("session-a", mailbox, "lease");
  ASSERT_OK(opened);
  clock().Advance(kBeyond);
  ASSERT_OK(engine().End(mailbox, "session-a"));
  EXPECT_THAT(engine().CommitMaildrop({mailbox, "session-a", opened->token, Ids(mailbox)}).status(),
              HasReason(StatusCode::kAborted, kReasonFenced));
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  ASSERT_OK(OpenAs("session-b", mailbox, "lease"));
  ASSERT_OK(engine().EndLease("lease"));
  EXPECT_THAT(engine().End(mailbox, "").status(), HasReason(StatusCode::kNotFound, kReasonSessionNotFound))
      << "a lock under an ended lease is void";
}

TEST_P(MaildropConformance, AListingComesInPages) {
  const AccountId mailbox = NewMailbox("a@example.test");
  NewMailbox("b@example.test");
  for (int i = 0; i < 150; ++i) Put(mailbox, absl::StrCat(i));
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto all = Ids(mailbox);
  for (const size_t limit : {size_t{0}, size_t{1}, size_t{7}, size_t{149}, size_t{150}, size_t{151}}) {
    const auto opened = OpenAs("session-a", mailbox, "lease", "", limit);
    ASSERT_OK(opened);
    EXPECT_EQ(opened->last, all.back());
    EXPECT_EQ(opened->more, limit < 150) << limit;
    EXPECT_EQ(opened->entries.size(), std::min<size_t>(limit, 150));
    std::vector<MessageId> ids;
    for (const MaildropEntry& entry : opened->entries) ids.push_back(entry.id);
    Put(mailbox, "arrives between the pages");
    while (ids.empty() || ids.back() < opened->last) {
      const auto page = engine().ListMaildrop(mailbox, "session-a", ids.empty() ? MessageId{0} : ids.back(),
                                              opened->last, std::max<size_t>(limit, 1));
      ASSERT_OK(page);
      ASSERT_FALSE(page->empty());
      ASSERT_LE(page->size(), std::max<size_t>(limit, 1));
      for (const MaildropEntry& entry : *page) ids.push_back(entry.id);
    }
    EXPECT_EQ(ids, all) << limit;
    EXPECT_THAT(*engine().ListMaildrop(mailbox, "session-a", opened->last, opened->last, 10), IsEmpty());
    // Not beyond what was there when it was opened.
    EXPECT_THAT(*engine().ListMaildrop(mailbox, "session-a", opened->last, MessageId{1'000'000}, 10),
                IsEmpty());
  }
  EXPECT_THAT(engine().ListMaildrop(mailbox, "session-b", MessageId{0}, all.back(), 10).status(),
              HasReason(StatusCode::kAborted, kReasonFenced));
  ASSERT_OK(engine().ReleaseMaildrop(mailbox, "session-a"));
  EXPECT_THAT(engine().ListMaildrop(mailbox, "session-a", MessageId{0}, all.back(), 10).status(),
              HasReason(StatusCode::kAborted, kReasonFenced));
  EXPECT_THAT(engine().ListMaildrop(AccountId{999}, "session-a", MessageId{0}, all.back(), 10).status(),
              HasReason(StatusCode::kAborted, kReasonFenced));
}

TEST_P(MaildropConformance, AnEmptyMaildrop) {
  const AccountId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto opened = OpenAs("session-a", mailbox, "lease");
  ASSERT_OK(opened);
  EXPECT_THAT(opened->entries, IsEmpty());
  EXPECT_EQ(opened->last, MessageId{0});
  EXPECT_FALSE(opened->more);
  EXPECT_FALSE(opened->since_known_version);
  EXPECT_FALSE(opened->version.empty());
}

// A front-end that remembers a listing is told what came and went; what it then has is the listing of one that remembers
// none.
TEST_P(MaildropConformance, WhoRemembersAListingIsToldWhatChanged) {
  const AccountId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(engine().RenewLease("lease", "front-end", absl::Hours(10)));
  std::vector<MessageId> remembered;
  std::string version;
  int session = 0;
  const auto poll = [&](bool expect_since, std::vector<MessageId> deletions) {
    const std::string name = absl::StrCat("polling-session-", session++);
    const auto opened = OpenAs(name, mailbox, "lease", version);
    ASSERT_OK(opened);
    EXPECT_EQ(opened->since_known_version, expect_since);
    if (!opened->since_known_version) remembered.clear();
    EXPECT_TRUE(std::is_sorted(opened->removed.begin(), opened->removed.end()));
    for (const MessageId removed : opened->removed) {
      EXPECT_EQ(std::erase(remembered, removed), 1u) << removed.value;
    }
    for (const MaildropEntry& entry : opened->entries) remembered.push_back(entry.id);
    EXPECT_EQ(remembered, Ids(mailbox));
    EXPECT_EQ(opened->last, remembered.empty() ? MessageId{0} : remembered.back());
    EXPECT_FALSE(opened->more);
    Put(mailbox, "arrives meanwhile");
    const auto committed = engine().CommitMaildrop({mailbox, name, opened->token, deletions});
    ASSERT_OK(committed);
    EXPECT_EQ(committed->deleted_count, static_cast<int64_t>(deletions.size()));
    ASSERT_FALSE(committed->version.empty());
    for (const MessageId deleted : deletions) std::erase(remembered, deleted);
    version = committed->version;
    // A repeat does not know.
    EXPECT_EQ(engine().CommitMaildrop({mailbox, name, opened->token, deletions})->version, "");
  };
  for (int i = 0; i < 10; ++i) Put(mailbox, absl::StrCat(i));
  poll(false, {});
  poll(true, {});
  poll(true, {Ids(mailbox)[1], Ids(mailbox)[3]});
  poll(true, {});
  // Deleted by others, also what it never saw.
  ASSERT_EQ(engine().DeleteMessages(mailbox, {Ids(mailbox)[0], Ids(mailbox).back()}).value(), 2);
  poll(true, {Ids(mailbox)[0]});
  ASSERT_EQ(engine().DeleteMessages(mailbox, Ids(mailbox)).value(),
            static_cast<int64_t>(Ids(mailbox).size()));
  poll(true, {});
  poll(true, {});
  // A version of another mailbox, or of nobody.
  const std::string good = version;
  for (const std::string& bad : {std::string("x"), good + "x", std::string(40, '\0')}) {
    version = bad;
    poll(false, {});
  }
  const AccountId other = NewMailbox("b@example.test");
  const auto of_other = OpenAs("session-of-other", other, "lease", good);
  ASSERT_OK(of_other);
  EXPECT_FALSE(of_other->since_known_version);
  // More deletions than are remembered.
  for (int i = 0; i < 100; ++i) {
    Put(mailbox, "x");
    ASSERT_EQ(engine().DeleteMessages(mailbox, {Ids(mailbox).back()}).value(), 1);
  }
  poll(false, {});
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(engine().DeleteMessages(mailbox, {Ids(mailbox).back()}).value(), 1);
    Put(mailbox, "x");
    poll(true, {});
  }
}

TEST_P(MaildropConformance, AListingOfAnAccountThatWasDeletedMeansNothingToItsSuccessor) {
  const AccountId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "one");
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  const auto opened = OpenAs("session-a", mailbox, "lease");
  ASSERT_OK(opened);
  ASSERT_OK(engine().ReleaseMaildrop(mailbox, "session-a"));
  ASSERT_OK(engine().DeleteAccount("a@example.test"));
  ASSERT_OK(engine().Sweep(absl::Hours(1)));
  Account account;
  account.id = mailbox;
  account.address = "a@example.test";
  ASSERT_OK(engine().CreateAccounts({account})[0]);
  Put(mailbox, "two");
  const auto next = OpenAs("session-b", mailbox, "lease", opened->version);
  ASSERT_OK(next);
  EXPECT_FALSE(next->since_known_version);
  EXPECT_THAT(next->entries, SizeIs(1));
}

TEST_P(MaildropConformance, WhetherALeaseLives) {
  EXPECT_FALSE(engine().IsLive("lease"));
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  EXPECT_TRUE(engine().IsLive("lease"));
  clock().Advance(kBeyond);
  EXPECT_FALSE(engine().IsLive("lease"));
  ASSERT_OK(engine().RenewLease("lease", "front-end", kTtl));
  clock().Advance(kWithin);
  Restart();
  clock().Advance(kWithin);
  EXPECT_TRUE(engine().IsLive("lease"));
  ASSERT_OK(engine().EndLease("lease"));
  EXPECT_FALSE(engine().IsLive("lease"));
}

}  // namespace
}  // namespace mailstead::engine
