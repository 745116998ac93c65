#include "common/mailauth/tag_list.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status.h"

namespace mailstead::mailauth {
namespace {

// FWS (RFC 6376 section 2.8).
bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

absl::string_view Trim(absl::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// ALPHA *ALNUMPUNC.
bool IsName(absl::string_view name) {
  return !name.empty() && absl::ascii_isalpha(name.front()) &&
         std::all_of(name.begin(), name.end(), [](char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

// tval, with FWS between: VALCHAR is %x21-3A / %x3C-7E.
bool IsValue(absl::string_view value) {
  return std::all_of(value.begin(), value.end(),
                     [](char c) { return IsSpace(c) || (c > 0x20 && c < 0x7f && c != ';'); });
}

absl::StatusOr<Tag> ParseTag(absl::string_view text) {
  const size_t equals = text.find('=');
  if (equals == absl::string_view::npos) return absl::InvalidArgumentError("a tag without \"=\"");
  Tag tag;
  const absl::string_view name = Trim(text.substr(0, equals));
  const absl::string_view value = Trim(text.substr(equals + 1));
  if (!IsName(name)) return absl::InvalidArgumentError("a tag without a name");
  tag.name = std::string(name);
  if (!IsValue(value)) {
    return absl::InvalidArgumentError(absl::StrCat("tag ", tag.name, " has a character that no value has"));
  }
  tag.value = std::string(value);
  return tag;
}

}  // namespace

absl::StatusOr<std::vector<Tag>> ParseTagList(absl::string_view text) {
  if (text.size() > kMaxTagListBytes) return absl::InvalidArgumentError("it is too long");
  std::vector<Tag> tags;
  std::vector<absl::string_view> parts = absl::StrSplit(text, ';');
  // A semicolon may stand behind the last one.
  if (parts.size() > 1 && Trim(parts.back()).empty()) parts.pop_back();
  if (parts.size() > kMaxTags) return absl::InvalidArgumentError("it has too many tags");
  for (const absl::string_view part : parts) {
    ASSIGN_OR_RETURN(Tag tag, ParseTag(part));
    // Section 3.2: then the whole list is worth nothing.
    if (FindTag(tags, tag.name) != nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("tag ", tag.name, " is there twice"));
    }
    tags.push_back(std::move(tag));
  }
  return tags;
}

const std::string* FindTag(const std::vector<Tag>& tags, absl::string_view name) {
  // Names are compared with their case.
  for (const Tag& tag : tags) {
    if (absl::string_view(tag.name) == name) return &tag.value;
  }
  return nullptr;
}

std::string WithoutSpace(absl::string_view value) {
  std::string text;
  std::copy_if(value.begin(), value.end(), std::back_inserter(text), [](char c) { return !IsSpace(c); });
  return text;
}

std::vector<std::string> SplitColons(absl::string_view value) {
  std::vector<std::string> parts;
  for (const absl::string_view part : absl::StrSplit(value, ':')) parts.emplace_back(Trim(part));
  return parts;
}

}  // namespace mailstead::mailauth
