// One change of the queue for other hosts, within a commit: what it reads and writes has a bound that does not depend on how
// long the queue is.
//
// A recipient that is neither held nor in flight has a place in one of two indexes of its destination: that of those that
// are ready, in the order of their turns, or that of those that wait for their time. Which one is found out by looking.
// Those whose time has come are moved to the first some at a time, when their destination is served. A destination with
// such recipients has a place under its site, by the time of the first; a site that may begin an attempt, now or at a time
// that is known, has one in the index of those. A message with such recipients has one in the index of what is to be done
// about it.
//
// A recipient that waits for a mailbox here has no destination. While it is not held it has a place in an index of those, by
// its time; and beside it is kept what the mailbox will keep.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
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
  // Its id is the one that the counters say comes next.
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

  // Last: writes the messages, destinations and sites that it has touched, and their places in indexes.
  absl::Status Finish();
  // A body is left to upkeep.
  bool leaves_work() const { return leaves_work_; }

 private:
  struct Message {
    QueuedRecord record;
    // Of its key in the index of what is to be done; InfiniteFuture: it has none.
    absl::Time event_time;
    bool ended = false;
  };
  struct Destination {
    DestinationRecord record;
    // Where its keys are: in the index of the site under which it counts (empty: none), at this time; and among those that
    // are kept though nothing waits for them. InfiniteFuture: it has none there.
    std::string placed_site;
    absl::Time placed_time = absl::InfiniteFuture();
    absl::Time remembered_until = absl::InfiniteFuture();
  };
  struct Site {
    SiteRecord record;
    // There was none.
    bool is_new = false;
    // Its first destination is not the first any more.
    bool look_for_first = false;
    // Its first destinations with their times, as far as they were looked for: whichever waits and is not among them is behind
    // the last. Empty: they are not known.
    std::set<std::pair<absl::Time, std::string>> first;
    // None is behind the last, either.
    bool first_are_all = false;
  };

  QueueMarks& marks() { return shared_.database().queue_marks(); }
  const rules::QueuePolicy& policy() const { return shared_.options().queue_policy; }
  static absl::Time EventTime(const QueuedRecord& record);
  // Null: there is none. They stay where they are until the step is finished.
  absl::StatusOr<Message*> FindMessage(QueueId id);
  absl::StatusOr<Destination*> FindDestination(const std::string& name);
  absl::StatusOr<Site*> FindSite(const std::string& name);
  absl::StatusOr<std::optional<rules::QueueRecipient>> FindRecipient(QueueId id, int32_t number) const;
  void PutRecipient(QueueId id, const rules::QueueRecipient& kept);
  // Its place and its count under its site, too; the site is written by WriteSite.
  absl::Status WriteDestination(const std::string& name, Destination& destination);
  absl::Status Place(const std::string& name, Destination& destination, const std::string& site_name);
  void Remember(const std::string& name, Destination& destination);
  absl::Status WriteSite(const std::string& name, Site& site);
  // Destinations that nothing waits for: up to rules::kMostForgotten, the first by their time, of those whose time is over
  // and those that are too many.
  absl::Status Forget();

  absl::Status AddRecipient(QueueId id, Message& message, const rules::QueueRecipient& kept);
  absl::StatusOr<DeliveredHere> TryHere(QueueId id, int32_t number);

  // It waits from now on, or does not wait any more.
  absl::Status AddFree(QueueId id, Message& message, const QueuedRecipient& recipient);
  absl::Status RemoveFree(QueueId id, Message& message, const QueuedRecipient& recipient);
  // `outcome`: what is kept of it where its message is a submission; of other mail nobody asks.
  absl::Status EndRecipient(QueueId id, Message& message, const rules::QueueRecipient& kept,
                            absl::FunctionRef<SubmissionOutcome()> outcome, QueueChange& change);
  // Of a submission's message, for the change feed.
  void NoteNews(const Message& message, SubmissionNews news);
  absl::Status PutBack(const AttemptRecord& attempt, size_t count);
  // `seen`: what its report says; null: its lease has ended.
  absl::Status EndAttempt(QueueGrant grant, const AttemptRecord& attempt, const QueueReport* seen);
  // What an attempt saw of the hosts that it found.
  absl::Status Observe(const AttemptRecord& attempt, Destination& destination, Site& begun_under,
                       const QueueReport& seen);
  // It does not wait for a site that is away any longer, nor for its own pause: one attempt is made.
  absl::Status AskAnew(const std::string& name, Destination& destination);
  // Those that have waited for a site longest, where its hosts may be theirs no more.
  absl::Status AskStaleAnew(const std::string& site);

  // The first two keys of sites that are due, as far as there are any.
  absl::StatusOr<std::vector<std::string>> FirstDue();
  // Of a site: the destination that has waited longest, and since when; InfiniteFuture: none waits. None waits since before
  // the site's `waiting_since`: only deleted keys are there.
  absl::StatusOr<std::pair<absl::Time, std::string>> FirstPlace(const std::string& name, Site& site);
  // Moves what has become ready; at most as much as `promotable_` allows.
  absl::Status Promote(const std::string& name, DestinationRecord& record);
  absl::StatusOr<absl::Time> FirstWaiting(const std::string& name);
  // The first one between two keys, and those behind it that are of the same turn; at most `limit`.
  absl::StatusOr<std::vector<ReadyPlace>> FirstReady(const std::string& from, const std::string& end,
                                                     size_t limit);
  // Those whose turn is next.
  absl::StatusOr<std::vector<ReadyPlace>> NextReady(const std::string& name, const DestinationRecord& record,
                                                    size_t limit);
  // Whether the lanes of the destination are known, as far as a walk finds out.
  absl::StatusOr<bool> KnowLanes(const std::string& name, const DestinationRecord& record);
  // The leases under which attempts are in flight, and some that were: their numbers and ids.
  absl::StatusOr<std::map<int64_t, std::string>> FlightLeases();
  absl::StatusOr<std::optional<QueueGrant>> FirstFlight(int64_t lease_number);
  absl::StatusOr<QueueAttempt> BeginAttempt(const QueueLeaseRequest& request, int64_t lease_number,
                                            const std::string& name, DestinationRecord& record,
                                            const std::string& site_name, rules::Site& site);
  absl::StatusOr<std::vector<int32_t>> Named(const QueueDecision& decision);

  RocksDbShared& shared_;
  Batch& batch_;
  const absl::Time now_;
  std::map<QueueId, std::optional<Message>> messages_;
  std::map<std::string, Destination> destinations_;
  std::map<std::string, Site> sites_;
  // Whose hosts were tried in vain while they were away; empty: none.
  std::string tried_in_vain_;
  // What is remembered for too long is to go.
  bool forgets_ = false;
  size_t promotable_;
  // Destinations of a site that a walk finds.
  size_t places_at_once_ = 1;
  bool leaves_work_ = false;
};

}  // namespace mailstead::engine
