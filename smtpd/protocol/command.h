// A command line as words. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "smtpd/protocol/parsed.h"

namespace mailstead::smtp {

// A command in its two parts. They point into the line that they were made from.
struct CommandWords {
  // The verb in the case it was sent in; it is compared without it (RFC 5321 section 2.4).
  absl::string_view verb;
  // The rest without blanks at either end.
  absl::string_view argument;
};
CommandWords SplitCommand(absl::string_view line);

// True when the line has bytes that no command may have: NUL, other controls, DEL.
// SECURITY: parts of commands go into headers and logs; a control character could start a line of its own
// there.
bool HasControlCharacters(absl::string_view line);

// Whether HELO and EHLO take it: anything printable, and no longer than a domain may be. Mail programs send the name of
// their machine, whatever it is ("MY PC", "[IPv6:fe80::1%eth0]"), and section 4.1.4 of RFC 5321 forbids to refuse mail for it.
bool IsHeloName(absl::string_view name);

// True for the methods of HTTP and for TLS records sent in the clear.
// SECURITY: a web browser can be made to send an HTTP request whose body is SMTP commands (cross-protocol
// attack).
bool IsOtherProtocol(absl::string_view line);

// The argument of BDAT (RFC 3030 section 2).
struct BdatArgument {
  uint64_t size_bytes = 0;
  bool last = false;
};
Parsed<BdatArgument> ParseBdat(absl::string_view argument);

// The argument of AUTH (RFC 4954 section 4). The initial response is decoded; absent and empty ("=") differ.
struct AuthArgument {
  // In upper case.
  std::string mechanism;
  std::optional<std::string> initial_response;
};
Parsed<AuthArgument> ParseAuth(absl::string_view argument);

}  // namespace mailstead::smtp
