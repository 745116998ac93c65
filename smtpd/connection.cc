#include "smtpd/connection.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "asio/post.hpp"
#include "asio/use_awaitable.hpp"
#include "common/net/network_list.h"
#include "common/net/proxy_protocol.h"
#include "common/net/tls_context.h"
#include "common/obs/log.h"
#include "smtpd/connection_set.h"
#include "smtpd/inbound/delivery.h"
#include "smtpd/inbound/message_intake.h"
#include "smtpd/metrics.h"
#include "smtpd/protocol/limits.h"
#include "smtpd/retry.h"
#include "smtpd/session/recipients_ahead.h"
#include "smtpd/session/status_reply.h"
#include "smtpd/steady_clock.h"
#include "smtpd/store_client.h"

namespace mailstead::smtp {
namespace {

constexpr size_t kSessionIdCharacters = 20;
// A client that always has bytes for us lets the others of its thread go on after so many reads.
constexpr unsigned kReadsBeforeYield = 32;

// Recipients resolved together with the one whose turn it is.
constexpr size_t kMaxResolvedAhead = 100;

bool IsImplicitTls(ListenerKind kind) { return kind == ListenerKind::kSubmissions; }

}  // namespace

asio::awaitable<void> ServeConnection(const ConnectionContext& context, asio::ip::tcp::socket socket) {
  Connection connection(context, std::move(socket));
  co_await connection.Run();
}

Connection::Connection(const ConnectionContext& context, asio::ip::tcp::socket socket)
    : context_(context),
      stream_(std::move(socket)),
      id_(context.new_id(kSessionIdCharacters)),
      started_(SteadyNow()),
      set_id_(context.connections.Add(*this)),
      session_(context.session),
      framer_(kMaxAuthLineBytes) {
  context_.metrics.ConnectionOpened(context_.session.kind);
}

Connection::~Connection() {
  context_.connections.Remove(set_id_);
  context_.metrics.ConnectionClosed(context_.session.kind);
}

asio::awaitable<void> Connection::Run() {
  const bool admitted = co_await Admit();
  if (admitted) co_await Talk();
  // Whatever the session said last.
  const absl::Status flushed = co_await Flush();
  if (flushed.ok()) co_await Linger();
  LogClosed();
}

void Connection::Drain() {
  if (phase_ == Phase::kIdle) stream_.Interrupt();
  if (phase_ == Phase::kBeforeGreeting || phase_ == Phase::kLingering) stream_.Close();
}

// ---- Before the greeting

asio::awaitable<bool> Connection::Admit() {
  end_reason_ = "refused";
  const bool header_ok = co_await ReadProxyHeader();
  if (!header_ok) co_return false;
  client_ = net::AddressText(stream_.peer());
  const auto verdict = context_.counter.Admit(client_, place_);
  if (verdict != net::ConnectionCounter::Verdict::kAdmitted) {
    const bool in_all = verdict == net::ConnectionCounter::Verdict::kTooManyInAll;
    session_.CloseWith(in_all ? ReplyId::kTooManyConnections : ReplyId::kTooManyFromAddress);
    LogRefusal("connection_refused", "count", absl::StrCat(context_.counter.count()));
    // Under implicit TLS the client could read nothing without a handshake, which is the work that is to be
    // saved.
    if (IsImplicitTls(context_.session.kind)) stream_.Close();
    co_return false;
  }
  if (IsImplicitTls(context_.session.kind)) {
    const bool encrypted = co_await HandshakeTls();
    if (!encrypted) co_return false;
  } else {
    // SECURITY: spam senders do not wait for the greeting; a client that is made to speak SMTP by a web page
    // cannot.
    const absl::Duration delay = context_.session.limits.greeting_delay;
    if (delay > absl::ZeroDuration()) co_await stream_.WaitReadable(delay);
    if (stream_.HasPendingInput()) {
      session_.CloseWith(ReplyId::kEarlyTalker);
      LogRefusal("connection_refused", "delay", absl::FormatDuration(delay));
      co_return false;
    }
  }
  end_reason_ = "client";
  co_return true;
}

asio::awaitable<bool> Connection::ReadProxyHeader() {
  // SECURITY: only from these networks, and from them always: who else could say which address it has?
  if (!context_.proxy_networks.Contains(stream_.peer().address())) co_return true;
  const absl::Status status =
      co_await net::ReadProxyHeader(stream_, context_.session.limits.proxy_header_timeout);
  if (status.ok()) co_return true;
  client_ = net::AddressText(stream_.peer());
  obs::LogWarning("proxy_header_refused",
                  {{"session", id_}, {"client", client_}, {"error", status.message()}});
  stream_.Close();
  co_return false;
}

asio::awaitable<bool> Connection::HandshakeTls() {
  const absl::Status status =
      co_await stream_.StartTls(context_.tls, context_.session.limits.tls_handshake_timeout);
  context_.metrics.TlsHandshake(status.ok());
  if (!status.ok()) {
    end_reason_ = "tls";
    obs::LogInfo("tls_failed", {{"session", id_}, {"client", client_}, {"error", status.message()}});
    stream_.Close();
    co_return false;
  }
  session_.OnTlsStarted(/*has_exporter=*/!stream_.tls()->tls_exporter.empty());
  co_return true;
}

// ---- The dialog

asio::awaitable<void> Connection::Talk() {
  phase_ = Phase::kWorking;
  Action action = NextCommand{};
  if (context_.connections.draining()) {
    action = EndAfter(absl::CancelledError("shutdown"));
  } else {
    session_.Greet();
  }
  while (!std::holds_alternative<smtp::Close>(action)) {
    asio::awaitable<Action> step = std::visit([this](auto& asked) { return Do(std::move(asked)); }, action);
    action = co_await std::move(step);
    // RSET, EHLO or the end of the session may have dropped a message that came in chunks.
    if (intake_ != nullptr && session_.dialog().transaction == nullptr) EndMessage();
    if (session_.dialog().transaction == nullptr) resolved_ahead_.clear();
    if (session_.output().size() > kMaxGatheredReplyBytes) {
      const absl::Status flushed = co_await Flush();
      if (!flushed.ok()) co_return;
    }
  }
}

asio::awaitable<Action> Connection::Do(NextCommand) { return AwaitCommand(); }

asio::awaitable<Action> Connection::Do(smtp::Close) { co_return smtp::Close{}; }

asio::awaitable<Action> Connection::AwaitCommand() {
  const absl::Time deadline = SteadyNow() + context_.session.limits.command_timeout;
  while (true) {
    const Line line = framer_.Next(input_.bytes());
    if (line.kind != Line::Kind::kNeedMore) {
      Action action = line.kind == Line::Kind::kLine      ? session_.OnLine(line.text)
                      : line.kind == Line::Kind::kTooLong ? session_.OnLineTooLong()
                                                          : session_.OnBareLineEnd();
      input_.Consume(line.size_bytes);
      co_return action;
    }
    input_.Consume(line.size_bytes);
    // No whole command is left: what pipelining gathered goes out now (RFC 2920 section 3.2).
    const absl::Status flushed = co_await Flush();
    if (!flushed.ok()) co_return EndAfter(flushed);
    if (context_.connections.draining()) co_return EndAfter(absl::CancelledError("shutdown"));
    phase_ = Phase::kIdle;
    const absl::Status filled = co_await Fill(deadline - SteadyNow());
    phase_ = Phase::kWorking;
    if (!filled.ok()) co_return EndAfter(filled);
  }
}

Action Connection::EndAfter(const absl::Status& status) {
  if (context_.connections.draining() && absl::IsCancelled(status)) {
    end_reason_ = "shutdown";
    return session_.CloseWith(ReplyId::kShuttingDown);
  }
  if (absl::IsDeadlineExceeded(status)) {
    end_reason_ = "timeout";
    return session_.CloseWith(ReplyId::kTimedOut);
  }
  end_reason_ = "vanished";
  stream_.Close();
  return smtp::Close{};
}

asio::awaitable<absl::Status> Connection::Fill(absl::Duration timeout) {
  if (++busy_reads_ % kReadsBeforeYield == 0) co_await asio::post(stream_.executor(), asio::use_awaitable);
  const auto take = [this](absl::string_view bytes) { input_.Append(bytes); };
  absl::Status status = co_await stream_.ReadInto(take, kReadBytes, timeout);
  co_return status;
}

asio::awaitable<absl::Status> Connection::Flush() {
  if (session_.output().empty()) co_return absl::OkStatus();
  const std::string bytes = std::exchange(session_.output(), std::string());
  absl::Status written = co_await stream_.Write(bytes, context_.session.limits.command_timeout);
  co_return written;
}

asio::awaitable<void> Connection::Linger() {
  // Closing with bytes unread resets the connection, and the client may lose our last reply.
  phase_ = Phase::kLingering;
  stream_.ShutdownSend();
  const absl::Time deadline = SteadyNow() + absl::Seconds(kLingerSeconds);
  size_t left = kMaxLingerBytes;
  while (left > 0) {
    input_.Clear();
    const absl::Status filled = co_await Fill(deadline - SteadyNow());
    if (!filled.ok()) co_return;
    left -= std::min(left, input_.bytes().size());
  }
}

// ---- Actions that ask the store

absl::Duration Connection::RetryTime() const {
  return store_away_ ? absl::ZeroDuration() : context_.store_retry_for;
}

void Connection::NoteStore(absl::string_view call, const absl::Status& status) {
  store_away_ = !status.ok() && MayRetry(status);
  if (status.ok()) return;
  const obs::LogLevel level = IsAlarm(status) ? obs::LogLevel::kError : obs::LogLevel::kWarning;
  obs::Log(level, "store_failed", {{"session", id_}, {"call", call}, {"error", status.ToString()}});
}

asio::awaitable<Action> Connection::Do(ResolveRecipient resolve) {
  Retry retry(stream_.executor(), RetryTime());
  while (true) {
    absl::StatusOr<Resolution> resolution = co_await ResolveWithNext(resolve);
    if (!resolution.ok()) {
      context_.metrics.StoreFailure("resolve", resolution.status());
      const bool again = co_await retry.Again(resolution.status());
      if (again) continue;
    }
    NoteStore("resolve", resolution.status());
    Action action = session_.OnResolved(resolution);
    if (session_.dialog().last_reply != ReplyId::kRecipientOk) {
      LogRefusal("recipient_refused", "recipient", resolve.address);
    }
    co_return action;
  }
}

// And the recipients that a pipelining client named behind this one.
asio::awaitable<absl::StatusOr<Resolution>> Connection::ResolveWithNext(ResolveRecipient resolve) {
  if (!resolved_ahead_.empty()) {
    auto [address, resolution] = std::move(resolved_ahead_.front());
    resolved_ahead_.pop_front();
    if (address == resolve.address && resolution.ok()) co_return std::move(resolution);
    resolved_ahead_.clear();
  }
  const Transaction& transaction = *session_.dialog().transaction;
  const std::vector<std::string> ahead =
      RecipientsAhead(input_.bytes(), transaction.mail.smtp_utf8, context_.session.limits, kMaxResolvedAhead);
  if (ahead.empty()) {
    absl::StatusOr<Resolution> resolution = co_await context_.store.Resolve(std::move(resolve));
    co_return resolution;
  }
  std::vector<ResolveRecipient> requests = {resolve};
  for (const std::string& address : ahead) requests.push_back({address, resolve.message_bytes});
  std::vector<absl::StatusOr<Resolution>> resolutions =
      co_await context_.store.ResolveAll(std::move(requests));
  for (size_t i = 0; i < ahead.size(); ++i)
    resolved_ahead_.emplace_back(ahead[i], std::move(resolutions[i + 1]));
  co_return std::move(resolutions.front());
}

asio::awaitable<Action> Connection::Do(CheckSender check) {
  Retry retry(stream_.executor(), RetryTime());
  while (true) {
    absl::StatusOr<bool> allowed = co_await context_.store.MaySend(check);
    if (!allowed.ok()) {
      context_.metrics.StoreFailure("check_sender", allowed.status());
      const bool again = co_await retry.Again(allowed.status());
      if (again) continue;
    }
    NoteStore("check_sender", allowed.status());
    Action action = session_.OnSenderChecked(allowed);
    if (session_.dialog().last_reply != ReplyId::kSenderOk)
      LogRefusal("sender_refused", "sender", check.sender);
    co_return action;
  }
}

asio::awaitable<Action> Connection::Do(BeginAuth begin) {
  auth_mechanism_ = begin.mechanism;
  rpc::AuthStart start;
  start.mechanism = begin.mechanism;
  start.initial_response = begin.initial_response;
  start.client_address = client_;
  start.service = "smtp";
  start.session_id = id_;
  if (stream_.tls() != nullptr) start.tls_exporter = stream_.tls()->tls_exporter;
  Retry retry(stream_.executor(), RetryTime());
  while (true) {
    auth_ = context_.store.StartAuth();
    absl::StatusOr<rpc::AuthStep> step = co_await auth_->Begin(start);
    if (!step.ok()) {
      const bool again = co_await retry.Again(step.status());
      if (again) continue;
    }
    LogAuth(step);
    co_return session_.OnAuthStep(step);
  }
}

asio::awaitable<Action> Connection::Do(ContinueAuth response) {
  absl::StatusOr<rpc::AuthStep> step = co_await auth_->Respond(std::move(response.response));
  LogAuth(step);
  co_return session_.OnAuthStep(step);
}

asio::awaitable<Action> Connection::Do(EndAuth) {
  if (session_.dialog().last_reply == ReplyId::kAuthCancelled) {
    context_.metrics.Authentication(auth_mechanism_, "cancelled");
  }
  auth_.reset();
  co_return session_.OnAuthEnded();
}

asio::awaitable<Action> Connection::Do(StartTls) {
  const absl::Status flushed = co_await Flush();
  if (!flushed.ok()) co_return EndAfter(flushed);
  // SECURITY: commands sent in the clear behind STARTTLS would be taken for the client's own words under TLS
  // (CVE-2011-0411).
  input_.Clear();
  const bool encrypted = co_await HandshakeTls();
  if (!encrypted) co_return smtp::Close{};
  co_return NextCommand{};
}

// ---- Log

void Connection::LogRefusal(absl::string_view event, absl::string_view key, absl::string_view value) {
  obs::LogInfo(event, {{"session", id_},
                       {"client", client_},
                       {"listener", ListenerName(context_.session.kind)},
                       {"reply", GetReply(session_.dialog().last_reply).name},
                       {key, value}});
}

void Connection::LogAuth(const absl::StatusOr<rpc::AuthStep>& step) {
  if (!step.ok()) {
    context_.metrics.StoreFailure("auth", step.status());
    context_.metrics.Authentication(auth_mechanism_, "failed");
    NoteStore("auth", step.status());
    return;
  }
  if (step->kind == rpc::AuthStep::Kind::kChallenge) return;
  const bool ok = step->kind == rpc::AuthStep::Kind::kOk;
  context_.metrics.Authentication(auth_mechanism_, ok ? "ok" : "refused");
  obs::LogInfo(
      ok ? "authenticated" : "authentication_refused",
      {{"session", id_}, {"client", client_}, {"mechanism", auth_mechanism_}, {"account", step->address}});
}

void Connection::LogClosed() {
  obs::LogInfo("session_closed", {{"session", id_},
                                  {"client", client_},
                                  {"listener", ListenerName(context_.session.kind)},
                                  {"tls", stream_.tls() == nullptr ? "" : stream_.tls()->version},
                                  {"account", session_.dialog().account},
                                  {"commands", session_.dialog().command_count},
                                  {"errors", session_.dialog().error_count},
                                  {"messages", message_count_},
                                  {"reason", end_reason_},
                                  {"duration_ms", absl::ToInt64Milliseconds(SteadyNow() - started_)}});
}

}  // namespace mailstead::smtp
