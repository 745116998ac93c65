#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
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
  EXPECT_THAT(engine().UpdateDomain({"none.test", 0, true, clock().Now()}).status(),
              HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().DeleteDomain("none.test"), HasCode(StatusCode::kNotFound));
}

TEST_P(DirectoryConformance, AnUpdatedDomainKeepsItsCreateTime) {
  const absl::Time created = engine().GetDomain("example.test")->create_time;
  const auto updated = engine().UpdateDomain({"example.test", 0, false, created + absl::Hours(5)});
  ASSERT_OK(updated);
  EXPECT_EQ(updated->create_time, created);
  EXPECT_EQ(updated->update_time, created + absl::Hours(5));
  const auto domain = engine().GetDomain("example.test");
  ASSERT_OK(domain);
  EXPECT_FALSE(domain->plus_addressing);
  EXPECT_EQ(domain->create_time, created);
}

TEST_P(DirectoryConformance, ADomainKeepsItsPolicyUntilItIsChanged) {
  EXPECT_EQ(engine().GetDomain("example.test")->mta_sts, MtaSts::kOff);
  Domain domain{"a.test", true, clock().Now()};
  domain.mta_sts = MtaSts::kTesting;
  ASSERT_OK(engine().CreateDomain(domain));
  Restart();
  EXPECT_EQ(engine().GetDomain("a.test")->mta_sts, MtaSts::kTesting);
  DomainChange change{"a.test", 1, false, clock().Now()};
  ASSERT_OK(engine().UpdateDomain(change));
  EXPECT_EQ(engine().GetDomain("a.test")->mta_sts, MtaSts::kTesting);
  change = {"a.test", 2, std::nullopt, clock().Now()};
  change.mta_sts = MtaSts::kEnforce;
  EXPECT_EQ(engine().UpdateDomain(change)->mta_sts, MtaSts::kEnforce);
  change.mta_sts = MtaSts::kNone;
  EXPECT_THAT(engine().UpdateDomain(change).status(), HasCode(StatusCode::kAborted));
  Restart();
  EXPECT_EQ(engine().GetDomain("a.test")->mta_sts, MtaSts::kEnforce);
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
  EXPECT_THAT(engine().DeleteDomain("example.test"),
              HasReason(StatusCode::kFailedPrecondition, kReasonDomainNotEmpty));
  ASSERT_OK(engine().DeleteAccount("a@example.test"));
  ASSERT_OK(engine().CreateAlias({"@example.test", {"b@example.org"}, clock().Now()}));
  EXPECT_THAT(engine().DeleteDomain("example.test"),
              HasReason(StatusCode::kFailedPrecondition, kReasonDomainNotEmpty));
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
  account.quota_bytes = std::numeric_limits<int64_t>::max();
  account.quota_messages = 7;
  account.credential.kind = Credential::Kind::kScramSha256;
  account.credential.iterations = 20000;
  account.credential.salt = std::string("\0salt", 5);
  account.credential.stored_key = std::string(32, 's');
  account.credential.server_key = std::string(32, 'k');
  account.credential.version = 3;
  const auto created = engine().CreateAccounts({account});
  ASSERT_OK(created[0]);
  EXPECT_GT(created[0]->id.value, 0);
  Restart();
  // Found by the normalized address, and by its mailbox.
  for (const auto& found :
       {engine().GetAccount("john.doe@example.test"), engine().FindAccount(created[0]->id)}) {
    ASSERT_OK(found);
    EXPECT_EQ(found->address, "John.Doe@example.test");
    EXPECT_EQ(found->id, created[0]->id);
    EXPECT_TRUE(found->disabled);
    EXPECT_EQ(found->quota_bytes, std::numeric_limits<int64_t>::max());
    EXPECT_EQ(found->quota_messages, 7);
    EXPECT_EQ(found->create_time, account.create_time);
    EXPECT_EQ(found->credential.kind, Credential::Kind::kScramSha256);
    EXPECT_EQ(found->credential.iterations, 20000u);
    EXPECT_EQ(found->credential.salt, account.credential.salt);
    EXPECT_EQ(found->credential.stored_key, account.credential.stored_key);
    EXPECT_EQ(found->credential.server_key, account.credential.server_key);
    EXPECT_EQ(found->credential.version, 3);
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
  EXPECT_NE(results[0]->id, results[4]->id);
  EXPECT_EQ(engine().Status()->account_count, 2);
  EXPECT_THAT(engine().CreateAccounts({}), IsEmpty());
}

TEST_P(DirectoryConformance, AMailboxNumberIsNeverUsedAgain) {
  const AccountId first = NewMailbox("a@example.test");
  ASSERT_OK(engine().DeleteAccount("a@example.test"));
  Restart();
  const AccountId second = NewMailbox("a@example.test");
  EXPECT_GT(second, first);
  EXPECT_THAT(engine().FindAccount(first).status(), HasCode(StatusCode::kNotFound));
}

TEST_P(DirectoryConformance, ErrorsOfAccounts) {
  EXPECT_THAT(engine().GetAccount("none@example.test").status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().FindAccount(AccountId{999}).status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().DeleteAccount("none@example.test"), HasCode(StatusCode::kNotFound));
  AccountChange change;
  change.id = AccountId{999};
  EXPECT_THAT(engine().Delete(AccountKey{AccountId{999}}), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().UpdateAccount(change).status(), HasCode(StatusCode::kNotFound));
}

TEST_P(DirectoryConformance, AnUpdateChangesWhatItNamesAndNothingElse) {
  Account account = NewAccount("a@example.test");
  account.quota_bytes = 100;
  account.quota_messages = 10;
  account.credential.version = 5;
  const auto created = engine().CreateAccounts({account})[0];
  ASSERT_OK(created);

  AccountChange change;
  change.id = created->id;
  change.disabled = true;
  auto changed = engine().UpdateAccount(change);
  ASSERT_OK(changed);
  EXPECT_TRUE(changed->disabled);
  EXPECT_EQ(changed->quota_bytes, 100);
  EXPECT_EQ(changed->credential.version, 5);

  change = AccountChange();
  change.id = created->id;
  change.quota_bytes = 0;
  change.quota_messages = 2;
  Credential credential;
  credential.kind = Credential::Kind::kCrypt;
  credential.crypt_hash = "$6$salt$hash";
  credential.version = 1;  // not read
  change.credential = credential;
  ASSERT_OK(engine().UpdateAccount(change));
  Restart();
  changed = engine().GetAccount("a@example.test");
  ASSERT_OK(changed);
  EXPECT_TRUE(changed->disabled);
  EXPECT_EQ(changed->quota_bytes, 0);
  EXPECT_EQ(changed->quota_messages, 2);
  EXPECT_EQ(changed->credential.kind, Credential::Kind::kCrypt);
  EXPECT_EQ(changed->credential.crypt_hash, "$6$salt$hash");
  EXPECT_EQ(changed->credential.version, 6);
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
  ASSERT_OK(engine().UpdateAlias({"team@example.test", 0, {{"c@example.test"}}, clock().Now()}));
  kept = engine().GetAlias("team@example.test");
  ASSERT_OK(kept);
  EXPECT_THAT(kept->targets, ElementsAre("c@example.test"));
  EXPECT_EQ(kept->create_time, alias.create_time);
  ASSERT_OK(engine().DeleteAlias("team@example.test"));
  EXPECT_THAT(engine().GetAlias("team@example.test").status(), HasCode(StatusCode::kNotFound));
  EXPECT_THAT(engine().UpdateAlias({alias.address, 0, alias.targets, clock().Now()}).status(),
              HasCode(StatusCode::kNotFound));
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
  int64_t before = engine().DirectoryVersion();
  // An engine may not know; then it never does.
  const bool known = before != 0;
  const auto expect_grown = [&](const char* change) {
    const int64_t now = engine().DirectoryVersion();
    if (known) {
      EXPECT_GT(now, before) << change;
    } else {
      EXPECT_EQ(now, 0) << change;
    }
    before = now;
  };
  ASSERT_OK(engine().CreateDomain({"a.test", true, clock().Now()}));
  expect_grown("CreateDomain");
  ASSERT_OK(engine().UpdateDomain({"a.test", 0, false, clock().Now()}));
  expect_grown("UpdateDomain");
  // One that fails in part is a change.
  const auto created = engine().CreateAccounts({NewAccount("u@none.test"), NewAccount("u@a.test")})[1];
  ASSERT_OK(created);
  expect_grown("CreateAccounts");
  AccountChange change;
  change.id = created->id;
  change.disabled = true;
  ASSERT_OK(engine().UpdateAccount(change));
  expect_grown("UpdateAccount, disabled");
  change.disabled.reset();
  change.quota_bytes = 1000;
  ASSERT_OK(engine().UpdateAccount(change));
  expect_grown("UpdateAccount, quota_bytes");
  change.quota_bytes.reset();
  change.quota_messages = 10;
  ASSERT_OK(engine().UpdateAccount(change));
  expect_grown("UpdateAccount, quota_messages");
  change.quota_messages.reset();
  change.address = "w@a.test";
  ASSERT_OK(engine().UpdateAccount(change));
  expect_grown("UpdateAccount, address");
  ASSERT_OK(engine().CreateAlias({"alias@a.test", {"u@a.test"}, clock().Now()}));
  expect_grown("CreateAlias");
  ASSERT_OK(engine().UpdateAlias({"alias@a.test", 0, {{"v@a.test"}}, clock().Now()}));
  expect_grown("UpdateAlias");
  ASSERT_OK(engine().DeleteAlias("alias@a.test"));
  expect_grown("DeleteAlias");
  ASSERT_OK(engine().DeleteAccount("w@a.test"));
  expect_grown("DeleteAccount");
  ASSERT_OK(engine().DeleteDomain("a.test"));
  expect_grown("DeleteDomain");
}

TEST_P(DirectoryConformance, DeletingAnAccountDeletesItsMessages) {
  const AccountId gone = NewMailbox("gone@example.test");
  const AccountId stays = NewMailbox("stays@example.test");
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
    EXPECT_EQ(engine().Status()->message_count, 1);
    EXPECT_EQ(Fetch(stays, Ids(stays)[0]).value(), "Return-Path: <sender@example.org>\r\nshared");
  };
  expect_gone();
  Restart();
  expect_gone();
  ASSERT_OK(engine().Sweep(absl::Hours(72)));
  expect_gone();
  // Nothing of the mailbox is left to read, damaged or not.
  EXPECT_EQ(
      engine().Verify(AccountId{0}, [](auto, auto, const auto& error) { ADD_FAILURE() << error; }).value(),
      1);
}

