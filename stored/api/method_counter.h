// Told what methods did: for metrics.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "stored/core/authenticator.h"
#include "stored/core/dkim_keys.h"
#include "stored/core/queue.h"

namespace mailstead::stored {

// Thread-safe.
class MethodCounter {
 public:
  virtual ~MethodCounter() = default;
  virtual void CountDelivery(int64_t mailbox_count, int64_t size_bytes, bool already_stored) = 0;
  // Targets of an alias, or recipients, that did not get a message which others got.
  virtual void CountPassedOver(size_t unknown_count, size_t disabled_count) = 0;
  virtual void CountLogin(LoginResult result) = 0;
  virtual void CountFetchedBytes(int64_t size_bytes) = 0;
  virtual void CountCommit(int64_t deleted_count) = 0;
  // Messages were brought back from the trash.
  virtual void CountRestored(int64_t count) = 0;
  // A recipient has left the queue for other hosts, or was put off.
  virtual void CountQueueEvent(QueueEvent::Kind kind) = 0;
  // A message of an account was not taken: "limit" or "paused".
  virtual void CountSendingRefused(absl::string_view why) = 0;
  // An account's sending was paused: "operator", "new_recipients" or "refusals".
  virtual void CountSendingPaused(absl::string_view why) = 0;
  // What a sender was to be told could not be stored.
  virtual void CountDroppedNotice() = 0;
  // A message that was to be signed.
  virtual void CountSigned(DkimObserver::Outcome outcome) = 0;
};

}  // namespace mailstead::stored
