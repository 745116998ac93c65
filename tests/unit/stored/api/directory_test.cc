#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "tests/unit/stored/api/api_fixture.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

class DirectoryApiTest : public ApiTest {
 protected:
  template <typename Response = v1::Domain, typename Request>
  absl::StatusOr<Response> Ask(const std::string& method, const Request& request) {
    return AsOperator<Response>(absl::StrCat("DirectoryService/", method), request);
  }
};

INSTANTIATE_TEST_SUITE_P(EveryDoor, DirectoryApiTest, testing::Values(TestDoor::kGrpc, TestDoor::kInProcess),
                         NameOfDoor);

TEST_P(DirectoryApiTest, Domains) {
  v1::CreateDomainRequest create;
  create.mutable_domain()->set_name("Other.test");
  const auto domain = Ask("CreateDomain", create);
  ASSERT_TRUE(domain.ok()) << domain.status();
  EXPECT_EQ(domain->name(), "other.test");
  EXPECT_EQ(domain->plus_addressing(), v1::PLUS_ADDRESSING_ENABLED);
  EXPECT_GT(domain->create_time().seconds(), 1'700'000'000);
  EXPECT_GE(domain->update_time().seconds(), domain->create_time().seconds());
  EXPECT_NE(domain->etag(), "");
  EXPECT_TRUE(absl::IsAlreadyExists(Ask("CreateDomain", create).status()));

  v1::UpdateDomainRequest update;
  update.mutable_domain()->set_name("other.test");
  EXPECT_EQ(FieldOf(Ask("UpdateDomain", update).status()), "update_mask");
  update.mutable_update_mask()->add_paths("name");
  EXPECT_EQ(FieldOf(Ask("UpdateDomain", update).status()), "update_mask");
  update.mutable_update_mask()->set_paths(0, "plus_addressing");
  EXPECT_EQ(FieldOf(Ask("UpdateDomain", update).status()), "domain.plus_addressing");
  update.mutable_domain()->set_plus_addressing(v1::PLUS_ADDRESSING_DISABLED);
  const auto updated = Ask("UpdateDomain", update);
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(updated->plus_addressing(), v1::PLUS_ADDRESSING_DISABLED);
  EXPECT_NE(updated->etag(), domain->etag());
  // Each field by itself.
  EXPECT_FALSE(updated->has_undelete_window());
  update.mutable_update_mask()->set_paths(0, "undelete_window");
  update.mutable_domain()->set_plus_addressing(v1::PLUS_ADDRESSING_UNSPECIFIED);
  for (const int64_t seconds : {365 * 24 * 3600 + 1, -1}) {
    update.mutable_domain()->mutable_undelete_window()->set_seconds(seconds);
    EXPECT_EQ(FieldOf(Ask("UpdateDomain", update).status()), "domain.undelete_window") << seconds;
  }
  update.mutable_domain()->mutable_undelete_window()->set_seconds(365 * 24 * 3600);
  const auto kept = Ask("UpdateDomain", update);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->undelete_window().seconds(), 365 * 24 * 3600);
  EXPECT_EQ(kept->plus_addressing(), v1::PLUS_ADDRESSING_DISABLED);
  update.mutable_domain()->clear_undelete_window();
  const auto cleared = Ask("UpdateDomain", update);
  ASSERT_TRUE(cleared.ok()) << cleared.status();
  EXPECT_FALSE(cleared->has_undelete_window());

  EXPECT_EQ(cleared->mta_sts(), v1::MTA_STS_OFF);
  update.mutable_update_mask()->set_paths(0, "mta_sts");
  EXPECT_EQ(FieldOf(Ask("UpdateDomain", update).status()), "domain.mta_sts");
  update.mutable_domain()->set_mta_sts(static_cast<v1::MtaSts>(99));
  EXPECT_EQ(FieldOf(Ask("UpdateDomain", update).status()), "domain.mta_sts");
  for (const v1::MtaSts mta_sts :
       {v1::MTA_STS_NONE, v1::MTA_STS_TESTING, v1::MTA_STS_OFF, v1::MTA_STS_ENFORCE}) {
    update.mutable_domain()->set_mta_sts(mta_sts);
    const auto set = Ask("UpdateDomain", update);
    ASSERT_TRUE(set.ok()) << set.status();
    EXPECT_EQ(set->mta_sts(), mta_sts);
  }
  // Another field leaves it.
  update.mutable_domain()->set_mta_sts(v1::MTA_STS_UNSPECIFIED);

  update.mutable_update_mask()->set_paths(0, "retention");
  for (const int64_t seconds : {1, 36 * 3600, 3651 * 24 * 3600, -24 * 3600}) {
    update.mutable_domain()->mutable_retention()->set_seconds(seconds);
    EXPECT_EQ(FieldOf(Ask("UpdateDomain", update).status()), "domain.retention") << seconds;
  }
  update.mutable_domain()->mutable_retention()->set_seconds(3650 * 24 * 3600);
  EXPECT_EQ(Ask("UpdateDomain", update)->retention().seconds(), 3650 * 24 * 3600);
  update.mutable_domain()->mutable_retention()->set_seconds(0);
  const auto for_ever = Ask("UpdateDomain", update);
  ASSERT_TRUE(for_ever.ok()) << for_ever.status();
  EXPECT_FALSE(for_ever->has_retention());

  v1::ListDomainsRequest list;
  list.set_page_size(1);
  auto page = Ask<v1::ListDomainsResponse>("ListDomains", list);
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->domains(0).name(), "example.test");
  list.set_page_token(page->next_page_token());
  page = Ask<v1::ListDomainsResponse>("ListDomains", list);
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->domains(0).name(), "other.test");
  EXPECT_EQ(page->next_page_token(), "");

  v1::DeleteDomainRequest remove;
  remove.set_name("other.test");
  remove.set_etag(domain->etag());
  EXPECT_EQ(ReasonOf(Ask<v1::DeleteDomainResponse>("DeleteDomain", remove).status()), kReasonEtagMismatch);
  remove.set_etag(for_ever->etag());
  EXPECT_TRUE(Ask<v1::DeleteDomainResponse>("DeleteDomain", remove).ok());
  v1::GetDomainRequest get;
  get.set_name("other.test");
  EXPECT_EQ(ReasonOf(Ask("GetDomain", get).status()), kReasonDomainNotFound);
}

