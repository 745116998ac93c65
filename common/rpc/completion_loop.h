// A completion queue of gRPC's with one thread that serves it. All calls use this in place of the callback API,
// whose several threads hand one another the work of polling for every event. Only .cc files include this.
#pragma once

#include <grpc/grpc.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <thread>
#include <utility>

namespace mailstead::rpc {

// An operation that may be under way: its completion calls `handler` of `owner`, on the loop's thread, or on one that is
// in StartAndComplete. `ok` is as gRPC's documentation of the operation says.
struct Tag {
  using Handler = void (*)(void* owner, bool ok);
  Handler handler;
  void* owner;
};

// Makes a Tag of a member function: MakeTag<&Stream::OnRead>(this).
template <auto kMethod, typename Owner>
Tag MakeTag(Owner* owner) {
  return Tag{[](void* self, bool ok) { (static_cast<Owner*>(self)->*kMethod)(ok); }, owner};
}

// Serves `queue` until it is shut down and empty.
inline void ServeCompletions(grpc::CompletionQueue& queue) {
  void* tag;
  bool ok;
  while (queue.Next(&tag, &ok)) {
    const Tag* const operation = static_cast<const Tag*>(tag);
    operation->handler(operation->owner, ok);
  }
}

// Calls `start`, which begins operations that complete in `queue`, on a thread that does not serve it, and handles the
// first completion there is meanwhile on this thread: mostly it is that of a write, which is done when it has begun. gRPC
// would wake the serving thread for it, which costs as much as an answer does. What completes besides, and all that is
// begun by the handler, goes the usual way, so that this ends. `queue` outlives it.
template <typename Start>
void StartAndComplete(grpc::CompletionQueue& queue, Start start) {
  grpc_completion_queue_thread_local_cache_init(queue.cq());
  start();
  void* tag = nullptr;
  int succeeded = 0;
  if (grpc_completion_queue_thread_local_cache_flush(queue.cq(), &tag, &succeeded) == 0) return;
  bool ok = succeeded == 1;
  // As CompletionQueue::Next does.
  if (!static_cast<grpc::internal::CompletionQueueTag*>(tag)->FinalizeResult(&tag, &ok)) return;
  const Tag* const operation = static_cast<const Tag*>(tag);
  operation->handler(operation->owner, ok);
}

// For Queue = grpc::CompletionQueue or what a ServerBuilder made.
template <typename Queue>
class CompletionLoop {
 public:
  explicit CompletionLoop(std::unique_ptr<Queue> queue)
      : queue_(std::move(queue)), thread_([this] { ServeCompletions(*queue_); }) {}
  // Waits for the operations that are under way: end them first.
  ~CompletionLoop() {
    queue_->Shutdown();
    thread_.join();
  }
  CompletionLoop(const CompletionLoop&) = delete;
  CompletionLoop& operator=(const CompletionLoop&) = delete;

  Queue* queue() { return queue_.get(); }

 private:
  const std::unique_ptr<Queue> queue_;
  std::thread thread_;
};

}  // namespace mailstead::rpc