TEST_P(DirectoryConformance, AnAccountWithALockedMaildropIsNotDeleted) {
  const AccountId mailbox = NewMailbox("a@example.test");
  ASSERT_OK(engine().RenewLease("lease-1", "front-end", absl::Seconds(6)));
  ASSERT_OK(Open(mailbox, "lease-1"));
  EXPECT_THAT(engine().DeleteAccount("a@example.test"),
              HasReason(StatusCode::kAborted, kReasonMaildropInUse));
  clock().Advance(absl::Seconds(7));
  EXPECT_OK(engine().DeleteAccount("a@example.test"));
}

TEST_P(DirectoryConformance, OneLookUpFindsAllThatRecipientsNeed) {
  const AccountId a = NewMailbox("a@example.test", /*quota_bytes=*/1000);
  Put(a, "hello");
  ASSERT_OK(engine().CreateAlias({"team@example.test", {"a@example.test"}, clock().Now()}));
  ASSERT_OK(engine().CreateAlias({"@example.test", {"a@example.test"}, clock().Now()}));
  const auto places = BlockOn(facets().directory().LookUp(
      {"A@Example.test", "team@example.test", "none@example.test", "x@elsewhere.test", "@example.test",
       "@elsewhere.test", "a@example.test"}));
  ASSERT_OK(places);
  ASSERT_EQ(places->size(), 7u);
  const auto& found = *places;
  for (const size_t i : {0, 1, 2, 4, 6}) {
    ASSERT_TRUE(found[i].domain.has_value()) << i;
    EXPECT_EQ(found[i].domain->name, "example.test");
  }
  for (const size_t i : {3, 5}) EXPECT_FALSE(found[i].domain.has_value()) << i;
  for (const size_t i : {0, 6}) {
    ASSERT_TRUE(found[i].account.has_value());
    EXPECT_EQ(found[i].account->id, a);
    EXPECT_EQ(found[i].account->quota_bytes, 1000);
    EXPECT_EQ(found[i].account->usage.message_count, 1);
    EXPECT_EQ(found[i].account->usage.message_bytes, List(a)[0].size_bytes);
    EXPECT_FALSE(found[i].alias.has_value());
  }
  for (const size_t i : {1, 2, 3, 4, 5}) EXPECT_FALSE(found[i].account.has_value()) << i;
  ASSERT_TRUE(found[1].alias.has_value());
  EXPECT_EQ(found[1].alias->address, "team@example.test");
  ASSERT_TRUE(found[4].alias.has_value());
  EXPECT_EQ(found[4].alias->address, "@example.test");
  // The catch-all is found by its own address only.
  EXPECT_FALSE(found[2].alias.has_value());
  EXPECT_THAT(*BlockOn(facets().directory().LookUp({})), IsEmpty());
  EXPECT_EQ(engine().ListAccounts("", "", 10)->at(0).usage.message_count, 1);
  EXPECT_EQ(engine().FindAccount(a)->usage.message_count, 1);
}

