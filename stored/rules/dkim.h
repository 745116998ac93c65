// What becomes of a domain's keys when one is made, activated or deleted. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/engine/dkim.h"

namespace mailstead::rules {

// How long the record of a key stays in the DNS that has signed its last: mail waits in the queues of others for up to five
// days (RFC 5321 section 4.5.4.1), and is looked at somewhat later.
inline constexpr absl::Duration kRetiredKeyTime = absl::Hours(7 * 24);

// From when on the record of a key may be taken out of the DNS; InfiniteFuture: not now.
absl::Time RecordEndTime(const engine::DkimKey& key);

// NotFound with kReasonDomainNotFound.
absl::Status NoDkimDomain(absl::string_view domain);
// NotFound with kReasonDkimKeyNotFound.
absl::Status NoDkimKey(absl::string_view domain, absl::string_view selector);

// Differs for each state of a key that an operator sees, and for each key that a selector ever named; positive.
int64_t VersionOf(const engine::DkimKey& key);

// Each changes `keys`, those of one domain, or leaves them as they are where it says an error (DkimEngine).

// Where there is no room, the first retired key goes whose record may go.
absl::Status AddDkimKey(std::vector<engine::DkimKey>& keys, absl::string_view domain, engine::DkimKey key);
// Of the same type the key that was active is retired, and so is one that is older and pending: what is published late takes
// not the place of what came after it.
// `expected_version`: CheckVersion, of VersionOf.
absl::Status ActivateDkimKey(std::vector<engine::DkimKey>& keys, absl::string_view domain,
                             absl::string_view selector, int64_t expected_version, absl::Time time);
absl::Status DeleteDkimKey(std::vector<engine::DkimKey>& keys, absl::string_view domain,
                           absl::string_view selector, int64_t expected_version, bool even_active);

bool HasPendingDkimKey(const std::vector<engine::DkimKey>& keys);

}  // namespace mailstead::rules