TEST_P(DirectoryApiTest, ADomainWithAccountsStays) {
  AddAccount("a@example.test");
  v1::DeleteDomainRequest remove;
  remove.set_name("example.test");
  const absl::Status status = Ask<v1::DeleteDomainResponse>("DeleteDomain", remove).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(ReasonOf(status), kReasonDomainNotEmpty);
}

TEST_P(DirectoryApiTest, Accounts) {
  v1::CreateAccountRequest create;
  create.mutable_account()->set_address("Demo@example.test");
  create.mutable_account()->mutable_quota()->set_bytes(1000);
  create.mutable_account()->set_account_id("77");  // output only
  create.mutable_password()->set_plain("secret");
  auto account = Ask<v1::Account>("CreateAccount", create);
  ASSERT_TRUE(account.ok()) << account.status();
  EXPECT_EQ(account->address(), "Demo@example.test");
  EXPECT_EQ(account->account_id(), "1");
  EXPECT_EQ(account->quota().bytes(), 1000);
  EXPECT_EQ(account->state(), v1::ACCOUNT_STATE_ACTIVE);
  EXPECT_EQ(account->password_kind(), v1::PASSWORD_KIND_SCRAM_SHA_256);

  v1::UpdateAccountRequest update;
  update.set_account("demo@example.test");
  update.mutable_update()->set_state(v1::ACCOUNT_STATE_DISABLED);
  update.mutable_update_mask()->add_paths("state");
  account = Ask<v1::Account>("UpdateAccount", update);
  ASSERT_TRUE(account.ok()) << account.status();
  EXPECT_EQ(account->state(), v1::ACCOUNT_STATE_DISABLED);
  EXPECT_EQ(account->quota().bytes(), 1000);
  update.mutable_update_mask()->add_paths("password_kind");
  EXPECT_EQ(FieldOf(Ask<v1::Account>("UpdateAccount", update).status()), "update_mask");
  update.mutable_update_mask()->mutable_paths()->RemoveLast();
  update.mutable_update()->clear_state();
  EXPECT_EQ(FieldOf(Ask<v1::Account>("UpdateAccount", update).status()), "update.state");

  addresses_[1] = "demo@example.test";
  Deliver(1, "0123456789abcdef", "hello");
  v1::GetAccountRequest get;
  get.set_account("demo@example.test");
  account = Ask<v1::Account>("GetAccount", get);
  ASSERT_TRUE(account.ok());
  EXPECT_EQ(account->usage().messages(), 1);
  EXPECT_GT(account->usage().bytes(), 5);

  v1::DeleteAccountRequest remove;
  remove.set_account("1");
  EXPECT_TRUE(Ask<v1::DeleteAccountResponse>("DeleteAccount", remove).ok());
  EXPECT_EQ(ReasonOf(Ask<v1::Account>("GetAccount", get).status()), kReasonAccountNotFound);
}

