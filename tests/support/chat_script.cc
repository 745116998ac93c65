#include "tests/support/chat_script.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace mailstead::test {
namespace {

struct Mark {
  absl::string_view text;
  ChatLine::Kind kind;
};
constexpr Mark kMarks[] = {
    {"C: ", ChatLine::Kind::kSend},     {"C+ ", ChatLine::Kind::kSendRaw},
    {"S: ", ChatLine::Kind::kExpect},   {"S~ ", ChatLine::Kind::kExpectPattern},
    {"! ", ChatLine::Kind::kDirective},
};

absl::string_view MarkOf(ChatLine::Kind kind) {
  for (const Mark& mark : kMarks) {
    if (mark.kind == kind) return mark.text;
  }
  return "";
}

}  // namespace

std::string ChatLine::WireBytes() const {
  if (kind == Kind::kSend) return absl::StrCat(text, "\r\n");
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      bytes += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'r':
        bytes += '\r';
        break;
      case 'n':
        bytes += '\n';
        break;
      case 't':
        bytes += '\t';
        break;
      case 'x':
        bytes += absl::HexStringToBytes(text.substr(i + 1, 2));
        i += 2;
        break;
      default:
        bytes += text[i];
    }
  }
  return bytes;
}

absl::StatusOr<std::vector<ChatLine>> ParseChat(absl::string_view text) {
  std::vector<ChatLine> lines;
  int number = 0;
  absl::ConsumeSuffix(&text, "\n");
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    if (line.empty() || absl::StartsWith(line, "#")) {
      lines.push_back({ChatLine::Kind::kComment, std::string(line), number});
      continue;
    }
    bool known = false;
    for (const Mark& mark : kMarks) {
      absl::string_view rest = line;
      // "C:" and "S:" alone are the empty line; editors strip the blank behind them.
      if (!absl::ConsumePrefix(&rest, mark.text) && rest != absl::StripTrailingAsciiWhitespace(mark.text))
        continue;
      if (rest.data() == line.data()) rest = "";
      lines.push_back({mark.kind, std::string(rest), number});
      known = true;
      break;
    }
    if (!known)
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": starts with no known mark"));
  }
  return lines;
}

std::string FormatChat(const std::vector<ChatLine>& lines) {
  std::string text;
  for (const ChatLine& line : lines) {
    std::string whole = absl::StrCat(MarkOf(line.kind), line.text);
    if (line.text.empty()) whole = std::string(absl::StripTrailingAsciiWhitespace(whole));
    absl::StrAppend(&text, whole, "\n");
  }
  return text;
}

absl::StatusOr<std::vector<ChatLine>> ExpandRepeats(const std::vector<ChatLine>& lines) {
  std::vector<ChatLine> expanded;
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::string_view words = lines[i].text;
    if (lines[i].kind != ChatLine::Kind::kDirective || !absl::ConsumePrefix(&words, "repeat ")) {
      expanded.push_back(lines[i]);
      continue;
    }
    int count = 0;
    size_t end = i + 1;
    while (end < lines.size() && !(lines[end].kind == ChatLine::Kind::kDirective && lines[end].text == "end"))
      ++end;
    if (!absl::SimpleAtoi(words, &count) || end == lines.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", lines[i].number, ": repeat without number or end"));
    }
    for (int n = 1; n <= count; ++n) {
      for (size_t j = i + 1; j < end; ++j) {
        ChatLine line = lines[j];
        line.text = absl::StrReplaceAll(line.text, {{"{n}", absl::StrCat(n)}});
        expanded.push_back(std::move(line));
      }
    }
    i = end;
  }
  return expanded;
}

}  // namespace mailstead::test
