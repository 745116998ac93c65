// The audit, as the store keeps it (proto: AuditEntry).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/task.h"

namespace mailstead::engine {

// Entries of a kind are numbered, and forgotten, by themselves: so that none pushes out another's.
enum class AuditKind : uint8_t {
  // Changes of the directory, the queue, the store.
  kChange,
  // Changes of mail: as many as there is mail.
  kMail,
  // Calls that were refused for their caller.
  kRefusal,
};
inline constexpr AuditKind kAuditKinds[] = {AuditKind::kChange, AuditKind::kMail, AuditKind::kRefusal};

struct AuditEntry {
  AuditKind kind = AuditKind::kChange;
  // 1 and up within its kind, without gaps; given by the engine.
  int64_t number = 0;
  absl::Time time;
  std::string actor;
  std::string peer;
  std::string action;
  std::string target;
  std::string result;
  std::string session_id;
  int64_t call_count = 1;
  bool operator==(const AuditEntry&) const = default;
};

class AuditEngine {
 public:
  virtual ~AuditEngine() = default;

  // In their order, behind those of their kinds; their numbers are not looked at. One commit, not synced. At most 1,000.
  virtual Task<absl::Status> Append(std::vector<AuditEntry> entries) = 0;
  // Of a kind, those with numbers below `before`, the newest first, at most `limit`.
  virtual Task<absl::StatusOr<std::vector<AuditEntry>>> List(AuditKind kind, int64_t before,
                                                             size_t limit) = 0;
  // Of a kind, forgets the oldest while they are from before `time`, or there are more than `count`; at most `limit`, and says
  // how many. Not synced.
  virtual Task<absl::StatusOr<size_t>> Forget(AuditKind kind, absl::Time time, int64_t count,
                                              size_t limit) = 0;
};

// Behind the newest.
inline constexpr int64_t kNewestAudit = std::numeric_limits<int64_t>::max();

}  // namespace mailstead::engine
