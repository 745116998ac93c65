#include "webd/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/post.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/byte_budget.h"
#include "common/base/check.h"
#include "common/base/timers.h"
#include "webd/http/frame_allowance.h"
#include "webd/http/limits.h"
#include "webd/limits.h"

namespace mailstead::web {
namespace {

absl::string_view View(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

nghttp2_nv Pair(const std::string& name, const std::string& value) {
  // nghttp2 copies both, and changes nothing.
  const auto bytes = [](const std::string& text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::vector<nghttp2_nv> Pairs(const std::vector<HeaderField>& fields) {
  std::vector<nghttp2_nv> pairs;
  pairs.reserve(fields.size());
  for (const HeaderField& field : fields) pairs.push_back(Pair(field.name, field.value));
  return pairs;
}

template <auto kDelete>
struct Deleter {
  template <typename T>
  void operator()(T* what) const {
    kDelete(what);
  }
};
using SessionPtr = std::unique_ptr<nghttp2_session, Deleter<nghttp2_session_del>>;
using CallbacksPtr = std::unique_ptr<nghttp2_session_callbacks, Deleter<nghttp2_session_callbacks_del>>;
using OptionPtr = std::unique_ptr<nghttp2_option, Deleter<nghttp2_option_del>>;

absl::Status Gone() { return absl::CancelledError("the client has gone"); }

}  // namespace

struct Http2Session::Impl {
  class OneExchange;
  using ExchangePtr = std::shared_ptr<OneExchange>;

  Impl(ClientLink& of, Answerer& by);

  // --- The pump: one coroutine that reads and writes

  asio::awaitable<void> Run();
  // What nghttp2 has to send, as far as the socket takes it. False: the client takes no more now.
  bool Send();
  // What has come, to nghttp2.
  void Receive();
  // Ends what has had its time.
  void CheckTimes();
  absl::Time NextDeadline() const;
  // Tells the client that nothing follows, and ends the connection when it is told.
  void Leave(uint32_t error_code, absl::string_view reason);
  // The client is told, or has had its time for it.
  bool HasLeft() const;
  // Ends the pump's wait.
  void Wake() {
    if (std::exchange(waiting, false)) link.stream().Interrupt();
  }

  // --- What nghttp2 tells

  int OnBeginHeaders(const nghttp2_frame& frame);
  int OnHeader(const nghttp2_frame& frame, absl::string_view name, absl::string_view value);
  int OnData(int32_t stream_id, absl::string_view bytes);
  int OnFrame(const nghttp2_frame& frame);
  int OnFrameSent(const nghttp2_frame& frame);
  int OnStreamClosed(int32_t stream_id);
  // For what a client sends too much of.
  void Count(double frames);

  static asio::awaitable<void> Serve(Impl* session, ExchangePtr exchange);
  // The last of a request.
  void Forget(int32_t stream_id);
  OneExchange* Find(int32_t stream_id) const {
    return static_cast<OneExchange*>(nghttp2_session_get_stream_user_data(h2.get(), stream_id));
  }

  absl::Time Now() const { return link.context().steady.Now(); }
  const ConnectionTimeouts& timeouts() const { return link.context().timeouts; }

  ClientLink& link;
  Answerer& answerer;
  SessionPtr h2;
  FrameAllowance allowance;
  // By stream. Those that are being answered; also those whose stream is closed.
  std::map<int32_t, ExchangePtr> exchanges;
  // Cancelled when one has ended.
  const std::unique_ptr<Timer> one_ended;
  // Of nghttp2, not taken by the socket.
  InputBuffer output;
  // Since when the socket has taken none of it.
  absl::Time output_since;
  // Since when there has been no request.
  absl::Time idle_since;
  // The head that is on its way has until then.
  absl::Time head_deadline = absl::InfiniteFuture();
  // Set around the pump's wait.
  bool waiting = false;
  // Set for good when the client was told that the process ends.
  bool told_of_drain = false;
  // Set for good by Leave.
  absl::string_view leave_reason = "";
  absl::Time leave_deadline = absl::InfiniteFuture();
};

// One stream.
class Http2Session::Impl::OneExchange final : public Exchange {
 public:
  OneExchange(Impl& session, int32_t id)
      : Exchange(session.Now()),
        session_(session),
        id_(id),
        held_(session.link.context().memory),
        notified_(Timers::Steady().NewTimer(session.link.stream().executor())) {}

  // --- For the session

  void AddField(absl::string_view name, absl::string_view value);
  // It is answered from now on.
  void HeadIsDone(bool has_body);
  bool head_is_done() const { return head_is_done_; }
  bool head_too_large() const { return head_too_large_; }
  void AddBody(absl::string_view bytes);
  void BodyIsDone() {
    body_done_ = true;
    Notify();
  }
  bool body_done() const { return body_done_; }
  // The stream is closed. What was not read of it, for the window of the connection.
  size_t Closed() {
    closed_ = true;
    const size_t unread = unread_.bytes().size();
    unread_.Clear();
    held_.Clear();
    Notify();
    return unread;
  }
  // Until nghttp2 knows no more of it.
  asio::awaitable<void> AwaitClosed() {
    while (!closed_ && !session_.link.ended()) co_await notified_->WaitUntil(absl::InfiniteFuture());
  }
  int32_t id() const { return id_; }
  void Notify() { notified_->Cancel(); }
  ssize_t Give(uint8_t* into, size_t size, uint32_t* flags);

  // --- Exchange

  const RequestHead& head() const override { return head_; }

  void LimitBody(uint64_t max_bytes) override {
    room_bytes_ = max_bytes;
    body_too_large_ = head_.content_length > max_bytes;
  }
  asio::awaitable<absl::StatusOr<std::string>> ReadBody(absl::Time deadline) override;
  int body_error_status() const override { return body_error_status_; }

  asio::awaitable<void> Respond(ResponseHead head, std::string body) override;
  asio::awaitable<void> Begin(ResponseHead head) override;
  asio::awaitable<void> Write(std::string bytes) override;
  asio::awaitable<void> Finish() override;

  bool over() const override { return closed_ || abandoned_ || session_.link.ended(); }
  bool draining() const override { return session_.link.draining(); }
  asio::awaitable<void> AwaitWake() override;
  void Wake() override {
    woken_ = true;
    Notify();
  }

 private:
  absl::Status BodyError(int http_status, absl::Status error) {
    body_error_status_ = http_status;
    return error;
  }
  void SubmitHead(const ResponseHead& head, bool has_body);
  void Continue();
  // The next bytes for the client, of no more than there may be in a read.
  std::string TakeBody();
  // Until the client's window has taken all of output_, or has taken nothing for too long.
  asio::awaitable<void> AwaitTaken();
  void Resume();

  Impl& session_;
  const int32_t id_;
  RequestHead head_;
  size_t head_bytes_ = 0;
  bool head_too_large_ = false;
  bool head_is_done_ = false;

  // Of the body: what was not read of it, and its part of the memory of all bodies.
  InputBuffer unread_;
  ByteHold held_;
  // What the rest of it may have.
  uint64_t room_bytes_ = UINT64_MAX;
  bool body_too_large_ = false;
  bool body_done_ = false;
  // There was no memory for some of it.
  bool body_lost_ = false;
  bool must_continue_ = false;
  int body_error_status_ = 0;

  // Of the answer: what the client's window has not taken.
  std::string output_;
  size_t output_at_ = 0;
  // Nothing follows output_.
  bool ended_ = false;
  // nghttp2 has asked for bytes when there were none.
  bool deferred_ = false;

  // The client takes nothing, and the stream will be closed.
  bool abandoned_ = false;
  bool closed_ = false;
  // Set by Wake; cleared when a wait that it ends begins.
  bool woken_ = false;
  // Cancelled whenever something has changed.
  const std::unique_ptr<Timer> notified_;
};

// --- A request

void Http2Session::Impl::OneExchange::AddField(absl::string_view name, absl::string_view value) {
  // As SETTINGS_MAX_HEADER_LIST_SIZE counts them (RFC 9113 section 6.5.2).
  static constexpr size_t kFieldOverhead = 32;
  head_bytes_ += name.size() + value.size() + kFieldOverhead;
  if (head_bytes_ > kMaxHeadBytes || head_.fields.size() == kMaxHeaderFields) head_too_large_ = true;
  if (head_too_large_) return;
  if (name == ":method") {
    head_.method = std::string(value);
  } else if (name == ":path") {
    head_.target = std::string(value);
  } else if (name == ":authority") {
    head_.fields.push_back({"host", std::string(value)});
  } else if (name[0] != ':') {
    head_.fields.push_back({std::string(name), std::string(value)});
  }
}

void Http2Session::Impl::OneExchange::HeadIsDone(bool has_body) {
  set_begun(session_.Now());
  body_done_ = !has_body;
  // nghttp2 has seen to it that it is one number, and that the body has as much.
  // Clients often end a request that has none by an empty DATA: of what is mostly without a body it is not known in front.
  const bool may_have_none = head_.method == "GET" || head_.method == "HEAD";
  head_.chunked =
      !absl::SimpleAtoi(head_.Value("content-length"), &head_.content_length) && has_body && !may_have_none;
  head_is_done_ = true;
  must_continue_ = head_.expects_continue();
}

void Http2Session::Impl::OneExchange::AddBody(absl::string_view bytes) {
  // SECURITY: bodies that nobody reads yet count, too. What has no room is lost, and the request with it.
  body_lost_ = body_lost_ || ended_ || !held_.TryTake(bytes.size());
  if (body_lost_) {
    nghttp2_session_consume(session_.h2.get(), id_, bytes.size());
  } else {
    unread_.Append(bytes);
  }
  Notify();
}

void Http2Session::Impl::OneExchange::Continue() {
  const std::string name = ":status";
  const std::string value = "100";
  const nghttp2_nv pair = Pair(name, value);
  nghttp2_submit_headers(session_.h2.get(), NGHTTP2_FLAG_NONE, id_, nullptr, &pair, 1, nullptr);
  session_.Wake();
}

asio::awaitable<absl::StatusOr<std::string>> Http2Session::Impl::OneExchange::ReadBody(absl::Time deadline) {
  if (std::exchange(must_continue_, false) && !over() && unread_.empty()) Continue();
  woken_ = false;
  while (true) {
    if (over()) co_return Gone();
    if (body_lost_) {
      co_return BodyError(503, absl::UnavailableError("there are too many large requests at the moment"));
    }
    if (body_too_large_ || unread_.bytes().size() > room_bytes_) {
      co_return BodyError(413, absl::InvalidArgumentError("the request is too large"));
    }
    if (!unread_.empty()) co_return TakeBody();
    if (body_done_) co_return std::string();
    if (woken_) co_return absl::CancelledError("woken");
    const bool timed_out = co_await notified_->WaitUntil(deadline);
    if (timed_out) {
      co_return BodyError(408, absl::DeadlineExceededError("the body of the request took too long"));
    }
  }
}

std::string Http2Session::Impl::OneExchange::TakeBody() {
  std::string piece(unread_.bytes().substr(0, kReadBytes));
  unread_.Consume(piece.size());
  held_.Split(piece.size());
  room_bytes_ -= piece.size();
  nghttp2_session_consume(session_.h2.get(), id_, piece.size());
  session_.Wake();
  return piece;
}

// --- Its answer

void Http2Session::Impl::OneExchange::SubmitHead(const ResponseHead& head, bool has_body) {
  std::vector<HeaderField> fields = FieldsOf(head, session_.link.context().wall.Now());
  fields.insert(fields.begin(), {":status", absl::StrCat(head.status)});
  for (HeaderField& field : fields) absl::AsciiStrToLower(&field.name);
  nghttp2_data_provider body{};
  body.source.ptr = this;
  body.read_callback = [](nghttp2_session*, int32_t, uint8_t* into, size_t size, uint32_t* flags,
                          nghttp2_data_source* source, void*) -> ssize_t {
    return static_cast<OneExchange*>(source->ptr)->Give(into, size, flags);
  };
  const std::vector<nghttp2_nv> pairs = Pairs(fields);
  nghttp2_submit_response(session_.h2.get(), id_, pairs.data(), pairs.size(), has_body ? &body : nullptr);
  session_.Wake();
}

ssize_t Http2Session::Impl::OneExchange::Give(uint8_t* into, size_t size, uint32_t* flags) {
  const size_t given = std::min(size, output_.size() - output_at_);
  std::memcpy(into, output_.data() + output_at_, given);
  output_at_ += given;
  const bool all = output_at_ == output_.size();
  if (all && ended_) *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (given > 0 || all) Notify();
  deferred_ = given == 0 && !(all && ended_);
  return deferred_ ? static_cast<ssize_t>(NGHTTP2_ERR_DEFERRED) : static_cast<ssize_t>(given);
}

void Http2Session::Impl::OneExchange::Resume() {
  if (std::exchange(deferred_, false)) nghttp2_session_resume_data(session_.h2.get(), id_);
  session_.Wake();
}

asio::awaitable<void> Http2Session::Impl::OneExchange::AwaitTaken() {
  size_t taken = output_at_;
  absl::Time deadline = session_.Now() + session_.timeouts().write;
  while (!over() && output_at_ < output_.size()) {
    const bool timed_out = co_await notified_->WaitUntil(deadline);
    if (output_at_ > taken) {
      taken = output_at_;
      deadline = session_.Now() + session_.timeouts().write;
    } else if (timed_out) {
      // SECURITY: a client that holds its window closed keeps no memory of ours.
      abandoned_ = true;
      nghttp2_submit_rst_stream(session_.h2.get(), NGHTTP2_FLAG_NONE, id_, NGHTTP2_CANCEL);
      session_.Wake();
    }
  }
  output_ = std::string();
  output_at_ = 0;
}

asio::awaitable<void> Http2Session::Impl::OneExchange::Respond(ResponseHead head, std::string body) {
  if (over()) co_return;
  head.content_length = body.size();
  const bool has_body = head_.method != "HEAD" && !body.empty();
  ended_ = true;
  if (has_body) output_ = std::move(body);
  SubmitHead(head, has_body);
  co_await AwaitTaken();
}

asio::awaitable<void> Http2Session::Impl::OneExchange::Begin(ResponseHead head) {
  if (!over()) SubmitHead(head, /*has_body=*/true);
  co_return;
}

asio::awaitable<void> Http2Session::Impl::OneExchange::Write(std::string bytes) {
  if (over() || bytes.empty()) co_return;
  output_ = std::move(bytes);
  Resume();
  co_await AwaitTaken();
}

asio::awaitable<void> Http2Session::Impl::OneExchange::Finish() {
  ended_ = true;
  if (!over()) Resume();
  co_return;
}

asio::awaitable<void> Http2Session::Impl::OneExchange::AwaitWake() {
  woken_ = false;
  while (!woken_ && !over() && !draining()) co_await notified_->WaitUntil(absl::InfiniteFuture());
}

// --- The session

Http2Session::Impl::Impl(ClientLink& of, Answerer& by)
    : link(of),
      answerer(by),
      allowance(kMaxIdleFrames, kIdleFramesPerSecond, of.context().steady.Now()),
      one_ended(Timers::Steady().NewTimer(of.stream().executor())),
      output_since(of.context().steady.Now()),
      idle_since(of.context().steady.Now()) {
  nghttp2_session_callbacks* made = nullptr;
  CHECK(nghttp2_session_callbacks_new(&made) == 0);
  const CallbacksPtr callbacks(made);
  nghttp2_session_callbacks_set_on_begin_headers_callback(
      made, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
        return static_cast<Impl*>(self)->OnBeginHeaders(*frame);
      });
  nghttp2_session_callbacks_set_on_header_callback(
      made, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
               const uint8_t* value, size_t value_size, uint8_t, void* self) {
        return static_cast<Impl*>(self)->OnHeader(*frame, View(name, name_size), View(value, value_size));
      });
  // SECURITY: without this a field that is none would be passed over, which a proxy may not have done (smuggling).
  nghttp2_session_callbacks_set_on_invalid_header_callback(
      made,
      [](nghttp2_session*, const nghttp2_frame*, const uint8_t*, size_t, const uint8_t*, size_t, uint8_t,
         void*) -> int { return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      made, [](nghttp2_session*, uint8_t, int32_t stream_id, const uint8_t* bytes, size_t size, void* self) {
        return static_cast<Impl*>(self)->OnData(stream_id, View(bytes, size));
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      made, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
        return static_cast<Impl*>(self)->OnFrame(*frame);
      });
  nghttp2_session_callbacks_set_on_frame_send_callback(
      made, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
        return static_cast<Impl*>(self)->OnFrameSent(*frame);
      });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      made, [](nghttp2_session*, int32_t stream_id, uint32_t, void* self) {
        return static_cast<Impl*>(self)->OnStreamClosed(stream_id);
      });
  nghttp2_option* option = nullptr;
  CHECK(nghttp2_option_new(&option) == 0);
  const OptionPtr options(option);
  // Windows open as bodies are read.
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_session* session = nullptr;
  CHECK(nghttp2_session_server_new2(&session, made, this, option) == 0);
  h2.reset(session);
}

asio::awaitable<void> Http2Session::Impl::Run() {
  const auto max_streams = static_cast<uint32_t>(link.context().max_streams);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, max_streams},
                                             {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindowBytes},
                                             {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxHeadBytes},
                                             {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}};
  nghttp2_submit_settings(h2.get(), NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(h2.get(), NGHTTP2_FLAG_NONE, 0, kConnectionWindowBytes);
  int reads = 0;
  while (!link.ended()) {
    Receive();
    CheckTimes();
    if (!Send()) break;
    if (HasLeft()) link.End(leave_reason);
    if (link.ended()) break;
    const absl::Status read = co_await link.FillNow();
    if (read.ok()) {
      if (++reads % kReadsInARow == 0) co_await asio::post(link.stream().executor(), asio::use_awaitable);
      continue;
    }
    if (!absl::IsDeadlineExceeded(read)) {
      // Between two requests clients end connections as they like.
      if (exchanges.empty() && absl::IsUnavailable(read)) link.End("done");
      link.EndFor(read, "");
      break;
    }
    waiting = true;
    const ClientLink::Waiting for_client(link);
    const absl::Status ready =
        co_await link.stream().WaitForPeer(/*or_writable=*/!output.empty(), NextDeadline() - Now());
    waiting = false;
    if (absl::IsUnavailable(ready)) link.EndFor(ready, "");
  }
  // Those whose head never came whole are answered by nobody.
  std::erase_if(exchanges, [](const auto& one) { return !one.second->head_is_done(); });
  for (const auto& [id, exchange] : exchanges) exchange->Notify();
  while (!exchanges.empty()) co_await one_ended->WaitUntil(absl::InfiniteFuture());
}

