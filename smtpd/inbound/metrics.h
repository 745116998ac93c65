// What smtpd counts, for /metrics, and the line of its log that no session writes. docs/metrics.md lists them.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/store/store_api.h"
#include "smtpd/session/dialog.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
template <typename T>
class Family;
}  // namespace prometheus

namespace mailstead::smtp {

// Thread-safe.
class Metrics : public store::CallObserver {
 public:
  explicit Metrics(std::shared_ptr<prometheus::Registry> registry);

  // A try of a call to the store has failed because the store was away.
  void TryFailed(absl::string_view method, const absl::Status& status) override;
  // The answer to a delivery was lost: what became of it is counted, and logged.
  void DeliverySettled(const Settled& settled) override;

  void Replied(ReplyId reply);

  void ConnectionOpened(ListenerKind kind);
  void ConnectionClosed(ListenerKind kind);
  void TlsHandshake(bool ok);
  // `result` is "ok", "refused", "failed" (the store could not say) or "cancelled".
  void Authentication(absl::string_view mechanism, absl::string_view result);
  // `wait` is from the end of the message to the store's word that it is on disk.
  void MessageStored(ListenerKind kind, uint64_t size_bytes, size_t recipient_count, absl::Duration wait);
  // A call to the store, or a try of it, has failed. `call` is "resolve", "check_sender", "deliver" or
  // "auth".
  void StoreFailure(absl::string_view call, const absl::Status& status);

 private:
  static constexpr size_t kListenerCount = 3;

  const std::shared_ptr<prometheus::Registry> registry_;
  std::array<prometheus::Counter*, kReplyCount> replies_;
  std::array<prometheus::Gauge*, kListenerCount> open_;
  std::array<prometheus::Counter*, kListenerCount> opened_;
  std::array<prometheus::Counter*, kListenerCount> messages_;
  prometheus::Counter* message_bytes_;
  prometheus::Counter* recipients_;
  prometheus::Histogram* store_seconds_;
  prometheus::Family<prometheus::Counter>* tls_;
  prometheus::Family<prometheus::Counter>* authentications_;
  prometheus::Family<prometheus::Counter>* store_failures_;
  prometheus::Family<prometheus::Counter>* settled_;
};

}  // namespace mailstead::smtp
