#include "webd/routes/watch_route.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "asio/this_coro.hpp"
#include "common/base/byte_budget.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/rpc/grpc_transport.h"
#include "mailstead/store/v1/watch.pb.h"
#include "webd/http/event_stream.h"
#include "webd/limits.h"
#include "webd/routes/watch_query.h"
#include "webd/translate/codec.h"
#include "webd/translate/error_body.h"
#include "webd/translate/wire.h"

namespace mailstead::web {
namespace {

namespace v1 = store::v1;

constexpr char kWatch[] = "mailstead.store.v1.WatchService/Watch";
constexpr char kEventType[] = "mailstead.store.v1.WatchEvent";

bool IsExpired(const absl::Status& status) { return ReasonOf(status) == kReasonCursorExpired; }

// The last event. A client that comes again by itself, as browsers do, would come with the same cursor: of one that has expired
// it is told to forget it, and begins with what happens then.
std::string EndOf(const absl::Status& status) {
  const std::string body = ErrorBody(status);
  ServerSentEvent event{.event = "end", .data = body};
  if (IsExpired(status)) event.id = "";
  return Write(event);
}

}  // namespace

asio::awaitable<void> WatchRoute::Run() {
  absl::StatusOr<std::string> authorization = AuthorizationOf(exchange_.head());
  if (!authorization.ok()) co_return co_await Refuse(authorization.status());
  const absl::StatusOr<v1::WatchRequest> request = ReadWatchQuery(exchange_.head());
  if (!request.ok()) co_return co_await Refuse(request.status());
  const rpc::CallOptions options = answerer_.OptionsFor(*std::move(authorization), context_.timeouts.stream);
  std::unique_ptr<rpc::ByteStream> opened = context_.transport.OpenBytes(kWatch, options);
  StoreStream answers(std::move(opened), exchange_, co_await asio::this_coro::executor);
  // How that ends, Next says.
  co_await answers.Write(request->SerializeAsString(), /*last=*/true);
  co_await Forward(answers);
  co_await answers.End();
}

// What fails before anything is told has its status; but for an expired cursor, of which a browser's EventSource hears by an event
// only.
asio::awaitable<void> WatchRoute::Forward(StoreStream& answers) {
  absl::StatusOr<std::string> events = co_await Next(answers);
  if (!events.ok() && !IsExpired(events.status())) co_return co_await Refuse(events.status());
  // nginx keeps what it forwards for a while, unless it is told not to.
  ResponseHead head{.fields = {{"Content-Type", std::string(kEventStreamType)}, {"X-Accel-Buffering", "no"}}};
  co_await exchange_.Begin(std::move(head));
  while (events.ok()) {
    ByteHold held(context_.memory);
    if (!held.TryTake(2 * events->size())) {
      events = NoMemory();
      break;
    }
    co_await exchange_.Write(*std::move(events));
    answerer_.journal().StreamMessageSent();
    events = co_await Next(answers);
  }
  co_await exchange_.Write(EndOf(events.status()));
  co_await exchange_.Finish();
  answerer_.Answered(exchange_, PathOf(RouteKind::kWatch), events.status());
}

asio::awaitable<absl::StatusOr<std::string>> WatchRoute::Next(StoreStream& answers) {
  answers.Ask();
  while (!answers.has_next() && !exchange_.over() && !exchange_.draining()) co_await exchange_.AwaitWake();
  if (!answers.has_next()) {
    co_return exchange_.draining() ? ShuttingDown() : absl::CancelledError("the client has gone");
  }
  const StoreStream::Next next = answers.Take();
  if (!next.ok()) co_return next.status();
  if (!next->has_value()) co_return absl::UnavailableError("the store has ended the watch");
  co_return EventsOf(**next);
}

absl::StatusOr<std::string> WatchRoute::EventsOf(const std::string& response) const {
  std::string text;
  absl::Status status;
  const bool whole = ForEachBytesField(response, [&](int number, absl::string_view bytes) {
    if (number != v1::WatchResponse::kEventsFieldNumber || !status.ok()) return;
    const absl::StatusOr<std::string> event = EventOf(bytes);
    status = event.status();
    if (event.ok()) text += *event;
  });
  if (!whole) return absl::InternalError("the store sent what is no such message");
  if (!status.ok()) return status;
  return text;
}

absl::StatusOr<std::string> WatchRoute::EventOf(absl::string_view event) const {
  std::string id;
  const google::protobuf::FieldDescriptor* kind = nullptr;
  ForEachBytesField(event, [&](int number, absl::string_view bytes) {
    const google::protobuf::FieldDescriptor* const field =
        v1::WatchEvent::descriptor()->FindFieldByNumber(number);
    if (number == v1::WatchEvent::kCursorFieldNumber) id = absl::WebSafeBase64Escape(bytes);
    if (field != nullptr && field->containing_oneof() != nullptr) kind = field;
  });
  // Also what a newer store tells that this webd does not know.
  if (kind == nullptr) return WriteSignOfLife(id, "unknown");
  if (kind->number() == v1::WatchEvent::kHeartbeatFieldNumber) return WriteSignOfLife(id, kind->name());
  ASSIGN_OR_RETURN(const std::string json,
                   context_.translator.Encode(Codec::kJson, kEventType, std::string(event)));
  return Write({.event = kind->name(), .id = id, .data = json});
}

asio::awaitable<void> WatchRoute::Refuse(absl::Status error) {
  co_await answerer_.Refuse(exchange_, RefusalFor(std::move(error)), PathOf(RouteKind::kWatch));
}

}  // namespace mailstead::web
