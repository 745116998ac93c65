// One change of the queue for other hosts, within a commit: what it reads and writes has a bound that does not depend on how
// long the queue is.
//
// A recipient that is neither held nor in flight has a place in one of two indexes of its destination: that of those that
// are ready, in the order of their turns, or that of those that wait for their time. Which one is found out by looking.
// Those whose time has come are moved to the first some at a time, when their destination is served. A destination that may
// begin an attempt, now or at a time that is known, has a place in the index of those; a message with such recipients has
// one in the index of what is to be done about it.
//
// A recipient that waits for a mailbox here has no destination. While it is not held it has a place in an index of those, by
// its time; and beside it is kept what the mailbox will keep.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/records.h"
#include "stored/engine/rocksdb/writer.h"

namespace mailstead::engine {

class QueueStep {
 public:
  QueueStep(RocksDbShared& shared, Batch& batch);

  // A copy that waits, and what its mailbox will keep.
  struct WaitingCopy {
    rules::Waiting waits;
    rules::Entry entry;
  };
  absl::Status Enqueue(const NewMessage& message, int64_t body, int64_t content_bytes,
                       const std::vector<WaitingCopy>& copies);
  // `more`: it had done as much as one commit may, and there may be more.
  absl::StatusOr<std::vector<QueueAttempt>> Lease(const QueueLeaseRequest& request, int64_t lease_number,
                                                  bool& more);
  // `tell`: whether what is said of it in notices is so.
  absl::StatusOr<QueueChange> Report(const QueueReport& report, bool& tell);
  absl::StatusOr<QueueChange> Decide(const QueueDecision& decision, bool has_notices, bool& tell);
  absl::StatusOr<size_t> TakeBack(size_t limit);
  absl::StatusOr<std::vector<DeliveredHere>> DeliverHere(size_t limit);

  // Last: writes the messages and destinations that it has touched, and their places in indexes.
  void Finish();
  // A body is left to upkeep.
  bool leaves_work() const { return leaves_work_; }

 private:
  struct Message {
    QueuedRecord record;
    // Of its key in the index of what is to be done; InfiniteFuture: it has none.
    absl::Time event_time;
    bool ended = false;
  };

  QueueMarks& marks() { return shared_.database().queue_marks(); }
  const rules::QueuePolicy& policy() const { return shared_.options().queue_policy; }
  static absl::Time EventTime(const QueuedRecord& record);
  // Null: there is none. They stay where they are until the step is finished.
  absl::StatusOr<Message*> FindMessage(QueueId id);
  absl::StatusOr<DestinationRecord*> FindDestination(const std::string& name);
  absl::StatusOr<std::optional<rules::QueueRecipient>> FindRecipient(QueueId id, int32_t number) const;
  void PutRecipient(QueueId id, const rules::QueueRecipient& kept);
  void WriteDestination(const std::string& name, DestinationRecord& record);

  absl::Status AddRecipient(QueueId id, Message& message, const rules::QueueRecipient& kept);
  absl::StatusOr<DeliveredHere> TryHere(QueueId id, int32_t number);

  // It waits from now on, or does not wait any more.
  absl::Status AddFree(QueueId id, Message& message, const QueuedRecipient& recipient);
  absl::Status RemoveFree(QueueId id, Message& message, const QueuedRecipient& recipient);
  absl::Status EndRecipient(QueueId id, Message& message, const rules::QueueRecipient& kept,
                            QueueChange& change);
  absl::Status PutBack(const AttemptRecord& attempt, size_t count);
  absl::Status EndAttempt(QueueGrant grant, const AttemptRecord& attempt, QueueReport::Sign sign);

  absl::StatusOr<std::string> FirstDue();
  // Moves what has become ready; at most as much as `promotable_` allows.
  absl::Status Promote(const std::string& name, DestinationRecord& record);
  absl::StatusOr<absl::Time> FirstWaiting(const std::string& name);
  // The key of the first one between two keys.
  absl::StatusOr<std::optional<std::string>> FirstReady(const std::string& from, const std::string& end);
  // That of the one whose turn is next.
  absl::StatusOr<std::optional<std::string>> NextReady(const std::string& name,
                                                       const DestinationRecord& record);
  // Whether the lanes of the destination are known, as far as a walk finds out.
  absl::StatusOr<bool> KnowLanes(const std::string& name, const DestinationRecord& record);
  // The leases under which attempts are in flight, and some that were: their numbers and ids.
  absl::StatusOr<std::map<int64_t, std::string>> FlightLeases();
  absl::StatusOr<std::optional<QueueGrant>> FirstFlight(int64_t lease_number);
  absl::StatusOr<QueueAttempt> BeginAttempt(const QueueLeaseRequest& request, int64_t lease_number,
                                            const std::string& name, DestinationRecord& record);
  absl::StatusOr<std::vector<int32_t>> Named(const QueueDecision& decision);

  RocksDbShared& shared_;
  Batch& batch_;
  const absl::Time now_;
  std::map<QueueId, std::optional<Message>> messages_;
  std::map<std::string, DestinationRecord> destinations_;
  size_t promotable_;
  bool leaves_work_ = false;
};

}  // namespace mailstead::engine
