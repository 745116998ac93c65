// Messages that are past their retention.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr absl::Duration kDay = absl::Hours(24);

TEST_P(RetentionConformance, WithoutOneNothingEverGoes) {
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 3; ++i) Put(mailbox, "x");
  clock().Advance(10'000 * kDay);
  EXPECT_EQ(Expire(), 0);
  EXPECT_THAT(Numbers(mailbox), SizeIs(3));
  EXPECT_EQ(engine().LeastRetention().value(), absl::ZeroDuration());
}

TEST_P(RetentionConformance, WhatIsOlderThanTheDomainSaysGoes) {
  const AccountId a = NewMailbox("a@example.test");
  const AccountId b = NewMailbox("b@example.test");
  ASSERT_OK(engine().CreateDomain({"other.test"}));
  const AccountId elsewhere = NewMailbox("a@other.test");
  SetOfDomain(30 * kDay);
  for (int i = 0; i < 3; ++i) Put(a, "x");
  Put(b, "x");
  Put(elsewhere, "x");
  clock().Advance(30 * kDay - absl::Microseconds(1));
  Put(a, "x");
  EXPECT_EQ(Expire(), 0);
  clock().Advance(absl::Microseconds(1));
  EXPECT_EQ(Expire(), 4);
  EXPECT_THAT(Numbers(a), ElementsAre(4));
  EXPECT_THAT(Numbers(b), IsEmpty());
  EXPECT_THAT(Numbers(elsewhere), ElementsAre(1));
  EXPECT_EQ(engine().GetUsage(a)->message_count, 1);
  EXPECT_EQ(Expire(), 0);
  // A restart forgets nothing of it.
  Restart();
  clock().Advance(30 * kDay);
  EXPECT_EQ(Expire(), 1);
  EXPECT_THAT(Numbers(a), IsEmpty());
}

TEST_P(RetentionConformance, AnAccountHasItsOwnInPlaceOfItsDomains) {
  const AccountId usual = NewMailbox("a@example.test");
  const AccountId brief = NewMailbox("b@example.test");
  const AccountId lasting = NewMailbox("c@example.test");
  const AccountId longer = NewMailbox("d@example.test");
  SetOfDomain(10 * kDay);
  SetOfAccount(brief, kDay);
  SetOfAccount(lasting, absl::ZeroDuration());
  SetOfAccount(longer, 20 * kDay);
  for (const AccountId mailbox : {usual, brief, lasting, longer}) Put(mailbox, "x");
  EXPECT_EQ(engine().LeastRetention().value(), kDay);
  clock().Advance(kDay);
  EXPECT_EQ(Expire(), 1);
  EXPECT_THAT(Numbers(brief), IsEmpty());
  clock().Advance(9 * kDay);
  EXPECT_EQ(Expire(), 1);
  EXPECT_THAT(Numbers(usual), IsEmpty());
  clock().Advance(10 * kDay);
  EXPECT_EQ(Expire(), 1);
  EXPECT_THAT(Numbers(longer), IsEmpty());
  clock().Advance(1000 * kDay);
  EXPECT_EQ(Expire(), 0);
  // The domain's again.
  SetOfAccount(lasting, std::nullopt);
  EXPECT_EQ(Expire(), 1);
  SetOfAccount(brief, std::nullopt);
  SetOfAccount(longer, absl::ZeroDuration());
  EXPECT_EQ(engine().LeastRetention().value(), 10 * kDay);
  EXPECT_EQ(engine().FindAccount(brief)->retention, std::nullopt);
  EXPECT_EQ(engine().FindAccount(longer)->retention, absl::ZeroDuration());
  Restart();
  EXPECT_EQ(engine().FindAccount(brief)->retention, std::nullopt);
  EXPECT_EQ(engine().FindAccount(longer)->retention, absl::ZeroDuration());
  EXPECT_EQ(engine().GetDomain("example.test")->retention, 10 * kDay);
}