TEST_P(DirectoryApiTest, AnAccountKeepsItsIdMailAndPasswordUnderAnotherAddress) {
  const int64_t id = AddAccount("old@example.test", "secret");
  Deliver(id, "0123456789abcdef", "hello");
  v1::UpdateAccountRequest update;
  update.set_account("old@example.test");
  update.mutable_update()->set_address("new@example.test");
  update.mutable_update_mask()->add_paths("address");
  const auto renamed = Ask<v1::Account>("UpdateAccount", update);
  ASSERT_TRUE(renamed.ok()) << renamed.status();
  EXPECT_EQ(renamed->account_id(), absl::StrCat(id));
  EXPECT_EQ(renamed->address(), "new@example.test");
  EXPECT_EQ(renamed->usage().messages(), 1);
  EXPECT_EQ(LogIn("new@example.test", "secret", "session").account_id(), id);
  EXPECT_NE(LogIn("old@example.test", "secret", "session").result(), frontend::v1::Verdict::RESULT_OK);
  v1::ListMessagesRequest list;
  list.set_account("new@example.test");
  const auto messages = AsOperator<v1::ListMessagesResponse>("MessageService/ListMessages", list);
  ASSERT_TRUE(messages.ok());
  EXPECT_EQ(messages->messages_size(), 1);
}

TEST_P(DirectoryApiTest, OfTwoUpdatesOfOneStateOneIsTold) {
  v1::CreateAliasRequest create;
  create.mutable_alias()->set_address("team@example.test");
  create.mutable_alias()->add_targets("a@example.test");
  const auto alias = Ask<v1::Alias>("CreateAlias", create);
  ASSERT_TRUE(alias.ok());
  v1::UpdateAliasRequest first;
  *first.mutable_alias() = *alias;
  first.mutable_update_mask()->add_paths("targets");
  v1::UpdateAliasRequest second = first;
  first.mutable_alias()->add_targets("b@example.test");
  second.mutable_alias()->add_targets("c@example.test");
  ASSERT_TRUE(Ask<v1::Alias>("UpdateAlias", first).ok());
  const absl::Status lost = Ask<v1::Alias>("UpdateAlias", second).status();
  EXPECT_TRUE(absl::IsAborted(lost));
  EXPECT_EQ(ReasonOf(lost), kReasonEtagMismatch);
  second.mutable_alias()->set_etag("what is no etag");
  EXPECT_EQ(ReasonOf(Ask<v1::Alias>("UpdateAlias", second).status()), kReasonEtagMismatch);
  second.mutable_alias()->clear_etag();
  EXPECT_TRUE(Ask<v1::Alias>("UpdateAlias", second).ok()) << "who gives no etag means any state";
}

