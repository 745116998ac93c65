// What the store asks of every call before it begins, whatever its door.
//
// A method without roles is open to all. Callers that nobody knows may have a bounded number of such calls under way, all
// together and by one connection; these bounds are apart from that of known callers, whom no stranger can keep out. Calls in a
// batch have no place of their own: what they hold is bounded by their stream.
//
// A call in a batch, or of a unary method that is not open to all, has max_unary_time, or less by a deadline of its own: what
// waited longer is not begun. A streaming call has stream_time unless it brings a deadline, and max_stream_time at most; one
// that is there to stay has the latter without asking.
//
// A caller with a key has the limits of its key: on the rate of its calls and on how many are under way, streams included.
//
// A stream of a caller whose key or token does not count any more, or may do something else than when it began, ends within a
// second: at once when a key was changed (Recheck, after each change), and by the next look when time has passed.
//
// A front-end that says which revision of mailstead.frontend.v1 it speaks must say one that is served.
#pragma once

#include <cstddef>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/rpc/server/admission.h"
#include "common/rpc/server/served_call.h"
#include "stored/api/audit.h"
#include "stored/api/callers.h"
#include "stored/api/metrics.h"
#include "stored/core/audit_trail.h"
#include "stored/core/keys.h"

namespace mailstead::stored {

struct AdmissionOptions {
  absl::Duration max_unary_time = absl::Minutes(1);
  absl::Duration stream_time = absl::Hours(1);
  absl::Duration max_stream_time = absl::Hours(24);
  size_t max_unknown_calls = 256;
  size_t max_unknown_calls_of_connection = 64;
  // Front-ends with 10,000 sessions have a call or none for each.
  size_t max_known_calls = 32'768;
};

// The thread of the methods.
class Admission final : public rpc::Admission {
 public:
  // All that is given by reference outlives it.
  Admission(const Callers& callers, Metrics& metrics, const Clock& clock, AdmissionOptions options = {})
      : callers_(callers), metrics_(metrics), clock_(clock), audit_(clock), options_(options) {}

  // Before the first call. They outlive it.
  void UseKeys(Keys& keys) { keys_ = &keys; }
  void UseTrail(AuditTrail& trail) { audit_.UseTrail(trail); }

  // Ends the streams under way whose callers may not go on.
  void Recheck();

  std::shared_ptr<const rpc::Caller> Identify(const rpc::Credentials& credentials) override;
  int64_t Generation() const override { return callers_.generation(); }
  absl::Status Admit(rpc::ServedCall& call) override;
  void Ended(const rpc::ServedCall& call, const absl::Status& status) override;

 private:
  absl::Status CheckCaller(const rpc::ServedCall& call);
  absl::Status RefusalOf(const rpc::ServedCall& call) const;
  // Counts the call for its key.
  absl::Status TakeTurn(const rpc::ServedCall& call);
  // Counts the call among those under way. ResourceExhausted with kReasonBusy: there are too many.
  absl::Status TakePlace(rpc::ServedCall& call);
  void LimitTime(rpc::ServedCall& call) const;

  const Callers& callers_;
  Keys* keys_ = nullptr;
  Metrics& metrics_;
  const Clock& clock_;
  Audit audit_;
  const AdmissionOptions options_;
  // Under way, but for those in batches.
  absl::flat_hash_set<const rpc::ServedCall*> known_calls_;
  // Of them, those with a key, or with an operator's token, that are streams.
  absl::flat_hash_map<const rpc::ServedCall*, rpc::ServedCall*> streams_;
  // Counted for their keys.
  absl::flat_hash_map<const rpc::ServedCall*, std::string> key_of_;
  absl::flat_hash_set<const rpc::ServedCall*> unknown_calls_;
  // Of the latter, how many of each connection.
  absl::flat_hash_map<std::string, size_t> unknown_calls_of_;
};

}  // namespace mailstead::stored
