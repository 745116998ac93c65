// What the store keeps of mail that was submitted by calls: to whom it went, and what became of each (proto: Submission).
//
// A submission is kept by the commit that stores its message (NewMessage::submission), and what becomes of a recipient by the
// commit that ends it in the queue. Its id is the delivery id of its message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/task.h"
#include "common/mail/envelope.h"
#include "stored/engine/types.h"

namespace mailstead::engine {

// A recipient of the envelope that was refused when the message was submitted.
struct RefusedRecipient {
  // Which recipient of NewSubmission::envelope.
  int32_t recipient = 0;
  std::string reason;
  std::string text;
  bool operator==(const RefusedRecipient&) const = default;
};

// With its message; the message's fingerprint is of the submission.
struct NewSubmission {
  AccountId account;
  std::string request_id;
  // As it was submitted, with those that were refused.
  Envelope envelope;
  // Of the recipients of the message's own envelope: which they are in this one; ascending.
  std::vector<int32_t> taken;
  std::vector<RefusedRecipient> refused;
  // Without angle brackets.
  std::string message_id;
  // How many of an account are kept. One more takes the place of the oldest that has ended; ResourceExhausted with
  // kReasonTooManySubmissions: none of the first kOldestLookedAt has.
  int64_t most_kept = 100'000;
};
inline constexpr size_t kOldestLookedAt = 8;
// Addresses that one goes to, and recipients that are refused: one commit may delete so many records when it is forgotten.
inline constexpr size_t kMaxSubmissionTargets = 2000;

// What a notification that came later said of a recipient. Nobody has checked that.
struct SubmissionBounce {
  enum class Action : uint8_t { kFailed, kDelayed };
  Action action = Action::kFailed;
  std::string status;
  std::string text;
  std::string reporting_host;
  absl::Time time = absl::InfinitePast();
  bool operator==(const SubmissionBounce&) const = default;
};
inline constexpr size_t kMaxBounceTextBytes = 512;

// What became of mail for an address that waited in the queue.
struct SubmissionOutcome {
  enum class Kind : uint8_t { kDelivered, kRelayed, kFailed, kCancelled };
  Kind kind = Kind::kFailed;
  int32_t attempt_count = 0;
  QueueReply reply;
  // Of a relayed one.
  std::optional<SubmissionBounce> bounce;
  bool operator==(const SubmissionOutcome&) const = default;
};

// Where mail goes, or whom it is refused for.
struct SubmissionTarget {
  enum class State : uint8_t {
    kScheduled,
    kQueued,
    kInFlight,
    kDelivered,
    kRelayed,
    kFailed,
    kBounced,
    kCancelled,
    kRefused,
  };
  // Of the envelope.
  int32_t recipient = 0;
  // Empty: that recipient's own.
  std::string address;
  // As it is now, where that is known; as it was in the beginning else: kQueued, kDelivered or kRefused.
  State state = State::kQueued;
  // It went into the queue, whatever has become of it.
  bool was_queued = false;
  int32_t attempt_count = 0;
  absl::Time next_attempt_time = absl::InfinitePast();
  QueueReply reply;
  // Of a refused one; `reply.text` says the same for people.
  std::string reason;
  std::optional<SubmissionBounce> bounce;
  bool operator==(const SubmissionTarget&) const = default;
};

struct Submission {
  std::string id;
  AccountId account;
  std::string request_id;
  // Of what makes two submissions the same.
  std::string fingerprint;
  // SHA-256 of the content as it is kept.
  std::string sha256;
  Envelope envelope;
  std::string message_id;
  absl::Time submit_time;
  // InfinitePast: at once.
  absl::Time send_time = absl::InfinitePast();
  // Where its message was put in the queue; 0: nowhere.
  QueueId queue_id;
  // Those in the queue first: their index is their number there.
  std::vector<SubmissionTarget> targets;
};

// Where one stands among others.
struct SubmissionPlace {
  absl::Time submit_time = absl::InfiniteFuture();
  std::string id;
};

// A notification, as far as it says which mail it is about.
struct SubmissionReport {
  // Whose mailbox it came to.
  AccountId account;
  // Either may be empty: the submission's id, or its Message-ID.
  std::string id;
  std::string message_id;
  // Of whom it speaks: rules::ReportedName.
  struct Recipient {
    std::string address;
    SubmissionBounce bounce;
  };
  std::vector<Recipient> recipients;
};

// By submission id: printable, and without NUL.
class SubmissionEngine {
 public:
  virtual ~SubmissionEngine() = default;

  // As it is now. NotFound.
  virtual Task<absl::StatusOr<Submission>> Find(std::string id) = 0;
  // Newest first, those behind (older than) `after`, at most `limit`; of one account, or with 0 of all. As they are now.
  virtual Task<absl::StatusOr<std::vector<Submission>>> List(AccountId account, SubmissionPlace after,
                                                             size_t limit) = 0;
  // What a stranger says of mail of the account: kept only with a target that was relayed and whose address, or the recipient's
  // that led there, is the one that it names. A failure stays, whatever comes later. How many targets have changed; 0 where
  // there is no such submission.
  virtual Task<absl::StatusOr<size_t>> NoteReport(SubmissionReport report) = 0;
  // Forgets submissions that have ended before a time, the first to end first, at most `limit`, and as many as one commit may;
  // how many. 0: there is none.
  virtual Task<absl::StatusOr<size_t>> Forget(absl::Time ended_before, size_t limit) = 0;
};

}  // namespace mailstead::engine
