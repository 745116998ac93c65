#include "common/text/quoted_printable.h"

#include <cstddef>

#include "absl/strings/match.h"

namespace mailstead {
namespace {

constexpr size_t kMaxLineChars = 76;

void AppendHex(unsigned char byte, std::string& out) {
  constexpr absl::string_view kDigits = "0123456789ABCDEF";
  out.push_back('=');
  out.push_back(kDigits[byte >> 4]);
  out.push_back(kDigits[byte & 0x0f]);
}

// Rules 1 to 3: `is_last` of its line, where no blank may stand.
bool StandsForItself(unsigned char byte, bool is_last) {
  if (byte == ' ' || byte == '\t') return !is_last;
  return byte > 0x20 && byte < 0x7f && byte != '=';
}

}  // namespace

std::string EncodeQuotedPrintable(absl::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  size_t column = 0;
  while (!text.empty()) {
    if (absl::StartsWith(text, "\r\n")) {
      out += "\r\n";
      text.remove_prefix(2);
      column = 0;
      continue;
    }
    const auto byte = static_cast<unsigned char>(text.front());
    text.remove_prefix(1);
    const bool is_last = text.empty() || absl::StartsWith(text, "\r\n");
    const bool plain = StandsForItself(byte, is_last);
    // Rule 5: a soft line break has a column of its own.
    const size_t room = kMaxLineChars - (is_last ? 0 : 1);
    if (column + (plain ? 1 : 3) > room) {
      out += "=\r\n";
      column = 0;
    }
    if (plain) {
      out.push_back(static_cast<char>(byte));
    } else {
      AppendHex(byte, out);
    }
    column += plain ? 1 : 3;
  }
  return out;
}

}  // namespace mailstead
