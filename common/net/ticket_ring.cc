#include "common/net/ticket_ring.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "common/net/ticket_life.h"

namespace mailstead::net {
namespace {

using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, OpenSslFree<EVP_PKEY_CTX_free>>;

constexpr size_t kMinSecretBytes = 32;
constexpr absl::string_view kTicketKeyInfo = "mailstead tls session tickets v1";

// What a callback answers.
constexpr int kFailed = -1;
constexpr int kUnknownKey = 0;
constexpr int kDone = 1;
constexpr int kDoneAndRenew = 2;

absl::Status Expand(absl::string_view secret, unsigned char* out, size_t size) {
  const KeyContextPtr context(EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr));
  const auto* const secret_bytes = reinterpret_cast<const unsigned char*>(secret.data());
  const auto* const info = reinterpret_cast<const unsigned char*>(kTicketKeyInfo.data());
  if (context != nullptr && EVP_PKEY_derive_init(context.get()) == 1 &&
      EVP_PKEY_CTX_set_hkdf_md(context.get(), EVP_sha256()) == 1 &&
      EVP_PKEY_CTX_set1_hkdf_key(context.get(), secret_bytes, static_cast<int>(secret.size())) == 1 &&
      EVP_PKEY_CTX_add1_hkdf_info(context.get(), info, static_cast<int>(kTicketKeyInfo.size())) == 1 &&
      EVP_PKEY_derive(context.get(), out, &size) == 1) {
    return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat("cannot derive ticket keys: ", TakeOpenSslError()));
}

bool SetMacKey(EVP_MAC_CTX* mac, const unsigned char* key, size_t size) {
  // OpenSSL only reads them.
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<unsigned char*>(key), size),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

}  // namespace

TicketRing::Key::~Key() {
  OPENSSL_cleanse(mac_key.data(), mac_key.size());
  OPENSSL_cleanse(cipher_key.data(), cipher_key.size());
}

TicketRing::TicketRing(const Clock& clock) : clock_(clock) {
  const absl::Status own = Fix(RandomBytes(kMinSecretBytes));
  CHECK(own.ok());
}

TicketRing::~TicketRing() = default;

absl::StatusOr<TicketRing::Key> TicketRing::Derive(absl::string_view secret) {
  if (secret.size() < kMinSecretBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the secret of a ticket key must have at least ", kMinSecretBytes, " bytes"));
  }
  Key key;
  std::array<unsigned char, 80> bytes;
  RETURN_IF_ERROR(Expand(secret, bytes.data(), bytes.size()));
  const unsigned char* from = bytes.data();
  std::copy_n(from, key.name.size(), key.name.begin());
  from += key.name.size();
  std::copy_n(from, key.mac_key.size(), key.mac_key.begin());
  from += key.mac_key.size();
  std::copy_n(from, key.cipher_key.size(), key.cipher_key.begin());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return key;
}

absl::Status TicketRing::Update(const std::vector<TicketSecret>& secrets) {
  if (secrets.empty() || secrets.size() > kMaxKeys) {
    return absl::InvalidArgumentError(absl::StrCat(secrets.size(), " ticket keys"));
  }
  const absl::Time now = clock_.Now();
  std::vector<Key> keys;
  for (const TicketSecret& secret : secrets) {
    ASSIGN_OR_RETURN(Key key, Derive(secret.bytes));
    key.open_until = now + secret.open_for;
    keys.push_back(std::move(key));
  }
  absl::MutexLock lock(&mutex_);
  for (const Key& old : keys_) {
    const bool listed =
        std::any_of(keys.begin(), keys.end(), [&old](const Key& key) { return key.name == old.name; });
    if (listed || old.open_until <= now || keys.size() == kMaxKeys) continue;
    keys.push_back(old);
    keys.back().open_until = std::min(old.open_until, now + kTicketLife);
  }
  keys_ = std::move(keys);
  return absl::OkStatus();
}

absl::Status TicketRing::Fix(absl::string_view secret) {
  ASSIGN_OR_RETURN(Key key, Derive(secret));
  absl::MutexLock lock(&mutex_);
  keys_.assign(1, key);
  return absl::OkStatus();
}

absl::Status TicketRing::UseFor(SSL_CTX* context) {
  if (SSL_CTX_set_app_data(context, this) == 1 &&
      SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &TicketRing::Callback) == 1) {
    return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat("cannot set up session tickets: ", TakeOpenSslError()));
}

int TicketRing::Callback(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                         EVP_MAC_CTX* mac, int sealing) {
  auto& ring = *static_cast<TicketRing*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  if (sealing == 1) return ring.Seal(name, iv, cipher, mac);
  // RFC 8446 appendix C.4: a ticket is not used twice, so that nobody can tell that two connections are one client's.
  return ring.Open(name, iv, cipher, mac, /*always_renew=*/SSL_version(ssl) >= TLS1_3_VERSION);
}

int TicketRing::Seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  absl::MutexLock lock(&mutex_);
  const Key& key = keys_.front();
  std::copy(key.name.begin(), key.name.end(), name);
  const bool sealed =
      RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
      EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher_key.data(), iv) == 1 &&
      SetMacKey(mac, key.mac_key.data(), key.mac_key.size());
  return sealed ? kDone : kFailed;
}

int TicketRing::Open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
                     EVP_MAC_CTX* mac, bool always_renew) {
  absl::MutexLock lock(&mutex_);
  const absl::Time now = clock_.Now();
  for (const Key& key : keys_) {
    if (!std::equal(key.name.begin(), key.name.end(), name)) continue;
    // While no other one is known the one that seals opens, however long that is.
    const bool seals = &key == &keys_.front();
    if (!seals && key.open_until <= now) return kUnknownKey;
    if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher_key.data(), iv) != 1 ||
        !SetMacKey(mac, key.mac_key.data(), key.mac_key.size())) {
      return kFailed;
    }
    return seals && !always_renew ? kDone : kDoneAndRenew;
  }
  return kUnknownKey;
}

}  // namespace mailstead::net
