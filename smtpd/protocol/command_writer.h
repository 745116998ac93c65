// Commands as they are written to another host (RFC 5321 section 4.1.1). Pure.
//
// SECURITY: what is written is one line of the grammar, whatever the values are: each function refuses values with
// which it would not be (a CR, LF or other control, an address that ParseAddress refuses), and writes nothing then.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/mail/envelope.h"

namespace mailstead::smtp {

// The errors of all functions: InvalidArgument, and `out` is as it was.

// `verb` is EHLO or HELO; `name` is a domain or an address literal (IsDomainOrLiteral).
absl::Status AppendHello(absl::string_view verb, absl::string_view name, std::string& out);

// The address between the angle brackets of a path. Without `smtputf8` a domain of U-labels becomes its A-labels, and a
// local part must be ASCII.
absl::StatusOr<std::string> WirePath(absl::string_view address, bool smtputf8);

// What MAIL says; a parameter that is not set is not written, and the caller sets those only that were offered.
struct MailLine {
  // Without angle brackets; empty for the null reverse-path.
  std::string reverse_path;
  // SIZE (RFC 1870).
  std::optional<uint64_t> size_bytes;
  // BODY=8BITMIME (RFC 6152).
  bool eight_bit_mime = false;
  // SMTPUTF8 (RFC 6531).
  bool smtputf8 = false;
  // RET and ENVID (RFC 3461); the identifier decoded, empty: none.
  DsnReturn dsn_return = DsnReturn::kUnspecified;
  std::string dsn_envelope_id;
  // REQUIRETLS (RFC 8689).
  bool require_tls = false;
  // AUTH= (RFC 4954 section 5): a mailbox, or "<>" for nobody in particular. Absent: not written.
  std::optional<std::string> auth;
};
absl::Status AppendMail(const MailLine& mail, std::string& out);

struct RcptLine {
  // Without angle brackets.
  std::string forward_path;
  bool smtputf8 = false;
  // NOTIFY (RFC 3461); not `given`: not written.
  DsnNotify notify;
  // ORCPT, as addr-type;address with the address decoded. Empty: not written.
  std::string original_recipient;
};
absl::Status AppendRcpt(const RcptLine& rcpt, std::string& out);

// `mechanism` is of the grammar of RFC 4422 section 3.1. The initial response is encoded here; absent and empty ("=")
// differ.
absl::Status AppendAuth(absl::string_view mechanism, const std::optional<std::string>& initial_response,
                        std::string& out);
// A line of the exchange, encoded here.
void AppendAuthResponse(absl::string_view response, std::string& out);
void AppendBdat(uint64_t size_bytes, bool last, std::string& out);

inline constexpr absl::string_view kStartTlsLine = "STARTTLS\r\n";
inline constexpr absl::string_view kDataLine = "DATA\r\n";
inline constexpr absl::string_view kRsetLine = "RSET\r\n";
inline constexpr absl::string_view kQuitLine = "QUIT\r\n";
// Gives up an AUTH exchange (RFC 4954 section 4).
inline constexpr absl::string_view kCancelAuthLine = "*\r\n";

}  // namespace mailstead::smtp
