#include "common/text/utf8.h"

#include <algorithm>
#include <cstddef>

namespace mailstead {
namespace {

bool IsIn(unsigned char byte, unsigned char low, unsigned char high) { return byte >= low && byte <= high; }

// The bytes of the well-formed sequence at the beginning of `text`, or 0 (the table of RFC 3629 section 4).
size_t SequenceLength(absl::string_view text) {
  const auto byte = [text](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : '\0'; };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (IsIn(lead, 0xc2, 0xdf)) return IsIn(byte(1), 0x80, 0xbf) ? 2 : 0;
  if (IsIn(lead, 0xe0, 0xef)) {
    const unsigned char low = lead == 0xe0 ? 0xa0 : 0x80;   // shorter would be overlong
    const unsigned char high = lead == 0xed ? 0x9f : 0xbf;  // above are the surrogates
    return IsIn(byte(1), low, high) && IsIn(byte(2), 0x80, 0xbf) ? 3 : 0;
  }
  if (IsIn(lead, 0xf0, 0xf4)) {
    const unsigned char low = lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xf4 ? 0x8f : 0xbf;  // above is beyond U+10FFFF
    return IsIn(byte(1), low, high) && IsIn(byte(2), 0x80, 0xbf) && IsIn(byte(3), 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

// `sequence` is well-formed.
bool ActsOnItsReader(absl::string_view sequence) {
  const auto lead = static_cast<unsigned char>(sequence.front());
  if (sequence.size() == 1) return lead < 0x20 || lead == 0x7f;
  const auto second = static_cast<unsigned char>(sequence[1]);
  if (sequence.size() == 2) return lead == 0xc2 && second < 0xa0;
  if (sequence.size() != 3 || lead != 0xe2) return false;
  const auto third = static_cast<unsigned char>(sequence[2]);
  if (second == 0x80) return IsIn(third, 0x8e, 0x8f) || IsIn(third, 0xa8, 0xae);
  return second == 0x81 && IsIn(third, 0xa6, 0xa9);
}

}  // namespace

bool IsAscii(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool IsValidUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

absl::string_view Utf8Prefix(absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  // A character has three bytes at most behind its first.
  size_t end = max_bytes;
  while (end > 0 && max_bytes - end < 3 && IsIn(static_cast<unsigned char>(text[end]), 0x80, 0xbf)) --end;
  return text.substr(0, end);
}

std::string Utf8FromLatin1(absl::string_view text) {
  std::string utf8;
  utf8.reserve(2 * text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      utf8.push_back(c);
    } else {
      utf8.push_back(static_cast<char>(0xc0 | byte >> 6));
      utf8.push_back(static_cast<char>(0x80 | (byte & 0x3f)));
    }
  }
  return utf8;
}

std::string PrintableUtf8(absl::string_view text, size_t max_bytes) {
  std::string shown;
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    absl::string_view character = length == 0 ? absl::string_view("?") : text.substr(0, length);
    if (character == "\t") {
      character = " ";
    } else if (ActsOnItsReader(character)) {
      character = "?";
    }
    if (shown.size() + character.size() > max_bytes) break;
    shown.append(character.data(), character.size());
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return shown;
}

}  // namespace mailstead
