// Keys as callers meet them, by real doors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "mailstead/store/v1/audit.pb.h"
#include "mailstead/store/v1/key.pb.h"
#include "mailstead/store/v1/submission.pb.h"
#include "mailstead/store/v1/watch.pb.h"
#include "tests/unit/stored/api/api_fixture.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class KeysApiTest : public ApiTest {
 protected:
  static v1::CreateKeyRequest Wanted(const std::string& name, std::vector<v1::KeyScope> scopes) {
    v1::CreateKeyRequest request;
    request.mutable_key()->set_name(name);
    for (const v1::KeyScope scope : scopes) request.mutable_key()->add_scopes(scope);
    return request;
  }
  v1::CreateKeyResponse Create(const v1::CreateKeyRequest& request) {
    const auto made = AsOperator<v1::CreateKeyResponse>("KeyService/CreateKey", request);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *made : v1::CreateKeyResponse();
  }
  template <typename Response>
  absl::StatusOr<Response> WithKey(const std::string& secret, const std::string& method,
                                   const google::protobuf::MessageLite& request) {
    return Call<Response>(absl::StrCat("mailstead.store.v1.", method), {.role = 0, .key = secret}, request);
  }
  absl::Status ListAs(const std::string& secret) {
    return WithKey<v1::ListAccountsResponse>(secret, "DirectoryService/ListAccounts",
                                             v1::ListAccountsRequest())
        .status();
  }
  absl::Status Revoke(const std::string& key) {
    v1::RevokeKeyRequest request;
    request.set_key(key);
    return AsOperator<v1::Key>("KeyService/RevokeKey", request).status();
  }
  void AddDomain(const std::string& name) {
    v1::CreateDomainRequest request;
    request.mutable_domain()->set_name(name);
    EXPECT_TRUE(AsOperator<v1::Domain>("DirectoryService/CreateDomain", request).ok());
  }
};

INSTANTIATE_TEST_SUITE_P(EveryDoor, KeysApiTest, testing::Values(TestDoor::kGrpc, TestDoor::kInProcess),
                         NameOfDoor);

TEST_P(KeysApiTest, AKeyLivesFromItsMakingToItsEnd) {
  const v1::CreateKeyResponse made = Create(Wanted("desk", {v1::KEY_SCOPE_DIRECTORY_READ}));
  EXPECT_EQ(made.key().state(), v1::Key::STATE_ACTIVE);
  EXPECT_TRUE(made.key().sees_all());
  EXPECT_TRUE(ListAs(made.secret()).ok());
  // Behind it an editor's line end, or a blank.
  EXPECT_TRUE(ListAs(made.secret() + " ").ok());
  Restart();
  EXPECT_TRUE(ListAs(made.secret()).ok());
  v1::GetKeyRequest get;
  get.set_key("desk");
  const auto shown = AsOperator<v1::Key>("KeyService/GetKey", get);
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_TRUE(shown->has_last_used_time());
  EXPECT_NE(shown->last_used_address(), "");
  ASSERT_TRUE(Revoke("desk").ok());
  const absl::Status refused = ListAs(made.secret());
  EXPECT_TRUE(absl::IsUnauthenticated(refused)) << refused;
  EXPECT_EQ(ReasonOf(refused), kReasonKeyRevoked);
  EXPECT_EQ(ReasonOf(ListAs(made.secret().substr(0, 30))), kReasonKeyMalformed);
}

TEST_P(KeysApiTest, AWatchGivesContentToThoseWhoMayReadIt) {
  AddAccount("ann@example.test");
  const std::string watches = Create(Wanted("watches", {v1::KEY_SCOPE_MAIL_WATCH})).secret();
  const std::string reads =
      Create(Wanted("reads", {v1::KEY_SCOPE_MAIL_WATCH, v1::KEY_SCOPE_MAIL_READ})).secret();
  const auto watch = [&](const std::string& secret, v1::MessageView view) {
    v1::WatchRequest request;
    request.mutable_filter()->set_all(true);
    request.set_view(view);
    const auto dialog = Open("mailstead.store.v1.WatchService/Watch", {.role = 0, .key = secret});
    EXPECT_TRUE(dialog->Write(request, /*last=*/true));
    v1::WatchResponse started;
    if (!dialog->Read(started)) return ReasonOf(dialog->Finish());
    dialog->Cancel();
    return std::string();
  };
  for (const v1::MessageView view :
       {v1::MESSAGE_VIEW_HEADERS, v1::MESSAGE_VIEW_PARSED, v1::MESSAGE_VIEW_RAW}) {
    EXPECT_EQ(watch(watches, view), kReasonScopeMissing) << view;
    EXPECT_EQ(watch(reads, view), "") << view;
  }
  EXPECT_EQ(watch(watches, v1::MESSAGE_VIEW_UNSPECIFIED), "");
  EXPECT_EQ(watch(watches, v1::MESSAGE_VIEW_SUMMARY), "");
}

