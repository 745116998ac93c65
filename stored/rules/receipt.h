// Deliveries that come again: known by their id, and the same by their fingerprint; and those that were settled before they
// were stored. Pure.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stored/engine/types.h"

namespace mailstead::rules {

// What is kept of a delivery that was stored, or is void.
struct KeptReceipt {
  // Empty: it is void, and so is the fingerprint.
  std::string sha256;
  // Empty in a store that was begun before there were any: the content alone is compared then.
  std::string fingerprint;
  absl::Time deliver_time;
  bool operator==(const KeptReceipt&) const = default;
};

// The receipt that a delivery gets which `before` is known of; absent: it is new, and to be stored. AlreadyExists with
// kReasonDeliveryIdReused: another one had its id. FailedPrecondition with kReasonDeliveryVoided: it is void.
absl::StatusOr<std::optional<engine::Receipt>> DecideRepeat(const std::optional<KeptReceipt>& before,
                                                            const engine::NewMessage& message);

KeptReceipt ReceiptOf(const engine::NewMessage& message);

// What a delivery is settled as of which `before` is known. Without a receipt VoidReceipt is kept from now on.
engine::Settlement DecideSettlement(const std::optional<KeptReceipt>& before);
KeptReceipt VoidReceipt(absl::Time now);

// Whether a receipt that was made at `time` is to be forgotten, for receipts that are kept for `age`: to the second.
bool IsOld(absl::Time time, absl::Time now, absl::Duration age);

}  // namespace mailstead::rules
