// The ids of Message-ID, In-Reply-To and References (RFC 5322 section 3.6.4), and of Content-ID (RFC 2045 section
// 7). Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace mailstead::mime {

// The ids in their order, without angle brackets and the blanks in them, at most kMaxMessageIdCount. Comments and
// phrases in between (section 4.5.4) are passed over. Where there are no angle brackets, the words that have an at
// sign.
std::vector<std::string> ParseMessageIds(absl::string_view value);

}  // namespace mailstead::mime
