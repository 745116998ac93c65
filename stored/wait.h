// Waits, on a thread that may, for what goes on on another one.
#pragma once

#include <optional>
#include <utility>

#include "absl/synchronization/notification.h"
#include "common/base/task.h"

namespace mailstead::stored {

namespace wait_internal {

template <typename T>
Task<void> Keep(Task<T> task, std::optional<T>& result) {
  result.emplace(co_await task);
}

}  // namespace wait_internal

template <typename T>
T Wait(Task<T> task) {
  std::optional<T> result;
  absl::Notification ended;
  Start(wait_internal::Keep(std::move(task), result), [&ended] { ended.Notify(); });
  ended.WaitForNotification();
  return *std::move(result);
}

}  // namespace mailstead::stored
