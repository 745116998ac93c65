// RCPT commands that a pipelining client has sent already (RFC 2920), so that their addresses are resolved
// together: one question to the store for a list of a hundred, and not a hundred, one after the other. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "smtpd/limits.h"

namespace mailstead::smtp {

// The forward-paths of the RCPT commands at the beginning of `input`, in order, at most `max_count`. Ends
// before the first line that is another command, not whole or not well-formed: what that is worth is seen
// when its turn comes.
std::vector<std::string> RecipientsAhead(absl::string_view input, bool smtp_utf8, const Limits& limits,
                                         size_t max_count);

}  // namespace mailstead::smtp
