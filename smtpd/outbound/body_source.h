// Where the octets of a message come from, piece by piece as the host takes them.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "asio/awaitable.hpp"

namespace mailstead::smtp::outbound {

// Of one transaction. It holds its own deadlines.
class BodySource {
 public:
  virtual ~BodySource() = default;
  // The next octets, at most `max_bytes` (> 0) of them; empty at the end. It is asked for no more than
  // Content::size_bytes in all, which must be the size of the message: what a longer one has behind that would be cut
  // off. Asked when the piece before has been sent; what is not sent is nowhere but here.
  virtual asio::awaitable<absl::StatusOr<std::string>> Next(size_t max_bytes) = 0;
};

}  // namespace mailstead::smtp::outbound