TEST_P(DirectoryApiTest, FieldErrorsCrossTheWire) {
  v1::CreateAccountRequest create;
  EXPECT_EQ(FieldOf(Ask<v1::Account>("CreateAccount", create).status()), "account");
  create.mutable_account()->set_address("no address");
  const absl::Status status = Ask<v1::Account>("CreateAccount", create).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(FieldOf(status), "account.address");
  EXPECT_EQ(ReasonOf(status), kReasonInvalidField);
  create.mutable_account()->set_address("a@example.test");
  create.mutable_password()->set_plain("a\tb");
  EXPECT_EQ(FieldOf(Ask<v1::Account>("CreateAccount", create).status()), "password.plain");
  create.mutable_password()->set_crypt_hash("x");
  EXPECT_EQ(FieldOf(Ask<v1::Account>("CreateAccount", create).status()), "password.crypt_hash");
  create.mutable_password()->set_plain("secret");
  create.mutable_account()->set_state(static_cast<v1::AccountState>(7));
  EXPECT_EQ(FieldOf(Ask<v1::Account>("CreateAccount", create).status()), "account.state");
  v1::SetPasswordRequest set;
  set.set_account("a");
  EXPECT_EQ(FieldOf(Ask<v1::SetPasswordResponse>("SetPassword", set).status()), "account");
  v1::GetAccountRequest get;
  EXPECT_EQ(FieldOf(Ask<v1::Account>("GetAccount", get).status()), "account");
}

TEST_P(DirectoryApiTest, APasswordIsReplacedOrTakenAway) {
  AddAccount("a@example.test", "old");
  v1::SetPasswordRequest set;
  set.set_account("a@example.test");
  set.mutable_password()->set_plain("new");
  ASSERT_TRUE(Ask<v1::SetPasswordResponse>("SetPassword", set).ok());
  EXPECT_EQ(LogIn("a@example.test", "new", "s").result(), frontend::v1::Verdict::RESULT_OK);
  set.clear_password();
  ASSERT_TRUE(Ask<v1::SetPasswordResponse>("SetPassword", set).ok());
  EXPECT_EQ(LogIn("a@example.test", "new", "s").result(), frontend::v1::Verdict::RESULT_INVALID_CREDENTIALS);
}

TEST_P(DirectoryApiTest, ABatchAnswersForEach) {
  v1::BatchCreateAccountsRequest request;
  for (int i = 0; i < 50; ++i) {
    request.add_requests()->mutable_account()->set_address(absl::StrCat("u", i, "@example.test"));
  }
  request.mutable_requests(3)->mutable_account()->set_address("bad");
  request.mutable_requests(4)->mutable_account()->set_address("u0@example.test");
  request.mutable_requests(5)->clear_account();
  const auto response = Ask<v1::BatchCreateAccountsResponse>("BatchCreateAccounts", request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->results_size(), 50);
  EXPECT_EQ(response->results(0).code(), 0);
  EXPECT_EQ(response->results(0).message(), "");
  EXPECT_EQ(response->results(3).code(), static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT));
  EXPECT_THAT(response->results(3).message(), testing::StartsWith("account.address: "));
  EXPECT_EQ(FieldOf(rpc::FromProto(response->results(3))), "account.address");
  EXPECT_EQ(response->results(4).code(), static_cast<int>(grpc::StatusCode::ALREADY_EXISTS));
  EXPECT_EQ(ReasonOf(rpc::FromProto(response->results(4))), kReasonAddressTaken);
  EXPECT_EQ(FieldOf(rpc::FromProto(response->results(5))), "account");
  EXPECT_EQ(
      FieldOf(Ask<v1::BatchCreateAccountsResponse>("BatchCreateAccounts", v1::BatchCreateAccountsRequest())
                  .status()),
      "requests");
}

