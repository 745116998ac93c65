#include "webd/connection.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/net/proxy_protocol.h"
#include "common/net/tls_context.h"
#include "common/rpc/grpc_transport.h"
#include "webd/connect/code.h"
#include "webd/connect/envelope.h"
#include "webd/connect/query.h"
#include "webd/limits.h"
#include "webd/translate/codec.h"
#include "webd/translate/error_body.h"
#include "webd/translate/gzip.h"

namespace mailstead::web {
namespace {

constexpr absl::string_view kTooMany =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";

bool ExpectsContinue(const RequestHead& head) {
  return head.minor_version >= 1 && absl::EqualsIgnoreCase(head.Value("expect"), "100-continue");
}

absl::Status NoMemory() {
  return WithReason(absl::UnavailableError("there are too many large requests at the moment"), kReasonBusy);
}
absl::Status ShuttingDown() { return absl::UnavailableError("this server is shutting down"); }

Refusal Refused(int http_status, absl::Status error) {
  return {.http_status = http_status, .error = std::move(error)};
}

ResponseHead HeadFor(const Refusal& refusal) {
  ResponseHead head{.status = refusal.http_status, .fields = refusal.fields};
  head.fields.push_back({"Content-Type", "application/json"});
  return head;
}

}  // namespace

Connection::Connection(const ConnectionContext& context, asio::ip::tcp::socket socket)
    : context_(context), stream_(std::move(socket)), journal_(context.metrics, stream_) {}

Connection::~Connection() = default;

asio::awaitable<void> Connection::Run() {
  const bool ready = co_await Prepare();
  while (ready && end_reason_.empty()) co_await ServeOne();
  place_ = {};
  co_await LeaveGently();
  stream_.Close();
  journal_.Closed(end_reason_);
}

// --- Before the first request

asio::awaitable<bool> Connection::Prepare() {
  const bool has_header = co_await ReadProxyHeader();
  if (!has_header) co_return false;
  const bool admitted = co_await Admit();
  if (!admitted || !context_.implicit_tls) co_return admitted;
  co_return co_await HandshakeTls();
}

// SECURITY: the header is believed from the balancers' networks only, and from these it is required: else any client could
// choose the address that limits, keys and log go by.
asio::awaitable<bool> Connection::ReadProxyHeader() {
  if (!context_.proxy_networks.Contains(stream_.peer().address())) co_return true;
  waiting_for_client_ = true;
  const absl::Status status = co_await net::ReadProxyHeader(stream_, context_.timeouts.proxy_header);
  waiting_for_client_ = false;
  if (status.ok()) co_return true;
  journal_.ProxyHeaderRefused(status);
  End("proxy_failed");
  co_return false;
}

asio::awaitable<bool> Connection::Admit() {
  using Verdict = net::ConnectionCounter::Verdict;
  const Verdict verdict = context_.counter.Admit(stream_.peer_address(), place_);
  if (verdict == Verdict::kAdmitted) {
    journal_.Admitted();
    co_return true;
  }
  journal_.ConnectionRefused(verdict == Verdict::kTooManyInAll ? "too_many_connections"
                                                               : "too_many_connections_from_address");
  // With TLS the words would cost a handshake, which is what a flood of connections wants of us.
  if (!context_.implicit_tls) co_await WriteAll(std::string(kTooMany), kRefusalTimeout);
  End("refused");
  co_return false;
}

asio::awaitable<bool> Connection::HandshakeTls() {
  waiting_for_client_ = true;
  const absl::Status status = co_await stream_.StartTls(*context_.tls, context_.timeouts.tls_handshake);
  waiting_for_client_ = false;
  if (status.ok()) co_return true;
  journal_.TlsFailed(status);
  End("tls_failed");
  co_return false;
}

// --- A request

asio::awaitable<void> Connection::ServeOne() {
  Exchange exchange(context_);
  const bool has_head = co_await ReadHead(exchange.reader);
  if (!has_head) co_return;
  exchange.begun = context_.steady.Now();
  co_await Answer(exchange);
  journal_.BodiesHeld(context_.memory.used_bytes());
}

asio::awaitable<bool> Connection::ReadHead(RequestReader& reader) {
  absl::Time deadline = absl::InfiniteFuture();
  while (true) {
    input_.Consume(reader.Read(input_.bytes()));
    if (!reader.error().ok()) {
      Exchange broken(context_);
      journal_.RequestMalformed(reader.error());
      End("malformed");
      co_await Refuse(broken, Refused(reader.error_status(), reader.error()));
      co_return false;
    }
    if (reader.head_done()) co_return true;
    if (draining_) {
      End("shutdown");
      co_return false;
    }
    const bool begun = !input_.empty();
    // SECURITY: whoever sends a head byte by byte (slowloris) has no more time for it than another.
    if (begun && deadline == absl::InfiniteFuture()) {
      deadline = context_.steady.Now() + context_.timeouts.head;
    }
    waiting_for_client_ = true;
    const absl::Status status = co_await Fill(
        begun ? std::max(deadline - context_.steady.Now(), absl::ZeroDuration()) : context_.timeouts.idle);
    waiting_for_client_ = false;
    if (status.ok()) continue;
    if (draining_) End("shutdown");
    const bool too_slow = absl::IsDeadlineExceeded(status) && begun;
    // Between two requests clients end connections as they like.
    if (!begun && absl::IsUnavailable(status)) End("done");
    EndFor(status, begun ? "timeout" : "idle");
    if (too_slow) {
      Exchange broken(context_);
      co_await Refuse(broken,
                      Refused(408, absl::DeadlineExceededError("the head of the request took too long")));
    }
    co_return false;
  }
}

asio::awaitable<void> Connection::Answer(Exchange& exchange) {
  const RequestHead& head = exchange.reader.head();
  // SECURITY: refused before anything else is said: whoever calls so should not get used to it.
  if (stream_.tls() == nullptr && !context_.plaintext_networks.Contains(stream_.peer().address())) {
    co_return co_await Refuse(
        exchange, Refused(403, absl::PermissionDeniedError("keys are taken by TLS only from where you are")));
  }
  exchange.method = context_.methods.Find(PathOf(head.target));
  if (exchange.method == nullptr) co_return co_await Refuse(exchange, NoSuchMethod());
  std::variant<CallForm, Refusal> read = ReadCall(head, exchange.method->kind);
  if (std::holds_alternative<Refusal>(read)) {
    co_return co_await Refuse(exchange, std::get<Refusal>(std::move(read)));
  }
  exchange.form = std::get<CallForm>(std::move(read));
  if (!exchange.form.error.ok()) co_return co_await Fail(exchange, exchange.form.error);
  if (head.Count("expect") > 0 && !ExpectsContinue(head)) {
    co_return co_await Refuse(exchange,
                              Refused(417, absl::InvalidArgumentError("of Expect there is 100-continue")));
  }
  if (ExpectsContinue(head) && head.has_body()) {
    co_await WriteAll("HTTP/1.1 100 Continue\r\n\r\n", context_.timeouts.write);
  }
  const bool whole = co_await ReadBody(exchange);
  if (!whole) co_return;
  if (TimeLeft(exchange) <= absl::ZeroDuration()) {
    co_return co_await Fail(exchange, absl::DeadlineExceededError("Connect-Timeout-Ms is over"));
  }
  absl::StatusOr<std::string> request = RequestOf(exchange);
  if (!request.ok()) co_return co_await Fail(exchange, request.status());
  if (exchange.form.streaming) {
    co_await CallStream(exchange, *std::move(request));
  } else {
    co_await CallUnary(exchange, *std::move(request));
  }
}

asio::awaitable<bool> Connection::ReadBody(Exchange& exchange) {
  RequestReader& reader = exchange.reader;
  const absl::Time deadline = context_.steady.Now() + context_.timeouts.body;
  while (end_reason_.empty()) {
    input_.Consume(reader.Read(input_.bytes()));
    if (!reader.error().ok()) {
      journal_.RequestMalformed(reader.error());
      End("malformed");
      co_await Refuse(exchange, Refused(reader.error_status(), reader.error()));
      co_return false;
    }
    if (reader.done()) co_return true;
    // A string that grows has room for twice as much, and what is read next comes beside it.
    const size_t needed = 2 * reader.body().size() + kReadBytes;
    if (exchange.held.bytes() < needed && !exchange.held.TryTake(needed - exchange.held.bytes())) {
      End("unread_body");
      co_await Fail(exchange, NoMemory());
      co_return false;
    }
    const absl::Status status =
        co_await Fill(std::max(deadline - context_.steady.Now(), absl::ZeroDuration()));
    if (status.ok()) continue;
    EndFor(status, "timeout");
    if (absl::IsDeadlineExceeded(status)) {
      co_await Refuse(exchange,
                      Refused(408, absl::DeadlineExceededError("the body of the request took too long")));
    }
  }
  co_return false;
}

absl::StatusOr<std::string> Connection::RequestOf(Exchange& exchange) {
  const CallForm& form = exchange.form;
  std::string message = form.by_get ? form.message : std::move(exchange.reader.body());
  bool packed = form.request_packed;
  if (form.streaming) {
    ASSIGN_OR_RETURN(const Envelope envelope, OnlyEnvelope(message));
    if (envelope.compressed && !form.request_packed) {
      return absl::InvalidArgumentError(
          "the message is compressed, and Connect-Content-Encoding does not say how");
    }
    packed = envelope.compressed;
    message = std::string(envelope.message);
  }
  // What is unpacked may be as large as any request, and what is made of JSON a few times that while it is made.
  if (!exchange.held.TryTake(packed ? context_.max_request_bytes : message.size())) return NoMemory();
  // In Connect an empty body is an empty message, compressed or not.
  if (packed && !message.empty()) {
    ASSIGN_OR_RETURN(message, Gunzipped(message, context_.max_request_bytes));
  }
  return context_.translator.Decode(form.codec, exchange.method->request_type, std::move(message));
}

absl::Duration Connection::TimeLeft(const Exchange& exchange) const {
  return exchange.form.timeout - (context_.steady.Now() - exchange.begun);
}

rpc::CallOptions Connection::OptionsOf(const Exchange& exchange) const {
  const absl::Duration longest =
      exchange.form.streaming ? context_.timeouts.stream : context_.timeouts.store_call;
  return {.timeout = std::min(TimeLeft(exchange), longest),
          .session_id = journal_.session_id(),
          .authorization = exchange.form.authorization,
          .client_address = stream_.peer_address()};
}

// --- The call

asio::awaitable<void> Connection::CallUnary(Exchange& exchange, std::string request) {
  absl::StatusOr<std::string> answer =
      co_await context_.transport.CallBytes(exchange.method->name, std::move(request), OptionsOf(exchange));
  if (!answer.ok()) co_return co_await Fail(exchange, answer.status());
  absl::StatusOr<std::string> body =
      context_.translator.Encode(exchange.form.codec, exchange.method->response_type, *std::move(answer));
  if (!body.ok()) co_return co_await Fail(exchange, body.status());
  if (!exchange.held.TryTake(body->size())) co_return co_await Fail(exchange, NoMemory());
  ResponseHead head{
      .fields = {{"Content-Type", std::string(ContentTypeOf(exchange.form))}, {"Vary", "Accept-Encoding"}}};
  if (exchange.form.pack_response && body->size() >= kMinPackedBytes) {
    body = Gzipped(*body);
    head.fields.push_back({"Content-Encoding", "gzip"});
  }
  co_await Respond(exchange, std::move(head), *std::move(body));
  journal_.Called(exchange.method->name, absl::OkStatus(), context_.steady.Now() - exchange.begun);
}

asio::awaitable<void> Connection::CallStream(Exchange& exchange, std::string request) {
  ResponseHead head{.fields = {{"Content-Type", std::string(ContentTypeOf(exchange.form))}},
                    .keep_alive = MayGoOn(exchange) && exchange.reader.head().minor_version >= 1,
                    .minor_version = exchange.reader.head().minor_version};
  if (exchange.form.pack_response) head.fields.push_back({"Connect-Content-Encoding", "gzip"});
  co_await WriteAll(Write(head, context_.wall.Now()), context_.timeouts.write);
  std::unique_ptr<rpc::ByteStream> opened =
      co_await context_.transport.OpenBytes(exchange.method->name, std::move(request), OptionsOf(exchange));
  // The request has gone.
  exchange.held.Clear();
  StoreStream answers(std::move(opened), stream_);
  const absl::Status status = co_await Forward(exchange, answers);
  co_await answers.End();
  if (end_reason_.empty()) {
    co_await WriteEnvelope(exchange, kEndStreamFlag, EndOfStream(status));
    if (head.minor_version >= 1) co_await WriteAll("0\r\n\r\n", context_.timeouts.write);
  }
  if (!head.keep_alive) End("done");
  journal_.Called(exchange.method->name, status, context_.steady.Now() - exchange.begun);
}

asio::awaitable<absl::Status> Connection::Forward(Exchange& exchange, StoreStream& answers) {
  while (end_reason_.empty()) {
    answers.Ask();
    const bool has_next = co_await AwaitNext(answers);
    if (!has_next) break;
    StoreStream::Next next = answers.Take();
    if (!next.ok()) co_return next.status();
    if (!next->has_value()) co_return absl::OkStatus();
    absl::StatusOr<std::string> message =
        context_.translator.Encode(exchange.form.codec, exchange.method->response_type, **std::move(next));
    if (!message.ok()) co_return message.status();
    ByteHold held(context_.memory);
    if (!held.TryTake(2 * message->size())) co_return NoMemory();
    uint8_t flags = 0;
    if (exchange.form.pack_response && message->size() >= kMinPackedBytes) {
      message = Gzipped(*message);
      flags = kCompressedFlag;
    }
    co_await WriteEnvelope(exchange, flags, *std::move(message));
    journal_.StreamMessageSent();
  }
  co_return draining_ ? ShuttingDown() : absl::CancelledError("the client has gone");
}

asio::awaitable<bool> Connection::AwaitNext(StoreStream& answers) {
  while (!answers.has_next()) {
    if (draining_) co_return false;
    waiting_for_client_ = true;
    answers.InterruptsClient(true);
    const absl::Status status = co_await Fill(context_.timeouts.stream);
    answers.InterruptsClient(false);
    waiting_for_client_ = false;
    if (status.ok() && input_.bytes().size() > kMaxAheadBytes) End("malformed");
    const bool woken = status.ok() || absl::IsCancelled(status) || absl::IsDeadlineExceeded(status);
    if (!woken) EndFor(status, "");
    if (!end_reason_.empty()) co_return false;
  }
  co_return true;
}

asio::awaitable<void> Connection::WriteEnvelope(const Exchange& exchange, uint8_t flags,
                                                std::string message) {
  std::string bytes = Enveloped(flags, message);
  if (exchange.reader.head().minor_version >= 1) {
    bytes = absl::StrCat(absl::Hex(bytes.size()), "\r\n", bytes, "\r\n");
  }
  co_await WriteAll(std::move(bytes), context_.timeouts.write);
}

// --- Answers

asio::awaitable<void> Connection::Refuse(Exchange& exchange, Refusal refusal) {
  co_await Respond(exchange, HeadFor(refusal), ErrorBody(refusal.error));
  journal_.Called(exchange.method == nullptr ? "" : exchange.method->name, refusal.error,
                  context_.steady.Now() - exchange.begun);
}

asio::awaitable<void> Connection::Fail(Exchange& exchange, const absl::Status& error) {
  if (!exchange.form.streaming) {
    Refusal refusal{.http_status = HttpStatusOf(error.code()), .error = error};
    // RFC 9110 section 11.6.1.
    if (absl::IsUnauthenticated(error)) refusal.fields.push_back({"WWW-Authenticate", "Bearer"});
    co_return co_await Refuse(exchange, std::move(refusal));
  }
  std::string message = EndOfStream(error);
  ResponseHead head{.fields = {{"Content-Type", std::string(ContentTypeOf(exchange.form))}}};
  co_await Respond(exchange, std::move(head), Enveloped(kEndStreamFlag, message));
  journal_.Called(exchange.method->name, error, context_.steady.Now() - exchange.begun);
}

// What is not long is read, so that the connection may go on.
asio::awaitable<void> Connection::SkipBody(RequestReader& reader) {
  if (!reader.head_done() || reader.done() || !reader.error().ok() || !end_reason_.empty()) co_return;
  const RequestHead& head = reader.head();
  if (head.chunked || ExpectsContinue(head) || head.content_length > kMaxSkippedBytes) co_return;
  const absl::Time deadline = context_.steady.Now() + kLeaveTimeout;
  while (true) {
    input_.Consume(reader.Read(input_.bytes()));
    if (reader.done()) co_return;
    const absl::Status status =
        co_await Fill(std::max(deadline - context_.steady.Now(), absl::ZeroDuration()));
    if (!status.ok()) co_return;
  }
}

asio::awaitable<void> Connection::Respond(Exchange& exchange, ResponseHead head, std::string body) {
  co_await SkipBody(exchange.reader);
  const bool is_head = exchange.reader.head().method == "HEAD";
  head.content_length = body.size();
  head.minor_version = exchange.reader.head().minor_version;
  head.keep_alive = MayGoOn(exchange);
  std::string bytes = Write(head, context_.wall.Now());
  // RFC 9110 section 9.3.2: the head alone.
  if (!is_head) absl::StrAppend(&bytes, body);
  is_talked_to_ = !exchange.reader.done();
  co_await WriteAll(std::move(bytes), context_.timeouts.write);
  if (!head.keep_alive) End(draining_ ? "shutdown" : is_talked_to_ ? "unread_body" : "done");
}

bool Connection::MayGoOn(const Exchange& exchange) const {
  return end_reason_.empty() && !draining_ && exchange.reader.done() && exchange.reader.head().keep_alive;
}

asio::awaitable<void> Connection::WriteAll(std::string bytes, absl::Duration timeout) {
  if (closed_) co_return;
  const absl::Status status = co_await stream_.Write(bytes, timeout);
  if (!status.ok()) EndFor(status, "write_timeout");
}

// --- The end

// Closing a socket with unread input resets the connection, and the reset can overtake our last response on its way to the
// client. So a client that still talks is listened to for a moment.
asio::awaitable<void> Connection::LeaveGently() {
  stream_.ShutdownSend();
  if (!is_talked_to_ && input_.empty() && !stream_.HasPendingInput()) co_return;
  const absl::Time deadline = context_.steady.Now() + kLeaveTimeout;
  for (size_t heard = 0; heard < kMaxLeaveBytes && !closed_;) {
    input_.Clear();
    const absl::Status status = co_await Fill(deadline - context_.steady.Now());
    if (!status.ok()) co_return;
    heard += input_.bytes().size();
  }
}

asio::awaitable<absl::Status> Connection::Fill(absl::Duration timeout) {
  const auto take = [this](absl::string_view bytes) { input_.Append(bytes); };
  absl::Status status = co_await stream_.ReadInto(take, kReadBytes, timeout);
  co_return status;
}

void Connection::End(absl::string_view reason) {
  if (end_reason_.empty()) end_reason_ = reason;
}

void Connection::EndFor(const absl::Status& status, absl::string_view timeout_reason) {
  if (absl::IsDeadlineExceeded(status)) {
    End(timeout_reason);
  } else {
    End(absl::IsCancelled(status) ? "shutdown" : "vanished");
  }
}

void Connection::Drain() {
  draining_ = true;
  if (waiting_for_client_) stream_.Interrupt();
}

void Connection::Close() {
  draining_ = true;
  closed_ = true;
  stream_.Close();
}

}  // namespace mailstead::web
