#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kPrefix[] = "Return-Path: <sender@example.org>\r\n";

TEST_P(ReadingConformance, WhatIsNotThere) {
  const AccountId mailbox = NewMailbox("a@example.test");
  EXPECT_THAT(engine().GetUsage(AccountId{999}).status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().ListMessages(AccountId{999}, MessageId{0}, 1).status(),
              HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().OpenMessage(AccountId{999}, MessageId{1}).status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().OpenMessage(mailbox, MessageId{1}).status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().DeleteMessages(AccountId{999}, {MessageId{1}}).status(),
              HasCode(StatusCode::kNotFound));
  EXPECT_EQ(engine().DeleteMessages(mailbox, {MessageId{1}, MessageId{0}}).value(), 0);
  EXPECT_EQ(engine().GetUsage(mailbox)->message_count, 0);
}

TEST_P(ReadingConformance, WhatWasNotThereToBeDeletedIsTold) {
  // Some at once, more in steps.
  for (const int count : {3, 40}) {
    const AccountId mailbox = NewMailbox(absl::StrCat(count, "@example.test"));
    for (int i = 0; i < count; ++i) Put(mailbox, "x");
    const std::vector<MessageId> all = Ids(mailbox);
    ASSERT_OK(engine().DeleteAndTell(mailbox, {all[1]}));
    std::vector<MessageId> asked = {MessageId{999}, MessageId{500}, MessageId{999}};
    asked.insert(asked.end(), all.begin(), all.end());
    const auto deleted = engine().DeleteAndTell(mailbox, asked);
    ASSERT_OK(deleted);
    EXPECT_EQ(deleted->count, count - 1);
    EXPECT_THAT(deleted->missing, ElementsAre(all[1], MessageId{500}, MessageId{999})) << count;
    const auto again = engine().DeleteAndTell(mailbox, all);
    ASSERT_OK(again);
    EXPECT_EQ(again->count, 0);
    EXPECT_EQ(again->missing, all) << count;
  }
}

TEST_P(ReadingConformance, MessagesAreListedInPages) {
  const AccountId before = NewMailbox("a@example.test");
  const AccountId mailbox = NewMailbox("b@example.test");
  const AccountId behind = NewMailbox("c@example.test");
  for (int i = 0; i < 7; ++i) {
    for (const AccountId each : {before, mailbox, behind}) Put(each, absl::StrCat(i));
  }
  const auto all = Ids(mailbox);
  ASSERT_THAT(all, SizeIs(7));
  for (const size_t limit : {1, 2, 3, 6, 7, 8}) {
    std::vector<MessageId> ids;
    for (MessageId after{0};;) {
      const auto page = engine().ListMessages(mailbox, after, limit);
      ASSERT_OK(page);
      ASSERT_LE(page->size(), limit);
      if (page->empty()) break;
      for (const MessageSummary& message : *page) ids.push_back(message.id);
      after = ids.back();
    }
    EXPECT_EQ(ids, all) << limit;
  }
  EXPECT_THAT(*engine().ListMessages(mailbox, MessageId{0}, 0), IsEmpty());
  EXPECT_THAT(*engine().ListMessages(mailbox, MessageId{std::numeric_limits<int64_t>::max()}, 10), IsEmpty());
  // The first of a page need not follow a message that is still there.
  ASSERT_EQ(engine().DeleteMessages(mailbox, {all[2]}).value(), 1);
  EXPECT_EQ((*engine().ListMessages(mailbox, all[2], 1))[0].id, all[3]);
}

// What a step of a search says.
std::vector<int64_t> IdsOf(const FoundMessages& found) {
  std::vector<int64_t> ids;
  for (const MessageSummary& message : found.messages) ids.push_back(message.id.value);
  return ids;
}

