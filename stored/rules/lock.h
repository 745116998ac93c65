// The lock of a maildrop (RFC 1939 section 4): who gets it, who holds it, who may commit under it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stored/engine/types.h"
#include "stored/rules/lease.h"
#include "stored/rules/mailbox.h"

namespace mailstead::rules {

// What is kept of a lock.
struct Lock {
  engine::LockToken token;
  std::string session_id;
  std::string lease_id;
  // Of the lease, which a later one of the same id does not have.
  int64_t lease_number = 0;
  absl::Time open_time;
  // The mailbox's next message when it was locked: the session's listing ends before it.
  int64_t listing_end = 1;
  // For people; may be empty.
  std::string client_address = {};
  // The mailbox's removal_count when it was locked; kNotKnown in a lock of an earlier store.
  int64_t removal_count = kNotKnown;
  static constexpr int64_t kNotKnown = -1;
  bool operator==(const Lock&) const = default;
};

// A lock as it stands: absent, or with the state of the lease that it names.
struct LockState {
  std::optional<Lock> lock;
  LeaseState lease = LeaseState::kGone;
};

absl::Status NoLease();  // FailedPrecondition, kReasonNoLease
absl::Status InUse();    // Aborted, kReasonMaildropInUse
absl::Status Fenced();   // Aborted, kReasonFenced

// Somebody who lives holds the maildrop: nobody else may open it, and its account is not deleted. Messages may be.
bool IsHeld(const LockState& state);
// The session holds it, or did when its lease became overdue and nobody took it over since.
bool HoldsIt(const LockState& state, const std::string& session_id);

// What a session finds that wants to open a maildrop.
struct OpenQuestion {
  const engine::OpenRequest& request;
  // Null: the account is gone.
  const Mailbox* mailbox = nullptr;
  const LockState& state;
  // The number of the request's lease while it is live; else 0.
  int64_t lease_number = 0;
  absl::Time now;
  // For a new lock; greater than all before.
  engine::LockToken next_token;
};

struct OpenDecision {
  // The session held it already: the mailbox stays as it is.
  bool again = false;
  // To be kept, unless it is as it was.
  Lock lock;
};

// NoLease, NotFound, InUse, or Aborted with kReasonLoginDelay.
absl::StatusOr<OpenDecision> DecideOpen(const OpenQuestion& question);
// Notes in the mailbox that it was opened, for the login delay of others.
void MarkOpened(Mailbox& mailbox, const Lock& lock);

enum class CommitDecision {
  // The deletions are made, the lock goes, the token is noted (MarkCommitted).
  kCommit,
  // It was done before.
  kRepeated,
};
// Fenced. `mailbox` is null when the account is gone.
absl::StatusOr<CommitDecision> DecideCommit(const Mailbox* mailbox, const LockState& state,
                                            const engine::CommitRequest& request);
void MarkCommitted(Mailbox& mailbox, engine::LockToken token);
// Whether nobody but the session of this lock has deleted from the mailbox since it was locked: asked before the session's own
// deletions are made. Only then what it leaves is its listing without them.
bool IsAsLocked(const Mailbox& mailbox, const Lock& lock);

// Whether an operator can end the session that holds the lock, or could still commit under it: this one, unless it is
// empty. NotFound with kReasonSessionNotFound.
absl::Status CheckEnd(const LockState& state, const std::string& session_id);

engine::LockInfo InfoOf(AccountId account, const Lock& lock);

}  // namespace mailstead::rules
