#include "smtpd/outbound/client_connection.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/text/utf8.h"

namespace mailstead::smtp::outbound {
namespace {

// A piece is sent when so much has been written; less goes with what follows: the header of a chunk with its octets.
constexpr size_t kFlushBytes = 16'384;
// For QUIT, when nothing depends on it any more.
constexpr absl::Duration kLeaveTimeout = absl::Seconds(5);

// Absent: there is nothing wrong with the certificate, or it was not seen.
std::optional<mailauth::TlsFailure> FlawOf(net::Certificate certificate) {
  switch (certificate) {
    case net::Certificate::kOtherName:
      return mailauth::TlsFailure::kCertificateHostMismatch;
    case net::Certificate::kExpired:
      return mailauth::TlsFailure::kCertificateExpired;
    case net::Certificate::kNotTrusted:
      return mailauth::TlsFailure::kCertificateNotTrusted;
    case net::Certificate::kNoTlsaRecord:
      return mailauth::TlsFailure::kValidationFailure;
    case net::Certificate::kNotSeen:
    case net::Certificate::kGood:
      break;
  }
  return std::nullopt;
}

}  // namespace

ClientConnection::ClientConnection(asio::any_io_executor executor, ClientOptions options)
    : options_(std::move(options)), session_(options_.session), dialer_(std::move(executor)) {
  CHECK(options_.sasl != nullptr || options_.session.auth_mechanisms.empty());
}

ClientConnection::~ClientConnection() = default;

const ConnectionOutcome& ClientConnection::outcome() const {
  return not_connected_.has_value() ? *not_connected_ : session_.connection();
}

ConnectionKey ClientConnection::key() const {
  return {.address = net::AddressText(options_.host),
          .port = options_.host.port(),
          .source = options_.source.has_value() ? options_.source->to_string() : "",
          .helo_name = options_.session.helo_name,
          .tls = options_.session.tls,
          .identity = options_.identity,
          .require_tls = options_.require_tls};
}

Protection ClientConnection::protection() const {
  const net::TlsInfo* const info = tls();
  if (info == nullptr) return {};
  // A handshake that was to verify and could not is none.
  return {.version = info->version,
          .cipher = info->cipher,
          .verified = options_.session.tls.authenticates(),
          .tlsa = seen_.tlsa,
          .flaw = FlawOf(seen_.certificate),
          .resumed = info->resumed};
}

asio::awaitable<void> ClientConnection::Open() {
  const Timeouts& timeouts = options_.session.timeouts;
  net::DialOptions dial;
  dial.to = options_.host;
  dial.source = options_.source;
  dial.timeout = timeouts.Capped(timeouts.connect);
  absl::StatusOr<asio::ip::tcp::socket> socket = co_await dialer_.Dial(std::move(dial));
  if (!socket.ok()) {
    const absl::Status& status = socket.status();
    not_connected_ = ConnectionOutcome{
        .kind = ConnectionOutcome::Kind::kBroken,
        .stage = Stage::kConnect,
        .enhanced = absl::IsCancelled(status) ? "4.3.2" : "4.4.1",
        .text = PrintableUtf8(absl::StrCat("no connection: ", status.message()), kMaxPeerTextBytes)};
    co_return;
  }
  stream_ = std::make_unique<net::Stream>(*std::move(socket));
  co_await Follow(session_.Begin(), nullptr);
  opened_ = true;
}

asio::awaitable<TransactionOutcome> ClientConnection::Send(Transaction transaction, BodySource& body) {
  if (usable()) co_await LookAtRest();
  if (!usable()) {
    TransactionOutcome nothing;
    nothing.recipients.resize(transaction.envelope.recipients.size(), OutcomeWithoutTransaction(outcome()));
    co_return nothing;
  }
  const Timeouts& timeouts = options_.session.timeouts;
  transaction_deadline_ = options_.steady.Now() + timeouts.Capped(timeouts.transaction);
  Action action = session_.Send(std::move(transaction));
  co_await Follow(std::move(action), &body);
  transaction_deadline_ = absl::InfiniteFuture();
  co_return session_.TakeOutcome();
}

asio::awaitable<void> ClientConnection::Quit() {
  if (usable()) session_.Quit();
  co_await Leave();
}

void ClientConnection::Close() {
  closed_ = true;
  dialer_.Cancel();
  if (stream_ != nullptr) stream_->Close();
}

asio::awaitable<void> ClientConnection::LookAtRest() {
  Action action = co_await Read(absl::ZeroDuration());
  if (std::holds_alternative<CloseAction>(action)) co_await Leave();
}

asio::awaitable<void> ClientConnection::Follow(Action action, BodySource* body) {
  body_ = body;
  while (!std::holds_alternative<RestAction>(action) && !std::holds_alternative<CloseAction>(action)) {
    const bool gather =
        std::holds_alternative<NextPieceAction>(action) && session_.output().size() < kFlushBytes;
    if (!gather) {
      const bool flushed = co_await Flush();
      if (!flushed) break;
    }
    asio::awaitable<Action> performed =
        std::visit([this](auto& asked) { return Perform(std::move(asked)); }, action);
    action = co_await std::move(performed);
  }
  body_ = nullptr;
  if (!session_.resting()) co_await Leave();
}

asio::awaitable<bool> ClientConnection::Flush() {
  if (session_.output().empty()) co_return true;
  const absl::Duration timeout = std::min(session_.write_timeout(), Until(transaction_deadline_));
  const std::string bytes = std::exchange(session_.output(), std::string());
  const absl::Status written = co_await stream_->Write(bytes, timeout);
  if (written.ok()) co_return true;
  // A host that has had enough says why before it closes. It cannot be an answer to what it did not read.
  std::string last_words;
  if (absl::IsUnavailable(written)) {
    const auto take = [&last_words](absl::string_view heard) {
      last_words.append(heard.data(), heard.size());
    };
    const absl::Status heard =
        co_await stream_->ReadInto(take, net::Stream::kMaxReadBytes, absl::ZeroDuration());
    if (!heard.ok()) last_words.clear();
  }
  session_.OnLost(written, last_words);
  co_return false;
}

absl::Duration ClientConnection::Until(absl::Time deadline) const {
  return std::max(deadline - options_.steady.Now(), absl::ZeroDuration());
}

asio::awaitable<Action> ClientConnection::Read(absl::Duration timeout) {
  Action action = RestAction{};
  const auto take = [this, &action](absl::string_view bytes) { action = session_.OnBytes(bytes); };
  const absl::Status status = co_await stream_->ReadInto(take, net::Stream::kMaxReadBytes, timeout);
  const bool quiet_at_rest = session_.resting() && absl::IsDeadlineExceeded(status);
  if (!status.ok() && !quiet_at_rest) action = session_.OnLost(status);
  co_return action;
}

asio::awaitable<void> ClientConnection::Leave() {
  if (stream_ == nullptr) co_return;
  if (!closed_) {
    const std::string bytes = std::exchange(session_.output(), std::string());
    co_await stream_->Write(bytes, kLeaveTimeout);
    // Without it OpenSSL takes the session for a broken one, and drops its ticket.
    stream_->ShutdownSend();
  }
  stream_->Close();
}

// ---- Actions

asio::awaitable<Action> ClientConnection::Perform(AwaitReplyAction await) {
  // SECURITY: a host that sends its reply a byte at a time gets no more time for it.
  if (await.first) reply_deadline_ = options_.steady.Now() + await.timeout;
  // To give up behind the end of the message makes a second copy of it.
  const bool ended = await.stage == Stage::kFinalDot || await.stage == Stage::kReset;
  return Read(Until(ended ? reply_deadline_ : std::min(reply_deadline_, transaction_deadline_)));
}

asio::awaitable<Action> ClientConnection::Perform(ShakeHandsAction shake) {
  if (stream_->HasPendingInput()) {
    Action attacked = co_await Read(absl::ZeroDuration());
    co_return attacked;
  }
  const TlsPolicy& policy = options_.session.tls;
  const bool authenticate = policy.authenticates();
  // SECURITY: no names would mean that any will do, and no records that the system's store does.
  if (authenticate && policy.names.empty()) {
    co_return session_.OnTlsFailed(absl::FailedPreconditionError("there is no name to verify"));
  }
  if ((policy.level == TlsPolicy::Level::kDane) == policy.tlsa.empty()) {
    co_return session_.OnTlsFailed(absl::FailedPreconditionError("there is no TLSA record to verify by"));
  }
  net::ClientHandshake wanted;
  wanted.server_name = policy.server_name;
  wanted.names = policy.names;
  wanted.only_look = !authenticate;
  wanted.tlsa = policy.tlsa;
  wanted.ticket_key = TicketKey(key());
  wanted.seen = &seen_;
  const absl::Status status = co_await stream_->StartTls(options_.tls, wanted, shake.timeout);
  if (!status.ok()) {
    co_return session_.OnTlsFailed(
        status, FlawOf(seen_.certificate).value_or(mailauth::TlsFailure::kValidationFailure));
  }
  co_return session_.OnTlsStarted(authenticate);
}

asio::awaitable<Action> ClientConnection::Perform(BeginAuthAction begin) {
  const absl::StatusOr<std::optional<std::string>> response =
      co_await options_.sasl->Begin(std::move(begin.mechanism));
  if (!response.ok()) co_return session_.OnAuthFailed(response.status());
  co_return session_.OnAuthResponse(*response);
}

asio::awaitable<Action> ClientConnection::Perform(ContinueAuthAction go_on) {
  const absl::StatusOr<std::string> response = co_await options_.sasl->Respond(std::move(go_on.challenge));
  if (!response.ok()) co_return session_.OnAuthFailed(response.status());
  co_return session_.OnAuthResponse(*response);
}

asio::awaitable<Action> ClientConnection::Perform(EndAuthAction) {
  co_return session_.OnAuthEnded(options_.sasl->complete());
}

asio::awaitable<Action> ClientConnection::Perform(NextPieceAction piece) {
  if (stream_->HasPendingInput()) {
    Action interrupted = co_await Read(absl::ZeroDuration());
    co_return interrupted;
  }
  if (Until(transaction_deadline_) == absl::ZeroDuration()) {
    co_return session_.OnLost(absl::DeadlineExceededError("the transaction takes too long"));
  }
  const absl::StatusOr<std::string> octets = co_await body_->Next(piece.max_bytes);
  if (!octets.ok()) co_return session_.OnBodyFailed(octets.status());
  if (octets->empty())
    co_return session_.OnBodyFailed(absl::DataLossError("it is shorter than it was said to be"));
  co_return session_.OnPiece(*octets);
}

asio::awaitable<Action> ClientConnection::Perform(RestAction) { co_return RestAction{}; }

asio::awaitable<Action> ClientConnection::Perform(CloseAction) { co_return CloseAction{}; }

}  // namespace mailstead::smtp::outbound
