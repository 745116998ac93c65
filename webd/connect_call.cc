#include "webd/connect_call.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "asio/this_coro.hpp"
#include "common/base/status.h"
#include "common/rpc/grpc_transport.h"
#include "webd/connect/envelope.h"
#include "webd/limits.h"
#include "webd/translate/codec.h"
#include "webd/translate/error_body.h"
#include "webd/translate/gzip.h"

namespace mailstead::web {
ConnectCall::ConnectCall(Answerer& answerer, Exchange& exchange, const Method& method)
    : answerer_(answerer),
      context_(answerer.context()),
      exchange_(exchange),
      method_(method),
      held_(answerer.context().memory) {}

asio::awaitable<void> ConnectCall::Run() {
  std::variant<CallForm, Refusal> read = ReadCall(exchange_.head(), method_.kind);
  if (std::holds_alternative<Refusal>(read)) co_return co_await Refuse(std::get<Refusal>(std::move(read)));
  form_ = std::get<CallForm>(std::move(read));
  if (!form_.error.ok()) co_return co_await Fail(form_.error);
  const bool readable =
      form_.by_get ? co_await answerer_.AwaitNoBody(exchange_, method_.name) : co_await ReadBody();
  if (!readable) co_return;
  if (TimeLeft() <= absl::ZeroDuration()) {
    co_return co_await Fail(absl::DeadlineExceededError("Connect-Timeout-Ms is over"));
  }
  absl::StatusOr<std::string> request = Request();
  if (!request.ok()) co_return co_await Fail(request.status());
  if (form_.streaming) {
    co_await CallStream(*std::move(request));
  } else {
    co_await CallUnary(*std::move(request));
  }
}

asio::awaitable<bool> ConnectCall::ReadBody() {
  exchange_.LimitBody(context_.max_request_bytes);
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
      Refusal refusal{.http_status = exchange_.body_error_status(), .error = piece.status()};
      co_await Refuse(std::move(refusal));
      co_return false;
    }
    if (piece->empty()) co_return true;
    body_ += *piece;
  }
}

absl::StatusOr<std::string> ConnectCall::Request() {
  std::string message = form_.by_get ? std::move(form_.message) : std::move(body_);
  bool packed = form_.request_packed;
  if (form_.streaming) {
    ASSIGN_OR_RETURN(const Envelope envelope, OnlyEnvelope(message));
    if (envelope.compressed && !form_.request_packed) {
      return absl::InvalidArgumentError(
          "the message is compressed, and Connect-Content-Encoding does not say how");
    }
    packed = envelope.compressed;
    message = std::string(envelope.message);
  }
  // What is unpacked may be as large as any request, and what is made of JSON a few times that while it is made.
  if (!held_.TryTake(packed ? context_.max_request_bytes : message.size())) return NoMemory();
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
  const absl::Duration longest = form_.streaming ? context_.timeouts.stream : context_.timeouts.store_call;
  return answerer_.OptionsFor(form_.authorization, std::min(TimeLeft(), longest));
}

// --- The call

asio::awaitable<void> ConnectCall::CallUnary(std::string request) {
  absl::StatusOr<std::string> answer =
      co_await context_.transport.CallBytes(method_.name, std::move(request), Options());
  if (!answer.ok()) co_return co_await Fail(answer.status());
  absl::StatusOr<std::string> body =
      context_.translator.Encode(form_.codec, method_.response_type, *std::move(answer));
  if (!body.ok()) co_return co_await Fail(body.status());
  if (!held_.TryTake(body->size())) co_return co_await Fail(NoMemory());
  ResponseHead head{
      .fields = {{"Content-Type", std::string(ContentTypeOf(form_))}, {"Vary", "Accept-Encoding"}}};
  if (form_.pack_response && body->size() >= kMinPackedBytes) {
    body = Gzipped(*body);
    head.fields.push_back({"Content-Encoding", "gzip"});
  }
  co_await exchange_.Respond(std::move(head), *std::move(body));
  answerer_.Answered(exchange_, method_.name, absl::OkStatus());
}

asio::awaitable<void> ConnectCall::CallStream(std::string request) {
  ResponseHead head{.fields = {{"Content-Type", std::string(ContentTypeOf(form_))}}};
  if (form_.pack_response) head.fields.push_back({"Connect-Content-Encoding", "gzip"});
  co_await exchange_.Begin(std::move(head));
  std::unique_ptr<rpc::ByteStream> opened =
      co_await context_.transport.OpenBytes(method_.name, std::move(request), Options());
  // The request has gone.
  held_.Clear();
  StoreStream answers(std::move(opened), exchange_, co_await asio::this_coro::executor);
  const absl::Status status = co_await Forward(answers);
  co_await answers.End();
  co_await exchange_.Write(Enveloped(kEndStreamFlag, EndOfStream(status)));
  co_await exchange_.Finish();
  answerer_.Answered(exchange_, method_.name, status);
}

asio::awaitable<absl::Status> ConnectCall::Forward(StoreStream& answers) {
  while (!exchange_.over()) {
    answers.Ask();
    while (!answers.has_next() && !exchange_.over() && !exchange_.draining()) co_await exchange_.AwaitWake();
    if (!answers.has_next()) break;
    StoreStream::Next next = answers.Take();
    if (!next.ok()) co_return next.status();
    if (!next->has_value()) co_return absl::OkStatus();
    absl::StatusOr<std::string> message =
        context_.translator.Encode(form_.codec, method_.response_type, **std::move(next));
    if (!message.ok()) co_return message.status();
    ByteHold held(context_.memory);
    if (!held.TryTake(2 * message->size())) co_return NoMemory();
    uint8_t flags = 0;
    if (form_.pack_response && message->size() >= kMinPackedBytes) {
      message = Gzipped(*message);
      flags = kCompressedFlag;
    }
    co_await exchange_.Write(Enveloped(flags, *message));
    answerer_.journal().StreamMessageSent();
  }
  co_return exchange_.draining() ? ShuttingDown() : absl::CancelledError("the client has gone");
}

// --- Errors

asio::awaitable<void> ConnectCall::Refuse(Refusal refusal) {
  co_await answerer_.Refuse(exchange_, std::move(refusal), method_.name);
}

asio::awaitable<void> ConnectCall::Fail(absl::Status error) {
  if (!form_.streaming) {
    co_return co_await Refuse(RefusalFor(std::move(error)));
  }
  ResponseHead head{.fields = {{"Content-Type", std::string(ContentTypeOf(form_))}}};
  co_await exchange_.Respond(std::move(head), Enveloped(kEndStreamFlag, EndOfStream(error)));
  answerer_.Answered(exchange_, method_.name, error);
}

}  // namespace mailstead::web
