#include "stored/core/recipients.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/core/digest.h"
#include "stored/core/limits.h"
#include "tests/support/faulty_engine.h"
#include "tests/unit/stored/core/store_fixture.h"

namespace mailstead::stored {
namespace {

using Outcome = Resolution::Outcome;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class RecipientsTest : public StoreTest {
 protected:
  RecipientsTest() {
    AddDomain("example.test", true);
    AddDomain("plain.test", false);
  }

  void AddDomain(const std::string& name, bool plus_addressing) {
    ASSERT_TRUE(directory_.CreateDomain(name, plus_addressing).ok());
  }

  AccountId Add(const std::string& address, bool disabled = false, int64_t quota_bytes = 0) {
    NewAccount account;
    account.address = address;
    account.disabled = disabled;
    account.quota_bytes = quota_bytes;
    const auto created = directory_.CreateAccount(account);
    EXPECT_TRUE(created.ok()) << created.status();
    return created.ok() ? created->id : AccountId();
  }

  void AddAlias(const std::string& address, std::vector<std::string> targets) {
    ASSERT_TRUE(directory_.CreateAlias(address, std::move(targets)).ok());
  }

  // One message in the mailbox at most.
  void SetQuotaOfOneMessage(const std::string& account) {
    AccountUpdate update{account};
    update.quota_messages = 1;
    ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  }

  // Puts a message of so many bytes into the mailbox.
  void Fill(AccountId account, size_t bytes) {
    engine::NewMessage message;
    message.delivery_scope = "operator";
    message.envelope.delivery_id = absl::StrCat("delivery-number-", ++deliveries_);
    message.envelope.recipients.emplace_back().address = "x@example.test";
    message.copies.emplace_back().account = account;
    message.copies.back().recipients = {0};
    engine::Content content;
    content.whole = std::string(bytes, 'x');
    message.sha256 = Sha256(content.whole);
    message.fingerprint = message.sha256;
    const auto receipt = BlockOn(engine_->messages().Append(std::move(message), std::move(content), {}));
    ASSERT_TRUE(receipt.ok()) << receipt.status();
  }

  Resolution Resolve(const std::string& address, int64_t message_bytes = 0) {
    RecipientResolver resolver(engine_->directory(), postmaster_);
    const absl::StatusOr<Resolution> resolution = BlockOn(resolver.Resolve(address, message_bytes));
    EXPECT_TRUE(resolution.ok()) << address << ": " << resolution.status();
    return resolution.ok() ? *resolution : Resolution();
  }
  // The error that it gives, by a resolver that remembers nothing.
  absl::Status ResolveError(const std::string& address) {
    RecipientResolver resolver(engine_->directory(), "");
    return BlockOn(resolver.Resolve(address, 0)).status();
  }

  bool MaySendAs(const std::string& account, const std::string& sender) {
    RecipientResolver resolver(engine_->directory(), postmaster_);
    const absl::StatusOr<bool> allowed = BlockOn(resolver.MaySendAs(account, sender));
    EXPECT_TRUE(allowed.ok()) << allowed.status();
    return allowed.ok() && *allowed;
  }
  absl::Status MaySendAsError(const std::string& account, const std::string& sender) {
    RecipientResolver resolver(engine_->directory(), "");
    return BlockOn(resolver.MaySendAs(account, sender)).status();
  }

  std::string postmaster_;
  int deliveries_ = 0;
};

TEST_F(RecipientsTest, AnAccount) {
  const AccountId demo = Add("Demo@example.test");
  for (const char* address : {"demo@example.test", "DEMO@EXAMPLE.TEST", "\"demo\"@example.test"}) {
    const Resolution resolution = Resolve(address);
    EXPECT_EQ(resolution.outcome, Outcome::kAccount) << address;
    EXPECT_THAT(resolution.accounts, ElementsAre(demo)) << address;
  }
}

TEST_F(RecipientsTest, UnknownAndRemote) {
  Add("demo@example.test");
  EXPECT_EQ(Resolve("nobody@example.test").outcome, Outcome::kUnknown);
  EXPECT_EQ(Resolve("demo@elsewhere.test").outcome, Outcome::kRemote);
  EXPECT_THAT(Resolve("demo@Elsewhere.test").remote, ElementsAre("demo@Elsewhere.test"));
  EXPECT_EQ(Resolve("demo@[127.0.0.1]").outcome, Outcome::kRemote);
  // No relay by forms of old: the domain is what follows the last @.
  EXPECT_EQ(Resolve("victim%elsewhere.test@example.test").outcome, Outcome::kUnknown);
  EXPECT_EQ(Resolve("elsewhere.test!victim@example.test").outcome, Outcome::kUnknown);
  EXPECT_EQ(Resolve("\"victim@elsewhere.test\"@example.test").outcome, Outcome::kUnknown);
}

TEST_F(RecipientsTest, MalformedAddressesNameTheField) {
  for (const char* bad : {"", "demo", "@example.test", "a@b@example.test", "a b@example.test"}) {
    EXPECT_EQ(FieldOf(ResolveError(bad)), "address") << bad;
  }
}

TEST_F(RecipientsTest, InternationalDomains) {
  AddDomain("xn--bcher-kva.example", true);
  const AccountId mailbox = Add("leser@xn--bcher-kva.example");
  EXPECT_THAT(Resolve("leser@bücher.example").accounts, ElementsAre(mailbox));
  EXPECT_THAT(Resolve("leser@XN--BCHER-KVA.example").accounts, ElementsAre(mailbox));
}

TEST_F(RecipientsTest, PlusAddressing) {
  const AccountId demo = Add("demo@example.test");
  const AccountId longer = Add("demo+special@example.test");
  Add("demo@plain.test");
  EXPECT_THAT(Resolve("demo+tag@example.test").accounts, ElementsAre(demo));
  EXPECT_THAT(Resolve("demo+a+b@example.test").accounts, ElementsAre(demo));
  EXPECT_THAT(Resolve("demo+@example.test").accounts, ElementsAre(demo));
  EXPECT_THAT(Resolve("demo+special@example.test").accounts, ElementsAre(longer));
  EXPECT_EQ(Resolve("+demo@example.test").outcome, Outcome::kUnknown);
  EXPECT_EQ(Resolve("demo+tag@plain.test").outcome, Outcome::kUnknown);
}

TEST_F(RecipientsTest, AliasesReachEachMailboxOnce) {
  const AccountId a = Add("a@example.test");
  const AccountId b = Add("b@example.test");
  AddAlias("both@example.test", {"a@example.test", "b@example.test", "A@example.test", "a+tag@example.test"});
  AddAlias("outer@example.test", {"both@example.test", "b@example.test"});
  const Resolution resolution = Resolve("outer@example.test");
  EXPECT_EQ(resolution.outcome, Outcome::kAlias);
  EXPECT_THAT(resolution.accounts, UnorderedElementsAre(a, b));
  EXPECT_THAT(Resolve("both+tag@example.test").accounts, UnorderedElementsAre(a, b));
}

TEST_F(RecipientsTest, CirclesAreHarmless) {
  const AccountId a = Add("a@example.test");
  AddAlias("x@example.test", {"y@example.test"});
  AddAlias("y@example.test", {"x@example.test", "a@example.test"});
  EXPECT_THAT(Resolve("x@example.test").accounts, ElementsAre(a));
  AddAlias("self@example.test", {"self@example.test"});
  EXPECT_EQ(Resolve("self@example.test").outcome, Outcome::kUnknown);
}

TEST_F(RecipientsTest, AliasesAreEightDeepAtMost) {
  const AccountId a = Add("a@example.test");
  AddAlias("d1@example.test", {"a@example.test"});
  for (int i = 2; i <= 9; ++i) {
    AddAlias(absl::StrCat("d", i, "@example.test"), {absl::StrCat("d", i - 1, "@example.test")});
  }
  EXPECT_THAT(Resolve("d8@example.test").accounts, ElementsAre(a));
  EXPECT_TRUE(absl::IsResourceExhausted(ResolveError("d9@example.test")));
}

// A list of ten thousand is one of lists, since an alias has a thousand targets.
TEST_F(RecipientsTest, AliasesHaveTwentyThousandTargetsAtMostInAll) {
  Add("u@example.test");
  std::vector<std::string> lists;
  size_t followed = 0;
  for (int list = 0; followed + kMaxAliasTargets < kMaxFollowedTargets; ++list) {
    std::vector<std::string> targets;
    for (size_t i = 0; i < kMaxAliasTargets; ++i) targets.push_back("u@example.test");
    lists.push_back(absl::StrCat("list", list, "@example.test"));
    AddAlias(lists.back(), targets);
    followed += targets.size() + 1;
  }
  std::vector<std::string> targets = lists;
  while (followed < kMaxFollowedTargets) {
    targets.push_back("u@example.test");
    ++followed;
  }
  AddAlias("wide@example.test", targets);
  EXPECT_EQ(Resolve("wide@example.test").outcome, Outcome::kAlias);
  AddAlias("wider@example.test", {"wide@example.test"});
  const absl::Status status = ResolveError("wider@example.test");
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(ReasonOf(status), kReasonAliasTooDeep);
}

TEST_F(RecipientsTest, CatchAllTakesTheRest) {
  const AccountId a = Add("a@example.test");
  const AccountId rest = Add("rest@example.test");
  AddAlias("@example.test", {"rest@example.test"});
  EXPECT_THAT(Resolve("a@example.test").accounts, ElementsAre(a));
  EXPECT_THAT(Resolve("a+tag@example.test").accounts, ElementsAre(a));
  const Resolution resolution = Resolve("whatever@example.test");
  EXPECT_EQ(resolution.outcome, Outcome::kAlias);
  EXPECT_THAT(resolution.accounts, ElementsAre(rest));
}

TEST_F(RecipientsTest, ACatchAllThatLeadsToNothingEnds) {
  AddAlias("@example.test", {"nobody@example.test"});
  EXPECT_EQ(Resolve("x@example.test").outcome, Outcome::kUnknown);
}

TEST_F(RecipientsTest, AliasesLeadOut) {
  const AccountId a = Add("a@example.test");
  Add("off@example.test", true);
  AddAlias("mixed@example.test", {"a@example.test", "b@elsewhere.test", "more@example.test", "off@example.test"});
  AddAlias("more@example.test", {"b@elsewhere.test", "c@elsewhere.test", "nobody@example.test"});
  AddAlias("out@example.test", {"c@elsewhere.test", "off@example.test"});
  const Resolution mixed = Resolve("mixed@example.test");
  EXPECT_EQ(mixed.outcome, Outcome::kAlias);
  EXPECT_THAT(mixed.accounts, ElementsAre(a));
  EXPECT_THAT(mixed.remote, ElementsAre("b@elsewhere.test", "c@elsewhere.test")) << "each once";
  EXPECT_EQ(mixed.passed_over.disabled_count, 1u);
  EXPECT_EQ(mixed.passed_over.unknown_count, 1u);
  const Resolution out = Resolve("out@example.test");
  EXPECT_EQ(out.outcome, Outcome::kAlias);
  EXPECT_THAT(out.accounts, IsEmpty());
  EXPECT_THAT(out.remote, ElementsAre("c@elsewhere.test"));
}

TEST_F(RecipientsTest, DisabledAccounts) {
  const AccountId a = Add("a@example.test");
  Add("off@example.test", true);
  AddAlias("both@example.test", {"off@example.test", "a@example.test"});
  AddAlias("gone@example.test", {"off@example.test", "nobody@example.test"});
  EXPECT_EQ(Resolve("off@example.test").outcome, Outcome::kDisabled);
  EXPECT_THAT(Resolve("both@example.test").accounts, ElementsAre(a));
  EXPECT_EQ(Resolve("gone@example.test").outcome, Outcome::kDisabled);
}

TEST_F(RecipientsTest, OverQuotaOnceItIsReached) {
  const AccountId full = Add("full@example.test", false, 100);
  Fill(full, 99);
  EXPECT_EQ(Resolve("full@example.test").outcome, Outcome::kAccount)
      << "the message that crosses it is taken";
  EXPECT_EQ(Resolve("full@example.test", 100).outcome, Outcome::kAccount);
  EXPECT_EQ(Resolve("full@example.test", 101).outcome, Outcome::kQuotaTooSmall) << "could never fit";
  Fill(full, 1);
  EXPECT_EQ(Resolve("full@example.test").outcome, Outcome::kOverQuota);
}

TEST_F(RecipientsTest, QuotaOfMessages) {
  const AccountId few = Add("few@example.test");
  SetQuotaOfOneMessage("few@example.test");
  EXPECT_EQ(Resolve("few@example.test").outcome, Outcome::kAccount);
  Fill(few, 1);
  EXPECT_EQ(Resolve("few@example.test").outcome, Outcome::kOverQuota);
}

// Its copy waits while others get theirs; else, as for the mailbox itself, the sender tries again. No copy is lost.
TEST_F(RecipientsTest, AFullMailboxOfAListWaits) {
  const AccountId a = Add("a@example.test");
  const AccountId full = Add("full@example.test", false, 10);
  Fill(full, 10);
  Fill(Add("too@example.test", false, 10), 10);
  AddAlias("list@example.test", {"full@example.test", "a@example.test"});
  AddAlias("out@example.test", {"full@example.test", "b@elsewhere.test"});
  AddAlias("all.full@example.test", {"full@example.test", "too@example.test"});
  AddAlias("only.full@example.test", {"full@example.test", "nobody@example.test"});
  const Resolution list = Resolve("list@example.test");
  EXPECT_EQ(list.outcome, Outcome::kAlias);
  EXPECT_THAT(list.accounts, UnorderedElementsAre(full, a));
  EXPECT_EQ(Resolve("out@example.test").outcome, Outcome::kAlias);
  EXPECT_EQ(Resolve("all.full@example.test").outcome, Outcome::kOverQuota);
  EXPECT_EQ(Resolve("only.full@example.test").outcome, Outcome::kOverQuota);
}

TEST_F(RecipientsTest, ATargetThatCanNeverHoldTheMessageIsPassedOver) {
  const AccountId a = Add("a@example.test");
  const AccountId small = Add("small@example.test", false, 10);
  Add("off@example.test", true);
  AddAlias("list@example.test", {"small@example.test", "a@example.test", "off@example.test", "no@example.test"});
  AddAlias("only.small@example.test", {"small@example.test", "off@example.test"});
  const Resolution fits = Resolve("list@example.test", 10);
  EXPECT_EQ(fits.outcome, Outcome::kAlias);
  EXPECT_THAT(fits.accounts, UnorderedElementsAre(small, a));
  EXPECT_THAT(fits.passed_over.named, ElementsAre("no@example.test does not exist", "off@example.test is disabled"));
  const Resolution too_large = Resolve("list@example.test", 11);
  EXPECT_EQ(too_large.outcome, Outcome::kAlias);
  EXPECT_THAT(too_large.accounts, ElementsAre(a));
  EXPECT_EQ(too_large.passed_over.too_small_count, 1u);
  EXPECT_EQ(Resolve("only.small@example.test", 11).outcome, Outcome::kQuotaTooSmall);
  EXPECT_EQ(Resolve("only.small@example.test", 10).outcome, Outcome::kAlias);
}

TEST_F(RecipientsTest, ATargetThatCannotBeReadIsAnError) {
  Add("a@example.test");
  AddAlias("list@example.test", {"a@example.test"});
  FaultyEngine faulty(*engine_);
  // The alias is found, and its target is damaged.
  faulty.Fail("Directory.LookUp", FaultyEngine::When::kBefore, absl::DataLossError("damaged"), /*nth=*/2);
  RecipientResolver resolver(faulty.directory(), "");
  EXPECT_TRUE(absl::IsDataLoss(BlockOn(resolver.Resolve("list@example.test", 0)).status()));
}

TEST_F(RecipientsTest, TheWayIsTold) {
  using Kind = ResolutionStep::Kind;
  const AccountId a = Add("a@example.test");
  Add("off@example.test", true);
  Fill(Add("full@example.test", false, 10), 10);
  AddAlias("team@example.test", {"a+tag@example.test", "more@example.test", "full@example.test"});
  AddAlias("more@example.test", {"team@example.test", "off@example.test", "no@example.test", "x@elsewhere.test"});
  RecipientResolver resolver(engine_->directory(), "");
  ResolutionPath path;
  ASSERT_TRUE(BlockOn(resolver.Resolve("team+x@example.test", 0, &path)).ok());
  struct Step {
    const char* address;
    int led_by;
    Kind kind;
    const char* found_as;
  };
  const std::vector<Step> expected = {{"team+x@example.test", -1, Kind::kAlias, "team@example.test"},
                                      {"a+tag@example.test", 0, Kind::kAccount, "a@example.test"},
                                      {"more@example.test", 0, Kind::kAlias, "more@example.test"},
                                      {"full@example.test", 0, Kind::kOverQuota, "full@example.test"},
                                      {"team@example.test", 2, Kind::kKnown, "team@example.test"},
                                      {"off@example.test", 2, Kind::kDisabled, "off@example.test"},
                                      {"no@example.test", 2, Kind::kUnknown, ""},
                                      {"x@elsewhere.test", 2, Kind::kRemote, ""}};
  ASSERT_EQ(path.steps.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(path.steps[i].address, expected[i].address);
    EXPECT_EQ(path.steps[i].led_by, expected[i].led_by) << expected[i].address;
    EXPECT_EQ(path.steps[i].kind, expected[i].kind) << expected[i].address;
    EXPECT_EQ(path.steps[i].found_as, expected[i].found_as);
  }
  EXPECT_EQ(path.steps[1].account, a);
  EXPECT_EQ(path.further_count, 0u);
}

TEST_F(RecipientsTest, PostmasterIsAlwaysTakenWhereThereIsAnAccount) {
  EXPECT_EQ(Resolve("postmaster").outcome, Outcome::kUnknown) << "there is no account at all";
  const AccountId first = Add("a@plain.test");
  EXPECT_THAT(Resolve("postmaster@example.test").accounts, ElementsAre(first)) << "the first of all";
  const AccountId own = Add("b@example.test");
  EXPECT_THAT(Resolve("PostMaster@example.test").accounts, ElementsAre(own)) << "the first of the domain";
  EXPECT_THAT(Resolve("postmaster").accounts, ElementsAre(own)) << "the first of all is by domain";
  postmaster_ = "a@plain.test";
  EXPECT_THAT(Resolve("postmaster@example.test").accounts, ElementsAre(first)) << "--postmaster";
  EXPECT_THAT(Resolve("postmaster").accounts, ElementsAre(first));
  const AccountId real = Add("postmaster@example.test");
  EXPECT_THAT(Resolve("postmaster@example.test").accounts, ElementsAre(real));
  EXPECT_EQ(Resolve("postmaster@elsewhere.test").outcome, Outcome::kRemote);
}

TEST_F(RecipientsTest, PostmasterSkipsThoseWhoAreDisabled) {
  Add("a@example.test", true);
  const AccountId c = Add("c@example.test");
  EXPECT_THAT(Resolve("postmaster@example.test").accounts, ElementsAre(c));
  AddAlias("postmaster@example.test", {"a@example.test"});
  EXPECT_THAT(Resolve("postmaster@example.test").accounts, ElementsAre(c));
  AddAlias("postmaster@plain.test", {"someone@elsewhere.test"});
  EXPECT_THAT(Resolve("postmaster@plain.test").remote, ElementsAre("someone@elsewhere.test")) << "one who is elsewhere";
}

TEST_F(RecipientsTest, PostmasterMailNeverMovesBecauseAMailboxIsFull) {
  Add("z@example.test");
  // By default, by --postmaster, by alias, by account: whoever it is stays it.
  const AccountId first = Add("a@example.test", false, 1);
  EXPECT_THAT(Resolve("postmaster@example.test").accounts, ElementsAre(first));
  Fill(first, 1);
  for (const char* address : {"postmaster@example.test", "postmaster@plain.test", "postmaster"}) {
    EXPECT_EQ(Resolve(address).outcome, Outcome::kOverQuota) << address;
  }
  postmaster_ = "p@plain.test";
  const AccountId named = Add("p@plain.test", false, 1000);
  EXPECT_THAT(Resolve("postmaster@example.test", 1000).accounts, ElementsAre(named));
  EXPECT_EQ(Resolve("postmaster@example.test", 1001).outcome, Outcome::kQuotaTooSmall);
  Fill(named, 1000);
  for (const char* address : {"postmaster@example.test", "postmaster"}) {
    EXPECT_EQ(Resolve(address).outcome, Outcome::kOverQuota) << address;
  }
  AddAlias("postmaster@example.test", {"a@example.test"});
  EXPECT_EQ(Resolve("postmaster@example.test").outcome, Outcome::kOverQuota);
  Fill(Add("postmaster@plain.test", false, 1), 1);
  EXPECT_EQ(Resolve("postmaster@plain.test").outcome, Outcome::kOverQuota);
}

TEST_F(RecipientsTest, BarePostmasterFindsADomainsOwn) {
  Add("a@example.test");
  const AccountId own = Add("postmaster@plain.test");
  EXPECT_THAT(Resolve("postmaster").accounts, ElementsAre(own));
  EXPECT_THAT(Resolve("POSTMASTER").accounts, ElementsAre(own));
}

TEST_F(RecipientsTest, AnEngineThatIsAwayIsAnError) {
  AwayDirectory away;
  RecipientResolver resolver(away, "");
  EXPECT_TRUE(absl::IsUnavailable(BlockOn(resolver.Resolve("a@example.test", 0)).status()));
  EXPECT_TRUE(absl::IsUnavailable(BlockOn(resolver.Resolve("postmaster", 0)).status()));
  EXPECT_TRUE(absl::IsUnavailable(BlockOn(resolver.AddressOf(AccountId{1})).status()));
}

// ---- Round trips

TEST_F(RecipientsTest, AllAddressesOfOneDepthAreOneLookUp) {
  const AccountId a = Add("a@example.test");
  const AccountId b = Add("b@example.test");
  AddAlias("team@example.test", {"a+x@example.test", "b@example.test", "more@example.test"});
  AddAlias("more@example.test", {"a@example.test"});
  CountingDirectory counting(engine_->directory());
  RecipientResolver resolver(counting, "");
  EXPECT_THAT(BlockOn(resolver.Resolve("a+tag@example.test", 0))->accounts, ElementsAre(a));
  EXPECT_EQ(counting.look_ups, 1);
  EXPECT_THAT(BlockOn(resolver.Resolve("team+tag@example.test", 0))->accounts, ElementsAre(a, b));
  EXPECT_EQ(counting.look_ups, 4) << "three depths";
  EXPECT_TRUE(*BlockOn(resolver.MaySendAs("a@example.test", "a+tag@example.test")));
  EXPECT_EQ(counting.look_ups, 5);
}

TEST_F(RecipientsTest, NamesOfAccountsAreRememberedUntilTheDirectoryChanges) {
  const AccountId a = Add("A@example.test", false, 1'000'000);
  CountingDirectory counting(engine_->directory());
  RecipientResolver resolver(counting, "");
  EXPECT_EQ(*BlockOn(resolver.AddressOf(a)), "A@example.test");
  EXPECT_EQ(*BlockOn(resolver.AddressOf(a)), "A@example.test");
  EXPECT_EQ(counting.finds, 1);
  AccountUpdate update{"a@example.test"};
  update.address = "b@example.test";
  ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  EXPECT_EQ(*BlockOn(resolver.AddressOf(a)), "b@example.test");
  EXPECT_EQ(counting.finds, 2);
  ASSERT_TRUE(BlockOn(resolver.Resolve("b@example.test", 0)).ok());
  EXPECT_EQ(*BlockOn(resolver.AddressOf(AccountId{999})), "");
}

// ---- What is remembered

class RecipientMemoryTest : public RecipientsTest {
 protected:
  // Resolves it, and gives what is remembered of that.
  std::optional<Resolution> RememberedAfterResolving(const std::string& address, int64_t message_bytes = 0) {
    const absl::StatusOr<Resolution> resolved = BlockOn(resolver_.Resolve(address, message_bytes));
    EXPECT_TRUE(resolved.ok()) << resolved.status();
    const std::optional<Resolution> remembered = resolver_.Remembered(address);
    if (remembered.has_value()) {
      EXPECT_EQ(remembered->outcome, resolved->outcome);
      EXPECT_EQ(remembered->accounts, resolved->accounts);
    }
    return remembered;
  }

