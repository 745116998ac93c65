// MAIL and RCPT with their ESMTP parameters (RFC 5321 section 4.1.2, RFC 1870, 3461, 6152, 6531, 4954,
// 8689). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/mail/envelope.h"
#include "smtpd/protocol/parsed.h"
#include "smtpd/protocol/path.h"

namespace mailstead::smtp {

struct MailCommand {
  Path reverse_path;
  // SIZE: what the client says the message has, in bytes. A number that does not fit is the largest one.
  std::optional<uint64_t> size_bytes;
  // Set by BODY=8BITMIME. Nothing here depends on it: every body is kept as it comes.
  bool eight_bit_mime = false;
  // Set by SMTPUTF8.
  bool smtputf8 = false;
  // Set by REQUIRETLS.
  bool require_tls = false;
  // RET.
  DsnReturn dsn_return = DsnReturn::kUnspecified;
  // ENVID, decoded; empty when it was not given.
  std::string dsn_envelope_id;
};

// Parameters of MAIL that not every session offers.
struct MailOffers {
  // AUTH= (RFC 4954 section 5); its value is checked and dropped, and nothing at all is read as <>.
  bool auth = false;
  // REQUIRETLS (RFC 8689 section 3): under TLS only.
  bool require_tls = false;
};

// ParseMail parses `argument`, "FROM:<...> ...". `max_path_bytes` is that of ParsePath.
Parsed<MailCommand> ParseMail(absl::string_view argument, MailOffers offers,
                              size_t max_path_bytes = kMaxPathBytes);

struct RcptCommand {
  Path forward_path;
  // NOTIFY.
  DsnNotify notify;
  // ORCPT: addr-type;address, the address decoded; empty when it was not given.
  std::string original_recipient;
};

// ParseRcpt parses `argument`, "TO:<...> ...". With `smtputf8`, which MAIL had, other than ASCII is allowed.
// `max_path_bytes` is that of ParsePath.
Parsed<RcptCommand> ParseRcpt(absl::string_view argument, bool smtputf8,
                              size_t max_path_bytes = kMaxPathBytes);

}  // namespace mailstead::smtp
