// The lines of an account import: an address, blanks, and a password or its hash. Pure.
//
//   # comment
//   demo@example.test correct horse battery staple
//   "odd name"@example.test $6$salt$hash
//   ann@example.test {CRYPT}$y$j9T$salt$hash
//   bob@example.test {PLAIN}$2y$is-my-password
//
// The rest of the line is the password, blanks included. A value that begins like a crypt(3) hash is taken as
// one.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::ctl {

struct ImportLine {
  std::string address;
  // A password, or a hash when `is_hash`.
  std::string secret;
  bool is_hash = false;
};

// nullopt for a blank line or a comment. InvalidArgument says what is wrong; the message never shows the
// secret.
absl::StatusOr<std::optional<ImportLine>> ParseImportLine(absl::string_view line);

// Whether a secret looks like a crypt(3) hash: $2y$, $6$, $y$, $argon2id$ and their kin.
bool LooksLikeCryptHash(absl::string_view secret);

}  // namespace mailstead::ctl
