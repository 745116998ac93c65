// Configuration: flags (option.h), a --flagfile, and an environment variable for each flag. The command line
// wins over the flag file, the flag file over the environment, the environment over the default.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mailstead::config {

struct Program {
  // The program's name, "smtpd": the environment variable of --max_connections is SMTPD_MAX_CONNECTIONS.
  absl::string_view name;
  // What the program is for, in one or two sentences, for --help.
  absl::string_view usage;
};

struct Option;

// Sets the options' variables from environment, flag file and command line. On an unknown flag or a value
// that does not parse it prints one line that names the flag and what is allowed, and exits with status 2;
// likewise on an argument that is no flag. Serves --help and --version. What remains is to check the values:
// CheckOptions (option.h).
void ParseCommandLine(const Program& program, const std::vector<Option>& options, int argc, char** argv);

// Collects what is impossible, so that the program ends with one line per flag.
//   Checker check; check.Range("max_connections", value, 1, 20000); check.ExitIfBad("smtpd");
class Checker {
 public:
  void Range(absl::string_view flag, int64_t value, int64_t min, int64_t max);
  void Within(absl::string_view flag, absl::Duration value, absl::Duration min, absl::Duration max);
  void OneOf(absl::string_view flag, absl::string_view value, const std::vector<absl::string_view>& allowed);
  // `why` is shown when not `ok`: "--tls_key: needed with --tls_cert".
  void That(bool ok, absl::string_view flag, absl::string_view why);
  // A status of a loader, shown behind the flag's name.
  void Ok(absl::string_view flag, const absl::Status& status);
  const std::vector<std::string>& errors() const { return errors_; }
  // Prints the errors on standard error, one line each, and exits with status 2.
  void ExitIfBad(absl::string_view program) const;

 private:
  std::vector<std::string> errors_;
};

// The first line of a file that holds a secret, without the line end and blanks in front of it. NotFound; InvalidArgument when
// empty. The message names the file, never its content.
absl::StatusOr<std::string> ReadSecretFile(const std::string& path);

}  // namespace mailstead::config
