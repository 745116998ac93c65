#include "stored/rules/receipt.h"

#include "common/base/reason.h"
#include "stored/rules/times.h"

namespace mailstead::rules {

absl::StatusOr<std::optional<engine::Receipt>> DecideRepeat(const std::optional<KeptReceipt>& before,
                                                            const engine::NewMessage& message) {
  if (!before.has_value()) return std::optional<engine::Receipt>();
  if (before->sha256.empty()) {
    return WithReason(absl::FailedPreconditionError("the delivery was settled as not stored"),
                      kReasonDeliveryVoided);
  }
  const bool same = before->fingerprint.empty() ? before->sha256 == message.sha256
                                                : before->fingerprint == message.fingerprint;
  if (!same) {
    return WithReason(absl::AlreadyExistsError("the delivery id was used for another message"),
                      kReasonDeliveryIdReused);
  }
  return std::optional<engine::Receipt>({true, before->sha256, before->deliver_time, {}});
}

KeptReceipt ReceiptOf(const engine::NewMessage& message) {
  return {message.sha256, message.fingerprint, Kept(message.deliver_time)};
}

engine::Settlement DecideSettlement(const std::optional<KeptReceipt>& before) {
  if (!before.has_value() || before->sha256.empty()) return {};
  return {engine::Receipt{true, before->sha256, before->deliver_time}};
}

KeptReceipt VoidReceipt(absl::Time now) { return {"", "", Kept(now)}; }

bool IsOld(absl::Time time, absl::Time now, absl::Duration age) {
  return absl::ToUnixSeconds(time) < absl::ToUnixSeconds(now - age);
}

}  // namespace mailstead::rules