TEST_P(DirectoryConformance, EntriesOfOneCallSeeThoseBeforeThem) {
  const auto results = BlockOn(facets().directory().Create(
      {NewAccount("a@new.test"), Domain{"new.test", true, clock().Now()}, NewAccount("b@new.test"),
       Alias{"c@new.test", {"b@new.test"}, clock().Now()},
       Alias{"B@new.test", {"c@new.test"}, clock().Now()}}));
  ASSERT_EQ(results.size(), 5u);
  EXPECT_THAT(results[0].status(), HasCode(StatusCode::kNotFound));
  EXPECT_OK(results[1].status());
  ASSERT_OK(results[2]);
  EXPECT_GT(std::get<Account>(*results[2]).id.value, 0);
  EXPECT_EQ(std::get<Account>(*results[2]).version, 1);
  EXPECT_OK(results[3].status());
  EXPECT_THAT(results[4].status(), HasCode(StatusCode::kAlreadyExists));
}

TEST_P(DirectoryConformance, ARestoreGivesAccountsTheirIds) {
  Account account = NewAccount("restored@example.test");
  account.id = AccountId{500};
  ASSERT_EQ(engine().CreateAccounts({account})[0]->id, AccountId{500});
  EXPECT_EQ(engine().FindAccount(AccountId{500})->address, "restored@example.test");
  account.address = "other@example.test";
  EXPECT_THAT(engine().CreateAccounts({account})[0].status(), HasCode(StatusCode::kAlreadyExists));
  // In any order; and what is chosen is above all.
  account.id = AccountId{499};
  EXPECT_OK(engine().CreateAccounts({account})[0].status());
  EXPECT_EQ(NewMailbox("next@example.test"), AccountId{501});
  Restart();
  EXPECT_EQ(NewMailbox("further@example.test"), AccountId{502});
}

