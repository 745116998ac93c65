#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/reason.h"
#include "common/store/limits.h"
#include "tests/unit/stored/api/api_fixture.h"

namespace mailstead::stored {
namespace {

namespace v1 = frontend::v1;

constexpr char kUser[] = "a@example.test";
constexpr char kPassword[] = "secret";
constexpr char kOurs[] = "Return-Path: <sender@elsewhere.test>\r\nDelivered-To: a@example.test\r\n";

class MaildropApiTest : public ApiTest {
 protected:
  MaildropApiTest() : account_(AddAccount(kUser, kPassword)) {}

  std::string Grant(const std::string& session) { return LogIn(kUser, kPassword, session).grant(); }

  absl::StatusOr<v1::OpenMaildropResponse> OpenMaildrop(const std::string& grant, const std::string& session,
                                                        const std::string& known_version = "") {
    v1::OpenMaildropRequest request;
    request.set_grant(grant);
    request.set_lease_id(kLease);
    request.set_known_version(known_version);
    return AsPop<v1::OpenMaildropResponse>("MaildropService/OpenMaildrop", session, request);
  }
  absl::StatusOr<v1::CommitMaildropResponse> Commit(const std::string& grant, const std::string& session,
                                                    const std::string& token,
                                                    std::vector<int64_t> deletions) {
    v1::CommitMaildropRequest request;
    request.set_grant(grant);
    request.set_token(token);
    for (const int64_t id : deletions) request.add_message_ids(id);
    return AsPop<v1::CommitMaildropResponse>("MaildropService/CommitMaildrop", session, request);
  }
  absl::Status Release(const std::string& grant, const std::string& session) {
    v1::ReleaseMaildropRequest request;
    request.set_grant(grant);
    return AsPop<v1::ReleaseMaildropResponse>("MaildropService/ReleaseMaildrop", session, request).status();
  }
  absl::StatusOr<std::string> Fetch(const std::string& grant, int64_t message,
                                    const std::string& session = "s") {
    v1::FetchMessageRequest request;
    request.set_grant(grant);
    request.set_message_id(message);
    std::vector<v1::FetchMessageResponse> pieces;
    RETURN_IF_ERROR(CallMany("mailstead.frontend.v1.MaildropService/FetchMessage",
                             {.role = kPop, .session_id = session}, request, pieces));
    std::string bytes;
    for (const v1::FetchMessageResponse& piece : pieces) {
      EXPECT_EQ(piece.delivery_id().empty(), !bytes.empty()) << "in the first piece";
      bytes += piece.content();
    }
    return bytes;
  }
  bool IsLocked() {
    std::string holder;
    return BlockOn(engine().maildrops().FindLock(AccountId{account_})).ok();
  }