TEST_P(KeysApiTest, AStreamEndsWithItsKey) {
  const int64_t account = AddAccount("ann@example.test");
  for (const char* const reason : {"KEY_REVOKED", "KEY_EXPIRED", "KEY_CHANGED"}) {
    v1::CreateKeyRequest wanted = Wanted(absl::StrCat("stream-", absl::AsciiStrToLower(reason).substr(4)),
                                         {v1::KEY_SCOPE_MAIL_DELIVER});
    wanted.mutable_key()->mutable_expire_time()->set_seconds(
        absl::ToUnixSeconds(clock_.Now() + absl::Hours(1)));
    const v1::CreateKeyResponse made = Create(wanted);
    const auto dialog =
        Open("mailstead.store.v1.MessageService/DeliverMessageStream", {.role = 0, .key = made.secret()});
    v1::DeliverMessageStreamRequest piece;
    piece.mutable_envelope()->set_delivery_id(absl::StrCat("delivery-", reason));
    piece.mutable_envelope()->add_recipients()->set_address("ann@example.test");
    piece.set_content("Subject: half\r\n");
    ASSERT_TRUE(dialog->Write(piece));
    v1::GetKeyRequest get_key;
    get_key.set_key(made.key().key_id());
    ASSERT_TRUE(Eventually([&] {
      return AsOperator<v1::Key>("KeyService/GetKey", get_key)->has_last_used_time();
    })) << "it has begun";
    if (std::string(reason) == "KEY_REVOKED") {
      ASSERT_TRUE(Revoke(made.key().key_id()).ok());
    } else if (std::string(reason) == "KEY_EXPIRED") {
      clock_.Advance(absl::Hours(2));
      Recheck();
    } else {
      v1::UpdateKeyRequest update;
      update.mutable_key()->set_key_id(made.key().key_id());
      update.mutable_key()->add_domains("example.test");
      update.mutable_update_mask()->add_paths("domains");
      const auto updated = AsOperator<v1::Key>("KeyService/UpdateKey", update);
      ASSERT_TRUE(updated.ok()) << updated.status();
    }
    piece.Clear();
    piece.set_content("\r\nrest\r\n");
    piece.set_last(true);
    dialog->Write(piece, /*last=*/true);
    v1::DeliverMessageResponse response;
    EXPECT_FALSE(dialog->Read(response)) << reason;
    EXPECT_EQ(ReasonOf(dialog->Finish()), reason);
  }
  v1::GetAccountRequest get;
  get.set_account(absl::StrCat(account));
  EXPECT_EQ(AsOperator<v1::Account>("DirectoryService/GetAccount", get)->usage().messages(), 0);
}

