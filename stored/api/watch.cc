#include "stored/api/watch.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/convert/values.h"
#include "stored/api/convert/watch.h"
#include "stored/api/message_view.h"
#include "stored/api/visible.h"
#include "stored/api/watched.h"
#include "stored/core/consumers.h"
#include "stored/core/feed_cursor.h"
#include "stored/core/paging.h"
#include "stored/core/watches.h"
#include "stored/rules/change.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;
using engine::ChangeCursor;
using engine::ChangeKind;

constexpr absl::Duration kDefaultHeartbeat = absl::Seconds(30);
constexpr absl::Duration kMinHeartbeat = absl::Seconds(1);
constexpr absl::Duration kMaxHeartbeat = absl::Minutes(5);
constexpr int32_t kDefaultUnacknowledged = 1000;
constexpr int32_t kMaxUnacknowledged = 10'000;
constexpr absl::Duration kDefaultAckTimeout = absl::Seconds(30);
constexpr absl::Duration kMinAckTimeout = absl::Seconds(5);
constexpr absl::Duration kMaxAckTimeout = absl::Hours(1);
// Events of one response: of one that is near the end of the feed, and of one that is far behind.
constexpr size_t kFewEvents = 64;
constexpr size_t kManyEvents = 500;
constexpr int64_t kFarBehind = 1000;
// A response with messages is sent when it has so much; and about how much a page of the feed has.
constexpr size_t kEnoughBytes = 128 << 10;
// How often a worker that waits looks at the one that is active, and a stream for which there is no memory at that.
constexpr absl::Duration kLook = absl::Seconds(1);
constexpr absl::Duration kMemoryLook = absl::Milliseconds(20);
constexpr size_t kMaxConsumerNameBytes = 64;
constexpr absl::string_view kConsumersListing = "consumers";

absl::StatusOr<absl::Duration> DurationOf(absl::string_view field, bool is_set,
                                          const google::protobuf::Duration& proto, absl::Duration otherwise,
                                          absl::Duration least, absl::Duration most) {
  if (!is_set) return otherwise;
  ASSIGN_OR_RETURN(const absl::Duration duration, FromProto(field, proto));
  if (duration >= least && duration <= most) return duration;
  return FieldError(
      field, absl::StrCat("must be ", absl::FormatDuration(least), " to ", absl::FormatDuration(most)));
}

absl::Status CheckConsumerName(absl::string_view field, absl::string_view name) {
  const auto is_sign = [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c));
  };
  const auto is_allowed = [&](char c) { return is_sign(c) || c == '.' || c == '_' || c == '-'; };
  if (!name.empty() && name.size() <= kMaxConsumerNameBytes && is_sign(name.front()) &&
      std::all_of(name.begin(), name.end(), is_allowed)) {
    return absl::OkStatus();
  }
  return FieldError(field, "must have 1 to 64 characters of [a-z0-9._-], the first one a letter or digit");
}

// A consumer that the caller sees, with what it is told of.
struct SeenConsumer {
  engine::FeedConsumer consumer;
  Watched watched;
};

Task<absl::StatusOr<SeenConsumer>> FindSeen(Environment& environment, const rpc::Call& call,
                                            std::string name) {
  SeenConsumer seen;
  CO_ASSIGN_OR_RETURN(seen.consumer, co_await environment.core.engine.changes().FindConsumer(name));
  CO_ASSIGN_OR_RETURN(seen.watched, ReadKeptFilter(seen.consumer.filter));
  const bool sees = co_await SeesWatched(environment, call, seen.watched);
  if (!sees) co_return rules::NoConsumer(name);
  co_return seen;
}

// Cuts off, on the executor's thread, a reader that takes nothing. Shared with the timer, which may come late.
struct Guard {
  // Null: nothing is being written.
  rpc::Writer<v1::WatchResponse>* writer = nullptr;
};

Task<void> CutOff(Executor& executor, std::shared_ptr<Guard> guard) {
  co_await ResumeOn(executor);
  if (guard->writer != nullptr) guard->writer->Cut();
}

