#include "stored/core/credentials.h"

#include <crypt.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "stored/core/password.h"

namespace mailstead::stored {
namespace {

constexpr uint32_t kIterations = 4096;

engine::Credential Scram(absl::string_view password) {
  return MakeScramCredential(password, kIterations, "0123456789abcdef");
}

engine::Credential Crypt(const std::string& password, const char* setting) {
  crypt_data data = {};
  engine::Credential credential;
  credential.kind = engine::Credential::Kind::kCrypt;
  credential.crypt_hash = crypt_r(password.c_str(), setting, &data);
  return credential;
}

engine::Account MakeAccount(int64_t id, int64_t version) {
  engine::Account account;
  account.address = "demo@example.test";
  account.id = AccountId{id};
  account.credential.version = version;
  return account;
}

TEST(PasswordVerifier, ChecksScramVerifiers) {
  PasswordVerifier verifier(kIterations);
  EXPECT_TRUE(verifier.Verify(Scram("secret"), "secret", "secret"));
  EXPECT_FALSE(verifier.Verify(Scram("secret"), "Secret", "Secret"));
  EXPECT_FALSE(verifier.Verify(Scram("secret"), "", ""));
}

TEST(PasswordVerifier, ChecksImportedHashes) {
  PasswordVerifier verifier(kIterations);
  for (const char* setting :
       {"$6$rounds=1000$saltstring$", "$2y$04$abcdefghijklmnopqrstuu", "$5$rounds=1000$salt$"}) {
    const engine::Credential credential = Crypt("old secret", setting);
    ASSERT_EQ(credential.crypt_hash.substr(0, 2), std::string(setting).substr(0, 2));
    EXPECT_TRUE(verifier.Verify(credential, "old secret", "old secret")) << setting;
    EXPECT_FALSE(verifier.Verify(credential, "old secre", "old secre")) << setting;
  }
}

TEST(PasswordVerifier, ImportedHashesSeeThePasswordUnprepared) {
  PasswordVerifier verifier(kIterations);
  const std::string raw =
      "no\xc2\xa0"
      "break";
  EXPECT_TRUE(verifier.Verify(Crypt(raw, "$6$rounds=1000$s$"), "no break", raw));
}

TEST(PasswordVerifier, NoCredentialIsNeverRightButCostsTheSame) {
  PasswordVerifier verifier(kIterations);
  EXPECT_FALSE(verifier.Verify(engine::Credential(), "", ""));
  EXPECT_FALSE(verifier.Verify(engine::Credential(), "secret", "secret"));
  EXPECT_EQ(verifier.derivation_count(), 2u);
  verifier.Verify(Scram("secret"), "secret", "secret");
  EXPECT_EQ(verifier.derivation_count(), 3u);
}

TEST(CredentialCache, RemembersForItsTime) {
  FakeClock clock;
  CredentialCache cache(clock, absl::Seconds(60));
  const engine::Account account = MakeAccount(1, 1);
  EXPECT_FALSE(cache.Knows(account, "secret"));
  cache.Remember(account, "secret");
  clock.Advance(absl::Seconds(59));
  EXPECT_TRUE(cache.Knows(account, "secret"));
  EXPECT_FALSE(cache.Knows(account, "wrong"));
  EXPECT_TRUE(cache.Knows(account, "secret")) << "a wrong guess must not throw out what is right";
  clock.Advance(absl::Seconds(1));
  EXPECT_FALSE(cache.Knows(account, "secret"));
}

TEST(CredentialCache, APasswordChangeEndsItAtOnce) {
  FakeClock clock;
  CredentialCache cache(clock, absl::Seconds(60));
  cache.Remember(MakeAccount(1, 1), "secret");
  EXPECT_FALSE(cache.Knows(MakeAccount(1, 2), "secret"));
}

TEST(CredentialCache, ANewAccountOfTheSameNameIsAnother) {
  FakeClock clock;
  CredentialCache cache(clock, absl::Seconds(60));
  cache.Remember(MakeAccount(1, 1), "secret");
  EXPECT_FALSE(cache.Knows(MakeAccount(2, 1), "secret"));
}

TEST(CredentialCache, NoTimeRemembersNothing) {
  FakeClock clock;
  CredentialCache cache(clock, absl::ZeroDuration());
  cache.Remember(MakeAccount(1, 1), "secret");
  EXPECT_FALSE(cache.Knows(MakeAccount(1, 1), "secret"));
}

TEST(CredentialCache, IsBounded) {
  FakeClock clock;
  CredentialCache cache(clock, absl::Seconds(60), 2);
  for (int i = 0; i < 3; ++i) {
    engine::Account account = MakeAccount(i + 1, 1);
    account.address = absl::StrCat(i, "@example.test");
    cache.Remember(account, "secret");
  }
  engine::Account first = MakeAccount(1, 1);
  first.address = "0@example.test";
  EXPECT_FALSE(cache.Knows(first, "secret"));
  engine::Account last = MakeAccount(3, 1);
  last.address = "2@example.test";
  EXPECT_TRUE(cache.Knows(last, "secret"));
}

TEST(CredentialCache, FingerprintsTellAccountsAndPasswordsApart) {
  FakeClock clock;
  const CredentialCache cache(clock, absl::Seconds(60));
  const CredentialCache other(clock, absl::Seconds(60));
  EXPECT_EQ(cache.Fingerprint("a", "bc"), cache.Fingerprint("a", "bc"));
  EXPECT_NE(cache.Fingerprint("a", "bc"), cache.Fingerprint("ab", "c"));
  EXPECT_NE(cache.Fingerprint("a", "bc"), other.Fingerprint("a", "bc"));
}

}  // namespace
}  // namespace mailstead::stored
