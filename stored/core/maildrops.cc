#include "stored/core/maildrops.h"

#include <utility>
#include <vector>

#include "common/base/reason.h"
#include "common/base/status.h"

namespace mailstead::stored {

class Maildrops::Waiter {
 public:
  Waiter(Maildrops& maildrops, AccountId account) : maildrops_(maildrops), account_(account) {
    maildrops_.waiters_[account_].insert(this);
  }
  ~Waiter() {
    const auto here = maildrops_.waiters_.find(account_);
    here->second.erase(this);
    if (here->second.empty()) maildrops_.waiters_.erase(here);
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  void Released() {
    released_ = true;
    if (pause_ != nullptr) pause_->End();
  }

  // Until there is a release that came after the last Wait, or the time is over. True: there is.
  Task<bool> Wait(absl::Duration at_most) {
    if (!std::exchange(released_, false)) {
      Pause pause(maildrops_.timers_, maildrops_.executor_);
      pause_ = &pause;
      co_await pause.For(at_most);
      pause_ = nullptr;
      co_return std::exchange(released_, false);
    }
    co_return true;
  }

 private:
  Maildrops& maildrops_;
  const AccountId account_;
  // Set by a release, cleared by Wait.
  bool released_ = false;
  // While it waits.
  Pause* pause_ = nullptr;
};

Task<absl::StatusOr<engine::OpenedMaildrop>> Maildrops::Open(engine::OpenRequest request,
                                                             std::function<absl::Status()> still_wanted) {
  Waiter waiter(*this, request.account);
  absl::Duration left = in_use_wait_;
  for (bool last_try = false;; last_try = left <= absl::ZeroDuration()) {
    absl::StatusOr<engine::OpenedMaildrop> opened = co_await engine_.Open(request);
    if (ReasonOf(opened.status()) != kReasonMaildropInUse || last_try) co_return opened;
    const absl::Time began = steady_clock_.Now();
    const bool released = co_await waiter.Wait(left);
    // When the time is over it is tried once more: another process that serves this store may have released
    // it.
    left = released ? left - (steady_clock_.Now() - began) : absl::ZeroDuration();
    CO_RETURN_IF_ERROR(still_wanted());
  }
}

Task<absl::StatusOr<engine::CommittedMaildrop>> Maildrops::Commit(engine::CommitRequest request) {
  const AccountId account = request.account;
  absl::StatusOr<engine::CommittedMaildrop> committed = co_await engine_.Commit(std::move(request));
  if (committed.ok()) Released(account);
  co_return committed;
}

Task<absl::Status> Maildrops::Release(AccountId account, std::string session_id) {
  const absl::Status released = co_await engine_.Release(account, std::move(session_id));
  if (released.ok()) Released(account);
  co_return released;
}

Task<absl::StatusOr<engine::LockInfo>> Maildrops::End(AccountId account, std::string session_id) {
  absl::StatusOr<engine::LockInfo> ended = co_await engine_.End(account, std::move(session_id));
  if (ended.ok()) Released(account);
  co_return ended;
}

Task<bool> Maildrops::WaitForRelease(AccountId account, absl::Duration at_most) {
  Waiter waiter(*this, account);
  co_return co_await waiter.Wait(at_most);
}

Task<absl::Status> Maildrops::EndLease(std::string lease_id) {
  const absl::Status ended = co_await leases_.End(std::move(lease_id));
  std::vector<AccountId> waited_for;
  for (const auto& [account, waiters] : waiters_) waited_for.push_back(account);
  for (const AccountId account : waited_for) Released(account);
  co_return ended;
}

void Maildrops::Released(AccountId account) {
  const auto here = waiters_.find(account);
  if (here == waiters_.end()) return;
  for (Waiter* const waiter : here->second) waiter->Released();
}

}  // namespace mailstead::stored
