// The messages of a mailbox that are wanted: ListMessages gives them (filters, orders, pages), DeleteMessages deletes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/base/reason.h"
#include "stored/core/digest.h"
#include "stored/core/limits.h"
#include "tests/unit/stored/api/api_fixture.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

using testing::ElementsAre;

// What a message is made of, and searched by.
struct Mail {
  int64_t id = 0;
  std::string reverse_path;
  std::string recipient;
  std::string name;
  std::string address;
  std::string subject;
  std::string message_id;
  bool has_attachment = false;
  // Then all of it has to be read to know of attachments.
  bool is_multipart = false;
  int64_t padding = 0;
  // Taken in by a store of an earlier version.
  bool is_old = false;
  int64_t size_bytes = 0;
  absl::Time time;
};

class MessageListTest : public ApiTest {
 protected:
  MessageListTest() : account_(AddAccount("a@example.test")) {}

  // Straight into the engine, as intake would, so that thousands take no time.
  void Put(Mail& mail) {
    std::string content = absl::StrCat(
        "From: \"", mail.name, "\" <", mail.address, ">\r\nSubject: ", mail.subject, "\r\nMessage-ID: <",
        mail.message_id, ">\r\nContent-Disposition: ", mail.has_attachment ? "attachment" : "inline",
        mail.is_multipart ? "\r\nContent-Type: multipart/mixed; boundary=b" : "", "\r\n\r\n",
        std::string(static_cast<size_t>(mail.padding), 'x'), "\r\n");
    engine::NewMessage message;
    message.delivery_scope = "operator";
    message.envelope.delivery_id = absl::StrCat("delivery-number-", ++count_);
    message.envelope.reverse_path = mail.reverse_path;
    message.envelope.recipients.emplace_back().address = mail.recipient;
    message.copies.emplace_back();
    message.copies[0].account = AccountId{account_};
    message.copies[0].recipients = {0};
    message.sha256 = Sha256(content);
    message.fingerprint = Sha256(message.envelope.delivery_id);
    message.deliver_time = clock_.Now();
    if (!mail.is_old) {
      message.searched.known = true;
      message.searched.subject = mail.subject;
      message.searched.from = {{mail.name, mail.address}};
      message.searched.message_id = mail.message_id;
      message.searched.has_attachment = mail.has_attachment;
    }
    mail.size_bytes = static_cast<int64_t>(content.size());
    mail.time = clock_.Now();
    mail.id = count_;
    engine::Content bytes;
    bytes.whole = std::move(content);
    ASSERT_TRUE(BlockOn(engine().messages().Append(std::move(message), std::move(bytes), {})).ok());
  }

  static v1::ListMessagesRequest NewList(int32_t page_size) {
    v1::ListMessagesRequest list;
    list.set_account("a@example.test");
    list.set_page_size(page_size);
    return list;
  }
  absl::StatusOr<v1::ListMessagesResponse> List(const v1::ListMessagesRequest& list) {
    return AsOperator<v1::ListMessagesResponse>("MessageService/ListMessages", list);
  }
  // The ids of all pages.
  std::vector<int64_t> All(v1::ListMessagesRequest list, int* page_count = nullptr) {
    std::vector<int64_t> ids;
    do {
      const auto page = List(list);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      EXPECT_LE(page->messages_size(), list.page_size() == 0 ? 100 : list.page_size());
      for (const v1::Message& message : page->messages()) ids.push_back(message.summary().message_id());
      list.set_page_token(page->next_page_token());
      if (page_count != nullptr) ++*page_count;
    } while (!list.page_token().empty());
    return ids;
  }

