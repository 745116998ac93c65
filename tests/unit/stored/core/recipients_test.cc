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
#include "stored/core/limits.h"
#include "tests/unit/stored/fake_engine.h"

namespace mailstead::store {
namespace {

using Outcome = Resolution::Outcome;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class RecipientsTest : public testing::Test {
 protected:
  RecipientsTest() {
    AddDomain("example.test", true);
    AddDomain("plain.test", false);
  }

  void AddDomain(const std::string& name, bool plus_addressing) {
    ASSERT_TRUE(engine_.CreateDomain({name, plus_addressing, absl::UnixEpoch()}).ok());
  }

  MailboxId Add(const std::string& address, bool disabled = false, uint64_t quota_bytes = 0) {
    Account account;
    account.address = address;
    account.disabled = disabled;
    account.quota_bytes = quota_bytes;
    return engine_.CreateAccounts({account}).front()->mailbox;
  }

  void AddAlias(const std::string& address, std::vector<std::string> targets) {
    ASSERT_TRUE(engine_.CreateAlias({address, std::move(targets), absl::UnixEpoch()}).ok());
  }

  // Puts a message of so many bytes into the mailbox.
  void Fill(MailboxId mailbox, size_t bytes) {
    Delivery delivery;
    delivery.delivery_id = absl::StrCat("delivery ", ++deliveries_);
    delivery.recipients = {{mailbox, "x"}};
    absl::Status status;
    engine_.AppendDelivery(delivery, std::string(bytes, 'x'), "",
                           [&](absl::StatusOr<Receipt> receipt) { status = receipt.status(); });
    ASSERT_TRUE(status.ok());
  }

  Resolution Resolve(absl::string_view address, uint64_t message_bytes = 0) {
    RecipientResolver resolver(engine_, postmaster_);
    const absl::StatusOr<Resolution> resolution = resolver.Resolve(address, message_bytes);
    EXPECT_TRUE(resolution.ok()) << address << ": " << resolution.status();
    return resolution.ok() ? *resolution : Resolution();
  }

  bool MaySendAs(absl::string_view account, absl::string_view sender) {
    RecipientResolver resolver(engine_, postmaster_);
    const absl::StatusOr<bool> allowed = resolver.MaySendAs(account, sender);
    EXPECT_TRUE(allowed.ok()) << allowed.status();
    return allowed.ok() && *allowed;
  }

  FakeEngine engine_;
  std::string postmaster_;
  int deliveries_ = 0;
};

TEST_F(RecipientsTest, AnAccount) {
  const MailboxId demo = Add("Demo@example.test");
  for (const char* address : {"demo@example.test", "DEMO@EXAMPLE.TEST", "\"demo\"@example.test"}) {
    const Resolution resolution = Resolve(address);
    EXPECT_EQ(resolution.outcome, Outcome::kLocal) << address;
    EXPECT_THAT(resolution.mailboxes, ElementsAre(demo)) << address;
  }
}

TEST_F(RecipientsTest, UnknownAndRemote) {
  Add("demo@example.test");
  EXPECT_EQ(Resolve("nobody@example.test").outcome, Outcome::kUnknown);
  EXPECT_EQ(Resolve("demo@elsewhere.test").outcome, Outcome::kRemote);
  EXPECT_EQ(Resolve("demo@[127.0.0.1]").outcome, Outcome::kRemote);
  // No relay by forms of old: the domain is what follows the last @.
  EXPECT_EQ(Resolve("victim%elsewhere.test@example.test").outcome, Outcome::kUnknown);
  EXPECT_EQ(Resolve("elsewhere.test!victim@example.test").outcome, Outcome::kUnknown);
  EXPECT_EQ(Resolve("\"victim@elsewhere.test\"@example.test").outcome, Outcome::kUnknown);
}

TEST_F(RecipientsTest, MalformedAddressesNameTheField) {
  RecipientResolver resolver(engine_, "");
  for (const char* bad : {"", "demo", "@example.test", "a@b@example.test", "a b@example.test"}) {
    EXPECT_EQ(FieldOf(resolver.Resolve(bad, 0).status()), "address") << bad;
  }
}

TEST_F(RecipientsTest, InternationalDomains) {
  AddDomain("xn--bcher-kva.example", true);
  const MailboxId mailbox = Add("leser@xn--bcher-kva.example");
  EXPECT_THAT(Resolve("leser@bücher.example").mailboxes, ElementsAre(mailbox));
  EXPECT_THAT(Resolve("leser@XN--BCHER-KVA.example").mailboxes, ElementsAre(mailbox));
}

TEST_F(RecipientsTest, PlusAddressing) {
  const MailboxId demo = Add("demo@example.test");
  const MailboxId longer = Add("demo+special@example.test");
  Add("demo@plain.test");
  EXPECT_THAT(Resolve("demo+tag@example.test").mailboxes, ElementsAre(demo));
  EXPECT_THAT(Resolve("demo+a+b@example.test").mailboxes, ElementsAre(demo));
  EXPECT_THAT(Resolve("demo+@example.test").mailboxes, ElementsAre(demo));
  EXPECT_THAT(Resolve("demo+special@example.test").mailboxes, ElementsAre(longer));
  EXPECT_EQ(Resolve("+demo@example.test").outcome, Outcome::kUnknown);
  EXPECT_EQ(Resolve("demo+tag@plain.test").outcome, Outcome::kUnknown);
}

TEST_F(RecipientsTest, AliasesReachEachMailboxOnce) {
  const MailboxId a = Add("a@example.test");
  const MailboxId b = Add("b@example.test");
  AddAlias("both@example.test", {"a@example.test", "b@example.test", "A@example.test", "a+tag@example.test"});
  AddAlias("outer@example.test", {"both@example.test", "b@example.test"});
  const Resolution resolution = Resolve("outer@example.test");
  EXPECT_EQ(resolution.outcome, Outcome::kAlias);
  EXPECT_THAT(resolution.mailboxes, UnorderedElementsAre(a, b));
  EXPECT_THAT(Resolve("both+tag@example.test").mailboxes, UnorderedElementsAre(a, b));
}

TEST_F(RecipientsTest, CirclesAreHarmless) {
  const MailboxId a = Add("a@example.test");
  AddAlias("x@example.test", {"y@example.test"});
  AddAlias("y@example.test", {"x@example.test", "a@example.test"});
  EXPECT_THAT(Resolve("x@example.test").mailboxes, ElementsAre(a));
  AddAlias("self@example.test", {"self@example.test"});
  EXPECT_EQ(Resolve("self@example.test").outcome, Outcome::kUnknown);
}

TEST_F(RecipientsTest, AliasesAreEightDeepAtMost) {
  const MailboxId a = Add("a@example.test");
  AddAlias("d1@example.test", {"a@example.test"});
  for (int i = 2; i <= 9; ++i) {
    AddAlias(absl::StrCat("d", i, "@example.test"), {absl::StrCat("d", i - 1, "@example.test")});
  }
  EXPECT_THAT(Resolve("d8@example.test").mailboxes, ElementsAre(a));
  RecipientResolver resolver(engine_, "");
  EXPECT_TRUE(absl::IsResourceExhausted(resolver.Resolve("d9@example.test", 0).status()));
}

TEST_F(RecipientsTest, AliasesHaveAThousandTargetsAtMostInAll) {
  std::vector<std::string> targets;
  for (size_t i = 0; i < kMaxAliasTargets; ++i) targets.push_back(absl::StrCat("u", i, "@example.test"));
  Add("u999@example.test");
  AddAlias("wide@example.test", targets);
  EXPECT_EQ(Resolve("wide@example.test").outcome, Outcome::kAlias);
  AddAlias("wider@example.test", {"wide@example.test"});
  RecipientResolver resolver(engine_, "");
  EXPECT_TRUE(absl::IsResourceExhausted(resolver.Resolve("wider@example.test", 0).status()));
}

TEST_F(RecipientsTest, CatchAllTakesTheRest) {
  const MailboxId a = Add("a@example.test");
  const MailboxId rest = Add("rest@example.test");
  AddAlias("@example.test", {"rest@example.test"});
  EXPECT_THAT(Resolve("a@example.test").mailboxes, ElementsAre(a));
  EXPECT_THAT(Resolve("a+tag@example.test").mailboxes, ElementsAre(a));
  const Resolution resolution = Resolve("whatever@example.test");
  EXPECT_EQ(resolution.outcome, Outcome::kAlias);
  EXPECT_THAT(resolution.mailboxes, ElementsAre(rest));
}

TEST_F(RecipientsTest, ACatchAllThatLeadsToNothingEnds) {
  AddAlias("@example.test", {"nobody@example.test"});
  EXPECT_EQ(Resolve("x@example.test").outcome, Outcome::kUnknown);
}

TEST_F(RecipientsTest, OneTargetAwayMakesItRemote) {
  Add("a@example.test");
  AddAlias("mixed@example.test", {"a@example.test", "b@elsewhere.test"});
  const Resolution resolution = Resolve("mixed@example.test");
  EXPECT_EQ(resolution.outcome, Outcome::kRemote);
  EXPECT_THAT(resolution.mailboxes, IsEmpty());
}

TEST_F(RecipientsTest, DisabledAccounts) {
  const MailboxId a = Add("a@example.test");
  Add("off@example.test", true);
  AddAlias("both@example.test", {"off@example.test", "a@example.test"});
  AddAlias("gone@example.test", {"off@example.test", "nobody@example.test"});
  EXPECT_EQ(Resolve("off@example.test").outcome, Outcome::kDisabled);
  EXPECT_THAT(Resolve("both@example.test").mailboxes, ElementsAre(a));
  EXPECT_EQ(Resolve("gone@example.test").outcome, Outcome::kDisabled);
}

TEST_F(RecipientsTest, OverQuotaOnceItIsReached) {
  const MailboxId full = Add("full@example.test", false, 100);
  Fill(full, 99);
  EXPECT_EQ(Resolve("full@example.test").outcome, Outcome::kLocal) << "the message that crosses it is taken";
  EXPECT_EQ(Resolve("full@example.test", 100).outcome, Outcome::kLocal);
  EXPECT_EQ(Resolve("full@example.test", 101).outcome, Outcome::kOverQuota) << "could never fit";
  Fill(full, 1);
  EXPECT_EQ(Resolve("full@example.test").outcome, Outcome::kOverQuota);
}

TEST_F(RecipientsTest, QuotaOfMessages) {
  const MailboxId few = Add("few@example.test");
  const uint64_t quota = 1;
  AccountChange change;
  change.address = "few@example.test";
  change.quota_messages = &quota;
  ASSERT_TRUE(engine_.UpdateAccount(change).ok());
  EXPECT_EQ(Resolve("few@example.test").outcome, Outcome::kLocal);
  Fill(few, 1);
  EXPECT_EQ(Resolve("few@example.test").outcome, Outcome::kOverQuota);
}

TEST_F(RecipientsTest, OneFullMailboxDoesNotStopAList) {
  const MailboxId a = Add("a@example.test");
  Fill(Add("full@example.test", false, 10), 10);
  AddAlias("list@example.test", {"full@example.test", "a@example.test"});
  AddAlias("only.full@example.test", {"full@example.test", "nobody@example.test"});
  const Resolution resolution = Resolve("list@example.test");
  EXPECT_EQ(resolution.outcome, Outcome::kAlias);
  EXPECT_THAT(resolution.mailboxes, ElementsAre(a));
  EXPECT_EQ(Resolve("only.full@example.test").outcome, Outcome::kOverQuota);
}

TEST_F(RecipientsTest, PostmasterIsAlwaysTakenWhereThereIsAnAccount) {
  EXPECT_EQ(Resolve("postmaster").outcome, Outcome::kUnknown) << "there is no account at all";
  const MailboxId first = Add("a@plain.test");
  EXPECT_THAT(Resolve("postmaster@example.test").mailboxes, ElementsAre(first)) << "the first of all";
  const MailboxId own = Add("b@example.test");
  EXPECT_THAT(Resolve("PostMaster@example.test").mailboxes, ElementsAre(own)) << "the first of the domain";
  EXPECT_THAT(Resolve("postmaster").mailboxes, ElementsAre(own)) << "the first of all is by domain";
  postmaster_ = "a@plain.test";
  EXPECT_THAT(Resolve("postmaster@example.test").mailboxes, ElementsAre(first)) << "--postmaster";
  EXPECT_THAT(Resolve("postmaster").mailboxes, ElementsAre(first));
  const MailboxId real = Add("postmaster@example.test");
  EXPECT_THAT(Resolve("postmaster@example.test").mailboxes, ElementsAre(real));
  EXPECT_EQ(Resolve("postmaster@elsewhere.test").outcome, Outcome::kRemote);
}

TEST_F(RecipientsTest, PostmasterSkipsThoseWhoTakeNoMail) {
  Add("a@example.test", true);
  Fill(Add("b@example.test", false, 1), 1);
  const MailboxId c = Add("c@example.test");
  EXPECT_THAT(Resolve("postmaster@example.test").mailboxes, ElementsAre(c));
  AddAlias("postmaster@example.test", {"a@example.test"});
  EXPECT_THAT(Resolve("postmaster@example.test").mailboxes, ElementsAre(c));
  AddAlias("postmaster@plain.test", {"someone@elsewhere.test"});
  EXPECT_THAT(Resolve("postmaster@plain.test").mailboxes, ElementsAre(c));
}

TEST_F(RecipientsTest, BarePostmasterFindsADomainsOwn) {
  Add("a@example.test");
  const MailboxId own = Add("postmaster@plain.test");
  EXPECT_THAT(Resolve("postmaster").mailboxes, ElementsAre(own));
  EXPECT_THAT(Resolve("POSTMASTER").mailboxes, ElementsAre(own));
}

TEST_F(RecipientsTest, AnEngineThatIsAwayIsAnError) {
  Add("a@example.test");
  engine_.FailWith(absl::UnavailableError("away"));
  RecipientResolver resolver(engine_, "");
  EXPECT_TRUE(absl::IsUnavailable(resolver.Resolve("a@example.test", 0).status()));
  EXPECT_TRUE(absl::IsUnavailable(resolver.Resolve("postmaster", 0).status()));
}

// ---- What is remembered

class RecipientMemoryTest : public RecipientsTest {
 protected:
  // Resolves it, and gives what is remembered of that.
  std::optional<Resolution> RememberedAfterResolving(absl::string_view address, uint64_t message_bytes = 0) {
    const absl::StatusOr<Resolution> resolved = resolver_.Resolve(address, message_bytes);
    EXPECT_TRUE(resolved.ok()) << resolved.status();
    const std::optional<Resolution> remembered = resolver_.Remembered(address);
    if (remembered.has_value()) {
      EXPECT_EQ(remembered->outcome, resolved->outcome);
      EXPECT_EQ(remembered->mailboxes, resolved->mailboxes);
    }
    return remembered;
  }

