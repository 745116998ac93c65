// The completion queue that all calls are served from, by one thread. (The callback API has several, which
// hand one another the work of polling for every event.) Only .cc files of this folder include this.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/rpc/completion_loop.h"

namespace mailstead::store {

struct Environment;

class CallLoop {
 public:
  // `builder` makes the server next; Start when it serves.
  CallLoop(Environment& environment, grpc::ServerBuilder& builder);
  void Start();
  // When the server has been shut down, or was not made: waits until no call is at work.
  void Stop();

  Environment& environment() const { return environment_; }
  grpc::ServerCompletionQueue* queue() const { return queue_; }

  // A call as long as there is one: waiting for its caller, under way with gRPC, or at work.
  class Presence {
   public:
    explicit Presence(CallLoop& loop);
    ~Presence();
    Presence(const Presence&) = delete;
    Presence& operator=(const Presence&) = delete;

   private:
    CallLoop& loop_;
  };

 private:
  bool AwaitNone(absl::Duration timeout);

  Environment& environment_;
  // Until Start.
  std::unique_ptr<grpc::ServerCompletionQueue> owned_queue_;
  grpc::ServerCompletionQueue* const queue_;
  std::optional<rpc::CompletionLoop<grpc::ServerCompletionQueue>> loop_;
  absl::Mutex mutex_;
  int present_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mailstead::store
