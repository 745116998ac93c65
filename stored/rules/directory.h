// Domains, accounts and aliases: what is kept of a new one, and what a change makes of one. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "stored/engine/types.h"

namespace mailstead::rules {

// The two halves of an address's key, in lower case: so addresses sort by domain, then by local part. A domain holds no
// "@" (RFC 5321 section 4.1.2); a quoted local part may.
struct AddressParts {
  std::string domain;
  std::string local_part;
  auto operator<=>(const AddressParts&) const = default;
};
AddressParts Split(absl::string_view address);

absl::Status NoDomain(absl::string_view name);      // NotFound
absl::Status NoAccount(absl::string_view account);  // NotFound
absl::Status NoAlias(absl::string_view address);    // NotFound
// AlreadyExists: "`what` exists".
absl::Status Exists(absl::string_view what);
// FailedPrecondition with kReasonDomainNotEmpty.
absl::Status NotEmpty(absl::string_view domain, absl::string_view what);

// Aborted with kReasonEtagMismatch, unless `expected` is 0 or the version.
absl::Status CheckVersion(int64_t expected, int64_t version);
// For what keeps no version: one of its content, positive, and the same wherever it is made.
int64_t VersionOfContent(absl::string_view content);

// As they are kept when they are created.
engine::Domain Created(engine::Domain domain);
engine::Account Created(engine::Account account);
engine::Alias Created(engine::Alias alias);

// As they are kept after a change.
engine::Domain Changed(engine::Domain domain, const engine::DomainChange& change);
engine::Account Changed(engine::Account account, const engine::AccountChange& change);
engine::Alias Changed(engine::Alias alias, const engine::AliasChange& change);

}  // namespace mailstead::rules