  static v1::DeleteMessagesRequest NewDeletion(const v1::MessageFilter& filter) {
    v1::DeleteMessagesRequest deletion;
    deletion.set_account("a@example.test");
    *deletion.mutable_filter() = filter;
    return deletion;
  }
  static v1::MessageFilter OfSubject(const std::string& subject) {
    v1::MessageFilter filter;
    filter.set_subject_contains(subject);
    return filter;
  }
  absl::StatusOr<v1::DeleteMessagesResponse> Delete(const v1::DeleteMessagesRequest& deletion) {
    return AsOperator<v1::DeleteMessagesResponse>("MessageService/DeleteMessages", deletion);
  }
  // What all calls tell of, until nothing is left.
  std::vector<int64_t> DeleteAll(v1::DeleteMessagesRequest deletion, int* call_count = nullptr) {
    std::vector<int64_t> ids;
    do {
      const auto answer = Delete(deletion);
      EXPECT_TRUE(answer.ok()) << answer.status();
      if (!answer.ok()) break;
      EXPECT_EQ(answer->deleted_count(), answer->deleted_message_ids_size());
      EXPECT_EQ(answer->missing_message_ids_size(), 0);
      ids.insert(ids.end(), answer->deleted_message_ids().begin(), answer->deleted_message_ids().end());
      deletion.set_page_token(answer->next_page_token());
      if (call_count != nullptr) ++*call_count;
    } while (!deletion.page_token().empty());
    return ids;
  }

  const int64_t account_;
  int64_t count_ = 0;
};

INSTANTIATE_TEST_SUITE_P(EveryDoor, MessageListTest, testing::Values(TestDoor::kGrpc), NameOfDoor);

