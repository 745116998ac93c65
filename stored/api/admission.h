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

  std::shared_ptr<const rpc::Caller> Identify(const rpc::Credentials& credentials) override;
  int64_t Generation() const override { return callers_.generation(); }
  absl::Status Admit(rpc::ServedCall& call) override;
  void Ended(const rpc::ServedCall& call, const absl::Status& status) override;

 private:
  absl::Status CheckCaller(const rpc::ServedCall& call);
  // Counts the call among those under way. ResourceExhausted with kReasonBusy: there are too many.
  absl::Status TakePlace(const rpc::ServedCall& call);
  void LimitTime(rpc::ServedCall& call) const;

  const Callers& callers_;
  Metrics& metrics_;
  const Clock& clock_;
  Audit audit_;
  const AdmissionOptions options_;
  // Under way, but for those in batches.
  absl::flat_hash_set<const rpc::ServedCall*> known_calls_;
  absl::flat_hash_set<const rpc::ServedCall*> unknown_calls_;
  // Of the latter, how many of each connection.
  absl::flat_hash_map<std::string, size_t> unknown_calls_of_;
};

}  // namespace mailstead::stored
