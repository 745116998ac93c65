// The names that requests carry, checked. Every error is a FieldError with the field it was told.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/mail/address.h"
#include "common/store/ids.h"

namespace mailstead::stored {

// An address of an account or alias.
struct DirectoryAddress {
  // As it is kept: local part as written, domain as A-labels.
  std::string address;
  // As the engine compares it.
  std::string key;
  std::string domain;
};

// A domain's name, as the engine compares it.
absl::StatusOr<std::string> CheckDomainName(absl::string_view field, absl::string_view text);

// local-part@domain, where the domain is a name.
absl::StatusOr<DirectoryAddress> CheckAddress(absl::string_view field, absl::string_view text);

// The same, or "@domain" for a catch-all.
absl::StatusOr<DirectoryAddress> CheckAliasAddress(absl::string_view field, absl::string_view text);

// How requests name an account: by its address, or by its id.
struct AccountName {
  // 0: by its address.
  AccountId id;
  // As the engine compares it.
  std::string key;
};

// local-part@domain, or the id in decimal digits.
absl::StatusOr<AccountName> CheckAccountName(absl::string_view field, absl::string_view text);

// A delivery or lease id: 16 to 64 of [A-Za-z0-9_-].
absl::Status CheckIdentifier(absl::string_view field, absl::string_view text);

// Text that goes to the log: bounded, valid UTF-8, no control characters. May be empty.
absl::Status CheckLogText(absl::string_view field, absl::string_view text);

// True when there is a byte below 0x20 or 0x7F.
bool HasControlCharacter(absl::string_view text);

}  // namespace mailstead::stored