// Filters against what they say, over all messages: random, and the same for the same seed.
TEST_P(MessageListTest, FiltersFindWhatTheySay) {
  uint64_t seed = std::random_device()();
  const char* const given = std::getenv("MAILSTEAD_SEED");
  if (given != nullptr) {
    ASSERT_TRUE(absl::SimpleAtoi(given, &seed));
  }
  std::cout << "MAILSTEAD_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);
  const auto below = [&random](int64_t n) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(n));
  };
  const auto one_of = [&](const std::vector<std::string>& some) {
    return some[static_cast<size_t>(below(static_cast<int64_t>(some.size())))];
  };
  const std::vector<std::string> names = {"Ann", "bob", "Ann Bob", "J\xc3\xb6rg", ""};
  const std::vector<std::string> addresses = {"ann@example.org", "bob@example.org", "ANN@example.com"};
  const std::vector<std::string> subjects = {"Order 12", "order 123", "Re: Order",
                                             "Gr\xc3\xbc\xc3\x9f"
                                             "e",
                                             ""};
  std::vector<Mail> mails(300);
  for (Mail& mail : mails) {
    mail.reverse_path = one_of({"", "ann@example.org", "bounce@example.org"});
    mail.recipient = one_of({"a@example.test", "a+tag@example.test"});
    mail.name = one_of(names);
    mail.address = one_of(addresses);
    mail.subject = one_of(subjects);
    mail.message_id = absl::StrCat(below(40), "@Example.org");
    mail.has_attachment = below(3) == 0;
    mail.padding = below(2000);
    mail.is_old = below(5) == 0;
    if (below(4) == 0) clock_.Advance(absl::Minutes(1));
    Put(mail);
  }
  // Also of messages that are gone by then.
  std::vector<absl::Time> times;
  for (const Mail& mail : mails) times.push_back(mail.time);
  const auto contains = [](absl::string_view text, absl::string_view part) {
    return absl::StrContains(absl::AsciiStrToLower(text), absl::AsciiStrToLower(part));
  };
  for (int round = 0; round < 150; ++round) {
    v1::ListMessagesRequest list = NewList(static_cast<int32_t>(1 + below(60)));
    v1::MessageFilter& filter = *list.mutable_filter();
    std::vector<std::function<bool(const Mail&)>> wanted;
    if (below(4) == 0) {
      filter.set_after_message_id(below(310));
      wanted.push_back([after = filter.after_message_id()](const Mail& mail) { return mail.id > after; });
    }
    if (below(4) == 0) {
      const absl::Time since = times[static_cast<size_t>(below(300))];
      filter.mutable_since_time()->set_seconds(absl::ToUnixSeconds(since));
      wanted.push_back(
          [s = absl::FromUnixSeconds(absl::ToUnixSeconds(since))](const Mail& m) { return m.time >= s; });
    }
    if (below(4) == 0) {
      const absl::Time until = times[static_cast<size_t>(below(300))];
      filter.mutable_until_time()->set_seconds(absl::ToUnixSeconds(until));
      wanted.push_back(
          [u = absl::FromUnixSeconds(absl::ToUnixSeconds(until))](const Mail& m) { return m.time < u; });
    }
    if (below(4) == 0) {
      filter.set_min_size_bytes(below(2500));
      wanted.push_back([n = filter.min_size_bytes()](const Mail& mail) { return mail.size_bytes >= n; });
    }
    if (below(4) == 0) {
      filter.set_max_size_bytes(1 + below(2500));
      wanted.push_back([n = filter.max_size_bytes()](const Mail& mail) { return mail.size_bytes <= n; });
    }
    if (below(4) == 0) {
      const std::string sender = one_of({"", "ANN@example.org", "nobody@example.org"});
      filter.mutable_reverse_path()->set_value(below(2) == 0 ? sender : absl::StrCat("<", sender, ">"));
      wanted.push_back(
          [sender](const Mail& mail) { return absl::EqualsIgnoreCase(sender, mail.reverse_path); });
    }
    if (below(4) == 0) {
      filter.set_recipient(one_of({"A@example.test", "a+tag@example.test", "b@example.test"}));
      wanted.push_back(
          [r = filter.recipient()](const Mail& m) { return absl::EqualsIgnoreCase(r, m.recipient); });
    }
    if (below(4) == 0) {
      filter.set_from_contains(one_of({"ann", "N B", "@EXAMPLE.org", "\xc3\xb6r", "carol"}));
      wanted.push_back([&, f = filter.from_contains()](const Mail& mail) {
        return contains(mail.name, f) || contains(mail.address, f);
      });
    }
    if (below(4) == 0) {
      filter.set_subject_contains(one_of({"ORDER 12", "order", "\xc3\x9f", "nothing of it"}));
      wanted.push_back(
          [&, s = filter.subject_contains()](const Mail& mail) { return contains(mail.subject, s); });
    }
    if (below(6) == 0) {
      const std::string id = absl::StrCat(below(50), "@Example.org");
      filter.set_header_message_id(below(2) == 0 ? id : absl::StrCat("<", id, ">"));
      wanted.push_back([id](const Mail& mail) { return mail.message_id == id; });
    }
    if (below(4) == 0) {
      filter.mutable_has_attachment()->set_value(below(2) == 0);
      wanted.push_back(
          [a = filter.has_attachment().value()](const Mail& m) { return m.has_attachment == a; });
    }
    std::vector<int64_t> expected;
    for (const Mail& mail : mails) {
      const auto is_so = [&mail](const auto& want) { return want(mail); };
      if (std::all_of(wanted.begin(), wanted.end(), is_so)) expected.push_back(mail.id);
    }
    if (below(2) == 0) {
      list.set_order(v1::MESSAGE_ORDER_NEWEST_FIRST);
      std::reverse(expected.begin(), expected.end());
    }
    ASSERT_EQ(All(list), expected) << list.ShortDebugString();
    // A deletion finds the same, the oldest first.
    if (wanted.empty()) continue;
    std::sort(expected.begin(), expected.end());
    v1::DeleteMessagesRequest deletion = NewDeletion(filter);
    deletion.set_dry_run(true);
    const absl::Status first = Delete(deletion).status();
    if (FieldOf(first) == "filter") {
      EXPECT_EQ(expected.size(), mails.size()) << "it asks for nothing: " << filter.ShortDebugString();
      continue;
    }
    ASSERT_EQ(DeleteAll(deletion), expected) << filter.ShortDebugString();
    // Now and then in earnest: what it does not want stays.
    if (below(20) != 0) continue;
    deletion.set_dry_run(false);
    ASSERT_EQ(DeleteAll(deletion), expected) << filter.ShortDebugString();
    std::erase_if(mails, [&](const Mail& mail) {
      return std::binary_search(expected.begin(), expected.end(), mail.id);
    });
    std::vector<int64_t> left;
    for (const Mail& mail : mails) left.push_back(mail.id);
    ASSERT_EQ(All(NewList(0)), left) << filter.ShortDebugString();
    ASSERT_THAT(DeleteAll(deletion), testing::IsEmpty()) << "a repeat";
  }
}

