#include "smtpd/inbound/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/obs/log.h"

namespace mailstead::smtp {
namespace {

constexpr ListenerKind kKinds[] = {ListenerKind::kMx, ListenerKind::kSubmission, ListenerKind::kSubmissions};

size_t Index(ListenerKind kind) { return static_cast<size_t>(kind); }

prometheus::Family<prometheus::Counter>& CounterFamily(prometheus::Registry& registry, const char* name,
                                                       const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

// The name that a method of the store has in our metrics and log.
absl::string_view CallOf(absl::string_view method) {
  if (method == "ResolveRecipient") return "resolve";
  if (method == "CheckSender") return "check_sender";
  if (method == "Authenticate") return "auth";
  if (method == "Deliver") return "deliver";
  if (method == "SettleDelivery") return "settle";
  return method;
}

}  // namespace

Metrics::Metrics(std::shared_ptr<prometheus::Registry> registry) : registry_(std::move(registry)) {
  auto& replies = CounterFamily(*registry_, "mailstead_smtp_replies_total",
                                "Replies sent, by their name in the catalogue");
  for (size_t i = 0; i < kReplyCount; ++i) {
    const Reply& reply = GetReply(static_cast<ReplyId>(i));
    replies_[i] = &replies.Add({{"reply", std::string(reply.name)}, {"code", absl::StrCat(reply.code)}});
  }
  auto& open = prometheus::BuildGauge()
                   .Name("mailstead_smtp_connections")
                   .Help("Open connections")
                   .Register(*registry_);
  auto& opened =
      CounterFamily(*registry_, "mailstead_smtp_connections_total", "Connections accepted since the start");
  auto& messages = CounterFamily(*registry_, "mailstead_smtp_messages_total", "Messages the store has taken");
  for (ListenerKind kind : kKinds) {
    const prometheus::Labels labels = {{"listener", std::string(ListenerName(kind))}};
    open_[Index(kind)] = &open.Add(labels);
    opened_[Index(kind)] = &opened.Add(labels);
    messages_[Index(kind)] = &messages.Add(labels);
  }
  message_bytes_ =
      &CounterFamily(*registry_, "mailstead_smtp_message_bytes_total", "Bytes of the messages taken").Add({});
  recipients_ =
      &CounterFamily(*registry_, "mailstead_smtp_recipients_total", "Recipients of the messages taken")
           .Add({});
  store_seconds_ =
      &prometheus::BuildHistogram()
           .Name("mailstead_smtp_store_seconds")
           .Help("From the end of a message to the store's word that it is on disk")
           .Register(*registry_)
           .Add({}, prometheus::Histogram::BucketBoundaries{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                            0.25, 0.5, 1, 2.5, 5, 10, 30});
  tls_ = &CounterFamily(*registry_, "mailstead_smtp_tls_handshakes_total",
                        "TLS handshakes, by result (ok, failed)");
  authentications_ =
      &CounterFamily(*registry_, "mailstead_smtp_authentications_total",
                     "AUTH exchanges, by mechanism and result (ok, refused, failed, cancelled)");
  store_failures_ =
      &CounterFamily(*registry_, "mailstead_smtp_store_failures_total",
                     "Calls to the store that failed, each try counted, by call and status code");
  settled_ =
      &CounterFamily(*registry_, "mailstead_smtp_deliveries_settled_total",
                     "Deliveries whose answer was lost, by what became of them (stored, void, unknown)");
}

void Metrics::TryFailed(absl::string_view method, const absl::Status& status) {
  StoreFailure(CallOf(method), status);
}

void Metrics::DeliverySettled(const Settled& settled) {
  settled_->Add({{"outcome", std::string(settled.outcome)}}).Increment();
  const bool known = settled.outcome != "unknown";
  obs::Log(known ? obs::LogLevel::kInfo : obs::LogLevel::kWarning, "delivery_settled",
           {{"session", settled.session_id},
            {"delivery", settled.delivery_id},
            {"outcome", settled.outcome},
            {"error", settled.error.ToString()}});
}

void Metrics::Replied(ReplyId reply) { replies_[static_cast<size_t>(reply)]->Increment(); }

void Metrics::ConnectionOpened(ListenerKind kind) {
  open_[Index(kind)]->Increment();
  opened_[Index(kind)]->Increment();
}

void Metrics::ConnectionClosed(ListenerKind kind) { open_[Index(kind)]->Decrement(); }

void Metrics::TlsHandshake(bool ok) { tls_->Add({{"result", ok ? "ok" : "failed"}}).Increment(); }

void Metrics::Authentication(absl::string_view mechanism, absl::string_view result) {
  authentications_->Add({{"mechanism", std::string(mechanism)}, {"result", std::string(result)}}).Increment();
}

void Metrics::MessageStored(ListenerKind kind, uint64_t size_bytes, size_t recipient_count,
                            absl::Duration wait) {
  messages_[Index(kind)]->Increment();
  message_bytes_->Increment(static_cast<double>(size_bytes));
  recipients_->Increment(static_cast<double>(recipient_count));
  store_seconds_->Observe(absl::ToDoubleSeconds(wait));
}

void Metrics::StoreFailure(absl::string_view call, const absl::Status& status) {
  store_failures_->Add({{"call", std::string(call)}, {"code", absl::StatusCodeToString(status.code())}})
      .Increment();
}

}  // namespace mailstead::smtp
