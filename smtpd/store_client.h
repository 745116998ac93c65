// The store as smtpd sees it: plain values and coroutines, so that sessions are tested without gRPC.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/rpc/auth_exchange.h"
#include "smtpd/session/action.h"

namespace mailstead::rpc {
class StoreChannel;
}

namespace mailstead::smtp {

// DeliverEnvelope of the store API.
struct DeliveryEnvelope {
  struct Recipient {
    std::string address;
    std::vector<uint64_t> mailbox_ids;
    std::string dsn_notify;
    std::string dsn_orcpt;
  };
  std::string delivery_id;
  std::string reverse_path;
  std::vector<Recipient> recipients;
  std::string dsn_ret;
  std::string dsn_envid;
  std::string session_id;
  std::string client_address;
};

// A message too big for one piece, on its way. Destroying it before Finish has given an answer ends the call;
// the store keeps nothing of it.
class DeliveryStream {
 public:
  virtual ~DeliveryStream() = default;
  // Waits until the store takes more (back-pressure). After an error: no more Write, no Finish.
  virtual asio::awaitable<absl::Status> Write(std::string piece) = 0;
  // The last piece. OK: it is on disk.
  virtual asio::awaitable<absl::Status> Finish(std::string piece) = 0;
};

// One SASL exchange: Begin, then Respond to each challenge. Destroying it ends it.
class AuthDialog {
 public:
  virtual ~AuthDialog() = default;
  virtual asio::awaitable<absl::StatusOr<rpc::AuthStep>> Begin(rpc::AuthStart start) = 0;
  virtual asio::awaitable<absl::StatusOr<rpc::AuthStep>> Respond(std::string response) = 0;
};

// Thread-safe. Every call has a deadline of its own and is one try; Retry (retry.h) is for the rest.
// Errors: Unavailable, Aborted, DeadlineExceeded may go away; see status_reply.h for what the client is told.
class StoreClient {
 public:
  virtual ~StoreClient() = default;
  virtual asio::awaitable<absl::StatusOr<Resolution>> Resolve(ResolveRecipient request) = 0;
  // Several in one go; an answer for each, in their order. At least one.
  virtual asio::awaitable<std::vector<absl::StatusOr<Resolution>>> ResolveAll(
      std::vector<ResolveRecipient> requests) = 0;
  virtual asio::awaitable<absl::StatusOr<bool>> MaySend(CheckSender request) = 0;
  // A message in one piece. OK: it is on disk. A repeat with the same delivery_id stores nothing twice.
  // `envelope` and `content` outlive the call.
  virtual asio::awaitable<absl::Status> Deliver(const DeliveryEnvelope& envelope,
                                                const std::string& content) = 0;
  // `executor` is the caller's.
  virtual std::unique_ptr<DeliveryStream> StartDelivery(const DeliveryEnvelope& envelope,
                                                        asio::any_io_executor executor) = 0;
  virtual std::unique_ptr<AuthDialog> StartAuth() = 0;
};

struct StoreTimeouts {
  // One call; for a large message the wait for each piece and for the sync at the end.
  absl::Duration call = absl::Seconds(10);
  // A SASL exchange from its first to its last step.
  absl::Duration auth = absl::Minutes(2);
  // A large message from its first to its last piece: the time its client has to send it.
  absl::Duration message = absl::Hours(1);
};

// Over gRPC. `channel` outlives the client.
std::unique_ptr<StoreClient> MakeStoreClient(rpc::StoreChannel& channel, int connections,
                                             StoreTimeouts timeouts);

}  // namespace mailstead::smtp
