#include "common/mail/dsn/fields.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "common/text/utf8.h"

namespace mailstead::dsn {
namespace {

// Of a word that is too long for any line: leaves room for the name of a field in front of it.
constexpr size_t kMaxWordBytes = 900;
// Of blanks that stand together: no line may have nothing else (RFC 5322 section 3.2.2).
constexpr size_t kMaxBlanks = 64;

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// The character at the front of well-formed UTF-8, which is taken off.
uint32_t TakeCharacter(absl::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  text.remove_prefix(1);
  if (lead < 0x80) return lead;
  uint32_t code = lead >= 0xf0 ? lead & 0x07 : lead >= 0xe0 ? lead & 0x0f : lead & 0x1f;
  for (; !text.empty() && IsContinuation(text.front()); text.remove_prefix(1)) {
    code = code << 6 | (static_cast<unsigned char>(text.front()) & 0x3f);
  }
  return code;
}

// utf-8-addr-xtext of RFC 6533 section 3.
std::string Utf8AddressXtext(absl::string_view address) {
  std::string encoded;
  while (!address.empty()) {
    const uint32_t code = TakeCharacter(address);
    if (code > 0x20 && code < 0x7f && code != '\\' && code != '+' && code != '=') {
      encoded.push_back(static_cast<char>(code));
    } else {
      absl::StrAppendFormat(&encoded, "\\x{%02X}", code);
    }
  }
  return encoded;
}

std::string Utf8Address(absl::string_view address, bool utf8) {
  if (!IsValidUtf8(address)) return Printable(address, false);
  return utf8 ? Printable(address, true) : Utf8AddressXtext(address);
}

// The next word with the blanks in front of it, or as much of it as fits into a line.
absl::string_view TakeWord(absl::string_view& text) {
  size_t word = std::min(text.find_first_not_of(' '), text.size());
  if (word > kMaxBlanks) {
    text.remove_prefix(word - 1);
    word = 1;
  }
  absl::string_view taken = text.substr(0, text.find(' ', word));
  if (taken.size() > kMaxWordBytes) taken = Utf8Prefix(taken, kMaxWordBytes);
  text.remove_prefix(taken.size());
  return taken;
}

}  // namespace

bool HasBadLine(absl::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find("\r\n");
    const absl::string_view line = text.substr(0, end);
    if (line.size() > kMaxLineBytes || line.find_first_of(absl::string_view("\r\n\0", 3)) != line.npos)
      return true;
    if (end == text.npos) return false;
    text.remove_prefix(end + 2);
  }
  return false;
}

std::string Printable(absl::string_view text, bool utf8) {
  const bool well_formed = IsValidUtf8(text);
  std::string line;
  line.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    // U+0080 to U+009F are control characters too.
    const bool is_c1 = well_formed && byte == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (byte < 0x20 || byte == 0x7f || is_c1) {
      if (!absl::EndsWith(line, " ")) line.push_back(' ');
      if (is_c1) ++i;
    } else if (byte < 0x80 || (utf8 && well_formed)) {
      line.push_back(c);
    } else if (!well_formed || !IsContinuation(c)) {
      line.push_back('?');
    }
  }
  return std::string(absl::StripAsciiWhitespace(line));
}

std::vector<std::string> PrintableLines(absl::string_view text, bool utf8, size_t max_bytes) {
  std::vector<std::string> lines;
  for (const absl::string_view line : absl::StrSplit(Utf8Prefix(text, max_bytes), '\n')) {
    std::string printable = Printable(line, utf8);
    if (!printable.empty()) lines.push_back(std::move(printable));
  }
  return lines;
}

std::vector<std::string> Wrap(absl::string_view text, size_t first_width, size_t width) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const absl::string_view word = TakeWord(text);
    const size_t room = lines.size() == 1 ? first_width : width;
    if (!lines.back().empty() && lines.back().size() + word.size() > room) lines.emplace_back();
    absl::StrAppend(&lines.back(), word);
  }
  return lines;
}

void AppendField(absl::string_view name, const std::vector<std::string>& lines, std::string& out) {
  absl::StrAppend(&out, name, ":");
  for (const std::string& line : lines) {
    if (&line != &lines.front()) out += "\r\n";
    const size_t in_front = &line == &lines.front() ? name.size() + 2 : 1;
    const std::vector<std::string> pieces = Wrap(line, kGoodLineBytes - in_front, kGoodLineBytes);
    for (const std::string& piece : pieces) {
      if (&piece != &pieces.front()) out += "\r\n";
      // A blank, which a piece has unless it begins the line or was cut out of a word, makes it a part of the field.
      absl::StrAppend(&out, absl::StartsWith(piece, " ") ? "" : " ", piece);
    }
  }
  out += "\r\n";
}

void AppendField(absl::string_view name, absl::string_view value, std::string& out) {
  AppendField(name, std::vector<std::string>{std::string(value)}, out);
}

std::string TypedAddress(absl::string_view address, bool utf8) {
  if (IsAscii(address)) return absl::StrCat("rfc822; ", Printable(address, false));
  return absl::StrCat("utf-8; ", Utf8Address(address, utf8));
}

std::string TypedOriginalRecipient(absl::string_view original_recipient, bool utf8) {
  const size_t semicolon = original_recipient.find(';');
  if (semicolon == absl::string_view::npos) return TypedAddress(original_recipient, utf8);
  const std::string type = Printable(original_recipient.substr(0, semicolon), false);
  const absl::string_view address = original_recipient.substr(semicolon + 1);
  const bool of_utf8 = absl::EqualsIgnoreCase(type, "utf-8");
  return absl::StrCat(type, "; ", of_utf8 ? Utf8Address(address, utf8) : Printable(address, false));
}

}  // namespace mailstead::dsn
