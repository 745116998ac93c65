// What is deleted where a domain has an undelete window, and what comes back.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using absl::StatusCode;
using testing::IsEmpty;
using testing::SizeIs;

constexpr absl::Duration kWindow = absl::Hours(1);

std::vector<MessageId> MessagesOf(const std::vector<int64_t>& numbers) {
  std::vector<MessageId> ids;
  for (const int64_t number : numbers) ids.push_back(MessageId{number});
  return ids;
}

std::vector<MessageId> IdsOf(const std::vector<MessageSummary>& messages) {
  std::vector<MessageId> ids;
  for (const MessageSummary& message : messages) ids.push_back(message.id);
  return ids;
}

TEST_P(TrashConformance, WithoutAWindowNothingIsKept) {
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 10; ++i) Put(mailbox, absl::StrCat(i));
  ASSERT_EQ(engine().DeleteMessages(mailbox, MessagesOf({1, 2})).value(), 2);
  ASSERT_EQ(engine().DeleteMessages(mailbox, MessagesOf({3, 4, 5, 6, 7, 8})).value(), 6);
  EXPECT_THAT(Trash(mailbox), IsEmpty());
  const auto restored = engine().Restore(mailbox, MessagesOf({1, 5}));
  ASSERT_OK(restored.status());
  EXPECT_EQ(restored->count, 0);
  EXPECT_EQ(restored->missing, MessagesOf({1, 5}));
  // Not what was deleted before there was one.
  SetWindow(kWindow);
  EXPECT_THAT(Trash(mailbox), IsEmpty());
  EXPECT_THAT(engine().Restore(AccountId{999}, MessagesOf({1})).status(), HasCode(StatusCode::kNotFound));
  MessageSearch search;
  search.in_trash = true;
  EXPECT_THAT(engine().Search(AccountId{999}, search).status(), HasCode(StatusCode::kNotFound));
}

TEST_P(TrashConformance, WhatIsDeletedComesBackAsItWas) {
  SetWindow(kWindow);
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 5; ++i) Put(mailbox, absl::StrCat("content ", i, std::string(1000, 'x')));
  Put(mailbox, RandomText(200'000, 1));
  const std::vector<MessageSummary> before = List(mailbox);
  std::vector<std::string> contents;
  for (const MessageSummary& message : before) contents.push_back(Fetch(mailbox, message.id).value());
  const MailboxUsage usage = engine().GetUsage(mailbox).value();

  ASSERT_OK(engine().RenewLease("lease", "front-end", absl::Minutes(1)));
  const auto opened = Open(mailbox, "lease");
  ASSERT_OK(opened);
  ASSERT_OK(Commit(mailbox, opened->token, MessagesOf({2, 6})));
  clock().Advance(absl::Seconds(1));
  ASSERT_EQ(engine().DeleteMessages(mailbox, MessagesOf({4, 99})).value(), 1);
  // Nowhere but in the trash.
  EXPECT_EQ(Ids(mailbox), MessagesOf({1, 3, 5}));
  EXPECT_EQ(engine().GetUsage(mailbox)->message_count, 3);
  EXPECT_LT(engine().GetUsage(mailbox)->message_bytes, usage.message_bytes - 200'000);
  EXPECT_EQ(engine().Status()->message_count, 3);
  EXPECT_THAT(engine().FindMessage(mailbox, MessageId{2}).status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(Fetch(mailbox, MessageId{6}).status(), HasCode(StatusCode::kNotFound));

  for (int round = 0; round < 2; ++round) {
    const std::vector<MessageSummary> trash = Trash(mailbox);
    ASSERT_EQ(IdsOf(trash), MessagesOf({2, 4, 6}));
    for (const MessageSummary& message : trash) {
      const bool by_api = message.id == MessageId{4};
      ASSERT_TRUE(message.deletion.has_value());
      EXPECT_EQ(message.deletion->cause, by_api ? DeletionCause::kApi : DeletionCause::kPop3);
      EXPECT_EQ(message.deletion->time, clock().Now() - (by_api ? absl::ZeroDuration() : absl::Seconds(1)));
      EXPECT_EQ(message.deletion->restorable_until, message.deletion->time + kWindow);
      const MessageSummary& was = before[static_cast<size_t>(message.id.value - 1)];
      EXPECT_EQ(message.unique_id, was.unique_id);
      EXPECT_EQ(message.size_bytes, was.size_bytes);
      EXPECT_EQ(message.sha256, was.sha256);
      EXPECT_EQ(message.deliver_time, was.deliver_time);
    }
    Restart();
  }

  const auto restored = engine().Restore(mailbox, MessagesOf({6, 2, 4, 6, 1, 99}));
  ASSERT_OK(restored.status());
  EXPECT_EQ(restored->count, 3);
  EXPECT_EQ(restored->missing, MessagesOf({99}));
  EXPECT_THAT(Trash(mailbox), IsEmpty());
  EXPECT_EQ(engine().GetUsage(mailbox)->message_count, usage.message_count);
  EXPECT_EQ(engine().GetUsage(mailbox)->message_bytes, usage.message_bytes);
  EXPECT_EQ(engine().Status()->message_bytes, usage.message_bytes);
  const std::vector<MessageSummary> after = List(mailbox);
  ASSERT_EQ(IdsOf(after), IdsOf(before));
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].unique_id, before[i].unique_id);
    EXPECT_FALSE(after[i].deletion.has_value());
    EXPECT_EQ(Fetch(mailbox, after[i].id).value(), contents[i]);
  }
  // A repeat.
  const auto again = engine().Restore(mailbox, MessagesOf({2, 4, 6}));
  ASSERT_OK(again.status());
  EXPECT_EQ(again->count, 0);
  EXPECT_THAT(again->missing, IsEmpty());
  // New mail comes behind all.
  Put(mailbox, "new");
  EXPECT_EQ(Ids(mailbox).back(), MessageId{7});
  // And a second time.
  ASSERT_EQ(engine().DeleteMessages(mailbox, MessagesOf({2})).value(), 1);
  EXPECT_EQ(IdsOf(Trash(mailbox)), MessagesOf({2}));
}

