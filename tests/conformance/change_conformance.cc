#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/reason.h"
#include "stored/engine/change.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<MessageId> MessagesOf(std::vector<int64_t> ids) {
  std::vector<MessageId> messages;
  for (const int64_t id : ids) messages.push_back(MessageId{id});
  return messages;
}

TEST_P(ChangeConformance, WhatHappensToAMailboxIsToldInOrder) {
  const AccountId a = NewMailbox("a@example.test");
  Put(a, "1");
  Put(a, "2");
  Put(a, "3");
  ASSERT_EQ(engine().DeleteMessages(a, MessagesOf({1, 3, 7})).value(), 2);
  ASSERT_OK(engine().RenewLease("lease", "host", absl::Seconds(60)));
  const auto opened = Open(a, "lease");
  ASSERT_OK(opened);
  ASSERT_OK(Commit(a, opened->token, MessagesOf({2})));

  const auto changes = All();
  EXPECT_THAT(Texts(changes), ElementsAre("created a@example.test", "delivered 1", "delivered 2",
                                          "delivered 3", "deleted 1,3 by 1", "deleted 2 by 2"));
  for (const FeedChange& change : changes) {
    EXPECT_EQ(change.account, a);
    EXPECT_EQ(change.current_address, "a@example.test");
    EXPECT_EQ(change.time, clock().Now());
  }
  EXPECT_EQ(bounds().last, 6);
}

TEST_P(ChangeConformance, WhatChangedNothingIsNotTold) {
  const AccountId a = NewMailbox("a@example.test");
  const int64_t before = bounds().last;
  ASSERT_EQ(engine().DeleteMessages(a, MessagesOf({5})).value(), 0);
  NewMessage delivery = NewDelivery("delivery-id-0001", {a});
  ASSERT_OK(Append(delivery, "1"));
  ASSERT_OK(Append(delivery, "1"));
  delivery.fingerprint = Sha256("another");
  EXPECT_THAT(Append(delivery, "2").status(), HasCode(StatusCode::kAlreadyExists));
  EXPECT_EQ(bounds().last, before + 1);
}

// Of a caller and a session that delete the same: each message is told once, by who was first.
TEST_P(ChangeConformance, WhatTwoDeleteIsToldOnce) {
  const AccountId a = NewMailbox("a@example.test");
  for (int i = 0; i < 5; ++i) Put(a, absl::StrCat(i));
  ASSERT_OK(engine().RenewLease("lease", "front-end", absl::Hours(1)));
  const auto opened = OpenAs("session-a", a, "lease");
  ASSERT_OK(opened);
  ASSERT_EQ(engine().DeleteMessages(a, MessagesOf({2, 4})).value(), 2);
  ASSERT_OK(engine().CommitMaildrop({a, "session-a", opened->token, MessagesOf({1, 2, 3, 4})}).status());
  ASSERT_EQ(engine().DeleteMessages(a, MessagesOf({1, 2, 3, 5})).value(), 1);
  ASSERT_EQ(engine().DeleteMessages(a, MessagesOf({5})).value(), 0);
  std::vector<std::string> deleted;
  for (const std::string& text : Texts(All())) {
    if (absl::StartsWith(text, "deleted")) deleted.push_back(text);
  }
  EXPECT_THAT(deleted, ElementsAre("deleted 2,4 by 1", "deleted 1,3 by 2", "deleted 5 by 1"));
}

TEST_P(ChangeConformance, AccountsChangeByKinds) {
  const AccountId a = NewMailbox("a@example.test");
  ASSERT_OK(engine().CreateDomain({"other.test", true, clock().Now()}));
  AccountChange change;
  change.id = a;
  change.quota_bytes = 5;
  ASSERT_OK(engine().UpdateAccount(change));
  for (const FeedChange& one : All()) EXPECT_EQ(one.current_address, "a@example.test");
  change = AccountChange();
  change.id = a;
  change.address = "b@other.test";
  change.disabled = true;
  ASSERT_OK(engine().UpdateAccount(change));
  change = AccountChange();
  change.id = a;
  change.disabled = false;
  ASSERT_OK(engine().UpdateAccount(change));
  // Also of what was read before.
  for (const FeedChange& one : All()) EXPECT_EQ(one.current_address, "b@other.test");
  ASSERT_OK(engine().DeleteAccount("b@other.test"));
  EXPECT_THAT(Texts(All()), ElementsAre("created a@example.test", "updated a@example.test",
                                        "renamed b@other.test from a@example.test", "disabled b@other.test",
                                        "enabled b@other.test", "removed b@other.test"));
  for (const FeedChange& one : All()) EXPECT_EQ(one.current_address, "b@other.test");
}

