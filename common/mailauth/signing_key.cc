#include "common/mailauth/signing_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <utility>

#include "absl/status/status.h"
#include "common/base/check.h"

namespace mailstead::mailauth {
namespace {

constexpr size_t kEd25519Bytes = 32;

using Context = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;

unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

absl::StatusOr<KeyType> TypeOf(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      return KeyType::kRsa;
    case EVP_PKEY_ED25519:
      return KeyType::kEd25519;
    default:
      return absl::DataLossError("it is a key of another kind");
  }
}

}  // namespace

absl::StatusOr<SigningKey> SigningKey::Generate(KeyType type, int bits) {
  EVP_PKEY* const key = type == KeyType::kRsa
                            ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<size_t>(bits))
                            : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  if (key == nullptr) return absl::InternalError("OpenSSL made no key");
  return SigningKey(key, type);
}

absl::StatusOr<SigningKey> SigningKey::FromPkcs8(absl::string_view bytes) {
  const unsigned char* at = Bytes(bytes);
  EVP_PKEY* const key = d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(bytes.size()));
  if (key == nullptr) return absl::DataLossError("it is no private key");
  const absl::StatusOr<KeyType> type = TypeOf(key);
  if (!type.ok()) {
    EVP_PKEY_free(key);
    return type.status();
  }
  return SigningKey(key, *type);
}

SigningKey::~SigningKey() { EVP_PKEY_free(key_); }

SigningKey::SigningKey(SigningKey&& other) noexcept
    : key_(std::exchange(other.key_, nullptr)), type_(other.type_) {}

int SigningKey::bits() const { return EVP_PKEY_get_bits(key_); }

std::string SigningKey::ToPkcs8() const {
  PKCS8_PRIV_KEY_INFO* const info = EVP_PKEY2PKCS8(key_);
  CHECK(info != nullptr);
  unsigned char* der = nullptr;
  const int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
  PKCS8_PRIV_KEY_INFO_free(info);
  CHECK(size > 0);
  std::string bytes(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_clear_free(der, static_cast<size_t>(size));
  return bytes;
}

std::string SigningKey::PublicKey() const {
  if (type_ == KeyType::kEd25519) {
    std::string bytes(kEd25519Bytes, '\0');
    size_t size = bytes.size();
    CHECK(EVP_PKEY_get_raw_public_key(key_, Bytes(bytes), &size) == 1);
    CHECK(size == kEd25519Bytes);
    return bytes;
  }
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key_, &der);
  CHECK(size > 0);
  std::string bytes(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

absl::StatusOr<std::string> SigningKey::Sign(absl::string_view digest) const {
  const absl::Status failed = absl::InternalError("OpenSSL did not sign");
  std::string signature(static_cast<size_t>(EVP_PKEY_get_size(key_)), '\0');
  size_t size = signature.size();
  if (type_ == KeyType::kEd25519) {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    if (context == nullptr || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_) != 1 ||
        EVP_DigestSign(context.get(), Bytes(signature), &size, Bytes(digest), digest.size()) != 1) {
      return failed;
    }
  } else {
    const Context context(EVP_PKEY_CTX_new(key_, nullptr), EVP_PKEY_CTX_free);
    if (context == nullptr || EVP_PKEY_sign_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) != 1 ||
        EVP_PKEY_sign(context.get(), Bytes(signature), &size, Bytes(digest), digest.size()) != 1) {
      return failed;
    }
  }
  signature.resize(size);
  return signature;
}

}  // namespace mailstead::mailauth
