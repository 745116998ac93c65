// Deliveries that come again: known by their id, and the same by their fingerprint. Pure.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stored/engine/types.h"

namespace mailstead::rules {

// What is kept of a delivery that was stored.
struct KeptReceipt {
  std::string sha256;
  // Empty in a store that was begun before there were any: the content alone is compared then.
  std::string fingerprint;
  absl::Time deliver_time;
  bool operator==(const KeptReceipt&) const = default;
};

// The receipt that a delivery gets which `before` is known of; absent: it is new, and to be stored. AlreadyExists with
// kReasonDeliveryIdReused: another one had its id.
absl::StatusOr<std::optional<engine::Receipt>> DecideRepeat(const std::optional<KeptReceipt>& before,
                                                            const engine::NewMessage& message);

KeptReceipt ReceiptOf(const engine::NewMessage& message);

// Whether a receipt that was made at `time` is to be forgotten, for receipts that are kept for `age`: to the second.
bool IsOld(absl::Time time, absl::Time now, absl::Duration age);

}  // namespace mailstead::rules
