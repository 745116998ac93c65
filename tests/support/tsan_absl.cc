// Tells the thread sanitizer what Abseil's locks order.
//
// The system's Abseil is not built for the sanitizer, which therefore sees none of its synchronization and would call
// every use of it a race. The linker (--wrap) sends our calls here, and here the edges are announced: whatever came
// before a release of an object happened before what follows an acquire of it. CMake reads the names to wrap out of
// this file.
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace {

void Acquire(const void* object) { __tsan_acquire(const_cast<void*>(object)); }
void Release(const void* object) { __tsan_release(const_cast<void*>(object)); }

// Abseil evaluates a waiter's condition in whichever thread unlocks, while that thread still has the lock.
struct Guarded {
  explicit Guarded(absl::Mutex* mutex, const absl::Condition& condition) : mutex(mutex), condition(condition) {}
  static bool Evaluate(Guarded* guarded) {
    Acquire(guarded->mutex);
    const bool value = guarded->condition.Eval();
    Release(guarded->mutex);
    return value;
  }
  absl::Condition AsCondition() { return absl::Condition(&Evaluate, this); }

  absl::Mutex* const mutex;
  const absl::Condition& condition;
};

}  // namespace

// What is wrapped: return type, mangled name, types of the object and of the arguments.
#define REAL(result, name, ...) extern "C" result __real_##name(__VA_ARGS__)
#define WRAP(result, name, ...)  \
  REAL(result, name, __VA_ARGS__); \
  extern "C" result __wrap_##name(__VA_ARGS__)

WRAP(void, _ZN4absl7debian35Mutex4LockEv, absl::Mutex* mutex) {
  __real__ZN4absl7debian35Mutex4LockEv(mutex);
  Acquire(mutex);
}
WRAP(bool, _ZN4absl7debian35Mutex7TryLockEv, absl::Mutex* mutex) {
  const bool locked = __real__ZN4absl7debian35Mutex7TryLockEv(mutex);
  if (locked) Acquire(mutex);
  return locked;
}
WRAP(void, _ZN4absl7debian35Mutex6UnlockEv, absl::Mutex* mutex) {
  Release(mutex);
  __real__ZN4absl7debian35Mutex6UnlockEv(mutex);
}
WRAP(void, _ZN4absl7debian35Mutex10ReaderLockEv, absl::Mutex* mutex) {
  __real__ZN4absl7debian35Mutex10ReaderLockEv(mutex);
  Acquire(mutex);
}
WRAP(void, _ZN4absl7debian35Mutex12ReaderUnlockEv, absl::Mutex* mutex) {
  Release(mutex);
  __real__ZN4absl7debian35Mutex12ReaderUnlockEv(mutex);
}

WRAP(void, _ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE, absl::Mutex* mutex, const absl::Condition& condition) {
  Guarded guarded(mutex, condition);
  Release(mutex);
  __real__ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE(mutex, guarded.AsCondition());
  Acquire(mutex);
}
WRAP(bool, _ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE, absl::Mutex* mutex,
     const absl::Condition& condition, absl::Duration timeout) {
  Guarded guarded(mutex, condition);
  Release(mutex);
  const bool value = __real__ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE(
      mutex, guarded.AsCondition(), timeout);
  Acquire(mutex);
  return value;
}
WRAP(bool, _ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE, absl::Mutex* mutex,
     const absl::Condition& condition, absl::Time deadline) {
  Guarded guarded(mutex, condition);
  Release(mutex);
  const bool value = __real__ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE(
      mutex, guarded.AsCondition(), deadline);
  Acquire(mutex);
  return value;
}
WRAP(void, _ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE, absl::Mutex* mutex, const absl::Condition& condition) {
  Guarded guarded(mutex, condition);
  __real__ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE(mutex, guarded.AsCondition());
  Acquire(mutex);
}

WRAP(void, _ZN4absl7debian37CondVar4WaitEPNS0_5MutexE, absl::CondVar* condition, absl::Mutex* mutex) {
  Release(mutex);
  __real__ZN4absl7debian37CondVar4WaitEPNS0_5MutexE(condition, mutex);
  Acquire(mutex);
}
WRAP(bool, _ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE, absl::CondVar* condition,
     absl::Mutex* mutex, absl::Duration timeout) {
  Release(mutex);
  const bool timed_out =
      __real__ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE(condition, mutex, timeout);
  Acquire(mutex);
  return timed_out;
}
WRAP(bool, _ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE, absl::CondVar* condition,
     absl::Mutex* mutex, absl::Time deadline) {
  Release(mutex);
  const bool timed_out =
      __real__ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE(condition, mutex, deadline);
  Acquire(mutex);
  return timed_out;
}

WRAP(void, _ZN4absl7debian312Notification6NotifyEv, absl::Notification* notification) {
  Release(notification);
  __real__ZN4absl7debian312Notification6NotifyEv(notification);
}
WRAP(void, _ZNK4absl7debian312Notification19WaitForNotificationEv, const absl::Notification* notification) {
  __real__ZNK4absl7debian312Notification19WaitForNotificationEv(notification);
  Acquire(notification);
}
WRAP(bool, _ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE,
     const absl::Notification* notification, absl::Duration timeout) {
  const bool notified =
      __real__ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE(notification, timeout);
  if (notified) Acquire(notification);
  return notified;
}

WRAP(bool, _ZN4absl7debian315BlockingCounter14DecrementCountEv, absl::BlockingCounter* counter) {
  Release(counter);
  return __real__ZN4absl7debian315BlockingCounter14DecrementCountEv(counter);
}
WRAP(void, _ZN4absl7debian315BlockingCounter4WaitEv, absl::BlockingCounter* counter) {
  __real__ZN4absl7debian315BlockingCounter4WaitEv(counter);
  Acquire(counter);
}
WRAP(bool, _ZN4absl7debian37Barrier5BlockEv, absl::Barrier* barrier) {
  Release(barrier);
  const bool last = __real__ZN4absl7debian37Barrier5BlockEv(barrier);
  Acquire(barrier);
  return last;
}
