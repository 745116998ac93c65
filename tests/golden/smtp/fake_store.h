// A store in memory for dialogs with smtpd. Single-threaded; answers come through the event loop, never at
// once.
//
// Its directory: example.test is ours, with the accounts alice (password "secret"), bob and ünï (and plus
// addressing), the alias team (alice and bob), closed (disabled), full (over quota) and any postmaster. alice
// may send as herself and as team. Every other domain is remote.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "smtpd/store_client.h"

namespace mailstead::smtp {

class FakeStore : public StoreClient {
 public:
  struct Stored {
    DeliveryEnvelope envelope;
    std::string content;
    // Pieces it came in.
    int piece_count = 1;
  };

  asio::awaitable<absl::StatusOr<Resolution>> Resolve(ResolveRecipient request) override;
  asio::awaitable<std::vector<absl::StatusOr<Resolution>>> ResolveAll(
      std::vector<ResolveRecipient> requests) override;
  asio::awaitable<absl::StatusOr<bool>> MaySend(CheckSender request) override;
  asio::awaitable<absl::Status> Deliver(const DeliveryEnvelope& envelope,
                                        const std::string& content) override;
  std::unique_ptr<DeliveryStream> StartDelivery(const DeliveryEnvelope& envelope,
                                                asio::any_io_executor executor) override;
  std::unique_ptr<AuthDialog> StartAuth() override;

  // The next `count` calls of `call` ("resolve", "sender", "deliver", "piece", "auth", or "all" for any) fail
  // with `status`; -1 means all from now on.
  void Fail(std::string call, absl::Status status, int count);
  // The next Deliver stores the message and loses its answer: Unavailable.
  void LoseNextAnswer() { lose_answer_ = true; }
  void Mend() { failures_.clear(); }

  const std::vector<Stored>& stored() const { return stored_; }
  // Tries of Deliver, and streams begun; of streams, those that ended without their last piece.
  int deliver_count() const { return deliver_count_; }
  int abandoned_count() const { return abandoned_count_; }

 private:
  friend class FakeDeliveryStream;
  friend class FakeAuthDialog;
  struct Failure {
    absl::Status status;
    int left = 0;
  };
  absl::Status Check(const std::string& call);
  // Idempotent by delivery_id.
  void Store(Stored message);

  std::map<std::string, Failure> failures_;
  bool lose_answer_ = false;
  std::vector<Stored> stored_;
  std::set<std::string> delivery_ids_;
  int deliver_count_ = 0;
  int abandoned_count_ = 0;
};

}  // namespace mailstead::smtp
