// Keys that sign mail, from their making to a signature, over the memory engine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/worker_pool.h"
#include "common/mailauth/tag_list.h"
#include "stored/core/dkim_keys.h"
#include "stored/core/dkim_signer.h"
#include "stored/engine/memory/memory_engine.h"
#include "stored/rules/lane.h"
#include "tests/support/block_on.h"
#include "tests/support/fake_time.h"

namespace mailstead::stored {
namespace {

using absl::StatusCode;
using engine::DkimKey;
using mailauth::KeyType;
using testing::ElementsAre;
using testing::HasSubstr;
using State = DkimKey::State;
using Outcome = DkimObserver::Outcome;
using Records = std::optional<std::vector<std::string>>;

constexpr char kSecret[] = "a secret of 256 bits, or so";

class Journal final : public DkimObserver {
 public:
  void Activated(const std::string& domain, const std::string& selector) override {
    activated.push_back(absl::StrCat(selector, " of ", domain));
  }
  void CannotOpen(const std::string& domain, const absl::Status&) override { unusable.push_back(domain); }
  void Signed(Outcome outcome) override { ++outcomes[outcome]; }

  std::vector<std::string> activated;
  std::vector<std::string> unusable;
  std::map<Outcome, int> outcomes;
};

class DkimTest : public testing::Test {
 protected:
  // As after a start of the store with this key.
  struct Started {
    Started(DkimTest& test, absl::string_view secret)
        : keys(test.engine_->dkim(), test.engine_->directory(), test.clock_, secret, test.pool_,
               test.executor_),
          signer(keys, test.engine_->dkim(), test.engine_->directory(), test.engine_->queue(), test.clock_,
                 test.pool_, test.executor_) {
      keys.SetObserver(&test.journal_);
      signer.SetObserver(&test.journal_);
    }
    DkimKeys keys;
    DkimSigner signer;
  };

  DkimTest() {
    for (const char* domain : {"a.test", "b.test", "none.test"}) AddDomain(domain);
    Start(kSecret);
    EXPECT_TRUE(BlockOn(engine_->leases().Renew("lease-of-a-relay", "relay", absl::Hours(1))).ok());
  }
  void Start(absl::string_view secret) { started_ = std::make_unique<Started>(*this, secret); }
  void AddDomain(const std::string& name) {
    std::vector<engine::DirectoryEntry> entries;
    engine::Domain domain;
    domain.name = name;
    entries.emplace_back(domain);
    ASSERT_TRUE(BlockOn(engine_->directory().Create(std::move(entries))).front().ok());
  }

  absl::StatusOr<DkimKeys::Named> Create(NewDkimKey key) { return BlockOn(keys().Create(std::move(key))); }
  std::vector<DkimKey> Keys(const std::string& domain) {
    return BlockOn(engine_->dkim().Find(domain)).value();
  }
  std::string RecordOf(const DkimKey& key) { return mailauth::KeyRecordText(key.type, key.public_key); }
  void Note(const std::string& domain, const std::string& selector, Records records) {
    ASSERT_TRUE(BlockOn(keys().Note({domain, selector}, std::move(records))).ok());
  }
  std::vector<std::string> Looks() {
    std::vector<std::string> names;
    const auto looks = BlockOn(keys().NextLooks());
    EXPECT_TRUE(looks.ok()) << looks.status();
    for (const DkimKeys::Wanted& wanted : *looks) {
      names.push_back(absl::StrCat(wanted.selector, " of ", wanted.domain));
    }
    return names;
  }