// A page of the feed that is being read, or was.
struct PageAhead {
  Arrival<absl::StatusOr<engine::ChangePage>> page;
  // When it was begun.
  int64_t account_changes = 0;
  // Of one that is in memory beside the page that is sent.
  ByteHold held;
};

Task<void> Bring(engine::ChangeEngine& changes, engine::ChangeQuestion question, PageAhead& ahead) {
  ahead.page.Set(co_await changes.Read(std::move(question)));
}

// One call of Watch.
class Stream {
 public:
  Stream(Environment& environment, rpc::Call& call, const v1::WatchRequest& request,
         rpc::Writer<v1::WatchResponse>& writer)
      : environment_(environment),
        core_(environment.core),
        call_(call),
        request_(request),
        writer_(writer),
        waker_(core_.watches.NewWaker()),
        member_(core_.watches, waker_),
        held_(core_.watches.budget()) {
    call_.WhenGone([this] { waker_.Wake(); });
  }
  ~Stream() { call_.WhenGone(nullptr); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Task<absl::Status> Run() {
    absl::Status ended = co_await Follow();
    // What is being read for it refers to it.
    if (ahead_.has_value()) (void)co_await ahead_->page;
    co_return ended;
  }

 private:
  Task<absl::Status> Follow() {
    CO_RETURN_IF_ERROR(core_.watches.CheckRoom());
    CO_ASSIGN_OR_RETURN(view_, ViewOf(request_));
    // What is in a message is read by those who may read messages, also here.
    if (view_.view > v1::MESSAGE_VIEW_SUMMARY) CO_RETURN_IF_ERROR(CheckScope(call_, kMailRead));
    CO_ASSIGN_OR_RETURN(heartbeat_, DurationOf("heartbeat_interval", request_.has_heartbeat_interval(),
                                               request_.heartbeat_interval(), kDefaultHeartbeat,
                                               kMinHeartbeat, kMaxHeartbeat));
    next_heartbeat_ = Now() + heartbeat_;
    if (request_.consumer().empty()) {
      CO_RETURN_IF_ERROR(co_await Begin());
    } else {
      CO_RETURN_IF_ERROR(co_await BeginAsConsumer());
    }
    question_ = watched_.Question();
    present_.insert(watched_.accounts.begin(), watched_.accounts.end());
    CO_RETURN_IF_ERROR(co_await SendStarted());
    while (true) {
      CO_RETURN_IF_ERROR(co_await Check());
      CO_RETURN_IF_ERROR(co_await Step());
    }
  }

  absl::Time Now() const { return Clock::Steady().Now(); }
  bool is_consumer() const { return worker_.has_value(); }

  Task<absl::Status> Begin() {
    CO_ASSIGN_OR_RETURN(watched_, co_await Resolve(environment_, call_, request_.filter()));
    // First, so that what comes behind the start is news.
    CO_RETURN_IF_ERROR(member_.Subscribe(watched_.accounts, watched_.domain));
    CO_ASSIGN_OR_RETURN(at_, StartOf(environment_, watched_, request_.start(), request_.cursor()));
    co_return absl::OkStatus();
  }

  Task<absl::Status> BeginAsConsumer() {
    if (request_.has_filter()) co_return FieldError("filter", "must not be set with a consumer");
    if (request_.start() != v1::WATCH_START_UNSPECIFIED)
      co_return FieldError("start", "must not be set with a consumer");
    if (!request_.cursor().empty()) co_return FieldError("cursor", "must not be set with a consumer");
    const int32_t most =
        request_.max_unacknowledged() == 0 ? kDefaultUnacknowledged : request_.max_unacknowledged();
    if (most < 1 || most > kMaxUnacknowledged)
      co_return FieldError("max_unacknowledged", "must be 1 to 10000");
    max_unacknowledged_ = static_cast<size_t>(most);
    CO_RETURN_IF_ERROR(CheckConsumerName("consumer", request_.consumer()));
    CO_ASSIGN_OR_RETURN(SeenConsumer seen, co_await FindSeen(environment_, call_, request_.consumer()));
    watched_ = std::move(seen.watched);
    Consumers::Worker::Options options{waker_, call_.caller().name, call_.caller().peer};
    worker_.emplace(core_.consumers, request_.consumer(), std::move(options));
    CO_RETURN_IF_ERROR(co_await AwaitTurn());
    CO_RETURN_IF_ERROR(member_.Subscribe(watched_.accounts, watched_.domain));
    CO_ASSIGN_OR_RETURN(const engine::FeedConsumer active,
                        co_await core_.engine.changes().ActivateConsumer(request_.consumer()));
    if (worker_->fenced()) co_return Fenced();
    worker_->Activate(active);
    CO_RETURN_IF_ERROR(CheckPlace(core_.engine, active));
    at_ = active.acked;
    co_return absl::OkStatus();
  }

  Task<absl::Status> AwaitTurn() {
    while (!worker_->IsFirst()) {
      const absl::Duration left = next_heartbeat_ - Now();
      co_await waker_.Wait(std::min(left, kLook));
      CO_RETURN_IF_ERROR(co_await Check());
      worker_->CheckFirst();
      if (Now() < next_heartbeat_) continue;
      v1::WatchResponse response;
      AddHeartbeat(response)->set_standby(true);
      CO_RETURN_IF_ERROR(co_await Send(response));
    }
    co_return worker_->fenced() ? Fenced() : absl::OkStatus();
  }

  // Deleted, or taken over.
  absl::Status Fenced() const { return rules::ConsumerFenced(request_.consumer()); }

  // Whether the stream goes on.
  Task<absl::Status> Check() {
    CO_RETURN_IF_ERROR(call_.StillWanted());
    if (core_.watches.stopping()) {
      co_return WithReason(absl::UnavailableError("the store is shutting down: go on from the last cursor"),
                           kReasonWatchEnded);
    }
    if (is_consumer() && worker_->fenced()) {
      const absl::StatusOr<engine::FeedConsumer> there =
          co_await core_.engine.changes().FindConsumer(request_.consumer());
      co_return absl::IsNotFound(there.status()) ? there.status() : Fenced();
    }
    co_return absl::OkStatus();
  }

  // Reads and sends what there is, or waits for it.
  Task<absl::Status> Step() {
    if (is_consumer() && worker_->unacknowledged_count() >= max_unacknowledged_)
      co_return co_await Wait(true);
    if (!ahead_.has_value()) {
      if (core_.watches.budget().full()) {
        co_await waker_.Wait(kMemoryLook);
        co_return absl::OkStatus();
      }
      ReadFrom(at_, /*sent_soon=*/0);
    }
    absl::StatusOr<engine::ChangePage> read = co_await ahead_->page;
    const int64_t account_changes = ahead_->account_changes;
    ahead_.reset();
    CO_ASSIGN_OR_RETURN(engine::ChangePage page, std::move(read));
    at_ = page.reached;
    // One that is far behind need not wait for the disk and its reader by turns.
    if (IsFarBehind(at_) && MayReadOn(page)) {
      ReadFrom(at_, page.changes.size());
      ahead_->held = ByteHold(core_.watches.budget());
      ahead_->held.Take(kEnoughBytes);
    }
    v1::WatchResponse response;
    size_t size_bytes = 0;
    absl::Status ended;
    for (engine::FeedChange& change : page.changes) {
      core_.watches.Learn(change.account, change.current_address, account_changes);
      const bool with_content = change.summary.has_value() && view_.view > v1::MESSAGE_VIEW_SUMMARY;
      const AccountId account = change.account;
      std::optional<engine::MessageSummary> summary;
      if (with_content) summary = change.summary;
      const int count = response.events_size();
      ended = AddEvent(std::move(change), response);
      if (!ended.ok()) break;
      if (response.events_size() == count || !with_content) continue;
      v1::WatchEvent& event = *response.mutable_events(count);
      CO_RETURN_IF_ERROR(co_await AddContent(account, *std::move(summary), *event.mutable_delivered()));
      size_bytes += event.ByteSizeLong();
      if (size_bytes < kEnoughBytes) continue;
      CO_RETURN_IF_ERROR(co_await Send(response));
      response.Clear();
      size_bytes = 0;
    }
    if (is_consumer()) worker_->Moved(at_);
    if (response.events_size() > 0) CO_RETURN_IF_ERROR(co_await Send(response));
    if (!ended.ok() || page.more) co_return ended;
    if (Now() >= next_heartbeat_) co_return co_await SendHeartbeat(false);
    co_return co_await Wait(false);
  }

  bool IsFarBehind(const ChangeCursor& at) const {
    return core_.engine.changes().Bounds().last - at.position > kFarBehind;
  }

  // Whether there may be a page more in memory than the one that is sent.
  bool MayReadOn(const engine::ChangePage& page) const {
    if (!page.more || core_.watches.budget().full()) return false;
    return !is_consumer() || worker_->unacknowledged_count() + page.changes.size() < max_unacknowledged_;
  }

  // Begins to read the page behind `at`, with `sent_soon` events still to be sent before it.
  void ReadFrom(const ChangeCursor& at, size_t sent_soon) {
    member_.Clear();
    question_.after = at;
    question_.limit = IsFarBehind(at) ? kManyEvents : kFewEvents;
    if (is_consumer()) {
      question_.limit =
          std::min(question_.limit, max_unacknowledged_ - worker_->unacknowledged_count() - sent_soon);
    }
    ahead_.emplace();
    ahead_->account_changes = core_.watches.account_changes();
    Start(Bring(core_.engine.changes(), question_, *ahead_));
  }

  // NotFound: nothing can come any more, or the caller may not see it any more.
  absl::Status AddEvent(engine::FeedChange change, v1::WatchResponse& response) {
    if (!SeesChange(call_, watched_, change)) {
      if (watched_.accounts.empty() && watched_.domain.empty()) return absl::OkStatus();
      return NothingLeft();
    }
    const bool removed = change.kind == ChangeKind::kAccountRemoved;
    const AccountId account = change.account;
    const ChangeCursor end = change.end;
    v1::WatchEvent& event = *response.add_events();
    ToProto(std::move(change), event);
    event.set_cursor(CursorAt(end));
    if (is_consumer()) worker_->Sent(end);
    if (!removed || is_consumer() || watched_.accounts.empty()) return absl::OkStatus();
    present_.erase(account);
    return present_.empty() ? NothingLeft() : absl::OkStatus();
  }

  // As much of the message as was asked for.
  Task<absl::Status> AddContent(AccountId account, engine::MessageSummary summary,
                                v1::WatchDelivered& delivered) {
    while (true) {
      absl::StatusOr<v1::Message> message = co_await ReadListedView(environment_, account, summary, view_);
      if (message.ok()) {
        *delivered.mutable_message() = *std::move(message);
        co_return absl::OkStatus();
      }
      if (absl::IsNotFound(message.status())) {
        delivered.clear_message();
        co_return absl::OkStatus();
      }
      if (ReasonOf(message.status()) != kReasonBusy) co_return message.status();
      // Others read much at this moment.
      co_await waker_.Wait(kMemoryLook);
      CO_RETURN_IF_ERROR(co_await Check());
    }
  }

  absl::Status NothingLeft() const {
    const bool of_domain = !watched_.domain.empty();
    return WithReason(absl::NotFoundError(of_domain ? "there is no such domain" : "there is no such account"),
                      of_domain ? kReasonDomainNotFound : kReasonAccountNotFound);
  }

  // For news, the next heartbeat, or an acknowledgement.
  Task<absl::Status> Wait(bool for_ack) {
    while (Now() < next_heartbeat_) {
      if (for_ack ? worker_->unacknowledged_count() < max_unacknowledged_ : member_.HasNews(at_.position))
        break;
      const bool woken = co_await waker_.Wait(next_heartbeat_ - Now());
      if (!woken) break;
      CO_RETURN_IF_ERROR(co_await Check());
    }
    if (for_ack) {
      if (Now() >= next_heartbeat_) co_return co_await SendHeartbeat(true);
      co_return absl::OkStatus();
    }
    // What lies in between is others'.
    if (member_.first() > at_.position + 1) at_ = {member_.first() - 1, MessageId{0}};
    co_return absl::OkStatus();
  }

  v1::WatchHeartbeat* AddHeartbeat(v1::WatchResponse& response) const {
    v1::WatchEvent& event = *response.add_events();
    ToProto(core_.clock.Now(), *event.mutable_time());
    return event.mutable_heartbeat();
  }

  Task<absl::Status> SendHeartbeat(bool waits_for_ack) {
    // SECURITY: access may have ended meanwhile, also where nothing happens.
    const bool sees = co_await SeesWatched(environment_, call_, watched_);
    const bool sees_some = watched_.accounts.empty() && watched_.domain.empty();
    if (!sees && !sees_some) co_return NothingLeft();
    v1::WatchResponse response;
    AddHeartbeat(response)->set_waits_for_ack(waits_for_ack);
    response.mutable_events(0)->set_cursor(CursorAt(at_));
    co_return co_await Send(response);
  }

  Task<absl::Status> SendStarted() {
    v1::WatchResponse response;
    v1::WatchEvent& event = *response.add_events();
    ToProto(core_.clock.Now(), *event.mutable_time());
    event.set_cursor(CursorAt(at_));
    event.mutable_started()->set_incarnation(core_.engine.upkeep().Incarnation());
    co_return co_await Send(response);
  }

  std::string CursorAt(const ChangeCursor& at) const {
    return MakeFeedCursor(core_.engine.upkeep().Incarnation(), watched_.scope(),
                          {at, is_consumer() ? worker_->fence() : 0});
  }

  // Holds one response, and no more, for a reader that is slow.
  Task<absl::Status> Send(const v1::WatchResponse& response) {
    held_.Take(response.ByteSizeLong());
    const absl::Duration timeout = core_.watches.options().write_timeout;
    const absl::Time began = Now();
    guard_->writer = &writer_;
    const TimerQueue::Ticket timer = core_.watches.timers().RunAfter(
        2 * timeout, [guard = guard_, &executor = core_.executor] { Start(CutOff(executor, guard)); });
    const absl::Status written = co_await writer_.Write(response);
    guard_->writer = nullptr;
    core_.watches.timers().Cancel(timer);
    held_.Clear();
    next_heartbeat_ = Now() + heartbeat_;
    if (Now() - began <= timeout) co_return written;
    co_return WithReason(
        absl::ResourceExhaustedError(
            absl::StrCat("the reader took nothing for too long: go on from cursor ",
                         absl::WebSafeBase64Escape(response.events(response.events_size() - 1).cursor()))),
        kReasonSlowReader);
  }

  Environment& environment_;
  Core& core_;
  rpc::Call& call_;
  const v1::WatchRequest& request_;
  rpc::Writer<v1::WatchResponse>& writer_;
  Waker waker_;
  Watches::Member member_;
  std::optional<Consumers::Worker> worker_;
  const std::shared_ptr<Guard> guard_ = std::make_shared<Guard>();
  ByteHold held_;
  Watched watched_;
  engine::ChangeQuestion question_;
  // Of the accounts that are named, those that are there.
  absl::flat_hash_set<AccountId> present_;
  MessageViewOptions view_;
  size_t max_unacknowledged_ = std::numeric_limits<size_t>::max();
  absl::Duration heartbeat_;
  // By the steady clock.
  absl::Time next_heartbeat_;
  // All up to here was sent, or is not for this stream.
  ChangeCursor at_;
  // The page behind `at_`.
  std::optional<PageAhead> ahead_;
};

Task<absl::StatusOr<v1::Consumer>> Describe(Environment& environment, SeenConsumer seen) {
  const engine::FeedConsumer& consumer = seen.consumer;
  v1::Consumer proto;
  proto.set_name(consumer.name);
  ToProto(seen.watched, *proto.mutable_filter());
  ToProto(consumer.create_time, *proto.mutable_create_time());
  if (consumer.ack_time != absl::InfinitePast()) ToProto(consumer.ack_time, *proto.mutable_ack_time());
  ToProto(consumer.ack_timeout, *proto.mutable_ack_timeout());
  const Consumers::Status workers = environment.core.consumers.StatusOf(consumer.name);
  proto.set_active_worker(workers.caller);
  proto.set_active_peer(workers.peer);
  proto.set_waiting_count(workers.waiting_count);
  const ConsumerLag lag = co_await LagOf(environment.core.engine, environment.core.clock, consumer);
  proto.set_expired(lag.expired);
  proto.set_lag_count(lag.count);
  ToProto(lag.age, *proto.mutable_lag());
  co_return proto;
}

}  // namespace

