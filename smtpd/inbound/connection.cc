#include "smtpd/inbound/connection.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "common/net/network_list.h"
#include "common/net/proxy_protocol.h"
#include "common/net/tls_context.h"
#include "common/store/retry.h"
#include "smtpd/protocol/limits.h"

namespace mailstead::smtp {
namespace {

constexpr size_t kSessionIdCharacters = 20;
constexpr size_t kDeliveryIdCharacters = 26;
// Last words up to here leave at once when nothing else is on its way.
constexpr size_t kMaxLastWordsBytes = 512;
// A SASL exchange from its first to its last step.
constexpr absl::Duration kLoginTimeout = absl::Minutes(2);

bool IsImplicitTls(ListenerKind kind) { return kind == ListenerKind::kSubmissions; }

}  // namespace

Connection::Connection(const ConnectionContext& context, asio::ip::tcp::socket socket)
    : context_(context),
      journal_(context.metrics, context.steady, context.session.kind, context.new_id(kSessionIdCharacters)),
      stream_(std::move(socket)),
      session_(context.session, journal_),
      input_(stream_),
      framer_(kMaxAuthLineBytes) {}

asio::awaitable<void> Connection::Run() {
  phase_ = Phase::kBeforeGreeting;
  const bool admitted = co_await Admit();
  if (admitted) co_await Dialog();
  // A client that sees our last word, or the end, may come back at once: it no longer counts then. SECURITY: one that takes
  // nothing does, until what it was told is on its way.
  if (session_.output().size() <= kMaxLastWordsBytes && !stream_.HasUnsent()) place_ = {};
  // Whatever the session said last.
  const absl::Status flushed = co_await Flush();
  place_ = {};
  if (flushed.ok()) co_await LeaveGently();
  journal_.Closed(session_.dialog(), stream_.tls() == nullptr ? "" : stream_.tls()->version, end_reason_);
}

void Connection::Drain() {
  draining_ = true;
  if (phase_ == Phase::kIdle) stream_.Interrupt();
  if (phase_ == Phase::kBeforeGreeting || phase_ == Phase::kLeaving) stream_.Close();
}

// ---- Before the greeting

asio::awaitable<bool> Connection::Admit() {
  end_reason_ = "refused";
  const bool header_ok = co_await ReadProxyHeader();
  if (!header_ok) co_return false;
  journal_.SetClient(stream_.peer_address());
  const auto verdict = context_.counter.Admit(journal_.client(), place_);
  if (verdict != net::ConnectionCounter::Verdict::kAdmitted) {
    const bool in_all = verdict == net::ConnectionCounter::Verdict::kTooManyInAll;
    const ReplyId reply = in_all ? ReplyId::kTooManyConnections : ReplyId::kTooManyFromAddress;
    session_.CloseWith(reply);
    journal_.TooManyConnections(reply, context_.counter.count());
    // Under implicit TLS the client could read nothing without a handshake, which is the work that is to be
    // saved.
    if (IsImplicitTls(context_.session.kind)) stream_.Close();
    co_return false;
  }
  const bool ready =
      IsImplicitTls(context_.session.kind) ? co_await HandshakeTls() : co_await WaitForSilence();
  if (ready) end_reason_ = "client";
  co_return ready;
}

asio::awaitable<bool> Connection::ReadProxyHeader() {
  const absl::Status status = co_await net::ReadProxyHeader(stream_, context_.proxy_networks,
                                                            context_.session.limits.proxy_header_timeout);
  if (status.ok()) co_return true;
  journal_.SetClient(stream_.peer_address());
  journal_.ProxyHeaderRefused(status);
  stream_.Close();
  co_return false;
}

asio::awaitable<bool> Connection::WaitForSilence() {
  // SECURITY: spam senders do not wait for the greeting; a client that is made to speak SMTP by a web page
  // cannot.
  const absl::Duration delay = context_.session.limits.greeting_delay;
  if (delay > absl::ZeroDuration()) co_await stream_.WaitReadable(delay);
  if (!stream_.HasPendingInput()) co_return true;
  session_.CloseWith(ReplyId::kEarlyTalker);
  journal_.EarlyTalker(ReplyId::kEarlyTalker, delay);
  co_return false;
}

asio::awaitable<bool> Connection::HandshakeTls() {
  const absl::Status status =
      co_await stream_.StartTls(context_.tls, context_.session.limits.tls_handshake_timeout);
  if (!status.ok()) {
    end_reason_ = "tls";
    journal_.TlsFailed(status);
    stream_.Close();
    co_return false;
  }
  journal_.TlsStarted();
  grant_.clear();
  watched_.reset();
  session_.OnTlsStarted(/*channel_binding=*/!stream_.tls()->tls_exporter.empty());
  co_return true;
}

// ---- The dialog

asio::awaitable<void> Connection::Dialog() {
  phase_ = Phase::kWorking;
  Action action = NextCommandAction{};
  if (draining_) {
    action = EndAfter(absl::CancelledError("shutdown"));
  } else {
    session_.Greet();
  }
  while (!std::holds_alternative<CloseAction>(action)) {
    asio::awaitable<Action> performed =
        std::visit([this](auto& asked) { return Perform(std::move(asked)); }, action);
    action = co_await std::move(performed);
    if (!session_.in_transaction()) {
      // RSET, EHLO or the end of the session may have dropped a message that came in chunks.
      reception_.reset();
      reservation_.reset();
    }
    if (session_.output().size() > kMaxGatheredReplyBytes) {
      const absl::Status flushed = co_await Flush();
      if (!flushed.ok()) co_return;
    }
  }
}

asio::awaitable<Action> Connection::Perform(NextCommandAction) { return AwaitCommand(); }

asio::awaitable<Action> Connection::Perform(CloseAction) { co_return CloseAction{}; }

asio::awaitable<Action> Connection::AwaitCommand() {
  const absl::Time deadline = context_.steady.Now() + context_.session.limits.command_timeout;
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
    if (draining_) co_return EndAfter(absl::CancelledError("shutdown"));
    phase_ = Phase::kIdle;
    const absl::Status filled = co_await input_.Fill(deadline - context_.steady.Now());
    phase_ = Phase::kWorking;
    if (!filled.ok()) co_return EndAfter(filled);
  }
}

