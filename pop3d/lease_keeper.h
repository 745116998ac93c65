// The process's lease at the store. Locks on maildrops belong to it: one heartbeat keeps them all, and they
// are free within one ttl after the process has died.
//
// A call whose answer is lost may have locked a maildrop that no session knows of, and a heartbeat would keep
// that lock for as long as the process lives. So a lease under which that happened is retired: new sessions
// lock under a fresh one, and when the last session of the old one has gone the old one is ended, with
// whatever it still locks.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "asio/steady_timer.hpp"
#include "pop3d/session/maildrop.h"
#include "pop3d/store_client.h"

namespace mailstead::pop3 {

struct Lease {
  std::string id;
  // The store has been told of it, or may have been: locks may exist under it.
  std::atomic<bool> offered = false;
};

// A locked maildrop.
struct HeldMaildrop {
  uint64_t mailbox_id = 0;
  uint64_t token = 0;
  // Shared by the sessions that lock under it and the keeper, which ends it after the last one.
  std::shared_ptr<Lease> lease;
};

class LeaseKeeper {
 public:
  struct Options {
    // For people: host and process.
    std::string holder;
    absl::Duration ttl = absl::Seconds(6);
  };

  // `store` outlives it. The heartbeat runs on `executor`, of one thread.
  LeaseKeeper(StoreClient& store, asio::any_io_executor executor, Options options);

  // Begins the heartbeat, every third of the ttl. Once.
  void Start();
  // Ends the heartbeat and all leases. Once, on the executor, when no session is left.
  asio::awaitable<void> End();

  // Locks the maildrop under the current lease; one that the store does not know (it was away for longer than
  // the ttl) is renewed first. `request.lease_id` is set here.
  asio::awaitable<absl::StatusOr<OpenedMaildrop>> Open(OpenRequest request, HeldMaildrop& held);
  // Unlocks; nothing is deleted. When the store is away the heartbeat does it later.
  asio::awaitable<void> Release(HeldMaildrop held);

  // Of the last heartbeat: OK while the store answers. Thread-safe.
  absl::Status Health() const;

 private:
  asio::awaitable<void> Run();
  asio::awaitable<void> Beat();
  asio::awaitable<absl::Status> Renew(std::shared_ptr<Lease> lease);
  asio::awaitable<void> EndUnusedLeases();
  asio::awaitable<void> ReleaseOverdue();
  std::shared_ptr<Lease> current() const;
  void Retire(const std::shared_ptr<Lease>& lease);
  void SetHealth(const absl::Status& status);

  StoreClient& store_;
  const asio::any_io_executor executor_;
  const Options options_;
  // Used on the executor only.
  asio::steady_timer timer_;
  asio::steady_timer ended_;
  bool ending_ = false;

  mutable absl::Mutex mutex_;
  std::shared_ptr<Lease> current_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Lease>> retired_ ABSL_GUARDED_BY(mutex_);
  // What Release could not do. At most one for each session that was open when the store went away.
  std::vector<HeldMaildrop> overdue_ ABSL_GUARDED_BY(mutex_);
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
  // Whether health_ is what the store said.
  bool asked_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mailstead::pop3
