// The head of a request as values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace mailstead::web {

struct HeaderField {
  std::string name;
  std::string value;
};

struct RequestHead {
  std::string method;
  // As it was sent: path and query.
  std::string target;
  // Of HTTP/1.
  int minor_version = 1;
  // In their order; names in lower case.
  std::vector<HeaderField> fields;
  // The connection may go on behind the response.
  bool keep_alive = false;
  // A body follows, of a length that is not known in front.
  bool chunked = false;
  // Of the body, where it was said.
  uint64_t content_length = 0;

  // The client waits for a word of ours before it sends the body (RFC 9110 section 10.1.1).
  bool expects_continue() const {
    return minor_version >= 1 && has_body() && absl::EqualsIgnoreCase(Value("expect"), "100-continue");
  }
  bool has_body() const { return chunked || content_length > 0; }
  // How many fields of that name there are, which is given in lower case.
  size_t Count(absl::string_view name) const {
    size_t count = 0;
    for (const HeaderField& field : fields) count += field.name == name ? 1 : 0;
    return count;
  }
  // The value of the first; empty: there is none.
  absl::string_view Value(absl::string_view name) const {
    for (const HeaderField& field : fields) {
      if (field.name == name) return field.value;
    }
    return "";
  }
};

}  // namespace mailstead::web