TEST_P(ReadingConformance, AMessageIsFound) {
  const AccountId mailbox = NewMailbox("a@example.test");
  NewMessage message = NewDelivery("delivery-with-fields", {mailbox});
  message.searched.known = true;
  message.searched.subject = "s";
  message.searched.from = {{"n", "a@x"}};
  message.searched.message_id = "i@x";
  message.searched.date = absl::FromUnixSeconds(5);
  message.searched.has_attachment = true;
  const SearchedFields fields = message.searched;
  ASSERT_OK(Append(std::move(message), "x"));
  Put(mailbox, "y");
  const std::vector<MessageSummary> listed = List(mailbox);
  ASSERT_THAT(listed, SizeIs(2));
  EXPECT_EQ(listed[0].searched, fields);
  EXPECT_EQ(listed[1].searched, SearchedFields());
  for (const MessageSummary& summary : listed) {
    const auto found = engine().FindMessage(mailbox, summary.id);
    ASSERT_OK(found);
    EXPECT_EQ(found->delivery_id, summary.delivery_id);
    EXPECT_EQ(found->searched, summary.searched);
  }
  Restart();
  EXPECT_EQ(engine().FindMessage(mailbox, listed[0].id)->searched, fields);
  ASSERT_EQ(engine().DeleteMessages(mailbox, {listed[0].id}).value(), 1);
  EXPECT_THAT(engine().FindMessage(mailbox, listed[0].id).status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().FindMessage(AccountId{999}, listed[1].id).status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().Search(AccountId{999}, {}).status(), HasCode(StatusCode::kNotFound));
}

// Without those that are deleted, taken away or not, whichever way it goes; in steps of any size.
TEST_P(ReadingConformance, ASearchGoesBothWaysInSteps) {
  const AccountId before = NewMailbox("a@example.test");
  const AccountId mailbox = NewMailbox("b@example.test");
  const AccountId behind = NewMailbox("c@example.test");
  for (int i = 0; i < 300; ++i) {
    if (i % 40 == 0) Put(before, "x");
    Put(mailbox, std::string(static_cast<size_t>(1 + i % 3), 'x'));
    if (i % 40 == 0) Put(behind, "x");
  }
  const std::vector<MessageId> all = Ids(mailbox);
  // More than is deleted at once, in runs; the last and the first among them.
  std::vector<MessageId> gone = {all[0], all[60], all[62]};
  for (size_t i = 80; i < all.size(); ++i) gone.push_back(all[i]);
  ASSERT_EQ(engine().DeleteMessages(mailbox, gone).value(), static_cast<int64_t>(gone.size()));
  const std::vector<MessageId> left = Ids(mailbox);

  constexpr int64_t kFrontBytes = sizeof kPrefix - 1;
  for (const bool newest_first : {false, true}) {
    for (const int64_t size : {int64_t{0}, int64_t{2}}) {
      std::vector<int64_t> expected;
      for (const MessageSummary& message : List(mailbox)) {
        if (size == 0 || message.content_bytes == size) expected.push_back(message.id.value);
      }
      if (newest_first) std::reverse(expected.begin(), expected.end());
      for (const size_t limit : {size_t{1}, size_t{7}, size_t{1000}}) {
        for (const size_t look_limit : {limit, size_t{10}, size_t{1000}}) {
          MessageSearch search;
          search.newest_first = newest_first;
          search.limit = limit;
          search.look_limit = look_limit;
          if (size != 0) {
            search.filter.min_size_bytes = search.filter.max_size_bytes = size + kFrontBytes;
          }
          std::vector<int64_t> found;
          for (int steps = 0; steps < 1000; ++steps) {
            const auto step = engine().Search(mailbox, search);
            ASSERT_OK(step);
            ASSERT_LE(step->messages.size(), limit);
            const std::vector<int64_t> ids = IdsOf(*step);
            found.insert(found.end(), ids.begin(), ids.end());
            if (step->done) break;
            ASSERT_NE(step->last.value, 0);
            (newest_first ? search.before : search.after) = step->last;
          }
          EXPECT_EQ(found, expected) << newest_first << " " << size << " " << limit << " " << look_limit;
        }
      }
    }
  }

  MessageSearch between;
  between.after = left[3];
  between.before = left[6];
  between.limit = between.look_limit = 10;
  EXPECT_THAT(IdsOf(*engine().Search(mailbox, between)), ElementsAre(left[4].value, left[5].value));
  between.newest_first = true;
  EXPECT_THAT(IdsOf(*engine().Search(mailbox, between)), ElementsAre(left[5].value, left[4].value));
  between.before = between.after;
  EXPECT_TRUE(engine().Search(mailbox, between)->done);
  EXPECT_THAT(engine().Search(mailbox, between)->messages, IsEmpty());
  between.before = MessageId{0};
  between.after = MessageId{std::numeric_limits<int64_t>::max()};
  EXPECT_TRUE(engine().Search(mailbox, between)->done);
}

