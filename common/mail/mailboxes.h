// The addresses that a field names (RFC 5322 section 3.4). Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/mail/address.h"

namespace mailstead {

// Of the value of From or Sender, unfolded: a mailbox-list, or an address-list with groups (RFC 6854). Names,
// comments and blanks are passed over; the obsolete forms of section 4.4 are taken but for routes. InvalidArgument
// when anything in it is neither: what programs for mail may read in different ways must be told from what they
// cannot.
absl::StatusOr<std::vector<Address>> ParseMailboxList(absl::string_view value);

}  // namespace mailstead