void Http2Session::Impl::Receive() {
  if (link.input().empty()) return;
  const absl::string_view bytes = link.input().bytes();
  const ssize_t taken =
      nghttp2_session_mem_recv(h2.get(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  link.input().Clear();
  if (taken >= 0) return;
  link.journal().RequestMalformed(absl::InvalidArgumentError(nghttp2_strerror(static_cast<int>(taken))));
  Leave(taken == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR,
        taken == NGHTTP2_ERR_FLOODED ? "flood" : "malformed");
}

bool Http2Session::Impl::Send() {
  while (true) {
    while (output.bytes().size() < kMaxOutputBytes) {
      const uint8_t* bytes = nullptr;
      const ssize_t size = nghttp2_session_mem_send(h2.get(), &bytes);
      CHECK(size != NGHTTP2_ERR_NOMEM);
      if (size <= 0) break;
      if (output.empty()) output_since = Now();
      output.Append(View(bytes, static_cast<size_t>(size)));
    }
    if (output.empty()) return true;
    const absl::StatusOr<size_t> written = link.stream().TryWrite(output.bytes());
    if (!written.ok()) {
      link.EndFor(written.status(), "");
      return false;
    }
    if (*written == 0) return true;
    output_since = Now();
    output.Consume(*written);
    if (!output.empty()) return true;
  }
}

void Http2Session::Impl::CheckTimes() {
  const absl::Time now = Now();
  if (link.draining() && !told_of_drain) {
    told_of_drain = true;
    nghttp2_submit_goaway(h2.get(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(h2.get()),
                          NGHTTP2_NO_ERROR, nullptr, 0);
    for (const auto& [id, exchange] : exchanges) exchange->Notify();
  }
  if (!output.empty() && now >= output_since + timeouts().write) link.End("write_timeout");
  if (now >= head_deadline) Leave(NGHTTP2_ENHANCE_YOUR_CALM, "timeout");
  if (!exchanges.empty()) return;
  if (told_of_drain) Leave(NGHTTP2_NO_ERROR, "shutdown");
  if (now >= idle_since + timeouts().idle) Leave(NGHTTP2_NO_ERROR, "idle");
  // The client has said that it goes, or nghttp2 has said why it must.
  if (nghttp2_session_want_read(h2.get()) == 0) Leave(NGHTTP2_NO_ERROR, "done");
}

absl::Time Http2Session::Impl::NextDeadline() const {
  absl::Time next = std::min(head_deadline, leave_deadline);
  if (!output.empty()) next = std::min(next, output_since + timeouts().write);
  if (exchanges.empty() && leave_reason.empty()) next = std::min(next, idle_since + timeouts().idle);
  return next;
}

void Http2Session::Impl::Leave(uint32_t error_code, absl::string_view reason) {
  if (!leave_reason.empty()) return;
  leave_reason = reason;
  leave_deadline = Now() + kRefusalTimeout;
  head_deadline = absl::InfiniteFuture();
  nghttp2_session_terminate_session(h2.get(), error_code);
  link.set_talked_to(true);
}

bool Http2Session::Impl::HasLeft() const {
  if (leave_reason.empty()) return false;
  return (output.empty() && nghttp2_session_want_write(h2.get()) == 0) || Now() >= leave_deadline;
}

// --- What nghttp2 tells

int Http2Session::Impl::OnBeginHeaders(const nghttp2_frame& frame) {
  head_deadline = std::min(head_deadline, Now() + timeouts().head);
  if (frame.hd.type != NGHTTP2_HEADERS || frame.headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  const int32_t id = frame.hd.stream_id;
  // SECURITY: a request that was reset is still the store's to answer (rapid reset, CVE-2023-44487).
  if (exchanges.size() >= kMaxCallsPerStream * link.context().max_streams) {
    nghttp2_submit_rst_stream(h2.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    return 0;
  }
  const auto exchange = std::make_shared<OneExchange>(*this, id);
  exchanges.emplace(id, exchange);
  nghttp2_session_set_stream_user_data(h2.get(), id, exchange.get());
  return 0;
}

int Http2Session::Impl::OnHeader(const nghttp2_frame& frame, absl::string_view name,
                                 absl::string_view value) {
  // Nothing of a trailer (RFC 9110 section 6.5.1) is for us.
  if (frame.hd.type != NGHTTP2_HEADERS || frame.headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  OneExchange* const exchange = Find(frame.hd.stream_id);
  if (exchange != nullptr) exchange->AddField(name, value);
  return 0;
}

int Http2Session::Impl::OnData(int32_t stream_id, absl::string_view bytes) {
  OneExchange* const exchange = Find(stream_id);
  if (exchange != nullptr) {
    exchange->AddBody(bytes);
  } else {
    nghttp2_session_consume(h2.get(), stream_id, bytes.size());
  }
  return 0;
}

int Http2Session::Impl::OnFrame(const nghttp2_frame& frame) {
  const bool ends_body = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  OneExchange* const exchange = Find(frame.hd.stream_id);
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      head_deadline = absl::InfiniteFuture();
      if (exchange == nullptr) break;
      if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
        exchange->HeadIsDone(!ends_body);
        asio::co_spawn(link.stream().executor(), Serve(this, exchanges.at(frame.hd.stream_id)),
                       asio::detached);
      } else if (ends_body) {
        exchange->BodyIsDone();
      }
      break;
    case NGHTTP2_DATA:
      if (frame.hd.length == 0 && !ends_body) Count(1);
      if (exchange != nullptr && ends_body) exchange->BodyIsDone();
      break;
    case NGHTTP2_RST_STREAM:
      Count(kFramesOfAReset);
      break;
    case NGHTTP2_WINDOW_UPDATE:
      break;
    default:
      Count(1);
      break;
  }
  return 0;
}

int Http2Session::Impl::OnFrameSent(const nghttp2_frame& frame) {
  if (frame.hd.type == NGHTTP2_GOAWAY && frame.goaway.error_code != NGHTTP2_NO_ERROR &&
      leave_reason.empty()) {
    link.journal().RequestMalformed(absl::InvalidArgumentError(
        absl::StrCat("HTTP/2: ", nghttp2_http2_strerror(frame.goaway.error_code))));
    leave_reason = "malformed";
    leave_deadline = Now() + kRefusalTimeout;
    link.set_talked_to(true);
  }
  // SECURITY: a client can make us reset its requests as well as it can itself (CVE-2025-8671).
  if (frame.hd.type == NGHTTP2_RST_STREAM && frame.rst_stream.error_code != NGHTTP2_NO_ERROR) {
    Count(kFramesOfAReset);
  }
  const bool ends = (frame.hd.type == NGHTTP2_DATA || frame.hd.type == NGHTTP2_HEADERS) &&
                    (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  const OneExchange* const exchange = ends ? Find(frame.hd.stream_id) : nullptr;
  // The rest of the body is not wanted (RFC 9113 section 8.1).
  if (exchange != nullptr && !exchange->body_done()) {
    nghttp2_submit_rst_stream(h2.get(), NGHTTP2_FLAG_NONE, frame.hd.stream_id, NGHTTP2_NO_ERROR);
  }
  return 0;
}

int Http2Session::Impl::OnStreamClosed(int32_t stream_id) {
  const auto found = exchanges.find(stream_id);
  if (found == exchanges.end()) return 0;
  const size_t unread = found->second->Closed();
  if (unread > 0) nghttp2_session_consume_connection(h2.get(), unread);
  nghttp2_session_set_stream_user_data(h2.get(), stream_id, nullptr);
  // Its head was none: nobody answers it.
  head_deadline = absl::InfiniteFuture();
  if (!found->second->head_is_done()) Forget(stream_id);
  return 0;
}

void Http2Session::Impl::Count(double frames) {
  if (allowance.Take(frames, Now()) || !leave_reason.empty()) return;
  link.journal().RequestMalformed(
      absl::ResourceExhaustedError("HTTP/2: too many frames that ask for nothing"));
  Leave(NGHTTP2_ENHANCE_YOUR_CALM, "flood");
}

asio::awaitable<void> Http2Session::Impl::Serve(Impl* session, ExchangePtr exchange) {
  if (exchange->head_too_large()) {
    Refusal refusal{.http_status = 431,
                    .error = absl::InvalidArgumentError("the head of the request is too large")};
    co_await session->answerer.Refuse(*exchange, std::move(refusal));
  } else if (!exchange->over()) {
    co_await session->answerer.Answer(*exchange);
  }
  co_await exchange->AwaitClosed();
  session->Forget(exchange->id());
}

void Http2Session::Impl::Forget(int32_t stream_id) {
  exchanges.erase(stream_id);
  idle_since = Now();
  one_ended->Cancel();
  Wake();
}

Http2Session::Http2Session(ClientLink& link, Answerer& answerer)
    : impl_(std::make_unique<Impl>(link, answerer)) {}
Http2Session::~Http2Session() = default;

asio::awaitable<void> Http2Session::Run() { return impl_->Run(); }

}  // namespace mailstead::web
