#include "mailctl/terminal.h"

#include <errno.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "mailctl/exit_code.h"

namespace mailstead::ctl {
namespace {

constexpr char kControlC = 0x03;

// No echo while this lives. Ctrl-C arrives as a byte, so that no signal can leave the terminal without echo.
class WithoutEcho {
 public:
  explicit WithoutEcho(int fd) : fd_(fd) {
    if (tcgetattr(fd_, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
    // Ends a line as Enter does; in canonical mode Ctrl-C alone would wait for it.
    quiet.c_cc[VEOL] = kControlC;
    changed_ = tcsetattr(fd_, TCSAFLUSH, &quiet) == 0;
  }
  ~WithoutEcho() {
    if (changed_) tcsetattr(fd_, TCSANOW, &before_);
  }
  WithoutEcho(const WithoutEcho&) = delete;
  WithoutEcho& operator=(const WithoutEcho&) = delete;
  bool ok() const { return changed_; }

 private:
  const int fd_;
  termios before_ = {};
  bool changed_ = false;
};

void WriteAll(int fd, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

bool Terminal::interactive() const { return isatty(input_fd_) == 1; }

absl::StatusOr<std::string> Terminal::ReadLine() {
  std::string line;
  while (true) {
    char byte = 0;
    const ssize_t got = read(input_fd_, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::UnavailableError(absl::StrCat("standard input: ", strerror(errno)));
    if (got == 0 || byte == '\n') return line;
    if (byte == kControlC && interactive()) return absl::CancelledError("cancelled");
    line += byte;
    if (line.size() > kMaxSecretBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("standard input: the line is longer than ", kMaxSecretBytes, " bytes"));
    }
  }
}

absl::StatusOr<std::string> Terminal::Ask(absl::string_view prompt) {
  WriteAll(prompt_fd_, absl::StrCat(prompt, ": "));
  absl::StatusOr<std::string> answer = ReadLine();
  WriteAll(prompt_fd_, "\n");
  if (answer.ok() && answer->empty()) return absl::CancelledError("cancelled: no password given");
  return answer;
}

absl::StatusOr<std::string> Terminal::NewPassword(absl::string_view prompt) {
  const WithoutEcho without_echo(input_fd_);
  if (!without_echo.ok()) return absl::FailedPreconditionError("the terminal's echo cannot be turned off");
  ASSIGN_OR_RETURN(std::string password, Ask(prompt));
  ASSIGN_OR_RETURN(const std::string again, Ask(absl::StrCat(prompt, " (again)")));
  if (password != again) return absl::FailedPreconditionError("the two passwords differ");
  return password;
}

absl::StatusOr<std::string> Terminal::SecretLine() {
  ASSIGN_OR_RETURN(std::string line, ReadLine());
  if (absl::EndsWith(line, "\r")) line.pop_back();
  if (line.empty()) return absl::InvalidArgumentError("standard input: no password on the first line");
  return line;
}

absl::Status Terminal::Confirm(absl::string_view question) {
  if (!interactive()) return UsageError("nobody is there to confirm this: give --yes");
  WriteAll(prompt_fd_, absl::StrCat(question, " [y/N] "));
  const absl::StatusOr<std::string> answer = ReadLine();
  const std::string lower = absl::AsciiStrToLower(answer.value_or(""));
  if (lower == "y" || lower == "yes") return absl::OkStatus();
  return absl::CancelledError("cancelled: nothing was removed");
}

absl::StatusOr<std::string> Terminal::Answer(absl::string_view question) {
  WriteAll(prompt_fd_, absl::StrCat(question, ": "));
  ASSIGN_OR_RETURN(const std::string answer, ReadLine());
  return std::string(absl::StripAsciiWhitespace(answer));
}

}  // namespace mailstead::ctl