TEST_P(KeysApiTest, ListsHaveWhatAKeySees) {
  for (const char* domain : {"a.test", "b.test", "c.test"}) AddDomain(domain);
  for (const char* address : {"x@a.test", "y@a.test", "x@b.test", "y@b.test", "x@c.test", "z@example.test"})
    AddAccount(address);
  v1::CreateKeyRequest wanted = Wanted("part", {v1::KEY_SCOPE_DIRECTORY_READ, v1::KEY_SCOPE_ADMIN_READ});
  wanted.mutable_key()->add_domains("b.test");
  for (const char* address : {"y@a.test", "x@b.test", "z@example.test"})
    wanted.mutable_key()->add_accounts(address);
  const std::string secret = Create(wanted).secret();
  std::vector<std::string> seen;
  v1::ListAccountsRequest request;
  request.set_page_size(1);
  do {
    const auto page = WithKey<v1::ListAccountsResponse>(secret, "DirectoryService/ListAccounts", request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LE(page->accounts_size(), 1);
    for (const v1::Account& account : page->accounts()) seen.push_back(account.address());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(seen, ElementsAre("y@a.test", "x@b.test", "y@b.test", "z@example.test"));
  const auto domains =
      WithKey<v1::ListDomainsResponse>(secret, "DirectoryService/ListDomains", v1::ListDomainsRequest());
  ASSERT_TRUE(domains.ok()) << domains.status();
  ASSERT_EQ(domains->domains_size(), 1);
  EXPECT_EQ(domains->domains(0).name(), "b.test");
  // The domain of an account that is seen by itself is not.
  v1::ListAccountsRequest of_domain;
  of_domain.set_domain("a.test");
  EXPECT_EQ(
      ReasonOf(
          WithKey<v1::ListAccountsResponse>(secret, "DirectoryService/ListAccounts", of_domain).status()),
      kReasonDomainNotFound);
}

TEST_P(KeysApiTest, SessionsOfOthersAreNotListed) {
  AddDomain("other.test");
  AddAccount("ann@example.test", "secret");
  AddAccount("bob@other.test", "secret");
  RenewLease();
  LogIn("ann@example.test", "secret", "s1", kLease);
  LogIn("bob@other.test", "secret", "s2", kLease);
  v1::CreateKeyRequest wanted = Wanted("part", {v1::KEY_SCOPE_ADMIN_READ, v1::KEY_SCOPE_ADMIN_WRITE});
  wanted.mutable_key()->add_domains("other.test");
  const std::string secret = Create(wanted).secret();
  const auto sessions =
      WithKey<v1::ListSessionsResponse>(secret, "AdminService/ListSessions", v1::ListSessionsRequest());
  ASSERT_TRUE(sessions.ok()) << sessions.status();
  ASSERT_EQ(sessions->sessions_size(), 1);
  EXPECT_EQ(sessions->sessions(0).address(), "bob@other.test");
  v1::EndSessionRequest end;
  end.set_account("ann@example.test");
  EXPECT_EQ(ReasonOf(WithKey<v1::EndSessionResponse>(secret, "AdminService/EndSession", end).status()),
            kReasonAccountNotFound);
}

TEST_P(KeysApiTest, AKeyOfADomainCannotReachOut) {
  AddDomain("other.test");
  AddAccount("ann@example.test");
  AddAccount("bob@other.test");
  v1::CreateKeyRequest wanted = Wanted(
      "part", {v1::KEY_SCOPE_DIRECTORY_READ, v1::KEY_SCOPE_DIRECTORY_WRITE, v1::KEY_SCOPE_ADMIN_WRITE});
  wanted.mutable_key()->add_domains("example.test");
  const std::string secret = Create(wanted).secret();
  const auto lead = [&](const std::string& from, const std::string& to) {
    v1::CreateAliasRequest alias;
    alias.mutable_alias()->set_address(from);
    alias.mutable_alias()->add_targets(to);
    return WithKey<v1::Alias>(secret, "DirectoryService/CreateAlias", alias).status();
  };
  EXPECT_EQ(ReasonOf(lead("out@example.test", "bob@other.test")), kReasonKeyRestricted);
  EXPECT_EQ(ReasonOf(lead("out@example.test", "nobody@other.test")), kReasonKeyRestricted)
      << "whether it is there or not";
  EXPECT_EQ(ReasonOf(lead("out@example.test", "someone@elsewhere.invalid")), kReasonKeyRestricted);
  EXPECT_EQ(ReasonOf(lead("list@other.test", "ann@example.test")), kReasonDomainNotFound);
  EXPECT_TRUE(lead("in@example.test", "ann@example.test").ok());
  // An account does not move into another domain.
  v1::UpdateAccountRequest update;
  update.set_account("ann@example.test");
  update.mutable_update()->set_address("ann@other.test");
  update.mutable_update_mask()->add_paths("address");
  EXPECT_EQ(ReasonOf(WithKey<v1::Account>(secret, "DirectoryService/UpdateAccount", update).status()),
            kReasonDomainNotFound);
  v1::SetPasswordRequest password;
  password.set_account("bob@other.test");
  password.mutable_password()->set_plain("a new password");
  EXPECT_EQ(
      ReasonOf(WithKey<v1::SetPasswordResponse>(secret, "DirectoryService/SetPassword", password).status()),
      kReasonAccountNotFound);
  // Of several accounts those of its domain are made.
  v1::BatchCreateAccountsRequest batch;
  batch.add_requests()->mutable_account()->set_address("eve@other.test");
  batch.add_requests()->mutable_account()->set_address("new@example.test");
  const auto made =
      WithKey<v1::BatchCreateAccountsResponse>(secret, "DirectoryService/BatchCreateAccounts", batch);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->results(0).code(), static_cast<int>(absl::StatusCode::kNotFound));
  EXPECT_EQ(made->results(1).code(), 0);
  // Nor does it make keys.
  EXPECT_EQ(ReasonOf(WithKey<v1::CreateKeyResponse>(secret, "KeyService/CreateKey",
                                                    Wanted("more", {v1::KEY_SCOPE_DIRECTORY_READ}))
                         .status()),
            kReasonKeyRestricted);
}

TEST_P(KeysApiTest, WhatAnAliasLeadsToElsewhereIsNotTold) {
  AddDomain("other.test");
  AddAccount("ann@example.test");
  AddAccount("bob@other.test");
  for (const auto& [address, targets] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"staff@other.test", {"bob@other.test"}},
           {"all@example.test", {"staff@other.test", "ann@example.test"}}}) {
    v1::CreateAliasRequest alias;
    alias.mutable_alias()->set_address(address);
    for (const std::string& target : targets) alias.mutable_alias()->add_targets(target);
    ASSERT_TRUE(AsOperator<v1::Alias>("DirectoryService/CreateAlias", alias).ok());
  }
  v1::CreateKeyRequest wanted = Wanted("part", {v1::KEY_SCOPE_DIRECTORY_READ});
  wanted.mutable_key()->add_domains("example.test");
  const std::string secret = Create(wanted).secret();
  v1::ResolveAddressRequest request;
  request.set_address("all@example.test");
  const auto resolved =
      WithKey<v1::ResolveAddressResponse>(secret, "DirectoryService/ResolveAddress", request);
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_FALSE(absl::StrContains(resolved->DebugString(), "bob@")) << resolved->DebugString();
  EXPECT_EQ(resolved->account_ids_size(), 1);
  EXPECT_EQ(resolved->steps_size(), 3);
  // An address that it does not see is that of any other host.
  request.set_address("bob@other.test");
  const auto hidden = WithKey<v1::ResolveAddressResponse>(secret, "DirectoryService/ResolveAddress", request);
  EXPECT_EQ(hidden->outcome(), v1::ResolveAddressResponse::OUTCOME_REMOTE);
}