TEST_P(RetentionConformance, AChangeIsTrueOfWhatIsThere) {
  const AccountId mailbox = NewMailbox("a@example.test");
  Put(mailbox, "x");
  clock().Advance(5 * kDay);
  Put(mailbox, "x");
  SetOfDomain(10 * kDay);
  EXPECT_EQ(Expire(), 0);
  SetOfDomain(5 * kDay);
  EXPECT_EQ(Expire(), 1);
  clock().Advance(5 * kDay);
  SetOfDomain(absl::ZeroDuration());
  EXPECT_EQ(Expire(), 0);
  EXPECT_THAT(Numbers(mailbox), ElementsAre(2));
  EXPECT_EQ(engine().LeastRetention().value(), absl::ZeroDuration());
}

TEST_P(RetentionConformance, ItFollowsAnAccountThatGetsAnotherAddress) {
  ASSERT_OK(engine().CreateDomain({"other.test"}));
  const AccountId mailbox = NewMailbox("a@example.test");
  const AccountId own = NewMailbox("b@example.test");
  SetOfDomain(kDay);
  SetOfAccount(own, 2 * kDay);
  Put(mailbox, "x");
  Put(own, "x");
  for (const AccountId moved : {mailbox, own}) {
    AccountChange change;
    change.id = moved;
    change.address = absl::StrCat("new", moved.value, "@other.test");
    ASSERT_OK(engine().UpdateAccount(change).status());
  }
  clock().Advance(kDay);
  EXPECT_EQ(Expire(), 0);
  clock().Advance(kDay);
  EXPECT_EQ(Expire(), 1);
  EXPECT_THAT(Numbers(mailbox), ElementsAre(1));
  EXPECT_THAT(Numbers(own), IsEmpty());
}

TEST_P(RetentionConformance, AMessageMayHaveOneOfItsOwn) {
  const AccountId mailbox = NewMailbox("a@example.test");
  PutFor(mailbox, 10 * kDay);
  Put(mailbox, "x");
  PutFor(mailbox, 2 * kDay);
  clock().Advance(2 * kDay - absl::Microseconds(1));
  EXPECT_EQ(Expire(), 0);
  clock().Advance(absl::Microseconds(1));
  EXPECT_EQ(Expire(), 1);
  EXPECT_THAT(Numbers(mailbox), ElementsAre(1, 2));
  // The shorter of the two counts.
  SetOfDomain(5 * kDay);
  PutFor(mailbox, 100 * kDay);
  clock().Advance(3 * kDay);
  EXPECT_EQ(Expire(), 2);
  Restart();
  EXPECT_THAT(Numbers(mailbox), ElementsAre(4));
  SetOfDomain(absl::ZeroDuration());
  clock().Advance(96 * kDay);
  EXPECT_EQ(Expire(), 0);
  clock().Advance(kDay);
  EXPECT_EQ(Expire(), 1);
  EXPECT_THAT(Numbers(mailbox), IsEmpty());
}

TEST_P(RetentionConformance, OfWhatWasDeletedBeforeNothingIsLeftToDo) {
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 3; ++i) PutFor(mailbox, kDay);
  ASSERT_EQ(engine().DeleteMessages(mailbox, {MessageId{2}}).value(), 1);
  const AccountId gone = NewMailbox("b@example.test");
  PutFor(gone, kDay);
  ASSERT_OK(engine().DeleteAccount("b@example.test"));
  clock().Advance(kDay);
  EXPECT_EQ(Expire(), 2);
  EXPECT_EQ(Expire(), 0);
  EXPECT_THAT(Numbers(mailbox), IsEmpty());
}

TEST_P(RetentionConformance, VeryManyGoInSteps) {
  SetOfDomain(kDay);
  std::vector<AccountId> mailboxes;
  for (int i = 0; i < 40; ++i) {
    mailboxes.push_back(NewMailbox(absl::StrCat("box", i, "@example.test")));
    for (int count = 0; count < (i % 10 == 0 ? 50 : 1); ++count) Put(mailboxes.back(), "x");
  }
  for (int i = 0; i < 30; ++i) PutFor(mailboxes[static_cast<size_t>(i) % 7], 3 * kDay);
  clock().Advance(kDay);
  EXPECT_EQ(Expire(), 4 * 50 + 36 + 30);
  for (const AccountId mailbox : mailboxes) EXPECT_THAT(Numbers(mailbox), IsEmpty());
  clock().Advance(3 * kDay);
  EXPECT_EQ(Expire(), 0);
}