Action Connection::EndAfter(const absl::Status& status) {
  if (draining_ && absl::IsCancelled(status)) {
    end_reason_ = "shutdown";
    return session_.CloseWith(ReplyId::kShuttingDown);
  }
  if (absl::IsDeadlineExceeded(status)) {
    end_reason_ = "timeout";
    return session_.CloseWith(ReplyId::kTimedOut);
  }
  end_reason_ = "vanished";
  stream_.Close();
  return CloseAction{};
}

asio::awaitable<absl::Status> Connection::Flush() {
  if (session_.output().empty()) co_return absl::OkStatus();
  const std::string bytes = std::exchange(session_.output(), std::string());
  absl::Status written = co_await stream_.Write(bytes, context_.session.limits.command_timeout);
  const std::string delivery = std::exchange(unsaid_delivery_, std::string());
  if (!written.ok() && !delivery.empty()) journal_.ReplyLost(delivery, written);
  co_return written;
}

asio::awaitable<void> Connection::LeaveGently() {
  // Closing with bytes unread resets the connection, and the client may lose our last reply.
  phase_ = Phase::kLeaving;
  stream_.ShutdownSend();
  const absl::Time deadline = context_.steady.Now() + absl::Seconds(kLeaveSeconds);
  size_t left = kMaxLeaveBytes;
  while (left > 0) {
    input_.Clear();
    const absl::Status filled = co_await input_.Fill(deadline - context_.steady.Now());
    if (!filled.ok()) co_return;
    left -= std::min(left, input_.bytes().size());
  }
}

// ---- Actions that ask the store

store::CallContext Connection::CallContext() const {
  return {.session_id = journal_.session_id(),
          .timeout = context_.store_timeout,
          .patience = store_away_ ? absl::ZeroDuration() : context_.store_retry_for,
          .outcome_patience = context_.outcome_timeout,
          .grant = grant_};
}

void Connection::NoteStore(absl::string_view call, const absl::Status& status) {
  store_away_ = !status.ok() && store::WorthTryingAgain(status);
  if (!status.ok()) journal_.StoreFailed(call, status);
}

