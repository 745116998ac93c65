// Sends the events of one webhook, while this process has claimed it.
//
// Events come from the feed in order, and wait in memory in the chain of their mailbox, of which one is posted at a time. When
// one is not taken, the store keeps it with what waits behind it: that mailbox has a lane there. What comes for it from then on
// goes to the lane's end, and a lane is worked off from its beginning when it is time, until it is empty. So the order holds
// within a mailbox, and no mailbox waits for another.
//
// What became of events is reported in the order in which it happened, one report at a time; each has all that happened while
// the one before was under way. The place in the feed moves with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/base/timers.h"
#include "common/store/store_api.h"
#include "mailstead/frontend/v1/webhook.pb.h"
#include "webd/webhooks/poster.h"

namespace mailstead::web {

class Metrics;

struct SenderOptions {
  // Events that are posted at a time.
  size_t max_in_flight = 32;
  absl::Duration store_timeout = absl::Seconds(30);
  // What all senders may hold of events; beyond it none reads on.
  size_t max_held_bytes = size_t{64} << 20;
  // False: the lease may have ended, and another one may send.
  std::function<bool()> may_send = [] { return true; };
};

// Used on its executor, of one thread.
class Sender {
 public:
  // All that is given by reference outlives it. `held_bytes` is of all senders.
  Sender(asio::any_io_executor executor, store::StoreApi& store, Poster& poster, Metrics& metrics,
         size_t& held_bytes, SenderOptions options, frontend::v1::ClaimedWebhook webhook);
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  // Once.
  void Start();
  // As it is claimed now, by the same fence.
  void Refresh(const frontend::v1::ClaimedWebhook& webhook);
  // Nothing new is sent; what is under way is reported.
  void Stop();
  const std::string& webhook_id() const { return webhook_.webhook_id(); }
  int64_t fence() const { return webhook_.fence(); }
  // The store says that somebody else sends, or nobody is to.
  bool fenced() const { return fenced_; }
  bool busy() const { return task_count_ > 0; }

 private:
  using Cursor = std::pair<int64_t, int64_t>;
  using Event = frontend::v1::WebhookEvent;
  // A mailbox of which something waits at the store.
  struct Lane {
    // Outcomes that the store has not answered yet.
    size_t pending = 0;
    bool sending = false;
    // When it is worked off; InfiniteFuture: when it is known.
    absl::Time due = absl::InfiniteFuture();
  };

  template <typename Loop>
  void Spawn(Loop loop);
  asio::awaitable<void> ReadFeed();
  asio::awaitable<void> WorkLanes();
  asio::awaitable<void> SendReports();
  asio::awaitable<void> SendHead(int64_t account);
  asio::awaitable<void> SendLane(int64_t account);
  asio::awaitable<absl::Status> ListLanes();

  void Take(Event event);
  void BeginWhatMay();
  void Settle(const Event& event);
  void AddOutcome(const Event& event, frontend::v1::WebhookOutcome::Kind kind, const Posted& posted,
                  bool is_new);
  void SetDue(int64_t account, Lane& lane, absl::Time due);
  void TakeLane(const frontend::v1::WebhookLane& proto);
  bool MayRead() const;
  // Whether there is something to tell the store.
  bool HasReport() const;
  // All that may be reported of the feed.
  Cursor Settled();
  // False: it is not to go on.
  bool GoesOn(const absl::Status& status, const char* what);
  void Changed();
  store::CallContext Context(absl::Duration wait) const;

  const asio::any_io_executor executor_;
  store::StoreApi& store_;
  Poster& poster_;
  Metrics& metrics_;
  size_t& held_bytes_;
  const SenderOptions options_;
  frontend::v1::ClaimedWebhook webhook_;
  const std::unique_ptr<Timer> read_timer_;
  const std::unique_ptr<Timer> lane_timer_;
  const std::unique_ptr<Timer> report_timer_;

  // Where the feed was read to; what of it was given, and whether it is settled: it was taken, or the next report has it.
  Cursor read_;
  std::map<Cursor, bool> window_;
  Cursor settled_;
  Cursor reported_;
  absl::Time reported_time_;
  absl::flat_hash_map<int64_t, std::deque<Event>> chains_;
  // Accounts whose chain may be posted on.
  std::deque<int64_t> ready_;
  size_t in_flight_ = 0;

  absl::flat_hash_map<int64_t, Lane> lanes_;
  std::set<std::pair<absl::Time, int64_t>> due_;
  bool lanes_known_ = false;
  int64_t known_revision_ = 0;
  int64_t waiting_count_ = 0;

  // What became of events, and is to be reported.
  struct Outcome {
    frontend::v1::WebhookOutcome proto;
    // In Lane::pending.
    bool is_pending = false;
  };
  std::vector<Outcome> outcomes_;
  size_t task_count_ = 0;
  bool stopping_ = false;
  bool fenced_ = false;
  // Told once.
  bool failing_ = false;
};

}  // namespace mailstead::web
