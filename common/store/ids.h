// Numbers of the store's that must not be mixed, for every program.
#pragma once

#include <compare>
#include <cstdint>
#include <utility>

namespace mailstead {

template <typename Tag>
struct Id {
  int64_t value = 0;
  auto operator<=>(const Id&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const Id& id) {
    return H::combine(std::move(h), id.value);
  }
};

// An account, and the mailbox that it has: 1 and up; never used again, also when the account gets another address.
using AccountId = Id<struct AccountTag>;
// A message in a mailbox: 1 and up, grows with each delivery; never used again in the mailbox.
using MessageId = Id<struct MessageTag>;
// A message on its way to other hosts: 1 and up, grows with each; never used again.
using QueueId = Id<struct QueueTag>;

}  // namespace mailstead
