// What of a message's header each mailbox keeps with it, so that it can be listed and searched without its bytes.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace mailstead::engine {

// What a line of a header may have (RFC 5322 section 2.1.1).
inline constexpr size_t kMaxKeptSubjectBytes = 998;
inline constexpr size_t kMaxKeptMessageIdBytes = 998;
// Names and addresses together: room for an address of the greatest length (RFC 5321 section 4.5.3.1), and a name as long.
inline constexpr size_t kMaxKeptFromBytes = 640;

struct SearchedAddress {
  std::string name;
  std::string address;
  friend bool operator==(const SearchedAddress&, const SearchedAddress&) = default;
};

// Texts are UTF-8 in one line.
struct SearchedFields {
  // Cleared of a message that a store of an earlier version took in: then nothing else here says anything.
  bool known = false;
  std::string subject;
  std::vector<SearchedAddress> from;
  // Without angle brackets.
  std::string message_id;
  std::optional<absl::Time> date;
  bool has_attachment = false;
  friend bool operator==(const SearchedFields&, const SearchedFields&) = default;
};

}  // namespace mailstead::engine