  RecipientResolver resolver_{engine_, ""};
};

TEST_F(RecipientMemoryTest, WhatTakesMailIsRememberedAsItWasAskedFor) {
  const MailboxId a = Add("a@example.test");
  const MailboxId b = Add("b@example.test");
  AddAlias("team@example.test", {"a@example.test", "b@example.test"});
  AddAlias("@plain.test", {"b@example.test"});
  EXPECT_FALSE(resolver_.Remembered("a@example.test").has_value()) << "before it was asked for";
  for (const char* address : {"a@example.test", "A@Example.test", "a+tag@example.test"}) {
    const auto remembered = RememberedAfterResolving(address);
    ASSERT_TRUE(remembered.has_value()) << address;
    EXPECT_EQ(remembered->outcome, Outcome::kLocal);
    EXPECT_THAT(remembered->mailboxes, ElementsAre(a));
  }
  EXPECT_FALSE(resolver_.Remembered("a+other@example.test").has_value());
  const auto team = RememberedAfterResolving("team@example.test");
  ASSERT_TRUE(team.has_value());
  EXPECT_EQ(team->outcome, Outcome::kAlias);
  EXPECT_THAT(team->mailboxes, UnorderedElementsAre(a, b));
  EXPECT_TRUE(RememberedAfterResolving("anything@plain.test").has_value());
}

TEST_F(RecipientMemoryTest, AnyChangeOfTheDirectoryForgets) {
  const MailboxId a = Add("a@example.test");
  Add("b@example.test");
  AddAlias("team@example.test", {"b@example.test"});
  const bool no = false;
  AccountChange change;
  change.address = "b@example.test";
  change.disabled = &no;
  const std::vector<std::pair<const char*, std::function<bool()>>> changes = {
      {"CreateDomain",
       [&] {
         return engine_.CreateDomain({"c.test", true, absl::UnixEpoch()}).ok();
       }},
      {"UpdateDomain",
       [&] {
         return engine_.UpdateDomain({"c.test", false, absl::UnixEpoch()}).ok();
       }},
      {"DeleteDomain", [&] { return engine_.DeleteDomain("c.test").ok(); }},
      {"CreateAccounts", [&] { return Add("c@example.test").value != 0; }},
      {"UpdateAccount", [&] { return engine_.UpdateAccount(change).ok(); }},
      {"DeleteAccount", [&] { return engine_.DeleteAccount("c@example.test").ok(); }},
      {"CreateAlias",
       [&] {
         return engine_.CreateAlias({"x@example.test", {"b@example.test"}, {}}).ok();
       }},
      {"UpdateAlias",
       [&] {
         return engine_.UpdateAlias({"x@example.test", {"a@example.test"}, {}}).ok();
       }},
      {"DeleteAlias", [&] { return engine_.DeleteAlias("x@example.test").ok(); }},
  };
  for (const auto& [name, make_change] : changes) {
    ASSERT_TRUE(RememberedAfterResolving("a@example.test").has_value()) << name;
    ASSERT_TRUE(RememberedAfterResolving("team@example.test").has_value()) << name;
    ASSERT_TRUE(make_change()) << name;
    EXPECT_FALSE(resolver_.Remembered("a@example.test").has_value()) << name;
    EXPECT_FALSE(resolver_.Remembered("team@example.test").has_value()) << name;
  }
  // And what is remembered then is the new truth.
  ASSERT_TRUE(engine_.UpdateAlias({"team@example.test", {"a@example.test"}, {}}).ok());
  EXPECT_THAT(RememberedAfterResolving("team@example.test")->mailboxes, ElementsAre(a));
}

TEST_F(RecipientMemoryTest, NeverWhereAQuotaMayBeReached) {
  const MailboxId full = Add("full@example.test", false, 100);
  Add("free@example.test");
  AddAlias("team@example.test", {"free@example.test", "full@example.test"});
  EXPECT_FALSE(RememberedAfterResolving("full@example.test").has_value());
  EXPECT_FALSE(RememberedAfterResolving("team@example.test").has_value());
  // Nor of a quota in messages.
  const uint64_t one = 1;
  AccountChange change;
  change.address = "free@example.test";
  change.quota_messages = &one;
  ASSERT_TRUE(engine_.UpdateAccount(change).ok());
  EXPECT_FALSE(RememberedAfterResolving("free@example.test").has_value());
  // So that a mailbox that fills up is found full.
  Fill(full, 200);
  EXPECT_EQ(resolver_.Resolve("full@example.test", 0)->outcome, Outcome::kOverQuota);
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

TEST_F(RecipientMemoryTest, NeverWhatTakesNoMail) {
  Add("closed@example.test", true);
  AddAlias("away@example.test", {"someone@elsewhere.test"});
  for (const char* address : {"nobody@example.test", "someone@elsewhere.test", "closed@example.test",
                              "away@example.test", "postmaster@example.test", "x@[127.0.0.1]"}) {
    EXPECT_FALSE(RememberedAfterResolving(address).has_value()) << address;
  }
  EXPECT_FALSE(resolver_.Resolve("@", 0).ok());
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
    ASSERT_TRUE(resolver_.Resolve(absl::StrCat("a+", i, "@example.test"), 0).ok());
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
  RecipientResolver resolver(engine_, "");
  EXPECT_EQ(FieldOf(resolver.MaySendAs("a", "a@example.test").status()), "account");
  EXPECT_EQ(FieldOf(resolver.MaySendAs("a@example.test", "a").status()), "sender");
  EXPECT_TRUE(absl::IsNotFound(resolver.MaySendAs("x@example.test", "a@example.test").status()));
}

}  // namespace
}  // namespace mailstead::store
