// Mail on its way to other hosts, as front-ends and operators see it: the engine's verbs, the patience of a front-end that
// waits for work, and what is said to senders (stored/core/notices.h). And what waits for mailboxes here: no front-end has
// to do with that, the store itself tries it when it is due.
//
// Whatever ends a recipient, and the notice of it, are one commit: none is lost, and none is sent twice.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/base/task.h"
#include "stored/core/intake.h"
#include "stored/core/notices.h"
#include "stored/core/routes.h"
#include "stored/core/sending.h"
#include "stored/core/srs.h"
#include "stored/core/timer_queue.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

// Recipients that have left the queue, or were put off: for the log and the metrics.
struct QueueEvent {
  enum class Kind { kDelivered, kFailed, kDeferred, kExpired, kCancelled, kDelayTold };
  Kind kind = Kind::kDeferred;
  QueueId message;
  std::string delivery_id;
  std::string reverse_path;
  std::string recipient;
  int32_t attempt_count = 0;
  absl::Time queue_time;
  engine::QueueReply reply;
};

// Told what comes of recipients, behind the commit. On the executor's thread.
class QueueObserver {
 public:
  virtual ~QueueObserver() = default;
  virtual void Happened(const QueueEvent& event) = 0;
  // A sender will not hear of what became of its mail: why.
  virtual void NoticeDropped(QueueId message, const std::string& reverse_path, const absl::Status& why) = 0;
};

// Which messages, and which of their recipients (proto: QueueFilter).
struct QueueFilter {
  QueueId message;           // 0: any
  std::string sender;        // an address, "@domain" or "<>"; empty: any
  std::string recipient;     // an address or "@domain"; empty: any
  std::string destination;   // empty: any
  // FieldError "filter.…".
  absl::Status Normalize();
  bool TakesMessage(const engine::QueuedMessage& message) const;
  bool TakesRecipient(const engine::QueuedRecipient& recipient) const;
};

// What an operator does with recipients that wait.
enum class QueueAction { kHold, kRelease, kRetry, kCancel, kBounce };

// Used on the executor's thread. Errors of all calls are those of the engine's verbs, where nothing else is said.
class OutboundQueue {
 public:
  // All of them outlive it; `observer` may be null.
  OutboundQueue(engine::QueueEngine& engine, Routes& routes, const IntakeContext& intake, Notices& notices,
                const Clock& clock, const Clock& steady, TimerQueue& timers, Executor& executor)
      : engine_(engine),
        routes_(routes),
        intake_(intake),
        notices_(notices),
        clock_(clock),
        steady_(steady),
        timers_(timers),
        executor_(executor) {}
  void SetObserver(QueueObserver* observer) { observer_ = observer; }
  // Before the first use: under which senders mail goes out. It outlives this.
  void UseSrs(Srs& srs) { srs_ = &srs; }
  // The same: whose mail is held, and who hears what became of it.
  void UseSending(AccountSending& sending) { sending_ = &sending; }

  // An attempt, and the way to go; absent: as the DNS says.
  struct Assignment {
    // With the sender under which it goes out.
    engine::QueueAttempt attempt;
    std::optional<RouteChoice> route;
  };
  // Waits up to `wait` for the first attempt. `still_wanted` is asked before the engine is. What a route keeps in a mailbox
  // here is put there, and not given.
  Task<absl::StatusOr<std::vector<Assignment>>> Lease(engine::QueueLeaseRequest request, absl::Duration wait,
                                                               std::function<absl::Status()> still_wanted);

  // Front-ends that have asked for work lately.
  int64_t CountRelays();

  // What came of an attempt. `relayed`: numbers of delivered recipients of whose delivery the next host tells the sender.
  // A report of what has left the queue is OK.
  Task<absl::Status> Report(engine::QueueReport report, std::vector<int32_t> relayed);

  // A step of what time brings: returns what is too old, and tells senders that their mail waits. Whether there was
  // something to do, and so may be more.
  Task<absl::StatusOr<bool>> Expire();
  // A step of what waits for mailboxes here: puts it there, where there is room, and returns what is not to be delivered at
  // all. Whether there may be more.
  Task<absl::StatusOr<bool>> DeliverHere();
  // A step: puts back what front-ends had that are gone. Whether there may be more.
  Task<absl::StatusOr<bool>> TakeBack();

  // Does it with the recipients of one message that fit the filter, and says with how many; NotFound.
  struct Changed {
    int64_t changed_count = 0;
    int64_t in_flight_count = 0;
  };
  Task<absl::StatusOr<Changed>> Change(QueueAction action, QueueFilter filter, QueueId message, bool dry_run);

 private:
  // The way of each attempt; those that a front-end has nothing to do with are dealt with.
  Task<absl::StatusOr<std::vector<Assignment>>> Assign(std::vector<engine::QueueAttempt> attempts);
  // What the route keeps here is delivered here. OK: it is on disk in the mailbox, once however often this is done.
  Task<absl::Status> Keep(const engine::QueueAttempt& attempt);
  // Whether its sender's account is paused: then it is held, until that goes on.
  Task<bool> HeldForPause(const engine::QueueAttempt& attempt);
  // Reports it as one recipient would be, all alike.
  Task<absl::Status> Settle(const engine::QueueAttempt& attempt, engine::QueueOutcome::Kind kind, engine::QueueReply reply);
  // Those of an attempt that is in flight, as it was given; else as they are in the queue.
  Task<absl::StatusOr<engine::QueuedMessage>> FindReported(const engine::QueueReport& report);
  void Remember(const engine::QueueAttempt& attempt);
  // Recipients of a message by their numbers, which ascend; those that are gone are left out.
  Task<absl::StatusOr<engine::QueuedMessage>> FindRecipients(QueueId message, std::vector<int32_t> numbers);
  // Ends recipients as too old, or tells the sender that they wait.
  Task<absl::Status> EndExpired(engine::QueuedMessage message);
  // Ends recipients, each with the reply that it has last, as failed.
  Task<absl::Status> EndFailed(engine::QueuedMessage message);
  Task<absl::Status> TellDelay(engine::QueuedMessage message);
  // The decision with its notice; without it where that cannot be stored.
  Task<absl::StatusOr<engine::QueueChange>> Decide(engine::QueueDecision decision, const engine::QueuedMessage& message,
                                                   Notice notice);
  Task<absl::StatusOr<std::vector<engine::NewNotice>>> Make(const engine::QueuedMessage& message,
                                                            std::vector<Notice> notices);
  void Tell(QueueEvent::Kind kind, const engine::QueuedMessage& message, const engine::QueuedRecipient& recipient,
            const engine::QueueReply& reply);

  engine::QueueEngine& engine_;
  Routes& routes_;
  const IntakeContext& intake_;
  Notices& notices_;
  const Clock& clock_;
  const Clock& steady_;
  TimerQueue& timers_;
  Executor& executor_;
  QueueObserver* observer_ = nullptr;
  // Null: under their own.
  Srs* srs_ = nullptr;
  // Null: nobody's is.
  AccountSending* sending_ = nullptr;
  // Attempts that front-ends have, so that the queue is not read again for their reports: what a report needs of a recipient
  // stays as it was given. Only small ones, those given last.
  absl::flat_hash_map<int64_t, engine::QueuedMessage> given_;
  // Their grants, the first given first; also of some that are not there any more.
  std::deque<int64_t> given_order_;
  // When each lease asked for work last.
  absl::flat_hash_map<std::string, absl::Time> relays_;
};

}  // namespace mailstead::stored
