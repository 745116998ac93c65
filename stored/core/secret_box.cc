#include "stored/core/secret_box.h"

#include <openssl/evp.h>

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "stored/core/digest.h"

namespace mailstead::stored {
namespace {

constexpr char kVersion = 1;
constexpr size_t kKeyIdBytes = 8;
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kHeadBytes = 1 + kKeyIdBytes;
// Of one secret: lengths that OpenSSL takes are ints.
constexpr size_t kMaxPlainBytes = 1 << 20;

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Cipher NewCipher() {
  Cipher cipher(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  CHECK(cipher != nullptr);
  return cipher;
}

}  // namespace

SecretBox::SecretBox(absl::string_view secret, Random random)
    : key_(HmacSha256(secret, "mailstead secret box 1")),
      key_id_(HmacSha256(key_, "key id").substr(0, kKeyIdBytes)),
      random_(std::move(random)) {}

std::string SecretBox::Seal(absl::string_view plain, absl::string_view belongs_to) const {
  CHECK(plain.size() <= kMaxPlainBytes);
  const std::string head = absl::StrCat(absl::string_view(&kVersion, 1), key_id_);
  const std::string nonce = random_(kNonceBytes);
  CHECK(nonce.size() == kNonceBytes);
  std::string ciphertext(plain.size(), '\0');
  std::string tag(kTagBytes, '\0');
  const std::string vouched = absl::StrCat(head, belongs_to);
  const Cipher cipher = NewCipher();
  int size = 0;
  CHECK(EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, Bytes(key_), Bytes(nonce)) == 1);
  CHECK(EVP_EncryptUpdate(cipher.get(), nullptr, &size, Bytes(vouched), static_cast<int>(vouched.size())) ==
        1);
  CHECK(EVP_EncryptUpdate(cipher.get(), Bytes(ciphertext), &size, Bytes(plain),
                          static_cast<int>(plain.size())) == 1);
  CHECK(EVP_EncryptFinal_ex(cipher.get(), nullptr, &size) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag.data()) == 1);
  return absl::StrCat(head, nonce, ciphertext, tag);
}

absl::StatusOr<std::string> SecretBox::Open(absl::string_view sealed, absl::string_view belongs_to) const {
  const absl::Status damaged = absl::DataLossError("the sealed secret is damaged, or belongs elsewhere");
  if (sealed.size() < kHeadBytes + kNonceBytes + kTagBytes || sealed[0] != kVersion) return damaged;
  if (sealed.size() > kHeadBytes + kNonceBytes + kMaxPlainBytes + kTagBytes) return damaged;
  if (sealed.substr(1, kKeyIdBytes) != absl::string_view(key_id_)) {
    return absl::FailedPreconditionError("it was sealed under another key");
  }
  const std::string vouched = absl::StrCat(sealed.substr(0, kHeadBytes), belongs_to);
  sealed.remove_prefix(kHeadBytes);
  const absl::string_view nonce = sealed.substr(0, kNonceBytes);
  const absl::string_view ciphertext = sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  std::string plain(ciphertext.size(), '\0');
  const Cipher cipher = NewCipher();
  int size = 0;
  CHECK(EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, Bytes(key_), Bytes(nonce)) == 1);
  CHECK(EVP_DecryptUpdate(cipher.get(), nullptr, &size, Bytes(vouched), static_cast<int>(vouched.size())) ==
        1);
  CHECK(EVP_DecryptUpdate(cipher.get(), Bytes(plain), &size, Bytes(ciphertext),
                          static_cast<int>(ciphertext.size())) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1);
  // SECURITY: nothing of the text is used before the tag was found right.
  if (EVP_DecryptFinal_ex(cipher.get(), nullptr, &size) != 1) return damaged;
  return plain;
}

}  // namespace mailstead::stored
