#include "webd/webhooks/sender.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "common/store/webhook_methods.h"
#include "webd/metrics.h"

namespace mailstead::web {
namespace {

namespace fv1 = frontend::v1;

// Events of the feed that are in memory, and outcomes beyond which nothing new is begun: with what is under way then, a report
// has fewer than the 1,000 that it may have.
constexpr size_t kMaxWindow = 300;
constexpr int kReadLimit = 100;
constexpr int kLaneLimit = 8;
// The store keeps 10,000; what is in memory may all have to wait.
constexpr int64_t kMaxWaiting = 10'000 - 1'000;
// The store takes 2 MiB, and no event that is kept has more than some KiB.
constexpr size_t kEnoughReportBytes = 1 << 20;
constexpr absl::Duration kReadWait = absl::Seconds(2);
constexpr absl::Duration kPause = absl::Seconds(1);
// What was passed over in the feed is told now and then.
constexpr absl::Duration kBetweenMoves = absl::Seconds(5);
constexpr absl::Duration kReportPatience = absl::Seconds(10);
constexpr absl::Duration kExpiredPause = absl::Seconds(30);

absl::Time Now() { return Clock::Steady().Now(); }

absl::Duration DurationOf(const google::protobuf::Duration& proto) {
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

}  // namespace

Sender::Sender(asio::any_io_executor executor, store::StoreApi& store, Poster& poster, Metrics& metrics,
               size_t& held_bytes, SenderOptions options, fv1::ClaimedWebhook webhook)
    : executor_(std::move(executor)),
      store_(store),
      poster_(poster),
      metrics_(metrics),
      held_bytes_(held_bytes),
      options_(options),
      webhook_(std::move(webhook)),
      read_timer_(Timers::Steady().NewTimer(executor_)),
      lane_timer_(Timers::Steady().NewTimer(executor_)),
      report_timer_(Timers::Steady().NewTimer(executor_)),
      read_(webhook_.cursor().position(), webhook_.cursor().message_id()),
      settled_(read_),
      reported_(read_),
      reported_time_(Now()),
      known_revision_(webhook_.revision()),
      waiting_count_(webhook_.waiting_count()) {}

Sender::~Sender() {
  for (const auto& [account, chain] : chains_) {
    for (const Event& event : chain) held_bytes_ -= event.ByteSizeLong();
  }
}

template <typename Loop>
void Sender::Spawn(Loop loop) {
  ++task_count_;
  asio::co_spawn(executor_, std::move(loop), [this](std::exception_ptr) {
    --task_count_;
    Changed();
  });
}

void Sender::Start() {
  obs::LogInfo("webhook_claimed", {{"webhook", webhook_.webhook_id()}, {"fence", webhook_.fence()}});
  Spawn(ReadFeed());
  Spawn(WorkLanes());
  Spawn(SendReports());
}

void Sender::Refresh(const fv1::ClaimedWebhook& webhook) {
  // What is on its way has what it was sent with.
  webhook_.set_url(webhook.url());
  webhook_.set_secret(webhook.secret());
  webhook_.set_old_secret(webhook.old_secret());
  if (webhook.revision() == known_revision_) return;
  known_revision_ = webhook.revision();
  lanes_known_ = false;
  Changed();
}

void Sender::Stop() {
  if (stopping_) return;
  stopping_ = true;
  obs::LogInfo("webhook_left", {{"webhook", webhook_.webhook_id()}, {"fenced", fenced_}});
  Changed();
}

void Sender::Changed() {
  read_timer_->Cancel();
  lane_timer_->Cancel();
  report_timer_->Cancel();
}

store::CallContext Sender::Context(absl::Duration wait) const {
  store::CallContext context;
  context.timeout = options_.store_timeout + wait;
  return context;
}

bool Sender::GoesOn(const absl::Status& status, const char* what) {
  if (absl::IsAborted(status) || absl::IsNotFound(status)) {
    fenced_ = true;
    Stop();
    return false;
  }
  if (!failing_) {
    obs::LogWarning("webhook_store_failed",
                    {{"webhook", webhook_.webhook_id()}, {"what", what}, {"reason", status.message()}});
  }
  failing_ = true;
  return !stopping_;
}

// ---- The feed

bool Sender::MayRead() const {
  return window_.size() + kReadLimit <= kMaxWindow && outcomes_.size() < kMaxWindow &&
         waiting_count_ < kMaxWaiting && held_bytes_ < options_.max_held_bytes && lanes_known_ &&
         options_.may_send();
}

asio::awaitable<void> Sender::ReadFeed() {
  while (!stopping_) {
    if (!MayRead()) {
      co_await read_timer_->WaitUntil(Now() + kPause);
      continue;
    }
    fv1::ReadWebhookEventsRequest request;
    request.set_webhook_id(webhook_.webhook_id());
    request.set_fence(webhook_.fence());
    request.mutable_cursor()->set_position(read_.first);
    request.mutable_cursor()->set_message_id(read_.second);
    request.set_event_limit(kReadLimit);
    request.mutable_wait()->set_seconds(absl::ToInt64Seconds(kReadWait));
    absl::StatusOr<fv1::ReadWebhookEventsResponse> page =
        co_await store_.Call(store::kReadWebhookEvents, std::move(request), Context(kReadWait));
    if (!page.ok()) {
      if (!GoesOn(page.status(), "read")) co_return;
      // One that has expired is for an operator.
      const bool expired = absl::IsOutOfRange(page.status());
      co_await read_timer_->WaitUntil(Now() + (expired ? kExpiredPause : kPause));
      continue;
    }
    failing_ = false;
    // What was read is not begun any more; it is read again by who comes next.
    if (stopping_) co_return;
    for (Event& event : *page->mutable_events()) Take(std::move(event));
    read_ = {page->reached().position(), page->reached().message_id()};
    BeginWhatMay();
    report_timer_->Cancel();
  }
}

void Sender::Take(Event event) {
  window_.emplace(Cursor(event.cursor().position(), event.cursor().message_id()), false);
  held_bytes_ += event.ByteSizeLong();
  const int64_t account = event.account_id();
  if (lanes_.contains(account)) {
    AddOutcome(event, fv1::WebhookOutcome::KIND_BEHIND, {}, /*is_new=*/true);
    Settle(event);
    return;
  }
  std::deque<Event>& chain = chains_[account];
  chain.push_back(std::move(event));
  if (chain.size() == 1) ready_.push_back(account);
}

void Sender::Settle(const Event& event) {
  window_[Cursor(event.cursor().position(), event.cursor().message_id())] = true;
  held_bytes_ -= event.ByteSizeLong();
}

void Sender::BeginWhatMay() {
  while (!stopping_ && !ready_.empty() && in_flight_ < options_.max_in_flight && options_.may_send()) {
    const int64_t account = ready_.front();
    ready_.pop_front();
    ++in_flight_;
    Spawn(SendHead(account));
  }
}

asio::awaitable<void> Sender::SendHead(int64_t account) {
  // It stays where it is: who comes behind it must see that something is under way. Elements of a deque keep their place.
  const Posted posted = co_await poster_.Post(webhook_, chains_[account].front());
  --in_flight_;
  if (posted.cut_off) co_return;
  std::deque<Event>& present = chains_[account];
  metrics_.CountWebhookEvent(posted.sent);
  if (posted.sent) {
    AddOutcome(present.front(), fv1::WebhookOutcome::KIND_SENT, posted, /*is_new=*/false);
    Settle(present.front());
    present.pop_front();
    if (present.empty()) {
      chains_.erase(account);
    } else {
      ready_.push_back(account);
    }
  } else {
    AddOutcome(present.front(), fv1::WebhookOutcome::KIND_FAILED, posted, /*is_new=*/true);
    Settle(present.front());
    present.pop_front();
    for (const Event& behind : present) {
      AddOutcome(behind, fv1::WebhookOutcome::KIND_BEHIND, {}, /*is_new=*/true);
      Settle(behind);
    }
    chains_.erase(account);
  }
  BeginWhatMay();
  Changed();
}

// ---- What waits

void Sender::SetDue(int64_t account, Lane& lane, absl::Time due) {
  due_.erase({lane.due, account});
  lane.due = due;
  if (due != absl::InfiniteFuture()) due_.emplace(due, account);
}

void Sender::TakeLane(const fv1::WebhookLane& proto) {
  const int64_t account = proto.account_id();
  const auto found = lanes_.find(account);
  if (!proto.waits()) {
    if (found == lanes_.end() || found->second.sending || found->second.pending > 0) return;
    due_.erase({found->second.due, account});
    lanes_.erase(found);
    return;
  }
  Lane& lane = found == lanes_.end() ? lanes_[account] : found->second;
  // What is on its way to the store, or from there, says more than this.
  if (lane.sending || lane.pending > 0) return;
  SetDue(account, lane, Now() + DurationOf(proto.due_in()));
}

asio::awaitable<absl::Status> Sender::ListLanes() {
  const int64_t revision = known_revision_;
  fv1::ListWebhookLanesRequest request;
  request.set_webhook_id(webhook_.webhook_id());
  request.set_fence(webhook_.fence());
  while (true) {
    absl::StatusOr<fv1::ListWebhookLanesResponse> page =
        co_await store_.Call(store::kListWebhookLanes, request, Context(absl::ZeroDuration()));
    if (!page.ok()) co_return page.status();
    for (const fv1::WebhookLane& lane : page->lanes()) TakeLane(lane);
    if (page->lanes_size() < 1000) break;
    request.set_from_account_id(page->lanes().rbegin()->account_id() + 1);
  }
  lanes_known_ = revision == known_revision_;
  co_return absl::OkStatus();
}

asio::awaitable<void> Sender::WorkLanes() {
  while (!stopping_) {
    if (!lanes_known_) {
      const absl::Status listed = co_await ListLanes();
      if (!listed.ok()) {
        if (!GoesOn(listed, "list")) co_return;
        co_await lane_timer_->WaitUntil(Now() + kPause);
        continue;
      }
      read_timer_->Cancel();
    }
    const auto has_room = [this] {
      return in_flight_ < options_.max_in_flight && outcomes_.size() < kMaxWindow && options_.may_send();
    };
    while (!stopping_ && !due_.empty() && due_.begin()->first <= Now() && has_room()) {
      const int64_t account = due_.begin()->second;
      Lane& lane = lanes_[account];
      SetDue(account, lane, absl::InfiniteFuture());
      lane.sending = true;
      ++in_flight_;
      Spawn(SendLane(account));
    }
    if (stopping_) co_return;
    const absl::Time next = due_.empty() ? absl::InfiniteFuture() : due_.begin()->first;
    co_await lane_timer_->WaitUntil(has_room() ? next : Now() + kPause);
  }
}

asio::awaitable<void> Sender::SendLane(int64_t account) {
  fv1::ReadWebhookEventsRequest request;
  request.set_webhook_id(webhook_.webhook_id());
  request.set_fence(webhook_.fence());
  request.set_waiting(true);
  request.set_account_id(account);
  request.set_event_limit(kLaneLimit);
  absl::StatusOr<fv1::ReadWebhookEventsResponse> page =
      co_await store_.Call(store::kReadWebhookEvents, std::move(request), Context(absl::ZeroDuration()));
  bool retry = false;
  if (page.ok()) {
    for (const Event& event : page->events()) {
      if (stopping_) break;
      const Posted posted = co_await poster_.Post(webhook_, event);
      if (posted.cut_off) break;
      metrics_.CountWebhookEvent(posted.sent);
      AddOutcome(event, posted.sent ? fv1::WebhookOutcome::KIND_SENT : fv1::WebhookOutcome::KIND_FAILED,
                 posted,
                 /*is_new=*/false);
      if (!posted.sent) break;
    }
  } else {
    retry = GoesOn(page.status(), "read waiting");
  }
  --in_flight_;
  Lane& lane = lanes_[account];
  lane.sending = false;
  if (lane.pending == 0) {
    // Nothing that the store would answer.
    if (retry || stopping_) {
      SetDue(account, lane, Now() + kPause);
    } else {
      lanes_.erase(account);
    }
  }
  BeginWhatMay();
  Changed();
}

// ---- Reports

void Sender::AddOutcome(const Event& event, fv1::WebhookOutcome::Kind kind, const Posted& posted,
                        bool is_new) {
  fv1::WebhookOutcome outcome;
  outcome.set_kind(kind);
  outcome.set_account_id(event.account_id());
  *outcome.mutable_cursor() = event.cursor();
  outcome.set_attempt_count(event.attempt_count());
  if (is_new) outcome.set_kept(event.kept());
  if (kind == fv1::WebhookOutcome::KIND_FAILED) {
    outcome.set_failure(posted.failure);
    outcome.mutable_retry_after()->set_seconds(absl::ToInt64Seconds(posted.retry_after));
    outcome.set_gone(posted.gone);
    obs::LogWarning("webhook_event_failed", {{"webhook", webhook_.webhook_id()},
                                             {"event_id", event.event_id()},
                                             {"tries", event.attempt_count() + 1},
                                             {"reason", posted.failure}});
  }
  // What was taken at once, of a mailbox of which nothing waits, makes no lane.
  const bool is_pending = kind != fv1::WebhookOutcome::KIND_SENT || lanes_.contains(event.account_id());
  if (is_pending) ++lanes_[event.account_id()].pending;
  outcomes_.push_back({std::move(outcome), is_pending});
}

Sender::Cursor Sender::Settled() {
  while (!window_.empty() && window_.begin()->second) {
    settled_ = std::max(settled_, window_.begin()->first);
    window_.erase(window_.begin());
  }
  if (window_.empty()) settled_ = std::max(settled_, read_);
  return settled_;
}

bool Sender::HasReport() const {
  return !outcomes_.empty() ||
         (settled_ > reported_ && (stopping_ || Now() - reported_time_ >= kBetweenMoves));
}

asio::awaitable<void> Sender::SendReports() {
  while (!fenced_) {
    Settled();
    if (!HasReport()) {
      // The two others, and what is under way, may still have something to tell.
      if (stopping_ && task_count_ == 1) co_return;
      co_await report_timer_->WaitUntil(Now() + kBetweenMoves);
      continue;
    }
    fv1::ReportWebhookEventsRequest request;
    request.set_webhook_id(webhook_.webhook_id());
    request.set_fence(webhook_.fence());
    std::vector<Outcome> told = std::exchange(outcomes_, {});
    size_t bytes = 0;
    size_t count = 0;
    for (; count < told.size() && bytes < kEnoughReportBytes; ++count) {
      bytes += told[count].proto.ByteSizeLong();
      *request.add_outcomes() = told[count].proto;
    }
    // The place moves with the last of the outcomes.
    const Cursor cursor = count == told.size() ? settled_ : reported_;
    outcomes_.assign(std::make_move_iterator(told.begin() + static_cast<std::ptrdiff_t>(count)),
                     std::make_move_iterator(told.end()));
    told.resize(count);
    request.mutable_cursor()->set_position(cursor.first);
    request.mutable_cursor()->set_message_id(cursor.second);
    store::CallContext context = Context(absl::ZeroDuration());
    context.patience = kReportPatience;
    const absl::StatusOr<fv1::ReportWebhookEventsResponse> kept =
        co_await store_.Call(store::kReportWebhookEvents, std::move(request), std::move(context));
    if (!kept.ok()) {
      // In front of what has happened since.
      told.insert(told.end(), std::make_move_iterator(outcomes_.begin()),
                  std::make_move_iterator(outcomes_.end()));
      outcomes_ = std::move(told);
      const bool was_stopping = stopping_;
      if (!GoesOn(kept.status(), "report") || was_stopping) co_return;
      co_await report_timer_->WaitUntil(Now() + kPause);
      continue;
    }
    failing_ = false;
    reported_ = std::max(reported_, cursor);
    reported_time_ = Now();
    waiting_count_ = kept->waiting_count();
    for (const Outcome& outcome : told) {
      if (outcome.is_pending) --lanes_[outcome.proto.account_id()].pending;
    }
    for (const fv1::WebhookLane& lane : kept->lanes()) TakeLane(lane);
    read_timer_->Cancel();
    lane_timer_->Cancel();
  }
}

}  // namespace mailstead::web
