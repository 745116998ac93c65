// Tells the thread sanitizer what Abseil's locks order.
//
// The system's Abseil is not built for the sanitizer, which therefore sees none of its synchronization and would call
// every use of it a race. The functions here stand in front of Abseil's own, for all of the process: the loader binds
// the libraries' calls, gRPC's too, to what the program defines. Each does what Abseil's does and announces the edge:
// whatever came before a release of an object happened before what follows an acquire of it.
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "tests/support/tsan_stand_in.h"

namespace {

using mailstead::tsan::Acquire;
using mailstead::tsan::Release;

// Abseil evaluates a waiter's condition in whichever thread unlocks, while that thread still has the lock.
class Guarded {
 public:
  Guarded(absl::Mutex* mutex, const absl::Condition& condition) : mutex_(mutex), condition_(condition) {
    // Before others may see it.
    Release(mutex);
  }
  absl::Condition AsCondition() { return absl::Condition(&Evaluate, static_cast<void*>(this)); }

 private:
  // Reads this before there is an edge to it, and is therefore not looked at.
  __attribute__((no_sanitize("thread"))) static bool Evaluate(void* guarded) {
    absl::Mutex* const mutex = static_cast<Guarded*>(guarded)->mutex_;
    Acquire(mutex);
    const bool value = static_cast<Guarded*>(guarded)->condition_.Eval();
    Release(mutex);
    return value;
  }

  absl::Mutex* const mutex_;
  const absl::Condition& condition_;
};

}  // namespace

// ---- absl::Mutex

STAND_IN(void, _ZN4absl7debian35Mutex4LockEv, absl::Mutex* mutex) {
  BEHIND(_ZN4absl7debian35Mutex4LockEv)(mutex);
  Acquire(mutex);
}
STAND_IN(bool, _ZN4absl7debian35Mutex7TryLockEv, absl::Mutex* mutex) {
  const bool locked = BEHIND(_ZN4absl7debian35Mutex7TryLockEv)(mutex);
  if (locked) Acquire(mutex);
  return locked;
}
STAND_IN(void, _ZN4absl7debian35Mutex6UnlockEv, absl::Mutex* mutex) {
  Release(mutex);
  BEHIND(_ZN4absl7debian35Mutex6UnlockEv)(mutex);
}
STAND_IN(void, _ZN4absl7debian35Mutex10ReaderLockEv, absl::Mutex* mutex) {
  BEHIND(_ZN4absl7debian35Mutex10ReaderLockEv)(mutex);
  Acquire(mutex);
}
STAND_IN(bool, _ZN4absl7debian35Mutex13ReaderTryLockEv, absl::Mutex* mutex) {
  const bool locked = BEHIND(_ZN4absl7debian35Mutex13ReaderTryLockEv)(mutex);
  if (locked) Acquire(mutex);
  return locked;
}
STAND_IN(void, _ZN4absl7debian35Mutex12ReaderUnlockEv, absl::Mutex* mutex) {
  Release(mutex);
  BEHIND(_ZN4absl7debian35Mutex12ReaderUnlockEv)(mutex);
}

STAND_IN(void, _ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE, absl::Mutex* mutex,
         const absl::Condition& condition) {
  Guarded guarded(mutex, condition);
  BEHIND(_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE)(mutex, guarded.AsCondition());
  Acquire(mutex);
}
STAND_IN(bool, _ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE, absl::Mutex* mutex,
         const absl::Condition& condition, absl::Duration timeout) {
  Guarded guarded(mutex, condition);
  const bool value = BEHIND(_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE)(
      mutex, guarded.AsCondition(), timeout);
  Acquire(mutex);
  return value;
}
STAND_IN(bool, _ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE, absl::Mutex* mutex,
         const absl::Condition& condition, absl::Time deadline) {
  Guarded guarded(mutex, condition);
  const bool value = BEHIND(_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE)(
      mutex, guarded.AsCondition(), deadline);
  Acquire(mutex);
  return value;
}
STAND_IN(void, _ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE, absl::Mutex* mutex,
         const absl::Condition& condition) {
  Guarded guarded(mutex, condition);
  BEHIND(_ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE)(mutex, guarded.AsCondition());
  Acquire(mutex);
}

// ---- absl::CondVar

STAND_IN(void, _ZN4absl7debian37CondVar4WaitEPNS0_5MutexE, absl::CondVar* condition, absl::Mutex* mutex) {
  Release(mutex);
  BEHIND(_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE)(condition, mutex);
  Acquire(mutex);
}
STAND_IN(bool, _ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE, absl::CondVar* condition,
         absl::Mutex* mutex, absl::Duration timeout) {
  Release(mutex);
  const bool timed_out =
      BEHIND(_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE)(condition, mutex, timeout);
  Acquire(mutex);
  return timed_out;
}
STAND_IN(bool, _ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE, absl::CondVar* condition,
         absl::Mutex* mutex, absl::Time deadline) {
  Release(mutex);
  const bool timed_out =
      BEHIND(_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE)(condition, mutex, deadline);
  Acquire(mutex);
  return timed_out;
}

// ---- absl::Notification, absl::BlockingCounter, absl::Barrier

STAND_IN(void, _ZN4absl7debian312Notification6NotifyEv, absl::Notification* notification) {
  Release(notification);
  BEHIND(_ZN4absl7debian312Notification6NotifyEv)(notification);
}
STAND_IN(void, _ZNK4absl7debian312Notification19WaitForNotificationEv,
         const absl::Notification* notification) {
  BEHIND(_ZNK4absl7debian312Notification19WaitForNotificationEv)(notification);
  Acquire(notification);
}
STAND_IN(bool, _ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE,
         const absl::Notification* notification, absl::Duration timeout) {
  const bool notified = BEHIND(
      _ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE)(notification, timeout);
  if (notified) Acquire(notification);
  return notified;
}

STAND_IN(bool, _ZN4absl7debian315BlockingCounter14DecrementCountEv, absl::BlockingCounter* counter) {
  Release(counter);
  return BEHIND(_ZN4absl7debian315BlockingCounter14DecrementCountEv)(counter);
}
STAND_IN(void, _ZN4absl7debian315BlockingCounter4WaitEv, absl::BlockingCounter* counter) {
  BEHIND(_ZN4absl7debian315BlockingCounter4WaitEv)(counter);
  Acquire(counter);
}
STAND_IN(bool, _ZN4absl7debian37Barrier5BlockEv, absl::Barrier* barrier) {
  Release(barrier);
  const bool last = BEHIND(_ZN4absl7debian37Barrier5BlockEv)(barrier);
  Acquire(barrier);
  return last;
}
