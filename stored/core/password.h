// Passwords as operators give them, and the credentials made of them.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "stored/engine/types.h"

namespace mailstead::stored {

struct Password {
  enum class Kind { kNone, kPlain, kCryptHash };
  Kind kind = Kind::kNone;
  std::string text;
};

// Does not hash. Plain: 1 to 1,024 bytes of UTF-8 that SASLprep (RFC 4013) takes, no control characters.
// Crypt hash: whole, and of Argon2 (argon2.h) or a method that this machine's crypt(3) knows; never traditional DES, which
// reads any text as a hash. FieldError "password.plain" or "password.crypt_hash"; the message never has the
// password.
absl::Status CheckPassword(const Password& password);

// What is kept of a checked password. Plain: a SCRAM-SHA-256 verifier with a new salt, which costs
// `iterations`.
absl::StatusOr<engine::Credential> MakeCredential(const Password& password, uint32_t iterations);

// SASLprep, as SCRAM and PLAIN compare passwords (RFC 5802 section 2.2, RFC 4616 section 2). InvalidArgument.
absl::StatusOr<std::string> PreparePassword(absl::string_view password);

// A SCRAM-SHA-256 verifier (RFC 5802 section 3, RFC 7677) of a prepared password.
engine::Credential MakeScramCredential(absl::string_view prepared_password, uint32_t iterations,
                                       absl::string_view salt);

}  // namespace mailstead::stored
