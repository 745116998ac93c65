// The audit in the store: what is noted is gathered, and written together now and then, so that no call waits for it.
//
// SECURITY: strangers can be refused as often as they like. Refusals of the same caller, from the same host, for the same
// reason and the same method are one entry in a minute; there are a few such entries a minute, and all others are one more. So
// they fill neither the disk nor the place of what others have done, which is of another kind (stored/engine/audit.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/task.h"
#include "stored/engine/audit.h"

namespace mailstead::stored {

struct AuditOptions {
  // Older entries are forgotten, and those beyond the number; of each kind, of refusals a tenth.
  absl::Duration age = absl::Hours(90 * 24);
  int64_t entries = 200'000;
};

// Which entries are wanted.
struct AuditFilter {
  // One that ends in "*" stands for all that begin so.
  std::string actor;
  std::string action;
  std::string target;
  absl::Time since = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();

  bool Takes(const engine::AuditEntry& entry) const;
};

// Behind which entries of each kind a page begins.
using AuditPosition = std::map<engine::AuditKind, int64_t>;

struct AuditPage {
  // The newest first.
  std::vector<engine::AuditEntry> entries;
  // More may follow, behind `next`.
  bool more = false;
  AuditPosition next;
};

// Used on the executor's thread.
class AuditTrail {
 public:
  AuditTrail(engine::AuditEngine& engine, const Clock& clock, AuditOptions options)
      : engine_(engine), clock_(clock), options_(options) {}

  // Beyond kMaxPending that wait they are counted only (left_out).
  void Note(engine::AuditEntry entry);
  // `known`: its caller is known, and may not.
  void NoteRefusal(engine::AuditEntry entry, bool known);
  // Writes what waits; refusals whose minute has passed, or all of them.
  Task<absl::Status> Write(bool even_young);
  // Now and then.
  Task<absl::Status> Forget();
  // What was noted before it is in it.
  Task<absl::StatusOr<AuditPage>> List(AuditFilter filter, AuditPosition behind, size_t limit);
  // Entries that could not be kept: too many waited, or the engine took none.
  int64_t left_out() const { return left_out_; }

 private:
  using Alike = std::pair<std::string, std::string>;

  engine::AuditEngine& engine_;
  const Clock& clock_;
  const AuditOptions options_;
  std::vector<engine::AuditEntry> pending_;
  // By caller and host, and what was refused.
  std::map<Alike, engine::AuditEntry> refusals_;
  size_t stranger_count_ = 0;
  absl::Time minute_began_ = absl::InfinitePast();
  int64_t left_out_ = 0;
};

}  // namespace mailstead::stored
