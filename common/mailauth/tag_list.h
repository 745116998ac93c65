// Lists of tags, "v=DMARC1; p=none", as DKIM, DMARC and TLS-RPT write their records (RFC 6376 section 3.2). Pure.
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
  // As written; names are compared with their case (RFC 6376 section 3.2).
  std::string name;
  // Without the blanks around it; with its folding between.
  std::string value;
  bool operator==(const Tag&) const = default;
};

class TagList {
 public:
  // InvalidArgument: a tag without "=", a name that is none, a value with a control character, a tag that is there twice, or too
  // much of it. Blanks are spaces, tabs, and line ends.
  static absl::StatusOr<TagList> Parse(absl::string_view text);

  // In the order in which they stand there.
  const std::vector<Tag>& tags() const { return tags_; }
  // Null: it is not there.
  const std::string* Find(absl::string_view name) const;
  // The first tag is this one, as records say their version.
  bool BeginsWith(absl::string_view name, absl::string_view value) const;

 private:
  std::vector<Tag> tags_;
};

// The value without blanks: as base64 is read that was folded (RFC 6376 section 2.10).
std::string WithoutBlanks(absl::string_view value);

// The parts of "a : b:c", without blanks around them (RFC 6376 sections 3.6.1 and 3.5).
std::vector<std::string> SplitColons(absl::string_view value);

}  // namespace mailstead::mailauth
