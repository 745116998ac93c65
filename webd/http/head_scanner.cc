#include "webd/http/head_scanner.h"

#include <algorithm>

#include "webd/http/limits.h"

namespace mailstead::web {

HeadScanner::Verdict HeadScanner::Scan(absl::string_view bytes) {
  const size_t end = std::min(bytes.size(), kMaxHeadBytes);
  while (at_ < end) {
    const char c = bytes[at_];
    if (c == '\0' || c == '\n') return Verdict::kMalformed;
    if (at_ == line_ && line_ > blank_ && (c == ' ' || c == '\t')) return Verdict::kMalformed;
    if (c != '\r') {
      ++at_;
      continue;
    }
    if (at_ + 1 == bytes.size()) return Verdict::kNeedMore;
    if (bytes[at_ + 1] != '\n') return Verdict::kMalformed;
    const bool is_empty = at_ == line_;
    at_ += 2;
    if (is_empty && line_ > blank_) return at_ <= kMaxHeadBytes ? Verdict::kComplete : Verdict::kTooLarge;
    line_ = at_;
    if (!is_empty) continue;
    // A second empty line in front is no request.
    if (blank_ > 0) return Verdict::kMalformed;
    blank_ = at_;
  }
  return bytes.size() >= kMaxHeadBytes ? Verdict::kTooLarge : Verdict::kNeedMore;
}

}  // namespace mailstead::web
