#include "stored/core/removal.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"

namespace mailstead::stored {
namespace {

// A release that another process served, or that came between two tries, is found after so long.
constexpr absl::Duration kLongestBetweenTries = absl::Milliseconds(250);

AccountUpdate Disabling(const engine::Account& account, int64_t expected_version, bool disabled) {
  AccountUpdate update;
  update.account = absl::StrCat(account.id.value);
  update.expected_version = expected_version;
  update.disabled = disabled;
  return update;
}

}  // namespace

Task<absl::Status> RemoveAccount(Directory& directory, Maildrops& maildrops, const Clock& steady_clock,
                                 engine::Account account, int64_t expected_version, absl::Duration at_most) {
  absl::Status deleted = co_await directory.DeleteAccount(account.id, expected_version);
  if (ReasonOf(deleted) != kReasonMaildropInUse) co_return deleted;
  if (!account.disabled) {
    AccountUpdate disabling = Disabling(account, expected_version, true);
    CO_ASSIGN_OR_RETURN(const engine::Account disabled,
                        co_await directory.UpdateAccount(std::move(disabling)));
    if (expected_version != 0) expected_version = disabled.version;
  }
  const absl::Time until = steady_clock.Now() + at_most;
  while (ReasonOf(deleted) == kReasonMaildropInUse) {
    const absl::Duration left = until - steady_clock.Now();
    if (left <= absl::ZeroDuration()) break;
    co_await maildrops.WaitForRelease(account.id, std::min(left, kLongestBetweenTries));
    deleted = co_await directory.DeleteAccount(account.id, expected_version);
  }
  if (deleted.ok() || account.disabled) co_return deleted;
  // Should this fail, too, the account stays disabled; the operator is told that it is still there.
  AccountUpdate enabling = Disabling(account, 0, false);
  const auto enabled = co_await directory.UpdateAccount(std::move(enabling));
  static_cast<void>(enabled);
  co_return deleted;
}

}  // namespace mailstead::stored
