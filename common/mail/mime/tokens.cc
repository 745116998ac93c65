#include "common/mail/mime/tokens.h"

#include <cstddef>

namespace mailstead::mime {
namespace {

bool IsLineEnd(char c) { return c == '\r' || c == '\n'; }

}  // namespace

std::string TakeComment(absl::string_view& left) {
  std::string text;
  size_t depth = 0;
  while (!left.empty()) {
    const char c = left.front();
    left.remove_prefix(1);
    if (c == '\\' && !left.empty()) {
      text.push_back(left.front());
      left.remove_prefix(1);
      continue;
    }
    if (c == ')' && --depth == 0) break;
    if (depth > 0 && !IsLineEnd(c)) text.push_back(c);
    if (c == '(') ++depth;
  }
  return text;
}

void SkipBlanksAndComments(absl::string_view& left) {
  while (!left.empty()) {
    if (IsWhite(left.front())) {
      left.remove_prefix(1);
    } else if (left.front() == '(') {
      TakeComment(left);
    } else {
      return;
    }
  }
}

std::string TakeQuotedString(absl::string_view& left, bool& is_whole) {
  std::string text;
  left.remove_prefix(1);
  while (!left.empty()) {
    const char c = left.front();
    left.remove_prefix(1);
    if (c == '"') return text;
    if (c == '\\' && !left.empty()) {
      text.push_back(left.front());
      left.remove_prefix(1);
    } else if (!IsLineEnd(c)) {
      text.push_back(c);
    }
  }
  is_whole = false;
  return text;
}

}  // namespace mailstead::mime
