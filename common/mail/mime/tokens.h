// What structured fields are made of (RFC 5322 section 3.2): blanks, comments, quoted strings. Each function takes its
// token off the front of `left`. Pure; never fails.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace mailstead::mime {

// Blanks and the line ends of folding.
inline bool IsWhite(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// A comment, at whose parenthesis we are; comments nest. Gives what is in it, without backslashes. One without its end
// goes to the end of the field.
std::string TakeComment(absl::string_view& left);

void SkipBlanksAndComments(absl::string_view& left);

// A quoted string, at whose quote we are: its content, without backslashes and folding. `is_whole` is cleared when its
// end is missing.
std::string TakeQuotedString(absl::string_view& left, bool& is_whole);

}  // namespace mailstead::mime
