#include "pop3d/connection.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "asio/redirect_error.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/random.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/net/proxy_protocol.h"
#include "common/obs/log.h"

namespace mailstead::pop3 {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr size_t kSessionIdSize = 20;
// What a refused client may take to read why.
constexpr absl::Duration kRefusalTimeout = absl::Seconds(1);
// How long, and for how many bytes, we listen to a client that still talks while we close.
constexpr absl::Duration kLeaveTimeout = absl::Seconds(1);
constexpr size_t kLeaveBytes = 65536;

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, bool implicit_tls, const ConnectionContext& context)
    : context_(context),
      implicit_tls_(implicit_tls),
      session_id_(RandomId(kSessionIdSize)),
      stream_(std::move(socket)),
      session_(context.session, Protection{}) {}

Connection::~Connection() = default;

asio::awaitable<void> Connection::Run() {
  const bool ready = co_await Prepare();
  if (ready) co_await Dialog();
  // A dropped connection, a timeout, a shutdown: nothing is deleted, and the next session finds the maildrop
  // unlocked (RFC 1939 section 6).
  auth_.reset();
  co_await ReleaseMaildrop();
  co_await LeaveGently();
  stream_.Close();
  place_ = net::ConnectionCounter::Place();
  context_.metrics.CountClosed(close_reason_);
  if (!admitted_) co_return;
  context_.metrics.connections.Decrement();
  // One that said nothing was a probe.
  obs::Log(command_count_ == 0 ? obs::LogLevel::kDebug : obs::LogLevel::kInfo, "session_closed",
           {{"session", session_id_},
            {"client", net::AddressText(stream_.peer())},
            {"reason", close_reason_},
            {"account", session_.account()},
            {"commands", command_count_},
            {"retrieved", retrieved_count_},
            {"bytes", retrieved_bytes_},
            {"deleted", deleted_count_}});
}

// --- Before the greeting

asio::awaitable<bool> Connection::Prepare() {
  const bool has_header = co_await ReadProxyHeader();
  if (!has_header) co_return false;
  const bool admitted = co_await Admit();
  if (!admitted) co_return false;
  obs::LogDebug("session_opened", {{"session", session_id_}, {"client", net::AddressText(stream_.peer())}});
  if (!implicit_tls_) co_return true;
  co_return co_await StartTls();
}

// SECURITY: the header is believed from the balancers' networks only, and from these it is required: else any
// client could choose the address that limits and log go by.
asio::awaitable<bool> Connection::ReadProxyHeader() {
  if (!context_.proxy_networks.Contains(stream_.peer().address())) co_return true;
  waiting_for_client_ = true;
  const absl::Status status = co_await net::ReadProxyHeader(stream_, context_.timeouts.proxy_header);
  waiting_for_client_ = false;
  if (status.ok()) co_return true;
  // A balancer's health check often connects and says nothing.
  const bool said_nothing = absl::IsUnavailable(status);
  obs::Log(said_nothing ? obs::LogLevel::kDebug : obs::LogLevel::kWarning, "proxy_header_refused",
           {{"session", session_id_},
            {"balancer", net::AddressText(stream_.peer())},
            {"error", status.ToString()}});
  Close("proxy_failed");
  co_return false;
}

asio::awaitable<bool> Connection::Admit() {
  using Verdict = net::ConnectionCounter::Verdict;
  const std::string client = net::AddressText(stream_.peer());
  const Verdict verdict = context_.counter.Admit(client, place_);
  if (verdict == Verdict::kAdmitted) {
    admitted_ = true;
    context_.metrics.connections.Increment();
    co_return true;
  }
  const bool in_all = verdict == Verdict::kTooManyInAll;
  const Reply refusal{.id = in_all ? ReplyId::kTooManyConnections : ReplyId::kTooManyConnectionsFromAddress};
  obs::LogWarning("connection_refused",
                  {{"session", session_id_}, {"client", client}, {"reason", NameOf(refusal.id)}});
  Queue(refusal);
  // With implicit TLS the words would cost a handshake, which is what a flood of connections wants of us.
  if (!implicit_tls_) {
    const absl::Status ignored = co_await stream_.Write(output_, kRefusalTimeout);
    static_cast<void>(ignored);
  }
  output_.clear();
  Close("refused");
  co_return false;
}

asio::awaitable<bool> Connection::StartTls() {
  waiting_for_client_ = true;
  const absl::Status status = co_await stream_.StartTls(*context_.tls, context_.timeouts.tls_handshake);
  waiting_for_client_ = false;
  if (!status.ok()) {
    context_.metrics.tls_failures.Increment();
    obs::LogInfo("tls_failed", {{"session", session_id_},
                                {"client", net::AddressText(stream_.peer())},
                                {"error", status.ToString()}});
    Close("tls_failed");
    co_return false;
  }
  session_.TlsStarted(ProtectionNow());
  co_return true;
}

