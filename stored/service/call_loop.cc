#include "stored/service/call_loop.h"

#include <utility>

#include "stored/service/environment.h"

namespace mailstead::store {
namespace {

// While the store ends: how often what waits for its time is run at once.
constexpr absl::Duration kFlushInterval = absl::Milliseconds(20);

}  // namespace

CallLoop::CallLoop(Environment& environment, grpc::ServerBuilder& builder)
    : environment_(environment), owned_queue_(builder.AddCompletionQueue()), queue_(owned_queue_.get()) {}

void CallLoop::Start() { loop_.emplace(std::move(owned_queue_)); }

void CallLoop::Stop() {
  // The server does not wait for the calls it has cancelled, and gRPC takes no operation when its queue is
  // shut down. Nor for calls at work, which need the environment; logins that are held back wait in vain.
  do {
    environment_.timers.RunAllNow();
  } while (!AwaitNone(kFlushInterval));
  loop_.reset();
  owned_queue_.reset();
}

bool CallLoop::AwaitNone(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return present_ == 0; };
  return mutex_.AwaitWithTimeout(absl::Condition(&none), timeout);
}

CallLoop::Presence::Presence(CallLoop& loop) : loop_(loop) {
  absl::MutexLock lock(&loop_.mutex_);
  ++loop_.present_;
}

CallLoop::Presence::~Presence() {
  absl::MutexLock lock(&loop_.mutex_);
  --loop_.present_;
}

}  // namespace mailstead::store
