// What a sender is told of its mail: delivery status notifications (RFC 3461, 3464), as messages of the store's own, which go to
// the sender by the same ways as all mail: into a mailbox here, or into the queue. Of mail in the queue they tell when a
// recipient ends or waits for long; of what is put into mailboxes here at once, when the sender wants to hear of success.
//
// The null reverse-path is never answered (RFC 5321 section 4.5.5), and a notice that cannot be delivered is not answered
// again. What is told of a message at one time is one notice of each kind, whatever the number of its recipients.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/task.h"
#include "common/mail/dsn/notice.h"
#include "stored/core/intake.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

// What is to be told of recipients of one message in the queue.
struct Notice {
  // kFailed, kDelayed or kRelayed.
  dsn::NoticeKind kind = dsn::NoticeKind::kFailed;
  // Of the store's choice; the same for a repeat of what it is told of.
  std::string delivery_id;
  struct Recipient {
    const engine::QueuedRecipient* recipient = nullptr;
    engine::QueueReply reply;
  };
  std::vector<Recipient> recipients;
};

// What is to be told of a message that is being stored.
struct ArrivalNotice {
  // Of it. Its reverse-path is not empty.
  Envelope envelope;
  std::string delivery_scope;
  absl::Time time;
  // Trace and content, or as much of them as a notice can return.
  std::string beginning;
  bool is_whole = false;
  struct Recipient {
    // Of the envelope, with NOTIFY=SUCCESS.
    int32_t index = 0;
    // kDelivered or kExpanded.
    dsn::NoticeKind kind = dsn::NoticeKind::kDelivered;
    // The address that the mail was for in the end; of what is expanded, the alias.
    std::string address;
    // With kDelivered: the copy that says so.
    size_t copy = 0;
  };
  std::vector<Recipient> recipients;
};

// Used on the executor's thread.
class Notices {
 public:
  // `host_name`: what notices say they are from.
  Notices(const IntakeContext& intake, engine::QueueEngine& queue, std::string host_name)
      : intake_(intake), queue_(queue), host_name_(std::move(host_name)) {}

  // Ready for the engine. Absent: nobody is to be told (the sender did not want it, or there is none). NotFound,
  // FailedPrecondition: mail for the sender goes nowhere. Temporary errors of the engine.
  Task<absl::StatusOr<std::optional<engine::NewNotice>>> Make(const engine::QueuedMessage& message, Notice notice);
  // The same of a message that is being stored: one of each kind, with the copies that it speaks of. The same for a repeat.
  Task<absl::StatusOr<std::vector<engine::NewNotice>>> MakeForArrival(ArrivalNotice arrival);

 private:
  // What both have; `notice` has all but our own names and the time.
  Task<absl::StatusOr<engine::NewNotice>> Write(dsn::Notice notice);
  // As much of a queued message as a notice can return.
  Task<absl::StatusOr<std::string>> ReadBeginning(const engine::QueuedMessage& message);

  const IntakeContext& intake_;
  engine::QueueEngine& queue_;
  const std::string host_name_;
};

}  // namespace mailstead::stored
