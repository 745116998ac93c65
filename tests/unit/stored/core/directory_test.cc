#include "stored/core/directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/base/details.h"
#include "common/base/reason.h"
#include "stored/core/credentials.h"
#include "tests/unit/stored/core/store_fixture.h"

namespace mailstead::stored {
namespace {

class DirectoryTest : public StoreTest {
 protected:
  DirectoryTest() { EXPECT_TRUE(directory_.CreateDomain("example.test", true).ok()); }

  static NewAccount Named(absl::string_view address, absl::string_view password = "") {
    NewAccount account;
    account.address = std::string(address);
    if (!password.empty()) account.password = {Password::Kind::kPlain, std::string(password)};
    return account;
  }
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
  EXPECT_NE(account->id.value, 0);
  EXPECT_EQ(account->credential.kind, engine::Credential::Kind::kScramSha256);
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
  EXPECT_EQ(FieldOf(directory_.GetAccount("x").status()), "account");
  EXPECT_EQ(FieldOf(directory_.DeleteAccount("x")), "account");
  EXPECT_EQ(FieldOf(directory_.SetPassword("x", {})), "account");
  EXPECT_EQ(FieldOf(directory_.SetPassword("a@example.test", {Password::Kind::kPlain, ""})),
            "password.plain");
  EXPECT_EQ(FieldOf(directory_.UpdateAccount({"x"}).status()), "account");
  AccountUpdate moved{"1"};
  moved.address = "x";
  EXPECT_EQ(FieldOf(directory_.UpdateAccount(moved).status()), "update.address");
  NewAccount negative = Named("a@example.test");
  negative.quota_bytes = -1;
  EXPECT_EQ(FieldOf(directory_.CreateAccount(negative).status()), "account.quota.bytes");
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
      EXPECT_EQ((*results)[i]->credential.kind, engine::Credential::Kind::kScramSha256);
    }
  }
}

// Whatever is wrong, it is told at once.
TEST_F(DirectoryTest, AllThatIsWrongIsTold) {
  const auto fields = [](const absl::Status& status) {
    std::vector<std::string> names;
    for (const FieldViolation& violation : ViolationsOf(status)) names.push_back(violation.field);
    return names;
  };
  NewAccount account = Named("nobody", "\x01");
  account.quota_bytes = account.quota_messages = -1;
  account.wrong.Add("account.state", "must be a state");
  EXPECT_THAT(fields(directory_.CreateAccount(account).status()),
              testing::ElementsAre("account.state", "account.address", "account.quota.bytes",
                                   "account.quota.messages", "password.plain"));
  AccountUpdate update{"x"};
  update.address = "y";
  update.quota_bytes = -1;
  EXPECT_THAT(fields(directory_.UpdateAccount(update).status()),
              testing::ElementsAre("account", "update.address", "update.quota.bytes"));
  EXPECT_THAT(fields(directory_.CreateAlias("x", {"a@example.test", "y", "z"}).status()),
              testing::ElementsAre("alias.address", "alias.targets[1]", "alias.targets[2]"));
  PageRequest page;
  page.page_size = -1;
  page.page_token = "?";
  EXPECT_THAT(fields(directory_.ListDomains(page).status()), testing::ElementsAre("page_size", "page_token"));
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
  EXPECT_TRUE(details->disabled);
  EXPECT_EQ(details->quota_bytes, 5);
  update = {"a@example.test"};
  update.quota_bytes = 0;
  details = directory_.UpdateAccount(update);
  EXPECT_TRUE(details->disabled);
  EXPECT_EQ(details->quota_bytes, 0);
  EXPECT_EQ(details->quota_messages, 6);
  EXPECT_EQ(details->credential.kind, engine::Credential::Kind::kScramSha256);
}