TEST_P(MessageListTest, PagesSurviveWhatComesAndGoes) {
  Mail mail{.recipient = "a@example.test"};
  for (int i = 0; i < 40; ++i) Put(mail);
  for (const auto order : {v1::MESSAGE_ORDER_OLDEST_FIRST, v1::MESSAGE_ORDER_NEWEST_FIRST}) {
    const std::vector<int64_t> before = All(NewList(1000));
    std::set<int64_t> removed;
    v1::ListMessagesRequest list = NewList(5);
    list.set_order(order);
    std::vector<int64_t> seen;
    do {
      const auto page = List(list);
      ASSERT_TRUE(page.ok()) << page.status();
      for (const v1::Message& message : page->messages()) seen.push_back(message.summary().message_id());
      list.set_page_token(page->next_page_token());
      // The last one given, and one that would come soon; and a new one.
      for (const int64_t gone :
           {seen.back(), order == v1::MESSAGE_ORDER_OLDEST_FIRST ? seen.back() + 2 : seen.back() - 2}) {
        if (BlockOn(engine().messages().Delete(AccountId{account_}, {MessageId{gone}}))->count > 0)
          removed.insert(gone);
      }
      if (seen.size() < 30) Put(mail);
    } while (!list.page_token().empty());
    EXPECT_TRUE(order == v1::MESSAGE_ORDER_OLDEST_FIRST ? std::is_sorted(seen.begin(), seen.end())
                                                        : std::is_sorted(seen.rbegin(), seen.rend()));
    EXPECT_EQ(std::set<int64_t>(seen.begin(), seen.end()).size(), seen.size());
    for (const int64_t id : before) {
      if (removed.count(id) == 0) {
        EXPECT_THAT(seen, testing::Contains(id));
      }
    }
  }
}

TEST_P(MessageListTest, ATokenIsOfItsListing) {
  Mail mail{.recipient = "a@example.test"};
  for (int i = 0; i < 5; ++i) Put(mail);
  v1::ListMessagesRequest list = NewList(2);
  const auto page = List(list);
  ASSERT_TRUE(page.ok());
  list.set_page_token(page->next_page_token());
  EXPECT_TRUE(List(list).ok());
  // The next page may be of another size and view.
  list.set_page_size(1);
  list.set_view(v1::MESSAGE_VIEW_HEADERS);
  EXPECT_TRUE(List(list).ok());
  v1::ListMessagesRequest other = list;
  other.set_order(v1::MESSAGE_ORDER_NEWEST_FIRST);
  EXPECT_EQ(FieldOf(List(other).status()), "page_token");
  other = list;
  other.mutable_filter()->set_subject_contains("x");
  EXPECT_EQ(FieldOf(List(other).status()), "page_token");
  AddAccount("b@example.test");
  other = list;
  other.set_account("b@example.test");
  EXPECT_EQ(FieldOf(List(other).status()), "page_token");
  // The same order by another name, and no filter as an empty one.
  other = list;
  other.set_order(v1::MESSAGE_ORDER_OLDEST_FIRST);
  other.mutable_filter();
  EXPECT_TRUE(List(other).ok());
}

TEST_P(MessageListTest, WhatIsAskedWronglyIsNamed) {
  struct Case {
    std::function<void(v1::ListMessagesRequest&)> ask;
    std::string field;
  };
  const std::string long_text(999, 'x');
  const Case cases[] = {
      {[](auto& list) { list.set_page_size(-1); }, "page_size"},
      {[](auto& list) { list.set_order(static_cast<v1::MessageOrder>(9)); }, "order"},
      {[](auto& list) { list.set_view(static_cast<v1::MessageView>(9)); }, "view"},
      {[](auto& list) { list.mutable_filter()->set_after_message_id(-1); }, "filter.after_message_id"},
      {[](auto& list) { list.mutable_filter()->set_min_size_bytes(-1); }, "filter.min_size_bytes"},
      {[](auto& list) { list.mutable_filter()->set_max_size_bytes(-1); }, "filter.max_size_bytes"},
      {[](auto& list) { list.mutable_filter()->mutable_since_time()->set_nanos(-1); }, "filter.since_time"},
      {[](auto& list) { list.mutable_filter()->mutable_until_time()->set_seconds(1LL << 60); },
       "filter.until_time"},
      {[&](auto& list) { list.mutable_filter()->set_subject_contains(long_text); },
       "filter.subject_contains"},
      {[&](auto& list) { list.mutable_filter()->set_from_contains(long_text); }, "filter.from_contains"},
      {[&](auto& list) { list.mutable_filter()->set_header_message_id("<>"); }, "filter.header_message_id"},
  };
  for (const Case& c : cases) {
    v1::ListMessagesRequest list = NewList(10);
    c.ask(list);
    EXPECT_EQ(FieldOf(List(list).status()), c.field);
  }
}

