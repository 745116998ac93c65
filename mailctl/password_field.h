// The password field of an account file, as other systems write it: a password, a hash of one, a mark that locks the
// account, or one of these behind a scheme in braces. Pure.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::ctl {

struct PasswordField {
  // kNone: the account takes mail and cannot log in.
  enum class Kind { kNone, kPlain, kHash };
  Kind kind = Kind::kNone;
  // The password, or its hash as crypt(5) or Argon2 write it.
  std::string text;
};

// A password is only what can be nothing else: what looks like a hash, a lock or a scheme is taken as that, or refused
// with what to write instead. InvalidArgument; the message never shows the field.
//
//   correct horse            a password
//   {PLAIN}$6$ is mine       a password, whatever it looks like; also {CLEAR}, {CLEARTEXT}
//   $6$salt$hash             a hash; $2y$, $y$, $argon2id$ and their kin as well
//   {SHA512-CRYPT}$6$...     a hash; schemes are Dovecot's, in small or capital letters
//   *   !   !!   x   !$6$... no login, as in passwd(5) and shadow(5)
//   $apr1$...   {SSHA}...    refused: nobody could log in with it
absl::StatusOr<PasswordField> ParsePasswordField(absl::string_view field);

// A field of which it is known that it holds a hash: the hash, without its scheme. InvalidArgument.
absl::StatusOr<std::string> ParseHashField(absl::string_view field);

}  // namespace mailstead::ctl