TEST_P(TrashConformance, ManyAtOnceComeBackToo) {
  SetWindow(kWindow);
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 100; ++i) Put(mailbox, absl::StrCat("content ", i));
  const std::vector<MessageId> all = Ids(mailbox);
  std::vector<MessageId> most(all.begin() + 3, all.end());
  std::erase_if(most, [](MessageId id) { return id.value % 10 == 0; });
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(engine().DeleteMessages(mailbox, most).value(), static_cast<int64_t>(most.size()));
    if (round == 1) Restart();
    // Whatever of it has been put away by then: the trash has all of them.
    EXPECT_EQ(IdsOf(Trash(mailbox)), most);
    EXPECT_THAT(Ids(mailbox), SizeIs(all.size() - most.size()));
    const std::vector<MessageId> half(most.begin(), most.begin() + 40);
    ASSERT_EQ(engine().Restore(mailbox, half)->count, 40);
    EXPECT_THAT(Trash(mailbox), SizeIs(most.size() - 40));
    ASSERT_EQ(engine().Restore(mailbox, most)->count, static_cast<int64_t>(most.size()) - 40);
    EXPECT_EQ(Ids(mailbox), all);
    EXPECT_NE(Fetch(mailbox, MessageId{55})->find("content 54"), std::string::npos);
  }
  // At once, while the deletion is being put away: all or some order of the two, and nothing is lost.
  for (int round = 0; round < 5; ++round) {
    ASSERT_EQ(engine().DeleteMessages(mailbox, most).value(), static_cast<int64_t>(most.size()));
    ASSERT_EQ(engine().Restore(mailbox, most)->count, static_cast<int64_t>(most.size()));
    EXPECT_EQ(Ids(mailbox), all);
    EXPECT_EQ(engine().GetUsage(mailbox)->message_count, 100);
  }
}