asio::awaitable<Action> Connection::Perform(ResolveRecipientsAction) {
  TakeRecipientsAhead();
  std::vector<absl::StatusOr<store::Resolution>> resolutions = co_await Resolve(session_.open_recipients());
  for (const absl::StatusOr<store::Resolution>& resolution : resolutions)
    NoteStore("resolve", resolution.status());
  co_return session_.OnResolved(resolutions);
}

asio::awaitable<std::vector<absl::StatusOr<store::Resolution>>> Connection::Resolve(
    const std::vector<EnvelopeRecipient>& recipients) {
  const auto announced = static_cast<int64_t>(session_.dialog().transaction->announced_bytes);
  if (recipients.size() == 1) {
    std::vector<absl::StatusOr<store::Resolution>> resolutions;
    resolutions.push_back(
        co_await context_.store.ResolveRecipient(recipients.front().address, announced, CallContext()));
    co_return resolutions;
  }
  std::vector<std::string> addresses;
  addresses.reserve(recipients.size());
  for (const EnvelopeRecipient& recipient : recipients) addresses.push_back(recipient.address);
  std::vector<absl::StatusOr<store::Resolution>> resolutions =
      co_await context_.store.ResolveRecipients(std::move(addresses), announced, CallContext());
  co_return resolutions;
}

void Connection::TakeRecipientsAhead() {
  while (true) {
    const Line line = framer_.Next(input_.bytes());
    if (line.kind != Line::Kind::kLine || !session_.TakeRecipientAhead(line.text)) return;
    input_.Consume(line.size_bytes);
  }
}

asio::awaitable<Action> Connection::Perform(ReserveSendAction reserve) {
  reservation_.emplace();
  co_return session_.OnSendReserved(context_.rates.Reserve(reserve.account, *reservation_));
}

asio::awaitable<Action> Connection::Perform(CheckSenderAction check) {
  const absl::StatusOr<bool> allowed =
      co_await context_.store.CheckSender(std::move(check.account), std::move(check.sender), CallContext());
  NoteStore("check_sender", allowed.status());
  co_return session_.OnSenderChecked(allowed);
}

asio::awaitable<Action> Connection::Perform(BeginAuthAction begin) {
  sasl::Start start;
  start.mechanism = std::move(begin.mechanism);
  start.initial_response = std::move(begin.initial_response);
  start.client_address = journal_.client();
  // What the store knows of the channel it takes for offered: to it, a client that says that it was not offered PLUS
  // was lied to (RFC 5802 section 6).
  if (session_.dialog().offers_mechanism(sasl::kScramSha256Plus)) {
    start.tls_exporter = stream_.tls()->tls_exporter;
    start.tls_unique = stream_.tls()->tls_unique;
  }
  store::CallContext context = CallContext();
  context.timeout = kLoginTimeout;
  login_ = context_.store.StartLogin(std::move(context));
  const absl::StatusOr<store::LoginStep> step = co_await login_->Begin(std::move(start), std::nullopt);
  co_return LoginStepped(step);
}

asio::awaitable<Action> Connection::Perform(ContinueAuthAction response) {
  const absl::StatusOr<store::LoginStep> step = co_await login_->Respond(std::move(response.response));
  co_return LoginStepped(step);
}

Action Connection::LoginStepped(const absl::StatusOr<store::LoginStep>& step) {
  NoteStore("auth", step.status());
  if (!step.ok()) return session_.OnLoginFailed();
  if (const auto* challenge = std::get_if<store::Challenge>(&*step)) {
    return session_.OnLoginChallenge(challenge->bytes);
  }
  if (const auto* login = std::get_if<store::LoggedIn>(&*step)) {
    WatchLogin(*login);
    return session_.OnLoggedIn(login->address);
  }
  return session_.OnLoginRefused(std::get<sasl::Verdict>(*step));
}

void Connection::WatchLogin(const store::LoggedIn& login) {
  grant_ = login.grant;
  if (context_.logins == nullptr) return;
  watched_ = context_.logins->Watch(login.account, grant_, executor(),
                                    [this](store::LoginEnd) { session_.OnLoginEnded(); });
}

asio::awaitable<Action> Connection::Perform(EndAuthAction) {
  login_.reset();
  co_return session_.OnAuthEnded();
}

