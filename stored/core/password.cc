#include "stored/core/password.h"

#include <crypt.h>
#include <gsasl.h>
#include <nettle/pbkdf2.h>

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "common/base/check.h"
#include "common/base/random.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/text/utf8.h"
#include "stored/core/argon2.h"
#include "stored/core/digest.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"

namespace mailstead::stored {
namespace {

constexpr size_t kSaltBytes = 16;

// What comes after the last '$' of a whole hash. crypt(3) itself also takes a bare salt, against which no
// password would ever be right.
struct CryptMethod {
  absl::string_view prefix;
  size_t tail_bytes;
};
constexpr CryptMethod kCryptMethods[] = {
    {"$2a$", 53}, {"$2b$", 53}, {"$2x$", 53}, {"$2y$", 53},  // salt and hash have no '$' between them
    {"$6$", 86},  {"$5$", 43},  {"$1$", 22},  {"$y$", 43},  {"$gy$", 43}, {"$7$", 43},
};

absl::Status CheckPlain(const std::string& text) {
  constexpr absl::string_view kField = "password.plain";
  if (text.empty()) return FieldError(kField, "must not be empty");
  if (text.size() > kMaxPasswordBytes) return FieldError(kField, "must have at most 1024 bytes");
  if (!IsValidUtf8(text)) return FieldError(kField, "must be UTF-8");
  if (HasControlCharacter(text)) return FieldError(kField, "must not have control characters");
  const absl::StatusOr<std::string> prepared = PreparePassword(text);
  if (!prepared.ok()) return FieldError(kField, "has characters that SASLprep (RFC 4013) forbids");
  if (prepared->empty()) return FieldError(kField, "is empty after SASLprep (RFC 4013)");
  return absl::OkStatus();
}

absl::Status CheckCryptHash(const std::string& hash) {
  constexpr absl::string_view kField = "password.crypt_hash";
  const bool printable = std::all_of(hash.begin(), hash.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (hash.empty() || hash.front() != '$' || hash.size() >= CRYPT_OUTPUT_SIZE || !printable) {
    return FieldError(kField, "must be a crypt(3) hash that begins with '$'");
  }
  if (absl::StartsWith(hash, kArgon2Prefix)) {
    const absl::StatusOr<Argon2Hash> argon2 = ParseArgon2(hash);
    return argon2.ok() ? absl::OkStatus() : FieldError(kField, argon2.status().message());
  }
  const int checked = crypt_checksalt(hash.c_str());
  if (checked != CRYPT_SALT_OK && checked != CRYPT_SALT_METHOD_LEGACY) {
    return FieldError(kField, "is of a method that this machine's crypt(3) does not know");
  }
  const size_t tail_bytes = hash.size() - hash.rfind('$') - 1;
  for (const CryptMethod& method : kCryptMethods) {
    if (absl::StartsWith(hash, method.prefix) && tail_bytes != method.tail_bytes) {
      return FieldError(kField, "is cut off or has something behind it");
    }
  }
  if (tail_bytes == 0) return FieldError(kField, "is a salt without its hash");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> PreparePassword(absl::string_view password) {
  if (absl::StrContains(password, absl::string_view("\0", 1))) {
    return absl::InvalidArgumentError("the password has a NUL");
  }
  // Printable ASCII is mapped to itself (RFC 4013 section 2).
  const bool printable =
      std::all_of(password.begin(), password.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  if (printable && !password.empty()) return std::string(password);
  char* prepared = nullptr;
  // Unassigned code points are allowed, as for a query (RFC 3454 section 7): new characters are no reason to
  // lock anybody out.
  if (gsasl_saslprep(std::string(password).c_str(), GSASL_ALLOW_UNASSIGNED, &prepared, nullptr) != GSASL_OK) {
    return absl::InvalidArgumentError("SASLprep forbids the password");
  }
  std::string result(prepared);
  gsasl_free(prepared);
  return result;
}

absl::Status CheckPassword(const Password& password) {
  switch (password.kind) {
    case Password::Kind::kNone:
      return absl::OkStatus();
    case Password::Kind::kPlain:
      return CheckPlain(password.text);
    case Password::Kind::kCryptHash:
      return CheckCryptHash(password.text);
  }
  CHECK(false);
}

absl::StatusOr<engine::Credential> MakeCredential(const Password& password, uint32_t iterations) {
  switch (password.kind) {
    case Password::Kind::kNone:
      return engine::Credential();
    case Password::Kind::kPlain: {
      ASSIGN_OR_RETURN(const std::string prepared, PreparePassword(password.text));
      return MakeScramCredential(prepared, iterations, RandomBytes(kSaltBytes));
    }
    case Password::Kind::kCryptHash: {
      engine::Credential credential;
      credential.kind = engine::Credential::Kind::kCrypt;
      credential.crypt_hash = password.text;
      return credential;
    }
  }
  CHECK(false);
}

engine::Credential MakeScramCredential(absl::string_view prepared_password, uint32_t iterations,
                                       absl::string_view salt) {
  std::string salted(kSha256Bytes, '\0');
  // Nettle's takes about half the time of OpenSSL 3.0's, which copies a context for every iteration.
  pbkdf2_hmac_sha256(prepared_password.size(), reinterpret_cast<const uint8_t*>(prepared_password.data()),
                     iterations, salt.size(), reinterpret_cast<const uint8_t*>(salt.data()), salted.size(),
                     reinterpret_cast<uint8_t*>(salted.data()));
  engine::Credential credential;
  credential.kind = engine::Credential::Kind::kScramSha256;
  credential.iterations = iterations;
  credential.salt = std::string(salt);
  credential.stored_key = Sha256(HmacSha256(salted, "Client Key"));
  credential.server_key = HmacSha256(salted, "Server Key");
  return credential;
}

}  // namespace mailstead::stored
