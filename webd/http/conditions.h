// Conditional requests by entity tags (RFC 9110 section 13). There are no dates: nothing here has a Last-Modified.
#pragma once

#include "absl/strings/string_view.h"
#include "webd/http/request_head.h"

namespace mailstead::web {

enum class Condition {
  kHolds,
  // 304: the client has it.
  kNotModified,
  // 412.
  kFailed,
};

// `etag` is strong, with its quotes: "\"abc\"". In the order of section 13.2.2. For GET and HEAD.
Condition Judge(const RequestHead& head, absl::string_view etag);

// Whether a Range counts (section 13.1.5): If-Range is absent, or is this tag.
bool RangeCounts(const RequestHead& head, absl::string_view etag);

}  // namespace mailstead::web
