// Who a field names (RFC 5322 section 3.4 with the obsolete forms of section 4.4, RFC 6854), for showing. Pure;
// never fails.
//
// What decides over a message asks ParseMailboxList (common/mail/mailboxes.h), which refuses what programs may read in
// different ways.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/mail/mime/charset.h"

namespace mailstead::mime {

struct Mailbox {
  // The display name, or else the comment behind the address; decoded. Empty when there is neither.
  std::string name;
  // local-part@domain as it is written, without comments and blanks, or whatever stands in its place. Empty when there
  // is a name only.
  std::string address;

  friend bool operator==(const Mailbox&, const Mailbox&) = default;
};

// Mailboxes that stand one after another, in a group or in none.
struct MailboxGroup {
  bool is_group = false;
  // Of a group; decoded.
  std::string name;
  std::vector<Mailbox> mailboxes;

  friend bool operator==(const MailboxGroup&, const MailboxGroup&) = default;
};

struct AddressList {
  std::vector<MailboxGroup> groups;
  // Set when a part of it is no address, or was left out because of kMaxAddressCount.
  bool is_malformed = false;
};

AddressList ParseAddressList(absl::string_view value, const Charsets& charsets);

}  // namespace mailstead::mime
