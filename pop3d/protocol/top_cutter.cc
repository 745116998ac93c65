#include "pop3d/protocol/top_cutter.h"

#include <algorithm>

namespace mailstead::pop3 {

size_t TopCutter::Take(absl::string_view piece) {
  size_t taken = 0;
  while (!done() && taken < piece.size()) {
    const size_t end = std::min(piece.find('\n', taken), piece.size());
    const absl::string_view part = piece.substr(taken, end - taken);
    if (part.find_first_not_of('\r') != absl::string_view::npos) line_is_blank_ = false;
    taken = end;
    if (end == piece.size()) break;
    ++taken;
    EndLine();
  }
  return taken;
}

void TopCutter::EndLine() {
  if (in_body_) {
    --lines_left_;
  } else if (line_is_blank_) {
    in_body_ = true;
  }
  line_is_blank_ = true;
}

}  // namespace mailstead::pop3
