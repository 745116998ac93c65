#include "smtpd/protocol/xtext.h"

#include <cstdio>
#include <string>

#include "common/base/check.h"
#include "common/text/utf8.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

// RFC 3461 section 4.
std::string EncodeXtext(absl::string_view text) {
  std::string encoded;
  for (const char c : text) {
    char hex[4];
    std::snprintf(hex, sizeof(hex), "+%02X", static_cast<unsigned char>(c));
    encoded += c < '!' || c > '~' || c == '+' || c == '=' ? hex : std::string(1, c);
  }
  return encoded;
}

}  // namespace

void Run(absl::string_view input) {
  if (const smtp::Parsed<std::string> decoded = smtp::DecodeXtext(input); decoded.ok()) {
    CHECK(decoded->size() <= input.size());
    for (const char c : *decoded) CHECK(static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
    const smtp::Parsed<std::string> again = smtp::DecodeXtext(EncodeXtext(*decoded));
    CHECK(again.ok() && *again == *decoded);
  }
  if (const smtp::Parsed<std::string> decoded = smtp::DecodeUtf8Address(input); decoded.ok()) {
    CHECK(IsValidUtf8(*decoded));
    for (const char c : *decoded) CHECK(static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
  }
}

}  // namespace mailstead::fuzz
