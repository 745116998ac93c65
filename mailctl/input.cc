#include "mailctl/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace mailstead::ctl {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
// U+FEFF, which some editors put in front of a file (RFC 3629 section 6).
constexpr absl::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

absl::StatusOr<std::unique_ptr<Input>> Input::Open(const std::string& path, int stdin_fd) {
  if (path == "-") return std::unique_ptr<Input>(new Input(stdin_fd, /*owned=*/false, "standard input"));
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::NotFoundError(absl::StrCat(path, ": ", strerror(errno)));
  return std::unique_ptr<Input>(new Input(fd, /*owned=*/true, path));
}

Input::~Input() {
  if (owned_) close(fd_);
}

absl::Status Input::Read(size_t max_bytes, std::string* buffer) {
  buffer->resize(max_bytes);
  while (true) {
    const ssize_t got = read(fd_, buffer->data(), max_bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      buffer->clear();
      return absl::FailedPreconditionError(absl::StrCat(name_, ": ", strerror(errno)));
    }
    buffer->resize(static_cast<size_t>(got));
    return absl::OkStatus();
  }
}

absl::StatusOr<std::optional<std::string>> Input::ReadLine() {
  ASSIGN_OR_RETURN(std::optional<std::string> line, ReadRawLine());
  if (!begun_ && line.has_value() && absl::StartsWith(*line, kByteOrderMark))
    line->erase(0, kByteOrderMark.size());
  begun_ = true;
  return line;
}

absl::StatusOr<std::optional<std::string>> Input::ReadRawLine() {
  std::string line;
  bool any = false;
  while (true) {
    if (position_ == pending_.size()) {
      if (!ended_) RETURN_IF_ERROR(Read(kReadBytes, &pending_));
      position_ = 0;
      if (ended_ || pending_.empty()) {
        ended_ = true;
        pending_.clear();
        return any ? std::optional<std::string>(std::move(line)) : std::nullopt;
      }
    }
    any = true;
    const size_t end = pending_.find('\n', position_);
    const size_t until = end == std::string::npos ? pending_.size() : end;
    // One byte over the limit is kept, so that the caller sees it.
    if (line.size() <= kMaxLineBytes) {
      line.append(pending_, position_, std::min(until - position_, kMaxLineBytes + 1 - line.size()));
    }
    position_ = end == std::string::npos ? until : end + 1;
    if (end != std::string::npos) return line;
  }
}

}  // namespace mailstead::ctl
