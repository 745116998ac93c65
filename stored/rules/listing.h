// Versions of a maildrop's listing, and what a front-end that remembers one still has to be told. Pure.
//
// Ids grow and messages never change, so a listing is known by the id that follows its last entry and by the number of
// commits that have deleted from the mailbox. A listing leads to a later one by the entries behind that id and by what the
// commits between the two have deleted; an engine remembers the latter for the last kMaxRemovals commits. A commit that brings
// messages back from the trash, into the middle, is counted among them, and nothing is remembered of it: so no listing before
// it leads to one behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/store/ids.h"

namespace mailstead::rules {

// Deleting commits of a mailbox whose messages are remembered, and how many one commit may have deleted.
inline constexpr int64_t kMaxRemovals = 32;
inline constexpr size_t kMaxRemovedMessages = 1000;

struct ListingVersion {
  // Of whoever counts: two versions of different ones have nothing to do with each other. No longer than 255 bytes.
  std::string counter;
  int64_t end = 1;
  int64_t removal_count = 0;
  bool operator==(const ListingVersion&) const = default;
};

// Opaque bytes for front-ends.
std::string Format(const ListingVersion& version);
// Absent: not made by Format.
std::optional<ListingVersion> ParseListingVersion(absl::string_view bytes);

// The version that a front-end may build on to reach `now`; absent: it is told the whole listing.
std::optional<ListingVersion> Usable(absl::string_view known_version, const ListingVersion& now);

// What was deleted from the listing of `known` by `removed`, which commits behind it have deleted: ascending.
std::vector<MessageId> RemovedFrom(const ListingVersion& known, std::vector<MessageId> removed);

}  // namespace mailstead::rules
