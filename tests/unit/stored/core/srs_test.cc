#include "stored/core/srs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/core/recipients.h"
#include "tests/support/faulty_engine.h"
#include "tests/unit/stored/core/store_fixture.h"

namespace mailstead::stored {
namespace {

using Found = SrsSenderFound::Outcome;
using Outcome = Resolution::Outcome;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

constexpr absl::Duration kDay = absl::Hours(24);

class SrsTest : public StoreTest {
 protected:
  SrsTest() {
    EXPECT_TRUE(directory_.CreateDomain("example.test", true).ok());
    Open();
  }

  // As a program that starts.
  void Open(SrsOptions options = {.domain = "srs.test"}, std::string key = std::string(32, 'k')) {
    srs_ = std::make_unique<Srs>(faulty_.srs(), engine_->directory(), clock_, key, std::move(options));
    resolver_ = std::make_unique<RecipientResolver>(engine_->directory(), "");
    resolver_->UseSrs(*srs_);
  }

  engine::QueuedMessage Message(const std::string& sender,
                                const std::string& forwarded_for = "team@example.test") {
    engine::QueuedMessage message;
    message.envelope.reverse_path = sender;
    message.queue_time = clock_.Now();
    engine::QueuedRecipient& recipient = message.recipients.emplace_back();
    recipient.address = "member@elsewhere.test";
    recipient.forwarded_for = forwarded_for;
    return message;
  }
  std::string SenderFor(const engine::QueuedMessage& message) {
    const auto sender = BlockOn(srs_->SenderFor(message));
    EXPECT_TRUE(sender.ok()) << sender.status();
    return sender.ok() ? *sender : "";
  }
  std::string Rewritten(const std::string& sender) { return SenderFor(Message(sender)); }

  // The sender, or what it is instead.
  std::string Decode(const std::string& address) {
    const auto found = BlockOn(srs_->Decode(address));
    if (!found.ok()) return std::string(found.status().message());
    if (found->outcome == Found::kForged) return "forged";
    return found->outcome == Found::kExpired ? "expired" : found->sender.ToString();
  }
  Resolution Resolve(const std::string& address) {
    const auto resolution = BlockOn(resolver_->Resolve(address, 0));
    EXPECT_TRUE(resolution.ok()) << resolution.status();
    return resolution.ok() ? *resolution : Resolution();
  }
  std::vector<int64_t> Secrets() {
    std::vector<int64_t> numbers;
    const auto secrets = BlockOn(srs_->List());
    EXPECT_TRUE(secrets.ok()) << secrets.status();
    for (const SrsSecretInfo& secret : *secrets) numbers.push_back(secret.number);
    return numbers;
  }
  void Rotate(const std::string& secret = "", bool drop_old = false) {
    const auto rotated = BlockOn(srs_->Rotate(secret, drop_old));
    ASSERT_TRUE(rotated.ok()) << rotated.status();
  }

