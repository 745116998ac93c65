// The change feed, as an engine keeps it; types.h has the rest. stored/core/watches.h and stored/core/consumers.h make streams
// of it.
//
// A change is written in the commit of what it tells, and has the next position. Positions grow within a mailbox. Of different
// mailboxes an engine promises no order, but this: what Read has passed over never shows up behind where it said that it got.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/base/task.h"
#include "common/store/ids.h"
#include "stored/engine/types.h"

namespace mailstead::engine {

enum class ChangeKind : uint8_t {
  kDelivered = 1,
  kDeleted = 2,
  // All that the mailbox had: its account is removed.
  kEmptied = 3,
  kAccountCreated = 4,
  kAccountUpdated = 5,
  kAccountRenamed = 6,
  kAccountDisabled = 7,
  kAccountEnabled = 8,
  kAccountRemoved = 9,
  kSubmission = 10,
  // From the trash.
  kRestored = 11,
};

// Of a set of kinds.
constexpr uint32_t KindBit(ChangeKind kind) { return uint32_t{1} << static_cast<unsigned>(kind); }
inline constexpr uint32_t kAllChangeKinds = ~uint32_t{0};

// News of a recipient of a submission (proto: SubmissionEvent).
struct SubmissionNews {
  enum class Kind : uint8_t {
    kDelivered = 1,
    kFailed = 2,
    kDeferred = 3,
    kCancelled = 4,
    kBounced = 5,
    kDelayed = 6
  };
  std::string submission_id;
  std::string recipient;
  Kind kind = Kind::kDeferred;
  int32_t reply_code = 0;
  std::string reply_status;
  // At most kMaxQueueReplyBytes.
  std::string reply_text;
  bool operator==(const SubmissionNews&) const = default;
};

// A place in the feed: behind all changes up to `position`, and of the one behind it behind its messages up to `message`.
struct ChangeCursor {
  int64_t position = 0;
  MessageId message;
  auto operator<=>(const ChangeCursor&) const = default;
};

// Messages of one Deleted, as it is told: a larger deletion is told in parts.
inline constexpr size_t kMaxToldDeletions = 1000;

// One change, or a part of one.
struct FeedChange {
  ChangeKind kind = ChangeKind::kDelivered;
  // 0: nobody's.
  AccountId account;
  absl::Time time;
  // Where to go on behind it.
  ChangeCursor end;
  // Of kDelivered.
  MessageId message;
  // With the question's `summaries`; absent: the message is gone.
  std::optional<MessageSummary> summary;
  // Of kDeleted: ascending, at most kMaxToldDeletions.
  std::vector<MessageId> deleted;
  DeletionCause cause = DeletionCause::kApi;
  // Of kRestored: ascending, at most kMaxRestoredAtOnce.
  std::vector<MessageId> restored;
  // Of changes of accounts: the address then, and of kAccountRenamed the one before.
  std::string address;
  std::string old_address;
  SubmissionNews submission;
  // The account's address now, or when it was removed; empty: nobody's.
  std::string current_address;
};

// What is asked of the feed.
struct ChangeQuestion {
  ChangeCursor after;
  // One of these three; none of the first two: all. Sorted, each once.
  std::vector<AccountId> accounts;
  // Accounts that are of this domain now, or were when they were removed; and renames from or to it. Normalized.
  std::string domain;
  // Of KindBit.
  uint32_t kinds = kAllChangeKinds;
  // Deliveries come with their summaries.
  bool summaries = false;
  // At most so many changes, and fewer where they are large.
  size_t limit = 100;
};

struct ChangePage {
  std::vector<FeedChange> changes;
  // All up to here was looked at: go on from here.
  ChangeCursor reached;
  // There may be more behind `reached` that was committed already.
  bool more = false;
};

// What is kept.
struct ChangeBounds {
  // Of the oldest change that is kept; last + 1: none is.
  int64_t first = 1;
  // Of the newest one that has committed.
  int64_t last = 0;
  // A cursor with a lesser position has missed something.
  int64_t least_cursor() const { return first - 1; }
};

// A place that is kept for a program's workers.
struct FeedConsumer {
  std::string name;
  // Opaque here; at most kMaxConsumerFilterBytes.
  std::string filter;
  absl::Time create_time;
  absl::Time ack_time = absl::InfinitePast();
  absl::Duration ack_timeout;
  // Acknowledged, in this incarnation of the store.
  ChangeCursor acked;
  std::string incarnation;
  // Of the worker that became active last; 0: none since it was made or set. Greater than all before.
  int64_t fence = 0;
  bool operator==(const FeedConsumer&) const = default;
};
inline constexpr size_t kMaxConsumers = 1000;
inline constexpr size_t kMaxConsumerFilterBytes = 64 << 10;

// What a commit has added to the feed, for those who wait.
struct CommittedChange {
  ChangeKind kind = ChangeKind::kDelivered;
  AccountId account;
  int64_t position = 0;
  // Of renames and removals: the addresses that domains are found by.
  std::string address;
  std::string old_address;
};

class ChangeListener {
 public:
  virtual ~ChangeListener() = default;
  // On any thread, one call at a time, in the order of the commits, behind each; quick, and calls no verb of the engine.
  // Empty: anything may have come.
  virtual void Committed(absl::Span<const CommittedChange> changes) = 0;
};

class ChangeEngine {
 public:
  virtual ~ChangeEngine() = default;

  // Never waits.
  virtual ChangeBounds Bounds() const = 0;
  // Changes in order. OutOfRange with kReasonCursorExpired: what came behind `after` is not all kept any more, or `after` is
  // ahead of the feed. A bounded step, whatever the filter: a page may be empty, and yet say `more`.
  virtual Task<absl::StatusOr<ChangePage>> Read(ChangeQuestion question) = 0;
  // Forgets, in one bounded step, changes that are older than `age` or too many. Whether there may be more.
  virtual Task<absl::StatusOr<bool>> Trim(absl::Duration age, int64_t max_count) = 0;
  // One at a time; null: nobody. It is called no more once this has returned.
  virtual void SetListener(ChangeListener* listener) = 0;

  // AlreadyExists with kReasonConsumerExists; ResourceExhausted with kReasonTooManyConsumers. `fence` is the engine's.
  virtual Task<absl::Status> CreateConsumer(FeedConsumer consumer) = 0;
  // NotFound with kReasonConsumerNotFound.
  virtual Task<absl::StatusOr<FeedConsumer>> FindConsumer(std::string name) = 0;
  // Sorted by name, those after `after`.
  virtual Task<absl::StatusOr<std::vector<FeedConsumer>>> ListConsumers(std::string after, size_t limit) = 0;
  virtual Task<absl::Status> DeleteConsumer(std::string name) = 0;
  // Another worker is active from now on: gives the consumer with a new fence. NotFound.
  virtual Task<absl::StatusOr<FeedConsumer>> ActivateConsumer(std::string name) = 0;
  // rules::DecideAck. NotFound; Aborted with kReasonConsumerFenced. Without a change where it is not ahead.
  virtual Task<absl::Status> AckConsumer(std::string name, int64_t fence, ChangeCursor cursor,
                                         absl::Time now) = 0;
  // Elsewhere from now on, in this incarnation; whoever was active is not any more. NotFound.
  virtual Task<absl::StatusOr<FeedConsumer>> ResetConsumer(std::string name, ChangeCursor cursor,
                                                           std::string incarnation) = 0;
};

}  // namespace mailstead::engine
