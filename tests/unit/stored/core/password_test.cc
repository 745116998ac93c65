#include "stored/core/password.h"

#include <gsasl.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/core/credentials.h"

namespace mailstead::stored {
namespace {

using Kind = Password::Kind;

constexpr char kSha512[] =
    "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQJuesI68OTLiBFdcbYEdFCoEOfaS35inz1";
constexpr char kBcrypt[] = "$2y$04$abcdefghijklmnopqrstuuK6gUVnbRoYUh9aZQFRO9ItMgZzPfa1O";

TEST(Password, LengthIsLimitedInBytes) {
  EXPECT_EQ(FieldOf(CheckPassword({Kind::kPlain, ""})), "password.plain");
  EXPECT_TRUE(CheckPassword({Kind::kPlain, std::string(1024, 'a')}).ok());
  EXPECT_EQ(FieldOf(CheckPassword({Kind::kPlain, std::string(1025, 'a')})), "password.plain");
}

TEST(Password, TakesSpacesAndUnicode) {
  EXPECT_TRUE(CheckPassword({Kind::kPlain, "correct horse battery"}).ok());
  EXPECT_TRUE(CheckPassword({Kind::kPlain, "pässwörd ☂"}).ok());
}

TEST(Password, RefusesControlsAndBrokenUtf8) {
  for (const std::string& bad :
       {std::string("a\tb"), std::string("a\0b", 3), std::string("\x7f"), std::string("\xc3"),
        std::string("a\xe2\x80\xaa")}) {  // U+202A: a bidi control
    const absl::Status status = CheckPassword({Kind::kPlain, bad});
    EXPECT_EQ(FieldOf(status), "password.plain");
    EXPECT_EQ(status.message().find(bad), absl::string_view::npos);
  }
}

TEST(Password, SaslPrepMapsNoBreakSpace) { EXPECT_EQ(*PreparePassword("a\xc2\xa0z"), "a z"); }

TEST(Password, CryptHashesAreOfKnownMethodsAndWhole) {
  const std::string sha512 = absl::StrCat("$6$saltstring$", std::string(86, 'a'));
  const std::string bcrypt = absl::StrCat("$2y$10$", std::string(53, 'a'));
  EXPECT_TRUE(CheckPassword({Kind::kCryptHash, sha512}).ok());
  EXPECT_TRUE(CheckPassword({Kind::kCryptHash, bcrypt}).ok());
  for (const std::string& bad :
       {std::string(), sha512.substr(0, sha512.size() - 1), sha512 + "a", bcrypt.substr(0, bcrypt.size() - 1),
        std::string("$6$saltstring$"), std::string("$nosuch$abc$def"), std::string("ab1234567890."),
        std::string("plain text"), absl::StrCat(sha512, "\n"), absl::StrCat("$6$", std::string(400, 'a'))}) {
    EXPECT_EQ(FieldOf(CheckPassword({Kind::kCryptHash, bad})), "password.crypt_hash") << bad;
  }
}

// RFC 7677 section 3: user "user", password "pencil".
TEST(Password, ScramVerifierOfTheRfc) {
  char* salt = nullptr;
  size_t salt_size = 0;
  ASSERT_EQ(gsasl_base64_from("W22ZaJ0SNY7soEsUEjb6gQ==", 24, &salt, &salt_size), GSASL_OK);
  const engine::Credential credential =
      MakeScramCredential("pencil", 4096, absl::string_view(salt, salt_size));
  char salted[32], client_key[32], server_key[32], stored_key[32];
  ASSERT_EQ(gsasl_scram_secrets_from_password(GSASL_HASH_SHA256, "pencil", 4096, salt, salt_size, salted,
                                              client_key, server_key, stored_key),
            GSASL_OK);
  gsasl_free(salt);
  EXPECT_EQ(credential.kind, engine::Credential::Kind::kScramSha256);
  EXPECT_EQ(credential.iterations, 4096u);
  EXPECT_EQ(credential.server_key, std::string(server_key, 32));
  EXPECT_EQ(credential.stored_key, std::string(stored_key, 32));
}

TEST(Password, EveryCredentialHasItsOwnSalt) {
  const engine::Credential a = *MakeCredential({Kind::kPlain, "secret"}, 4096);
  const engine::Credential b = *MakeCredential({Kind::kPlain, "secret"}, 4096);
  EXPECT_EQ(a.salt.size(), 16u);
  EXPECT_NE(a.salt, b.salt);
  EXPECT_NE(a.stored_key, b.stored_key);
}

TEST(Password, KindsBecomeCredentials) {
  EXPECT_EQ(MakeCredential({}, 4096)->kind, engine::Credential::Kind::kNone);
  const engine::Credential crypt = *MakeCredential({Kind::kCryptHash, kBcrypt}, 4096);
  EXPECT_EQ(crypt.kind, engine::Credential::Kind::kCrypt);
  EXPECT_EQ(crypt.crypt_hash, kBcrypt);
  EXPECT_EQ(MakeCredential({Kind::kCryptHash, kSha512}, 4096)->crypt_hash, kSha512);
}

// From the reference implementation's own tests: "password", "somesalt".
constexpr char kArgon2Id[] =
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
constexpr char kArgon2I10[] =
    "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
constexpr char kArgon2TwoLanes[] =
    "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";

TEST(Password, Argon2IsTaken) {
  PasswordVerifier verifier(4096);
  for (const char* hash : {kArgon2Id, kArgon2I10, kArgon2TwoLanes}) {
    ASSERT_TRUE(CheckPassword({Kind::kCryptHash, hash}).ok())
        << hash << CheckPassword({Kind::kCryptHash, hash});
    const engine::Credential credential = *MakeCredential({Kind::kCryptHash, hash}, 4096);
    EXPECT_TRUE(verifier.Verify(credential, "password", "password")) << hash;
    EXPECT_FALSE(verifier.Verify(credential, "passwore", "passwore")) << hash;
    EXPECT_FALSE(verifier.Verify(credential, "", "")) << hash;
  }
}

TEST(Password, Argon2IsWholeAndBounded) {
  const auto with = [](const std::string& parameters) {
    return absl::StrCat("$argon2id$v=19$", parameters,
                        "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
  };
  EXPECT_TRUE(CheckPassword({Kind::kCryptHash, with("m=131072,t=16,p=16")}).ok());
  for (const std::string& bad :
       {with("m=131073,t=2,p=1"),
        with("m=65536,t=17,p=1"),
        with("m=65536,t=2,p=17"),
        with("m=4294967295,t=1,p=1"),
        with("m=99999999999,t=1,p=1"),
        with("m=-1,t=1,p=1"),
        with("m=65536,t=0,p=1"),
        with("m=65536,t=1,p=0"),
        with("m=15,t=1,p=2"),
        with("m=65536,t=2"),
        with("m=65536,t=2,p=1,x=1"),
        with("t=2,m=65536,p=1"),
        std::string("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ"),
        std::string("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$"),
        std::string("$argon2id$v=20$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
        std::string("$argon2id$v=19$m=65536,t=2,p=1$c2E$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
        std::string("$argon2x$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
        absl::StrCat(kArgon2Id, "$x"),
        std::string("$argon2"),
        std::string("$argon2id$")}) {
    EXPECT_EQ(FieldOf(CheckPassword({Kind::kCryptHash, bad})), "password.crypt_hash") << bad;
  }
}

}  // namespace
}  // namespace mailstead::stored
