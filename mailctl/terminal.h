// Standard input as commands use it: secrets without echo, and questions.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::ctl {

class Terminal {
 public:
  // Prompts go to `prompt_fd`. Neither descriptor is owned.
  Terminal(int input_fd, int prompt_fd) : input_fd_(input_fd), prompt_fd_(prompt_fd) {}

  int input_fd() const { return input_fd_; }
  // Whether a person sits at standard input.
  bool interactive() const;

  // Asks twice, without echo. FailedPrecondition when the answers differ, Cancelled on Ctrl-C or Ctrl-D.
  // Only when interactive.
  absl::StatusOr<std::string> NewPassword(absl::string_view prompt);
  // The first line of standard input, without its line end. InvalidArgument when it is empty or longer than
  // kMaxSecretBytes.
  absl::StatusOr<std::string> SecretLine();
  // "question [y/N] ": OK for y and yes, Cancelled for anything else. A usage error when nobody is there to answer: what
  // runs without a person says --yes.
  absl::Status Confirm(absl::string_view question);
  // The answer to a question, without blanks around it; may be empty, as on Ctrl-D. Only when interactive.
  absl::StatusOr<std::string> Answer(absl::string_view question);

 private:
  absl::StatusOr<std::string> Ask(absl::string_view prompt);
  // Reads up to and including a line end, byte by byte, so that nothing behind it is taken.
  absl::StatusOr<std::string> ReadLine();

  const int input_fd_;
  const int prompt_fd_;
};

// Over what the store takes as a password or a hash (1,024 bytes), so that the store is the judge.
inline constexpr size_t kMaxSecretBytes = 4096;

}  // namespace mailstead::ctl