TEST_P(DirectoryConformance, AnUpdateThatExpectsAnotherVersionIsRefused) {
  const AccountId a = NewMailbox("a@example.test");
  ASSERT_OK(engine().CreateAlias({"team@example.test", {"a@example.test"}, clock().Now()}));
  const absl::Time later = clock().Now() + absl::Hours(1);
  const auto mismatch = HasReason(StatusCode::kAborted, kReasonEtagMismatch);

  EXPECT_THAT(engine().UpdateDomain({"example.test", 2, false, later}).status(), mismatch);
  ASSERT_EQ(engine().UpdateDomain({"example.test", 1, false, later})->version, 2);
  EXPECT_THAT(engine().UpdateDomain({"example.test", 1, true, later}).status(), mismatch);
  EXPECT_FALSE(engine().GetDomain("example.test")->plus_addressing);
  EXPECT_EQ(engine().GetDomain("example.test")->update_time, later);

  AccountChange change;
  change.id = a;
  change.expected_version = 2;
  change.disabled = true;
  change.time = later;
  EXPECT_THAT(engine().UpdateAccount(change).status(), mismatch);
  EXPECT_FALSE(engine().FindAccount(a)->disabled);
  change.expected_version = 1;
  ASSERT_EQ(engine().UpdateAccount(change)->version, 2);
  EXPECT_EQ(engine().FindAccount(a)->update_time, later);

  EXPECT_THAT(engine().UpdateAlias({"team@example.test", 7, {{"b@example.test"}}, later}).status(), mismatch);
  ASSERT_EQ(engine().UpdateAlias({"team@example.test", 1, {{"b@example.test"}}, later})->version, 2);

  EXPECT_THAT(engine().Delete(AliasKey{"team@example.test"}, 1), mismatch);
  EXPECT_THAT(engine().Delete(AccountKey{a}, 1), mismatch);
  EXPECT_THAT(engine().Delete(DomainKey{"example.test"}, 1), mismatch);
  Restart();
  EXPECT_OK(engine().Delete(AliasKey{"team@example.test"}, 2));
  EXPECT_OK(engine().Delete(AccountKey{a}, 2));
  EXPECT_OK(engine().Delete(DomainKey{"example.test"}, 2));
}

