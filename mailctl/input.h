// A file named on the command line, or standard input for "-".
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mailstead::ctl {

class Input {
 public:
  // NotFound when the file cannot be opened. `stdin_fd` is not owned.
  static absl::StatusOr<std::unique_ptr<Input>> Open(const std::string& path, int stdin_fd);
  ~Input();
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  // Fills `buffer` with at most `max_bytes`; empty at the end.
  absl::Status Read(size_t max_bytes, std::string* buffer);
  // The next line without its LF, and without a byte order mark at the very front; nullopt at the end. Of a line longer than kMaxLineBytes one byte more
  // is kept and the rest dropped, so that the caller sees it by its size.
  absl::StatusOr<std::optional<std::string>> ReadLine();

  static constexpr size_t kMaxLineBytes = 8192;

 private:
  Input(int fd, bool owned, std::string name) : fd_(fd), owned_(owned), name_(std::move(name)) {}

  absl::StatusOr<std::optional<std::string>> ReadRawLine();

  const int fd_;
  const bool owned_;
  const std::string name_;
  // For ReadLine: what was read and is not a line yet, from position_.
  std::string pending_;
  size_t position_ = 0;
  // A line was read.
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace mailstead::ctl
