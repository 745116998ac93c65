#include "pop3d/journal.h"

#include "common/base/random.h"
#include "common/obs/log.h"

namespace mailstead::pop3 {
namespace {

constexpr size_t kSessionIdSize = 20;

absl::string_view EventOf(store::LoginEnd why) {
  return why == store::LoginEnd::kSessionEnded ? "session_ended" : "login_ended";
}

}  // namespace

Journal::Journal(Metrics& metrics, const net::Stream& stream)
    : metrics_(metrics), stream_(stream), session_id_(RandomId(kSessionIdSize)) {}

// --- The connection

void Journal::ProxyHeaderRefused(const absl::Status& status) {
  // A balancer's health check often connects and says nothing.
  const bool said_nothing = absl::IsUnavailable(status);
  obs::Log(said_nothing ? obs::LogLevel::kDebug : obs::LogLevel::kWarning, "proxy_header_refused",
           {{"session", session_id_}, {"balancer", client()}, {"error", status.ToString()}});
}

void Journal::ConnectionRefused(ReplyId reply) {
  obs::LogWarning("connection_refused",
                  {{"session", session_id_}, {"client", client()}, {"reason", NameOf(reply)}});
}

void Journal::Admitted() {
  admitted_ = true;
  metrics_.connections.Increment();
  obs::LogDebug("session_opened", {{"session", session_id_}, {"client", client()}});
}

void Journal::TlsFailed(const absl::Status& status) {
  metrics_.tls_failures.Increment();
  obs::LogInfo("tls_failed", {{"session", session_id_}, {"client", client()}, {"error", status.ToString()}});
}

void Journal::Closed(absl::string_view reason, const std::string& account) {
  metrics_.CountClosed(reason);
  if (!admitted_) return;
  metrics_.connections.Decrement();
  // One that said nothing was a probe.
  obs::Log(line_count_ == 0 ? obs::LogLevel::kDebug : obs::LogLevel::kInfo, "session_closed",
           {{"session", session_id_},
            {"client", client()},
            {"reason", reason},
            {"account", account},
            {"commands", line_count_},
            {"retrieved", retrieved_count_},
            {"bytes", retrieved_bytes_},
            {"deleted", deleted_count_}});
}

// --- Logging in

void Journal::LoginFailed(const absl::Status& status) {
  obs::LogWarning("store_failed",
                  {{"session", session_id_}, {"call", "Authenticate"}, {"error", status.ToString()}});
}

void Journal::LoginRefused(absl::string_view mechanism, ReplyId reply) {
  metrics_.CountLogin(mechanism, NameOf(reply));
  obs::LogInfo(
      "login_refused",
      {{"session", session_id_}, {"client", client()}, {"mechanism", mechanism}, {"result", NameOf(reply)}});
}

void Journal::OpenRefused(const LoginName& login, ReplyId reply, const absl::Status& why) {
  metrics_.CountLogin(login.mechanism, NameOf(reply));
  obs::LogWarning("open_refused", {{"session", session_id_},
                                   {"account", login.address},
                                   {"mailbox", login.account.value},
                                   {"result", NameOf(reply)},
                                   {"error", why.ToString()}});
}

void Journal::LoginEnded(const LoginName& login, store::LoginEnd why) {
  obs::LogInfo(EventOf(why), {{"session", session_id_}, {"client", client()}, {"account", login.address}});
}

void Journal::LoggedIn(const LoginName& login, const Maildrop& maildrop) {
  metrics_.CountLogin(login.mechanism, "ok");
  metrics_.maildrops_open.Increment();
  open_maildrop_ = login.account;
  const net::TlsInfo* tls = stream_.tls();
  obs::LogInfo("login", {{"session", session_id_},
                         {"account", login.address},
                         {"mailbox", login.account.value},
                         {"client", client()},
                         {"mechanism", login.mechanism},
                         {"tls", tls != nullptr ? tls->version : std::string("none")},
                         {"messages", maildrop.count()},
                         {"bytes", maildrop.kept_bytes()}});
}

void Journal::MaildropTruncated(AccountId account, size_t shown_count, size_t left_out_count) {
  metrics_.maildrops_truncated.Increment();
  obs::LogWarning("maildrop_truncated", {{"session", session_id_},
                                         {"mailbox", account.value},
                                         {"shown", shown_count},
                                         {"left_out", left_out_count}});
}

void Journal::MaildropLeft() {
  if (open_maildrop_ == AccountId()) return;
  metrics_.maildrops_open.Decrement();
  open_maildrop_ = AccountId();
}

// --- Messages

void Journal::FetchFailed(MessageId message, const absl::Status& status) {
  obs::LogWarning("fetch_failed",
                  {{"session", session_id_}, {"message", message.value}, {"error", status.ToString()}});
}

void Journal::Retrieved(const SendMessageAction& message, absl::string_view delivery_id,
                        uint64_t sent_bytes) {
  ++retrieved_count_;
  retrieved_bytes_ += sent_bytes;
  metrics_.bytes_retrieved.Increment(static_cast<double>(sent_bytes));
  metrics_.messages_retrieved.Increment();
  obs::LogInfo("retrieved", {{"session", session_id_},
                             {"delivery", delivery_id},
                             {"mailbox", open_maildrop_.value},
                             {"message", message.id.value},
                             {"bytes", sent_bytes},
                             {"top", message.top_lines.has_value()}});
}

void Journal::BrokenOff(uint64_t sent_bytes) {
  retrieved_bytes_ += sent_bytes;
  metrics_.bytes_retrieved.Increment(static_cast<double>(sent_bytes));
  metrics_.messages_broken_off.Increment();
}

void Journal::StoreBrokeOff(MessageId message, uint64_t sent_bytes, const absl::Status& status) {
  obs::LogError("retrieval_broken_off", {{"session", session_id_},
                                         {"message", message.value},
                                         {"bytes", sent_bytes},
                                         {"error", status.ToString()}});
  BrokenOff(sent_bytes);
}

// --- The end

void Journal::Committed(const LoginName& login, size_t deleted_count) {
  deleted_count_ = deleted_count;
  metrics_.CountCommit("ok");
  metrics_.messages_deleted.Increment(static_cast<double>(deleted_count));
  obs::LogInfo("committed", {{"session", session_id_},
                             {"account", login.address},
                             {"mailbox", login.account.value},
                             {"deleted", deleted_count}});
}

void Journal::CommitFailed(const LoginName& login, ReplyId reply, const absl::Status& why) {
  metrics_.CountCommit(NameOf(reply));
  obs::LogError("commit_failed", {{"session", session_id_},
                                  {"account", login.address},
                                  {"mailbox", login.account.value},
                                  {"result", NameOf(reply)},
                                  {"error", why.ToString()}});
}

}  // namespace mailstead::pop3