TEST_P(ChangeConformance, ARemovedAccountTakesItsMessagesWithIt) {
  const AccountId a = NewMailbox("a@example.test");
  Put(a, "1");
  ASSERT_OK(engine().DeleteAccount("a@example.test"));
  ChangeQuestion question = Everything();
  question.summaries = true;
  const auto changes = All(question);
  EXPECT_THAT(Texts(changes),
              ElementsAre("created a@example.test", "delivered 1", "emptied", "removed a@example.test"));
  EXPECT_FALSE(changes[1].summary.has_value());
}

TEST_P(ChangeConformance, DeliveriesComeWithTheirSummaries) {
  const AccountId a = NewMailbox("a@example.test");
  Put(a, "first");
  Put(a, "second");
  ASSERT_EQ(engine().DeleteMessages(a, MessagesOf({1})).value(), 1);
  ChangeQuestion question = Everything();
  question.summaries = true;
  question.kinds = KindBit(ChangeKind::kDelivered);
  const auto changes = All(question);
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_FALSE(changes[0].summary.has_value()) << "it is gone";
  ASSERT_TRUE(changes[1].summary.has_value());
  const auto listed = List(a);
  EXPECT_EQ(changes[1].summary->unique_id, listed[0].unique_id);
  EXPECT_EQ(changes[1].summary->id, MessageId{2});
}

TEST_P(ChangeConformance, QuestionsAreOfAccountsDomainsAndKinds) {
  const AccountId a = NewMailbox("a@example.test");
  const AccountId b = NewMailbox("b@example.test");
  ASSERT_OK(engine().CreateDomain({"other.test", true, clock().Now()}));
  const AccountId c = NewMailbox("c@other.test");
  for (const AccountId account : {a, b, c, a}) Put(account, "x");

  ChangeQuestion question = Everything();
  question.accounts = {b};
  EXPECT_THAT(Texts(All(question)), ElementsAre("created b@example.test", "delivered 1"));
  question.accounts = {a, c};
  EXPECT_THAT(Texts(All(question)), ElementsAre("created a@example.test", "created c@other.test",
                                                "delivered 1", "delivered 1", "delivered 2"));
  question.kinds = KindBit(ChangeKind::kDelivered);
  EXPECT_THAT(Texts(All(question)), ElementsAre("delivered 1", "delivered 1", "delivered 2"));
  question = Everything();
  question.domain = "other.test";
  EXPECT_THAT(Texts(All(question)), ElementsAre("created c@other.test", "delivered 1"));

  // A rename is told to both domains; what came before it goes with the account.
  AccountChange change;
  change.id = a;
  change.address = "d@other.test";
  ASSERT_OK(engine().UpdateAccount(change));
  EXPECT_THAT(Texts(All(question)),
              ElementsAre("created a@example.test", "created c@other.test", "delivered 1", "delivered 1",
                          "delivered 2", "renamed d@other.test from a@example.test"));
  question.domain = "example.test";
  EXPECT_THAT(Texts(All(question)), ElementsAre("created b@example.test", "delivered 1",
                                                "renamed d@other.test from a@example.test"));
  // And after its removal to that which it was of.
  ASSERT_OK(engine().DeleteAccount("c@other.test"));
  question.domain = "other.test";
  question.kinds = KindBit(ChangeKind::kAccountRemoved) | KindBit(ChangeKind::kEmptied);
  EXPECT_THAT(Texts(All(question)), ElementsAre("emptied", "removed c@other.test"));
}