  // A message in the queue, leased by a relay.
  QueueId Queue(std::string lane, bool lease = true) {
    engine::NewMessage message;
    message.delivery_scope = "smtp";
    message.envelope.delivery_id = absl::StrCat("delivery-", ++deliveries_);
    message.envelope.reverse_path = "u@a.test";
    message.envelope.recipients.push_back({"x@far.example"});
    message.queued.recipients.push_back({0, "x@far.example", absl::StrCat("far", deliveries_, ".example")});
    message.queued.lane = std::move(lane);
    message.sha256 = std::string(32, 's');
    message.fingerprint = std::string(32, 'f');
    message.deliver_time = clock_.Now();
    engine::Content content;
    content.whole = "From: u@a.test\r\n\r\n";
    std::vector<engine::NewNotice> no_notices;
    EXPECT_TRUE(
        BlockOn(engine_->messages().Append(std::move(message), std::move(content), std::move(no_notices)))
            .ok());
    if (lease) {
      EXPECT_EQ(BlockOn(engine_->queue().Lease({"lease-of-a-relay", 1000, 100})).value().size(), 1u);
    }
    return QueueId{deliveries_};
  }
  static SigningRequest Request(QueueId message, const std::string& from) {
    SigningRequest request;
    request.message = message;
    request.names = {"from", "from", "subject"};
    request.canonical_header = absl::StrCat("from:", from, "\r\nsubject:s\r\n");
    request.body_sha256 = std::string(32, 'b');
    return request;
  }
  absl::StatusOr<std::string> Sign(SigningRequest request) {
    return BlockOn(signer().Sign(std::move(request)));
  }
  // The d= and s= of each signature.
  static std::vector<std::string> SignersOf(const std::string& fields) {
    std::vector<std::string> signers;
    const std::string name = "DKIM-Signature: ";
    for (size_t at = 0; (at = fields.find(name, at)) != std::string::npos;) {
      at += name.size();
      const auto tags =
          mailauth::ParseTagList(absl::string_view(fields).substr(at, fields.find(name, at) - at));
      EXPECT_TRUE(tags.ok()) << tags.status() << fields;
      if (!tags.ok()) return signers;
      signers.push_back(absl::StrCat(*FindTag(*tags, "s"), " of ", *FindTag(*tags, "d")));
    }
    return signers;
  }

  DkimKeys& keys() { return started_->keys; }
  DkimSigner& signer() { return started_->signer; }

  FakeClock clock_;
  ThreadExecutor executor_;
  WorkerPool pool_{2, 100};
  std::unique_ptr<engine::Engine> engine_ = engine::OpenMemoryEngine();
  Journal journal_;
  std::unique_ptr<Started> started_;
  int64_t deliveries_ = 0;
};

TEST_F(DkimTest, AKeyIsMadeAsItIsAskedFor) {
  const auto plain = Create({.domain = "A.Test"});
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(plain->domain, "a.test");
  EXPECT_EQ(plain->key.bits, 2048);
  EXPECT_EQ(plain->key.state, State::kPending);
  EXPECT_EQ(plain->key.selector,
            absl::StrCat("s", absl::FormatTime("%Y%m%d", clock_.Now(), absl::UTCTimeZone()), "r"));
  EXPECT_EQ(Create({.domain = "a.test"})->key.selector, plain->key.selector + "2");
  const auto chosen =
      Create({.domain = "a.test", .selector = "Mail-E", .type = KeyType::kEd25519, .activate = true});
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->key.selector, "mail-e");
  EXPECT_EQ(chosen->key.state, State::kActive);
  EXPECT_EQ(Keys("a.test").back(), chosen->key);
  EXPECT_EQ(Create({.domain = "b.test", .bits = 3072})->key.bits, 3072);
}

TEST_F(DkimTest, WhatCannotBeMadeIsRefused) {
  const struct {
    NewDkimKey key;
    const char* field;
  } kTable[] = {
      {{.domain = ""}, "domain"},
      {{.domain = "a.test", .selector = "a b"}, "selector"},
      {{.domain = "a.test", .bits = 1024}, "bits"},
      {{.domain = "a.test", .bits = 2047}, "bits"},
      {{.domain = "a.test", .bits = 8192}, "bits"},
      {{.domain = "a.test", .bits = -1}, "bits"},
      {{.domain = "a.test", .type = KeyType::kEd25519, .bits = 2048}, "bits"},
  };
  for (const auto& row : kTable) EXPECT_EQ(FieldOf(Create(row.key).status()), row.field) << row.key.bits;
  EXPECT_EQ(ReasonOf(Create({.domain = "c.test", .type = KeyType::kEd25519}).status()),
            kReasonDomainNotFound);
  ASSERT_TRUE(Create({.domain = "a.test", .selector = "s", .type = KeyType::kEd25519}).ok());
  EXPECT_EQ(ReasonOf(Create({.domain = "a.test", .selector = "S", .type = KeyType::kEd25519}).status()),
            kReasonDkimKeyExists);
  Start("");
  EXPECT_EQ(ReasonOf(Create({.domain = "a.test"}).status()), kReasonNoSecretsKey);
}

// SECURITY: the private key is in no record, and opens under its own name and secret only.
TEST_F(DkimTest, APrivateKeyIsSealed) {
  const DkimKey key = Create({.domain = "a.test", .selector = "s", .type = KeyType::kEd25519})->key;
  const auto opened = keys().Open("a.test", key);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->PublicKey(), key.public_key);
  EXPECT_FALSE(absl::StrContains(key.sealed_private_key, opened->ToPkcs8().substr(16)));
  EXPECT_EQ(keys().Open("b.test", key).status().code(), StatusCode::kDataLoss);
  DkimKey moved = key;
  moved.selector = "t";
  EXPECT_EQ(keys().Open("a.test", moved).status().code(), StatusCode::kDataLoss);
  Start("another secret");
  const absl::Status other = keys().Open("a.test", key).status();
  EXPECT_EQ(other.code(), StatusCode::kDataLoss);
  EXPECT_THAT(std::string(other.message()), HasSubstr("--secrets_key_file has another key"));
  Start("");
  EXPECT_EQ(ReasonOf(keys().Open("a.test", key).status()), kReasonNoSecretsKey);
}

