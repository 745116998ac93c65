// Mailbox addresses (RFC 5321 section 4.1.2, RFC 6531 section 3.3), as values. Pure.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead {

struct Address {
  // Unquoted: the local part "a b"@example.test is held as  a b . Case is kept.
  std::string local_part;
  // As written: a domain name (ASCII or UTF-8) or an address literal with its brackets.
  std::string domain;

  bool is_literal() const { return !domain.empty() && domain.front() == '['; }
  bool is_ascii() const;
  // local-part@domain, quoted where it must be. Never longer than what was parsed, but for the quotes that a local part got
  // which was written without them.
  std::string ToString() const;
  // The form that keys use: local part in ASCII lower case (quoted where it must be), domain through
  // NormalizeDomain. ParseAddress takes it and normalizes it to itself. InvalidArgument.
  absl::StatusOr<std::string> Normalized() const;
};

// Limits of RFC 5321 section 4.5.3.1. The local part is counted without its quoting, the path with its angle
// brackets.
inline constexpr size_t kMaxLocalPartBytes = 64;
inline constexpr size_t kMaxDomainBytes = 255;
inline constexpr size_t kMaxPathBytes = 256;

// "local-part@domain" without angle brackets. InvalidArgument says what is wrong. UTF-8 is taken; callers
// that must not take it ask is_ascii(). Dots may stand anywhere in a local part without quotes: millions of phones have
// addresses like a..b@docomo.test and ab.@docomo.test, which RFC 5321 section 4.1.2 wants quoted. They are read as if they
// were, as "a..b"@docomo.test, and never as another address. Not taken: source routes, comments, folding, an empty local
// part ("").
absl::StatusOr<Address> ParseAddress(absl::string_view text);

// Lower case A-labels without trailing dot (IDNA2008 through libidn2); underscores are let through, as hosts
// that use them do send mail. An address literal gets the address's canonical text: "[192.0.2.1]",
// "[ipv6:2001:db8::1]". InvalidArgument.
absl::StatusOr<std::string> NormalizeDomain(absl::string_view domain);

// Whether `name` is written as RFC 5321 sections 4.1.2 and 4.1.3 write a domain (in ASCII, without a trailing dot;
// underscores are let through) or an address literal.
bool IsDomainOrLiteral(absl::string_view name);

}  // namespace mailstead
