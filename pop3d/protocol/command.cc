#include "pop3d/protocol/command.h"

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"

namespace mailstead::pop3 {
namespace {

// "AUTH-RESP-CODE" is the longest word of the protocol; every keyword is far shorter. A longer one
// is unknown anyway.
constexpr size_t kMinKeywordBytes = 3;
constexpr size_t kMaxKeywordBytes = 16;

}  // namespace

std::optional<Command> ParseCommand(absl::string_view line) {
  const bool has_control =
      std::any_of(line.begin(), line.end(), [](unsigned char c) { return absl::ascii_iscntrl(c); });
  if (has_control) return std::nullopt;
  const size_t end = std::min(line.find(' '), line.size());
  const absl::string_view keyword = line.substr(0, end);
  if (keyword.size() < kMinKeywordBytes || keyword.size() > kMaxKeywordBytes) return std::nullopt;
  if (!std::all_of(keyword.begin(), keyword.end(), [](unsigned char c) { return absl::ascii_isalnum(c); })) {
    return std::nullopt;
  }
  Command command;
  command.keyword = absl::AsciiStrToUpper(keyword);
  if (end < line.size()) {
    command.has_argument = true;
    command.argument = line.substr(end + 1);
  }
  return command;
}

std::optional<Words> SplitWords(absl::string_view argument) {
  Words words;
  while (true) {
    const size_t begin = argument.find_first_not_of(' ');
    if (begin == absl::string_view::npos) return words;
    argument.remove_prefix(begin);
    if (words.count == 2) return std::nullopt;
    const size_t end = std::min(argument.find(' '), argument.size());
    words.word[words.count++] = argument.substr(0, end);
    argument.remove_prefix(end);
  }
}

std::optional<uint64_t> ParseNumber(absl::string_view word) {
  if (word.empty()) return std::nullopt;
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  uint64_t number = 0;
  for (const unsigned char c : word) {
    if (!absl::ascii_isdigit(c)) return std::nullopt;
    const uint64_t digit = c - '0';
    number = number > (kMax - digit) / 10 ? kMax : number * 10 + digit;
  }
  return number;
}

}  // namespace mailstead::pop3