TEST_F(DkimTest, AKeySignsFromWhenItIsSeenOn) {
  const DkimKey key = Create({.domain = "a.test", .selector = "s", .type = KeyType::kEd25519})->key;
  const DkimKey other = Create({.domain = "a.test", .selector = "t", .type = KeyType::kEd25519})->key;
  const std::string record = RecordOf(key);
  const struct {
    Records seen;
    DkimSighting::Kind kind;
  } kTable[] = {
      {std::nullopt, DkimSighting::Kind::kFailed},
      {Records(std::vector<std::string>()), DkimSighting::Kind::kMissing},
      {Records({RecordOf(other)}), DkimSighting::Kind::kDifferent},
      {Records({"hello"}), DkimSighting::Kind::kDifferent},
      {Records({record, "hello"}), DkimSighting::Kind::kSeveral},
  };
  EXPECT_EQ(keys().SightingOf("a.test", "s").kind, DkimSighting::Kind::kNone);
  for (const auto& row : kTable) {
    Note("a.test", "s", row.seen);
    EXPECT_EQ(keys().SightingOf("a.test", "s").kind, row.kind);
    EXPECT_EQ(Keys("a.test").front().state, State::kPending);
  }
  EXPECT_THAT(journal_.activated, ElementsAre());
  Note("a.test", "s", Records({record}));
  EXPECT_EQ(Keys("a.test").front().state, State::kActive);
  EXPECT_EQ(Keys("a.test").front().activate_time, clock_.Now());
  EXPECT_THAT(journal_.activated, ElementsAre("s of a.test"));
  // Repeats, and what is not pending or not there.
  Note("a.test", "s", Records({record}));
  Note("a.test", "s", Records(std::vector<std::string>()));
  Note("a.test", "gone", Records({record}));
  Note("gone.test", "s", Records({record}));
  EXPECT_EQ(Keys("a.test").front().state, State::kActive);
  EXPECT_EQ(journal_.activated.size(), 1u);
}

TEST_F(DkimTest, PendingKeysAreLookedForTheLessOftenTheOlderTheyAre) {
  EXPECT_THAT(Looks(), ElementsAre());
  ASSERT_TRUE(Create({.domain = "a.test", .selector = "s", .type = KeyType::kEd25519}).ok());
  ASSERT_TRUE(
      Create({.domain = "b.test", .selector = "t", .type = KeyType::kEd25519, .activate = true}).ok());
  EXPECT_THAT(Looks(), ElementsAre("s of a.test"));
  EXPECT_THAT(Looks(), ElementsAre()) << "another relay";
  clock_.Advance(absl::Seconds(2));
  EXPECT_THAT(Looks(), ElementsAre("s of a.test"));
  clock_.Advance(absl::Hours(24));
  EXPECT_THAT(Looks(), ElementsAre("s of a.test"));
  clock_.Advance(absl::Minutes(9));
  EXPECT_THAT(Looks(), ElementsAre());
  clock_.Advance(absl::Minutes(1));
  EXPECT_THAT(Looks(), ElementsAre("s of a.test"));
  ASSERT_TRUE(BlockOn(keys().Activate("a.test", "s", 0)).ok());
  clock_.Advance(absl::Hours(24));
  EXPECT_THAT(Looks(), ElementsAre());
  // None pending is remembered; a new one is seen.
  EXPECT_THAT(Looks(), ElementsAre());
  ASSERT_TRUE(Create({.domain = "a.test", .selector = "n", .type = KeyType::kEd25519}).ok());
  EXPECT_THAT(Looks(), ElementsAre("n of a.test"));
}

