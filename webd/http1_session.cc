#include "webd/http1_session.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "webd/http/request_reader.h"
#include "webd/limits.h"

namespace mailstead::web {
namespace {

Refusal Refused(int http_status, absl::Status error) {
  return {.http_status = http_status, .error = std::move(error)};
}

}  // namespace

class Http1Session::OneExchange final : public Exchange {
 public:
  explicit OneExchange(ClientLink& link) : Exchange(link.context().steady.Now()), link_(link) {}

  RequestReader& reader() { return reader_; }
  void HeadIsDone() {
    set_begun(link_.context().steady.Now());
    must_continue_ = head().expects_continue();
  }

  const RequestHead& head() const override { return reader_.head(); }

  void LimitBody(uint64_t max_bytes) override { reader_.LimitBody(max_bytes); }
  asio::awaitable<absl::StatusOr<std::string>> ReadBody(absl::Time deadline) override;
  int body_error_status() const override { return body_error_status_; }

  asio::awaitable<void> Respond(ResponseHead head, std::string body) override;
  asio::awaitable<void> Begin(ResponseHead head) override;
  asio::awaitable<void> Write(std::string bytes) override;
  asio::awaitable<void> Finish() override;

  bool over() const override { return link_.ended(); }
  bool draining() const override { return link_.draining(); }
  asio::awaitable<void> AwaitWake() override;
  void Wake() override {
    if (!waiting_) return;
    woken_ = true;
    link_.stream().Interrupt();
  }

 private:
  absl::Duration TimeUntil(absl::Time deadline) const {
    return std::max(deadline - link_.context().steady.Now(), absl::ZeroDuration());
  }
  // Fill, which Wake ends.
  asio::awaitable<absl::Status> AwaitBody(absl::Time deadline);
  asio::awaitable<void> LookForEnd();
  // What is not long is read, so that the connection may go on.
  asio::awaitable<void> SkipBody();
  // Whether the connection can go on behind the answer.
  bool MayGoOn() const {
    return !link_.ended() && !link_.draining() && reader_.done() && reader_.head().keep_alive;
  }
  void EndUnless(bool keep_alive);

