// Gets the keys of session tickets from the store, so that a session of one replica resumes at another. While the store is
// away the process goes on with the keys that it has: at first one of its own.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/base/timers.h"
#include "common/frontend/recurring.h"
#include "common/net/ticket_ring.h"
#include "common/store/store_api.h"

namespace mailstead::frontend {

class TicketWatch {
 public:
  // Runs on `executor`, of one thread; all that is given by reference outlives it, and the executor. `ring` null: there is
  // nothing to be asked.
  TicketWatch(store::StoreApi& store, net::TicketRing* ring, asio::any_io_executor executor,
              Timers& timers = Timers::Steady());

  // Begins to ask. Once.
  void Start();
  // As Recurring::Stop.
  bool Stop(absl::Duration timeout) { return recurring_.Stop(timeout); }

 private:
  enum class Told { kNothing, kGood, kBad };

  asio::awaitable<absl::Duration> Turn();
  // Asks once, and gives the ring what came; how long the store says to wait.
  asio::awaitable<absl::StatusOr<absl::Duration>> Ask();
  void Note(const absl::Status& status);

  store::StoreApi& store_;
  net::TicketRing* const ring_;
  // What the log was told last. Used on the executor only.
  Told told_ = Told::kNothing;
  Recurring recurring_;
};

}  // namespace mailstead::frontend