Task<absl::Status> Watch(Environment& environment, rpc::Call& call, const v1::WatchRequest& request,
                         rpc::Writer<v1::WatchResponse>& events) {
  Stream stream(environment, call, request, events);
  co_return co_await stream.Run();
}

Task<absl::Status> CreateConsumer(Environment& environment, rpc::Call& call,
                                  const v1::CreateConsumerRequest& request, v1::Consumer& response) {
  call.SetTarget(
      absl::StrCat("consumer ", absl::CHexEscape(request.name().substr(0, kMaxConsumerNameBytes))));
  CO_RETURN_IF_ERROR(CheckConsumerName("name", request.name()));
  SeenConsumer seen;
  CO_ASSIGN_OR_RETURN(seen.watched, co_await Resolve(environment, call, request.filter()));
  // Of those who see a part of all each would be told something else.
  if (seen.watched.domain.empty() && seen.watched.accounts.empty() && !SeesAll(call)) {
    co_return FieldError("filter.all", "is for those who may see everything");
  }
  engine::FeedConsumer& consumer = seen.consumer;
  consumer.name = request.name();
  consumer.filter = KeptFilter(seen.watched);
  consumer.create_time = environment.core.clock.Now();
  CO_ASSIGN_OR_RETURN(consumer.ack_timeout,
                      DurationOf("ack_timeout", request.has_ack_timeout(), request.ack_timeout(),
                                 kDefaultAckTimeout, kMinAckTimeout, kMaxAckTimeout));
  CO_ASSIGN_OR_RETURN(consumer.acked, StartOf(environment, seen.watched, request.start(), request.cursor()));
  consumer.incarnation = environment.core.engine.upkeep().Incarnation();
  CO_RETURN_IF_ERROR(co_await environment.core.engine.changes().CreateConsumer(consumer));
  CO_ASSIGN_OR_RETURN(response, co_await Describe(environment, std::move(seen)));
  co_return absl::OkStatus();
}