  FaultyEngine faulty_{*engine_};
  std::unique_ptr<Srs> srs_;
  std::unique_ptr<RecipientResolver> resolver_;
};

TEST_F(SrsTest, OnlyWhatNeedsItIsRewritten) {
  const struct {
    const char* sender;
    const char* forwarded_for;
    bool rewritten;
  } kTable[] = {
      {"ann@far.test", "team@example.test", true},
      {"ann@sub.example.test", "team@example.test", true},
      {"ann@[192.0.2.1]", "team@example.test", true},
      {"SRS0=HHHH=TT=first.test=ann@far.test", "team@example.test", true},
      {"SRS1=GGGG=far.test==HHHH=TT=first.test=ann@third.test", "team@example.test", true},
      // The null sender.
      {"", "team@example.test", false},
      // Nobody led it there: who submitted it has named the recipient.
      {"ann@far.test", "", false},
      // Ours, in whatever letters.
      {"ann@example.test", "team@example.test", false},
      {"ann@EXAMPLE.test", "team@example.test", false},
      {"gone@example.test", "team@example.test", false},
      // Made here, or said to be.
      {"SRS0=HHHH=TT=far.test=ann@srs.test", "team@example.test", false},
      {"ann@SRS.test", "team@example.test", false},
  };
  for (const auto& row : kTable) {
    const std::string sender = SenderFor(Message(row.sender, row.forwarded_for));
    EXPECT_EQ(sender != row.sender, row.rewritten) << row.sender << " " << row.forwarded_for << " " << sender;
    EXPECT_EQ(absl::EndsWith(sender, "@srs.test") && sender != row.sender, row.rewritten) << sender;
  }
}

TEST_F(SrsTest, WithoutADomainNothingIsRewritten) {
  const std::string made = Rewritten("ann@far.test");
  Open({});
  EXPECT_EQ(Rewritten("ann@far.test"), "ann@far.test");
  EXPECT_EQ(ReasonOf(BlockOn(srs_->List()).status()), kReasonSrsOff);
  EXPECT_EQ(ReasonOf(BlockOn(srs_->Rotate("", false)).status()), kReasonSrsOff);
  EXPECT_EQ(ReasonOf(BlockOn(srs_->Decode(made)).status()), kReasonSrsOff);
  EXPECT_EQ(Resolve(made).outcome, Outcome::kRemote);
  EXPECT_TRUE(BlockOn(srs_->Begin()).ok());
}

TEST_F(SrsTest, DomainsGoInAsALabels) {
  EXPECT_EQ(Decode(Rewritten("ann@b\xc3\xbc\x63her.test")), "ann@xn--bcher-kva.test");
}

TEST_F(SrsTest, ARetryHasTheSenderOfTheFirstTry) {
  const engine::QueuedMessage message = Message("ann@far.test");
  const std::string first = SenderFor(message);
  clock_.Advance(3 * kDay);
  EXPECT_EQ(SenderFor(message), first);
  EXPECT_NE(Rewritten("ann@far.test"), first);
}

// RFC 5321 section 4.5.3.1.1.
TEST_F(SrsTest, NoLocalPartIsLongerThan64Octets) {
  for (const size_t size : {1, 34, 35, 36, 37, 50, 63, 64}) {
    for (const char* domain : {"far.test", "a-long-name-of-a-host.newsletters.example.org", "[192.0.2.1]"}) {
      const std::string sender = absl::StrCat(std::string(size, 'x'), "@", domain);
      const std::string made = Rewritten(sender);
      EXPECT_LE(made.find('@'), 64u) << made;
      EXPECT_TRUE(ParseAddress(made).ok()) << made;
      EXPECT_EQ(Decode(made), sender);
      EXPECT_EQ(Decode(absl::AsciiStrToLower(made)), sender) << made;
      EXPECT_EQ(Resolve(made).outcome, Outcome::kAlias) << made;
    }
  }
}

TEST_F(SrsTest, ALongSenderIsKeptAsLongAsItsAddressCounts) {
  const std::string sender = absl::StrCat(std::string(64, 'x'), "@far.test");
  const std::string made = Rewritten(sender);
  EXPECT_THAT(made, StartsWith("SRS0="));
  EXPECT_FALSE(absl::StrContains(made, "far.test")) << made;
  clock_.Advance(21 * kDay);
  EXPECT_FALSE(*BlockOn(srs_->ForgetOld()));
  EXPECT_EQ(Decode(made), sender);
  clock_.Advance(kDay);
  EXPECT_EQ(Decode(made), "expired");
  clock_.Advance(kDay);
  ASSERT_TRUE(BlockOn(srs_->ForgetOld()).ok());
  EXPECT_EQ(*BlockOn(engine_->srs().ForgetSenders(1'000'000, 10)), 0u) << "it is still there";
}

TEST_F(SrsTest, WhatCannotBeKeptDoesNotGoOut) {
  faulty_.Fail("Srs.KeepSender", FaultyEngine::When::kBefore, absl::UnavailableError("full"));
  const engine::QueuedMessage message = Message(absl::StrCat(std::string(64, 'x'), "@far.test"));
  EXPECT_EQ(BlockOn(srs_->SenderFor(message)).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(BlockOn(srs_->SenderFor(message)).ok());
}

TEST_F(SrsTest, AForgedAddressLeadsNowhere) {
  const std::string made = Rewritten("ann@far.test");
  std::string forged = made;
  forged[5] = forged[5] == 'x' ? 'y' : 'x';
  EXPECT_EQ(Decode(made), "ann@far.test");
  EXPECT_EQ(Decode(forged), "forged");
  EXPECT_EQ(Resolve(forged).outcome, Outcome::kSrsForged);
  EXPECT_EQ(Resolve("SRS0@srs.test").outcome, Outcome::kUnknown);
  EXPECT_EQ(Resolve("SRS0=@srs.test").outcome, Outcome::kSrsForged);
}

TEST_F(SrsTest, AnAddressLeadsToItsSender) {
  const Resolution away = Resolve(Rewritten("ann@far.test"));
  EXPECT_EQ(away.outcome, Outcome::kAlias);
  EXPECT_THAT(away.remote, ElementsAre("ann@far.test"));
  EXPECT_THAT(away.accounts, IsEmpty());
  // The sender's domain has become ours.
  const std::string moved = Rewritten("ann@moved.test");
  ASSERT_TRUE(directory_.CreateDomain("moved.test", true).ok());
  EXPECT_EQ(Resolve(moved).outcome, Outcome::kUnknown);
  NewAccount account;
  account.address = "ann@moved.test";
  const auto created = directory_.CreateAccount(account);
  ASSERT_TRUE(created.ok());
  EXPECT_THAT(Resolve(moved).accounts, ElementsAre(created->id));
  EXPECT_THAT(BlockOn(resolver_->ResolveDestinations(moved))->accounts, ElementsAre(created->id));
}

TEST_F(SrsTest, AnAddressExpires) {
  const std::string made = Rewritten("ann@far.test");
  clock_.Advance(21 * kDay);
  EXPECT_EQ(Decode(made), "ann@far.test");
  clock_.Advance(kDay);
  EXPECT_EQ(Decode(made), "expired");
  EXPECT_EQ(Resolve(made).outcome, Outcome::kSrsExpired);
}

// Another host sent it on, and then it came here a second time.
TEST_F(SrsTest, AnAddressOfOursWithinOneOfOurs) {
  const std::string made = Rewritten("ann@far.test");
  const std::string local_part = made.substr(0, made.find('@'));
  const std::string by_another = absl::StrCat("SRS1=GGGG=srs.test=", local_part.substr(4), "@other.test");
  const std::string again = Rewritten(by_another);
  EXPECT_THAT(again, StartsWith("SRS1="));
  EXPECT_EQ(Decode(again), "ann@far.test");
  EXPECT_THAT(Resolve(again).remote, ElementsAre("ann@far.test"));
}

TEST_F(SrsTest, TheRestOfTheSrsDomain) {
  EXPECT_EQ(Resolve("ann@srs.test").outcome, Outcome::kUnknown);
  EXPECT_EQ(Resolve("Postmaster@SRS.test").outcome, Outcome::kUnknown) << "nobody takes it";
  NewAccount account;
  account.address = "ann@example.test";
  const auto ann = directory_.CreateAccount(account);
  ASSERT_TRUE(ann.ok());
  EXPECT_THAT(Resolve("Postmaster@SRS.test").accounts, ElementsAre(ann->id));
  EXPECT_EQ(Resolve("ann@srs.test").outcome, Outcome::kUnknown);
  // It becomes a domain here.
  ASSERT_TRUE(directory_.CreateDomain("srs.test", true).ok());
  EXPECT_EQ(Resolve("bob@srs.test").outcome, Outcome::kUnknown);
  ASSERT_TRUE(directory_.CreateAlias("@srs.test", {"ann@example.test"}).ok());
  EXPECT_THAT(Resolve("bob@srs.test").accounts, ElementsAre(ann->id));
  EXPECT_THAT(Resolve(Rewritten("ann@far.test")).remote, ElementsAre("ann@far.test"));
  EXPECT_EQ(Resolve("SRS0=HHHH=TT=far.test=ann@srs.test").outcome, Outcome::kSrsForged)
      << "not the catch-all's";
}

// ---- Secrets

TEST_F(SrsTest, TheFirstSecretIsMadeOnce) {
  ASSERT_TRUE(BlockOn(srs_->Begin()).ok());
  EXPECT_THAT(Secrets(), ElementsAre(1));
  const std::string made = Rewritten("ann@far.test");
  Open();
  ASSERT_TRUE(BlockOn(srs_->Begin()).ok());
  EXPECT_THAT(Secrets(), ElementsAre(1));
  EXPECT_EQ(Decode(made), "ann@far.test");
  const auto kept = BlockOn(engine_->srs().ListSecrets());
  ASSERT_THAT(*kept, SizeIs(1));
}

TEST_F(SrsTest, ANewSecretSignsAndTheOldOnesCount) {
  std::vector<std::string> made = {Rewritten("ann@far.test")};
  for (int i = 0; i < 3; ++i) {
    Rotate();
    made.push_back(Rewritten("ann@far.test"));
    EXPECT_NE(made[made.size() - 1], made[made.size() - 2]);
  }
  for (const std::string& address : made) EXPECT_EQ(Decode(address), "ann@far.test");
  EXPECT_THAT(Secrets(), ElementsAre(1, 2, 3, 4));
  Open();
  for (const std::string& address : made) EXPECT_EQ(Decode(address), "ann@far.test");
}

TEST_F(SrsTest, ASecretCountsAsLongAsWhatItHasSigned) {
  clock_.Advance(kDay - absl::Seconds(1));
  const std::string made = Rewritten("ann@far.test");
  Rotate();
  clock_.Advance(21 * kDay);
  EXPECT_EQ(Decode(made), "ann@far.test");
  EXPECT_THAT(Secrets(), ElementsAre(1, 2));
  clock_.Advance(kDay);
  EXPECT_EQ(Decode(made), "forged");
  EXPECT_THAT(Secrets(), ElementsAre(2));
  Rotate();
  EXPECT_THAT(*BlockOn(engine_->srs().ListSecrets()), SizeIs(2)) << "the first one is not kept for ever";
}

TEST_F(SrsTest, ThereIsAGreatestNumberOfSecrets) {
  const std::string made = Rewritten("ann@far.test");
  for (size_t i = 1; i < Srs::kMaxSecrets; ++i) Rotate();
  EXPECT_EQ(Decode(made), "ann@far.test");
  EXPECT_THAT(Secrets(), SizeIs(Srs::kMaxSecrets));
  Rotate();
  EXPECT_EQ(Decode(made), "forged");
  EXPECT_THAT(Secrets(), SizeIs(Srs::kMaxSecrets));
}

TEST_F(SrsTest, OldSecretsAreDroppedWhenTheyAreKnownToOthers) {
  const std::string made = Rewritten("ann@far.test");
  Rotate("", /*drop_old=*/true);
  EXPECT_EQ(Decode(made), "forged");
  EXPECT_THAT(Secrets(), ElementsAre(2));
}

TEST_F(SrsTest, ASecretOfAnotherServerIsTakenOver) {
  Rotate("tops3cr3t-tops3cr3t");
  const std::string made = Rewritten("ann@far.test");
  Open();
  EXPECT_EQ(Rewritten("ann@far.test"), made);
  const struct {
    std::string secret;
    bool taken;
  } kTable[] = {{std::string(15, 'x'), false},        {std::string(16, 'x'), true},
                {std::string(256, 'x'), true},        {std::string(257, 'x'), false},
                {std::string(16, 'x') + "\n", false}, {std::string(16, '\xff'), false}};
  for (const auto& row : kTable) {
    const auto rotated = BlockOn(srs_->Rotate(row.secret, false));
    EXPECT_EQ(rotated.ok(), row.taken) << row.secret;
    if (!row.taken) {
      EXPECT_EQ(FieldOf(rotated.status()), "secret");
    }
  }
}

TEST_F(SrsTest, SecretsAreSealed) {
  Rotate("a secret of many letters");
  const auto kept = BlockOn(engine_->srs().ListSecrets());
  ASSERT_TRUE(kept.ok());
  for (const engine::SrsSecret& secret : *kept) {
    EXPECT_FALSE(absl::StrContains(secret.sealed, "a secret of many letters"));
  }
  Open({.domain = "srs.test"}, std::string(32, 'l'));
  EXPECT_EQ(BlockOn(srs_->Begin()).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(BlockOn(srs_->SenderFor(Message("ann@far.test"))).ok());
  EXPECT_FALSE(BlockOn(srs_->Rotate("", false)).ok()) << "those that are there would be lost";
  Open({.domain = "srs.test"}, "");
  EXPECT_EQ(ReasonOf(BlockOn(srs_->Begin())), kReasonNoSecretsKey);
}

TEST_F(SrsTest, TwoWhoChangeTheSecretsLoseNone) {
  Rotate();
  Srs other(engine_->srs(), engine_->directory(), clock_, std::string(32, 'k'), {.domain = "srs.test"});
  ASSERT_TRUE(BlockOn(other.Begin()).ok());
  Rotate();
  const auto rotated = BlockOn(other.Rotate("", false));
  ASSERT_TRUE(rotated.ok()) << rotated.status();
  EXPECT_EQ(rotated->number, 3);
  EXPECT_THAT(*BlockOn(engine_->srs().ListSecrets()), SizeIs(3));
}

}  // namespace
}  // namespace mailstead::stored
