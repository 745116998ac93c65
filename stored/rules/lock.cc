#include "stored/rules/lock.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/details.h"
#include "common/base/reason.h"
#include "stored/rules/times.h"

namespace mailstead::rules {

absl::Status NoLease() {
  return WithReason(absl::FailedPreconditionError("the lease is not known or overdue"), kReasonNoLease);
}

absl::Status InUse() {
  return WithReason(absl::AbortedError("the maildrop is in use"), kReasonMaildropInUse);
}

absl::Status Fenced() {
  return WithReason(absl::AbortedError("the lock of the maildrop was lost"), kReasonFenced);
}

bool IsHeld(const LockState& state) { return state.lock.has_value() && state.lease == LeaseState::kLive; }

bool HoldsIt(const LockState& state, const std::string& session_id) {
  return state.lock.has_value() && state.lease != LeaseState::kGone && state.lock->session_id == session_id;
}

absl::StatusOr<OpenDecision> DecideOpen(const OpenQuestion& question) {
  const engine::OpenRequest& request = question.request;
  if (question.lease_number == 0) return NoLease();
  if (question.mailbox == nullptr) {
    return absl::NotFoundError(absl::StrCat("no account ", request.account.value));
  }
  if (HoldsIt(question.state, request.session_id)) {
    // Its answer was lost, or its front-end has another lease by now.
    OpenDecision decision{true, *question.state.lock};
    decision.lock.lease_id = request.lease_id;
    decision.lock.lease_number = question.lease_number;
    return decision;
  }
  if (IsHeld(question.state)) return InUse();
  const absl::Time now = Kept(question.now);
  const Mailbox& mailbox = *question.mailbox;
  // A date in the future is that of a clock that was wrong: nobody is locked out by it.
  if (mailbox.last_open_session != request.session_id && mailbox.last_open_time <= now &&
      now - mailbox.last_open_time < request.min_interval) {
    return WithRetryDelay(
        WithReason(absl::AbortedError("the maildrop was opened too short a time ago"), kReasonLoginDelay),
        mailbox.last_open_time + request.min_interval - now);
  }
  OpenDecision decision;
  decision.lock = {
      question.next_token,  request.session_id,     request.lease_id,     question.lease_number, now,
      mailbox.next_message, request.client_address, mailbox.removal_count};
  return decision;
}

void MarkOpened(Mailbox& mailbox, const Lock& lock) {
  mailbox.last_open_time = lock.open_time;
  mailbox.last_open_session = lock.session_id;
}

absl::StatusOr<CommitDecision> DecideCommit(const Mailbox* mailbox, const LockState& state,
                                            const engine::CommitRequest& request) {
  if (mailbox == nullptr) return Fenced();
  if (request.token.value != 0 && mailbox->last_committed_token == request.token) {
    return CommitDecision::kRepeated;
  }
  const bool holds = HoldsIt(state, request.session_id) && state.lock->token == request.token;
  if (!holds) return Fenced();
  return CommitDecision::kCommit;
}

void MarkCommitted(Mailbox& mailbox, engine::LockToken token) { mailbox.last_committed_token = token; }

bool IsAsLocked(const Mailbox& mailbox, const Lock& lock) {
  return mailbox.removal_count == lock.removal_count;
}

absl::Status CheckEnd(const LockState& state, const std::string& session_id) {
  if (state.lock.has_value() && HoldsIt(state, session_id.empty() ? state.lock->session_id : session_id)) {
    return absl::OkStatus();
  }
  return WithReason(absl::NotFoundError(session_id.empty() ? "no session holds the maildrop"
                                                           : absl::StrCat("session ", session_id,
                                                                          " does not hold the maildrop")),
                    kReasonSessionNotFound);
}

engine::LockInfo InfoOf(AccountId account, const Lock& lock) {
  return {account, lock.session_id, lock.lease_id, lock.token, lock.open_time, lock.client_address};
}

}  // namespace mailstead::rules
