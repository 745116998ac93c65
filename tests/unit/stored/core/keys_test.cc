#include "stored/core/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/api/roles.h"
#include "tests/unit/stored/core/store_fixture.h"

namespace mailstead::stored {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class KeysTest : public StoreTest {
 protected:
  KeysTest() {
    EXPECT_TRUE(directory_.CreateDomain("example.test", true).ok());
    EXPECT_TRUE(directory_.CreateDomain("other.test", true).ok());
    ann_ = directory_.CreateAccount({.address = "ann@example.test"})->id;
    Open();
  }

  // As a program that starts.
  void Open() {
    keys_ = std::make_unique<Keys>(engine_->keys(), async_directory_, clock_, executor_);
    EXPECT_TRUE(BlockOn(keys_->Load()).ok());
  }

  static KeyChange Wanted(std::string name, int64_t scopes = kMailRead) {
    KeyChange wanted;
    wanted.name = std::move(name);
    wanted.scopes = scopes;
    return wanted;
  }
  absl::StatusOr<KeyAndSecret> TryCreate(KeyChange wanted, const LiveKey* by = nullptr,
                                         std::string request_id = "") {
    return BlockOn(keys_->Create(by, std::move(wanted), std::move(request_id)));
  }
  KeyAndSecret Create(KeyChange wanted) {
    auto made = TryCreate(std::move(wanted));
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *std::move(made) : KeyAndSecret();
  }
  absl::StatusOr<engine::Key> Update(const std::string& name, KeyChange change, int64_t version = 0) {
    return BlockOn(keys_->Update(nullptr, name, version, std::move(change)));
  }
  KeyAndSecret Rotate(const std::string& name, absl::Duration overlap) {
    auto rotated = BlockOn(keys_->Rotate(nullptr, name, 0, overlap));
    EXPECT_TRUE(rotated.ok()) << rotated.status();
    return rotated.ok() ? *std::move(rotated) : KeyAndSecret();
  }
  absl::Status Revoke(const std::string& name) { return BlockOn(keys_->Revoke(nullptr, name, 0)).status(); }

  // What who shows it hears: "" for a key that may be used, else the reason; "nobody" where it is not known.
  std::string Hears(const std::string& secret) {
    const Keys::Found found = keys_->FindBySecret(secret);
    if (!found.refusal.ok()) return ReasonOf(found.refusal);
    return found.key == nullptr ? "nobody" : "";
  }

