// Serves every method of a table by its name, each as a gRPC call of its own. It knows no method.
//
// Calls are admitted before a byte of their requests is read; an unknown method is UNIMPLEMENTED. Requests are read when
// the method asks for them and responses wait until gRPC has taken the one before: a slow peer holds up its own call only.
// A stream with a deadline of the server's own (ServedCall::LimitTo) is ended by the door then. Responses go compressed to
// who compresses requests (encoding.h).
// When the caller goes, what the method waits for on its way gives Cancelled; other waits hear of it by Call::WhenGone and
// StillWanted.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <memory>

#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "common/base/task.h"
#include "common/rpc/server/draining.h"
#include "common/rpc/server/loop.h"
#include "common/rpc/server/served_call.h"
#include "common/rpc/server/signal.h"

namespace mailstead::rpc {

struct GrpcDoorOptions {
  // A request of more bytes fails with ResourceExhausted. gRPC has a limit of its own beside it, unless it was built
  // without. What comes compressed is measured unpacked.
  size_t max_request_bytes = size_t{2} << 20;
  // The same of callers without a role: they ask for health, in a few words.
  size_t max_stranger_request_bytes = size_t{64} << 10;
  // Calls for which the server waits at the same time: as many may come at one moment without waiting for the next.
  int slots = 32;
};

class GrpcDoor {
 public:
  // Registers itself with the loop's builder. All that is given outlives it.
  GrpcDoor(const Service& service, Loop& loop, Draining& draining, GrpcDoorOptions options = {});
  ~GrpcDoor();

  // Once, when the server has begun.
  void Open();
  // Refuses new calls with Unavailable and begins the draining; waits until all calls have ended, or for `timeout`: then
  // ends those that are left with Unavailable. Any thread but the loop's.
  void Drain(absl::Duration timeout);
  // When the server has been shut down: waits until no call is left.
  void Stop();

 private:
  class GrpcCall;

  Task<void> Accept();
  Task<void> Serve(std::unique_ptr<GrpcCall> call);
  Task<void> DrainCalls(absl::Duration timeout);
  Task<void> AwaitNone();

  const Service service_;
  Loop& loop_;
  Draining& draining_;
  const GrpcDoorOptions options_;
  grpc::AsyncGenericService generic_;
  // The loop's thread only: all that follow.
  absl::flat_hash_set<GrpcCall*> calls_;
  // Notified when a call or a slot has ended.
  Signal ended_;
  int slots_ = 0;
};

}  // namespace mailstead::rpc