  ClientLink& link_;
  RequestReader reader_;
  int body_error_status_ = 0;
  // The client waits for a word of ours before it sends the body.
  bool must_continue_ = false;
  // Of the answer that was begun.
  bool chunked_ = false;
  bool keep_alive_ = false;
  // Set and cleared around each wait that Wake may end.
  bool waiting_ = false;
  // Set by Wake; cleared when such a wait begins.
  bool woken_ = false;
};

asio::awaitable<absl::StatusOr<std::string>> Http1Session::OneExchange::ReadBody(absl::Time deadline) {
  if (std::exchange(must_continue_, false)) {
    co_await link_.WriteAll("HTTP/1.1 100 Continue\r\n\r\n", link_.context().timeouts.write);
  }
  while (true) {
    const size_t taken = reader_.Read(link_.input().bytes());
    link_.input().Consume(taken);
    if (!reader_.error().ok()) {
      body_error_status_ = reader_.error_status();
      link_.journal().RequestMalformed(reader_.error());
      link_.End("malformed");
      co_return reader_.error();
    }
    if (!reader_.body().empty()) co_return std::exchange(reader_.body(), std::string());
    if (reader_.done()) co_return std::string();
    // The size of a chunk, say.
    if (taken > 0) continue;
    if (over()) co_return absl::CancelledError("the connection ends");
    const absl::Status status = co_await AwaitBody(deadline);
    if (status.ok()) continue;
    if (woken_ && absl::IsCancelled(status)) co_return status;
    link_.EndFor(status, "timeout");
    if (!absl::IsDeadlineExceeded(status)) co_return absl::CancelledError("the client has gone");
    body_error_status_ = 408;
    co_return absl::DeadlineExceededError("the body of the request took too long");
  }
}

asio::awaitable<absl::Status> Http1Session::OneExchange::AwaitBody(absl::Time deadline) {
  waiting_ = true;
  woken_ = false;
  absl::Status status = co_await link_.Fill(TimeUntil(deadline));
  waiting_ = false;
  co_return status;
}

asio::awaitable<void> Http1Session::OneExchange::AwaitWake() {
  if (draining()) co_return;
  waiting_ = true;
  woken_ = false;
  const absl::Status status = co_await link_.AwaitInput(link_.context().timeouts.stream);
  waiting_ = false;
  if (status.ok() && link_.input().bytes().size() > kMaxAheadBytes) link_.End("malformed");
  const bool woken = status.ok() || absl::IsCancelled(status) || absl::IsDeadlineExceeded(status);
  if (!woken) link_.EndFor(status, "");
}

asio::awaitable<void> Http1Session::OneExchange::SkipBody() {
  if (!reader_.head_done() || reader_.done() || !reader_.error().ok() || link_.ended()) co_return;
  if (head().chunked || head().expects_continue() || head().content_length > kMaxSkippedBytes) co_return;
  const absl::Time deadline = link_.context().steady.Now() + kLeaveTimeout;
  while (true) {
    const size_t taken = reader_.Read(link_.input().bytes());
    link_.input().Consume(taken);
    reader_.body().clear();
    if (reader_.done() || !reader_.error().ok()) co_return;
    if (taken > 0) continue;
    const absl::Status status = co_await link_.Fill(TimeUntil(deadline));
    if (!status.ok()) co_return;
  }
}

asio::awaitable<void> Http1Session::OneExchange::Respond(ResponseHead head, std::string body) {
  co_await SkipBody();
  head.content_length = body.size();
  head.minor_version = reader_.head().minor_version;
  head.keep_alive = MayGoOn();
  std::string bytes = web::Write(head, link_.context().wall.Now());
  // RFC 9110 section 9.3.2: the head alone.
  if (reader_.head().method != "HEAD") absl::StrAppend(&bytes, body);
  link_.set_talked_to(!reader_.done());
  co_await link_.WriteAll(std::move(bytes), link_.context().timeouts.write);
  EndUnless(head.keep_alive);
}

// The end of a body mostly stands right behind what the answer is to; without it the connection could not go on.
asio::awaitable<void> Http1Session::OneExchange::LookForEnd() {
  if (link_.ended() || reader_.done()) co_return;
  if (link_.input().empty()) co_await link_.FillNow();
  for (size_t taken = 1; taken > 0 && reader_.body().empty() && reader_.error().ok();) {
    taken = reader_.Read(link_.input().bytes());
    link_.input().Consume(taken);
  }
}

asio::awaitable<void> Http1Session::OneExchange::Begin(ResponseHead head) {
  co_await LookForEnd();
  head.minor_version = reader_.head().minor_version;
  chunked_ = !head.content_length.has_value() && head.minor_version >= 1;
  keep_alive_ = MayGoOn() && (chunked_ || head.content_length.has_value());
  head.keep_alive = keep_alive_;
  co_await link_.WriteAll(web::Write(head, link_.context().wall.Now()), link_.context().timeouts.write);
}

asio::awaitable<void> Http1Session::OneExchange::Write(std::string bytes) {
  // In chunks, no bytes are the end.
  if (over() || bytes.empty()) co_return;
  if (chunked_) bytes = absl::StrCat(absl::Hex(bytes.size()), "\r\n", bytes, "\r\n");
  co_await link_.WriteAll(std::move(bytes), link_.context().timeouts.write);
}

asio::awaitable<void> Http1Session::OneExchange::Finish() {
  if (chunked_ && !over()) co_await link_.WriteAll("0\r\n\r\n", link_.context().timeouts.write);
  link_.set_talked_to(!reader_.done());
  EndUnless(keep_alive_);
}

void Http1Session::OneExchange::EndUnless(bool keep_alive) {
  if (!keep_alive) link_.End(draining() ? "shutdown" : reader_.done() ? "done" : "unread_body");
}

// --- The session

asio::awaitable<void> Http1Session::Run() {
  while (!link_.ended()) co_await ServeOne();
}

asio::awaitable<void> Http1Session::ServeOne() {
  OneExchange exchange(link_);
  const bool has_head = co_await ReadHead(exchange);
  if (!has_head) co_return;
  exchange.HeadIsDone();
  co_await answerer_.Answer(exchange);
}

asio::awaitable<bool> Http1Session::ReadHead(OneExchange& exchange) {
  const ConnectionTimeouts& timeouts = link_.context().timeouts;
  const Clock& clock = link_.context().steady;
  RequestReader& reader = exchange.reader();
  absl::Time deadline = absl::InfiniteFuture();
  while (true) {
    link_.input().Consume(reader.Read(link_.input().bytes()));
    if (!reader.error().ok()) {
      link_.journal().RequestMalformed(reader.error());
      link_.End("malformed");
      // What was read of it is no head to go by.
      OneExchange broken(link_);
      co_await answerer_.Refuse(broken, Refused(reader.error_status(), reader.error()));
      co_return false;
    }
    if (reader.head_done()) co_return true;
    if (link_.draining()) {
      link_.End("shutdown");
      co_return false;
    }
    const bool begun = !link_.input().empty();
    // SECURITY: whoever sends a head byte by byte (slowloris) has no more time for it than another.
    if (begun && deadline == absl::InfiniteFuture()) deadline = clock.Now() + timeouts.head;
    const absl::Status status = co_await link_.AwaitInput(
        begun ? std::max(deadline - clock.Now(), absl::ZeroDuration()) : timeouts.idle);
    if (status.ok()) continue;
    if (link_.draining()) link_.End("shutdown");
    const bool too_slow = absl::IsDeadlineExceeded(status) && begun;
    // Between two requests clients end connections as they like.
    if (!begun && absl::IsUnavailable(status)) link_.End("done");
    link_.EndFor(status, begun ? "timeout" : "idle");
    if (too_slow) {
      Refusal refusal = Refused(408, absl::DeadlineExceededError("the head of the request took too long"));
      co_await answerer_.Refuse(exchange, std::move(refusal));
    }
    co_return false;
  }
}

}  // namespace mailstead::web