TEST_P(DirectoryApiTest, Aliases) {
  v1::CreateAliasRequest create;
  create.mutable_alias()->set_address("info@example.test");
  EXPECT_EQ(FieldOf(Ask<v1::Alias>("CreateAlias", create).status()), "alias.targets");
  create.mutable_alias()->add_targets("a@example.test");
  ASSERT_TRUE(Ask<v1::Alias>("CreateAlias", create).ok());
  v1::UpdateAliasRequest update;
  update.mutable_alias()->set_address("info@example.test");
  update.mutable_alias()->add_targets("b@example.test");
  update.mutable_update_mask()->add_paths("targets");
  ASSERT_TRUE(Ask<v1::Alias>("UpdateAlias", update).ok());
  v1::GetAliasRequest get;
  get.set_address("INFO@example.test");
  const auto alias = Ask<v1::Alias>("GetAlias", get);
  ASSERT_TRUE(alias.ok());
  EXPECT_THAT(alias->targets(), testing::ElementsAre("b@example.test"));
  const auto page = Ask<v1::ListAliasesResponse>("ListAliases", v1::ListAliasesRequest());
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->aliases_size(), 1);
  // A page ends where an answer would be too large, however many items were asked for.
  const std::string long_part =
      std::string(64, 'x') + "@" + std::string(60, 'y') + "." + std::string(60, 'z') + ".test";
  for (int i = 0; i < 8; ++i) {
    v1::CreateAliasRequest large;
    large.mutable_alias()->set_address(absl::StrCat("large", i, "@example.test"));
    for (int k = 0; k < 1000; ++k) large.mutable_alias()->add_targets(long_part);
    ASSERT_TRUE(Ask<v1::Alias>("CreateAlias", large).ok());
  }
  v1::ListAliasesRequest all;
  all.set_page_size(1000);
  int aliases = 0;
  int pages = 0;
  do {
    const auto part = Ask<v1::ListAliasesResponse>("ListAliases", all);
    ASSERT_TRUE(part.ok());
    EXPECT_LT(part->ByteSizeLong(), size_t{2} << 20);
    aliases += part->aliases_size();
    ++pages;
    all.set_page_token(part->next_page_token());
  } while (!all.page_token().empty());
  EXPECT_EQ(aliases, 9);
  EXPECT_EQ(pages, 2);
  v1::ListAliasesRequest nowhere;
  nowhere.set_domain("nowhere.test");
  EXPECT_TRUE(absl::IsNotFound(Ask<v1::ListAliasesResponse>("ListAliases", nowhere).status()));
  v1::ListAccountsRequest accounts;
  accounts.set_domain("nowhere.test");
  EXPECT_TRUE(absl::IsNotFound(Ask<v1::ListAccountsResponse>("ListAccounts", accounts).status()));
  v1::DeleteAliasRequest remove;
  remove.set_address("info@example.test");
  EXPECT_TRUE(Ask<v1::DeleteAliasResponse>("DeleteAlias", remove).ok());
}

TEST_P(DirectoryApiTest, ResolveAddress) {
  const int64_t account = AddAccount("a@example.test");
  const auto resolve = [&](const std::string& address) {
    v1::ResolveAddressRequest request;
    request.set_address(address);
    const auto response = Ask<v1::ResolveAddressResponse>("ResolveAddress", request);
    EXPECT_TRUE(response.ok()) << address << response.status();
    return *response;
  };
  EXPECT_EQ(resolve("a@example.test").outcome(), v1::ResolveAddressResponse::OUTCOME_ACCOUNT);
  EXPECT_THAT(resolve("a+tag@example.test").account_ids(), testing::ElementsAre(absl::StrCat(account)));
  EXPECT_THAT(resolve("Postmaster").account_ids(), testing::ElementsAre(absl::StrCat(account)));
  EXPECT_EQ(resolve("x@example.test").outcome(), v1::ResolveAddressResponse::OUTCOME_UNKNOWN);
  EXPECT_EQ(resolve("x@elsewhere.test").outcome(), v1::ResolveAddressResponse::OUTCOME_REMOTE);
  EXPECT_EQ(FieldOf(Ask<v1::ResolveAddressResponse>("ResolveAddress", v1::ResolveAddressRequest()).status()),
            "address");
}

}  // namespace
}  // namespace mailstead::stored
