#include "smtpd/protocol/xtext.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/text/utf8.h"

namespace mailstead::smtp {
namespace {

bool IsUpperHex(char c) { return absl::ascii_isdigit(c) || (c >= 'A' && c <= 'F'); }

void AppendUtf8(uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

// The code of the character at the front of `text`, which is valid UTF-8; takes it off.
uint32_t TakeCharacter(absl::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  text.remove_prefix(1);
  if (lead < 0x80) return lead;
  const size_t more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  uint32_t code = lead & (0x3f >> more);
  for (size_t i = 0; i < more && !text.empty(); ++i) {
    code = code << 6 | (static_cast<unsigned char>(text.front()) & 0x3f);
    text.remove_prefix(1);
  }
  return code;
}

// xchar of RFC 3461 section 4.
bool IsXchar(unsigned char c) { return c >= 0x21 && c <= 0x7e && c != '+' && c != '='; }

bool IsCharacter(uint32_t code) {
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
  return code <= 0x10ffff && !surrogate && !control;
}

// Whether valid UTF-8 has no controls.
bool IsText(absl::string_view text) {
  while (!text.empty()) {
    if (!IsCharacter(TakeCharacter(text))) return false;
  }
  return true;
}

Parsed<std::string> Decode(absl::string_view text, bool utf8) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = text[i];
    if (c < 0x21 || c > 0x7e || c == '=') return ParseError::kBadParameter;
    if (c != '+') {
      decoded += static_cast<char>(c);
      continue;
    }
    if (i + 2 >= text.size() || !IsUpperHex(text[i + 1]) || !IsUpperHex(text[i + 2])) {
      return ParseError::kBadParameter;
    }
    uint32_t code = 0;
    if (!absl::SimpleHexAtoi(text.substr(i + 1, 2), &code)) return ParseError::kBadParameter;
    // Printable US-ASCII only (RFC 3461 sections 4.2 and 4.4).
    if (code < 0x20 || code == 0x7f || (code > 0x7f && !utf8)) return ParseError::kBadParameter;
    decoded += static_cast<char>(code);
    i += 2;
  }
  return decoded;
}

}  // namespace

Parsed<std::string> DecodeXtext(absl::string_view text) { return Decode(text, /*utf8=*/false); }

Parsed<std::string> DecodeXtextOfUtf8(absl::string_view text) {
  Parsed<std::string> decoded = Decode(text, /*utf8=*/true);
  if (decoded.ok() && !(IsValidUtf8(*decoded) && IsText(*decoded))) return ParseError::kBadParameter;
  return decoded;
}

std::string EncodeXtext(absl::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (IsXchar(byte)) {
      encoded += c;
    } else {
      absl::StrAppendFormat(&encoded, "+%02X", byte);
    }
  }
  return encoded;
}

Parsed<std::string> DecodeUtf8Address(absl::string_view text) {
  std::string decoded;
  while (!text.empty()) {
    if (!absl::ConsumePrefix(&text, "\\x{")) {
      const unsigned char c = text.front();
      if (c < 0x21 || c == 0x7f || c == '\\' || c == '=') return ParseError::kBadParameter;
      decoded += static_cast<char>(c);
      text.remove_prefix(1);
      continue;
    }
    const size_t end = text.find('}');
    if (end == absl::string_view::npos || end == 0 || end > 6) return ParseError::kBadParameter;
    const absl::string_view digits = text.substr(0, end);
    uint32_t code = 0;
    if (!std::all_of(digits.begin(), digits.end(), IsUpperHex) || !absl::SimpleHexAtoi(digits, &code) ||
        !IsCharacter(code)) {
      return ParseError::kBadParameter;
    }
    AppendUtf8(code, decoded);
    text.remove_prefix(end + 1);
  }
  if (!IsValidUtf8(decoded)) return ParseError::kBadParameter;
  return decoded;
}

std::string EncodeUtf8Address(absl::string_view address) {
  std::string encoded;
  while (!address.empty()) {
    const uint32_t code = TakeCharacter(address);
    if (code < 0x80 && IsXchar(static_cast<unsigned char>(code)) && code != '\\') {
      encoded += static_cast<char>(code);
    } else {
      absl::StrAppendFormat(&encoded, "\\x{%X}", code);
    }
  }
  return encoded;
}

}  // namespace mailstead::smtp
