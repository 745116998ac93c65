#include "stored/core/grant.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/core/core.h"
#include "stored/engine/memory/memory_engine.h"
#include "tests/support/block_on.h"
#include "tests/unit/stored/core/store_fixture.h"

namespace mailstead::stored {
namespace {

const std::string kKey(32, 'k');
constexpr char kSession[] = "session-1";
constexpr char kLease[] = "0123456789abcdef";

class GrantTest : public StoreTest {
 protected:
  GrantTest() {
    EXPECT_TRUE(directory_.CreateDomain("example.test", true).ok());
    NewAccount account;
    account.address = "a@example.test";
    account.password = {Password::Kind::kPlain, "secret"};
    account_ = *directory_.CreateAccount(account);
  }

  std::string Issue(const std::string& session = kSession) {
    return grants_.Issue(GrantUse::kMaildrop, account_, session, engine_->directory().Version());
  }
  // The reason it is refused for; empty when it is good.
  static std::string Refusal(Grants& grants, const std::string& bytes) {
    return ReasonOf(BlockOn(grants.Check(bytes)).status());
  }
  std::string Refusal(const std::string& bytes) { return Refusal(grants_, bytes); }

  void Lock(const std::string& session) {
    ASSERT_TRUE(BlockOn(engine_->leases().Renew(kLease, "test", absl::Seconds(60))).ok());
    engine::OpenRequest request;
    request.account = account_.id;
    request.session_id = session;
    request.lease_id = kLease;
    const auto opened = BlockOn(engine_->maildrops().Open(request));
    ASSERT_TRUE(opened.ok()) << opened.status();
  }

