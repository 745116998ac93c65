// Maildrops as sessions use them: the engine's verbs, and the patience of a login that comes while the
// session before it is about to leave.
//
// A session that deleted nothing ends without waiting for the store. The next login, by whatever front-end,
// may come before its release: it waits for that up to `in_use_wait` before it is told that the maildrop is
// in use.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/base/task.h"
#include "common/store/ids.h"
#include "stored/core/pause.h"
#include "stored/core/timer_queue.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

// Used on the executor's thread. Errors of all calls are those of the engine's verbs.
class Maildrops {
 public:
  Maildrops(engine::MaildropEngine& engine, engine::LeaseEngine& leases, TimerQueue& timers,
            Executor& executor, const Clock& steady_clock, absl::Duration in_use_wait)
      : engine_(engine),
        leases_(leases),
        timers_(timers),
        executor_(executor),
        steady_clock_(steady_clock),
        in_use_wait_(in_use_wait) {}

  // `still_wanted` is asked before the engine is asked again.
  Task<absl::StatusOr<engine::OpenedMaildrop>> Open(engine::OpenRequest request,
                                                    std::function<absl::Status()> still_wanted);
  Task<absl::StatusOr<std::vector<engine::MaildropEntry>>> List(AccountId account, std::string session_id,
                                                                MessageId after, MessageId last,
                                                                size_t limit) {
    return engine_.List(account, std::move(session_id), after, last, limit);
  }
  Task<absl::StatusOr<engine::CommittedMaildrop>> Commit(engine::CommitRequest request);
  Task<absl::Status> Release(AccountId account, std::string session_id);

  Task<absl::StatusOr<std::vector<engine::LockInfo>>> ListLocks(AccountId after, size_t limit) {
    return engine_.ListLocks(after, limit);
  }
  Task<absl::StatusOr<engine::LockInfo>> FindLock(AccountId account) { return engine_.FindLock(account); }
  Task<absl::StatusOr<engine::LockInfo>> End(AccountId account, std::string session_id);

  // Until a session that holds the maildrop gives it back to this process, or the time is over.
  Task<bool> WaitForRelease(AccountId account, absl::Duration at_most);

  Task<absl::Status> RenewLease(std::string lease_id, std::string holder, absl::Duration ttl) {
    return leases_.Renew(std::move(lease_id), std::move(holder), ttl);
  }
  Task<absl::Status> EndLease(std::string lease_id);

 private:
  // An Open under way; it is in waiters_ from before it first asks the engine, so that no release is missed.
  class Waiter;

  void Released(AccountId account);

  engine::MaildropEngine& engine_;
  engine::LeaseEngine& leases_;
  TimerQueue& timers_;
  Executor& executor_;
  const Clock& steady_clock_;
  const absl::Duration in_use_wait_;
  absl::flat_hash_map<AccountId, absl::flat_hash_set<Waiter*>> waiters_;
};

}  // namespace mailstead::stored
