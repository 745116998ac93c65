// Keys that sign mail (DKIM): the facet of an engine that keeps them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/task.h"
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

// Keys go with their domain: DirectoryEngine::Delete takes them away. DirectoryEngine::Version grows with each change of them.
class DkimEngine {
 public:
  virtual ~DkimEngine() = default;

  // Empty: it has none, or is no domain.
  virtual Task<absl::StatusOr<std::vector<DkimKey>>> Find(std::string domain) = 0;
  // Domains that have keys, or keys that are pending: sorted by name, those after `after`, at most `limit`, with all keys.
  virtual Task<absl::StatusOr<std::vector<DkimDomain>>> List(std::string after, size_t limit, bool only_pending) = 0;
  // A new key, pending or active (rules::AddDkimKey). NotFound with kReasonDomainNotFound; AlreadyExists with
  // kReasonDkimKeyExists; ResourceExhausted with kReasonTooManyDkimKeys.
  virtual Task<absl::Status> Create(std::string domain, DkimKey key) = 0;
  // A pending key signs from now on, and those that it takes the place of are retired, in one commit
  // (rules::ActivateDkimKey). OK for one that is active. NotFound with kReasonDkimKeyNotFound; FailedPrecondition with
  // kReasonDkimKeyRetired.
  virtual Task<absl::Status> Activate(std::string domain, std::string selector, absl::Time time) = 0;
  // NotFound with kReasonDkimKeyNotFound. FailedPrecondition with kReasonDkimKeyActive, unless `even_active`.
  virtual Task<absl::Status> Delete(std::string domain, std::string selector, bool even_active) = 0;
};

}  // namespace mailstead::engine