// Few among many: their own changes are sought.
TEST_P(ChangeConformance, AccountsAmongManyAreTheSameAsByAWalk) {
  std::vector<AccountId> accounts;
  for (int i = 0; i < 5; ++i) accounts.push_back(NewMailbox(absl::StrCat("box", i, "@example.test")));
  for (int i = 0; i < 100; ++i) {
    Put(accounts[static_cast<size_t>(i) % 5], "x");
    if (i % 10 == 9) engine().DeleteMessages(accounts[1], MessagesOf({i / 5})).IgnoreError();
  }
  ChangeQuestion question = Everything();
  question.accounts = {accounts[1], accounts[3]};
  const auto sought = All(question, 7);
  std::vector<FeedChange> walked;
  for (FeedChange& change : All()) {
    if (change.account == accounts[1] || change.account == accounts[3]) walked.push_back(std::move(change));
  }
  EXPECT_EQ(Texts(sought), Texts(walked));
  EXPECT_THAT(sought, testing::SizeIs(testing::Gt(40u)));
}

TEST_P(ChangeConformance, ALargeDeletionIsToldInParts) {
  const AccountId a = NewMailbox("a@example.test");
  std::vector<MessageId> even;
  for (int i = 1; i <= 2 * static_cast<int>(kMaxToldDeletions) + 500; ++i) {
    Put(a, "x");
    if (i % 2 == 0) even.push_back(MessageId{i});
  }
  std::vector<MessageId> most = even;
  for (int i = 1; i <= 1500; i += 2) most.push_back(MessageId{i});
  std::sort(most.begin(), most.end());
  const int64_t before = bounds().last;
  ASSERT_EQ(engine().DeleteMessages(a, most).value(), static_cast<int64_t>(most.size()));
  EXPECT_EQ(bounds().last, before + 1);
  Put(a, "y");

  // Whole, part by part, from the middle of it, and after a restart.
  for (const bool restarted : {false, true}) {
    if (restarted) Restart();
    ChangeQuestion question = Everything();
    question.after.position = before;
    question.limit = 1;
    std::vector<MessageId> told;
    std::vector<size_t> parts;
    std::string last;
    for (int page_count = 0; page_count < 10; ++page_count) {
      const auto page = Read(question);
      ASSERT_OK(page);
      if (page->changes.empty()) break;
      ASSERT_EQ(page->changes.size(), 1u);
      const FeedChange& change = page->changes[0];
      told.insert(told.end(), change.deleted.begin(), change.deleted.end());
      parts.push_back(change.deleted.size());
      last = Text(change);
      question.after = change.end;
    }
    EXPECT_EQ(told, most);
    EXPECT_THAT(parts, ElementsAre(kMaxToldDeletions, most.size() - kMaxToldDeletions, 0u));
    EXPECT_EQ(last, absl::StrCat("delivered ", 2 * kMaxToldDeletions + 501));
    EXPECT_EQ(question.after, (ChangeCursor{before + 2, MessageId{0}}));
  }
  // Also when nothing of the messages is left.
  ASSERT_OK(engine().Sweep(absl::Hours(1)));
  Restart();
  ChangeQuestion question = Everything();
  question.after.position = before;
  EXPECT_THAT(All(question), testing::SizeIs(3));
}

TEST_P(ChangeConformance, APageThatFindsNothingMovesAllTheSame) {
  const AccountId a = NewMailbox("a@example.test");
  const AccountId b = NewMailbox("b@example.test");
  for (int i = 0; i < 20; ++i) Put(a, "x");
  for (const bool of_domain : {false, true}) {
    ChangeQuestion question = Everything();
    question.after.position = 2;
    if (of_domain) {
      question.domain = "nowhere.test";
    } else {
      question.accounts = {b};
    }
    const auto page = Read(question);
    ASSERT_OK(page);
    EXPECT_THAT(page->changes, IsEmpty());
    EXPECT_FALSE(page->more);
    EXPECT_EQ(page->reached, (ChangeCursor{22, MessageId{0}}));
  }
}

