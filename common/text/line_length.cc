#include "common/text/line_length.h"

#include <algorithm>

namespace mailstead {

void LineLengthCheck::Feed(absl::string_view bytes) {
  while (!bytes.empty() && long_line_ == 0) {
    const size_t line_end = bytes.find('\n');
    const size_t size = std::min(line_end, bytes.size());
    if (size > 0) after_cr_ = bytes[size - 1] == '\r';
    size_bytes_ += size;
    // A CR at the end belongs to the CRLF, or will.
    if (size_bytes_ - (after_cr_ ? 1 : 0) > kMaxMessageLineBytes) long_line_ = line_;
    if (line_end == absl::string_view::npos) return;
    ++line_;
    size_bytes_ = 0;
    after_cr_ = false;
    bytes.remove_prefix(line_end + 1);
  }
}

}  // namespace mailstead
