#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "tests/unit/stored/service/service_fixture.h"

namespace mailstead::store {
namespace {

class DirectoryServiceTest : public ServiceTest {
 protected:
  v1::DirectoryService::Stub& stub() { return *directory_stub_; }
};

TEST_F(DirectoryServiceTest, Domains) {
  v1::CreateDomainRequest create;
  create.mutable_domain()->set_name("Other.test");
  create.mutable_domain()->set_plus_addressing(true);
  v1::Domain domain;
  ASSERT_TRUE(stub().CreateDomain(AsOperator().get(), create, &domain).ok());
  EXPECT_EQ(domain.name(), "other.test");
  EXPECT_TRUE(domain.plus_addressing());
  EXPECT_GT(domain.create_time().seconds(), 1'700'000'000);
  EXPECT_EQ(stub().CreateDomain(AsOperator().get(), create, &domain).error_code(),
            grpc::StatusCode::ALREADY_EXISTS);

  v1::UpdateDomainRequest update;
  update.mutable_domain()->set_name("other.test");
  EXPECT_EQ(FieldOf(Read(stub().UpdateDomain(AsOperator().get(), update, &domain))), "update_mask");
  update.mutable_update_mask()->add_paths("name");
  EXPECT_EQ(FieldOf(Read(stub().UpdateDomain(AsOperator().get(), update, &domain))), "update_mask");
  update.mutable_update_mask()->set_paths(0, "plus_addressing");
  ASSERT_TRUE(stub().UpdateDomain(AsOperator().get(), update, &domain).ok());
  EXPECT_FALSE(domain.plus_addressing());

  v1::ListDomainsRequest list;
  list.set_page_size(1);
  v1::ListDomainsResponse page;
  ASSERT_TRUE(stub().ListDomains(AsOperator().get(), list, &page).ok());
  EXPECT_EQ(page.domains(0).name(), "example.test");
  list.set_page_token(page.next_page_token());
  page.Clear();
  ASSERT_TRUE(stub().ListDomains(AsOperator().get(), list, &page).ok());
  EXPECT_EQ(page.domains(0).name(), "other.test");
  EXPECT_EQ(page.next_page_token(), "");

  v1::DeleteDomainRequest remove;
  remove.set_name("other.test");
  v1::DeleteDomainResponse removed;
  EXPECT_TRUE(stub().DeleteDomain(AsOperator().get(), remove, &removed).ok());
  v1::GetDomainRequest get;
  get.set_name("other.test");
  EXPECT_EQ(stub().GetDomain(AsOperator().get(), get, &domain).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(DirectoryServiceTest, ADomainWithAccountsStays) {
  AddAccount("a@example.test");
  v1::DeleteDomainRequest remove;
  remove.set_name("example.test");
  v1::DeleteDomainResponse removed;
  EXPECT_EQ(stub().DeleteDomain(AsOperator().get(), remove, &removed).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(DirectoryServiceTest, Accounts) {
  v1::CreateAccountRequest create;
  create.mutable_account()->set_address("Demo@example.test");
  create.mutable_account()->set_quota_bytes(1000);
  create.mutable_account()->set_mailbox_id(77);  // output only
  create.mutable_password()->set_plain("secret");
  v1::Account account;
  ASSERT_TRUE(stub().CreateAccount(AsOperator().get(), create, &account).ok());
  EXPECT_EQ(account.address(), "Demo@example.test");
  EXPECT_EQ(account.mailbox_id(), 1u);
  EXPECT_EQ(account.quota_bytes(), 1000u);
  EXPECT_EQ(account.password_kind(), v1::PASSWORD_KIND_SCRAM_SHA_256);

  v1::UpdateAccountRequest update;
  update.mutable_account()->set_address("demo@example.test");
  update.mutable_account()->set_disabled(true);
  update.mutable_update_mask()->add_paths("disabled");
  ASSERT_TRUE(stub().UpdateAccount(AsOperator().get(), update, &account).ok());
  EXPECT_TRUE(account.disabled());
  EXPECT_EQ(account.quota_bytes(), 1000u);
  update.mutable_update_mask()->add_paths("address");
  EXPECT_EQ(FieldOf(Read(stub().UpdateAccount(AsOperator().get(), update, &account))), "update_mask");

  v1::DeliverResponse delivered;
  ASSERT_TRUE(Deliver(EnvelopeTo(1, "0123456789abcdef"), "hello", 100, &delivered).ok());
  v1::GetAccountRequest get;
  get.set_address("demo@example.test");
  ASSERT_TRUE(stub().GetAccount(AsOperator().get(), get, &account).ok());
  EXPECT_EQ(account.message_count(), 1u);
  EXPECT_GT(account.message_bytes(), 5u);

  v1::DeleteAccountRequest remove;
  remove.set_address("demo@example.test");
  v1::DeleteAccountResponse removed;
  EXPECT_TRUE(stub().DeleteAccount(AsOperator().get(), remove, &removed).ok());
  EXPECT_EQ(stub().GetAccount(AsOperator().get(), get, &account).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(DirectoryServiceTest, FieldErrorsCrossTheWire) {
  v1::CreateAccountRequest create;
  v1::Account account;
  create.mutable_account()->set_address("no address");
  absl::Status status = Read(stub().CreateAccount(AsOperator().get(), create, &account));
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(FieldOf(status), "account.address");
  create.mutable_account()->set_address("a@example.test");
  create.mutable_password()->set_plain("a\tb");
  EXPECT_EQ(FieldOf(Read(stub().CreateAccount(AsOperator().get(), create, &account))), "password.plain");
  create.mutable_password()->set_crypt_hash("x");
  EXPECT_EQ(FieldOf(Read(stub().CreateAccount(AsOperator().get(), create, &account))), "password.crypt_hash");
  v1::SetPasswordRequest set;
  v1::SetPasswordResponse was_set;
  set.set_address("a@example.test");
  EXPECT_EQ(FieldOf(Read(stub().SetPassword(AsOperator().get(), set, &was_set))), "password");
}

TEST_F(DirectoryServiceTest, ABatchAnswersForEach) {
  v1::BatchCreateAccountsRequest request;
  for (int i = 0; i < 50; ++i) {
    request.add_requests()->mutable_account()->set_address(absl::StrCat("u", i, "@example.test"));
  }
  request.mutable_requests(3)->mutable_account()->set_address("bad");
  request.mutable_requests(4)->mutable_account()->set_address("u0@example.test");
  v1::BatchCreateAccountsResponse response;
  ASSERT_TRUE(stub().BatchCreateAccounts(AsOperator().get(), request, &response).ok());
  ASSERT_EQ(response.results_size(), 50);
  EXPECT_EQ(response.results(0).code(), 0);
  EXPECT_EQ(response.results(0).error(), "");
  EXPECT_EQ(response.results(3).code(), static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT));
  EXPECT_THAT(response.results(3).error(), testing::StartsWith("account.address: "));
  EXPECT_EQ(response.results(4).code(), static_cast<int>(grpc::StatusCode::ALREADY_EXISTS));
  EXPECT_EQ(FieldOf(Read(stub().BatchCreateAccounts(AsOperator().get(), {}, &response))), "requests");
}

TEST_F(DirectoryServiceTest, Aliases) {
  v1::CreateAliasRequest create;
  create.mutable_alias()->set_address("info@example.test");
  v1::Alias alias;
  EXPECT_EQ(FieldOf(Read(stub().CreateAlias(AsOperator().get(), create, &alias))), "alias.targets");
  create.mutable_alias()->add_targets("a@example.test");
  ASSERT_TRUE(stub().CreateAlias(AsOperator().get(), create, &alias).ok());
  v1::UpdateAliasRequest update;
  update.mutable_alias()->set_address("info@example.test");
  update.mutable_alias()->add_targets("b@example.test");
  update.mutable_update_mask()->add_paths("targets");
  ASSERT_TRUE(stub().UpdateAlias(AsOperator().get(), update, &alias).ok());
  v1::GetAliasRequest get;
  get.set_address("INFO@example.test");
  ASSERT_TRUE(stub().GetAlias(AsOperator().get(), get, &alias).ok());
  EXPECT_THAT(alias.targets(), testing::ElementsAre("b@example.test"));
  v1::ListAliasesResponse page;
  ASSERT_TRUE(stub().ListAliases(AsOperator().get(), {}, &page).ok());
  EXPECT_EQ(page.aliases_size(), 1);
  v1::DeleteAliasRequest remove;
  remove.set_address("info@example.test");
  v1::DeleteAliasResponse removed;
  EXPECT_TRUE(stub().DeleteAlias(AsOperator().get(), remove, &removed).ok());
}

TEST_F(DirectoryServiceTest, ResolveRecipient) {
  const uint64_t mailbox = AddAccount("a@example.test");
  const auto resolve = [&](const std::string& address) {
    v1::ResolveRecipientRequest request;
    v1::ResolveRecipientResponse response;
    request.set_address(address);
    EXPECT_TRUE(stub().ResolveRecipient(AsFrontend().get(), request, &response).ok()) << address;
    return response;
  };
  EXPECT_EQ(resolve("a@example.test").outcome(), v1::ResolveRecipientResponse::OUTCOME_LOCAL);
  EXPECT_THAT(resolve("a+tag@example.test").mailbox_ids(), testing::ElementsAre(mailbox));
  EXPECT_THAT(resolve("Postmaster").mailbox_ids(), testing::ElementsAre(mailbox));
  EXPECT_EQ(resolve("x@example.test").outcome(), v1::ResolveRecipientResponse::OUTCOME_UNKNOWN);
  EXPECT_EQ(resolve("x@elsewhere.test").outcome(), v1::ResolveRecipientResponse::OUTCOME_REMOTE);
  v1::ResolveRecipientRequest request;
  v1::ResolveRecipientResponse response;
  EXPECT_EQ(FieldOf(Read(stub().ResolveRecipient(AsFrontend().get(), request, &response))), "address");
}

TEST_F(DirectoryServiceTest, AnEngineThatIsAwayIsUnavailable) {
  engine_.FailWith(absl::UnavailableError("away"));
  v1::ListDomainsResponse page;
  EXPECT_EQ(stub().ListDomains(AsOperator().get(), {}, &page).error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace mailstead::store