  AccountId ann_;
  std::unique_ptr<Keys> keys_;
};

TEST_F(KeysTest, ASecretFindsItsKeyAndNoOther) {
  const KeyAndSecret desk = Create(Wanted("desk"));
  const KeyAndSecret intake = Create(Wanted("intake"));
  EXPECT_EQ(keys_->FindBySecret(desk.secret).key->key, desk.key);
  EXPECT_EQ(keys_->FindBySecret(intake.secret).key->key, intake.key);
  // The id of one with the rest of a random other.
  EXPECT_EQ(Hears(MakeKeySecret(desk.key.id, RandomId)), "nobody");
  EXPECT_EQ(Hears(MakeKeySecret("000000000000", RandomId)), "nobody");
  EXPECT_EQ(Hears(desk.secret.substr(0, 20)), kReasonKeyMalformed);
}

TEST_F(KeysTest, OnlyTheDigestIsKept) {
  const KeyAndSecret made = Create(Wanted("desk"));
  const auto kept = *BlockOn(engine_->keys().List("", 10));
  ASSERT_THAT(kept, SizeIs(1));
  ASSERT_THAT(kept[0].secrets, SizeIs(1));
  EXPECT_EQ(kept[0].secrets[0].digest.size(), 32u);
  EXPECT_EQ(made.secret.find(kept[0].secrets[0].digest), std::string::npos);
}

TEST_F(KeysTest, ARestartKeepsKeysAndUses) {
  KeyChange wanted = Wanted("desk", kMailRead | kMailDelete);
  wanted.accounts = {{"ann@example.test"}};
  wanted.domains = {{"OTHER.test"}};
  wanted.ip_ranges = {{"192.0.2.0/24"}};
  wanted.expire_time = clock_.Now() + absl::Hours(1);
  const KeyAndSecret made = Create(std::move(wanted));
  EXPECT_THAT(made.key.sight.accounts, ElementsAre(ann_));
  EXPECT_THAT(made.key.sight.domains, ElementsAre("other.test"));
  EXPECT_FALSE(made.key.sight.all);
  EXPECT_TRUE(keys_->traffic().Begin(made.key.id, {}, "192.0.2.7", clock_.Now()).ok());
  ASSERT_TRUE(BlockOn(keys_->Keep()).ok());
  Open();
  EXPECT_EQ(Hears(made.secret), "");
  EXPECT_EQ(*keys_->Get("desk"), made.key);
  ASSERT_NE(keys_->LastUse(made.key.id), nullptr);
  EXPECT_EQ(keys_->LastUse(made.key.id)->address, "192.0.2.7");
}

TEST_F(KeysTest, ARenamedAccountStaysAndANewOneIsAnother) {
  KeyChange wanted = Wanted("desk");
  wanted.accounts = {{"ann@example.test"}};
  const KeyAndSecret made = Create(std::move(wanted));
  const rules::Sight& sight = made.key.sight;
  ASSERT_TRUE(directory_.UpdateAccount({.account = "ann@example.test", .address = "anne@example.test"}).ok());
  EXPECT_TRUE(sight.SeesAccount(*directory_.GetAccount("anne@example.test")));
  const engine::Account next = *directory_.CreateAccount({.address = "ann@example.test"});
  EXPECT_FALSE(sight.SeesAccount(next));
  ASSERT_TRUE(directory_.DeleteAccount("anne@example.test").ok());
  EXPECT_FALSE(sight.all);
  EXPECT_FALSE(sight.SeesAccount(next)) << "a key whose account has gone sees nothing";
}

TEST_F(KeysTest, RotationGivesTwoSecretsForAWhile) {
  const std::string first = Create(Wanted("desk")).secret;
  const std::string second = Rotate("desk", absl::Hours(1)).secret;
  EXPECT_EQ(Hears(first), "");
  EXPECT_EQ(Hears(second), "");
  clock_.Advance(absl::Hours(1) - absl::Milliseconds(1));
  EXPECT_EQ(Hears(first), "");
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(Hears(first), kReasonKeyExpired);
  EXPECT_EQ(Hears(second), "");
  // At most two: the oldest ends at once.
  const std::string third = Rotate("desk", absl::Hours(1)).secret;
  const std::string fourth = Rotate("desk", absl::Hours(1)).secret;
  EXPECT_EQ(Hears(first), "nobody");
  EXPECT_EQ(Hears(second), "nobody");
  EXPECT_EQ(Hears(third), "");
  EXPECT_EQ(Hears(fourth), "");
  const std::string fifth = Rotate("desk", absl::ZeroDuration()).secret;
  EXPECT_EQ(Hears(fourth), kReasonKeyExpired);
  EXPECT_EQ(Hears(fifth), "");
  EXPECT_EQ(FieldOf(BlockOn(keys_->Rotate(nullptr, "desk", 0, kMaxOverlap + absl::Seconds(1))).status()),
            "overlap");
}

TEST_F(KeysTest, WhatBeganWithAKeyIsToldWhenItMayNotGoOn) {
  const KeyAndSecret made = Create(Wanted("desk"));
  const Keys::Found began = keys_->FindBySecret(made.secret);
  int64_t generation = keys_->generation();
  const auto reason = [&] { return ReasonOf(keys_->Check(began)); };
  EXPECT_EQ(reason(), "");
  // A name and limits are no reason to end.
  KeyChange change;
  change.name = "help";
  change.limits = engine::KeyLimits{.calls_per_second = 1};
  ASSERT_TRUE(Update("desk", change).ok());
  EXPECT_EQ(reason(), "");
  EXPECT_GT(keys_->generation(), std::exchange(generation, keys_->generation()));
  Rotate("help", absl::Minutes(1));
  EXPECT_EQ(reason(), "");
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(reason(), kReasonKeyExpired);
  const Keys::Found again = keys_->FindBySecret(Rotate("help", absl::ZeroDuration()).secret);
  change = KeyChange();
  change.scopes = kMailRead | kMailDelete;
  ASSERT_TRUE(Update("help", change).ok());
  EXPECT_EQ(ReasonOf(keys_->Check(again)), kReasonKeyChanged);
  ASSERT_TRUE(Revoke("help").ok());
  EXPECT_EQ(ReasonOf(keys_->Check(again)), kReasonKeyRevoked);
}

TEST_F(KeysTest, AnEndIsAnEndUntilItIsMoved) {
  KeyChange wanted = Wanted("desk");
  wanted.expire_time = clock_.Now() + absl::Minutes(1);
  const std::string secret = Create(std::move(wanted)).secret;
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(Hears(secret), kReasonKeyExpired);
  KeyChange change;
  change.expire_time = clock_.Now();
  EXPECT_EQ(FieldOf(Update("desk", change).status()), "key.expire_time");
  change.expire_time = absl::InfiniteFuture();
  ASSERT_TRUE(Update("desk", change).ok());
  EXPECT_EQ(Hears(secret), "");
}

TEST_F(KeysTest, ARevokedKeyIsKnownForAWhileAndItsNameIsFree) {
  const KeyAndSecret made = Create(Wanted("desk"));
  ASSERT_TRUE(Revoke("desk").ok());
  ASSERT_TRUE(Revoke(made.key.id).ok()) << "again";
  EXPECT_EQ(Hears(made.secret), kReasonKeyRevoked);
  EXPECT_TRUE(absl::IsNotFound(keys_->Get("desk").status()));
  EXPECT_TRUE(keys_->Get(made.key.id).ok());
  EXPECT_EQ(ReasonOf(Update(made.key.id, Wanted("desk")).status()), kReasonKeyRevoked);
  EXPECT_EQ(ReasonOf(BlockOn(keys_->Rotate(nullptr, made.key.id, 0, absl::ZeroDuration())).status()),
            kReasonKeyRevoked);
  const KeyAndSecret next = Create(Wanted("desk"));
  EXPECT_NE(next.key.id, made.key.id);
  Open();
  EXPECT_EQ(Hears(made.secret), kReasonKeyRevoked);
  EXPECT_EQ(keys_->Get("desk")->id, next.key.id);
  EXPECT_EQ(keys_->count(), 1);
  clock_.Advance(kRevokedKeyTime);
  ASSERT_TRUE(BlockOn(keys_->Keep()).ok());
  EXPECT_EQ(Hears(made.secret), "nobody");
  EXPECT_THAT(*BlockOn(engine_->keys().List("", 10)), SizeIs(1));
}

TEST_F(KeysTest, ARepeatedRequestMakesNoSecondKey) {
  const std::string id = "request-of-the-test";
  const auto first = TryCreate(Wanted("desk"), nullptr, id);
  ASSERT_TRUE(first.ok()) << first.status();
  Open();
  const auto second = TryCreate(Wanted("desk"), nullptr, id);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->key, first->key);
  EXPECT_EQ(second->secret, "") << "it is told once";
  EXPECT_EQ(ReasonOf(TryCreate(Wanted("desk", kMailDelete), nullptr, id).status()), kReasonRequestIdReused);
  EXPECT_EQ(ReasonOf(TryCreate(Wanted("desk")).status()), kReasonKeyExists);
  EXPECT_EQ(FieldOf(TryCreate(Wanted("x"), nullptr, "short").status()), "request_id");
}

