#include "common/mail/mime/message_ids.h"

#include <cstddef>
#include <utility>

#include "absl/strings/match.h"
#include "common/mail/mime/limits.h"
#include "common/mail/mime/tokens.h"
#include "common/mail/mime/words.h"

namespace mailstead::mime {
namespace {

std::vector<std::string> IdsWithoutBrackets(absl::string_view value) {
  std::vector<std::string> ids;
  while (SkipBlanksAndComments(value), !value.empty() && ids.size() < kMaxMessageIdCount) {
    size_t end = 0;
    while (end < value.size() && !IsWhite(value[end]) && value[end] != '(' && value[end] != ',') ++end;
    const absl::string_view word = value.substr(0, end);
    if (absl::StrContains(word, "@")) ids.push_back(OneLine(word));
    value.remove_prefix(end < value.size() && value[end] == ',' ? end + 1 : end);
  }
  return ids;
}

}  // namespace

std::vector<std::string> ParseMessageIds(absl::string_view value) {
  if (!absl::StrContains(value, "<")) return IdsWithoutBrackets(value);
  std::vector<std::string> ids;
  while (!value.empty() && ids.size() < kMaxMessageIdCount) {
    const char c = value.front();
    if (c == '(') {
      TakeComment(value);
    } else if (c == '"') {
      bool is_whole = true;
      TakeQuotedString(value, is_whole);
    } else if (c == '<') {
      value.remove_prefix(1);
      // What is cut off ends where the next one begins.
      const size_t end = value.find_first_of("<>");
      std::string id;
      for (const char in_it : value.substr(0, end)) {
        if (!IsWhite(in_it)) id.push_back(in_it);
      }
      if (!id.empty()) ids.push_back(OneLine(id));
      if (end == value.npos) break;
      value.remove_prefix(value[end] == '>' ? end + 1 : end);
    } else {
      value.remove_prefix(1);
    }
  }
  return ids;
}

}  // namespace mailstead::mime