TEST_P(KeysApiTest, MailGoesWhereTheKeySees) {
  AddDomain("other.test");
  AddAccount("ann@example.test");
  AddAccount("bob@other.test");
  v1::CreateKeyRequest wanted = Wanted("part", {v1::KEY_SCOPE_MAIL_DELIVER});
  wanted.mutable_key()->add_domains("example.test");
  const std::string part = Create(wanted).secret();
  const std::string all = Create(Wanted("all", {v1::KEY_SCOPE_MAIL_DELIVER})).secret();
  const auto deliver = [&](const std::string& secret, const std::string& to) {
    v1::DeliverMessageStreamRequest piece;
    // Of each key for itself: ids of different keys never meet.
    piece.mutable_envelope()->set_delivery_id("delivery-of-the-test");
    piece.mutable_envelope()->add_recipients()->set_address(to);
    piece.set_content("Subject: x\r\n\r\nhello\r\n");
    piece.set_last(true);
    return WithKey<v1::DeliverMessageResponse>(secret, "MessageService/DeliverMessageStream", piece);
  };
  EXPECT_EQ(ReasonOf(deliver(part, "bob@other.test").status()), kReasonRecipientUnknown);
  EXPECT_EQ(ReasonOf(deliver(part, "nobody@example.test").status()), kReasonRecipientUnknown);
  EXPECT_EQ(ReasonOf(deliver(part, "postmaster").status()), kReasonRecipientUnknown)
      << "it is the operator's";
  ASSERT_TRUE(deliver(part, "ann@example.test").ok());
  v1::CreateKeyRequest of_ann = Wanted("ann", {v1::KEY_SCOPE_MAIL_DELIVER});
  of_ann.mutable_key()->add_accounts("ann@example.test");
  const std::string ann = Create(of_ann).secret();
  EXPECT_EQ(ReasonOf(deliver(ann, "postmaster@example.test").status()), kReasonRecipientUnknown);
  EXPECT_EQ(ReasonOf(deliver(ann, "anne+tag@example.test").status()), kReasonRecipientUnknown);
  EXPECT_TRUE(deliver(ann, "ann+tag@example.test").ok());
  const auto other = deliver(all, "bob@other.test");
  ASSERT_TRUE(other.ok()) << other.status();
  // To bring mail into mailboxes is not to send it to other hosts.
  v1::DeliverMessageStreamRequest elsewhere;
  elsewhere.mutable_envelope()->set_delivery_id("delivery-to-elsewhere");
  elsewhere.mutable_envelope()->add_recipients()->set_address("x@elsewhere.invalid");
  elsewhere.set_content("Subject: x\r\n\r\nhello\r\n");
  elsewhere.set_last(true);
  EXPECT_EQ(
      ReasonOf(WithKey<v1::DeliverMessageResponse>(all, "MessageService/DeliverMessageStream", elsewhere)
                   .status()),
      kReasonRecipientRemote);
}

