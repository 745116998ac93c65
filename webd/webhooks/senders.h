// Which webhooks this process sends: claims them at the store, under a lease of its own, and has a Sender for each.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/base/timers.h"
#include "common/net/listener.h"
#include "common/store/lease_keeper.h"
#include "common/store/store_api.h"
#include "webd/webhooks/poster.h"
#include "webd/webhooks/sender.h"

namespace mailstead::web {

struct SendersOptions {
  // Webhooks at a time.
  size_t max_webhooks = 100;
  // Names this process in what operators read.
  std::string holder;
  absl::Duration drain_timeout = absl::Seconds(30);
  SenderOptions sender;
  PosterOptions poster;
};

class Senders {
 public:
  // All of it outlives it.
  Senders(store::StoreApi& store, net::IoThreads& threads, Metrics& metrics, SendersOptions options);
  ~Senders();

  // Once.
  void Start();
  // Of the lease. Thread-safe.
  absl::Status Health() const { return leases_.Health(); }
  // Nothing new is sent; what is under way has `drain_timeout`, and is then cut off. Others take the webhooks over at once. Once,
  // on the first I/O thread.
  asio::awaitable<void> End();

 private:
  asio::awaitable<void> Run();
  void Take(const frontend::v1::ClaimWebhooksResponse& claimed);
  bool AnyBusy() const;

  store::StoreApi& store_;
  Metrics& metrics_;
  SendersOptions options_;
  const asio::any_io_executor executor_;
  // A thread of its own: nothing delays the heartbeat.
  net::IoThreads heartbeat_{1};
  store::LeaseKeeper leases_;
  Poster poster_;
  // On the first I/O thread, from here on.
  size_t held_bytes_ = 0;
  std::map<std::string, std::unique_ptr<Sender>> senders_;
  // Those that end.
  std::vector<std::unique_ptr<Sender>> ending_;
  const std::unique_ptr<Timer> timer_;
  bool running_ = false;
  bool stopping_ = false;
  bool failing_ = false;
};

}  // namespace mailstead::web
