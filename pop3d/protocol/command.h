// The grammar of POP3 commands (RFC 1939 section 3, RFC 2449 section 3). Pure: bytes to values or
// a typed error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead::pop3 {

// A message as the wire numbers it: 1..n in the order of the listing. Never an index.
struct MessageNumber {
  uint64_t value = 0;
};

struct Command {
  // In upper case; empty when the line has no well-formed keyword.
  std::string keyword;
  // Everything behind the first space, untouched (a password may begin or end with spaces). Points
  // into the line.
  absl::string_view argument;
  // A space followed the keyword.
  bool has_argument = false;
};

// `line` without its CRLF. Keywords are 3 to 16 letters or digits; case does not matter.
// nullopt when there is no keyword, or a control character (NUL, TAB, a lone CR) stands anywhere in the line.
std::optional<Command> ParseCommand(absl::string_view line);

// The words of an argument, split at spaces; leading and trailing ones do not count.
// nullopt when there are more than two.
struct Words {
  absl::string_view word[2];
  int count = 0;
};
std::optional<Words> SplitWords(absl::string_view argument);

// Decimal digits only, no sign. A number too great for 64 bits becomes the greatest one: it names no message,
// and as the line count of TOP it means all lines. nullopt when it is not a number.
std::optional<uint64_t> ParseNumber(absl::string_view word);

}  // namespace mailstead::pop3
