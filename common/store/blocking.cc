#include "common/store/blocking.h"

#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace mailstead::store {
namespace {

// As many as threads ever waited at once.
struct FreeContexts {
  absl::Mutex mutex;
  std::vector<asio::io_context*> contexts ABSL_GUARDED_BY(mutex);
};

FreeContexts& Free() {
  static auto* const free = new FreeContexts;
  return *free;
}

asio::io_context* Take() {
  FreeContexts& free = Free();
  absl::MutexLock lock(&free.mutex);
  if (free.contexts.empty()) return new asio::io_context(1);
  asio::io_context* const context = free.contexts.back();
  free.contexts.pop_back();
  return context;
}

}  // namespace

WaitingRoom::WaitingRoom() : context_(Take()) { context_->restart(); }

WaitingRoom::~WaitingRoom() {
  FreeContexts& free = Free();
  absl::MutexLock lock(&free.mutex);
  free.contexts.push_back(context_);
}

}  // namespace mailstead::store
