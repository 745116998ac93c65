#include "stored/rules/retention.h"

#include <algorithm>

namespace mailstead::rules {

absl::Status CheckRetention(absl::Duration retention) {
  const bool is_whole = retention % absl::Hours(24) == absl::ZeroDuration();
  const bool is_within = retention >= kMinRetention && retention <= kMaxRetention;
  if (retention == absl::ZeroDuration() || (is_whole && is_within)) return absl::OkStatus();
  return absl::InvalidArgumentError("must be 1 to 3650 whole days, or 0 for ever");
}

absl::Duration MailboxRetention(const engine::Domain& domain, const engine::Account& account) {
  return account.retention.value_or(domain.retention);
}

absl::Duration Shorter(absl::Duration a, absl::Duration b) {
  if (a == absl::ZeroDuration()) return b;
  if (b == absl::ZeroDuration()) return a;
  return std::min(a, b);
}

absl::Time ExpireTime(const Entry& entry, absl::Duration mailbox_retention) {
  const absl::Duration retention = Shorter(entry.retention, mailbox_retention);
  return retention == absl::ZeroDuration() ? absl::InfiniteFuture() : entry.deliver_time + retention;
}

}  // namespace mailstead::rules
