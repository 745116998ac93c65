#include "common/mailauth/signing_key.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <string>

#include "absl/strings/escaping.h"
#include "common/text/base64.h"

namespace mailstead::mailauth {
namespace {

std::string Digest(absl::string_view text) {
  std::string digest(32, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

// As a verifier does it, with what the record says.
bool Verifies(const SigningKey& key, absl::string_view text, absl::string_view signature) {
  const std::string bytes = key.PublicKey();
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  EVP_PKEY* const pkey = key.type() == KeyType::kRsa
                             ? d2i_PUBKEY(nullptr, &at, static_cast<long>(bytes.size()))
                             : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, at, bytes.size());
  EXPECT_NE(pkey, nullptr);
  const bool is_rsa = key.type() == KeyType::kRsa;
  // RFC 8463 section 3: Ed25519 signs the digest.
  const std::string signed_text = is_rsa ? std::string(text) : Digest(text);
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  EXPECT_EQ(EVP_DigestVerifyInit(context, nullptr, is_rsa ? EVP_sha256() : nullptr, nullptr, pkey), 1);
  const bool good =
      EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                       reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size()) == 1;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(pkey);
  return good;
}

TEST(SigningKey, SignsWhatItsPublicKeyVerifies) {
  for (const KeyType type : {KeyType::kRsa, KeyType::kEd25519}) {
    const auto key = SigningKey::Generate(type, 2048);
    ASSERT_TRUE(key.ok());
    EXPECT_EQ(key->bits(), type == KeyType::kRsa ? 2048 : 256);
    const auto kept = SigningKey::FromPkcs8(key->ToPkcs8());
    ASSERT_TRUE(kept.ok()) << kept.status();
    EXPECT_EQ(kept->type(), type);
    EXPECT_EQ(kept->PublicKey(), key->PublicKey());
    const auto signature = kept->Sign(Digest("text"));
    ASSERT_TRUE(signature.ok());
    EXPECT_EQ(signature->size(), type == KeyType::kRsa ? 256u : 64u);
    EXPECT_TRUE(Verifies(*key, "text", *signature));
    EXPECT_FALSE(Verifies(*key, "other", *signature));
    EXPECT_EQ(ParseKeyRecord(KeyRecordText(type, key->PublicKey()))->public_key, key->PublicKey());
  }
}

TEST(SigningKey, WhatIsNoKeyIsDataLoss) {
  for (const std::string& bytes : {std::string(), std::string("no key"), std::string(100, '\0')}) {
    EXPECT_EQ(SigningKey::FromPkcs8(bytes).status().code(), absl::StatusCode::kDataLoss);
  }
}

// RFC 8463 appendix A: the key, and the hash of its message's header (computed from the example) signed.
TEST(SigningKey, TheKeyOfRfc8463) {
  const std::string seed = *DecodeBase64("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=");
  // PKCS #8 of an Ed25519 key (RFC 8410 section 7): a fixed head, and the 32 bytes.
  const std::string pkcs8 = absl::HexStringToBytes("302e020100300506032b657004220420") + seed;
  const auto key = SigningKey::FromPkcs8(pkcs8);
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(KeyRecordText(KeyType::kEd25519, key->PublicKey()),
            "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
  const std::string header =
      "from:Joe SixPack <joe@football.example.com>\r\n"
      "to:Suzie Q <suzie@shopping.example.net>\r\n"
      "subject:Is dinner ready?\r\n"
      "date:Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
      "message-id:<20030712040037.46341.5F8J@football.example.com>\r\n"
      "dkim-signature:v=1; a=ed25519-sha256; c=relaxed/relaxed; d=football.example.com; "
      "i=@football.example.com; "
      "q=dns/txt; s=brisbane; t=1528637909; h=from : to : subject : date : message-id : from : subject : "
      "date; "
      "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=";
  const auto signature = key->Sign(Digest(header));
  ASSERT_TRUE(signature.ok());
  EXPECT_EQ(absl::Base64Escape(*signature),
            "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==");
}

}  // namespace
}  // namespace mailstead::mailauth