// A page ends where its messages have about 1 MiB, and one message always fits.
TEST_P(MessageListTest, PagesAreBoundedInBytes) {
  Mail mail{.recipient = "a@example.test", .padding = 400'000};
  for (int i = 0; i < 5; ++i) Put(mail);
  mail.padding = 3'000'000;
  Put(mail);
  mail.padding = 5'000'000;
  Put(mail);
  v1::ListMessagesRequest list = NewList(100);
  list.set_view(v1::MESSAGE_VIEW_RAW);
  std::vector<std::vector<int64_t>> pages;
  do {
    const auto page = List(list);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LE(page->ByteSizeLong(), size_t{4} << 20);
    pages.emplace_back();
    for (const v1::Message& message : page->messages()) {
      pages.back().push_back(message.summary().message_id());
      const bool fits = message.summary().message_id() < 7;
      EXPECT_EQ(message.omitted_content(),
                fits ? v1::OMITTED_CONTENT_UNSPECIFIED : v1::OMITTED_CONTENT_TOO_LARGE);
      EXPECT_EQ(static_cast<int64_t>(message.raw().size()), fits ? message.summary().size_bytes() : 0);
    }
    list.set_page_token(page->next_page_token());
  } while (!list.page_token().empty());
  EXPECT_THAT(pages, ElementsAre(ElementsAre(1, 2), ElementsAre(3, 4), ElementsAre(5), ElementsAre(6),
                                 ElementsAre(7)));
}

// What is looked at in one call is bounded, so a page may be empty and not the last one.
TEST_P(MessageListTest, OfManyMessagesOneCallLooksAtSome) {
  Mail mail{.recipient = "a@example.test", .subject = "usual"};
  constexpr int64_t kCount = 2 * static_cast<int64_t>(kMaxSearchedMessages) + 500;
  for (int64_t i = 0; i < kCount; ++i) {
    mail.subject = i == kCount - 10 ? "rare" : "usual";
    Put(mail);
  }
  v1::ListMessagesRequest list = NewList(10);
  list.mutable_filter()->set_subject_contains("rare");
  const auto first = List(list);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->messages_size(), 0);
  EXPECT_NE(first->next_page_token(), "");
  int page_count = 0;
  EXPECT_THAT(All(list, &page_count), ElementsAre(kCount - 9));
  EXPECT_EQ(page_count, 3);
  list.set_order(v1::MESSAGE_ORDER_NEWEST_FIRST);
  EXPECT_EQ(List(list)->messages_size(), 1);
}

// Headers that are not kept are read, and one call reads some of them.
TEST_P(MessageListTest, OfOldMessagesOneCallReadsSome) {
  Mail mail{.recipient = "a@example.test", .subject = "old", .padding = 1'000'000, .is_old = true};
  for (int i = 0; i < 20; ++i) Put(mail);
  int page_count = 0;
  v1::ListMessagesRequest list = NewList(1000);
  EXPECT_EQ(All(list, &page_count).size(), 20u);
  // Of a header no more than a piece is read.
  EXPECT_EQ(page_count, 1);
  list.mutable_filter()->set_subject_contains("OLD");
  EXPECT_EQ(All(list).size(), 20u);
  list.mutable_filter()->set_subject_contains("new");
  EXPECT_EQ(All(list).size(), 0u);
  mail.is_multipart = true;
  for (int i = 0; i < 20; ++i) Put(mail);
  page_count = 0;
  list.mutable_filter()->set_after_message_id(20);
  EXPECT_EQ(All(list, &page_count).size(), 0u);
  EXPECT_EQ(page_count, 3);
  list.mutable_filter()->set_subject_contains("old");
  EXPECT_EQ(All(list).size(), 20u);
}

