// The actions of a session, performed: TLS, logging in, the maildrop, and what is sent from it.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/redirect_error.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "common/text/dot_codec.h"
#include "pop3d/connection.h"
#include "pop3d/protocol/top_cutter.h"

namespace mailstead::pop3 {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Between tries of a commit, growing.
constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(1);

asio::awaitable<void> Pause(asio::any_io_executor executor, absl::Duration duration) {
  asio::steady_timer timer(executor, absl::ToChronoNanoseconds(duration));
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

// Behind a message that is here whole.
class NothingMore final : public MessageStream {
 public:
  explicit NothingMore(std::string delivery_id) : delivery_id_(std::move(delivery_id)) {}
  const std::string& delivery_id() const override { return delivery_id_; }
  asio::awaitable<absl::StatusOr<bool>> Read(std::string&) override { co_return false; }

 private:
  const std::string delivery_id_;
};

bool IsFenced(const absl::Status& status) { return ReasonOf(status) == kReasonFenced; }

}  // namespace

Connection::Next Connection::Act(std::monostate) { co_return std::nullopt; }

Connection::Next Connection::Act(CloseAction close) {
  switch (close.cause) {
    case CloseCause::kQuit:
      Close("quit");
      break;
    case CloseCause::kErrors:
      Close("errors");
      break;
    case CloseCause::kLoginFailures:
      Close("login_failures");
      break;
  }
  co_return std::nullopt;
}

Connection::Next Connection::Act(StartTlsAction) {
  co_await Flush();
  if (!close_reason_.empty()) co_return std::nullopt;
  // SECURITY: whatever was sent behind STLS came in the clear, perhaps from someone between the client and us
  // who wants it taken for the client's words under TLS (CVE-2011-0411). It is thrown away here, and what the
  // session knew in TlsStarted.
  input_.Clear();
  const bool started = co_await StartTls();
  static_cast<void>(started);
  co_return std::nullopt;
}

// --- Logging in

Connection::Next Connection::Act(BeginAuthAction begin) {
  const bool interactive = !begin.initial_response.has_value() || begin.mechanism != "PLAIN";
  auth_ = context_.store.NewSaslExchange(interactive);
  rpc::AuthStart start{.mechanism = std::move(begin.mechanism),
                       .initial_response = std::move(begin.initial_response),
                       .client_address = net::AddressText(stream_.peer()),
                       .service = "pop",
                       .session_id = session_id_};
  if (stream_.tls() != nullptr) start.tls_exporter = stream_.tls()->tls_exporter;
  const absl::StatusOr<rpc::AuthStep> step = co_await auth_->Begin(std::move(start));
  co_return AuthStepped(step);
}

Connection::Next Connection::Act(ContinueAuthAction answer) {
  const absl::StatusOr<rpc::AuthStep> step = co_await auth_->Respond(std::move(answer.response));
  co_return AuthStepped(step);
}

Step Connection::AuthStepped(const absl::StatusOr<rpc::AuthStep>& step) {
  if (!step.ok()) {
    obs::LogWarning(
        "store_call_failed",
        {{"session", session_id_}, {"call", "Authenticate"}, {"error", step.status().ToString()}});
  }
  Step next = session_.AuthStepped(step);
  if (session_.in_auth_exchange()) return next;
  auth_.reset();
  if (next.reply.has_value()) {
    const absl::string_view result = NameOf(next.reply->id);
    context_.metrics.CountLogin(session_.mechanism(), result);
    obs::LogInfo("login_refused", {{"session", session_id_},
                                   {"client", net::AddressText(stream_.peer())},
                                   {"mechanism", session_.mechanism()},
                                   {"result", result}});
  }
  return next;
}

Connection::Next Connection::Act(AbandonAuthAction) {
  auth_.reset();
  co_return std::nullopt;
}

Connection::Next Connection::Act(OpenMaildropAction open) {
  OpenRequest request{
      .mailbox_id = open.mailbox_id, .min_interval = context_.session.login_delay, .session_id = session_id_};
  absl::StatusOr<OpenedMaildrop> opened = co_await context_.leases.Open(std::move(request), held_);
  const std::string account = session_.account();
  Step next = opened.ok() ? session_.MaildropOpened(std::move(opened->maildrop))
                          : session_.MaildropRefused(opened.status());
  const absl::string_view result = opened.ok() ? "ok" : NameOf(next.reply->id);
  context_.metrics.CountLogin(session_.mechanism(), result);
  if (!opened.ok()) {
    obs::LogWarning("open_refused", {{"session", session_id_},
                                     {"account", account},
                                     {"mailbox", open.mailbox_id},
                                     {"result", result},
                                     {"error", opened.status().ToString()}});
    co_return next;
  }
  context_.metrics.maildrops_open.Increment();
  obs::LogInfo("login", {{"session", session_id_},
                         {"account", account},
                         {"mailbox", open.mailbox_id},
                         {"client", net::AddressText(stream_.peer())},
                         {"mechanism", session_.mechanism()},
                         {"tls", stream_.tls() != nullptr ? stream_.tls()->version : std::string("none")},
                         {"messages", session_.maildrop().count()},
                         {"bytes", session_.maildrop().kept_bytes()}});
  co_return next;
}

// --- Sending

Connection::Next Connection::Act(SendListingAction listing) {
  const Maildrop& maildrop = session_.maildrop();
  for (uint64_t number = 1; number <= maildrop.count(); ++number) {
    const Maildrop::Message message = *maildrop.Find(MessageNumber{number});
    if (message.deleted) continue;
    absl::StrAppend(&output_, number, " ");
    if (listing.kind == ListingKind::kSizes) {
      absl::StrAppend(&output_, message.size_bytes, "\r\n");
    } else {
      absl::StrAppend(&output_, message.unique_id, "\r\n");
    }
    if (output_.size() < kFlushBytes) continue;
    co_await Flush();
    if (!close_reason_.empty()) co_return std::nullopt;
  }
  output_.append(".\r\n");
  co_return std::nullopt;
}

Connection::Next Connection::Act(SendMessageAction action) {
  if (action.size_bytes <= context_.max_whole_message_bytes) {
    absl::StatusOr<FetchedMessage> message = co_await FetchWhole(action);
    if (!message.ok()) co_return FetchFailed(action, message.status());
    NothingMore nothing_more(std::move(message->delivery_id));
    Queue(session_.MessageReply(action));
    co_await SendMessage(action, nothing_more, std::move(message->content), true);
    co_return std::nullopt;
  }
  const ConnectionTimeouts& timeouts = context_.timeouts;
  const uint64_t slowest_seconds = action.size_bytes / timeouts.fetch_min_bytes_per_second;
  const std::unique_ptr<MessageStream> stream = context_.store.FetchMessage(
      held_.mailbox_id, action.message_id, timeouts.fetch_base + absl::Seconds(slowest_seconds));
  // +OK waits for the first piece: until then a failure can still be told.
  std::string piece;
  const absl::StatusOr<bool> more = co_await stream->Read(piece);
  if (!more.ok()) co_return FetchFailed(action, more.status());
  Queue(session_.MessageReply(action));
  co_await SendMessage(action, *stream, std::move(piece), *more);
  co_return std::nullopt;
}

Step Connection::FetchFailed(SendMessageAction action, const absl::Status& status) {
  obs::LogWarning("fetch_failed",
                  {{"session", session_id_}, {"message", action.message_id}, {"error", status.ToString()}});
  return Step{.reply = session_.MessageRefused(status)};
}

// A small message, from what was read ahead or together with some that follow it.
asio::awaitable<absl::StatusOr<FetchedMessage>> Connection::FetchWhole(SendMessageAction action) {
  // One that is not whole is asked for again: its +OK is not out, so what is wrong with it can be said.
  if (std::optional<FetchedMessage> kept = read_ahead_.Take(action.message_id);
      kept.has_value() && kept->content.size() == action.size_bytes) {
    co_return *std::move(kept);
  }
  const std::vector<uint64_t> ids = read_ahead_.Plan(session_.maildrop(), action.number);
  std::vector<absl::StatusOr<FetchedMessage>> messages =
      co_await context_.store.FetchMessages(held_.mailbox_id, ids);
  // One that failed is asked for again when the client wants it.
  for (size_t i = 1; i < messages.size() && messages[i].ok(); ++i)
    read_ahead_.Keep(ids[i], *std::move(messages[i]));
  absl::StatusOr<FetchedMessage> wanted = std::move(messages.front());
  if (wanted.ok() && wanted->content.size() != action.size_bytes) {
    wanted = absl::DataLossError(
        absl::StrCat("the message has ", action.size_bytes, " bytes, ", wanted->content.size(), " came"));
  }
  co_return wanted;
}

// Piece by piece from the store to the socket: the store waits while the client does, and no more than one
// piece and its encoding is in memory.
asio::awaitable<void> Connection::SendMessage(SendMessageAction action, MessageStream& stream,
                                              std::string piece, bool more) {
  std::optional<TopCutter> cutter;
  if (action.top_lines.has_value()) cutter.emplace(*action.top_lines);
  DotEncoder encoder;
  uint64_t sent_bytes = 0;
  absl::Status failure;
  while (more && failure.ok()) {
    const size_t wanted = cutter.has_value() ? cutter->Take(piece) : piece.size();
    encoder.Encode(absl::string_view(piece).substr(0, wanted), output_);
    sent_bytes += wanted;
    if (output_.size() >= kFlushBytes) co_await Flush();
    if (!close_reason_.empty()) break;
    if (cutter.has_value() && cutter->done()) break;
    const absl::StatusOr<bool> read = co_await stream.Read(piece);
    failure = read.status();
    more = read.ok() && *read;
  }
  if (failure.ok() && !cutter.has_value() && close_reason_.empty() && sent_bytes != action.size_bytes) {
    failure = absl::DataLossError(
        absl::StrCat("the message has ", action.size_bytes, " bytes, ", sent_bytes, " came"));
  }
  if (!failure.ok()) {
    // +OK is out. Closing without the final dot is the one way left to say that this is not
    // the whole message.
    obs::LogError("retrieval_broken_off", {{"session", session_id_},
                                           {"message", action.message_id},
                                           {"bytes", sent_bytes},
                                           {"error", failure.ToString()}});
    Close("store_failed");
  }
  retrieved_bytes_ += sent_bytes;
  context_.metrics.bytes_retrieved.Increment(static_cast<double>(sent_bytes));
  if (!close_reason_.empty()) {
    context_.metrics.messages_broken_off.Increment();
    co_return;
  }
  encoder.Finish(output_);
  ++retrieved_count_;
  context_.metrics.messages_retrieved.Increment();
  obs::LogInfo("retrieved", {{"session", session_id_},
                             {"delivery", stream.delivery_id()},
                             {"mailbox", held_.mailbox_id},
                             {"message", action.message_id},
                             {"bytes", sent_bytes},
                             {"top", cutter.has_value()}});
}

// --- The end

Connection::Next Connection::Act(CommitAction commit) {
  const absl::Status status = co_await CommitWithRetry(commit);
  Step next = session_.Committed(status);
  context_.metrics.CountCommit(status.ok() ? "ok" : NameOf(next.reply->id));
  if (!status.ok()) {
    obs::LogError("commit_failed", {{"session", session_id_},
                                    {"account", session_.account()},
                                    {"mailbox", held_.mailbox_id},
                                    {"result", NameOf(next.reply->id)},
                                    {"error", status.ToString()}});
    co_await ReleaseMaildrop();
    co_return next;
  }
  deleted_count_ = commit.deletions.size();
  context_.metrics.messages_deleted.Increment(static_cast<double>(deleted_count_));
  obs::LogInfo("committed", {{"session", session_id_},
                             {"account", session_.account()},
                             {"mailbox", held_.mailbox_id},
                             {"deleted", deleted_count_}});
  // The commit has unlocked it.
  context_.metrics.maildrops_open.Decrement();
  held_ = HeldMaildrop();
  co_return next;
}

// The token makes a repeat harmless: the store does it once, or finds that it has.
asio::awaitable<absl::Status> Connection::CommitWithRetry(const CommitAction& commit) {
  const auto deadline = SteadyClock::now() + absl::ToChronoNanoseconds(context_.timeouts.commit_retry_for);
  absl::Duration pause = kFirstPause;
  while (true) {
    CommitRequest request{.mailbox_id = held_.mailbox_id,
                          .token = held_.token,
                          .message_ids = commit.deletions,
                          .session_id = session_id_};
    const absl::Status status = co_await context_.store.CommitMaildrop(std::move(request));
    if (status.ok() || IsFenced(status) || !IsTemporary(status)) co_return status;
    if (aborted_ || SteadyClock::now() >= deadline) co_return status;
    obs::LogWarning("commit_retried", {{"session", session_id_}, {"error", status.ToString()}});
    co_await Pause(stream_.executor(), pause);
    pause = std::min(2 * pause, kLongestPause);
  }
}

Connection::Next Connection::Act(ReleaseAction) {
  // Before the reply goes out: a client that comes back at once must not find its own lock.
  co_await ReleaseMaildrop();
  Close("quit");
  co_return std::nullopt;
}

asio::awaitable<void> Connection::ReleaseMaildrop() {
  if (held_.lease == nullptr) co_return;
  context_.metrics.maildrops_open.Decrement();
  HeldMaildrop held = std::exchange(held_, HeldMaildrop());
  co_await context_.leases.Release(std::move(held));
}

}  // namespace mailstead::pop3