TEST_F(KeysTest, TheShortestRetentionIsOfThoseThatReachAMailbox) {
  constexpr absl::Duration kDay = absl::Hours(24);
  const engine::Account ann = *directory_.GetAccount("ann@example.test");
  engine::Account bob;
  bob.id = AccountId{ann_.value + 100};
  bob.address = "bob@other.test";
  const auto least = [&](const engine::Account* account) {
    return keys_->LeastRetention(kMailDeliver, kMailSubmit, account);
  };
  EXPECT_EQ(least(nullptr), absl::ZeroDuration());
  KeyChange reads = Wanted("reads", kMailRead);
  reads.retention = kDay;
  Create(std::move(reads));
  EXPECT_EQ(least(nullptr), absl::ZeroDuration()) << "nothing comes in by it";
  KeyChange delivers = Wanted("delivers", kMailDeliver);
  delivers.accounts = {{"ann@example.test"}};
  delivers.retention = 5 * kDay;
  const KeyAndSecret made = Create(std::move(delivers));
  EXPECT_EQ(made.key.retention, 5 * kDay);
  EXPECT_EQ(least(nullptr), 5 * kDay);
  EXPECT_EQ(least(&ann), 5 * kDay);
  EXPECT_EQ(least(&bob), absl::ZeroDuration());
  KeyChange submits = Wanted("submits", kMailSubmit);
  submits.domains = {{"example.test"}};
  submits.retention = 9 * kDay;
  Create(std::move(submits));
  EXPECT_EQ(least(&bob), 9 * kDay);
  KeyChange longer;
  longer.retention = 30 * kDay;
  ASSERT_TRUE(Update("delivers", std::move(longer)).ok());
  EXPECT_EQ(least(&ann), 9 * kDay);
  // What came in by it is there still.
  ASSERT_TRUE(Revoke("submits").ok());
  EXPECT_EQ(least(&bob), 9 * kDay);
  Open();
  EXPECT_EQ(least(&ann), 9 * kDay);
  KeyChange none;
  none.retention = absl::ZeroDuration();
  ASSERT_TRUE(Update("delivers", std::move(none)).ok());
  EXPECT_EQ(keys_->Get("delivers")->retention, absl::ZeroDuration());
}