TEST_P(TrashConformance, WhatComesBackHasRoomByTheQuota) {
  SetWindow(kWindow);
  const AccountId mailbox = NewMailbox("a@example.test", 0, /*quota_messages=*/3);
  for (int i = 0; i < 3; ++i) Put(mailbox, "x");
  ASSERT_EQ(engine().DeleteMessages(mailbox, MessagesOf({1, 2})).value(), 2);
  // What waits is in nobody's way.
  Put(mailbox, "x");
  Put(mailbox, "x");
  EXPECT_THAT(engine().Restore(mailbox, MessagesOf({1})).status(),
              HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
  ASSERT_EQ(engine().DeleteMessages(mailbox, MessagesOf({5})).value(), 1);
  // All or none.
  EXPECT_THAT(engine().Restore(mailbox, MessagesOf({1, 2})).status(),
              HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
  EXPECT_EQ(Ids(mailbox), MessagesOf({3, 4}));
  EXPECT_EQ(IdsOf(Trash(mailbox)), MessagesOf({1, 2, 5}));
  ASSERT_EQ(engine().Restore(mailbox, MessagesOf({2, 3}))->count, 1);
  EXPECT_EQ(Ids(mailbox), MessagesOf({2, 3, 4}));

  // The one that crosses the limit in bytes is taken, as a delivery is.
  const AccountId small = NewMailbox("b@example.test", /*quota_bytes=*/3000);
  for (int i = 0; i < 2; ++i) Put(small, std::string(2000, 'x'));
  ASSERT_EQ(engine().DeleteMessages(small, Ids(small)).value(), 2);
  ASSERT_EQ(engine().Restore(small, MessagesOf({1, 2}))->count, 2);
  ASSERT_EQ(engine().DeleteMessages(small, MessagesOf({1})).value(), 1);
  Put(small, std::string(2000, 'x'));
  EXPECT_THAT(engine().Restore(small, MessagesOf({1})).status(),
              HasReason(StatusCode::kResourceExhausted, kReasonOverQuota));
}

TEST_P(TrashConformance, ItIsOverWhenTheWindowIs) {
  SetWindow(kWindow);
  const AccountId mailbox = NewMailbox("a@example.test");
  const AccountId other = NewMailbox("b@example.test");
  // One body for both.
  ASSERT_OK(Append(NewDelivery("shared-delivery-1", {mailbox, other}), RandomText(300'000, 7)).status());
  for (int i = 0; i < 40; ++i) Put(mailbox, absl::StrCat(i));
  ASSERT_EQ(engine().DeleteMessages(mailbox, MessagesOf({1, 2})).value(), 2);
  clock().Advance(absl::Minutes(30));
  std::vector<MessageId> later;
  for (int64_t id = 3; id <= 30; ++id) later.push_back(MessageId{id});
  ASSERT_EQ(engine().DeleteMessages(mailbox, later).value(), 28);
  EXPECT_THAT(Trash(mailbox), SizeIs(30));
  EmptyTrash();
  EXPECT_THAT(Trash(mailbox), SizeIs(30));
  clock().Advance(absl::Minutes(30) - absl::Microseconds(1));
  EXPECT_THAT(Trash(mailbox), SizeIs(30));
  clock().Advance(absl::Microseconds(1));
  EXPECT_THAT(Trash(mailbox), SizeIs(28));
  EXPECT_EQ(engine().Restore(mailbox, MessagesOf({1, 3}))->missing, MessagesOf({1}));
  EmptyTrash();
  // For good, whatever the window is then.
  SetWindow(24 * kWindow);
  EXPECT_THAT(Trash(mailbox), SizeIs(27));
  EXPECT_EQ(Trash(mailbox)[0].deletion->restorable_until, Trash(mailbox)[0].deletion->time + 24 * kWindow);
  EXPECT_OK(Fetch(other, MessageId{1}).status());
  EXPECT_OK(Fetch(mailbox, MessageId{3}).status());
  // A smaller one leaves out what it does not reach, and off all.
  SetWindow(absl::Minutes(30));
  EXPECT_THAT(Trash(mailbox), IsEmpty());
  SetWindow(absl::Minutes(30) + absl::Microseconds(1));
  EXPECT_THAT(Trash(mailbox), SizeIs(27));
  SetWindow(absl::ZeroDuration());
  EXPECT_THAT(Trash(mailbox), IsEmpty());
  EXPECT_EQ(engine().Restore(mailbox, MessagesOf({4}))->missing, MessagesOf({4}));
  EmptyTrash();
  Restart();
  SetWindow(24 * kWindow);
  EXPECT_THAT(Trash(mailbox), IsEmpty());
  EXPECT_EQ(
      engine().Verify(AccountId(), [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(),
      13);
}

TEST_P(TrashConformance, EachDomainHasItsOwnWindow) {
  const AccountId a = NewMailbox("a@example.test");
  ASSERT_OK(engine().CreateDomain({"other.test", true, clock().Now(), clock().Now(), 0, 2 * kWindow}));
  const AccountId b = NewMailbox("b@other.test");
  SetWindow(kWindow);
  for (const AccountId mailbox : {a, b}) {
    Put(mailbox, "x");
    ASSERT_EQ(engine().DeleteMessages(mailbox, MessagesOf({1})).value(), 1);
  }
  EXPECT_EQ(engine().GetDomain("other.test")->undelete_window, 2 * kWindow);
  clock().Advance(kWindow);
  EmptyTrash();
  EXPECT_THAT(Trash(a), IsEmpty());
  EXPECT_THAT(Trash(b), SizeIs(1));
  // That of the address that the mailbox had then.
  AccountChange rename;
  rename.id = b;
  rename.address = "b@example.test";
  rename.time = clock().Now();
  ASSERT_OK(engine().UpdateAccount(rename).status());
  EXPECT_THAT(Trash(b), SizeIs(1));
  ASSERT_OK(engine().DeleteDomain("other.test"));
  EXPECT_THAT(Trash(b), IsEmpty());
  EmptyTrash();
}

TEST_P(TrashConformance, ItIsSearchedAsAMailboxIs) {
  SetWindow(kWindow);
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 20; ++i) Put(mailbox, std::string(static_cast<size_t>(100 * (i + 1)), 'x'));
  std::vector<MessageId> all = Ids(mailbox);
  ASSERT_EQ(engine().DeleteMessages(mailbox, all).value(), 20);
  Put(mailbox, "stays");
  for (const bool newest_first : {false, true}) {
    MessageSearch search;
    search.in_trash = true;
    search.newest_first = newest_first;
    search.limit = 3;
    search.look_limit = 5;
    search.after = MessageId{2};
    search.before = MessageId{19};
    search.filter.min_size_bytes = 1000;
    std::vector<MessageId> found;
    for (bool done = false; !done;) {
      const auto step = engine().Search(mailbox, search);
      ASSERT_OK(step.status());
      for (const MessageSummary& message : step->messages) found.push_back(message.id);
      (newest_first ? search.before : search.after) = step->last;
      done = step->done;
    }
    std::vector<MessageId> expected;
    for (const MessageSummary& message : Trash(mailbox)) {
      if (message.size_bytes >= 1000 && message.id.value > 2 && message.id.value < 19)
        expected.push_back(message.id);
    }
    if (newest_first) std::reverse(expected.begin(), expected.end());
    EXPECT_EQ(found, expected);
    EXPECT_GT(found.size(), 8u);
  }
}

// POP3 front-ends remember listings: one from before is no way to one with messages in its middle.
TEST_P(TrashConformance, AListingThatIsRememberedIsToldAnew) {
  SetWindow(kWindow);
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 5; ++i) Put(mailbox, "x");
  ASSERT_OK(engine().RenewLease("lease", "front-end", absl::Hours(1)));
  auto opened = OpenAs("session-1", mailbox, "lease");
  ASSERT_OK(opened);
  const auto committed = engine().CommitMaildrop({mailbox, "session-1", opened->token, MessagesOf({2, 4})});
  ASSERT_OK(committed);
  ASSERT_EQ(engine().Restore(mailbox, MessagesOf({4}))->count, 1);
  opened = OpenAs("session-2", mailbox, "lease", committed->version);
  ASSERT_OK(opened);
  EXPECT_FALSE(opened->since_known_version);
  ASSERT_THAT(opened->entries, SizeIs(4));
  EXPECT_EQ(opened->entries[2].id, MessageId{4});
  EXPECT_EQ(opened->message_count, 4);
  // While it is held its numbers stay right.
  EXPECT_THAT(engine().Restore(mailbox, MessagesOf({2})).status(),
              HasReason(StatusCode::kAborted, kReasonMaildropInUse));
  const std::string version = opened->version;
  ASSERT_OK(engine().ReleaseMaildrop(mailbox, "session-2"));
  // From here on it is remembered as ever.
  opened = OpenAs("session-3", mailbox, "lease", version);
  ASSERT_OK(opened);
  EXPECT_TRUE(opened->since_known_version);
  ASSERT_OK(engine().ReleaseMaildrop(mailbox, "session-3"));
  // Very often.
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(engine().Restore(mailbox, MessagesOf({2}))->count, 1);
    ASSERT_EQ(engine().DeleteMessages(mailbox, MessagesOf({2})).value(), 1);
  }
  opened = OpenAs("session-4", mailbox, "lease", version);
  ASSERT_OK(opened);
  EXPECT_FALSE(opened->since_known_version);
  EXPECT_THAT(opened->entries, SizeIs(4));
}

TEST_P(TrashConformance, TheFeedTellsWhatCameBack) {
  SetWindow(kWindow);
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 20; ++i) Put(mailbox, "x");
  ChangeQuestion question;
  question.kinds = KindBit(ChangeKind::kDeleted) | KindBit(ChangeKind::kRestored);
  question.accounts = {mailbox};
  ASSERT_EQ(engine().DeleteMessages(mailbox, Ids(mailbox)).value(), 20);
  ASSERT_EQ(engine().Restore(mailbox, MessagesOf({3, 4, 9, 99}))->count, 3);
  ASSERT_EQ(engine().Restore(mailbox, MessagesOf({3}))->count, 0);
  const auto page = BlockOn(facets().changes().Read(question));
  ASSERT_OK(page.status());
  ASSERT_THAT(page->changes, SizeIs(2));
  EXPECT_THAT(page->changes[0].deleted, SizeIs(20));
  EXPECT_EQ(page->changes[1].kind, ChangeKind::kRestored);
  EXPECT_EQ(page->changes[1].restored, MessagesOf({3, 4, 9}));
  EXPECT_THAT(page->changes[1].deleted, IsEmpty());
}

TEST_P(TrashConformance, ItGoesWithItsAccount) {
  SetWindow(kWindow);
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 30; ++i) Put(mailbox, RandomText(70'000, static_cast<uint32_t>(i)));
  ASSERT_EQ(engine().DeleteMessages(mailbox, MessagesOf({1, 2})).value(), 2);
  std::vector<MessageId> rest = Ids(mailbox);
  ASSERT_EQ(engine().DeleteMessages(mailbox, rest).value(), 28);
  ASSERT_OK(engine().DeleteAccount("a@example.test"));
  EXPECT_THAT(engine().Restore(mailbox, MessagesOf({1})).status(), HasCode(StatusCode::kNotFound));
  ASSERT_OK(engine().Sweep(absl::Hours(1)));
  Account account;
  account.id = mailbox;
  account.address = "a@example.test";
  ASSERT_OK(engine().CreateAccounts({account})[0].status());
  EXPECT_THAT(Trash(mailbox), IsEmpty());
  EXPECT_EQ(engine().Restore(mailbox, MessagesOf({1}))->missing, MessagesOf({1}));
  EmptyTrash();
  EXPECT_EQ(
      engine().Verify(AccountId(), [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(), 0);
}

TEST_P(TrashConformance, ItIsVerifiedToo) {
  SetWindow(kWindow);
  const AccountId mailbox = NewMailbox("a@example.test");
  const AccountId other = NewMailbox("b@example.test");
  for (int i = 0; i < 300; ++i) Put(i % 2 == 0 ? mailbox : other, "x");
  ASSERT_EQ(engine().DeleteMessages(mailbox, Ids(mailbox)).value(), 150);
  ASSERT_THAT(Trash(mailbox), SizeIs(150));
  const auto none = [](auto, auto, const auto& error) { ADD_FAILURE() << error; };
  EXPECT_EQ(engine().Verify(AccountId(), none).value(), 300);
  EXPECT_EQ(engine().Verify(mailbox, none).value(), 150);
  EXPECT_EQ(engine().Verify(other, none).value(), 150);
}

}  // namespace
}  // namespace mailstead::engine