TEST_P(KeysApiTest, WhatComesInByAKeyStaysAsLongAsItSays) {
  constexpr absl::Duration kDay = absl::Hours(24);
  const int64_t ann = AddAccount("ann@example.test", "pw");
  v1::CreateKeyRequest wanted = Wanted(
      "tickets", {v1::KEY_SCOPE_MAIL_DELIVER, v1::KEY_SCOPE_MAIL_SUBMIT, v1::KEY_SCOPE_DIRECTORY_READ});
  wanted.mutable_key()->add_accounts("ann@example.test");
  wanted.mutable_key()->mutable_retention()->set_seconds(3600);
  EXPECT_EQ(FieldOf(AsOperator<v1::CreateKeyResponse>("KeyService/CreateKey", wanted).status()),
            "key.retention");
  wanted.mutable_key()->mutable_retention()->set_seconds(7 * 24 * 3600);
  const v1::CreateKeyResponse made = Create(wanted);
  EXPECT_EQ(made.key().retention().seconds(), 7 * 24 * 3600);

  v1::DeliverMessageRequest deliver;
  deliver.mutable_envelope()->set_delivery_id("delivery-by-a-key-1");
  deliver.mutable_envelope()->add_recipients()->set_address("ann@example.test");
  deliver.set_content("Subject: x\r\n\r\nhello\r\n");
  const auto delivered =
      WithKey<v1::DeliverMessageResponse>(made.secret(), "MessageService/DeliverMessage", deliver);
  ASSERT_TRUE(delivered.ok()) << delivered.status();
  v1::SubmitMessageRequest submit;
  submit.set_request_id("request-of-the-test");
  submit.set_account("ann@example.test");
  submit.mutable_envelope()->add_recipients()->set_address("ann@example.test");
  submit.set_content("From: ann@example.test\r\nSubject: x\r\n\r\nhello\r\n");
  const auto submitted =
      WithKey<v1::SubmitMessageResponse>(made.secret(), "SubmissionService/SubmitMessage", submit);
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  Deliver(ann, "delivery-of-smtp-1", "Subject: x\r\n\r\nhello\r\n");
  const auto count = [&] {
    return BlockOn(engine().messages().List(AccountId{ann}, MessageId{0}, 10))->size();
  };
  ASSERT_EQ(count(), 3u);

  // What POP3 clients are told.
  RenewLease();
  const frontend::v1::Verdict verdict = LogIn("ann@example.test", "pw", "session-a", kLease);
  ASSERT_TRUE(verdict.has_maildrop());
  EXPECT_EQ(verdict.maildrop().retention().seconds(), 7 * 24 * 3600);

  clock_.Advance(7 * kDay - absl::Seconds(60));
  EXPECT_EQ(BlockOn(engine().messages().Expire())->count, 0);
  clock_.Advance(absl::Seconds(60));
  EXPECT_EQ(BlockOn(engine().messages().Expire())->count, 2);
  EXPECT_EQ(count(), 1u);
}