TEST_F(DirectoryTest, SetPasswordMakesANewVersion) {
  ASSERT_TRUE(directory_.CreateAccount(Named("a@example.test", "old")).ok());
  const engine::Credential old = directory_.GetAccount("a@example.test")->credential;
  ASSERT_TRUE(directory_.SetPassword("a@example.test", {Password::Kind::kPlain, "new"}).ok());
  const engine::Credential changed = directory_.GetAccount("a@example.test")->credential;
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
    for (const engine::Account& account : page->items) seen.push_back(account.address);
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
  EXPECT_THAT(directory_.UpdateAlias("info@example.test", {"c@example.test"})->targets,
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

// ---- Names, ids and versions

TEST_F(DirectoryTest, AnAccountIsNamedByItsAddressOrItsId) {
  const auto account = directory_.CreateAccount(Named("a@example.test"));
  ASSERT_TRUE(account.ok()) << account.status();
  const std::string id = absl::StrCat(account->id.value);
  EXPECT_EQ(directory_.GetAccount("A@Example.test")->id, account->id);
  EXPECT_EQ(directory_.GetAccount(id)->address, "a@example.test");
  EXPECT_EQ(ReasonOf(directory_.GetAccount("x@example.test").status()), kReasonAccountNotFound);
  EXPECT_EQ(ReasonOf(directory_.GetAccount("999").status()), kReasonAccountNotFound);
  EXPECT_EQ(FieldOf(directory_.GetAccount("0").status()), "account");
  EXPECT_EQ(FieldOf(directory_.GetAccount("99999999999999999999").status()), "account");
  EXPECT_EQ(FieldOf(directory_.GetAccount("").status()), "account");
}

TEST_F(DirectoryTest, AnAccountKeepsItsIdAndPasswordUnderAnotherAddress) {
  ASSERT_TRUE(directory_.CreateDomain("other.test", true).ok());
  const auto account = directory_.CreateAccount(Named("a@example.test", "secret"));
  ASSERT_TRUE(account.ok()) << account.status();
  ASSERT_TRUE(directory_.CreateAccount(Named("taken@example.test")).ok());
  AccountUpdate update{"a@example.test"};
  update.address = "New.Name@Other.test";
  const auto renamed = directory_.UpdateAccount(update);
  ASSERT_TRUE(renamed.ok()) << renamed.status();
  EXPECT_EQ(renamed->address, "New.Name@other.test");
  EXPECT_EQ(renamed->id, account->id);
  EXPECT_EQ(renamed->credential.stored_key, account->credential.stored_key);
  EXPECT_EQ(directory_.GetAccount("new.name@other.test")->id, account->id);
  EXPECT_TRUE(absl::IsNotFound(directory_.GetAccount("a@example.test").status()));
  update = {absl::StrCat(account->id.value)};
  update.address = "taken@example.test";
  EXPECT_EQ(ReasonOf(directory_.UpdateAccount(update).status()), kReasonAddressTaken);
  update.address = "a@nowhere.test";
  EXPECT_EQ(ReasonOf(directory_.UpdateAccount(update).status()), kReasonDomainNotFound);
}

TEST_F(DirectoryTest, NoUpdateIsLostToAnother) {
  const auto domain = directory_.GetDomain("example.test");
  ASSERT_TRUE(domain.ok()) << domain.status();
  ASSERT_TRUE(directory_.UpdateDomain("example.test", false, domain->version).ok());
  EXPECT_EQ(ReasonOf(directory_.UpdateDomain("example.test", true, domain->version).status()),
            kReasonEtagMismatch);
  EXPECT_FALSE(directory_.GetDomain("example.test")->plus_addressing);
  EXPECT_EQ(ReasonOf(directory_.DeleteDomain("example.test", domain->version)), kReasonEtagMismatch);

  const auto alias = directory_.CreateAlias("x@example.test", {"a@example.test"});
  ASSERT_TRUE(alias.ok()) << alias.status();
  ASSERT_TRUE(
      directory_.UpdateAlias("x@example.test", {"a@example.test", "b@example.test"}, alias->version).ok());
  const absl::Status lost =
      directory_.UpdateAlias("x@example.test", {"a@example.test", "c@example.test"}, alias->version).status();
  EXPECT_TRUE(absl::IsAborted(lost));
  EXPECT_EQ(ReasonOf(lost), kReasonEtagMismatch);
  EXPECT_EQ(ReasonOf(directory_.DeleteAlias("x@example.test", alias->version)), kReasonEtagMismatch);
  EXPECT_TRUE(directory_.DeleteAlias("x@example.test", alias->version + 1).ok());

  const auto account = directory_.CreateAccount(Named("a@example.test"));
  ASSERT_TRUE(account.ok()) << account.status();
  AccountUpdate update{"a@example.test"};
  update.expected_version = account->version;
  update.disabled = true;
  ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  EXPECT_EQ(ReasonOf(directory_.UpdateAccount(update).status()), kReasonEtagMismatch);
  EXPECT_EQ(ReasonOf(directory_.DeleteAccount("a@example.test", account->version)), kReasonEtagMismatch);
}

TEST_F(DirectoryTest, ListsOfADomainThatIsNotThere) {
  EXPECT_EQ(ReasonOf(directory_.ListAccounts({0, ""}, "nowhere.test").status()), kReasonDomainNotFound);
  EXPECT_EQ(ReasonOf(directory_.ListAliases({0, ""}, "nowhere.test").status()), kReasonDomainNotFound);
  EXPECT_TRUE(directory_.ListAccounts({0, ""}, "example.test").ok());
}

TEST_F(DirectoryTest, ErrorsHaveReasons) {
  EXPECT_EQ(ReasonOf(directory_.GetDomain("nowhere.test").status()), kReasonDomainNotFound);
  EXPECT_EQ(ReasonOf(directory_.GetAlias("x@example.test").status()), kReasonAliasNotFound);
  EXPECT_EQ(ReasonOf(directory_.DeleteAlias("x@example.test")), kReasonAliasNotFound);
  EXPECT_EQ(ReasonOf(directory_.CreateAccount(Named("a@nowhere.test")).status()), kReasonDomainNotFound);
  ASSERT_TRUE(directory_.CreateAccount(Named("a@example.test")).ok());
  EXPECT_EQ(ReasonOf(directory_.CreateAlias("a@example.test", {"b@example.test"}).status()),
            kReasonAddressTaken);
  EXPECT_EQ(ReasonOf(directory_.DeleteDomain("example.test")), kReasonDomainNotEmpty);
}

TEST_F(DirectoryTest, APasswordCanBeTakenAway) {
  ASSERT_TRUE(directory_.CreateAccount(Named("a@example.test", "old")).ok());
  ASSERT_TRUE(directory_.SetPassword("a@example.test", {}).ok());
  EXPECT_EQ(directory_.GetAccount("a@example.test")->credential.kind, engine::Credential::Kind::kNone);
}

}  // namespace
}  // namespace mailstead::stored