TEST_P(DirectoryConformance, AnAccountKeepsItsIdAndMailWhenItsAddressChanges) {
  ASSERT_OK(engine().CreateDomain({"new.test", true, clock().Now()}));
  const AccountId a = NewMailbox("a@example.test");
  NewMailbox("taken@example.test");
  ASSERT_OK(engine().CreateAlias({"alias@example.test", {"a@example.test"}, clock().Now()}));
  Put(a, "mail");
  AccountChange change;
  change.id = a;
  change.time = clock().Now();
  for (const char* address : {"taken@example.test", "Alias@example.test"}) {
    change.address = address;
    EXPECT_THAT(engine().UpdateAccount(change).status(), HasCode(StatusCode::kAlreadyExists)) << address;
  }
  change.address = "a@none.test";
  EXPECT_THAT(engine().UpdateAccount(change).status(), HasCode(StatusCode::kNotFound));
  EXPECT_EQ(engine().GetAccount("a@example.test")->version, 1);
  // The same address with other letters.
  change.address = "A@Example.test";
  ASSERT_OK(engine().UpdateAccount(change));
  EXPECT_EQ(engine().GetAccount("a@example.test")->address, "A@Example.test");
  change.address = "b@new.test";
  const auto changed = engine().UpdateAccount(change);
  ASSERT_OK(changed);
  EXPECT_EQ(changed->usage.message_count, 1);
  Restart();
  EXPECT_THAT(engine().GetAccount("a@example.test").status(), HasCode(StatusCode::kNotFound));
  const auto found = engine().GetAccount("b@new.test");
  ASSERT_OK(found);
  EXPECT_EQ(found->id, a);
  EXPECT_EQ(found->version, 3);
  EXPECT_EQ(engine().FindAccount(a)->address, "b@new.test");
  EXPECT_EQ(List(a).size(), 1u);
  // Who has the old address now is another account.
  EXPECT_NE(NewMailbox("a@example.test"), a);
  EXPECT_EQ(engine().Status()->account_count, 3);
  EXPECT_OK(engine().Delete(AccountKey{a}));
  EXPECT_THAT(engine().GetAccount("b@new.test").status(), HasCode(StatusCode::kNotFound));
}

}  // namespace
}  // namespace mailstead::engine