  RecipientResolver resolver_{engine_->directory(), ""};
};

TEST_F(RecipientMemoryTest, WhatTakesMailIsRememberedAsItWasAskedFor) {
  const AccountId a = Add("a@example.test");
  const AccountId b = Add("b@example.test");
  AddAlias("team@example.test", {"a@example.test", "b@example.test"});
  AddAlias("@plain.test", {"b@example.test"});
  EXPECT_FALSE(resolver_.Remembered("a@example.test").has_value()) << "before it was asked for";
  for (const char* address : {"a@example.test", "A@Example.test", "a+tag@example.test"}) {
    const auto remembered = RememberedAfterResolving(address);
    ASSERT_TRUE(remembered.has_value()) << address;
    EXPECT_EQ(remembered->outcome, Outcome::kAccount);
    EXPECT_THAT(remembered->accounts, ElementsAre(a));
  }
  EXPECT_FALSE(resolver_.Remembered("a+other@example.test").has_value());
  const auto team = RememberedAfterResolving("team@example.test");
  ASSERT_TRUE(team.has_value());
  EXPECT_EQ(team->outcome, Outcome::kAlias);
  EXPECT_THAT(team->accounts, UnorderedElementsAre(a, b));
  EXPECT_TRUE(RememberedAfterResolving("anything@plain.test").has_value());
}

TEST_F(RecipientMemoryTest, AnyChangeOfTheDirectoryForgets) {
  const AccountId a = Add("a@example.test");
  Add("b@example.test");
  AddAlias("team@example.test", {"b@example.test"});
  AccountUpdate change{"b@example.test"};
  change.disabled = false;
  const std::vector<std::pair<const char*, std::function<bool()>>> changes = {
      {"CreateDomain", [&] { return directory_.CreateDomain("c.test", true).ok(); }},
      {"UpdateDomain", [&] { return directory_.UpdateDomain("c.test", false).ok(); }},
      {"DeleteDomain", [&] { return directory_.DeleteDomain("c.test").ok(); }},
      {"CreateAccounts", [&] { return Add("c@example.test").value != 0; }},
      {"UpdateAccount", [&] { return directory_.UpdateAccount(change).ok(); }},
      {"DeleteAccount", [&] { return directory_.DeleteAccount("c@example.test").ok(); }},
      {"CreateAlias", [&] { return directory_.CreateAlias("x@example.test", {"b@example.test"}).ok(); }},
      {"UpdateAlias", [&] { return directory_.UpdateAlias("x@example.test", {"a@example.test"}).ok(); }},
      {"DeleteAlias", [&] { return directory_.DeleteAlias("x@example.test").ok(); }},
  };
  for (const auto& [name, make_change] : changes) {
    ASSERT_TRUE(RememberedAfterResolving("a@example.test").has_value()) << name;
    ASSERT_TRUE(RememberedAfterResolving("team@example.test").has_value()) << name;
    ASSERT_TRUE(make_change()) << name;
    EXPECT_FALSE(resolver_.Remembered("a@example.test").has_value()) << name;
    EXPECT_FALSE(resolver_.Remembered("team@example.test").has_value()) << name;
  }
  // And what is remembered then is the new truth.
  ASSERT_TRUE(directory_.UpdateAlias("team@example.test", {"a@example.test"}).ok());
  EXPECT_THAT(RememberedAfterResolving("team@example.test")->accounts, ElementsAre(a));
}

TEST_F(RecipientMemoryTest, NeverWhereAQuotaMayBeReached) {
  const AccountId full = Add("full@example.test", false, 100);
  Add("free@example.test");
  AddAlias("team@example.test", {"free@example.test", "full@example.test"});
  EXPECT_FALSE(RememberedAfterResolving("full@example.test").has_value());
  EXPECT_FALSE(RememberedAfterResolving("team@example.test").has_value());
  // Nor of a quota in messages.
  SetQuotaOfOneMessage("free@example.test");
  EXPECT_FALSE(RememberedAfterResolving("free@example.test").has_value());
  // So that a mailbox that fills up is found full.
  Fill(full, 100);
  EXPECT_EQ(BlockOn(resolver_.Resolve("full@example.test", 0))->outcome, Outcome::kOverQuota);
  EXPECT_FALSE(resolver_.Remembered("full@example.test").has_value());
}

TEST_F(RecipientMemoryTest, NeverWhatLeadsToManyMailboxes) {
  std::vector<std::string> targets;
  for (size_t i = 1; i <= kMaxRememberedMailboxes; ++i) {
    targets.push_back(absl::StrCat("a", i, "@example.test"));
    Add(targets.back());
  }
  AddAlias("at-limit@example.test", targets);
  EXPECT_TRUE(RememberedAfterResolving("at-limit@example.test").has_value());
  targets.push_back("b@example.test");
  Add(targets.back());
  AddAlias("over-limit@example.test", targets);
  EXPECT_FALSE(RememberedAfterResolving("over-limit@example.test").has_value());
}

// A thousand recipients that lead to one long list read it once, whatever tag they have.
TEST_F(RecipientMemoryTest, ALongListIsRememberedForAMoment) {
  std::vector<std::string> targets;
  for (size_t i = 0; i <= kMaxRememberedMailboxes; ++i) {
    targets.push_back(absl::StrCat("a", i, "@example.test"));
    Add(targets.back(), false, 1000);
  }
  AddAlias("list@example.test", targets);
  CountingDirectory counting(engine_->directory());
  FakeClock steady;
  RecipientResolver resolver(counting, "", steady);
  const auto look_ups = [&](const std::string& address) {
    const int before = counting.look_ups;
    const auto resolved = BlockOn(resolver.Resolve(address, 0));
    EXPECT_TRUE(resolved.ok()) << resolved.status();
    EXPECT_EQ(resolved->accounts.size(), targets.size());
    return counting.look_ups - before;
  };
  EXPECT_EQ(look_ups("list@example.test"), 2);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(look_ups(absl::StrCat("list+", i, "@example.test")), 1);
  steady.Advance(kWideMemory);
  EXPECT_EQ(look_ups("list@example.test"), 2);
  // Any change of the directory forgets it.
  Add("b@example.test");
  EXPECT_EQ(look_ups("list@example.test"), 2);
}

// Where a message goes is remembered, quota or not: what is in the mailboxes is the engine's to judge.
TEST_F(RecipientMemoryTest, DestinationsAreRememberedWithQuotasToo) {
  const AccountId full = Add("full@example.test", false, 100);
  Fill(full, 100);
  CountingDirectory counting(engine_->directory());
  RecipientResolver resolver(counting, "");
  EXPECT_EQ(BlockOn(resolver.Resolve("full@example.test", 0))->outcome, Outcome::kOverQuota);
  const auto destinations = BlockOn(resolver.ResolveDestinations("full@example.test"));
  EXPECT_EQ(destinations->outcome, Outcome::kAccount);
  EXPECT_THAT(destinations->accounts, ElementsAre(full));
  EXPECT_EQ(counting.look_ups, 1);
}

// A change between the look-up and the remembering: what was found may be untrue by then.
TEST_F(RecipientMemoryTest, WhatWasFoundBeforeAChangeIsNotRemembered) {
  class ChangingDirectory final : public CountingDirectory {
   public:
    using CountingDirectory::CountingDirectory;
    Task<absl::StatusOr<std::vector<engine::Place>>> LookUp(std::vector<std::string> addresses) override {
      auto found = co_await CountingDirectory::LookUp(std::move(addresses));
      if (then) then();
      co_return found;
    }
    std::function<void()> then;
  };
  Add("a@example.test");
  ChangingDirectory changing(engine_->directory());
  RecipientResolver resolver(changing, "");
  int changes = 0;
  changing.then = [&] { Add(absl::StrCat("b", ++changes, "@example.test")); };
  ASSERT_TRUE(BlockOn(resolver.Resolve("a@example.test", 0)).ok());
  EXPECT_FALSE(resolver.Remembered("a@example.test").has_value());
  EXPECT_EQ(BlockOn(resolver.AddressOf(AccountId{1})).value(), "a@example.test");
  EXPECT_EQ(changing.finds, 1) << "nor its name";
  changing.then = nullptr;
  ASSERT_TRUE(BlockOn(resolver.Resolve("a@example.test", 0)).ok());
  EXPECT_TRUE(resolver.Remembered("a@example.test").has_value());
}

TEST_F(RecipientMemoryTest, NeverWhatTakesNoMail) {
  Add("closed@example.test", true);
  for (const char* address : {"nobody@example.test", "someone@elsewhere.test", "closed@example.test",
                              "postmaster@example.test", "x@[127.0.0.1]"}) {
    EXPECT_FALSE(RememberedAfterResolving(address).has_value()) << address;
  }
  AddAlias("away@example.test", {"someone@elsewhere.test"});
  EXPECT_TRUE(RememberedAfterResolving("away@example.test").has_value());
  EXPECT_FALSE(BlockOn(resolver_.Resolve("@", 0)).ok());
  EXPECT_FALSE(resolver_.Remembered("@").has_value());
}

TEST_F(RecipientMemoryTest, APostmasterByDefaultIsLookedUpEachTime) {
  Add("a@example.test");
  EXPECT_FALSE(RememberedAfterResolving("postmaster@example.test").has_value());
  EXPECT_FALSE(RememberedAfterResolving("postmaster").has_value());
  Add("postmaster@example.test");
  EXPECT_TRUE(RememberedAfterResolving("postmaster@example.test").has_value());
}

TEST_F(RecipientMemoryTest, HasABound) {
  Add("a@example.test");
  for (size_t i = 0; i <= kMaxRememberedAddresses; ++i) {
    ASSERT_TRUE(BlockOn(resolver_.Resolve(absl::StrCat("a+", i, "@example.test"), 0)).ok());
  }
  EXPECT_FALSE(resolver_.Remembered("a+0@example.test").has_value());
  EXPECT_TRUE(resolver_.Remembered(absl::StrCat("a+", kMaxRememberedAddresses, "@example.test")).has_value());
}

TEST_F(RecipientsTest, AccountsSendAsThemselves) {
  Add("Demo@example.test");
  Add("demo+other@example.test");
  Add("demo@plain.test");
  EXPECT_TRUE(MaySendAs("demo@example.test", "DEMO@Example.test"));
  EXPECT_TRUE(MaySendAs("demo@example.test", "demo+tag@example.test"));
  EXPECT_FALSE(MaySendAs("demo@example.test", "demo+other@example.test")) << "somebody else's";
  EXPECT_FALSE(MaySendAs("demo@plain.test", "demo+tag@plain.test")) << "no plus addressing there";
  EXPECT_FALSE(MaySendAs("demo@example.test", "demo@plain.test"));
  EXPECT_FALSE(MaySendAs("demo@example.test", "demo@elsewhere.test"));
  EXPECT_FALSE(MaySendAs("demo@example.test", "nobody@example.test"));
}

TEST_F(RecipientsTest, AccountsSendAsTheirAliases) {
  Add("a@example.test");
  Add("b@example.test");
  AddAlias("team@example.test", {"a@example.test", "c@elsewhere.test"});
  AddAlias("nested@example.test", {"team@example.test"});
  AddAlias("@plain.test", {"b@example.test"});
  EXPECT_TRUE(MaySendAs("a@example.test", "team@example.test"));
  EXPECT_TRUE(MaySendAs("a@example.test", "nested@example.test"));
  EXPECT_FALSE(MaySendAs("b@example.test", "team@example.test"));
  EXPECT_TRUE(MaySendAs("b@example.test", "anything@plain.test"));
  EXPECT_FALSE(MaySendAs("a@example.test", "anything@plain.test"));
}

TEST_F(RecipientsTest, TheNullReversePathIsFreeAndErrorsNameTheField) {
  Add("a@example.test");
  EXPECT_TRUE(MaySendAs("a@example.test", ""));
  EXPECT_EQ(FieldOf(MaySendAsError("a", "a@example.test")), "account");
  EXPECT_EQ(FieldOf(MaySendAsError("a@example.test", "a")), "sender");
  EXPECT_TRUE(absl::IsNotFound(MaySendAsError("x@example.test", "a@example.test")));
}

}  // namespace
}  // namespace mailstead::stored