TEST_F(KeysTest, WhatIsAskedForIsChecked) {
  const auto field = [&](auto&& set) {
    KeyChange wanted = Wanted("name");
    set(wanted);
    return FieldOf(TryCreate(std::move(wanted)).status());
  };
  for (const char* name : {"", "Name", "a b", "a/b", "\xc3\xa4"}) {
    EXPECT_EQ(field([&](KeyChange& wanted) { wanted.name = name; }), "key.name") << name;
  }
  EXPECT_EQ(field([](KeyChange& wanted) { wanted.name = std::string(65, 'a'); }), "key.name");
  EXPECT_EQ(field([](KeyChange& wanted) { wanted.scopes = 0; }), "key.scopes");
  for (const absl::Duration retention : {absl::Hours(1), absl::Hours(36), absl::Hours(24 * 3651)}) {
    EXPECT_EQ(field([&](KeyChange& wanted) { wanted.retention = retention; }), "key.retention") << retention;
  }
  for (const char* range : {"192.0.2.0/33", "nonsense", "", "10.0.0.0/8,11.0.0.0/8"}) {
    EXPECT_EQ(field([&](KeyChange& wanted) { wanted.ip_ranges = {{range}}; }), "key.ip_ranges") << range;
  }
  EXPECT_EQ(field([](KeyChange& wanted) { wanted.ip_ranges = std::vector<std::string>(101, "10.0.0.0/8"); }),
            "key.ip_ranges");
  EXPECT_EQ(field([](KeyChange& wanted) { wanted.certificate_names = {{"operator"}}; }),
            "key.certificate_names");
  EXPECT_EQ(field([](KeyChange& wanted) { wanted.limits = engine::KeyLimits{.burst = 1}; }),
            "key.limits.burst");
  EXPECT_EQ(field([](KeyChange& wanted) { wanted.limits = engine::KeyLimits{.calls_per_second = -1}; }),
            "key.limits.calls_per_second");
  EXPECT_EQ(field([&](KeyChange& wanted) { wanted.expire_time = clock_.Now(); }), "key.expire_time");
  const auto reason = [&](auto&& set) {
    KeyChange wanted = Wanted("name");
    set(wanted);
    return ReasonOf(TryCreate(std::move(wanted)).status());
  };
  EXPECT_EQ(reason([](KeyChange& wanted) { wanted.accounts = {{"nobody@example.test"}}; }),
            kReasonAccountNotFound);
  EXPECT_EQ(reason([](KeyChange& wanted) { wanted.domains = {{"nowhere.test"}}; }), kReasonDomainNotFound);
}

TEST_F(KeysTest, AKeyOfSomeNeverBecomesOneOfAll) {
  KeyChange wanted = Wanted("desk");
  wanted.domains = {{"example.test"}};
  Create(std::move(wanted));
  KeyChange change;
  change.domains.emplace();
  EXPECT_EQ(FieldOf(Update("desk", change).status()), "key.domains");
  change.accounts = {{"ann@example.test"}};
  ASSERT_TRUE(Update("desk", change).ok());
  EXPECT_THAT(keys_->Get("desk")->sight.domains, IsEmpty());
  EXPECT_THAT(keys_->Get("desk")->sight.accounts, ElementsAre(ann_));
}