Task<absl::Status> GetConsumer(Environment& environment, rpc::Call& call,
                               const v1::GetConsumerRequest& request, v1::Consumer& response) {
  CO_RETURN_IF_ERROR(CheckConsumerName("name", request.name()));
  CO_ASSIGN_OR_RETURN(SeenConsumer seen, co_await FindSeen(environment, call, request.name()));
  CO_ASSIGN_OR_RETURN(response, co_await Describe(environment, std::move(seen)));
  co_return absl::OkStatus();
}

Task<absl::Status> ListConsumers(Environment& environment, rpc::Call& call,
                                 const v1::ListConsumersRequest& request,
                                 v1::ListConsumersResponse& response) {
  CO_ASSIGN_OR_RETURN(const size_t page_size, CheckPageSize(request.page_size()));
  CO_ASSIGN_OR_RETURN(const std::string after, ReadPageToken(kConsumersListing, request.page_token()));
  const auto list = [&environment](std::string behind, size_t limit) {
    return environment.core.engine.changes().ListConsumers(std::move(behind), limit);
  };
  const auto key = [](const engine::FeedConsumer& consumer) { return consumer.name; };
  const auto size = [](const engine::FeedConsumer& consumer) {
    return sizeof(consumer) + consumer.filter.size();
  };
  CO_ASSIGN_OR_RETURN(Gathered<engine::FeedConsumer> page,
                      co_await Gather<engine::FeedConsumer>(after, page_size, list, key, size));
  if (page.more) response.set_next_page_token(MakePageToken(kConsumersListing, page.items.back().name));
  for (engine::FeedConsumer& consumer : page.items) {
    SeenConsumer seen;
    CO_ASSIGN_OR_RETURN(seen.watched, ReadKeptFilter(consumer.filter));
    seen.consumer = std::move(consumer);
    const bool sees = co_await SeesWatched(environment, call, seen.watched);
    if (!sees) continue;
    CO_ASSIGN_OR_RETURN(*response.add_consumers(), co_await Describe(environment, std::move(seen)));
  }
  co_return absl::OkStatus();
}