TEST_F(DkimTest, MoreThanAreLookedForAtOnceTakeTurns) {
  std::vector<std::string> all;
  for (int i = 10; i < 55; ++i) {
    const std::string domain = absl::StrCat("d", i, ".test");
    AddDomain(domain);
    ASSERT_TRUE(Create({.domain = domain, .selector = "s", .type = KeyType::kEd25519}).ok());
    all.push_back(absl::StrCat("s of ", domain));
  }
  std::vector<std::string> seen;
  for (int i = 0; i < 3; ++i) {
    const std::vector<std::string> looks = Looks();
    EXPECT_LE(looks.size(), 20u);
    seen.insert(seen.end(), looks.begin(), looks.end());
  }
  EXPECT_EQ(seen, all);
}

TEST_F(DkimTest, RotationMakesAKeyLikeEachThatSigns) {
  EXPECT_EQ(ReasonOf(BlockOn(keys().Rotate("a.test")).status()), kReasonNoDkimKey);
  ASSERT_TRUE(Create({.domain = "a.test", .selector = "r", .bits = 3072, .activate = true}).ok());
  ASSERT_TRUE(
      Create({.domain = "a.test", .selector = "e", .type = KeyType::kEd25519, .activate = true}).ok());
  const auto rotated = BlockOn(keys().Rotate("a.test"));
  ASSERT_TRUE(rotated.ok()) << rotated.status();
  ASSERT_EQ(rotated->size(), 2u);
  EXPECT_EQ((*rotated)[0].key.bits, 3072);
  EXPECT_EQ((*rotated)[1].key.type, KeyType::kEd25519);
  for (const DkimKeys::Named& named : *rotated) EXPECT_EQ(named.key.state, State::kPending);
  // A repeat makes no further ones.
  const auto again = BlockOn(keys().Rotate("a.test"));
  EXPECT_EQ((*again)[0].key, (*rotated)[0].key);
  EXPECT_EQ(Keys("a.test").size(), 4u);
}

TEST_F(DkimTest, KeysAreListed) {
  ASSERT_TRUE(Create({.domain = "b.test", .selector = "s", .type = KeyType::kEd25519}).ok());
  ASSERT_TRUE(Create({.domain = "a.test", .selector = "s", .type = KeyType::kEd25519}).ok());
  const auto first = BlockOn(keys().List("", {1, ""}));
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->items.size(), 1u);
  EXPECT_EQ(first->items.front().name, "a.test");
  const auto second = BlockOn(keys().List("", {1, first->next_page_token}));
  EXPECT_EQ(second->items.front().name, "b.test");
  EXPECT_EQ(second->next_page_token, "");
  EXPECT_EQ(BlockOn(keys().List("B.test", {}))->items.front().keys.size(), 1u);
  EXPECT_EQ(BlockOn(keys().List("none.test", {}))->items.front().keys.size(), 0u);
  EXPECT_EQ(ReasonOf(BlockOn(keys().List("c.test", {})).status()), kReasonDomainNotFound);
}

// ---- Signatures

