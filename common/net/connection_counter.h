// How many connections there are, in all and from each address.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/net/network_list.h"

namespace mailstead::net {

// Thread-safe. A limit of 0 means none. An IPv6 address counts by its /64: that is what one customer gets,
// and its addresses are for free.
class ConnectionCounter {
 public:
  enum class Verdict { kAdmitted, kTooManyInAll, kTooManyFromAddress };

  // An address of `trusted` may have any number of those that there may be in all.
  ConnectionCounter(size_t max_connections, size_t max_connections_per_address, NetworkList trusted = {})
      : max_in_all_(max_connections),
        max_per_address_(max_connections_per_address),
        trusted_(std::move(trusted)) {}

  // A connection's place, which is free again when this is destroyed. Movable.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept;
    Place& operator=(Place&& other) noexcept;
    ~Place();

   private:
    friend class ConnectionCounter;
    ConnectionCounter* counter_ = nullptr;
    // Empty: it counts in all only.
    std::string address_;
  };

  // Admits a connection, or says why not. `address` is as AddressText gives it; `place` is set when the
  // connection is admitted, and untouched otherwise.
  [[nodiscard]] Verdict Admit(absl::string_view address, Place& place);
  size_t count() const;
  // Addresses that something is kept for.
  size_t address_count() const;

 private:
  bool IsTrusted(absl::string_view address) const;
  void Leave(const std::string& address);

  const size_t max_in_all_;
  const size_t max_per_address_;
  const NetworkList trusted_;
  mutable absl::Mutex mutex_;
  size_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, size_t> per_address_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mailstead::net
