#include "common/config/config.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "common/config/flags.h"
#include "common/config/version.h"

namespace mailstead::config {
namespace {

// An unusable configuration, as opposed to 1, a program that failed at its work.
constexpr int kExitBadConfiguration = 2;
constexpr size_t kMaxSecretBytes = 4096;

std::optional<std::string> ProcessEnvironment(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

void PrintLine(std::FILE* to, absl::string_view text) {
  const std::string line = absl::StrCat(text, "\n");
  std::fwrite(line.data(), 1, line.size(), to);
}

}  // namespace

void ParseCommandLine(const Program& program, const Options& options, int argc, char** argv) {
  // Debian's Abseil looks for cycles of locks at run time, which costs some percent. The thread sanitizer's
  // build does it better.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  absl::StatusOr<CommandLine> parsed =
      SetFlags(program, options, std::vector<char*>(argv, argv + argc), ProcessEnvironment);
  if (!parsed.ok()) {
    PrintLine(stderr, absl::StrCat(program.name, ": ", parsed.status().message()));
    std::exit(kExitBadConfiguration);
  }
  if (parsed->help) {
    PrintLine(stdout, HelpText(program, options));
    std::exit(0);
  }
  if (parsed->version) {
    PrintLine(stdout, absl::StrCat(program.name, " ", Version()));
    std::exit(0);
  }
  // The first is the program's own name. Whoever forgets the dashes is told so, and not served with the
  // default.
  if (parsed->positional.size() > 1) {
    PrintLine(stderr, absl::StrCat(program.name, ": \"", absl::CHexEscape(parsed->positional[1]),
                                   "\": is no flag; they are written --name=value, and --help lists them"));
    std::exit(kExitBadConfiguration);
  }
}

void Checker::Range(absl::string_view flag, int64_t value, int64_t min, int64_t max) {
  That(min <= value && value <= max, flag, absl::StrCat(value, " is not in ", min, " to ", max));
}

void Checker::Within(absl::string_view flag, absl::Duration value, absl::Duration min, absl::Duration max) {
  That(min <= value && value <= max, flag,
       absl::StrCat(absl::FormatDuration(value), " is not in ", absl::FormatDuration(min), " to ",
                    absl::FormatDuration(max)));
}

void Checker::OneOf(absl::string_view flag, absl::string_view value,
                    const std::vector<absl::string_view>& allowed) {
  for (const absl::string_view one : allowed) {
    if (value == one) return;
  }
  That(false, flag, absl::StrCat("\"", value, "\" is not one of ", absl::StrJoin(allowed, ", ")));
}

void Checker::That(bool ok, absl::string_view flag, absl::string_view why) {
  if (!ok) errors_.push_back(absl::StrCat("--", flag, ": ", why));
}

void Checker::Ok(absl::string_view flag, const absl::Status& status) {
  That(status.ok(), flag, status.message());
}

void Checker::ExitIfBad(absl::string_view program) const {
  if (errors_.empty()) return;
  for (const std::string& error : errors_) PrintLine(stderr, absl::StrCat(program, ": ", error));
  std::exit(kExitBadConfiguration);
}

absl::StatusOr<std::string> ReadSecretFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const std::string message = absl::StrCat("cannot read ", path, ": ", std::strerror(errno));
    return errno == ENOENT ? absl::NotFoundError(message) : absl::InvalidArgumentError(message);
  }
  std::string text(kMaxSecretBytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return absl::InvalidArgumentError(absl::StrCat("cannot read ", path));
  text.resize(static_cast<size_t>(file.gcount()));
  const size_t end = text.find('\n');
  if (end == std::string::npos && text.size() == kMaxSecretBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": the first line is longer than ", kMaxSecretBytes, " bytes"));
  }
  if (end != std::string::npos) text.resize(end);
  // Editors and other systems leave something behind it.
  while (!text.empty() && absl::ascii_isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  if (text.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": the first line is empty"));
  return text;
}

}  // namespace mailstead::config