TEST_F(DkimTest, TheAuthorsDomainSigns) {
  ASSERT_TRUE(
      Create({.domain = "a.test", .selector = "e", .type = KeyType::kEd25519, .activate = true}).ok());
  ASSERT_TRUE(Create({.domain = "a.test", .selector = "r", .activate = true}).ok());
  ASSERT_TRUE(Create({.domain = "b.test", .selector = "b", .type = KeyType::kEd25519}).ok());
  const QueueId message = Queue(rules::AccountLane(AccountId{1}));
  const struct {
    std::string from;
    std::vector<std::string> signers;
    Outcome outcome;
  } kTable[] = {
      {"u@a.test", {"r of a.test", "e of a.test"}, Outcome::kSigned},
      {"=?utf-8?q?U?= <U@A.Test> (comment)", {"r of a.test", "e of a.test"}, Outcome::kSigned},
      {"x@none.test, u@a.test", {"r of a.test", "e of a.test"}, Outcome::kSigned},
      // A key that is pending signs nothing.
      {"u@b.test", {}, Outcome::kNoKey},
      {"u@none.test", {}, Outcome::kNoKey},
      {"u@elsewhere.test", {}, Outcome::kNoKey},
      // A domain below another is another.
      {"u@sub.a.test", {}, Outcome::kNoKey},
      {"a.test", {}, Outcome::kNoAuthor},
      {"\"u@a.test\" <>", {}, Outcome::kNoAuthor},
      {"u@[192.0.2.1]", {}, Outcome::kNoAuthor},
      {"undisclosed:;", {}, Outcome::kNoAuthor},
  };
  for (const auto& row : kTable) {
    const int before = journal_.outcomes[row.outcome];
    const auto fields = Sign(Request(message, row.from));
    ASSERT_TRUE(fields.ok()) << row.from << fields.status();
    EXPECT_EQ(SignersOf(*fields), row.signers) << row.from;
    EXPECT_EQ(journal_.outcomes[row.outcome], before + 1) << row.from;
  }
}

TEST_F(DkimTest, NoticesAreSignedByTheDomainAboveTheirHost) {
  ASSERT_TRUE(
      Create({.domain = "a.test", .selector = "s", .type = KeyType::kEd25519, .activate = true}).ok());
  const QueueId notice = Queue(std::string(rules::kNoticeLane));
  EXPECT_THAT(SignersOf(*Sign(Request(notice, "MAILER-DAEMON@mx.a.test"))), ElementsAre("s of a.test"));
  EXPECT_THAT(SignersOf(*Sign(Request(notice, "MAILER-DAEMON@mx.other.test"))), ElementsAre());
}

// SECURITY: what is not on its way, or came from elsewhere, is signed by nobody, whatever it says.
TEST_F(DkimTest, OnlyWhatWasMadeHereAndIsOnItsWayIsSigned) {
  ASSERT_TRUE(
      Create({.domain = "a.test", .selector = "s", .type = KeyType::kEd25519, .activate = true}).ok());
  for (const std::string& lane :
       {std::string("a.test"), std::string(), std::string("notice"), std::string("account")}) {
    EXPECT_EQ(ReasonOf(Sign(Request(Queue(lane), "u@a.test")).status()), kReasonNotInFlight) << lane;
    EXPECT_FALSE(BlockOn(signer().IsWanted(lane)).value()) << lane;
  }
  EXPECT_EQ(ReasonOf(Sign(Request(QueueId{99}, "u@a.test")).status()), kReasonNotInFlight);
  const QueueId leased = Queue(rules::OperatorLane("a.test"));
  EXPECT_TRUE(Sign(Request(leased, "u@a.test")).ok());
  SigningRequest other_number = Request(leased, "u@a.test");
  other_number.recipient_number = 1;
  EXPECT_EQ(ReasonOf(Sign(other_number).status()), kReasonNotInFlight);
  const QueueId waiting = Queue(rules::OperatorLane("a.test"), /*lease=*/false);
  EXPECT_EQ(ReasonOf(Sign(Request(waiting, "u@a.test")).status()), kReasonNotInFlight);
  EXPECT_EQ(journal_.outcomes[Outcome::kFailed], 0);
}

