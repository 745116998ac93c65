#include "pop3d/metrics.h"

namespace mailstead::pop3 {
namespace {

prometheus::Family<prometheus::Counter>& CounterFamily(prometheus::Registry& registry, const char* name,
                                                       const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}
prometheus::Counter& OneCounter(prometheus::Registry& registry, const char* name, const char* help) {
  return CounterFamily(registry, name, help).Add({});
}
prometheus::Gauge& OneGauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

Metrics::Metrics(prometheus::Registry& registry)
    // mailstead_pop3_connections: now open.
    : connections(OneGauge(registry, "mailstead_pop3_connections", "Open connections")),
      // mailstead_pop3_maildrops_open: now locked by sessions of this process.
      maildrops_open(OneGauge(registry, "mailstead_pop3_maildrops_open", "Maildrops locked by this process")),
      // mailstead_pop3_maildrops_truncated_total: logins to maildrops of more messages than a session shows
      // (--max_maildrop_messages).
      maildrops_truncated(OneCounter(registry, "mailstead_pop3_maildrops_truncated_total",
                                     "Logins that were shown the oldest messages only")),
      // mailstead_pop3_listing_bytes: memory of all listings, of open maildrops and remembered, as of the last
      // login; at most --listing_memory.
      listing_bytes(OneGauge(registry, "mailstead_pop3_listing_bytes", "Memory of listings")),
      // mailstead_pop3_tls_failures_total: handshakes that failed or timed out.
      tls_failures(OneCounter(registry, "mailstead_pop3_tls_failures_total", "Failed TLS handshakes")),
      // mailstead_pop3_messages_retrieved_total: RETR and TOP, sent whole.
      messages_retrieved(
          OneCounter(registry, "mailstead_pop3_messages_retrieved_total", "Messages sent to clients")),
      // mailstead_pop3_messages_broken_off_total: RETR and TOP that ended after +OK and before the final dot.
      messages_broken_off(OneCounter(registry, "mailstead_pop3_messages_broken_off_total",
                                     "Messages that broke off while sending")),
      // mailstead_pop3_bytes_retrieved_total: bytes of messages sent, without dot stuffing.
      bytes_retrieved(
          OneCounter(registry, "mailstead_pop3_bytes_retrieved_total", "Bytes of messages sent to clients")),
      // mailstead_pop3_messages_deleted_total: in confirmed commits.
      messages_deleted(
          OneCounter(registry, "mailstead_pop3_messages_deleted_total", "Messages deleted by clients")),
      // mailstead_pop3_replies_total{reply}: each reply of the catalogue, by its name; so every
      // refusal, by its reason.
      replies_family_(CounterFamily(registry, "mailstead_pop3_replies_total", "Replies sent, by name")),
      // mailstead_pop3_logins_total{mechanism,result}: mechanism USER, PLAIN, LOGIN, SCRAM-SHA-256(-PLUS);
      // result ok, or the name of the refusing reply.
      logins_family_(
          CounterFamily(registry, "mailstead_pop3_logins_total", "Tries to log in, by mechanism and result")),
      // mailstead_pop3_commits_total{result}: QUIT with deletions; result ok, or the name of
      // the refusing reply.
      commits_family_(
          CounterFamily(registry, "mailstead_pop3_commits_total", "Deletions by QUIT, by result")),
      // mailstead_pop3_sessions_closed_total{reason}: quit, vanished, timeout, write_timeout, errors, login_ended,
      // session_ended, login_failures, tls_failed, proxy_failed, refused, store_failed, shutdown.
      closed_family_(
          CounterFamily(registry, "mailstead_pop3_sessions_closed_total", "Ended sessions, by reason")) {
  const auto last = static_cast<size_t>(kLastReplyId);
  for (size_t i = 0; i <= last; ++i) {
    replies_.push_back(&replies_family_.Add({{"reply", std::string(NameOf(static_cast<ReplyId>(i)))}}));
  }
}

void Metrics::CountLogin(absl::string_view mechanism, absl::string_view result) {
  logins_family_.Add({{"mechanism", std::string(mechanism)}, {"result", std::string(result)}}).Increment();
}

void Metrics::CountCommit(absl::string_view result) {
  commits_family_.Add({{"result", std::string(result)}}).Increment();
}

void Metrics::CountClosed(absl::string_view reason) {
  closed_family_.Add({{"reason", std::string(reason)}}).Increment();
}

}  // namespace mailstead::pop3
