// Lists of tags, "v=DMARC1; p=none", as DKIM, DMARC and TLS-RPT write their records (RFC 6376 section 3.2). Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::mailauth {

struct Tag {
  // As written; names are compared with their case (RFC 6376 section 3.2).
  std::string name;
  // Without the blanks around it.
  std::string value;
};

class TagList {
 public:
  // InvalidArgument: a tag without "=", a name that is none, a value with a control character, or a tag that is there twice.
  // Blanks are spaces, tabs, and line ends.
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

}  // namespace mailstead::mailauth