asio::awaitable<Action> Connection::Perform(StartTlsAction) {
  const absl::Status flushed = co_await Flush();
  if (!flushed.ok()) co_return EndAfter(flushed);
  // SECURITY: commands sent in the clear behind STARTTLS would be taken for the client's own words under TLS
  // (CVE-2011-0411).
  input_.Clear();
  const bool encrypted = co_await HandshakeTls();
  if (!encrypted) co_return CloseAction{};
  co_return NextCommandAction{};
}

// ---- Messages

TraceInfo Connection::MakeTrace(const Envelope& envelope) const {
  const smtp::Dialog& dialog = session_.dialog();
  TraceInfo trace;
  trace.helo = dialog.helo;
  trace.client_address = journal_.client();
  trace.hostname = context_.session.hostname;
  trace.delivery_id = envelope.delivery_id;
  if (envelope.recipients.size() == 1) trace.recipient = envelope.recipients.front().address;
  if (stream_.tls() != nullptr) {
    trace.tls_version = stream_.tls()->version;
    trace.tls_cipher = stream_.tls()->cipher;
  }
  trace.esmtp = dialog.esmtp;
  trace.authenticated = !dialog.account.empty();
  trace.smtputf8 = envelope.smtputf8;
  trace.time = context_.clock.Now();
  return trace;
}

void Connection::BeginMessage() {
  Envelope envelope = session_.TakeEnvelope();
  envelope.delivery_id = context_.new_id(kDeliveryIdCharacters);
  TraceInfo trace = MakeTrace(envelope);
  const SessionConfig& config = context_.session;
  Reception::Options options{.limits = config.limits,
                             .steady = context_.steady,
                             .store = context_.store,
                             .metrics = context_.metrics,
                             .client_address = journal_.client(),
                             .call = CallContext(),
                             .submitted = config.is_submission()};
  if (config.check_from) options.from_account = session_.dialog().account;
  reception_ = std::make_unique<Reception>(std::move(options), std::move(envelope), std::move(trace));
}

asio::awaitable<Action> Connection::Perform(ReceiveDataAction) {
  const absl::Status flushed = co_await Flush();
  if (!flushed.ok()) co_return EndAfter(flushed);
  BeginMessage();
  const Reception::Outcome outcome = co_await reception_->ReceiveData(input_);
  co_return MessageReceived(outcome, 0);
}

asio::awaitable<Action> Connection::Perform(ReceiveChunkAction chunk) {
  if (reception_ == nullptr) BeginMessage();
  const Reception::Outcome outcome = co_await reception_->ReceiveChunk(input_, chunk.size_bytes, chunk.last);
  co_return MessageReceived(outcome, chunk.size_bytes);
}

Action Connection::MessageReceived(const Reception::Outcome& outcome, uint64_t chunk_bytes) {
  const Envelope& envelope = reception_->envelope();
  switch (outcome.kind) {
    case Reception::Outcome::Kind::kChunkTaken:
      return session_.OnChunkTaken(chunk_bytes);
    case Reception::Outcome::Kind::kStored:
      NoteStore("deliver", absl::OkStatus());
      if (reservation_.has_value()) reservation_->Keep();
      journal_.Stored({.envelope = envelope,
                       .sender = session_.dialog().transaction->sender,
                       .account = session_.dialog().account,
                       .size_bytes = reception_->size_bytes(),
                       .total = outcome.total,
                       .store_wait = outcome.store_wait});
      unsaid_delivery_ = envelope.delivery_id;
      return session_.OnStored(envelope.delivery_id);
    case Reception::Outcome::Kind::kRefused:
      return session_.OnMessageRefused(envelope.delivery_id, outcome.defect, outcome.line);
    case Reception::Outcome::Kind::kNotStored:
      NoteStore("deliver", outcome.status);
      return session_.OnStoreFailed(envelope.delivery_id, outcome.status);
    case Reception::Outcome::Kind::kCutShort:
      journal_.MessageCutShort(session_.dialog().transaction->sender, outcome.status);
      return EndAfter(outcome.status);
  }
  return CloseAction{};
}

asio::awaitable<Action> Connection::Perform(SwallowChunkAction chunk) {
  const absl::Status swallowed = co_await SwallowChunk(
      input_, chunk.size_bytes, MessageDeadline(context_.session.limits, context_.steady));
  if (!swallowed.ok()) co_return EndAfter(swallowed);
  co_return session_.OnChunkSwallowed();
}

}  // namespace mailstead::smtp
