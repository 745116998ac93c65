// The process's lease at the store. Locks on maildrops belong to it: one heartbeat keeps them all, and they are free
// within one ttl after the process has died.
//
// A login asks for the lock of its maildrop, and should its answer be lost, a maildrop may be locked in the name of a
// session that never got the grant to release it: the heartbeat would keep that lock for as long as the process lives.
// So a lease under which that happened is retired: new sessions lock under a fresh one, and when the last session of
// the old one has gone the old one is ended, with whatever it still locks.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/base/timers.h"
#include "common/store/store_api.h"

namespace mailstead::store {

// A lease that sessions lock under. It is kept alive at the store for as long as a session holds this.
struct Lease {
  // Random.
  std::string id;
  // Set when the store is told of it: before, nothing can be locked under it.
  std::atomic<bool> offered = false;
};

class LeaseKeeper {
 public:
  struct Options {
    // For people: host and process.
    std::string holder;
    absl::Duration ttl = absl::Seconds(6);
    // One call; a heartbeat is waited for a third of the ttl at most.
    absl::Duration call_timeout = absl::Seconds(10);
  };

  // `store` and `timers` outlive it. The heartbeat runs on `executor`, of one thread.
  LeaseKeeper(StoreApi& store, asio::any_io_executor executor, Options options,
              Timers& timers = Timers::Steady());
  // After End, or when Start was never called and no release is under way.
  ~LeaseKeeper();
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;

  // Begins the heartbeat, every third of the ttl, whatever else goes on. Once.
  void Start();
  // Ends the heartbeat and all leases, and with them the locks that are left. Once, on the executor, when no session is left.
  asio::awaitable<void> End();

  // The lease that new sessions lock under; a session holds it for as long as it may hold a maildrop. Thread-safe.
  std::shared_ptr<const Lease> lease() const;
  std::string lease_id() const { return lease()->id; }
  // The answer to a login that asked for a maildrop under this lease was lost. Thread-safe.
  void Retire(const std::shared_ptr<const Lease>& lease);
  // Of the last heartbeat: OK while the store answers. Each change is logged: lease_renewed, lease_not_renewed.
  // Thread-safe.
  absl::Status Health() const;
  // The shortest time that a message may stay in any mailbox, as the last answer to a heartbeat says; 0: for ever.
  // Thread-safe.
  absl::Duration least_retention() const;

  // After NO_LEASE: the store did not know the lease (it was away for longer than the ttl, or this is before the first
  // heartbeat). OK: now it does. From any executor.
  asio::awaitable<absl::Status> RenewNow();
  // Releases the maildrop that the session holds, and returns at once. When the store is away it is done as soon as the
  // store is back; should the process die before, the lock ends with the lease. The call is made from `executor`, the
  // session's own, on its thread: no thread is woken for it, nor that one for its answer. Thread-safe.
  void ReleaseLater(std::string grant, std::string session_id, asio::any_io_executor executor);

 private:
  struct Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace mailstead::store
