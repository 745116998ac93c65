#include "smtpd/inbound/journal.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/store/retry.h"
#include "smtpd/inbound/metrics.h"
#include "smtpd/session/store_replies.h"

namespace mailstead::smtp {
namespace {

// No mechanism's name is longer (RFC 4422 section 3.1).
constexpr size_t kMaxLoggedMechanismBytes = 20;

}  // namespace

Journal::Journal(Metrics& metrics, const Clock& steady, ListenerKind listener, std::string session_id)
    : metrics_(metrics),
      steady_(steady),
      listener_(listener),
      session_id_(std::move(session_id)),
      began_(steady.Now()) {
  metrics_.ConnectionOpened(listener_);
}

Journal::~Journal() { metrics_.ConnectionClosed(listener_); }

// ---- The session

void Journal::Replied(ReplyId reply) { metrics_.Replied(reply); }

void Journal::SenderRefused(absl::string_view sender, ReplyId reply) {
  LogRefusal("sender_refused", reply, {"from", sender});
}

void Journal::RecipientRefused(absl::string_view sender, absl::string_view recipient, ReplyId reply) {
  LogRefusal("recipient_refused", reply, {"from", sender}, {"recipient", recipient});
}

void Journal::MessageRefused(absl::string_view sender, absl::string_view delivery_id, ReplyId reply) {
  LogRefusal("message_refused", reply, {"from", sender}, {"delivery", delivery_id});
}

void Journal::MessageNotStored(absl::string_view sender, absl::string_view delivery_id, ReplyId reply) {
  obs::LogWarning("message_not_stored", {{"session", session_id_},
                                         {"delivery", delivery_id},
                                         {"from", sender},
                                         {"reply", GetReply(reply).name}});
}

void Journal::Authenticated(absl::string_view mechanism, absl::string_view account) {
  metrics_.Authentication(mechanism, "ok");
  LogVerdict("authenticated", mechanism, account);
}

void Journal::AuthenticationRefused(absl::string_view mechanism) {
  metrics_.Authentication(mechanism, "refused");
  LogVerdict("authentication_refused", mechanism, "");
}

void Journal::AuthenticationFailed(absl::string_view mechanism) {
  metrics_.Authentication(mechanism, "failed");
}

void Journal::AuthenticationCancelled(absl::string_view mechanism) {
  metrics_.Authentication(mechanism, "cancelled");
}

void Journal::MechanismRefused(absl::string_view mechanism) {
  // The name is the client's: it is no label.
  metrics_.Authentication("other", "unknown_mechanism");
  LogVerdict("mechanism_refused", mechanism.substr(0, kMaxLoggedMechanismBytes), "");
}

void Journal::LoginEnded(absl::string_view account) {
  obs::LogInfo("login_ended", {{"session", session_id_}, {"client", client_}, {"account", account}});
}

void Journal::LogVerdict(absl::string_view event, absl::string_view mechanism, absl::string_view account) {
  obs::LogInfo(
      event, {{"session", session_id_}, {"client", client_}, {"mechanism", mechanism}, {"account", account}});
}

void Journal::LogRefusal(absl::string_view event, ReplyId reply, obs::Field field, obs::Field other) {
  obs::LogInfo(event, {{"session", session_id_},
                       {"client", client_},
                       {"listener", ListenerName(listener_)},
                       {"reply", GetReply(reply).name},
                       std::move(field),
                       std::move(other)});
}

// ---- The connection

void Journal::TooManyConnections(ReplyId reply, size_t count) {
  LogRefusal("connection_refused", reply, {"count", absl::StrCat(count)});
}

void Journal::EarlyTalker(ReplyId reply, absl::Duration delay) {
  LogRefusal("connection_refused", reply, {"delay", absl::FormatDuration(delay)});
}

void Journal::ProxyHeaderRefused(const absl::Status& why) {
  obs::LogWarning("proxy_header_refused",
                  {{"session", session_id_}, {"client", client_}, {"error", why.message()}});
}

void Journal::TlsStarted() { metrics_.TlsHandshake(true); }

void Journal::TlsFailed(const absl::Status& why) {
  metrics_.TlsHandshake(false);
  obs::LogInfo("tls_failed", {{"session", session_id_}, {"client", client_}, {"error", why.message()}});
}

void Journal::StoreFailed(absl::string_view call, const absl::Status& status) {
  // The store's answer, and no failure: the refusal is told of.
  if (IsSendingRefused(status)) return;
  // The tries of a call that is tried again were counted one by one (Metrics::TryFailed).
  if (!store::WorthTryingAgain(status)) metrics_.StoreFailure(call, status);
  const obs::LogLevel level = IsAlarm(status) ? obs::LogLevel::kError : obs::LogLevel::kWarning;
  obs::Log(level, "store_failed", {{"session", session_id_}, {"call", call}, {"error", status.ToString()}});
}

void Journal::MessageCutShort(absl::string_view sender, const absl::Status& why) {
  obs::LogInfo("message_cut_short",
               {{"session", session_id_}, {"client", client_}, {"from", sender}, {"error", why.message()}});
}

void Journal::Stored(const StoredMessage& message) {
  ++message_count_;
  metrics_.MessageStored(listener_, message.size_bytes, message.envelope.recipients.size(),
                         message.store_wait);
  obs::LogInfo("delivered", {{"session", session_id_},
                             {"delivery", message.envelope.delivery_id},
                             {"client", client_},
                             {"account", message.account},
                             {"from", message.sender},
                             {"bytes", message.size_bytes},
                             {"recipients", message.envelope.recipients.size()},
                             {"duration_ms", obs::Milliseconds(message.total)},
                             {"store_ms", obs::Milliseconds(message.store_wait)}});
}

void Journal::ReplyLost(absl::string_view delivery_id, const absl::Status& why) {
  obs::LogWarning(
      "reply_lost",
      {{"session", session_id_}, {"delivery", delivery_id}, {"client", client_}, {"error", why.message()}});
}

void Journal::Closed(const Dialog& dialog, absl::string_view tls_version, absl::string_view reason) {
  obs::LogInfo("session_closed", {{"session", session_id_},
                                  {"client", client_},
                                  {"listener", ListenerName(listener_)},
                                  {"tls", tls_version},
                                  {"account", dialog.account},
                                  {"commands", dialog.command_count},
                                  {"errors", dialog.error_count},
                                  {"messages", message_count_},
                                  {"reason", reason},
                                  {"duration_ms", obs::Milliseconds(steady_.Now() - began_)}});
}

}  // namespace mailstead::smtp