TEST_F(KeysTest, AKeyMakesNoneThatHasMore) {
  KeyChange wanted = Wanted("admin", kAdminWrite | kMailRead);
  wanted.ip_ranges = {{"192.0.2.0/24"}};
  wanted.expire_time = clock_.Now() + absl::Hours(1);
  wanted.limits = engine::KeyLimits{.calls_per_second = 10, .concurrent_calls = 5};
  wanted.retention = absl::Hours(48);
  const Keys::Found admin = keys_->FindBySecret(Create(std::move(wanted)).secret);
  const auto reason = [&](auto&& set) {
    KeyChange less = Wanted("less", kMailRead);
    less.ip_ranges = {{"192.0.2.128/25"}};
    less.expire_time = clock_.Now() + absl::Minutes(1);
    less.limits = engine::KeyLimits{.calls_per_second = 10, .concurrent_calls = 5};
    less.retention = absl::Hours(24);
    set(less);
    return ReasonOf(TryCreate(std::move(less), admin.key.get()).status());
  };
  EXPECT_EQ(reason([](KeyChange& less) { less.scopes = kMailRead | kMailDelete; }), kReasonKeyExceeded);
  EXPECT_EQ(reason([](KeyChange& less) { less.ip_ranges.reset(); }), kReasonKeyExceeded);
  EXPECT_EQ(reason([](KeyChange& less) { less.ip_ranges = {{"192.0.2.0/23"}}; }), kReasonKeyExceeded);
  EXPECT_EQ(reason([](KeyChange& less) { less.ip_ranges = {{"2001:db8::1"}}; }), kReasonKeyExceeded);
  EXPECT_EQ(reason([](KeyChange& less) { less.expire_time.reset(); }), kReasonKeyExceeded);
  EXPECT_EQ(reason([](KeyChange& less) { less.limits.reset(); }), kReasonKeyExceeded);
  EXPECT_EQ(reason([](KeyChange& less) { less.retention = absl::Hours(72); }), kReasonKeyExceeded);
  EXPECT_EQ(reason([](KeyChange& less) { less.retention.reset(); }), kReasonKeyExceeded);
  EXPECT_EQ(reason([](KeyChange&) {}), "");
  // Nor does it touch one that has: whoever rotates a key has its secret.
  Create(Wanted("boss", kAdminWrite | kDirectoryWrite));
  const LiveKey* const by = admin.key.get();
  EXPECT_EQ(ReasonOf(BlockOn(keys_->Rotate(by, "boss", 0, absl::ZeroDuration())).status()),
            kReasonKeyExceeded);
  EXPECT_EQ(ReasonOf(BlockOn(keys_->Update(by, "boss", 0, Wanted("boss"))).status()), kReasonKeyExceeded);
  EXPECT_EQ(ReasonOf(BlockOn(keys_->Revoke(by, "boss", 0)).status()), kReasonKeyExceeded);
  EXPECT_TRUE(BlockOn(keys_->Rotate(by, "less", 0, absl::ZeroDuration())).ok());
}

TEST_F(KeysTest, ACertificateStandsForOneKey) {
  KeyChange wanted = Wanted("desk");
  wanted.certificate_names = {{"desk.test"}};
  Create(std::move(wanted));
  EXPECT_EQ(keys_->FindByCertificate("desk.test").key->key.name, "desk");
  EXPECT_EQ(keys_->FindByCertificate("DESK.test").key, nullptr);
  KeyChange other = Wanted("other");
  other.certificate_names = {{"x.test", "desk.test"}};
  EXPECT_EQ(ReasonOf(TryCreate(std::move(other)).status()), kReasonCertificateTaken);
  ASSERT_TRUE(Revoke("desk").ok());
  EXPECT_EQ(keys_->FindByCertificate("desk.test").key, nullptr);
}

TEST_F(KeysTest, AnEtagIsCompared) {
  const KeyAndSecret made = Create(Wanted("desk"));
  KeyChange change;
  change.scopes = kMailDelete;
  EXPECT_EQ(ReasonOf(Update("desk", change, made.key.version + 1).status()), kReasonEtagMismatch);
  ASSERT_TRUE(Update("desk", change, made.key.version).ok());
  EXPECT_EQ(ReasonOf(BlockOn(keys_->Revoke(nullptr, "desk", made.key.version)).status()),
            kReasonEtagMismatch);
}

TEST_F(KeysTest, WhatWasChangedByAnotherIsReadAgain) {
  const KeyAndSecret made = Create(Wanted("desk"));
  // A change whose outcome was not known.
  engine::Key changed = made.key;
  ++changed.version;
  changed.scopes = kMailDelete;
  ASSERT_TRUE(BlockOn(engine_->keys().Put(changed)).ok());
  KeyChange change;
  change.name = "help";
  EXPECT_EQ(ReasonOf(Update("desk", change).status()), kReasonEtagMismatch);
  EXPECT_EQ(keys_->Get("desk")->scopes, kMailDelete);
  EXPECT_TRUE(Update("desk", change).ok());
}

TEST_F(KeysTest, PagesAreSortedByName) {
  for (const char* name : {"c", "a", "b"}) Create(Wanted(name));
  ASSERT_TRUE(Revoke("b").ok());
  Create(Wanted("b"));
  std::vector<std::string> names;
  PageRequest request{2, ""};
  do {
    const auto page = keys_->List(request);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const engine::Key& key : page->items) {
      names.push_back(absl::StrCat(key.name, key.revoke_time == absl::InfiniteFuture() ? "" : " revoked"));
    }
    request.page_token = page->next_page_token;
  } while (!request.page_token.empty());
  EXPECT_THAT(names, ElementsAre("a", "b", "b revoked", "c"));
}

}  // namespace
}  // namespace mailstead::stored