TEST_P(MessageListTest, ADryRunDeletesNothing) {
  Mail mail{.recipient = "a@example.test"};
  for (int i = 0; i < 6; ++i) {
    mail.subject = i % 2 == 0 ? "even" : "odd";
    Put(mail);
  }
  v1::DeleteMessagesRequest deletion = NewDeletion(OfSubject("ODD"));
  deletion.set_dry_run(true);
  EXPECT_THAT(DeleteAll(deletion), ElementsAre(2, 4, 6));
  EXPECT_EQ(All(NewList(0)).size(), 6u);
  deletion.clear_filter();
  deletion.set_all(true);
  EXPECT_EQ(DeleteAll(deletion).size(), 6u);
  EXPECT_EQ(All(NewList(0)).size(), 6u);
  deletion.set_dry_run(false);
  EXPECT_THAT(DeleteAll(deletion), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(All(NewList(0)), testing::IsEmpty());
  EXPECT_THAT(DeleteAll(deletion), testing::IsEmpty()) << "of an empty mailbox";
}

// n-1, n and n+1 of what one call deletes; and what comes in between two calls stays.
TEST_P(MessageListTest, OneCallDeletesSome) {
  constexpr int64_t kMost = static_cast<int64_t>(kMaxDeleteMessages);
  Mail mail{.recipient = "a@example.test", .subject = "x"};
  v1::DeleteMessagesRequest deletion;
  deletion.set_account("a@example.test");
  deletion.set_all(true);
  for (const int64_t count : {kMost - 1, kMost, kMost + 1}) {
    for (int64_t i = 0; i < count; ++i) Put(mail);
    auto answer = Delete(deletion);
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->deleted_count(), std::min(count, kMost));
    Put(mail);
    int64_t deleted = answer->deleted_count();
    v1::DeleteMessagesRequest next = deletion;
    while (!answer->next_page_token().empty()) {
      next.set_page_token(answer->next_page_token());
      answer = Delete(next);
      ASSERT_TRUE(answer.ok()) << answer.status();
      deleted += answer->deleted_count();
    }
    EXPECT_EQ(deleted, count);
    EXPECT_THAT(All(NewList(0)), ElementsAre(count_)) << "the one that came in";
    // A first call begins anew.
    EXPECT_THAT(DeleteAll(deletion), ElementsAre(count_));
  }
}

TEST_P(MessageListTest, OneCallThatDeletesLooksAtSome) {
  Mail mail{.recipient = "a@example.test", .subject = "usual"};
  constexpr int64_t kCount = 2 * static_cast<int64_t>(kMaxSearchedMessages) + 500;
  for (int64_t i = 0; i < kCount; ++i) {
    mail.subject = i == kCount - 10 ? "rare" : "usual";
    Put(mail);
  }
  const v1::DeleteMessagesRequest deletion = NewDeletion(OfSubject("rare"));
  const auto first = Delete(deletion);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->deleted_count(), 0);
  EXPECT_NE(first->next_page_token(), "");
  int call_count = 0;
  EXPECT_THAT(DeleteAll(deletion, &call_count), ElementsAre(kCount - 9));
  EXPECT_EQ(call_count, 3);
}

