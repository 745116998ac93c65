#include "smtpd/inbound/delivery.h"

#include <utility>

#include "asio/this_coro.hpp"
#include "smtpd/metrics.h"
#include "smtpd/retry.h"

namespace mailstead::smtp {

Delivery::Delivery(StoreClient& store, Metrics& metrics, DeliveryEnvelope envelope)
    : store_(store), metrics_(metrics), envelope_(std::move(envelope)) {}

asio::awaitable<void> Delivery::Pass(std::string piece) {
  if (!failure_.ok()) co_return;
  if (stream_ == nullptr) {
    asio::any_io_executor executor = co_await asio::this_coro::executor;
    stream_ = store_.StartDelivery(envelope_, std::move(executor));
  }
  failure_ = co_await stream_->Write(std::move(piece));
  if (failure_.ok()) co_return;
  metrics_.StoreFailure("deliver", failure_);
  stream_.reset();
}

asio::awaitable<absl::Status> Delivery::Finish(std::string piece, absl::Duration retry_for) {
  if (!failure_.ok()) co_return failure_;
  if (stream_ == nullptr) {
    absl::Status whole = co_await DeliverWhole(std::move(piece), retry_for);
    co_return whole;
  }
  absl::Status status = co_await stream_->Finish(std::move(piece));
  stream_.reset();
  if (!status.ok()) metrics_.StoreFailure("deliver", status);
  co_return status;
}

asio::awaitable<absl::Status> Delivery::DeliverWhole(std::string content, absl::Duration retry_for) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  Retry retry(std::move(executor), retry_for);
  while (true) {
    absl::Status status = co_await store_.Deliver(envelope_, content);
    if (status.ok()) co_return status;
    metrics_.StoreFailure("deliver", status);
    const bool again = co_await retry.Again(status);
    if (!again) co_return status;
  }
}

}  // namespace mailstead::smtp
