// What accounts may send to other hosts, over all front-ends: limits of an hour and a day, and the pause of an account whose
// password somebody else seems to have (stored/rules/sending.h has the arithmetic).
//
// Counted is a message that an account submits, and each address at another host that it goes to, those that its aliases lead to
// as well. Mail for mailboxes here does not count: it harms nobody's trust in our hosts, and has its quotas. What the store sends by
// itself does not either: notices, and what is sent on for strangers. A message counts in the moment in which it is about to be
// stored, all of it or nothing, so that no number of front-ends sends one more; where it is not stored, it is taken back.
//
// The counts are written as they change, without waiting for the disk: a crash of the store forgets none, a power cut those
// behind the last commit that was synced, of which no message was acknowledged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/task.h"
#include "common/store/ids.h"
#include "stored/core/lru_map.h"
#include "stored/engine/engine.h"
#include "stored/engine/sending.h"
#include "stored/rules/sending.h"

namespace mailstead::stored {

struct SendingOptions {
  rules::SendingBounds bounds;
  rules::PauseThresholds thresholds;
};

// Told on the executor's thread, behind the change.
class SendingObserver {
 public:
  virtual ~SendingObserver() = default;
  virtual void Refused(AccountId account, const absl::Status& why) = 0;
  virtual void Paused(AccountId account, engine::SendingPause::Why why, const engine::SendingSlot& hour,
                      const engine::SendingSlot& day) = 0;
  virtual void Resumed(AccountId account) = 0;
};

// Used on the executor's thread.
class AccountSending {
 public:
  // Accounts that are remembered, of some 10 KB each: more are read again.
  static constexpr size_t kMaxRemembered = 2000;

  AccountSending(engine::SendingEngine& engine, const Clock& clock, SendingOptions options)
      : engine_(engine), clock_(clock), options_(options), remembered_(kMaxRemembered) {}
  void SetObserver(SendingObserver* observer) { observer_ = observer; }

  // PermissionDenied with kReasonSendingPaused: the account's sending is paused.
  Task<absl::Status> Check(AccountId account);

  // A message that has been counted.
  struct Counted {
    AccountId account;
    absl::Time time;
    engine::SendingSlot counts;
  };
  // Counts a message to these addresses at other hosts, each of which it has once. None: nothing is counted. ResourceExhausted
  // with kReasonSendingLimit, which says when it would be taken; InvalidArgument with kReasonTooManyRecipients: never, as it
  // has more recipients than the limit by itself; the errors of Check, also where this message brings the pause about.
  Task<absl::StatusOr<Counted>> Count(AccountId account, std::vector<std::string> addresses);
  // It was not stored.
  Task<void> TakeBack(Counted counted);

  // What became of recipients of mail of the account.
  Task<void> NoteOutcomes(AccountId account, int64_t delivered, int64_t refused);
  Task<absl::StatusOr<bool>> IsPaused(AccountId account);

  // What is kept of it, and what holds for it.
  struct State {
    engine::SendingSettings settings;
    rules::SendingBounds bounds;
    engine::SendingSlot hour;
    engine::SendingSlot day;
  };
  Task<absl::StatusOr<State>> Get(AccountId account);
  // `expected_version`: of rules::VersionOf; 0: any. Aborted with kReasonEtagMismatch.
  Task<absl::Status> SetLimits(AccountId account, engine::SendingLimits limits, int64_t expected_version = 0);
  Task<absl::Status> Pause(AccountId account);
  // What led to the pause counts no more.
  Task<absl::Status> Resume(AccountId account);
  // It is gone.
  Task<absl::Status> Forget(AccountId account);

 private:
  // It stays until the next co_await.
  Task<absl::StatusOr<engine::Sending*>> Find(AccountId account);
  // Whether it is to be paused now: then it is.
  Task<absl::StatusOr<bool>> Judge(AccountId account);
  Task<absl::Status> SetPause(AccountId account, engine::SendingPause::Why why);
  // Writes what is remembered of it. Who asks while that is being written shares the next write with all who do.
  Task<absl::Status> KeepUse(AccountId account);
  Task<absl::Status> WriteUse(AccountId account);
  Task<void> KeepForOthers(AccountId account);
  absl::Status Refuse(AccountId account, absl::Status why);

  engine::SendingEngine& engine_;
  const Clock& clock_;
  const SendingOptions options_;
  SendingObserver* observer_ = nullptr;
  // By the account's number.
  LruMap<engine::Sending> remembered_;
  // Accounts of which something is being written, and who waits for the next write.
  absl::flat_hash_map<AccountId, std::vector<Arrival<absl::Status>*>> writing_;
};

}  // namespace mailstead::stored
