// The one thread of a server: it serves the completion queue of gRPC's, and the coroutines of all calls go on there. (The
// callback API has several threads, which hand one another the work of polling for every event.) Only .cc files and
// headers of this library and of what wires a server include this.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <coroutine>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "common/base/executor.h"
#include "common/rpc/completion_loop.h"

namespace mailstead::rpc {

class Loop final : public Executor {
 public:
  Loop();
  // The server, if there was one, has been shut down, all calls have ended, and no other thread resumes anything.
  ~Loop() override;

  // For the server that this loop serves; used once, and before Loop ends. The queue is in it already.
  grpc::ServerBuilder& builder() { return builder_; }
  grpc::ServerCompletionQueue* queue() const { return queue_.get(); }

  // A thread that is busy is not woken: it looks again before it sleeps. Many calls of this meanwhile are one wake-up.
  void Resume(absl::Span<const std::coroutine_handle<>> waiting) override;

 private:
  void Run();
  // Resumes what waits, and what comes meanwhile.
  void ResumeAll();
  void OnWoken(bool) {}

  grpc::ServerBuilder builder_;
  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  grpc::Alarm alarm_;
  Tag woken_tag_ = MakeTag<&Loop::OnWoken>(this);

  absl::Mutex mutex_;
  std::vector<std::coroutine_handle<>> waiting_ ABSL_GUARDED_BY(mutex_);
  // The thread waits for gRPC's queue, or is about to. Set by it.
  bool asleep_ ABSL_GUARDED_BY(mutex_) = true;
  // alarm_ is set and has not come. Set by who wakes the thread, cleared by the thread.
  bool waking_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// One operation of gRPC's at a time, whose completion the loop brings: `stream.Read(&buffer, read.Begin())`, then
// `bool ok = co_await read`. On the loop's thread only, with one waiter at a time.
class Operation {
 public:
  Operation() = default;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  // The tag for gRPC.
  void* Begin() {
    pending_ = true;
    return &tag_;
  }
  // Begun, and its completion has not come.
  bool pending() const { return pending_; }
  // Who waits goes on now, with false, and leaves the operation pending.
  void Interrupt() { GoOn(); }

  // The `ok` of the completion; false when interrupted. At once when nothing is pending.
  bool await_ready() const noexcept { return !pending_; }
  void await_suspend(std::coroutine_handle<> waiting) noexcept { waiting_ = waiting; }
  bool await_resume() const noexcept { return ok_ && !pending_; }

 private:
  void OnDone(bool ok) {
    pending_ = false;
    ok_ = ok;
    GoOn();
  }
  // It may destroy us.
  void GoOn() {
    if (const std::coroutine_handle<> waiting = std::exchange(waiting_, nullptr)) waiting.resume();
  }

  Tag tag_ = MakeTag<&Operation::OnDone>(this);
  std::coroutine_handle<> waiting_;
  bool pending_ = false;
  // Of the last completion.
  bool ok_ = false;
};

}  // namespace mailstead::rpc
