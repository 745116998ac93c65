// A private key that signs mail (RFC 6376 section 3.3, RFC 8463), by OpenSSL.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/mailauth/key_record.h"

typedef struct evp_pkey_st EVP_PKEY;

namespace mailstead::mailauth {

// Thread-safe.
class SigningKey {
 public:
  // `bits` is for RSA, and not looked at for Ed25519. Takes up to some seconds for 4,096 bits.
  static absl::StatusOr<SigningKey> Generate(KeyType type, int bits);
  // What ToPkcs8 gave. DataLoss.
  static absl::StatusOr<SigningKey> FromPkcs8(absl::string_view bytes);
  ~SigningKey();
  SigningKey(SigningKey&& other) noexcept;
  SigningKey& operator=(SigningKey&&) = delete;

  KeyType type() const { return type_; }
  int bits() const;
  // SECURITY: the private key, in the clear.
  std::string ToPkcs8() const;
  // As KeyRecord::public_key has it.
  std::string PublicKey() const;
  // The signature of a SHA-256 of 32 bytes: RSASSA-PKCS1-v1_5, or Ed25519 of the digest itself (RFC 8463 section 3). RSA with
  // 2,048 bits takes a millisecond. Internal.
  absl::StatusOr<std::string> Sign(absl::string_view digest) const;

 private:
  SigningKey(EVP_PKEY* key, KeyType type) : key_(key), type_(type) {}

  EVP_PKEY* key_;
  KeyType type_;
};

}  // namespace mailstead::mailauth
