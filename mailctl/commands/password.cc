#include "mailctl/commands/password.h"

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/text/utf8.h"
#include "mailctl/exit_code.h"
#include "mailctl/password_field.h"
#include "mailctl/terminal.h"
#include "mailstead/store/v1/directory.pb.h"

namespace mailstead::ctl {

std::vector<Option> PasswordOptions() {
  return {{"password_stdin", "", "Read the password from the first line of standard input."},
          {"hash_stdin", "", "Read a hash of it from there: $2y$, $6$, $y$, $argon2id$ and others."}};
}

absl::StatusOr<store::v1::Password> ReadPassword(const Arguments& arguments, Context& context) {
  const bool password_stdin = arguments.Has("password_stdin");
  const bool hash_stdin = arguments.Has("hash_stdin");
  if (password_stdin && hash_stdin) return UsageError("--password_stdin and --hash_stdin exclude each other");
  Terminal& terminal = context.terminal();
  if (!password_stdin && !hash_stdin && !terminal.interactive()) {
    // SECURITY: there is no option that takes the password itself: other users of the machine see the
    // arguments.
    return UsageError(
        "no terminal to ask for a password at: give it on standard input with --password_stdin");
  }

  store::v1::Password password;
  std::string secret;
  if (password_stdin || hash_stdin) {
    ASSIGN_OR_RETURN(secret, terminal.SecretLine());
  } else {
    ASSIGN_OR_RETURN(secret, terminal.NewPassword(absl::StrCat("Password for ", arguments.positional(0))));
  }
  if (!IsValidUtf8(secret)) return absl::InvalidArgumentError("the password is not valid UTF-8");
  if (hash_stdin) {
    ASSIGN_OR_RETURN(*password.mutable_crypt_hash(), ParseHashField(secret));
  } else {
    password.set_plain(secret);
  }
  return password;
}

}  // namespace mailstead::ctl