TEST_P(KeysApiTest, WhatIsDeletedByAFilterIsSeen) {
  Deliver(AddAccount("ann@example.test"), "delivery-number-1", "Subject: x\r\n\r\nhello\r\n");
  Deliver(AddAccount("bob@example.test"), "delivery-number-2", "Subject: x\r\n\r\nhello\r\n");
  v1::CreateKeyRequest wanted = Wanted("deletes", {v1::KEY_SCOPE_MAIL_DELETE});
  wanted.mutable_key()->add_accounts("ann@example.test");
  const std::string deletes = Create(wanted).secret();
  wanted.mutable_key()->set_name("reads");
  wanted.mutable_key()->add_scopes(v1::KEY_SCOPE_MAIL_READ);
  const std::string reads = Create(wanted).secret();
  const auto remove = [&](const std::string& secret, const std::string& account, bool dry_run) {
    v1::DeleteMessagesRequest request;
    request.set_account(account);
    request.mutable_filter()->set_subject_contains("x");
    request.set_dry_run(dry_run);
    return WithKey<v1::DeleteMessagesResponse>(secret, "MessageService/DeleteMessages", request);
  };
  for (const std::string& secret : {deletes, reads}) {
    EXPECT_EQ(ReasonOf(remove(secret, "bob@example.test", false).status()), kReasonAccountNotFound);
  }
  EXPECT_EQ(ReasonOf(remove(reads, "bob@example.test", true).status()), kReasonAccountNotFound);
  EXPECT_EQ(ReasonOf(remove(deletes, "ann@example.test", true).status()), kReasonScopeMissing)
      << "what is not deleted is read";
  const auto told = remove(reads, "ann@example.test", true);
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_THAT(told->deleted_message_ids(), testing::ElementsAre(1));
  const auto deleted = remove(deletes, "ann@example.test", false);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_THAT(deleted->deleted_message_ids(), testing::ElementsAre(1));
  EXPECT_EQ(remove(deletes, "ann@example.test", false)->deleted_count(), 0);
}

TEST_P(KeysApiTest, LimitsSayHowLongToWait) {
  v1::CreateKeyRequest wanted = Wanted("slow", {v1::KEY_SCOPE_DIRECTORY_READ});
  wanted.mutable_key()->mutable_limits()->set_calls_per_second(1);
  wanted.mutable_key()->mutable_limits()->set_burst(2);
  const std::string secret = Create(wanted).secret();
  EXPECT_TRUE(ListAs(secret).ok());
  EXPECT_TRUE(ListAs(secret).ok());
  const absl::Status refused = ListAs(secret);
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_EQ(ReasonOf(refused), kReasonRateLimit);
}

TEST_P(KeysApiTest, TheAuditIsRead) {
  const std::string secret =
      Create(Wanted("desk", {v1::KEY_SCOPE_DIRECTORY_WRITE, v1::KEY_SCOPE_ADMIN_READ})).secret();
  v1::CreateDomainRequest domain;
  domain.mutable_domain()->set_name("by-key.test");
  ASSERT_TRUE(WithKey<v1::Domain>(secret, "DirectoryService/CreateDomain", domain).ok());
  EXPECT_FALSE(ListAs("").ok());
  v1::ListAuditEntriesRequest request;
  const auto list = [&] {
    const auto entries =
        WithKey<v1::ListAuditEntriesResponse>(secret, "AuditService/ListAuditEntries", request);
    EXPECT_TRUE(entries.ok()) << entries.status();
    std::vector<std::string> lines;
    if (!entries.ok()) return lines;
    for (const v1::AuditEntry& entry : entries->entries()) {
      lines.push_back(absl::StrCat(entry.actor(), " ", entry.action().substr(entry.action().rfind('/') + 1),
                                   " ", entry.target(), " ", entry.result()));
    }
    return lines;
  };
  request.set_actor("key:desk");
  EXPECT_THAT(list(), ElementsAre("key:desk CreateDomain domain by-key.test OK"));
  request.set_actor("");
  request.set_action("CreateKey");
  EXPECT_EQ(list().size(), 1u);
  EXPECT_FALSE(absl::StrContains(list()[0], secret)) << "no secret is in it";
  request.set_action("");
  request.set_actor("nobody");
  EXPECT_THAT(list(), ElementsAre("nobody ListAccounts  UNAUTHENTICATED/NO_CREDENTIAL"));
  Restart();
  request.set_actor("key:*");
  EXPECT_EQ(list().size(), 1u) << "it is in the store";
}

}  // namespace
}  // namespace mailstead::stored