TEST_P(ReadingConformance, AnyRangeCanBeRead) {
  const AccountId mailbox = NewMailbox("a@example.test");
  for (const size_t size : {size_t{500}, size_t{200'000}}) {
    const std::string content = RandomText(size, 3);
    Put(mailbox, content);
    const std::string whole = kPrefix + content;
    auto reader = engine().OpenMessage(mailbox, Ids(mailbox).back());
    ASSERT_OK(reader);
    for (const int64_t offset : {0, 1, 34, 35, 36, 499, 534, 535, 65535, 65570, 65571, 65572, 131106, 200'034,
                                 200'035, 200'036, 1'000'000}) {
      for (const size_t max_bytes : {1, 2, 100, 65535, 65536, 65537, 1'000'000}) {
        const auto piece = Read(**reader, offset, max_bytes);
        ASSERT_OK(piece);
        const size_t expected =
            static_cast<size_t>(offset) >= whole.size()
                ? 0
                : std::min({max_bytes, size_t{65536}, whole.size() - static_cast<size_t>(offset)});
        ASSERT_EQ(piece->size(), expected) << offset << " " << max_bytes;
        if (expected > 0) {
          ASSERT_EQ(*piece, whole.substr(static_cast<size_t>(offset), expected));
        }
      }
    }
    EXPECT_EQ(ReadAll(**reader, 7777).value(), whole);
  }
}

TEST_P(ReadingConformance, AReaderKeepsItsMessage) {
  const AccountId mailbox = NewMailbox("a@example.test");
  const std::string small = RandomText(3000, 1);
  const std::string large = RandomText(1'000'000, 2);
  Put(mailbox, small);
  Put(mailbox, large);
  const auto ids = Ids(mailbox);
  auto small_reader = engine().OpenMessage(mailbox, ids[0]);
  auto large_reader = engine().OpenMessage(mailbox, ids[1]);
  ASSERT_OK(small_reader);
  ASSERT_OK(large_reader);
  ASSERT_EQ(Read(**large_reader, 0, 1000).value(), (kPrefix + large).substr(0, 1000));
  ASSERT_EQ(engine().DeleteMessages(mailbox, ids).value(), 2);
  ASSERT_OK(engine().DeleteAccount("a@example.test"));
  ASSERT_OK(engine().Sweep(absl::Hours(1)));
  EXPECT_EQ(ReadAll(**small_reader, 1000).value(), kPrefix + small);
  EXPECT_EQ(ReadAll(**large_reader, 65536).value(), kPrefix + large);
}

TEST_P(ReadingConformance, DeleteMessagesCountsWhatWasThere) {
  const AccountId mailbox = NewMailbox("a@example.test");
  for (int i = 0; i < 4; ++i) Put(mailbox, "x");
  const auto ids = Ids(mailbox);
  EXPECT_EQ(engine().DeleteMessages(mailbox, {ids[0], MessageId{999}, ids[2], ids[0]}).value(), 2);
  EXPECT_EQ(engine().DeleteMessages(mailbox, {ids[0], ids[1]}).value(), 1);
  EXPECT_EQ(engine().DeleteMessages(mailbox, {}).value(), 0);
  EXPECT_THAT(Ids(mailbox), testing::ElementsAre(ids[3]));
}

TEST_P(ReadingConformance, ReadersSeeNoHalfDeletion) {
  const AccountId mailbox = NewMailbox("a@example.test");
  const std::string content = RandomText(300'000, 9);
  for (int round = 0; round < 20; ++round) {
    Put(mailbox, content);
    const MessageId id = Ids(mailbox)[0];
    std::thread deleter([&] { EXPECT_EQ(engine().DeleteMessages(mailbox, {id}).value(), 1); });
    for (;;) {
      const auto whole = Fetch(mailbox, id);
      if (absl::IsNotFound(whole.status())) break;
      ASSERT_OK(whole) << whole.status();
      ASSERT_EQ(*whole, kPrefix + content);
    }
    deleter.join();
  }
}

}  // namespace
}  // namespace mailstead::engine
