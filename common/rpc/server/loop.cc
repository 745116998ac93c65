#include "common/rpc/server/loop.h"

namespace mailstead::rpc {

Loop::Loop() : queue_(builder_.AddCompletionQueue()), thread_([this] { Run(); }) {}

Loop::~Loop() {
  queue_->Shutdown();
  thread_.join();
}

void Loop::Resume(absl::Span<const std::coroutine_handle<>> waiting) {
  {
    absl::MutexLock lock(&mutex_);
    waiting_.insert(waiting_.end(), waiting.begin(), waiting.end());
    if (!asleep_ || waking_) return;
    waking_ = true;
  }
  // Long past: it comes at once.
  alarm_.Set(queue_.get(), gpr_time_0(GPR_CLOCK_MONOTONIC), &woken_tag_);
}

void Loop::Run() {
  void* tag;
  bool ok;
  while (queue_->Next(&tag, &ok)) {
    {
      absl::MutexLock lock(&mutex_);
      asleep_ = false;
      if (tag == &woken_tag_) waking_ = false;
    }
    const Tag* const operation = static_cast<const Tag*>(tag);
    operation->handler(operation->owner, ok);
    ResumeAll();
  }
}

void Loop::ResumeAll() {
  std::vector<std::coroutine_handle<>> running;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      asleep_ = waiting_.empty();
      if (asleep_) return;
      running.clear();
      running.swap(waiting_);
    }
    for (const std::coroutine_handle<> coroutine : running) coroutine.resume();
  }
}

}  // namespace mailstead::rpc
