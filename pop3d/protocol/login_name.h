// Whom a SASL exchange is about, as far as its first message says so. Pure.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead::pop3 {

// LoginName gives the user name in the initial response of PLAIN (RFC 4616 section 2), LOGIN or SCRAM (RFC
// 5802 section 7), as the client wrote it; empty when there is none in it. A hint and no proof: nothing is
// checked here.
std::string LoginName(absl::string_view mechanism, const std::optional<std::string>& initial_response);

}  // namespace mailstead::pop3
