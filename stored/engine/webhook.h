// Webhooks, as the store keeps them: where events of the change feed are posted, how far that has got, and those events that
// wait for their next try or were given up.
//
// Events of a mailbox are sent in order: the first that cannot be sent waits here, and what follows in its mailbox waits behind
// it, while the place in the feed moves on for all others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/task.h"
#include "common/store/ids.h"
#include "stored/engine/change.h"

namespace mailstead::engine {

inline constexpr size_t kMaxWebhooks = 100;
// Of one webhook: while so many events wait, or were given up, the feed waits, or the oldest go.
inline constexpr int64_t kMaxWaitingEvents = 10'000;
inline constexpr int64_t kMaxDeadEvents = 1'000;

struct Webhook {
  enum class State : uint8_t {
    kActive = 0,
    // By an operator.
    kPaused = 1,
    // The receiver says that it is gone for good.
    kGone = 2,
    // It is being taken away, with its events, and is not there for anybody any more.
    kRemoved = 3,
  };
  // Random, and never used again.
  std::string id;
  std::string url;
  // Opaque here, as of FeedConsumer.
  std::string filter;
  // Opaque here.
  std::string sealed_secret;
  State state = State::kActive;
  absl::Time create_time;
  absl::Time update_time;
  // 1 when it is made, one more with every change of what is above.
  int64_t version = 0;
  // What was sealed_secret before, while it counts: until then. Empty: nothing.
  std::string old_sealed_secret;
  absl::Time old_secret_expire_time = absl::InfinitePast();
  bool operator==(const Webhook&) const = default;
};

// A change; an absent member stays as it is, and version 0 means any. Another filter fences who sends.
struct WebhookUpdate {
  std::string id;
  int64_t expected_version = 0;
  std::optional<std::string> url;
  std::optional<std::string> filter;
  // Another secret; the one that it takes the place of counts until then, where that is later than `time`.
  std::optional<std::string> sealed_secret;
  absl::Time old_secret_expire_time = absl::InfinitePast();
  // kPaused or kActive; whoever sends is fenced by either.
  std::optional<Webhook::State> state;
  absl::Time time;
};

// How far it has got.
struct WebhookProgress {
  // All up to here was sent, waits, or was given up; in this incarnation of the store.
  ChangeCursor cursor;
  std::string incarnation;
  // Who sends: a lease of a front-end, and its number, which grows. Empty: nobody does.
  std::string lease_id;
  int64_t fence = 0;
  // Grows with each change of what waits that is not of who sends.
  int64_t revision = 0;
  int64_t waiting_count = 0;
  int64_t dead_count = 0;
  // Dead ones that went, for want of room or with time.
  int64_t dropped_count = 0;
  absl::Time success_time = absl::InfinitePast();
  absl::Time failure_time = absl::InfinitePast();
  // What happened then.
  std::string failure;
  bool operator==(const WebhookProgress&) const = default;
};

struct KeptWebhook {
  Webhook webhook;
  WebhookProgress progress;
  bool operator==(const KeptWebhook&) const = default;
};

// An event that waits, or was given up.
struct WebhookEvent {
  AccountId account;
  // Where to go on behind it in the feed. Position 0: a test, and no event of the feed.
  ChangeCursor at;
  // Opaque here.
  std::string event;
  // Tries so far.
  int32_t attempt_count = 0;
  // When it is tried next, once it is the first of its mailbox; of a dead one when it was given up.
  absl::Time time;
  // What happened last; empty: it was not tried.
  std::string failure;
  bool operator==(const WebhookEvent&) const = default;
};

// The first event that waits of a mailbox. Of a mailbox of which none does `time` is InfiniteFuture.
struct WebhookLane {
  AccountId account;
  absl::Time time;
  bool operator==(const WebhookLane&) const = default;
};

// What became of an event.
struct WebhookOutcome {
  enum class Kind : uint8_t {
    kSent,
    kFailed,
    // It was not tried, as one before it in its mailbox waits.
    kBehind,
  };
  Kind kind = Kind::kSent;
  AccountId account;
  ChangeCursor at;
  // How often it was tried before this.
  int32_t attempt_count = 0;
  // Where it does not wait already: the event.
  std::string event;
  // Of kFailed: what happened; how long the receiver asked to wait, zero: by the schedule; and that it is gone for good.
  std::string failure;
  absl::Duration retry_after;
  bool gone = false;
};

struct WebhookReport {
  std::string id;
  int64_t fence = 0;
  // All up to here has an outcome in this report or an earlier one, or is not for this webhook.
  ChangeCursor cursor;
  // At most kMaxWebhookOutcomes; those of a mailbox in order.
  std::vector<WebhookOutcome> outcomes;
};
inline constexpr size_t kMaxWebhookOutcomes = 1000;

struct WebhookReported {
  WebhookProgress progress;
  // Of the outcomes' mailboxes, by account, as they are now.
  std::vector<WebhookLane> lanes;
};

// NotFound with kReasonWebhookNotFound, of all verbs that name one.
class WebhookEngine {
 public:
  virtual ~WebhookEngine() = default;

