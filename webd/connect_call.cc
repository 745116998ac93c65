#include "webd/connect_call.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "asio/this_coro.hpp"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/net/stream.h"
#include "common/rpc/grpc_transport.h"
#include "webd/connect/code.h"
#include "webd/connect/envelope.h"
#include "webd/limits.h"
#include "webd/translate/codec.h"
#include "webd/translate/error_body.h"
#include "webd/translate/gzip.h"
#include "webd/translate/passing.h"

namespace mailstead::web {
namespace {

absl::Status NoMemory() {
  return WithReason(absl::UnavailableError("there are too many large requests at the moment"), kReasonBusy);
}
absl::Status TimeIsOver() { return absl::DeadlineExceededError("Connect-Timeout-Ms is over"); }
absl::Status ClientHasGone() { return absl::CancelledError("the client has gone"); }
absl::Status ShuttingDown() { return absl::UnavailableError("this server is shutting down"); }

}  // namespace

ConnectCall::ConnectCall(Answerer& answerer, Exchange& exchange, const Method& method)
    : answerer_(answerer),
      context_(answerer.context()),
      exchange_(exchange),
      method_(method),
      held_(answerer.context().memory),
      envelopes_(answerer.context().max_request_bytes) {}

asio::awaitable<void> ConnectCall::Run() {
  std::variant<CallForm, Refusal> read = ReadCall(exchange_.head(), method_.kind, !context_.passes_all);
  if (std::holds_alternative<Refusal>(read)) co_return co_await Refuse(std::get<Refusal>(std::move(read)));
  form_ = std::get<CallForm>(std::move(read));
  if (!form_.error.ok()) co_return co_await Fail(form_.error);
  if (method_.kind.client_streaming) co_return co_await CallWithStream();
  const bool whole = co_await ReadBody();
  if (!whole) co_return;
  if (TimeLeft() <= absl::ZeroDuration()) co_return co_await Fail(TimeIsOver());
  absl::StatusOr<std::string> request = Request();
  if (!request.ok()) co_return co_await Fail(request.status());
  if (form_.streaming) {
    co_await CallStream(*std::move(request));
  } else {
    co_await CallUnary(*std::move(request));
  }
}

asio::awaitable<bool> ConnectCall::ReadBody() {
  // A GET has all of it in its target.
  exchange_.LimitBody(form_.by_get ? 0
                                   : context_.max_request_bytes + (form_.streaming ? kEnvelopeHeadBytes : 0));
  const RequestHead& head = exchange_.head();
  const absl::Time deadline = context_.steady.Now() + context_.timeouts.body;
  while (true) {
    // A string that grows has room for twice as much, and what is read next comes beside it.
    const size_t next = head.chunked ? kReadBytes : std::min<uint64_t>(head.content_length, kReadBytes);
    const size_t needed = 2 * body_.size() + next;
    if (held_.bytes() < needed && !held_.TryTake(needed - held_.bytes())) {
      co_await Fail(NoMemory());
      co_return false;
    }
    const absl::StatusOr<std::string> piece = co_await exchange_.ReadBody(deadline);
    if (!piece.ok()) {
      if (absl::IsCancelled(piece.status())) co_return false;
      co_await FailBody(piece.status());
      co_return false;
    }
    if (piece->empty()) co_return true;
    body_ += *piece;
  }
}

absl::StatusOr<std::string> ConnectCall::Request() {
  std::string message = form_.by_get ? std::move(form_.message) : std::move(body_);
  if (!form_.streaming) return Request(std::move(message), form_.request_packed, held_);
  ASSIGN_OR_RETURN(const Envelope envelope, OnlyEnvelope(message));
  return Request(envelope, held_);
}

absl::StatusOr<std::string> ConnectCall::Request(const Envelope& envelope, ByteHold& held) {
  if (envelope.compressed && !form_.request_packed) {
    // This code, says the protocol.
    return absl::InternalError("the message is compressed, and Connect-Content-Encoding does not say how");
  }
  return Request(std::string(envelope.message), envelope.compressed, held);
}

absl::StatusOr<std::string> ConnectCall::Request(std::string message, bool packed, ByteHold& held) {
  // What is unpacked may be as large as any request, and what is made of JSON a few times that while it is made.
  if (!held.TryTake(packed ? context_.max_request_bytes : message.size())) return NoMemory();
  // In Connect an empty body is an empty message, compressed or not.
  if (packed && !message.empty()) {
    ASSIGN_OR_RETURN(message, Gunzipped(message, context_.max_request_bytes));
  }
  return context_.translator.Decode(form_.codec, method_.request_type, std::move(message));
}

absl::Duration ConnectCall::TimeLeft() const {
  return form_.timeout - (context_.steady.Now() - exchange_.begun());
}

rpc::CallOptions ConnectCall::Options() const {
  // How long a call may take, the other side says then.
  if (context_.passes_all) return {.timeout = TimeLeft(), .session_id = answerer_.journal().session_id()};
  const absl::Duration longest = form_.streaming ? context_.timeouts.stream : context_.timeouts.store_call;
  return {.timeout = std::min(TimeLeft(), longest),
          .session_id = answerer_.journal().session_id(),
          .authorization = form_.authorization,
          .client_address = answerer_.stream().peer_address()};
}

std::unique_ptr<rpc::ByteStream> ConnectCall::OpenStore() {
  return context_.transport.OpenBytes(method_.name, Options(),
                                      context_.passes_all ? MetadataOf(exchange_.head()) : rpc::Metadata());
}

// --- The call

asio::awaitable<void> ConnectCall::CallUnary(std::string request) {
  if (context_.passes_all) co_return co_await PassUnary(std::move(request));
  absl::StatusOr<std::string> answer =
      co_await context_.transport.CallBytes(method_.name, std::move(request), Options());
  if (!answer.ok()) co_return co_await Fail(answer.status());
  ResponseHead head;
  co_await AnswerUnary(*std::move(answer), std::move(head));
}

asio::awaitable<void> ConnectCall::AnswerUnary(std::string answer, ResponseHead head) {
  absl::StatusOr<std::string> body =
      context_.translator.Encode(form_.codec, method_.response_type, std::move(answer));
  if (!body.ok()) co_return co_await Fail(body.status());
  if (!held_.TryTake(body->size())) co_return co_await Fail(NoMemory());
  head.fields.push_back({"Content-Type", std::string(ContentTypeOf(form_))});
  head.fields.push_back({"Vary", "Accept-Encoding"});
  if (form_.pack_response && body->size() >= kMinPackedBytes) {
    body = Gzipped(*body);
    head.fields.push_back({"Content-Encoding", "gzip"});
  }
  co_await exchange_.Respond(std::move(head), *std::move(body));
  answerer_.Answered(exchange_, method_.name, absl::OkStatus());
}

// As a stream, which tells what comes beside the answer.
asio::awaitable<void> ConnectCall::PassUnary(std::string request) {
  const std::unique_ptr<rpc::ByteStream> stream = OpenStore();
  co_await stream->Write(std::move(request), /*last=*/true);
  StoreStream::Next answer = co_await stream->Read();
  StoreStream::Next end = answer;
  if (answer.ok() && answer->has_value()) end = co_await stream->Read();
  const CallEnd how{.status = end.status(), .trailing = stream->trailing_metadata()};
  ResponseHead head{.fields = FieldsOf(stream->initial_metadata(), "")};
  for (HeaderField& field : FieldsOf(how.trailing, "Trailer-")) head.fields.push_back(std::move(field));
  if (end.ok()) co_return co_await AnswerUnary(answer->value_or(""), std::move(head));
  head.status = HttpStatusOf(PassedCode(how));
  head.fields.push_back({"Content-Type", "application/json"});
  co_await exchange_.Respond(std::move(head), PassedErrorBody(how));
  answerer_.Answered(exchange_, method_.name, how.status);
}

asio::awaitable<void> ConnectCall::CallStream(std::string request) {
  // What the other side says in front of its answers is a part of the head.
  if (!context_.passes_all) co_await BeginStream();
  StoreStream store(OpenStore(), exchange_, co_await asio::this_coro::executor);
  // How that ends, Read says.
  co_await store.Write(std::move(request), /*last=*/true);
  // The request has gone.
  held_.Clear();
  const absl::Status status = co_await Forward(store);
  co_await store.End();
  NoteMetadata(store);
  co_await EndStream(status);
}

asio::awaitable<absl::Status> ConnectCall::Forward(StoreStream& store) {
  while (!exchange_.over()) {
    store.Ask();
    while (!store.has_next() && !exchange_.over() && !exchange_.draining()) co_await exchange_.AwaitWake();
    if (!store.has_next()) break;
    StoreStream::Next next = store.Take();
    if (!next.ok()) co_return next.status();
    if (!next->has_value()) co_return absl::OkStatus();
    NoteMetadata(store);
    CO_RETURN_IF_ERROR(co_await WriteAnswer(**std::move(next)));
  }
  co_return exchange_.draining() ? ShuttingDown() : ClientHasGone();
}

asio::awaitable<absl::Status> ConnectCall::WriteAnswer(std::string answer) {
  absl::StatusOr<std::string> message =
      context_.translator.Encode(form_.codec, method_.response_type, std::move(answer));
  if (!message.ok()) co_return message.status();
  ByteHold held(context_.memory);
  if (!held.TryTake(2 * message->size())) co_return NoMemory();
  uint8_t flags = 0;
  if (form_.pack_response && message->size() >= kMinPackedBytes) {
    message = Gzipped(*message);
    flags = kCompressedFlag;
  }
  co_await BeginStream();
  co_await exchange_.Write(Enveloped(flags, *message));
  answerer_.journal().StreamMessageSent();
  co_return absl::OkStatus();
}

asio::awaitable<void> ConnectCall::BeginStream() {
  if (std::exchange(begun_, true)) co_return;
  ResponseHead head{.fields = {{"Content-Type", std::string(ContentTypeOf(form_))}}};
  if (form_.pack_response) head.fields.push_back({"Connect-Content-Encoding", "gzip"});
  for (HeaderField& field : FieldsOf(initial_, "")) head.fields.push_back(std::move(field));
  co_await exchange_.Begin(std::move(head));
}

std::string ConnectCall::EndBody(const absl::Status& status) const {
  if (!context_.passes_all) return EndOfStream(status);
  const CallEnd end{.status = status, .trailing = trailing_};
  return PassedEndOfStream(end);
}

void ConnectCall::NoteMetadata(const StoreStream& store) {
  if (!context_.passes_all) return;
  initial_ = store.stream().initial_metadata();
  trailing_ = store.stream().trailing_metadata();
}

asio::awaitable<void> ConnectCall::EndStream(absl::Status status) {
  co_await BeginStream();
  co_await exchange_.Write(Enveloped(kEndStreamFlag, EndBody(status)));
  co_await exchange_.Finish();
  answerer_.Answered(exchange_, method_.name, status);
}

// --- A stream of requests

asio::awaitable<void> ConnectCall::CallWithStream() {
  if (TimeLeft() <= absl::ZeroDuration()) co_return co_await Fail(TimeIsOver());
  StoreStream store(OpenStore(), exchange_, co_await asio::this_coro::executor);
  next_deadline_ = context_.steady.Now() + context_.timeouts.body;
  const absl::Status status = co_await Converse(store);
  co_await store.End();
  NoteMetadata(store);
  // An error that comes before the body has ended is said at once.
  if (!begun_ && !status.ok() && !context_.passes_all) co_return co_await Fail(status);
  co_await EndStream(status);
}

asio::awaitable<absl::Status> ConnectCall::Converse(StoreStream& store) {
  store.Ask();
  while (!exchange_.over()) {
    if (store.has_next()) {
      StoreStream::Next next = store.Take();
      if (!next.ok()) co_return next.status();
      if (!next->has_value()) co_return absl::OkStatus();
      NoteMetadata(store);
      CO_RETURN_IF_ERROR(co_await WriteAnswer(**std::move(next)));
      store.Ask();
    } else if (!requests_done_) {
      const absl::Status sent = co_await SendRequests(store);
      if (!sent.ok() && !absl::IsCancelled(sent)) co_return sent;
    } else if (exchange_.draining() && method_.kind.server_streaming) {
      co_return ShuttingDown();
    } else {
      co_await exchange_.AwaitWake();
    }
  }
  co_return ClientHasGone();
}

asio::awaitable<absl::Status> ConnectCall::SendRequests(StoreStream& store) {
  // As for a whole body.
  const size_t needed = 2 * envelopes_.held_bytes() + kReadBytes;
  if (held_.bytes() < needed && !held_.TryTake(needed - held_.bytes())) co_return NoMemory();
  const absl::StatusOr<std::string> piece = co_await exchange_.ReadBody(next_deadline_);
  if (!piece.ok()) co_return piece.status();
  if (!piece->empty()) {
    envelopes_.Append(*piece);
    co_return co_await SendWhole(store);
  }
  if (!envelopes_.at_end_of_one()) co_return absl::InvalidArgumentError("the stream ends within a message");
  requests_done_ = true;
  held_.Clear();
  co_await store.WritesDone();
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> ConnectCall::SendWhole(StoreStream& store) {
  while (true) {
    CO_ASSIGN_OR_RETURN(const std::optional<Envelope> envelope, envelopes_.Next());
    if (!envelope.has_value()) co_return absl::OkStatus();
    ByteHold held(context_.memory);
    CO_ASSIGN_OR_RETURN(std::string request, Request(*envelope, held));
    const bool written = co_await store.Write(std::move(request), /*last=*/false);
    // The store has ended the call: how, is its next answer.
    if (!written) {
      co_await store.AwaitNext();
      co_return absl::OkStatus();
    }
    next_deadline_ = context_.steady.Now() + context_.timeouts.body;
  }
}

// --- Errors

asio::awaitable<void> ConnectCall::Refuse(Refusal refusal) {
  co_await answerer_.Refuse(exchange_, std::move(refusal), method_.name);
}

// What is wrong with the body itself has a status of HTTP's own, where the form of the call leaves room for one.
asio::awaitable<void> ConnectCall::FailBody(absl::Status error) {
  const int http_status = exchange_.body_error_status();
  if (http_status == 413) error = WithReason(absl::ResourceExhaustedError(error.message()), kReasonTooLarge);
  if (form_.streaming) co_return co_await Fail(std::move(error));
  Refusal refusal{.http_status = http_status, .error = std::move(error)};
  co_await Refuse(std::move(refusal));
}

asio::awaitable<void> ConnectCall::Fail(absl::Status error) {
  if (!form_.streaming) {
    Refusal refusal{.http_status = HttpStatusOf(error.code()), .error = error};
    // RFC 9110 section 11.6.1.
    if (absl::IsUnauthenticated(error)) refusal.fields.push_back({"WWW-Authenticate", "Bearer"});
    co_return co_await Refuse(std::move(refusal));
  }
  ResponseHead head{.fields = {{"Content-Type", std::string(ContentTypeOf(form_))}}};
  co_await exchange_.Respond(std::move(head), Enveloped(kEndStreamFlag, EndBody(error)));
  answerer_.Answered(exchange_, method_.name, error);
}

}  // namespace mailstead::web