TEST_P(ChangeConformance, OldChangesAreForgottenByAgeAndByNumber) {
  const AccountId a = NewMailbox("a@example.test");
  for (int i = 0; i < 10; ++i) Put(a, "x");
  clock().Advance(absl::Hours(2));
  for (int i = 0; i < 10; ++i) Put(a, "x");
  // 21 changes by now, of which 11 are two hours old.
  Trim(absl::Hours(3), 21);
  EXPECT_EQ(bounds().first, 1);
  Trim(absl::Hours(3), 15);
  EXPECT_EQ(bounds().first, 7);
  Trim(absl::Hours(1), 15);
  EXPECT_EQ(bounds().first, 12);
  EXPECT_EQ(bounds().last, 21);

  for (const bool restarted : {false, true}) {
    if (restarted) Restart();
    for (const auto& accounts : {std::vector<AccountId>{}, std::vector<AccountId>{a}}) {
      ChangeQuestion question = Everything();
      question.accounts = accounts;
      question.after.position = 10;
      EXPECT_THAT(Read(question).status(), HasReason(StatusCode::kOutOfRange, "CURSOR_EXPIRED"));
      question.after.position = 11;
      EXPECT_THAT(All(question), testing::SizeIs(10));
    }
  }
  // All of it: positions go on.
  clock().Advance(absl::Hours(2));
  Trim(absl::Hours(1), 15);
  EXPECT_EQ(bounds().first, 22);
  Restart();
  EXPECT_EQ(bounds().last, 21);
  Put(a, "x");
  ChangeQuestion question = Everything();
  question.after.position = 21;
  EXPECT_THAT(Texts(All(question)), ElementsAre("delivered 21"));
}

TEST_P(ChangeConformance, ALargeDeletionIsForgottenWhole) {
  const AccountId a = NewMailbox("a@example.test");
  std::vector<MessageId> all;
  for (int i = 1; i <= 300; ++i) {
    Put(a, "x");
    all.push_back(MessageId{i});
  }
  ASSERT_EQ(engine().DeleteMessages(a, all).value(), 300);
  ASSERT_OK(engine().Sweep(absl::Hours(1)));
  clock().Advance(absl::Hours(2));
  Trim(absl::Hours(1), 1000);
  EXPECT_EQ(bounds().first, bounds().last + 1);
  Restart();
  EXPECT_THAT(Ids(a), IsEmpty());
  EXPECT_THAT(All({.after = {bounds().last, MessageId{0}}}), IsEmpty());
}

TEST_P(ChangeConformance, ACursorAheadOfTheFeedIsRefused) {
  NewMailbox("a@example.test");
  const int64_t last = bounds().last;
  for (const ChangeCursor& ahead : {ChangeCursor{last + 1, MessageId{0}}, ChangeCursor{last, MessageId{1}}}) {
    EXPECT_THAT(Read({.after = ahead}).status(), HasReason(StatusCode::kOutOfRange, "CURSOR_EXPIRED"));
  }
  EXPECT_OK(Read({.after = {last, MessageId{0}}}).status());
}

// Who waits hears of each commit, behind it and in order.
TEST_P(ChangeConformance, TheListenerHearsOfEachChange) {
  class Listener final : public ChangeListener {
   public:
    void Committed(absl::Span<const CommittedChange> changes) override {
      absl::MutexLock lock(&mutex);
      for (const CommittedChange& change : changes) heard.push_back(change);
    }
    absl::Mutex mutex;
    std::vector<CommittedChange> heard ABSL_GUARDED_BY(mutex);
  };
  Listener listener;
  facets().changes().SetListener(&listener);
  const AccountId a = NewMailbox("a@example.test");
  Put(a, "x");
  AccountChange change;
  change.id = a;
  change.address = "b@example.test";
  ASSERT_OK(engine().UpdateAccount(change));
  facets().changes().SetListener(nullptr);
  Put(a, "x");
  absl::MutexLock lock(&listener.mutex);
  ASSERT_EQ(listener.heard.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(listener.heard[i].account, a);
    EXPECT_EQ(listener.heard[i].position, static_cast<int64_t>(i) + 1);
  }
  EXPECT_EQ(listener.heard[1].kind, ChangeKind::kDelivered);
  EXPECT_EQ(listener.heard[2].address, "b@example.test");
  EXPECT_EQ(listener.heard[2].old_address, "a@example.test");
}