TEST_F(DkimTest, WhatIsNoHeaderIsRefused) {
  const QueueId message = Queue(rules::AccountLane(AccountId{1}));
  const auto field_of = [&](auto change) {
    SigningRequest request = Request(message, "u@a.test");
    change(request);
    return FieldOf(Sign(std::move(request)).status());
  };
  EXPECT_EQ(field_of([](SigningRequest& r) { r.message = QueueId{0}; }), "queue_id");
  EXPECT_EQ(field_of([](SigningRequest& r) { r.recipient_number = -1; }), "recipient_number");
  EXPECT_EQ(field_of([](SigningRequest& r) { r.names.clear(); }), "names");
  EXPECT_EQ(field_of([](SigningRequest& r) { r.names.assign(401, "from"); }), "names");
  EXPECT_EQ(field_of([](SigningRequest& r) { r.names.push_back("a;b"); }), "names");
  EXPECT_EQ(field_of([](SigningRequest& r) { r.names.push_back("Upper"); }), "names");
  EXPECT_EQ(field_of([](SigningRequest& r) { r.names.push_back(""); }), "names");
  EXPECT_EQ(field_of([](SigningRequest& r) { r.body_sha256.pop_back(); }), "body_sha256");
  EXPECT_EQ(field_of([](SigningRequest& r) { r.canonical_header.append(2'000'000, 'x'); }), "canonical_header");
  EXPECT_EQ(field_of([](SigningRequest& r) { r.canonical_header.pop_back(); }), "canonical_header");
  EXPECT_EQ(field_of([](SigningRequest& r) { r.canonical_header += "from:x@b.test\r\n"; }),
            "canonical_header");
  EXPECT_EQ(field_of([](SigningRequest& r) { r.canonical_header = "subject:s\r\n"; }), "canonical_header");
  EXPECT_EQ(field_of([](SigningRequest& r) { r.names.front() = "to"; }), "canonical_header");
}

TEST_F(DkimTest, OneSignatureServesAllAttemptsAtAMessageUntilItsKeyIsRetired) {
  ASSERT_TRUE(
      Create({.domain = "a.test", .selector = "old", .type = KeyType::kEd25519, .activate = true}).ok());
  const QueueId first = Queue(rules::AccountLane(AccountId{1}));
  const std::string fields = *Sign(Request(first, "u@a.test"));
  clock_.Advance(absl::Seconds(5));
  EXPECT_EQ(*Sign(Request(first, "u@a.test")), fields);
  // Of another body another one; its time tells that it is new.
  SigningRequest other = Request(first, "u@a.test");
  other.body_sha256 = std::string(32, 'c');
  EXPECT_NE(*Sign(other), fields);
  // The directory changes all the time.
  AddDomain("more.test");
  EXPECT_EQ(*Sign(Request(first, "u@a.test")), fields);
  ASSERT_TRUE(
      Create({.domain = "a.test", .selector = "new", .type = KeyType::kEd25519, .activate = true}).ok());
  EXPECT_THAT(SignersOf(*Sign(Request(first, "u@a.test"))), ElementsAre("new of a.test"));
}

TEST_F(DkimTest, MailWaitsWhereTheKeyCannotBeOpened) {
  ASSERT_TRUE(
      Create({.domain = "a.test", .selector = "s", .type = KeyType::kEd25519, .activate = true}).ok());
  ASSERT_TRUE(Create({.domain = "b.test", .selector = "s", .type = KeyType::kEd25519}).ok());
  const QueueId message = Queue(rules::AccountLane(AccountId{1}));
  Start("another secret");
  EXPECT_TRUE(BlockOn(signer().IsWanted(rules::AccountLane(AccountId{1}))).value());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Sign(Request(message, "u@a.test")).status().code(), StatusCode::kDataLoss);
  }
  EXPECT_THAT(journal_.unusable, ElementsAre("a.test")) << "said once";
  EXPECT_EQ(journal_.outcomes[Outcome::kFailed], 3);
  EXPECT_EQ(*Sign(Request(message, "u@b.test")), "") << "its key signs nothing yet";
  Start(kSecret);
  EXPECT_THAT(SignersOf(*Sign(Request(message, "u@a.test"))), ElementsAre("s of a.test"));
}

TEST_F(DkimTest, WithoutAnyKeyNothingIsAskedFor) {
  const std::string lane = rules::AccountLane(AccountId{1});
  EXPECT_FALSE(BlockOn(signer().IsWanted(lane)).value());
  ASSERT_TRUE(Create({.domain = "a.test", .selector = "s", .type = KeyType::kEd25519}).ok());
  EXPECT_TRUE(BlockOn(signer().IsWanted(lane)).value());
  ASSERT_TRUE(BlockOn(keys().Delete("a.test", "s", 0, false)).ok());
  EXPECT_FALSE(BlockOn(signer().IsWanted(lane)).value());
}

}  // namespace
}  // namespace mailstead::stored