  CountingDirectory counting_{engine_->directory()};
  Grants grants_{counting_, engine_->maildrops(), clock_, kKey};
  engine::Account account_;
};

TEST_F(GrantTest, NamesItsAccountAndSession) {
  const auto grant = BlockOn(grants_.Check(Issue()));
  ASSERT_TRUE(grant.ok()) << grant.status();
  EXPECT_EQ(grant->account, account_.id);
  EXPECT_EQ(grant->session_id, kSession);
  EXPECT_EQ(counting_.finds, 0) << "the login has just looked it up";
}

TEST_F(GrantTest, WhatTheStoreDidNotMakeIsRefused) {
  const std::string grant = Issue();
  EXPECT_EQ(Refusal(""), kReasonGrantInvalid);
  EXPECT_EQ(Refusal(std::string(1000, 'x')), kReasonGrantInvalid);
  for (size_t i = 0; i < grant.size(); ++i) {
    std::string changed = grant;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_EQ(Refusal(changed), kReasonGrantInvalid) << i;
    EXPECT_EQ(Refusal(grant.substr(0, i)), kReasonGrantInvalid) << i;
    EXPECT_FALSE(grants_.Read(changed).ok()) << i;
  }
  Grants others(engine_->directory(), engine_->maildrops(), clock_, std::string(32, 'o'));
  EXPECT_EQ(Refusal(others, grant), kReasonGrantInvalid);
}

TEST_F(GrantTest, IsGoodInOneIncarnationOfTheStoreOnly) {
  CoreOptions options;
  options.grant_key = kKey;
  options.decoy_secret = std::string(32, 'd');
  ThreadExecutor executor;
  const std::unique_ptr<engine::Engine> other_engine = engine::OpenMemoryEngine();
  std::string grant;
  {
    Core core(*engine_, executor, clock_, options);
    grant = core.grants.Issue(GrantUse::kMaildrop, account_, kSession, engine_->directory().Version());
    EXPECT_TRUE(core.grants.Read(grant).ok());
  }
  const Core restarted(*engine_, executor, clock_, options);
  EXPECT_TRUE(restarted.grants.Read(grant).ok());
  const Core other(*other_engine, executor, clock_, options);
  EXPECT_EQ(ReasonOf(other.grants.Read(grant).status()), kReasonGrantInvalid);
}

TEST_F(GrantTest, ExpiresAfterTenMinutes) {
  const std::string grant = Issue();
  clock_.Advance(kGrantAge - absl::Seconds(1));
  EXPECT_EQ(Refusal(grant), "");
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Refusal(grant), kReasonGrantExpired);
  EXPECT_TRUE(absl::IsPermissionDenied(BlockOn(grants_.Check(grant)).status()));
  EXPECT_EQ(grants_.Read(grant)->account, account_.id) << "for calls that the lock itself guards";
}

TEST_F(GrantTest, LivesAsLongAsItsSessionHoldsTheMaildrop) {
  const std::string grant = Issue();
  const std::string other = Issue("session-2");
  Lock(kSession);
  clock_.Advance(absl::Hours(5));
  EXPECT_EQ(Refusal(grant), "");
  EXPECT_EQ(Refusal(other), kReasonGrantExpired);
  ASSERT_TRUE(BlockOn(engine_->maildrops().Release(account_.id, kSession)).ok());
  clock_.Advance(kGrantBelief);
  EXPECT_EQ(Refusal(grant), kReasonGrantExpired);
}

TEST_F(GrantTest, AnotherPasswordEndsItAndTheSessionThatIsOpen) {
  const std::string grant = Issue();
  const std::string open = Issue("session-2");
  Lock("session-2");
  EXPECT_EQ(Refusal(open), "");
  ASSERT_TRUE(directory_.SetPassword("a@example.test", {Password::Kind::kPlain, "new"}).ok());
  EXPECT_EQ(Refusal(grant), kReasonGrantExpired);
  EXPECT_EQ(Refusal(open), kReasonGrantExpired) << "although its session was seen to hold the maildrop";
  EXPECT_EQ(ReasonOf(BlockOn(grants_.CheckLogin(GrantUse::kMaildrop, open)).status()), kReasonGrantExpired);
  EXPECT_TRUE(*BlockOn(grants_.HasEnded(open)));
  EXPECT_EQ(grants_.Read(open)->account, account_.id) << "it may still leave";
}

TEST_F(GrantTest, AnEndedSessionEndsItAlone) {
  const std::string grant = Issue();
  const std::string other = Issue("session-2");
  EXPECT_FALSE(grants_.IsSessionEnded(grant));
  grants_.EndSession(AccountId{account_.id.value + 1}, kSession);
  EXPECT_EQ(Refusal(grant), "") << "the session of another account";
  grants_.EndSession(account_.id, kSession);
  EXPECT_EQ(Refusal(grant), kReasonSessionEnded);
  EXPECT_EQ(ReasonOf(BlockOn(grants_.CheckLogin(GrantUse::kMaildrop, grant)).status()), kReasonSessionEnded);
  EXPECT_TRUE(*BlockOn(grants_.HasEnded(grant)));
  EXPECT_TRUE(grants_.IsSessionEnded(grant));
  EXPECT_EQ(grants_.Read(grant)->account, account_.id) << "it may still leave";
  EXPECT_EQ(Refusal(other), "");
  EXPECT_FALSE(*BlockOn(grants_.HasEnded(other)));
  EXPECT_FALSE(grants_.IsSessionEnded(other));
  EXPECT_FALSE(grants_.IsSessionEnded("no grant"));
}

TEST_F(GrantTest, SoManyEndedSessionsAreRemembered) {
  const std::string grant = Issue();
  grants_.EndSession(account_.id, kSession);
  for (size_t i = 1; i < kMaxEndedSessions; ++i) grants_.EndSession(account_.id, absl::StrCat("other-", i));
  EXPECT_TRUE(grants_.IsSessionEnded(grant));
  for (size_t i = 0; i < kMaxEndedSessions; ++i) grants_.EndSession(account_.id, absl::StrCat("another-", i));
  EXPECT_FALSE(grants_.IsSessionEnded(grant));
}

TEST_F(GrantTest, ADisabledOrDeletedAccountEndsIt) {
  const std::string grant = Issue();
  AccountUpdate update{"a@example.test"};
  update.disabled = true;
  ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  EXPECT_EQ(Refusal(grant), kReasonGrantExpired);
  update.disabled = false;
  ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  EXPECT_EQ(Refusal(grant), "");
  ASSERT_TRUE(directory_.DeleteAccount("a@example.test").ok());
  EXPECT_EQ(Refusal(grant), kReasonGrantExpired);
}

TEST_F(GrantTest, ARenamedAccountEndsIt) {
  const std::string grant = Issue();
  Lock(kSession);
  AccountUpdate update{"a@example.test"};
  update.address = "b@example.test";
  ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  EXPECT_EQ(Refusal(grant), kReasonGrantExpired);
}

TEST_F(GrantTest, AnotherQuotaDoesNotEndIt) {
  const std::string grant = Issue();
  AccountUpdate update{"a@example.test"};
  update.quota_bytes = 1000;
  ASSERT_TRUE(directory_.UpdateAccount(update).ok());
  EXPECT_EQ(Refusal(grant), "");
  EXPECT_FALSE(*BlockOn(grants_.HasEnded(grant)));
}

TEST_F(GrantTest, EveryEndOfALoginEndsItsLongSessionToo) {
  for (const bool disable : {true, false}) {
    const std::string grant = Issue();
    Lock(kSession);
    clock_.Advance(absl::Hours(5));
    ASSERT_EQ(Refusal(grant), "");
    AccountUpdate update{"a@example.test"};
    if (disable) {
      update.disabled = true;
      ASSERT_TRUE(directory_.UpdateAccount(update).ok());
      EXPECT_EQ(Refusal(grant), kReasonGrantExpired);
      update.disabled = false;
      ASSERT_TRUE(directory_.UpdateAccount(update).ok());
    }
    ASSERT_TRUE(BlockOn(engine_->maildrops().Release(account_.id, kSession)).ok());
    if (disable) continue;
    ASSERT_TRUE(directory_.DeleteAccount("a@example.test").ok());
    EXPECT_EQ(Refusal(grant), kReasonGrantExpired);
  }
}

TEST_F(GrantTest, WhoMaySendMayNotFetch) {
  const std::string sending =
      grants_.Issue(GrantUse::kSending, account_, kSession, engine_->directory().Version());
  EXPECT_EQ(Refusal(sending), kReasonGrantInvalid);
  EXPECT_FALSE(grants_.Read(sending).ok());
  EXPECT_TRUE(BlockOn(grants_.CheckLogin(GrantUse::kSending, sending)).ok());
  EXPECT_EQ(ReasonOf(BlockOn(grants_.CheckLogin(GrantUse::kSending, Issue())).status()), kReasonGrantInvalid);
  EXPECT_FALSE(*BlockOn(grants_.HasEnded(sending)));
  EXPECT_TRUE(*BlockOn(grants_.HasEnded("nonsense")));
}

TEST_F(GrantTest, ASubmissionLastsAsLongAsItsLogin) {
  const std::string sending =
      grants_.Issue(GrantUse::kSending, account_, kSession, engine_->directory().Version());
  clock_.Advance(absl::Hours(5));
  EXPECT_TRUE(BlockOn(grants_.CheckLogin(GrantUse::kSending, sending)).ok());
  ASSERT_TRUE(directory_.SetPassword("a@example.test", {Password::Kind::kPlain, "new"}).ok());
  EXPECT_EQ(ReasonOf(BlockOn(grants_.CheckLogin(GrantUse::kSending, sending)).status()), kReasonGrantExpired);
}

TEST_F(GrantTest, IsLookedUpOnceForEachChangeOfTheDirectory) {
  const std::string grant = Issue();
  ASSERT_TRUE(directory_.CreateDomain("other.test", true).ok());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Refusal(grant), "");
  EXPECT_EQ(counting_.finds, 1);
}

TEST_F(GrantTest, OutlivesTheProcess) {
  const std::string grant = Issue();
  Grants restarted(engine_->directory(), engine_->maildrops(), clock_, kKey);
  EXPECT_EQ(Refusal(restarted, grant), "");
}

TEST_F(GrantTest, ADirectoryThatIsAwayIsNoRefusal) {
  AwayDirectory away;
  Grants grants(away, engine_->maildrops(), clock_, kKey);
  const std::string grant = Issue();
  EXPECT_TRUE(absl::IsUnavailable(BlockOn(grants.Check(grant)).status()));
}

}  // namespace
}  // namespace mailstead::stored
