#include "mailctl/import_file.h"

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "common/text/utf8.h"
#include "mailctl/input.h"

namespace mailstead::ctl {
namespace {

constexpr absl::string_view kBlanks = " \t";

// Where the address ends: at the first blank outside the quotes of a local part (RFC 5321 section 4.1.2).
size_t EndOfAddress(absl::string_view line) {
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (quoted && line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && absl::StrContains(kBlanks, line[i])) {
      return i;
    }
  }
  return line.size();
}

}  // namespace

absl::StatusOr<std::optional<ImportLine>> ParseImportLine(absl::string_view line) {
  absl::ConsumeSuffix(&line, "\r");
  const size_t start = line.find_first_not_of(kBlanks);
  if (start == absl::string_view::npos || line[start] == '#') return std::nullopt;
  if (line.size() > Input::kMaxLineBytes) return absl::InvalidArgumentError("the line is too long");
  if (!IsValidUtf8(line)) {
    return absl::InvalidArgumentError(absl::StartsWith(line, "\xff\xfe") || absl::StartsWith(line, "\xfe\xff")
                                          ? "the file is UTF-16; it must be UTF-8"
                                          : "the line is not valid UTF-8");
  }
  line.remove_prefix(start);

  const size_t end = EndOfAddress(line);
  ImportLine parsed;
  parsed.address = std::string(line.substr(0, end));
  if (!absl::StrContains(parsed.address, '@')) {
    return absl::InvalidArgumentError("the line does not begin with an address (user@domain)");
  }
  const size_t secret_start = line.find_first_not_of(kBlanks, end);
  if (secret_start == absl::string_view::npos)
    return absl::InvalidArgumentError("no password behind the address");
  ASSIGN_OR_RETURN(parsed.password, ParsePasswordField(line.substr(secret_start)));
  return parsed;
}

}  // namespace mailstead::ctl