  const int64_t account_;
};

INSTANTIATE_TEST_SUITE_P(EveryDoor, MaildropApiTest,
                         testing::Values(TestDoor::kGrpc, TestDoor::kBatch, TestDoor::kInProcess),
                         NameOfDoor);

TEST_P(MaildropApiTest, AnOpenedMaildropAndALeaseSayHowLongMessagesStay) {
  constexpr int64_t kDay = 24 * 3600;
  const auto lease = [&] {
    v1::RenewLeaseRequest request;
    request.set_lease_id(kLease);
    request.mutable_ttl()->set_seconds(60);
    const auto renewed = AsPop<v1::RenewLeaseResponse>("LeaseService/RenewLease", "", request);
    EXPECT_TRUE(renewed.ok()) << renewed.status();
    return renewed->least_retention().seconds() / kDay;
  };
  const auto opened = [&] {
    const auto open = OpenMaildrop(Grant("s"), "s");
    EXPECT_TRUE(open.ok()) << open.status();
    return open->has_retention() ? open->retention().seconds() / kDay : 0;
  };
  const auto set_domain = [&](int64_t days) {
    store::v1::UpdateDomainRequest request;
    request.mutable_domain()->set_name("example.test");
    request.mutable_domain()->mutable_retention()->set_seconds(days * kDay);
    request.mutable_update_mask()->add_paths("retention");
    EXPECT_TRUE(AsOperator<store::v1::Domain>("DirectoryService/UpdateDomain", request).ok());
  };
  const auto set_account = [&](std::optional<int64_t> days) {
    store::v1::UpdateAccountRequest request;
    request.set_account(kUser);
    if (days.has_value()) request.mutable_update()->mutable_retention()->set_seconds(*days * kDay);
    request.mutable_update_mask()->add_paths("retention");
    const auto updated = AsOperator<store::v1::Account>("DirectoryService/UpdateAccount", request);
    ASSERT_TRUE(updated.ok()) << updated.status();
    EXPECT_EQ(updated->has_retention(), days.has_value());
  };
  EXPECT_EQ(lease(), 0);
  EXPECT_EQ(opened(), 0);
  set_domain(30);
  EXPECT_EQ(lease(), 30);
  EXPECT_EQ(opened(), 30);
  set_account(90);
  EXPECT_EQ(lease(), 30);
  EXPECT_EQ(opened(), 90);
  set_account(7);
  EXPECT_EQ(lease(), 7);
  EXPECT_EQ(opened(), 7);
  set_account(0);
  EXPECT_EQ(lease(), 30);
  EXPECT_EQ(opened(), 0);
  set_account(std::nullopt);
  EXPECT_EQ(opened(), 30);
  set_domain(0);
  EXPECT_EQ(lease(), 0);
  EXPECT_EQ(opened(), 0);
}

TEST_P(MaildropApiTest, AMaildropIsOpenedCommittedAndReleased) {
  in_use_wait_ = absl::Milliseconds(10);
  Restart();
  for (int i = 0; i < 3; ++i) Deliver(account_, absl::StrCat("delivery-number-", i), "hello: x\r\n");
  const std::string grant = Grant("s");
  EXPECT_EQ(ReasonOf(OpenMaildrop(grant, "s").status()), kReasonNoLease);
  RenewLease();
  const auto opened = OpenMaildrop(grant, "s");
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_EQ(opened->entries().message_ids_size(), 3);
  EXPECT_EQ(opened->entries().message_ids(0), 1);
  const std::vector<std::string> unique_ids = absl::StrSplit(opened->entries().unique_ids(), '\n');
  EXPECT_THAT(unique_ids, testing::ElementsAre(testing::Not(""), testing::Not(""), testing::Not(""), ""));
  EXPECT_EQ(opened->message_count(), 3);
  ASSERT_EQ(opened->entries().sizes_bytes_size(), 3);
  EXPECT_EQ(opened->entries().sizes_bytes(0), static_cast<int64_t>(sizeof(kOurs)) - 1 + 10);
  EXPECT_EQ(opened->next_page_token(), "");
  EXPECT_EQ(*Fetch(grant, 1), absl::StrCat(kOurs, "hello: x\r\n"));
  EXPECT_EQ(ReasonOf(OpenMaildrop(Grant("t"), "t").status()), kReasonMaildropInUse);

  std::string wrong = opened->token();
  wrong.back() = static_cast<char>(wrong.back() + 1);
  EXPECT_EQ(ReasonOf(Commit(grant, "s", wrong, {2}).status()), kReasonFenced);
  const auto committed = Commit(grant, "s", opened->token(), {2, 99});
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_EQ(committed->deleted_count(), 1) << "99 was none";
  const auto repeat = Commit(grant, "s", opened->token(), {2, 99});
  ASSERT_TRUE(repeat.ok()) << "a repeat: " << repeat.status();
  EXPECT_EQ(repeat->deleted_count(), 0);
  EXPECT_EQ(ReasonOf(Fetch(grant, 2).status()), kReasonMessageNotFound);

  ASSERT_TRUE(OpenMaildrop(grant, "s").ok());
  EXPECT_TRUE(IsLocked());
  EXPECT_TRUE(Release(grant, "s").ok());
  EXPECT_FALSE(IsLocked());
  EXPECT_TRUE(Release(grant, "s").ok()) << "again";
}

TEST_P(MaildropApiTest, WhatACallerDeletesTheSessionHasLost) {
  for (int i = 0; i < 4; ++i) Deliver(account_, absl::StrCat("delivery-number-", i), "hello: x\r\n");
  RenewLease();
  const std::string grant = Grant("s");
  const auto opened = OpenMaildrop(grant, "s");
  ASSERT_TRUE(opened.ok()) << opened.status();
  store::v1::DeleteMessagesRequest remove;
  remove.set_account(kUser);
  remove.add_message_ids(2);
  const auto removed = AsOperator<store::v1::DeleteMessagesResponse>("MessageService/DeleteMessages", remove);
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_EQ(removed->deleted_count(), 1);
  EXPECT_TRUE(IsLocked());
  EXPECT_EQ(ReasonOf(Fetch(grant, 2).status()), kReasonMessageNotFound);
  EXPECT_TRUE(Fetch(grant, 1).ok());
  const auto committed = Commit(grant, "s", opened->token(), {2, 3});
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_EQ(committed->deleted_count(), 1) << "2 had gone";
  EXPECT_EQ(committed->version(), "") << "the session's listing still has 2";
  // In the other order.
  remove.add_message_ids(3);
  remove.add_message_ids(4);
  const auto rest = AsOperator<store::v1::DeleteMessagesResponse>("MessageService/DeleteMessages", remove);
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(rest->deleted_count(), 1);
  EXPECT_THAT(rest->missing_message_ids(), testing::ElementsAre(2, 3));
}

TEST_P(MaildropApiTest, EveryCallOfALoginThatHasEndedIsRefusedAtOnce) {
  for (int i = 0; i < 3; ++i) Deliver(account_, absl::StrCat("delivery-number-", i), "hello");
  RenewLease();
  const std::string grant = Grant("s");
  const auto opened = OpenMaildrop(grant, "s");
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_TRUE(Fetch(grant, 1).ok());
  store::v1::UpdateAccountRequest update;
  update.set_account(kUser);
  update.mutable_update()->set_state(store::v1::ACCOUNT_STATE_DISABLED);
  update.mutable_update_mask()->add_paths("state");
  ASSERT_TRUE(AsOperator<store::v1::Account>("DirectoryService/UpdateAccount", update).ok());
  EXPECT_EQ(ReasonOf(Fetch(grant, 1).status()), kReasonGrantExpired);
  EXPECT_EQ(ReasonOf(OpenMaildrop(grant, "s").status()), kReasonGrantExpired);
  EXPECT_EQ(ReasonOf(Commit(grant, "s", opened->token(), {1, 2}).status()), kReasonGrantExpired);
  v1::ListMaildropRequest list;
  list.set_grant(grant);
  list.set_page_token(opened->next_page_token());
  EXPECT_FALSE(AsPop<v1::ListMaildropResponse>("MaildropService/ListMaildrop", "s", list).ok());
  EXPECT_TRUE(IsLocked());
  EXPECT_TRUE(Release(grant, "s").ok()) << "it may leave";
  EXPECT_FALSE(IsLocked());
  EXPECT_EQ(BlockOn(engine().messages().List(AccountId{account_}, MessageId{0}, 10))->size(), 3u);
}

TEST_P(MaildropApiTest, ARepeatBySameSessionGetsTheSameLock) {
  RenewLease();
  const std::string grant = Grant("s");
  const auto first = OpenMaildrop(grant, "s");
  ASSERT_TRUE(first.ok()) << first.status();
  const auto again = OpenMaildrop(grant, "s");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->token(), first->token());
}

TEST_P(MaildropApiTest, AListingComesInPages) {
  RenewLease();
  const int count = 2 * static_cast<int>(store::kMaildropPageEntries) + 1;
  for (int i = 0; i < count; ++i) {
    engine::NewMessage message;
    message.delivery_scope = "operator";
    message.envelope.delivery_id = absl::StrCat("delivery-number-", i);
    message.envelope.recipients.emplace_back().address = kUser;
    message.copies.emplace_back().account = AccountId{account_};
    message.copies.back().recipients = {0};
    message.sha256 = message.fingerprint = std::string(32, 'x');
    engine::Content content;
    content.whole = "x";
    ASSERT_TRUE(BlockOn(engine().messages().Append(std::move(message), std::move(content), {})).ok());
  }
  const v1::Verdict verdict = LogIn(kUser, kPassword, "s", kLease);
  const auto& first = verdict.maildrop().entries().message_ids();
  std::vector<int> page_sizes = {first.size()};
  std::vector<int64_t> ids(first.begin(), first.end());
  EXPECT_EQ(verdict.maildrop().message_count(), count);
  // What comes meanwhile is not in the listing.
  Deliver(account_, "a-later-delivery", "hello: x\r\n");
  for (std::string token = verdict.maildrop().next_page_token(); !token.empty();) {
    v1::ListMaildropRequest request;
    request.set_grant(verdict.grant());
    request.set_page_token(token);
    const auto page = AsPop<v1::ListMaildropResponse>("MaildropService/ListMaildrop", "s", request);
    ASSERT_TRUE(page.ok()) << page.status();
    page_sizes.push_back(page->entries().message_ids_size());
    ids.insert(ids.end(), page->entries().message_ids().begin(), page->entries().message_ids().end());
    token = page->next_page_token();
  }
  EXPECT_THAT(page_sizes, testing::ElementsAre(1000, 1000, 1));
  for (size_t i = 0; i < ids.size(); ++i) ASSERT_EQ(ids[i], static_cast<int64_t>(i) + 1);

  // A page may be asked for with other sizes.
  v1::ListMaildropRequest request;
  request.set_grant(verdict.grant());
  request.set_page_token(verdict.maildrop().next_page_token());
  for (const auto& [asked, given] : {std::pair(3, 3), std::pair(1001, 1001), std::pair(1'000'000, 1001)}) {
    request.set_page_size(asked);
    const auto page = AsPop<v1::ListMaildropResponse>("MaildropService/ListMaildrop", "s", request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_EQ(page->entries().message_ids_size(), given);
    EXPECT_EQ(page->next_page_token().empty(), given == 1001);
  }
  request.set_page_size(-1);
  EXPECT_EQ(FieldOf(AsPop<v1::ListMaildropResponse>("MaildropService/ListMaildrop", "s", request).status()),
            "page_size");
}

TEST_P(MaildropApiTest, AnEmptyMaildropHasAToken) {
  RenewLease();
  const auto opened = OpenMaildrop(Grant("s"), "s");
  ASSERT_TRUE(opened.ok());
  EXPECT_NE(opened->token(), "");
  EXPECT_EQ(opened->entries().message_ids_size(), 0);
}

TEST_P(MaildropApiTest, APollThatKnowsTheListingGetsWhatCameAndWent) {
  RenewLease();
  for (int i = 0; i < 3; ++i) Deliver(account_, absl::StrCat("delivery-number-", i), "hello: x\r\n");
  const std::string grant = Grant("s");
  const auto first = OpenMaildrop(grant, "s");
  ASSERT_TRUE(first.ok());
  const auto committed = Commit(grant, "s", first->token(), {2});
  ASSERT_TRUE(committed.ok());
  Deliver(account_, "delivery-number-9", "hello: x\r\n");
  const auto second = OpenMaildrop(grant, "s", first->version());
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_EQ(second->basis(), v1::OpenMaildropResponse::BASIS_KNOWN_VERSION);
  EXPECT_THAT(second->removed_message_ids(), testing::ElementsAre(2));
  EXPECT_THAT(second->entries().message_ids(), testing::ElementsAre(4));
  EXPECT_EQ(second->message_count(), 3);
  ASSERT_TRUE(Release(grant, "s").ok());
  const auto third = OpenMaildrop(grant, "s", second->version());
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_EQ(third->basis(), v1::OpenMaildropResponse::BASIS_KNOWN_VERSION);
  EXPECT_EQ(third->entries().message_ids_size(), 0);
  ASSERT_TRUE(Release(grant, "s").ok());
  const auto strange = OpenMaildrop(grant, "s", "what was never a version");
  ASSERT_TRUE(strange.ok()) << strange.status();
  EXPECT_EQ(strange->basis(), v1::OpenMaildropResponse::BASIS_NOTHING);
  EXPECT_EQ(strange->entries().message_ids_size(), 3);
}

TEST_P(MaildropApiTest, AnUnwaitedReleaseMakesNoFalseInUse) {
  RenewLease();
  const std::string first = Grant("s");
  ASSERT_TRUE(OpenMaildrop(first, "s").ok());
  // The release goes its way, and nobody waits for it.
  v1::ReleaseMaildropRequest request;
  request.set_grant(first);
  const auto release =
      Open("mailstead.frontend.v1.MaildropService/ReleaseMaildrop", {.role = kPop, .session_id = "s"});
  ASSERT_TRUE(release->Write(request));
  const v1::Verdict verdict = LogIn(kUser, kPassword, "t", kLease);
  EXPECT_TRUE(verdict.has_maildrop()) << verdict.maildrop_error().message();
  v1::ReleaseMaildropResponse released;
  EXPECT_TRUE(release->Read(released));
  EXPECT_TRUE(release->Finish().ok());
}

TEST_P(MaildropApiTest, ASessionLivesLongerThanItsGrant) {
  RenewLease();
  Deliver(account_, "0123456789abcdef", "hello: x\r\n");
  const std::string grant = Grant("s");
  const std::string idle = Grant("t");
  const auto opened = OpenMaildrop(grant, "s");
  ASSERT_TRUE(opened.ok());
  clock_.Advance(absl::Hours(2));
  EXPECT_TRUE(Fetch(grant, 1).ok());
  EXPECT_EQ(ReasonOf(Fetch(idle, 1).status()), kReasonGrantExpired);
  EXPECT_EQ(ReasonOf(OpenMaildrop(idle, "t").status()), kReasonGrantExpired);
  ASSERT_TRUE(Commit(grant, "s", opened->token(), {1}).ok());
  EXPECT_TRUE(Commit(grant, "s", opened->token(), {1}).ok()) << "a repeat, when the lock is gone";
  clock_.Advance(kGrantBelief);
  EXPECT_EQ(ReasonOf(Fetch(grant, 1).status()), kReasonGrantExpired);
  EXPECT_EQ(ReasonOf(Commit(grant, "s", std::string(8, '\1'), {}).status()), kReasonFenced);
}

TEST_P(MaildropApiTest, ARestartKeepsGrantsAndLocks) {
  RenewLease();
  Deliver(account_, "0123456789abcdef", "hello: x\r\n");
  const std::string grant = Grant("s");
  const auto opened = OpenMaildrop(grant, "s");
  ASSERT_TRUE(opened.ok());
  Restart();
  EXPECT_EQ(*Fetch(grant, 1), absl::StrCat(kOurs, "hello: x\r\n"));
  EXPECT_EQ(Commit(grant, "s", opened->token(), {1})->deleted_count(), 1);
}

TEST_P(MaildropApiTest, AGrantIsOfItsSession) {
  RenewLease();
  const std::string grant = Grant("s");
  EXPECT_EQ(ReasonOf(OpenMaildrop(grant, "t").status()), kReasonGrantInvalid);
  EXPECT_EQ(ReasonOf(Release(grant, "t")), kReasonGrantInvalid);
  EXPECT_EQ(FieldOf(OpenMaildrop(Grant(""), "").status()), "session_id");
}

TEST_P(MaildropApiTest, OnlySmallMessagesComeInABatch) {
  const auto field = [](size_t bytes) { return "x:" + std::string(bytes - 4, 'x') + "\r\n"; };
  Deliver(account_, "delivery-of-64-kib", field(store::kWholeMessageBytes - sizeof(kOurs) + 1));
  Deliver(account_, "delivery-of-a-byte-more", field(store::kWholeMessageBytes - sizeof(kOurs) + 2));
  const std::string grant = Grant("s");
  EXPECT_EQ(Fetch(grant, 1)->size(), store::kWholeMessageBytes);
  const auto larger = Fetch(grant, 2);
  if (GetParam() == TestDoor::kBatch) {
    EXPECT_TRUE(absl::IsInvalidArgument(larger.status()));
    EXPECT_EQ(ReasonOf(larger.status()), kReasonTooLarge);
  } else {
    ASSERT_TRUE(larger.ok()) << larger.status();
    EXPECT_EQ(larger->size(), store::kWholeMessageBytes + 1);
  }
}

TEST_P(MaildropApiTest, LeasesAreChecked) {
  v1::RenewLeaseRequest renew;
  const auto renewed = [&] {
    return AsPop<v1::RenewLeaseResponse>("LeaseService/RenewLease", "", renew).status();
  };
  renew.set_lease_id("short");
  EXPECT_EQ(FieldOf(renewed()), "lease_id");
  renew.set_lease_id(kLease);
  EXPECT_EQ(FieldOf(renewed()), "ttl");
  renew.mutable_ttl()->set_nanos(999'999'999);
  EXPECT_EQ(FieldOf(renewed()), "ttl");
  renew.mutable_ttl()->set_nanos(0);
  for (const auto& [seconds, ok] :
       {std::pair(1, true), std::pair(60, true), std::pair(61, false), std::pair(-1, false)}) {
    renew.mutable_ttl()->set_seconds(seconds);
    EXPECT_EQ(renewed().ok(), ok) << seconds;
  }
  renew.mutable_ttl()->set_seconds(60);
  renew.set_holder("a\nb");
  EXPECT_EQ(FieldOf(renewed()), "holder");
  v1::EndLeaseRequest end;
  const auto ended = [&] { return AsPop<v1::EndLeaseResponse>("LeaseService/EndLease", "", end).status(); };
  EXPECT_EQ(FieldOf(ended()), "lease_id");
  RenewLease();
  end.set_lease_id(kLease);
  EXPECT_TRUE(ended().ok());
  EXPECT_EQ(ReasonOf(OpenMaildrop(Grant("s"), "s").status()), kReasonNoLease);
}

TEST_P(MaildropApiTest, FieldsAreNamed) {
  EXPECT_EQ(FieldOf(Commit("", "s", std::string(8, 'x'), {}).status()), "grant");
  EXPECT_EQ(FieldOf(Commit(Grant("s"), "s", "", {}).status()), "token");
  EXPECT_EQ(FieldOf(Commit(Grant("s"), "s", std::string(8, 'x'), {0}).status()), "message_ids[0]");
  EXPECT_EQ(FieldOf(Release("", "s")), "grant");
  EXPECT_EQ(FieldOf(Fetch("", 1).status()), "grant");
  EXPECT_EQ(FieldOf(Fetch(Grant("s"), 0).status()), "message_id");
  v1::ListMaildropRequest list;
  list.set_grant(Grant("s"));
  EXPECT_EQ(FieldOf(AsPop<v1::ListMaildropResponse>("MaildropService/ListMaildrop", "s", list).status()),
            "page_token");
  v1::OpenMaildropRequest open;
  open.set_grant(Grant("s"));
  EXPECT_EQ(FieldOf(AsPop<v1::OpenMaildropResponse>("MaildropService/OpenMaildrop", "s", open).status()),
            "lease_id");
}

}  // namespace
}  // namespace mailstead::stored