TEST_P(RetentionConformance, WhatGoesIsToldAndMayComeBack) {
  SetOfDomain(kDay);
  SetWindow(7 * kDay);
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 6; ++i) Put(mailbox, "x");
  PutFor(mailbox, kDay);
  clock().Advance(kDay);
  EXPECT_EQ(Expire(), 7);
  ChangeQuestion question;
  question.kinds = KindBit(ChangeKind::kDeleted);
  question.accounts = {mailbox};
  const auto page = BlockOn(facets().changes().Read(question));
  ASSERT_OK(page.status());
  size_t told = 0;
  for (const FeedChange& change : page->changes) {
    EXPECT_EQ(change.cause, DeletionCause::kRetention);
    told += change.deleted.size();
  }
  EXPECT_EQ(told, 7u);
  const std::vector<MessageSummary> trash = Trash(mailbox);
  ASSERT_THAT(trash, SizeIs(7));
  for (const MessageSummary& message : trash) {
    EXPECT_EQ(message.deletion->cause, DeletionCause::kRetention);
  }
  EXPECT_EQ(engine().Status()->trash_message_count, 7);
  // What comes back is as old as before: it stays where it may be so old.
  SetOfDomain(absl::ZeroDuration());
  ASSERT_EQ(engine().Restore(mailbox, {MessageId{2}, MessageId{3}, MessageId{7}})->count, 3);
  EXPECT_EQ(engine().Status()->trash_message_count, 4);
  EXPECT_EQ(Expire(), 1);
  EXPECT_THAT(Numbers(mailbox), ElementsAre(2, 3));
  SetOfDomain(2 * kDay);
  EXPECT_EQ(Expire(), 0);
  clock().Advance(kDay);
  EXPECT_EQ(Expire(), 2);
}

TEST_P(RetentionConformance, TheTrashIsCounted) {
  SetWindow(kDay);
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 30; ++i) Put(mailbox, std::string(100, 'x'));
  const int64_t size_bytes = List(mailbox).front().size_bytes;
  ASSERT_EQ(engine().DeleteMessages(mailbox, {MessageId{1}, MessageId{2}}).value(), 2);
  EXPECT_EQ(engine().Status()->trash_message_bytes, 2 * size_bytes);
  ASSERT_EQ(engine().DeleteMessages(mailbox, Ids(mailbox)).value(), 28);
  ASSERT_OK(engine().Sweep(absl::Hours(1)));
  EXPECT_EQ(engine().Status()->trash_message_count, 30);
  Restart();
  EXPECT_EQ(engine().Status()->trash_message_count, 30);
  EXPECT_EQ(engine().Status()->trash_message_bytes, 30 * size_bytes);
  ASSERT_EQ(engine().Restore(mailbox, {MessageId{5}})->count, 1);
  clock().Advance(kDay);
  const auto emptied = engine().EmptyTrash();
  ASSERT_OK(emptied.status());
  EXPECT_GT(emptied->count, 0);
  EmptyTrash();
  EXPECT_EQ(engine().Status()->trash_message_count, 0);
  EXPECT_EQ(engine().Status()->trash_message_bytes, 0);
}

TEST_P(RetentionConformance, ASessionKeepsItsNumbers) {
  SetOfDomain(kDay);
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 3; ++i) Put(mailbox, "x");
  clock().Advance(kDay);
  Put(mailbox, "x");
  ASSERT_OK(engine().RenewLease("lease", "front-end", absl::Minutes(1)));
  const auto opened = Open(mailbox, "lease");
  ASSERT_OK(opened.status());
  ASSERT_THAT(opened->entries, SizeIs(4));
  // The lock is no obstacle, and the session commits what it has marked, of which some is gone.
  EXPECT_EQ(Expire(), 3);
  EXPECT_THAT(Fetch(mailbox, MessageId{1}).status(), HasCode(absl::StatusCode::kNotFound));
  ASSERT_OK(Commit(mailbox, opened->token, {MessageId{1}, MessageId{4}}));
  EXPECT_THAT(Numbers(mailbox), IsEmpty());
}

}  // namespace
}  // namespace mailstead::engine