TEST_P(ChangeConformance, ConsumersAreKept) {
  FeedConsumer consumer;
  consumer.name = "desk";
  consumer.filter = std::string("\0\xff", 2);
  consumer.create_time = clock().Now();
  consumer.ack_timeout = absl::Seconds(30);
  consumer.acked = {7, MessageId{3}};
  consumer.incarnation = "abc";
  ASSERT_OK(BlockOn(feed().CreateConsumer(consumer)));
  EXPECT_THAT(BlockOn(feed().CreateConsumer(consumer)),
              HasReason(StatusCode::kAlreadyExists, "CONSUMER_EXISTS"));
  Restart();
  EXPECT_EQ(*BlockOn(feed().FindConsumer("desk")), consumer);
  consumer.name = "audit";
  ASSERT_OK(BlockOn(feed().CreateConsumer(consumer)));
  EXPECT_EQ(Names(""), (std::vector<std::string>{"audit", "desk"}));
  EXPECT_EQ(Names("audit"), (std::vector<std::string>{"desk"}));
  ASSERT_OK(BlockOn(feed().DeleteConsumer("audit")));
  EXPECT_EQ(Names(""), (std::vector<std::string>{"desk"}));
  const auto none = HasReason(StatusCode::kNotFound, "CONSUMER_NOT_FOUND");
  EXPECT_THAT(BlockOn(feed().FindConsumer("audit")).status(), none);
  EXPECT_THAT(BlockOn(feed().DeleteConsumer("audit")), none);
  EXPECT_THAT(BlockOn(feed().ActivateConsumer("audit")).status(), none);
  EXPECT_THAT(BlockOn(feed().AckConsumer("audit", 1, {}, clock().Now())), none);
  EXPECT_THAT(BlockOn(feed().ResetConsumer("audit", {}, "abc")).status(), none);
}

TEST_P(ChangeConformance, AConsumerIsMovedForwardByItsOneActiveWorker) {
  FeedConsumer consumer;
  consumer.name = "desk";
  consumer.acked = {5, MessageId{0}};
  ASSERT_OK(BlockOn(feed().CreateConsumer(consumer)));
  const auto fenced = HasReason(StatusCode::kAborted, "CONSUMER_FENCED");
  EXPECT_THAT(BlockOn(feed().AckConsumer("desk", 0, {6, MessageId{0}}, clock().Now())), fenced);
  const int64_t first = BlockOn(feed().ActivateConsumer("desk"))->fence;
  ASSERT_OK(BlockOn(feed().AckConsumer("desk", first, {6, MessageId{0}}, clock().Now())));
  ASSERT_OK(BlockOn(feed().AckConsumer("desk", first, {6, MessageId{4}}, clock().Now())));
  ASSERT_OK(BlockOn(feed().AckConsumer("desk", first, {6, MessageId{0}}, clock().Now()))) << "a repeat";
  Restart();
  EXPECT_EQ(BlockOn(feed().FindConsumer("desk"))->acked, (ChangeCursor{6, MessageId{4}}));
  EXPECT_EQ(BlockOn(feed().FindConsumer("desk"))->ack_time, clock().Now());
  ASSERT_OK(BlockOn(feed().AckConsumer("desk", first, {7, MessageId{0}}, clock().Now())))
      << "nobody took it over";
  const int64_t second = BlockOn(feed().ActivateConsumer("desk"))->fence;
  EXPECT_GT(second, first);
  EXPECT_THAT(BlockOn(feed().AckConsumer("desk", first, {8, MessageId{0}}, clock().Now())), fenced);
  ASSERT_OK(BlockOn(feed().AckConsumer("desk", second, {8, MessageId{0}}, clock().Now())));
  ASSERT_OK(BlockOn(feed().ResetConsumer("desk", {2, MessageId{0}}, "abc")).status());
  EXPECT_THAT(BlockOn(feed().AckConsumer("desk", second, {9, MessageId{0}}, clock().Now())), fenced);
  EXPECT_EQ(BlockOn(feed().FindConsumer("desk"))->acked, (ChangeCursor{2, MessageId{0}}));
  EXPECT_EQ(BlockOn(feed().FindConsumer("desk"))->incarnation, "abc");
}

TEST_P(ChangeConformance, ThereAreSoManyConsumersAtMost) {
  FeedConsumer consumer;
  for (size_t i = 0; i < kMaxConsumers; ++i) {
    consumer.name = absl::StrCat("c", i);
    ASSERT_OK(BlockOn(feed().CreateConsumer(consumer)));
  }
  consumer.name = "another";
  const auto too_many = HasReason(StatusCode::kResourceExhausted, "TOO_MANY_CONSUMERS");
  EXPECT_THAT(BlockOn(feed().CreateConsumer(consumer)), too_many);
  ASSERT_OK(BlockOn(feed().DeleteConsumer("c7")));
  EXPECT_OK(BlockOn(feed().CreateConsumer(consumer)));
}

}  // namespace
}  // namespace mailstead::engine