  // Few, and read whole: sorted by id, with those that are being taken away.
  virtual Task<absl::StatusOr<std::vector<KeptWebhook>>> List() = 0;
  virtual Task<absl::StatusOr<KeptWebhook>> Find(std::string id) = 0;
  // ResourceExhausted with kReasonTooManyWebhooks.
  virtual Task<absl::Status> Create(KeptWebhook webhook) = 0;
  // Aborted with kReasonEtagMismatch, as of those below that have an expected version.
  virtual Task<absl::StatusOr<KeptWebhook>> Update(WebhookUpdate update) = 0;
  // It goes on at this cursor, in this incarnation; what waits goes on waiting. Whoever sends is fenced.
  virtual Task<absl::StatusOr<KeptWebhook>> Reset(std::string id, int64_t expected_version,
                                                  ChangeCursor cursor, std::string incarnation) = 0;
  // A bounded step: it is not there any more for anybody behind the first, which compares the version. Whether there is more to
  // take away; NotFound when nothing is left.
  virtual Task<absl::StatusOr<bool>> Delete(std::string id, int64_t expected_version) = 0;

  // The lease sends from now on, with a new fence, where nobody with a live lease does. Else, and for one that is not active:
  // as it is, without a change.
  virtual Task<absl::StatusOr<KeptWebhook>> Claim(std::string id, std::string lease_id) = 0;
  // Aborted with kReasonWebhookFenced: another one sends now, or nobody is to. ResourceExhausted with kReasonBusy: more would
  // wait than may. A repeat changes nothing.
  virtual Task<absl::StatusOr<WebhookReported>> Report(WebhookReport report, absl::Time now) = 0;
  // By account, those behind `after`.
  virtual Task<absl::StatusOr<std::vector<WebhookLane>>> ListLanes(std::string id, AccountId after,
                                                                   size_t limit) = 0;
  // What waits of a mailbox, in order.
  virtual Task<absl::StatusOr<std::vector<WebhookEvent>>> ListWaiting(std::string id, AccountId account,
                                                                      size_t limit) = 0;
  // In the order of the feed, those behind `after`.
  virtual Task<absl::StatusOr<std::vector<WebhookEvent>>> ListDead(std::string id, ChangeCursor after,
                                                                   size_t limit) = 0;
  // These wait again, to be tried at once and as often as a new one: how many of them there were. At most
  // kMaxWebhookOutcomes. ResourceExhausted with kReasonBusy.
  virtual Task<absl::StatusOr<int64_t>> Revive(std::string id, std::vector<ChangeCursor> dead,
                                               absl::Time now) = 0;
  // Waits from now on, beside what is of the feed; its cursor is the engine's. ResourceExhausted with kReasonBusy.
  virtual Task<absl::Status> Add(std::string id, WebhookEvent test) = 0;
};

}  // namespace mailstead::engine
