// How a reply looks on the wire (RFC 5321 section 4.2, RFC 2034). Pure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace mailstead::smtp {

// Appends the reply to `out`. `text` may have several lines, parted by '\n'; each gets the code, and
// `enhanced` unless that is empty.
void AppendReply(int code, absl::string_view enhanced, absl::string_view text, std::string& out);

}  // namespace mailstead::smtp
