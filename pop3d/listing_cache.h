// What pop3d remembers of maildrops between sessions, so that a login is sent only what came and went since.
// It is worth nothing when lost: the next login is sent the whole listing. So it is what goes first when the
// memory of all listings is full, those that sessions look at included.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/base/byte_budget.h"
#include "common/store/ids.h"
#include "pop3d/session/listing.h"

namespace mailstead::pop3 {

// A listing, and what the store calls its state.
struct KnownListing {
  AccountId account;
  // The store's, opaque.
  std::string version;
  std::shared_ptr<const Listing> listing;
};

// The newest known listing of each account, the least recently used of which goes first when the budget is
// full. Listings are shared with the sessions that look at them. Thread-safe.
class ListingCache {
 public:
  // Remembers up to `limit_bytes`; 0: nothing. `memory_bytes`: of all listings.
  explicit ListingCache(size_t limit_bytes, size_t memory_bytes = kListingMemoryBytes)
      : limit_bytes_(limit_bytes), memory_(memory_bytes) {}
  ListingCache(const ListingCache&) = delete;
  ListingCache& operator=(const ListingCache&) = delete;

  // What is known of the account.
  std::optional<KnownListing> Find(AccountId account);
  // What is known of the account that last logged in under this name; the case of ASCII letters does not
  // matter. A hint: the name may lead to another account by now, and the login says to which.
  std::optional<KnownListing> FindByName(absl::string_view name);
  // Remembers a listing in the place of an older one of the account. `name`: under which the account logged
  // in; empty: not known, and the one known before stays.
  void Remember(KnownListing known, absl::string_view name);

  void Forget(AccountId account);

  // Memory for a listing that is to be made; what is remembered and used by no session gives way to it, the
  // least recently used first. nullopt: sessions have too much of it.
  std::optional<ByteHold> Reserve(size_t bytes);
  // What a session needs beside its listing, in any case.
  ByteHold Count(size_t bytes) {
    ByteHold hold(memory_);
    hold.Take(bytes);
    return hold;
  }
  // Of all listings: remembered, looked at by sessions, and in the making. What they share counts once.
  const ByteBudget& memory() const { return memory_; }

  // What all that is remembered costs: less where sessions and older listings share in it.
  size_t used_bytes() const;
  size_t count() const;

 private:
  struct Entry {
    KnownListing known;
    // In lower case; may be empty.
    std::string name;
    size_t bytes = 0;
  };
  using Entries = std::list<Entry>;

  KnownListing Use(Entries::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Moves the entry to `out`, where it is destroyed when nobody waits for the mutex.
  void MoveOut(Entries::iterator entry, Entries& out) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t limit_bytes_;
  ByteBudget memory_;
  mutable absl::Mutex mutex_;
  // The most recently used one first.
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<AccountId, Entries::iterator> by_account_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Entries::iterator> by_name_ ABSL_GUARDED_BY(mutex_);
  size_t used_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mailstead::pop3
