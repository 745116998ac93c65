#include "pop3d/connection.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/net/proxy_protocol.h"
#include "common/net/tls_context.h"
#include "common/text/dot_codec.h"
#include "pop3d/limits.h"
#include "pop3d/listing_cache.h"
#include "pop3d/protocol/login_name.h"
#include "pop3d/protocol/top_cutter.h"

namespace mailstead::pop3 {
namespace {

// Last words up to here leave at once when nothing else is on its way.
constexpr size_t kMaxLastWordsBytes = 512;

constexpr frontend::ClientLinkOptions kLinkOptions = {
    .read_bytes = kReadBytes, .leave_timeout = kLeaveTimeout, .max_leave_bytes = kMaxLeaveBytes};

}  // namespace

Connection::Connection(const ConnectionContext& context, asio::ip::tcp::socket socket)
    : context_(context),
      link_(std::move(socket), context.steady, kLinkOptions),
      journal_(context.metrics, link_.stream()),
      session_(context.session, journal_),
      held_(context, journal_.session_id()),
      fetcher_(context, journal_.session_id()) {}

Connection::~Connection() = default;

asio::awaitable<void> Connection::Run() {
  const bool ready = co_await Prepare();
  if (ready) co_await Dialog();
  login_.reset();
  // A dropped connection, a timeout, a shutdown: nothing is deleted, and the next session finds the maildrop
  // unlocked (RFC 1939 section 6).
  ReleaseMaildrop();
  co_await link_.LeaveGently();
  link_.stream().Close();
  journal_.Closed(link_.end_reason(), session_.login().address);
}

// --- Before the greeting

asio::awaitable<bool> Connection::Prepare() {
  const bool has_header = co_await ReadProxyHeader();
  if (!has_header) co_return false;
  const bool admitted = co_await Admit();
  if (!admitted || !context_.implicit_tls) co_return admitted;
  co_return co_await HandshakeTls();
}

asio::awaitable<bool> Connection::ReadProxyHeader() {
  const frontend::ClientLink::Waiting waiting(link_);
  const absl::Status status =
      co_await net::ReadProxyHeader(link_.stream(), context_.proxy_networks, context_.timeouts.proxy_header);
  if (status.ok()) co_return true;
  journal_.ProxyHeaderRefused(status);
  link_.End("proxy_failed");
  co_return false;
}

asio::awaitable<bool> Connection::Admit() {
  using Verdict = net::ConnectionCounter::Verdict;
  const Verdict verdict = context_.counter.Admit(link_.stream().peer_address(), place_);
  if (verdict == Verdict::kAdmitted) {
    journal_.Admitted();
    co_return true;
  }
  const ReplyId refusal = verdict == Verdict::kTooManyInAll ? ReplyId::kTooManyConnections
                                                            : ReplyId::kTooManyConnectionsFromAddress;
  journal_.ConnectionRefused(refusal);
  session_.Refuse(refusal);
  const std::string words = std::exchange(session_.output(), std::string());
  // With implicit TLS the words would cost a handshake, which is what a flood of connections wants of us.
  if (!context_.implicit_tls) {
    const absl::Status ignored = co_await link_.stream().Write(words, kRefusalTimeout);
    static_cast<void>(ignored);
  }
  link_.End("refused");
  co_return false;
}

asio::awaitable<bool> Connection::HandshakeTls() {
  const frontend::ClientLink::Waiting waiting(link_);
  const absl::Status status =
      co_await link_.stream().StartTls(*context_.tls, context_.timeouts.tls_handshake);
  if (!status.ok()) {
    journal_.TlsFailed(status);
    link_.End("tls_failed");
    co_return false;
  }
  session_.OnTlsStarted(ProtectionNow());
  co_return true;
}

Protection Connection::ProtectionNow() const {
  const net::TlsInfo* tls = link_.stream().tls();
  return Protection{.tls = tls != nullptr, .channel_binding = tls != nullptr && !tls->tls_exporter.empty()};
}

// --- The dialog

asio::awaitable<void> Connection::Dialog() {
  session_.SetLeastRetention(context_.leases.least_retention());
  session_.Greet();
  idle_deadline_ = context_.steady.Now() + context_.timeouts.idle;
  while (!link_.ended()) {
    if (link_.draining()) {
      link_.End("shutdown");
      break;
    }
    LineFramer& framer = session_.in_auth() ? auth_framer_ : command_framer_;
    const Line line = framer.Next(link_.input().bytes());
    if (line.kind == Line::Kind::kNeedMore) {
      link_.input().Consume(line.size_bytes);
      co_await AwaitInput();
      continue;
    }
    journal_.LineRead();
    Action action = Hear(line);
    link_.input().Consume(line.size_bytes);
    while (!std::holds_alternative<NextCommandAction>(action)) {
      Next next = PerformAny(std::move(action));
      action = co_await std::move(next);
    }
    if (session_.output().size() >= kMaxGatheredReplyBytes) co_await Flush();
    idle_deadline_ = context_.steady.Now() + context_.timeouts.idle;
  }
  // A client that sees our last word, or the end, may come back at once: it no longer counts then. SECURITY: one that takes
  // nothing does, until what it was told is on its way.
  if (session_.output().size() <= kMaxLastWordsBytes && !link_.stream().HasUnsent()) place_ = {};
  co_await Flush();
  place_ = {};
}

Action Connection::Hear(const Line& line) {
  switch (line.kind) {
    case Line::Kind::kTooLong:
      return session_.OnLineTooLong();
    case Line::Kind::kBareLineEnd:
      return session_.OnBareLineEnd();
    default:
      return session_.OnLine(line.text);
  }
}

// Replies gather while whole commands are there (RFC 2449 section 6.6) and go out together before we wait.
asio::awaitable<void> Connection::AwaitInput() {
  co_await Flush();
  if (link_.draining()) link_.End("shutdown");
  if (link_.ended()) co_return;
  const absl::Status status = co_await link_.AwaitInput(IdleTimeLeft());
  if (status.ok()) co_return;
  // RFC 1939 section 3: on a timeout the connection is closed without a word, and nothing is deleted.
  if (link_.draining()) link_.End("shutdown");
  link_.EndFor(status, "timeout");
}

asio::awaitable<void> Connection::Flush() {
  if (session_.output().empty()) co_return;
  // Taken out, so that an idle session keeps no buffer.
  co_await link_.WriteAll(std::exchange(session_.output(), std::string()), context_.timeouts.write);
}

absl::Duration Connection::IdleTimeLeft() const {
  return std::max(idle_deadline_ - context_.steady.Now(), absl::ZeroDuration());
}

// --- The actions

Connection::Next Connection::PerformAny(Action action) {
  return std::visit([this](auto&& one) { return Perform(std::move(one)); }, std::move(action));
}

Connection::Next Connection::Perform(NextCommandAction) { co_return NextCommandAction{}; }

Connection::Next Connection::Perform(CloseAction close) {
  // On its way before the last reply is: a client that comes back at once shall not find its own lock.
  ReleaseMaildrop();
  switch (close.cause) {
    case CloseCause::kQuit:
      link_.End("quit");
      break;
    case CloseCause::kErrors:
      link_.End("errors");
      break;
    case CloseCause::kLoginFailures:
      link_.End("login_failures");
      break;
    case CloseCause::kLoginEnded:
      link_.End("login_ended");
      break;
    case CloseCause::kSessionEnded:
      link_.End("session_ended");
      break;
  }
  co_return NextCommandAction{};
}

Connection::Next Connection::Perform(StartTlsAction) {
  co_await Flush();
  if (link_.ended()) co_return NextCommandAction{};
  // SECURITY: whatever was sent behind STLS came in the clear, perhaps from someone between the client and us
  // who wants it taken for the client's words under TLS (CVE-2011-0411). It is thrown away here, and what the
  // session knew in OnTlsStarted.
  link_.input().Clear();
  const bool started = co_await HandshakeTls();
  static_cast<void>(started);
  co_return NextCommandAction{};
}

Connection::Next Connection::Perform(BeginAuthAction begin) {
  const bool interactive = !begin.initial_response.has_value() || begin.mechanism != "PLAIN";
  const ConnectionTimeouts& timeouts = context_.timeouts;
  login_ = context_.store.StartLogin(
      {.session_id = journal_.session_id(),
       .timeout = timeouts.store_call + (interactive ? timeouts.challenges : absl::ZeroDuration())});
  store::MaildropRequest maildrop =
      held_.Request(LoginName(begin.mechanism, begin.initial_response), link_.stream().peer_address());
  sasl::Start start{.mechanism = std::move(begin.mechanism),
                    .initial_response = std::move(begin.initial_response),
                    .client_address = link_.stream().peer_address()};
  // What the store knows of the channel it takes for offered: to it, a client that says that it was not offered PLUS
  // was lied to (RFC 5802 section 6).
  if (session_.OffersMechanism(sasl::kScramSha256Plus)) {
    start.tls_exporter = link_.stream().tls()->tls_exporter;
    start.tls_unique = link_.stream().tls()->tls_unique;
  }
  absl::StatusOr<store::LoginStep> step = co_await login_->Begin(std::move(start), std::move(maildrop));
  co_return Stepped(std::move(step));
}

Connection::Next Connection::Perform(ContinueAuthAction response) {
  absl::StatusOr<store::LoginStep> step = co_await login_->Respond(std::move(response.response));
  co_return Stepped(std::move(step));
}

Connection::Next Connection::Perform(EndAuthAction) {
  login_.reset();
  held_.Forget();
  co_return NextCommandAction{};
}

Action Connection::Stepped(absl::StatusOr<store::LoginStep> step) {
  if (step.ok() && std::holds_alternative<store::Challenge>(*step)) {
    return session_.OnLoginChallenge(std::get<store::Challenge>(*step).bytes);
  }
  login_.reset();
  if (step.ok() && std::holds_alternative<store::LoggedIn>(*step)) {
    store::LoggedIn& login = std::get<store::LoggedIn>(*step);
    WatchLogin(login);
    Action next = session_.OnLoggedIn(std::move(login.address), login.account);
    held_.LoggedIn(std::move(login), executor());
    return next;
  }
  held_.Forget(step.status());
  if (step.ok()) return session_.OnLoginRefused(std::get<sasl::Verdict>(*step));
  journal_.LoginFailed(step.status());
  return session_.OnLoginFailed(step.status());
}

void Connection::WatchLogin(const store::LoggedIn& login) {
  if (context_.logins == nullptr) return;
  watched_ = context_.logins->Watch(login.account, login.grant, executor(),
                                    [this](store::LoginEnd why) { LoginEnded(why); });
}

void Connection::LoginEnded(store::LoginEnd why) {
  session_.OnLoginEnded(why);
  // The maildrop is free at once, though the client may say nothing for minutes. At work the session leaves by itself.
  if (link_.waiting_for_client()) ReleaseMaildrop();
}

Connection::Next Connection::Perform(OpenMaildropAction open) {
  absl::StatusOr<std::shared_ptr<const Listing>> listing = co_await held_.Open();
  journal_.ListingsHeld(context_.listings.memory().used_bytes());
  if (!listing.ok()) {
    watched_.reset();
    co_return session_.OnMaildropRefused(listing.status());
  }
  if (held_.left_out_count() > 0) {
    journal_.MaildropTruncated(open.account, (*listing)->count(), held_.left_out_count());
  }
  co_return session_.OnMaildropOpened(Maildrop(*std::move(listing)), held_.retention());
}

Connection::Next Connection::Perform(SendListingAction listing) {
  const Maildrop& maildrop = session_.maildrop();
  std::string& output = session_.output();
  for (uint64_t number = 1; number <= maildrop.count(); ++number) {
    const Maildrop::Message message = *maildrop.Find(MessageNumber{number});
    if (message.deleted) continue;
    if (listing.kind == ListingKind::kSizes) {
      absl::StrAppend(&output, number, " ", message.size_bytes, "\r\n");
    } else {
      absl::StrAppend(&output, number, " ", message.unique_id, "\r\n");
    }
    if (output.size() < kMaxGatheredReplyBytes) continue;
    co_await Flush();
    if (link_.ended()) co_return NextCommandAction{};
  }
  output.append(".\r\n");
  co_return NextCommandAction{};
}

Connection::Next Connection::Perform(SendMessageAction wanted) {
  absl::StatusOr<OpenedMessage> message = co_await fetcher_.Open(held_.grant(), session_.maildrop(), wanted);
  if (!message.ok()) {
    journal_.FetchFailed(wanted.id, message.status());
    co_return session_.OnMessageRefused(message.status());
  }
  session_.OnMessageOpened(wanted);
  co_await Send(wanted, *message);
  co_return NextCommandAction{};
}

// Piece by piece from the store to the socket: the store waits while the client does, and no more than one
// piece and its encoding is in memory.
asio::awaitable<void> Connection::Send(const SendMessageAction& wanted, OpenedMessage& message) {
  std::optional<TopCutter> cutter;
  if (wanted.top_lines.has_value()) cutter.emplace(*wanted.top_lines);
  DotEncoder encoder;
  uint64_t sent_bytes = 0;
  absl::Status failure;
  while (failure.ok() && !message.piece().empty()) {
    const absl::string_view piece = message.piece();
    const size_t size = cutter.has_value() ? cutter->Take(piece) : piece.size();
    encoder.Encode(piece.substr(0, size), session_.output());
    sent_bytes += size;
    if (session_.output().size() >= kMaxGatheredReplyBytes) co_await Flush();
    if (link_.ended() || (cutter.has_value() && cutter->done()) || message.is_last()) break;
    failure = co_await message.Next();
  }
  if (failure.ok() && !cutter.has_value() && !link_.ended() && sent_bytes != wanted.size_bytes) {
    failure = absl::DataLossError(
        absl::StrCat("the message has ", wanted.size_bytes, " bytes, ", sent_bytes, " came"));
  }
  if (!failure.ok()) {
    // +OK is out. Closing without the final dot is the one way left to say that this is not the whole
    // message.
    journal_.StoreBrokeOff(wanted.id, sent_bytes, failure);
    link_.End("store_failed");
    co_return;
  }
  if (link_.ended()) {
    journal_.BrokenOff(sent_bytes);
    co_return;
  }
  encoder.Finish(session_.output());
  journal_.Retrieved(wanted, message.delivery_id(), sent_bytes);
}

Connection::Next Connection::Perform(CommitAction commit) {
  const absl::Status status =
      co_await held_.Commit(std::move(commit.deletions), session_.maildrop().listing());
  if (status.ok()) journal_.MaildropLeft();
  co_return session_.OnCommitted(status);
}

void Connection::ReleaseMaildrop() {
  held_.Release(executor());
  journal_.MaildropLeft();
}

}  // namespace mailstead::pop3
