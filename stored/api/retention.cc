#include "stored/api/retention.h"

#include "common/base/status.h"
#include "stored/api/roles.h"
#include "stored/rules/retention.h"

namespace mailstead::stored {
namespace {

// A key delivers into the mailboxes that it sees, and what it submits goes to anybody.
absl::Duration OfKeys(const Core& core, const engine::Account* account) {
  return core.keys.LeastRetention(kMailDeliver, kMailSubmit, account);
}

}  // namespace

absl::Duration LeastRetention(const Core& core) {
  return rules::Shorter(core.directory.least_retention(), OfKeys(core, nullptr));
}

Task<absl::StatusOr<absl::Duration>> LeastRetention(Core& core, AccountId account) {
  // Of most stores: a login costs no look-up for it.
  if (LeastRetention(core) == absl::ZeroDuration()) co_return absl::ZeroDuration();
  const absl::StatusOr<engine::Account> found = co_await core.engine.directory().FindAccount(account);
  // Whoever opens its maildrop is told so.
  if (absl::IsNotFound(found.status())) co_return absl::ZeroDuration();
  CO_RETURN_IF_ERROR(found.status());
  CO_ASSIGN_OR_RETURN(const absl::Duration own, co_await core.directory.MailboxRetention(*found));
  co_return rules::Shorter(own, OfKeys(core, &*found));
}

}  // namespace mailstead::stored