TEST_P(MessageListTest, ATokenIsOfItsDeletion) {
  const int64_t other_account = AddAccount("b@example.test");
  Mail mail{.recipient = "a@example.test", .subject = "x"};
  for (size_t i = 0; i <= kMaxDeleteMessages; ++i) Put(mail);
  v1::DeleteMessagesRequest good = NewDeletion(OfSubject("x"));
  good.set_dry_run(true);
  const auto answer = Delete(good);
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_NE(answer->next_page_token(), "");
  good.set_page_token(answer->next_page_token());
  const auto wrong = [&](const std::function<void(v1::DeleteMessagesRequest&)>& change) {
    v1::DeleteMessagesRequest deletion = good;
    change(deletion);
    return FieldOf(Delete(deletion).status());
  };
  EXPECT_EQ(wrong([&](auto& deletion) { deletion.set_account(absl::StrCat(other_account)); }), "page_token");
  EXPECT_EQ(wrong([](auto& deletion) { deletion.set_dry_run(false); }), "page_token");
  EXPECT_EQ(wrong([](auto& deletion) { deletion.mutable_filter()->set_subject_contains("y"); }),
            "page_token");
  EXPECT_EQ(wrong([](auto& deletion) {
              deletion.clear_filter();
              deletion.set_all(true);
            }),
            "page_token");
  EXPECT_EQ(wrong([](auto& deletion) { deletion.set_page_token("x"); }), "page_token");
  EXPECT_EQ(All(NewList(1000)).size(), kMaxDeleteMessages + 1) << "nothing was deleted";
  const auto last = Delete(good);
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->deleted_count(), 1);
  EXPECT_EQ(last->next_page_token(), "");
}

TEST_P(MessageListTest, WhatIsToBeDeletedIsSaidInOneWay) {
  Mail mail{.recipient = "a@example.test", .subject = "x"};
  for (int i = 0; i < 3; ++i) Put(mail);
  struct Case {
    std::function<void(v1::DeleteMessagesRequest&)> set;
    const char* field;
  };
  const std::vector<Case> cases = {
      {[](auto&) {}, "message_ids"},
      {[](auto& deletion) { deletion.mutable_filter(); }, "filter"},
      {[](auto& deletion) { deletion.mutable_filter()->set_max_size_bytes(0); }, "filter"},
      {[](auto& deletion) {
         v1::MessageFilter& filter = *deletion.mutable_filter();
         filter = OfSubject("x");
         filter.GetReflection()->MutableUnknownFields(&filter)->AddVarint(9999, 1);
       },
       "filter"},
      {[](auto& deletion) { deletion.mutable_filter()->set_min_size_bytes(-1); }, "filter.min_size_bytes"},
      {[](auto& deletion) { deletion.mutable_filter()->set_after_message_id(-1); },
       "filter.after_message_id"},
      {[](auto& deletion) {
         deletion.set_all(true);
         *deletion.mutable_filter() = OfSubject("x");
       },
       "all"},
      {[](auto& deletion) {
         deletion.set_all(true);
         deletion.add_message_ids(1);
       },
       "message_ids"},
      {[](auto& deletion) {
         *deletion.mutable_filter() = OfSubject("x");
         deletion.add_message_ids(1);
       },
       "message_ids"},
      {[](auto& deletion) {
         deletion.set_dry_run(true);
         deletion.add_message_ids(1);
       },
       "dry_run"},
      {[](auto& deletion) {
         deletion.set_page_token("x");
         deletion.add_message_ids(1);
       },
       "page_token"},
      {[](auto& deletion) {
         deletion.set_account("");
         deletion.set_all(true);
       },
       "account"},
  };
  for (const Case& c : cases) {
    v1::DeleteMessagesRequest deletion;
    deletion.set_account("a@example.test");
    c.set(deletion);
    EXPECT_EQ(FieldOf(Delete(deletion).status()), c.field) << deletion.ShortDebugString();
  }
  v1::DeleteMessagesRequest of_nobody = NewDeletion(OfSubject("x"));
  of_nobody.set_account("nobody@example.test");
  EXPECT_EQ(ReasonOf(Delete(of_nobody).status()), kReasonAccountNotFound);
  EXPECT_EQ(All(NewList(0)).size(), 3u) << "nothing was deleted";
  // What asks for something, however much that is.
  v1::MessageFilter null_sender;
  null_sender.mutable_reverse_path();
  EXPECT_THAT(DeleteAll(NewDeletion(null_sender)), ElementsAre(1, 2, 3));
  Put(mail);
  v1::MessageFilter after;
  after.set_after_message_id(1);
  EXPECT_THAT(DeleteAll(NewDeletion(after)), ElementsAre(4));
}

}  // namespace
}  // namespace mailstead::stored
