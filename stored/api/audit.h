// The audit: one line event=audit for each call that changes something, and for each that was refused for its caller; and an
// entry in the store (stored/core/audit_trail.h).
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/rpc/server/served_call.h"
#include "stored/core/audit_trail.h"

namespace mailstead::stored {

// The thread of the methods.
class Audit {
 public:
  explicit Audit(const Clock& clock) : clock_(clock) {}
  // Without it there is the log alone. It outlives this.
  void UseTrail(AuditTrail& trail) { trail_ = &trail; }

  // A call of an audited method has ended.
  void Ended(const rpc::ServedCall& call, const absl::Status& status);
  // A call was refused for what its caller showed, or may not do.
  // SECURITY: strangers can bring this about as often as they like. Beyond 100 in a second they are counted only, and the
  // next line says how many there were.
  void Refused(const rpc::ServedCall& call, const absl::Status& status);

 private:
  const Clock& clock_;
  AuditTrail* trail_ = nullptr;
  absl::Time second_began_ = absl::InfinitePast();
  int in_this_second_ = 0;
  int64_t left_out_ = 0;
};

}  // namespace mailstead::stored
