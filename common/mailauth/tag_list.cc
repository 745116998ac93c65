#include "common/mailauth/tag_list.h"

#include <algorithm>
#include <iterator>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace mailstead::mailauth {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

absl::string_view Strip(absl::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

// tag-name = ALPHA *ALNUMPUNC
bool IsName(absl::string_view name) {
  return !name.empty() && absl::ascii_isalpha(static_cast<unsigned char>(name.front())) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; });
}

bool IsValue(absl::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) { return IsBlank(c) || (c > ' ' && c <= '~'); });
}

}  // namespace

absl::StatusOr<TagList> TagList::Parse(absl::string_view text) {
  if (text.size() > kMaxTagListBytes) return absl::InvalidArgumentError("too long a list");
  TagList list;
  absl::flat_hash_set<absl::string_view> seen;
  std::vector<absl::string_view> parts = absl::StrSplit(text, ';');
  if (Strip(parts.back()).empty()) parts.pop_back();
  if (parts.size() > kMaxTags) return absl::InvalidArgumentError("too many tags");
  for (const absl::string_view part : parts) {
    const size_t equals = part.find('=');
    if (equals == absl::string_view::npos) return absl::InvalidArgumentError("a tag without \"=\"");
    const absl::string_view name = Strip(part.substr(0, equals));
    const absl::string_view value = Strip(part.substr(equals + 1));
    if (!IsName(name)) return absl::InvalidArgumentError("a tag's name that is none");
    if (!IsValue(value))
      return absl::InvalidArgumentError(absl::StrCat("a value of ", name, " that is not in ASCII"));
    if (!seen.insert(name).second)
      return absl::InvalidArgumentError(absl::StrCat("the tag ", name, " twice"));
    list.tags_.push_back({std::string(name), std::string(value)});
  }
  return list;
}

const std::string* TagList::Find(absl::string_view name) const {
  for (const Tag& tag : tags_) {
    if (tag.name == name) return &tag.value;
  }
  return nullptr;
}

bool TagList::BeginsWith(absl::string_view name, absl::string_view value) const {
  return !tags_.empty() && tags_.front().name == name && tags_.front().value == value;
}

std::string WithoutBlanks(absl::string_view value) {
  std::string text;
  std::copy_if(value.begin(), value.end(), std::back_inserter(text), [](char c) { return !IsBlank(c); });
  return text;
}

std::vector<std::string> SplitColons(absl::string_view value) {
  std::vector<std::string> parts;
  for (const absl::string_view part : absl::StrSplit(value, ':')) parts.emplace_back(Strip(part));
  return parts;
}

}  // namespace mailstead::mailauth
