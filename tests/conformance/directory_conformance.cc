#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "tests/conformance/conformance.h"

namespace mailstead::store {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;

Account NewAccount(absl::string_view address) {
  Account account;
  account.address = std::string(address);
  account.create_time = absl::FromUnixMicros(1'700'000'000'123'456);
  return account;
}

std::vector<std::string> Addresses(const std::vector<Account>& accounts) {
  std::vector<std::string> addresses;
  for (const Account& account : accounts) addresses.push_back(account.address);
  return addresses;
}

TEST_P(DirectoryConformance, ADomainIsKeptAsGiven) {
  const absl::Time time = absl::FromUnixMicros(1'600'000'000'000'001);
  ASSERT_OK(engine().CreateDomain({"a.test", false, time}));
  Restart();
  const auto domain = engine().GetDomain("a.test");
  ASSERT_OK(domain);
  EXPECT_EQ(domain->name, "a.test");
  EXPECT_FALSE(domain->plus_addressing);
  EXPECT_EQ(domain->create_time, time);
}

TEST_P(DirectoryConformance, ErrorsOfDomains) {
  EXPECT_THAT(engine().CreateDomain({"example.test", true, clock().Now()}),
              HasCode(StatusCode::kAlreadyExists));
  EXPECT_THAT(engine().GetDomain("none.test").status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().UpdateDomain({"none.test", true, clock().Now()}), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().DeleteDomain("none.test"), HasCode(StatusCode::kNotFound));
}

TEST_P(DirectoryConformance, AnUpdatedDomainKeepsItsCreateTime) {
  const absl::Time created = engine().GetDomain("example.test")->create_time;
  ASSERT_OK(engine().UpdateDomain({"example.test", false, created + absl::Hours(5)}));
  const auto domain = engine().GetDomain("example.test");
  ASSERT_OK(domain);
  EXPECT_FALSE(domain->plus_addressing);
  EXPECT_EQ(domain->create_time, created);
}

TEST_P(DirectoryConformance, DomainsAreListedByNameInPages) {
  for (const char* name : {"c.test", "a.test", "b.test"}) {
    ASSERT_OK(engine().CreateDomain({name, true, clock().Now()}));
  }
  for (const size_t limit : {size_t{1}, size_t{2}, size_t{3}, size_t{4}, size_t{1000}}) {
    std::vector<std::string> names;
    std::string after;
    for (;;) {
      const auto page = engine().ListDomains(after, limit);
      ASSERT_OK(page);
      ASSERT_LE(page->size(), limit);
      if (page->empty()) break;
      for (const Domain& domain : *page) names.push_back(domain.name);
      after = names.back();
    }
    EXPECT_THAT(names, ElementsAre("a.test", "b.test", "c.test", "example.test")) << limit;
  }
  EXPECT_THAT(*engine().ListDomains("", 0), IsEmpty());
  EXPECT_THAT(*engine().ListDomains("zzz", 10), IsEmpty());
  // `after` need not exist.
  EXPECT_EQ((*engine().ListDomains("b.testa", 10))[0].name, "c.test");
}

TEST_P(DirectoryConformance, ADomainInUseIsNotDeleted) {
  NewMailbox("a@example.test");
  EXPECT_THAT(engine().DeleteDomain("example.test"), HasCode(StatusCode::kFailedPrecondition));
  ASSERT_OK(engine().DeleteAccount("a@example.test"));
  ASSERT_OK(engine().CreateAlias({"@example.test", {"b@example.org"}, clock().Now()}));
  EXPECT_THAT(engine().DeleteDomain("example.test"), HasCode(StatusCode::kFailedPrecondition));
  ASSERT_OK(engine().DeleteAlias("@example.test"));
  EXPECT_OK(engine().DeleteDomain("example.test"));
  EXPECT_THAT(engine().GetDomain("example.test").status(), HasCode(StatusCode::kNotFound));
}

TEST_P(DirectoryConformance, ADomainWhoseNameBeginsAnothersIsDeletedOnItsOwn) {
  ASSERT_OK(engine().CreateDomain({"example.test.org", true, clock().Now()}));
  ASSERT_OK(engine().CreateAccounts({NewAccount("a@example.test.org")})[0]);
  EXPECT_OK(engine().DeleteDomain("example.test"));
  EXPECT_OK(engine().GetAccount("a@example.test.org").status());
}

TEST_P(DirectoryConformance, AnAccountIsKeptAsGiven) {
  Account account = NewAccount("John.Doe@example.test");
  account.disabled = true;
  account.quota_bytes = ~uint64_t{0};
  account.quota_messages = 7;
  account.credential.kind = Credential::Kind::kScramSha256;
  account.credential.iterations = 20000;
  account.credential.salt = std::string("\0salt", 5);
  account.credential.stored_key = std::string(32, 's');
  account.credential.server_key = std::string(32, 'k');
  account.credential.version = 3;
  const auto created = engine().CreateAccounts({account});
  ASSERT_OK(created[0]);
  EXPECT_GT(created[0]->mailbox.value, 0u);
  Restart();
  // Found by the normalized address, and by its mailbox.
  for (const auto& found :
       {engine().GetAccount("john.doe@example.test"), engine().GetAccountByMailbox(created[0]->mailbox)}) {
    ASSERT_OK(found);
    EXPECT_EQ(found->address, "John.Doe@example.test");
    EXPECT_EQ(found->mailbox, created[0]->mailbox);
    EXPECT_TRUE(found->disabled);
    EXPECT_EQ(found->quota_bytes, ~uint64_t{0});
    EXPECT_EQ(found->quota_messages, 7u);
    EXPECT_EQ(found->create_time, account.create_time);
    EXPECT_EQ(found->credential.kind, Credential::Kind::kScramSha256);
    EXPECT_EQ(found->credential.iterations, 20000u);
    EXPECT_EQ(found->credential.salt, account.credential.salt);
    EXPECT_EQ(found->credential.stored_key, account.credential.stored_key);
    EXPECT_EQ(found->credential.server_key, account.credential.server_key);
    EXPECT_EQ(found->credential.version, 3u);
  }
}

TEST_P(DirectoryConformance, AddressesAreComparedWithoutCase) {
  NewMailbox("John@example.test");
  EXPECT_THAT(engine().CreateAccounts({NewAccount("JOHN@example.test")})[0].status(),
              HasCode(StatusCode::kAlreadyExists));
  EXPECT_THAT(engine().CreateAlias({"john@example.test", {"b@example.org"}, clock().Now()}),
              HasCode(StatusCode::kAlreadyExists));
}

TEST_P(DirectoryConformance, AccountsOfOneCallAreMadeOrRefusedEachOnItsOwn) {
  ASSERT_OK(engine().CreateAlias({"alias@example.test", {"b@example.org"}, clock().Now()}));
  const auto results = engine().CreateAccounts(
      {NewAccount("a@example.test"), NewAccount("a@none.test"), NewAccount("A@example.test"),
       NewAccount("alias@example.test"), NewAccount("b@example.test")});
  ASSERT_EQ(results.size(), 5u);
  EXPECT_OK(results[0].status());
  EXPECT_THAT(results[1].status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(results[2].status(), HasCode(StatusCode::kAlreadyExists));
  EXPECT_THAT(results[3].status(), HasCode(StatusCode::kAlreadyExists));
  EXPECT_OK(results[4].status());
  EXPECT_NE(results[0]->mailbox, results[4]->mailbox);
  EXPECT_EQ(engine().Status()->account_count, 2u);
  EXPECT_THAT(engine().CreateAccounts({}), IsEmpty());
}

TEST_P(DirectoryConformance, AMailboxNumberIsNeverUsedAgain) {
  const MailboxId first = NewMailbox("a@example.test");
  ASSERT_OK(engine().DeleteAccount("a@example.test"));
  Restart();
  const MailboxId second = NewMailbox("a@example.test");
  EXPECT_GT(second, first);
  EXPECT_THAT(engine().GetAccountByMailbox(first).status(), HasCode(StatusCode::kNotFound));
}

TEST_P(DirectoryConformance, ErrorsOfAccounts) {
  EXPECT_THAT(engine().GetAccount("none@example.test").status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().GetAccountByMailbox(MailboxId{999}).status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().DeleteAccount("none@example.test"), HasCode(StatusCode::kNotFound));
  AccountChange change;
  change.address = "none@example.test";
  EXPECT_THAT(engine().UpdateAccount(change).status(), HasCode(StatusCode::kNotFound));
}

TEST_P(DirectoryConformance, AnUpdateChangesWhatItNamesAndNothingElse) {
  Account account = NewAccount("a@example.test");
  account.quota_bytes = 100;
  account.quota_messages = 10;
  account.credential.version = 5;
  ASSERT_OK(engine().CreateAccounts({account})[0]);

  AccountChange change;
  change.address = "a@example.test";
  const bool disabled = true;
  change.disabled = &disabled;
  auto changed = engine().UpdateAccount(change);
  ASSERT_OK(changed);
  EXPECT_TRUE(changed->disabled);
  EXPECT_EQ(changed->quota_bytes, 100u);
  EXPECT_EQ(changed->credential.version, 5u);

  change = AccountChange();
  change.address = "A@example.test";
  const uint64_t none = 0;
  change.quota_bytes = &none;
  const uint64_t two = 2;
  change.quota_messages = &two;
  Credential credential;
  credential.kind = Credential::Kind::kCrypt;
  credential.crypt_hash = "$6$salt$hash";
  credential.version = 1;  // not read
  change.credential = &credential;
  ASSERT_OK(engine().UpdateAccount(change));
  Restart();
  changed = engine().GetAccount("a@example.test");
  ASSERT_OK(changed);
  EXPECT_TRUE(changed->disabled);
  EXPECT_EQ(changed->quota_bytes, 0u);
  EXPECT_EQ(changed->quota_messages, 2u);
  EXPECT_EQ(changed->credential.kind, Credential::Kind::kCrypt);
  EXPECT_EQ(changed->credential.crypt_hash, "$6$salt$hash");
  EXPECT_EQ(changed->credential.version, 6u);
}

TEST_P(DirectoryConformance, AccountsAreListedByDomainThenLocalPart) {
  ASSERT_OK(engine().CreateDomain({"aaa.test", true, clock().Now()}));
  ASSERT_OK(engine().CreateDomain({"example.test.org", true, clock().Now()}));
  const std::vector<std::string> sorted = {"z@aaa.test",       "a@example.test", "B@example.test",
                                           "b.c@example.test", "c@example.test", "a@example.test.org"};
  for (size_t i = sorted.size(); i-- > 0;) ASSERT_OK(engine().CreateAccounts({NewAccount(sorted[i])})[0]);
  for (const size_t limit : {1, 2, 3, 5, 6, 7}) {
    std::vector<std::string> all;
    for (std::string after;;) {
      const auto page = engine().ListAccounts("", after, limit);
      ASSERT_OK(page);
      ASSERT_LE(page->size(), limit);
      if (page->empty()) break;
      for (const Account& account : *page) all.push_back(account.address);
      after = all.back();
    }
    EXPECT_EQ(all, sorted) << limit;
  }
  EXPECT_THAT(Addresses(*engine().ListAccounts("example.test", "", 10)),
              ElementsAre("a@example.test", "B@example.test", "b.c@example.test", "c@example.test"));
  EXPECT_THAT(Addresses(*engine().ListAccounts("example.test", "b@example.test", 2)),
              ElementsAre("b.c@example.test", "c@example.test"));
  EXPECT_THAT(*engine().ListAccounts("example.test", "c@example.test", 10), IsEmpty());
  EXPECT_THAT(*engine().ListAccounts("none.test", "", 10), IsEmpty());
  EXPECT_THAT(*engine().ListAccounts("", "", 0), IsEmpty());
}

TEST_P(DirectoryConformance, UnicodeAndQuotedAddresses) {
  ASSERT_OK(engine().CreateDomain({"xn--bcher-kva.test", true, clock().Now()}));
  for (const char* address : {"用户@example.test", "Jörg@xn--bcher-kva.test", "\"a@b\"@example.test",
                              "\"a b\"@example.test", "δοκιμή@example.test"}) {
    ASSERT_OK(engine().CreateAccounts({NewAccount(address)})[0]) << address;
    const auto account = engine().GetAccount(address);
    ASSERT_OK(account) << address;
    EXPECT_EQ(account->address, address);
  }
  EXPECT_OK(engine().GetAccount("jörg@xn--bcher-kva.test").status());
  EXPECT_EQ(engine().ListAccounts("example.test", "", 100)->size(), 4u);
}

TEST_P(DirectoryConformance, AliasesAreKeptAndChanged) {
  const Alias alias{"team@example.test",
                    {"a@example.test", "b@example.org", "ü@example.test"},
                    absl::FromUnixMicros(1'650'000'000'000'000)};
  ASSERT_OK(engine().CreateAlias(alias));
  EXPECT_THAT(engine().CreateAlias(alias), HasCode(StatusCode::kAlreadyExists));
  EXPECT_THAT(engine().CreateAlias({"x@none.test", {"a@example.test"}, clock().Now()}),
              HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().CreateAccounts({NewAccount("team@example.test")})[0].status(),
              HasCode(StatusCode::kAlreadyExists));
  Restart();
  auto kept = engine().GetAlias("team@example.test");
  ASSERT_OK(kept);
  EXPECT_EQ(kept->targets, alias.targets);
  EXPECT_EQ(kept->create_time, alias.create_time);
  ASSERT_OK(engine().UpdateAlias({"team@example.test", {"c@example.test"}, clock().Now()}));
  kept = engine().GetAlias("team@example.test");
  ASSERT_OK(kept);
  EXPECT_THAT(kept->targets, ElementsAre("c@example.test"));
  EXPECT_EQ(kept->create_time, alias.create_time);
  ASSERT_OK(engine().DeleteAlias("team@example.test"));
  EXPECT_THAT(engine().GetAlias("team@example.test").status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().UpdateAlias(alias), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().DeleteAlias("team@example.test"), HasCode(StatusCode::kNotFound));
}

TEST_P(DirectoryConformance, AliasesAreListedInPagesCatchAllFirst) {
  ASSERT_OK(engine().CreateDomain({"b.test", true, clock().Now()}));
  for (const char* address : {"y@example.test", "@example.test", "x@example.test", "q@b.test"}) {
    ASSERT_OK(engine().CreateAlias({address, {"t@example.org"}, clock().Now()}));
  }
  std::vector<std::string> all;
  for (std::string after;;) {
    const auto page = engine().ListAliases("example.test", after, 2);
    ASSERT_OK(page);
    if (page->empty()) break;
    for (const Alias& alias : *page) all.push_back(alias.address);
    after = all.back();
  }
  EXPECT_THAT(all, ElementsAre("@example.test", "x@example.test", "y@example.test"));
  EXPECT_EQ(engine().ListAliases("", "", 100)->size(), 4u);
}

TEST_P(DirectoryConformance, TheVersionHasGrownWhenAChangeIsReported) {
  uint64_t before = engine().DirectoryVersion();
  // An engine may not know; then it never does.
  const bool known = before != 0;
  const auto expect_grown = [&](const char* change) {
    const uint64_t now = engine().DirectoryVersion();
    if (known) {
      EXPECT_GT(now, before) << change;
    } else {
      EXPECT_EQ(now, 0u) << change;
    }
    before = now;
  };
  ASSERT_OK(engine().CreateDomain({"a.test", true, clock().Now()}));
  expect_grown("CreateDomain");
  ASSERT_OK(engine().UpdateDomain({"a.test", false, clock().Now()}));
  expect_grown("UpdateDomain");
  // One that fails in part is a change.
  ASSERT_OK(engine().CreateAccounts({NewAccount("u@none.test"), NewAccount("u@a.test")})[1]);
  expect_grown("CreateAccounts");
  const bool disabled = true;
  const uint64_t quota_bytes = 1000;
  const uint64_t quota_messages = 10;
  AccountChange change;
  change.address = "u@a.test";
  change.disabled = &disabled;
  ASSERT_OK(engine().UpdateAccount(change));
  expect_grown("UpdateAccount, disabled");
  change.disabled = nullptr;
  change.quota_bytes = &quota_bytes;
  ASSERT_OK(engine().UpdateAccount(change));
  expect_grown("UpdateAccount, quota_bytes");
  change.quota_bytes = nullptr;
  change.quota_messages = &quota_messages;
  ASSERT_OK(engine().UpdateAccount(change));
  expect_grown("UpdateAccount, quota_messages");
  ASSERT_OK(engine().CreateAlias({"alias@a.test", {"u@a.test"}, clock().Now()}));
  expect_grown("CreateAlias");
  ASSERT_OK(engine().UpdateAlias({"alias@a.test", {"v@a.test"}, clock().Now()}));
  expect_grown("UpdateAlias");
  ASSERT_OK(engine().DeleteAlias("alias@a.test"));
  expect_grown("DeleteAlias");
  ASSERT_OK(engine().DeleteAccount("u@a.test"));
  expect_grown("DeleteAccount");
  ASSERT_OK(engine().DeleteDomain("a.test"));
  expect_grown("DeleteDomain");
}

TEST_P(DirectoryConformance, DeletingAnAccountDeletesItsMessages) {
  const MailboxId gone = NewMailbox("gone@example.test");
  const MailboxId stays = NewMailbox("stays@example.test");
  ASSERT_OK(Append(NewDelivery("shared-delivery-1", {gone, stays}), "shared"));
  for (int i = 0; i < 1203; ++i) Put(gone, absl::StrCat("message ", i));
  const MessageId message = Ids(gone)[0];
  ASSERT_OK(engine().DeleteAccount("gone@example.test"));

  const auto expect_gone = [&] {
    EXPECT_THAT(engine().GetAccount("gone@example.test").status(), HasCode(StatusCode::kNotFound));
    EXPECT_THAT(engine().GetUsage(gone).status(), HasCode(StatusCode::kNotFound));
    EXPECT_THAT(engine().ListMessages(gone, MessageId{0}, 10).status(), HasCode(StatusCode::kNotFound));
    EXPECT_THAT(engine().OpenMessage(gone, message).status(), HasCode(StatusCode::kNotFound));
    EXPECT_THAT(engine().DeleteMessages(gone, {message}).status(), HasCode(StatusCode::kNotFound));
    EXPECT_THAT(Append(NewDelivery("to-the-gone-one-1", {gone}), "x").status(),
                HasCode(StatusCode::kNotFound));
    EXPECT_EQ(engine().Status()->message_count, 1u);
    EXPECT_EQ(Fetch(stays, Ids(stays)[0]).value(), "Return-Path: <sender@example.org>\r\nshared");
  };
  expect_gone();
  Restart();
  expect_gone();
  ASSERT_OK(engine().Sweep(absl::Hours(72)));
  expect_gone();
  // Nothing of the mailbox is left to read, damaged or not.
  EXPECT_EQ(
      engine().Verify(MailboxId{0}, [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(),
      1u);
}

TEST_P(DirectoryConformance, AnAccountWithALockedMaildropIsNotDeleted) {
  const MailboxId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(engine().RenewLease("lease-1", "front-end", absl::Seconds(6)));
  ASSERT_OK(Open(mailbox, "lease-1"));
  EXPECT_THAT(engine().DeleteAccount("a@example.test"),
              HasReason(StatusCode::kAborted, kReasonMaildropInUse));
  clock().Advance(absl::Seconds(7));
  EXPECT_OK(engine().DeleteAccount("a@example.test"));
}

}  // namespace
}  // namespace mailstead::store
