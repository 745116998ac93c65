#include "stored/core/directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/core/credentials.h"
#include "tests/unit/stored/fake_engine.h"

namespace mailstead::store {
namespace {

constexpr uint32_t kIterations = 4096;

class DirectoryTest : public testing::Test {
 protected:
  DirectoryTest() : directory_(engine_, clock_, kIterations, hash_pool_) {
    EXPECT_TRUE(directory_.CreateDomain("example.test", true).ok());
  }

  static NewAccount Named(absl::string_view address, absl::string_view password = "") {
    NewAccount account;
    account.address = std::string(address);
    if (!password.empty()) account.password = {Password::Kind::kPlain, std::string(password)};
    return account;
  }

  FakeClock clock_;
  FakeEngine engine_;
  WorkerPool hash_pool_{2, 100};
  Directory directory_;
};

TEST_F(DirectoryTest, DomainsComeAndGo) {
  const auto created = directory_.CreateDomain("Other.TEST", false);
  ASSERT_TRUE(created.ok());
  EXPECT_EQ(created->name, "other.test");
  EXPECT_EQ(created->create_time, clock_.Now());
  EXPECT_TRUE(absl::IsAlreadyExists(directory_.CreateDomain("other.test", true).status()));
  EXPECT_TRUE(directory_.UpdateDomain("other.test", true)->plus_addressing);
  EXPECT_TRUE(directory_.GetDomain("OTHER.test")->plus_addressing);
  EXPECT_TRUE(directory_.DeleteDomain("other.test").ok());
  EXPECT_TRUE(absl::IsNotFound(directory_.GetDomain("other.test").status()));
  EXPECT_TRUE(absl::IsNotFound(directory_.UpdateDomain("other.test", true).status()));
}

TEST_F(DirectoryTest, DomainFieldsAreNamed) {
  EXPECT_EQ(FieldOf(directory_.CreateDomain("", true).status()), "domain.name");
  EXPECT_EQ(FieldOf(directory_.GetDomain("a b").status()), "name");
  EXPECT_EQ(FieldOf(directory_.UpdateDomain("", true).status()), "domain.name");
  EXPECT_EQ(FieldOf(directory_.DeleteDomain("")), "name");
}

TEST_F(DirectoryTest, AccountsGetAScramVerifierOnly) {
  const auto account = directory_.CreateAccount(Named("Demo@example.test", "secret"));
  ASSERT_TRUE(account.ok());
  EXPECT_EQ(account->address, "Demo@example.test");
  EXPECT_NE(account->mailbox.value, 0u);
  EXPECT_EQ(account->credential.kind, Credential::Kind::kScramSha256);
  EXPECT_EQ(account->credential.iterations, kIterations);
  PasswordVerifier verifier(kIterations);
  EXPECT_TRUE(verifier.Verify(account->credential, "secret", "secret"));
  EXPECT_TRUE(absl::IsAlreadyExists(directory_.CreateAccount(Named("demo@EXAMPLE.test")).status()));
}

TEST_F(DirectoryTest, AccountFieldsAreNamed) {
  EXPECT_EQ(FieldOf(directory_.CreateAccount(Named("nobody")).status()), "account.address");
  EXPECT_EQ(FieldOf(directory_.CreateAccount(Named("a@example.test", "\x01")).status()), "password.plain");
  NewAccount hashed = Named("a@example.test");
  hashed.password = {Password::Kind::kCryptHash, "secret"};
  EXPECT_EQ(FieldOf(directory_.CreateAccount(hashed).status()), "password.crypt_hash");
  EXPECT_EQ(FieldOf(directory_.GetAccount("x").status()), "address");
  EXPECT_EQ(FieldOf(directory_.DeleteAccount("x")), "address");
  EXPECT_EQ(FieldOf(directory_.SetPassword("a@example.test", {})), "password");
  EXPECT_EQ(FieldOf(directory_.UpdateAccount({"x"}).status()), "account.address");
  EXPECT_TRUE(absl::IsNotFound(directory_.CreateAccount(Named("a@nowhere.test")).status()));
}

TEST_F(DirectoryTest, ABatchAnswersForEach) {
  std::vector<NewAccount> accounts;
  for (int i = 0; i < 300; ++i) accounts.push_back(Named(absl::StrCat("u", i, "@example.test"), "secret"));
  accounts[7] = Named("broken");
  accounts[8] = Named("u9@example.test", "secret");
  const auto results = directory_.CreateAccounts(accounts);
  ASSERT_TRUE(results.ok());
  ASSERT_EQ(results->size(), 300u);
  for (int i = 0; i < 300; ++i) {
    if (i == 7) {
      EXPECT_EQ(FieldOf((*results)[i].status()), "account.address");
    } else if (i == 9) {
      EXPECT_TRUE(absl::IsAlreadyExists((*results)[i].status()));
    } else {
      ASSERT_TRUE((*results)[i].ok()) << i;
      EXPECT_EQ((*results)[i]->address, accounts[i].address);
      EXPECT_EQ((*results)[i]->credential.kind, Credential::Kind::kScramSha256);
    }
  }
}

TEST_F(DirectoryTest, ABatchIsBounded) {
  EXPECT_EQ(FieldOf(directory_.CreateAccounts({}).status()), "requests");
  EXPECT_TRUE(directory_.CreateAccounts(std::vector<NewAccount>(1000, Named("broken"))).ok());
  EXPECT_EQ(FieldOf(directory_.CreateAccounts(std::vector<NewAccount>(1001, Named("broken"))).status()),
            "requests");
}

TEST_F(DirectoryTest, OnlyWhatIsNamedChanges) {
  NewAccount account = Named("a@example.test", "secret");
  account.quota_bytes = 5;
  account.quota_messages = 6;
  ASSERT_TRUE(directory_.CreateAccount(account).ok());
  AccountUpdate update{"A@example.test"};
  update.disabled = true;
  auto details = directory_.UpdateAccount(update);
  ASSERT_TRUE(details.ok());
  EXPECT_TRUE(details->account.disabled);
  EXPECT_EQ(details->account.quota_bytes, 5u);
  update = {"a@example.test"};
  update.quota_bytes = 0;
  details = directory_.UpdateAccount(update);
  EXPECT_TRUE(details->account.disabled);
  EXPECT_EQ(details->account.quota_bytes, 0u);
  EXPECT_EQ(details->account.quota_messages, 6u);
  EXPECT_EQ(details->account.credential.kind, Credential::Kind::kScramSha256);
}

TEST_F(DirectoryTest, SetPasswordMakesANewVersion) {
  ASSERT_TRUE(directory_.CreateAccount(Named("a@example.test", "old")).ok());
  const Credential old = directory_.GetAccount("a@example.test")->account.credential;
  ASSERT_TRUE(directory_.SetPassword("a@example.test", {Password::Kind::kPlain, "new"}).ok());
  const Credential changed = directory_.GetAccount("a@example.test")->account.credential;
  EXPECT_GT(changed.version, old.version);
  PasswordVerifier verifier(kIterations);
  EXPECT_TRUE(verifier.Verify(changed, "new", "new"));
  EXPECT_FALSE(verifier.Verify(changed, "old", "old"));
  EXPECT_TRUE(absl::IsNotFound(directory_.SetPassword("x@example.test", {Password::Kind::kPlain, "new"})));
}

TEST_F(DirectoryTest, AccountsAreListedInPages) {
  ASSERT_TRUE(directory_.CreateDomain("another.test", true).ok());
  for (const char* address : {"c@example.test", "A@example.test", "b@example.test", "z@another.test"}) {
    ASSERT_TRUE(directory_.CreateAccount(Named(address)).ok());
  }
  std::vector<std::string> seen;
  PageRequest request{2, ""};
  int pages = 0;
  do {
    const auto page = directory_.ListAccounts(request, "");
    ASSERT_TRUE(page.ok());
    EXPECT_LE(page->items.size(), 2u);
    for (const AccountDetails& details : page->items) seen.push_back(details.account.address);
    request.page_token = page->next_page_token;
    ++pages;
  } while (!request.page_token.empty());
  EXPECT_EQ(pages, 2);
  EXPECT_THAT(seen,
              testing::ElementsAre("z@another.test", "A@example.test", "b@example.test", "c@example.test"));
  const auto filtered = directory_.ListAccounts({0, ""}, "Another.Test");
  ASSERT_TRUE(filtered.ok());
  EXPECT_EQ(filtered->items.size(), 1u);
}

TEST_F(DirectoryTest, PageTokensBelongToTheirListing) {
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(directory_.CreateAccount(Named(absl::StrCat(i, "@example.test"))).ok());
  const std::string token = directory_.ListAccounts({1, ""}, "")->next_page_token;
  EXPECT_EQ(FieldOf(directory_.ListAccounts({1, token}, "example.test").status()), "page_token");
  EXPECT_EQ(FieldOf(directory_.ListAliases({1, token}, "").status()), "page_token");
  EXPECT_EQ(FieldOf(directory_.ListAccounts({-1, ""}, "").status()), "page_size");
  EXPECT_EQ(FieldOf(directory_.ListAccounts({0, ""}, "a b").status()), "domain");
}

TEST_F(DirectoryTest, Aliases) {
  const auto alias = directory_.CreateAlias("Info@example.test", {"a@example.test", "B@Elsewhere.test"});
  ASSERT_TRUE(alias.ok());
  EXPECT_THAT(alias->targets, testing::ElementsAre("a@example.test", "B@elsewhere.test"));
  EXPECT_EQ(directory_.GetAlias("info@example.test")->address, "Info@example.test");
  EXPECT_THAT(directory_.UpdateAlias("info@example.test", {{"c@example.test"}})->targets,
              testing::ElementsAre("c@example.test"));
  ASSERT_TRUE(directory_.CreateAlias("@example.test", {"a@example.test"}).ok());
  EXPECT_EQ(directory_.ListAliases({0, ""}, "example.test")->items.size(), 2u);
  EXPECT_EQ(directory_.ListAliases({1, ""}, "")->items.front().address, "@example.test");
  EXPECT_TRUE(directory_.DeleteAlias("@example.test").ok());
  EXPECT_TRUE(absl::IsNotFound(directory_.DeleteAlias("@example.test")));
}

TEST_F(DirectoryTest, AliasFieldsAreNamed) {
  EXPECT_EQ(FieldOf(directory_.CreateAlias("x", {"a@example.test"}).status()), "alias.address");
  EXPECT_EQ(FieldOf(directory_.CreateAlias("x@example.test", {}).status()), "alias.targets");
  EXPECT_EQ(FieldOf(directory_.CreateAlias("x@example.test", {"a@example.test", "bad"}).status()),
            "alias.targets[1]");
  const std::vector<std::string> most(1000, "a@example.test");
  EXPECT_TRUE(directory_.CreateAlias("x@example.test", most).ok());
  const std::vector<std::string> too_many(1001, "a@example.test");
  EXPECT_EQ(FieldOf(directory_.UpdateAlias("x@example.test", too_many).status()), "alias.targets");
}

}  // namespace
}  // namespace mailstead::store
