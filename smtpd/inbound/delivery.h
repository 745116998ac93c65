// One message on its way to the store: in one piece when it is small, else as a stream with back-pressure.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "smtpd/store_client.h"

namespace mailstead::smtp {

class Metrics;

// Destroying it before Finish leaves nothing at the store.
class Delivery {
 public:
  // `store` and `metrics` outlive it.
  Delivery(StoreClient& store, Metrics& metrics, DeliveryEnvelope envelope);

  const DeliveryEnvelope& envelope() const { return envelope_; }

  // A piece that is not the last. A failure is kept for Finish: the client's bytes must be read to their end
  // first.
  asio::awaitable<void> Pass(std::string piece);
  // The last piece. A message in one piece is tried again for `retry_for` with the same delivery_id; of a
  // longer one the first pieces are gone. OK: it is on disk.
  asio::awaitable<absl::Status> Finish(std::string piece, absl::Duration retry_for);
  // Ends the call: the message is not wanted any more.
  void Abandon() { stream_.reset(); }

 private:
  asio::awaitable<absl::Status> DeliverWhole(std::string content, absl::Duration retry_for);

  StoreClient& store_;
  Metrics& metrics_;
  const DeliveryEnvelope envelope_;
  // Set by the first Pass.
  std::unique_ptr<DeliveryStream> stream_;
  absl::Status failure_;
};

}  // namespace mailstead::smtp
