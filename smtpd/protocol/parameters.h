// MAIL and RCPT with their ESMTP parameters (RFC 5321 section 4.1.2, RFC 1870, 3461, 6152, 6531, 4954). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "smtpd/protocol/parsed.h"
#include "smtpd/protocol/path.h"

namespace mailstead::smtp {

struct MailCommand {
  Path reverse_path;
  // SIZE: what the client says the message has, in bytes. A number that does not fit is the largest one.
  std::optional<uint64_t> size_bytes;
  // BODY=8BITMIME. Nothing depends on it: every body is kept as it comes.
  bool eight_bit = false;
  bool smtp_utf8 = false;
  // "FULL", "HDRS" or empty.
  std::string ret;
  // Decoded.
  std::string envid;
};

// `allow_auth`: AUTH= is a parameter here (RFC 4954 section 5); its value is checked and dropped.
// `argument` is "FROM:<...> ...". `max_path_bytes` as of ParsePath.
Parsed<MailCommand> ParseMail(absl::string_view argument, bool allow_auth,
                              size_t max_path_bytes = kMaxPathBytes);

struct RcptCommand {
  Path forward_path;
  // "NEVER", or a comma separated list of SUCCESS, FAILURE and DELAY in upper case, or empty.
  std::string notify;
  // addr-type;address, the address decoded; or empty.
  std::string orcpt;
};

// `smtp_utf8`: MAIL had SMTPUTF8, so that non-ASCII is allowed. `argument` is "TO:<...> ...".
// `max_path_bytes` as of ParsePath.
Parsed<RcptCommand> ParseRcpt(absl::string_view argument, bool smtp_utf8,
                              size_t max_path_bytes = kMaxPathBytes);

}  // namespace mailstead::smtp
