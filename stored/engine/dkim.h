// Keys that sign mail (DKIM), as the store keeps them; types.h has the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/mailauth/key_record.h"

namespace mailstead::engine {

// A key of a domain (proto: DkimKey).
struct DkimKey {
  enum class State : uint8_t {
    // Not seen in the DNS yet: it signs nothing.
    kPending,
    kActive,
    // Signs nothing any more; its record stays in the DNS for what it has signed.
    kRetired,
  };
  // Names it in its domain (mailauth::IsSelector).
  std::string selector;
  mailauth::KeyType type = mailauth::KeyType::kRsa;
  int32_t bits = 0;
  State state = State::kPending;
  // Sealed, and opaque here.
  std::string sealed_private_key;
  // As mailauth::KeyRecord has it.
  std::string public_key;
  absl::Time create_time;
  // InfinitePast: not yet.
  absl::Time activate_time = absl::InfinitePast();
  absl::Time retire_time = absl::InfinitePast();
  bool operator==(const DkimKey&) const = default;
};

struct DkimDomain {
  std::string name;
  // In the order in which they were made; at least one.
  std::vector<DkimKey> keys;
  bool operator==(const DkimDomain&) const = default;
};

// Of one domain: two types, each with one that signs, one that waits to be published, and some that are retired.
inline constexpr size_t kMaxDkimKeys = 10;

}  // namespace mailstead::engine
