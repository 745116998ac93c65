// One call: admitted, run, counted. Only .cc files of this folder include this.
#pragma once

#include <grpcpp/grpcpp.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/rpc/errors.h"
#include "stored/service/environment.h"
#include "stored/service/services.h"

namespace mailstead::store {

// Small, copied into the tasks of its call. The context lives until gRPC has called OnDone.
class Call {
 public:
  enum class Kind { kUnary, kStream };

  // `method` is a literal: "MailboxService/Deliver".
  Call(Environment& environment, grpc::ServerContextBase* context, absl::string_view method, Kind kind)
      : environment_(&environment), context_(context), method_(method), kind_(kind), began_(absl::Now()) {}

  // Of one that was made before its caller came: it begins now.
  void Restart() { began_ = absl::Now(); }
  // Caller and deadline. Once, first.
  absl::Status Admit() const;
  // Asked before each step that costs something: Cancelled when nobody waits for it any more,
  // DeadlineExceeded for a unary call that is older than the environment's max_unary_time.
  absl::Status StillWanted() const;
  // Counts the call. Once, when it ends.
  grpc::Status End(const absl::Status& status) const;

  Environment& environment() const { return *environment_; }
  absl::Time began() const { return began_; }
  absl::Duration Took() const { return absl::Now() - began_; }

 private:
  Environment* environment_;
  grpc::ServerContextBase* context_;
  absl::string_view method_;
  Kind kind_;
  absl::Time began_;
};

// A pool had no room.
absl::Status Busy();

// Runs a unary call whose work blocks: `work()` gives its absl::Status and fills the response.
template <typename Work>
grpc::ServerUnaryReactor* RunOnPool(const Call& call, grpc::CallbackServerContext* context, Work work) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (const absl::Status admitted = call.Admit(); !admitted.ok()) {
    reactor->Finish(call.End(admitted));
    return reactor;
  }
  const bool queued = call.environment().disk_pool.Submit([call, reactor, work = std::move(work)]() mutable {
    absl::Status status = call.StillWanted();
    if (status.ok()) status = work();
    reactor->Finish(call.End(status));
  });
  if (!queued) reactor->Finish(call.End(Busy()));
  return reactor;
}

// Runs a unary call whose work ends by a callback: `work(done)` starts it, `done(absl::Status)` ends it.
template <typename Work>
grpc::ServerUnaryReactor* RunAsync(const Call& call, grpc::CallbackServerContext* context, Work work) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (const absl::Status admitted = call.Admit(); !admitted.ok()) {
    reactor->Finish(call.End(admitted));
  } else {
    work([call, reactor](const absl::Status& status) { reactor->Finish(call.End(status)); });
  }
  return reactor;
}

}  // namespace mailstead::store
