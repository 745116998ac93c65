#include "smtpd/protocol/command.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "common/mail/address.h"
#include "common/text/base64.h"
#include "smtpd/protocol/limits.h"

namespace mailstead::smtp {
namespace {

// Decimal digits that fit into 63 bits whatever they are.
constexpr size_t kMaxChunkDigits = 18;

absl::string_view TrimBlanks(absl::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool IsMechanismCharacter(char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; }

}  // namespace

CommandWords SplitCommand(absl::string_view line) {
  const size_t blank = line.find(' ');
  if (blank == absl::string_view::npos) return {line, ""};
  return {line.substr(0, blank), TrimBlanks(line.substr(blank))};
}

bool HasControlCharacters(absl::string_view line) {
  return std::any_of(line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

bool IsHeloName(absl::string_view name) {
  if (name.empty() || name.size() > kMaxDomainBytes || HasControlCharacters(name)) return false;
  // U+0080 to U+009F are control characters, too.
  return std::adjacent_find(name.begin(), name.end(), [](unsigned char first, unsigned char second) {
           return first == 0xc2 && second >= 0x80 && second < 0xa0;
         }) == name.end();
}

bool IsOtherProtocol(absl::string_view line) {
  // A TLS ClientHello is a record of type 22, version 3.x.
  if (line.size() >= 2 && line[0] == '\x16' && line[1] == '\x03') return true;
  for (absl::string_view method :
       {"GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "CONNECT ", "DELETE ", "PATCH ", "TRACE "}) {
    if (absl::StartsWithIgnoreCase(line, method)) return true;
  }
  return false;
}

Parsed<BdatArgument> ParseBdat(absl::string_view argument) {
  const CommandWords words = SplitCommand(argument);
  BdatArgument bdat;
  if (words.verb.empty() || words.verb.size() > kMaxChunkDigits) return ParseError::kSyntax;
  if (!std::all_of(words.verb.begin(), words.verb.end(), absl::ascii_isdigit)) return ParseError::kSyntax;
  if (!absl::SimpleAtoi(words.verb, &bdat.size_bytes)) return ParseError::kSyntax;
  bdat.last = absl::EqualsIgnoreCase(words.argument, "LAST");
  if (!bdat.last && !words.argument.empty()) return ParseError::kSyntax;
  return bdat;
}

Parsed<AuthArgument> ParseAuth(absl::string_view argument) {
  const CommandWords words = SplitCommand(argument);
  if (words.verb.empty() || words.verb.size() > kMaxMechanismBytes ||
      !std::all_of(words.verb.begin(), words.verb.end(), IsMechanismCharacter)) {
    return ParseError::kSyntax;
  }
  AuthArgument auth;
  auth.mechanism = absl::AsciiStrToUpper(words.verb);
  if (words.argument.empty()) return auth;
  if (words.argument == "=") {
    auth.initial_response = "";
    return auth;
  }
  auth.initial_response = DecodeBase64(words.argument);
  if (!auth.initial_response.has_value()) return ParseError::kBadBase64;
  return auth;
}

}  // namespace mailstead::smtp
