#include "stored/core/digest.h"

#include <nettle/hmac.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "common/base/check.h"

namespace mailstead::stored {
namespace {

unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Looked up once: with EVP_sha256() OpenSSL 3 looks for the implementation at each beginning, which costs more than the
// digest of a small message.
const EVP_MD* Sha256Implementation() {
  static const EVP_MD* const implementation = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return implementation;
}

}  // namespace

std::string Sha256(absl::string_view bytes) {
  Sha256Stream stream;
  stream.Update(bytes);
  return stream.Finish();
}

// By Nettle: OpenSSL 3 takes five times as long to find its implementation as to compute the MAC of a few bytes.
std::string HmacSha256(absl::string_view key, absl::string_view bytes) {
  std::string mac(kSha256Bytes, '\0');
  hmac_sha256_ctx context;
  hmac_sha256_set_key(&context, key.size(), Bytes(key));
  hmac_sha256_update(&context, bytes.size(), Bytes(bytes));
  hmac_sha256_digest(&context, mac.size(), Bytes(mac));
  return mac;
}

bool EqualInConstantTime(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) {
  CHECK(context_ != nullptr);
  CHECK(EVP_DigestInit_ex(context_, Sha256Implementation(), nullptr) == 1);
}

Sha256Stream::~Sha256Stream() { EVP_MD_CTX_free(context_); }

void Sha256Stream::Update(absl::string_view bytes) {
  CHECK(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1);
}

std::string Sha256Stream::Finish() {
  std::string digest(kSha256Bytes, '\0');
  CHECK(EVP_DigestFinal_ex(context_, Bytes(digest), nullptr) == 1);
  return digest;
}

}  // namespace mailstead::stored