Task<absl::Status> DeleteConsumer(Environment& environment, rpc::Call& call,
                                  const v1::DeleteConsumerRequest& request, v1::DeleteConsumerResponse&) {
  CO_RETURN_IF_ERROR(CheckConsumerName("name", request.name()));
  call.SetTarget(absl::StrCat("consumer ", request.name()));
  CO_RETURN_IF_ERROR((co_await FindSeen(environment, call, request.name())).status());
  CO_RETURN_IF_ERROR(co_await environment.core.engine.changes().DeleteConsumer(request.name()));
  environment.core.consumers.FenceAll(request.name());
  co_return absl::OkStatus();
}

Task<absl::Status> AckConsumer(Environment& environment, rpc::Call& call,
                               const v1::AckConsumerRequest& request, v1::AckConsumerResponse&) {
  engine::Engine& engine = environment.core.engine;
  CO_RETURN_IF_ERROR(CheckConsumerName("name", request.name()));
  CO_ASSIGN_OR_RETURN(const SeenConsumer seen, co_await FindSeen(environment, call, request.name()));
  CO_ASSIGN_OR_RETURN(const FeedCursor cursor,
                      ReadFeedCursor(engine.upkeep().Incarnation(), seen.watched.scope(), request.cursor()));
  if (cursor.fence == 0) co_return FieldError("cursor", "is not of a stream as a consumer");
  if (cursor.at.position > engine.changes().Bounds().last) co_return FieldError("cursor", "was not sent yet");
  CO_RETURN_IF_ERROR(environment.core.consumers.CheckSent(request.name(), cursor.fence, cursor.at));
  CO_RETURN_IF_ERROR(co_await engine.changes().AckConsumer(request.name(), cursor.fence, cursor.at,
                                                           environment.core.clock.Now()));
  environment.core.consumers.Acknowledged(request.name(), cursor.fence, cursor.at);
  co_return absl::OkStatus();
}

Task<absl::Status> ResetConsumer(Environment& environment, rpc::Call& call,
                                 const v1::ResetConsumerRequest& request, v1::Consumer& response) {
  CO_RETURN_IF_ERROR(CheckConsumerName("name", request.name()));
  call.SetTarget(absl::StrCat("consumer ", request.name()));
  CO_ASSIGN_OR_RETURN(SeenConsumer seen, co_await FindSeen(environment, call, request.name()));
  CO_ASSIGN_OR_RETURN(const ChangeCursor to,
                      StartOf(environment, seen.watched, request.start(), request.cursor()));
  CO_ASSIGN_OR_RETURN(seen.consumer, co_await environment.core.engine.changes().ResetConsumer(
                                         request.name(), to, environment.core.engine.upkeep().Incarnation()));
  environment.core.consumers.FenceActive(request.name());
  CO_ASSIGN_OR_RETURN(response, co_await Describe(environment, std::move(seen)));
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
