// The lines of an account import: an address, blanks, and what password_field.h reads. Pure.
//
//   # comment
//   demo@example.test correct horse battery staple
//   "odd name"@example.test $6$salt$hash
//   ann@example.test {SHA512-CRYPT}$6$salt$hash
//   bob@example.test {PLAIN}$2y$is-my-password
//   postmaster@example.test *
//
// The rest of the line is the password, blanks included.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "mailctl/password_field.h"

namespace mailstead::ctl {

struct ImportLine {
  std::string address;
  PasswordField password;
};

// nullopt for a blank line or a comment. InvalidArgument says what is wrong; the message never shows the secret.
absl::StatusOr<std::optional<ImportLine>> ParseImportLine(absl::string_view line);

}  // namespace mailstead::ctl