Protection Connection::ProtectionNow() const {
  const net::TlsInfo* tls = stream_.tls();
  return Protection{.tls = tls != nullptr, .channel_binding = tls != nullptr && !tls->tls_exporter.empty()};
}

// --- The dialog

asio::awaitable<void> Connection::Dialog() {
  Queue(session_.Greeting());
  const auto restart_idle_timer = [this] {
    idle_deadline_ = SteadyClock::now() + absl::ToChronoNanoseconds(context_.timeouts.idle);
  };
  restart_idle_timer();
  while (close_reason_.empty()) {
    if (draining_) {
      Close("shutdown");
      break;
    }
    LineFramer& framer = session_.in_auth_exchange() ? auth_framer_ : command_framer_;
    const Line line = framer.Next(input_.bytes());
    if (line.kind == Line::Kind::kNeedMore) {
      input_.Consume(line.size_bytes);
      co_await AwaitInput();
      continue;
    }
    ++command_count_;
    Step step = Hear(line);
    input_.Consume(line.size_bytes);
    co_await Perform(std::move(step));
    restart_idle_timer();
  }
  co_await Flush();
}

Step Connection::Hear(const Line& line) {
  switch (line.kind) {
    case Line::Kind::kTooLong:
      return session_.LineTooLong();
    case Line::Kind::kBareLineEnd:
      return session_.BareLineEnd();
    default:
      return session_.Line(line.text);
  }
}

// Replies gather while whole commands are there (RFC 2449 section 6.6) and go out together before we wait.
asio::awaitable<void> Connection::AwaitInput() {
  co_await Flush();
  if (draining_) Close("shutdown");
  if (!close_reason_.empty()) co_return;
  waiting_for_client_ = true;
  const absl::Status status = co_await Fill(IdleTimeLeft());
  waiting_for_client_ = false;
  if (status.ok()) co_return;
  // RFC 1939 section 3: on a timeout the connection is closed without a word, and nothing is deleted.
  if (draining_) Close("shutdown");
  CloseFor(status, "timeout");
}

asio::awaitable<absl::Status> Connection::Fill(absl::Duration timeout) {
  const auto take = [this](absl::string_view bytes) { input_.Append(bytes); };
  absl::Status status = co_await stream_.ReadInto(take, kReadBytes, timeout);
  co_return status;
}

asio::awaitable<void> Connection::Perform(Step step) {
  while (true) {
    if (step.reply.has_value()) Queue(*step.reply);
    if (output_.size() >= kFlushBytes) co_await Flush();
    if (std::holds_alternative<std::monostate>(step.action)) co_return;
    Next next = std::visit([this](auto&& action) { return Act(std::move(action)); }, std::move(step.action));
    std::optional<Step> following = co_await std::move(next);
    if (!following.has_value()) co_return;
    step = *std::move(following);
  }
}

asio::awaitable<void> Connection::Flush() {
  if (output_.empty()) co_return;
  // Taken out, so that an idle session keeps no buffer.
  const std::string bytes = std::exchange(output_, std::string());
  const absl::Status status = co_await stream_.Write(bytes, context_.timeouts.write);
  if (!status.ok()) CloseFor(status, "write_timeout");
}

// Closing a socket with unread input resets the connection, and the reset can overtake our last reply on its
// way to the client. So a client that still talks is listened to for a moment.
asio::awaitable<void> Connection::LeaveGently() {
  stream_.ShutdownSend();
  if (input_.empty() && !stream_.HasPendingInput()) co_return;
  const auto deadline = SteadyClock::now() + absl::ToChronoNanoseconds(kLeaveTimeout);
  for (size_t heard = 0; heard < kLeaveBytes && !aborted_;) {
    input_.Clear();
    const absl::Status status = co_await Fill(absl::FromChrono(deadline - SteadyClock::now()));
    if (!status.ok()) co_return;
    heard += input_.bytes().size();
  }
}

void Connection::Queue(const Reply& reply) {
  context_.metrics.CountReply(reply.id);
  AppendReply(reply, session_.language(), output_);
}

void Connection::Close(absl::string_view reason) {
  if (close_reason_.empty()) close_reason_ = reason;
}

void Connection::CloseFor(const absl::Status& status, absl::string_view timeout_reason) {
  if (absl::IsDeadlineExceeded(status)) {
    Close(timeout_reason);
  } else {
    Close(absl::IsCancelled(status) ? "shutdown" : "dropped");
  }
}

absl::Duration Connection::IdleTimeLeft() const {
  return std::max(absl::FromChrono(idle_deadline_ - SteadyClock::now()), absl::ZeroDuration());
}

void Connection::Drain() {
  draining_ = true;
  if (waiting_for_client_) stream_.Interrupt();
}

void Connection::Abort() {
  draining_ = true;
  aborted_ = true;
  stream_.Close();
}

}  // namespace mailstead::pop3
