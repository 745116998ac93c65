// Lists of tags: "v=DKIM1; k=rsa; p=MIIB..." (RFC 6376 section 3.2). Pure.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::mailauth {

// Of a list: a key of 4,096 bits has 736 characters; of its tags RFC 6376 knows twenty.
inline constexpr size_t kMaxTagListBytes = 16'384;
inline constexpr size_t kMaxTags = 50;

struct Tag {
  std::string name;
  // Without blanks at its ends; with its folding between.
  std::string value;
  bool operator==(const Tag&) const = default;
};

// In their order. InvalidArgument: it is no such list, or has a tag twice.
absl::StatusOr<std::vector<Tag>> ParseTagList(absl::string_view text);

// Null: there is no tag of this name.
const std::string* FindTag(const std::vector<Tag>& tags, absl::string_view name);

// The value without white space: as base64 is read that was folded (section 2.10).
std::string WithoutSpace(absl::string_view value);

// The parts of "a : b:c", without blanks (sections 3.6.1 and 3.5).
std::vector<std::string> SplitColons(absl::string_view value);

}  // namespace mailstead::mailauth
