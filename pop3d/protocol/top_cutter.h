// TOP msg n (RFC 1939 section 7): the header, the blank line, and n lines of the body. Pure; any split of the
// message into pieces gives the same result.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace mailstead::pop3 {

class TopCutter {
 public:
  explicit TopCutter(uint64_t body_lines) : lines_left_(body_lines) {}

  // How many bytes at the beginning of the next piece belong to the answer: all of it until done().
  size_t Take(absl::string_view piece);
  // Nothing behind what was taken belongs to the answer. A message may end before: then the answer is
  // all of it.
  bool done() const { return in_body_ && lines_left_ == 0; }

 private:
  void EndLine();

  uint64_t lines_left_;
  bool in_body_ = false;
  // Nothing, or nothing but CR, was seen of the present line.
  bool line_is_blank_ = true;
};

}  // namespace mailstead::pop3
