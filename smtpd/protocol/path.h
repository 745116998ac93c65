// Reverse-path and forward-path (RFC 5321 section 4.1.2). Pure.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "common/mail/address.h"
#include "smtpd/protocol/parsed.h"

namespace mailstead::smtp {

struct Path {
  enum class Kind {
    kNull,        // <>, RFC 5321 section 4.5.5
    kPostmaster,  // <Postmaster> without a domain, section 4.5.1
    kMailbox
  };
  Kind kind = Kind::kNull;
  // The mailbox; with kPostmaster only the local part is set, as written.
  Address address;
  // As it was written, for people: without angle brackets and source route; "<>" for the null path.
  std::string given = "<>";

  bool is_null() const { return kind == Kind::kNull; }
  // The path without angle brackets; empty for the null path.
  std::string ToString() const;
};

struct PathAndRest {
  Path path;
  // What follows the path, without the blank between.
  absl::string_view rest;
};

// ParsePath parses `argument`, as "FROM:<a@b> SIZE=1", with `keyword`, as "FROM:". A source route is taken
// and dropped (appendix C); blanks behind the colon, which section 3.3 forbids and many clients send, are
// overlooked. `max_path_bytes` counts the angle brackets and the route; the mailbox is bounded by
// ParseAddress besides. Errors: kSyntax, kBadAddress.
Parsed<PathAndRest> ParsePath(absl::string_view keyword, absl::string_view argument,
                              size_t max_path_bytes = kMaxPathBytes);

}  // namespace mailstead::smtp
