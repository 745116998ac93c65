// What the store keeps of what accounts send to other hosts (stored/core/sending.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/task.h"
#include "common/store/ids.h"

namespace mailstead::engine {

// Set by an operator for one account. Absent: the store's own limit; 0: none.
struct SendingLimits {
  std::optional<int64_t> hourly_messages;
  std::optional<int64_t> daily_messages;
  std::optional<int64_t> hourly_recipients;
  std::optional<int64_t> daily_recipients;
  // It is never paused for what it sends.
  bool trusted = false;
  bool operator==(const SendingLimits&) const = default;
};

struct SendingPause {
  enum class Why : uint8_t { kNone, kOperator, kNewRecipients, kRefusals };
  Why why = Why::kNone;
  absl::Time since = absl::InfinitePast();
  bool operator==(const SendingPause&) const = default;
};

struct SendingSettings {
  SendingLimits limits;
  SendingPause pause;
  bool operator==(const SendingSettings&) const = default;
};

// What was sent in one slot of time.
struct SendingSlot {
  // Slots since 1970.
  int64_t number = 0;
  int64_t messages = 0;
  int64_t recipients = 0;
  // Of those, never written to before, as far as is remembered.
  int64_t new_recipients = 0;
  // What became of recipients in that time.
  int64_t delivered = 0;
  int64_t refused = 0;
  bool operator==(const SendingSlot&) const = default;
};

// Of an hour and of a day, each in slots that ascend.
struct SendingUse {
  std::vector<SendingSlot> hour;
  std::vector<SendingSlot> day;
  bool operator==(const SendingUse&) const = default;
};

struct Sending {
  SendingSettings settings;
  SendingUse use;
  // Whom it has written to: opaque here.
  std::string known;
  bool operator==(const Sending&) const = default;
};

// By account, whether it is there or not: ids are never given again.
class SendingEngine {
 public:
  virtual ~SendingEngine() = default;

  // What was kept; of an account of which nothing was, what it begins with.
  virtual Task<absl::StatusOr<Sending>> Find(AccountId account) = 0;
  // On disk when it is OK.
  virtual Task<absl::Status> SetSettings(AccountId account, SendingSettings settings) = 0;
  // Kept over a restart of the engine; not synced, but by the next commit that is: a power cut in between forgets it.
  virtual Task<absl::Status> KeepUse(AccountId account, SendingUse use) = 0;
  virtual Task<absl::Status> KeepKnown(AccountId account, std::string known) = 0;
  virtual Task<absl::Status> Forget(AccountId account) = 0;
};

}  // namespace mailstead::engine
