// The maildrop that a session holds at the store: how its lock and its listing come with the login, and how
// the lock goes.
//
// The login asks for the maildrop, and its answer brings verdict, grant, lock and the first page of the
// listing: a poll is one call. What this process remembers of the maildrop (ListingCache) is named in it, and
// then only what came and went since is sent.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/store/lease_keeper.h"
#include "common/store/store_api.h"
#include "pop3d/connection_context.h"
#include "pop3d/listing_cache.h"

namespace mailstead::pop3 {

// Of one session; used by one coroutine at a time. Release at the end: else the lock stays as long as the
// process.
class HeldMaildrop {
 public:
  // Both outlive it. The lock is held in the name of `session_id`.
  HeldMaildrop(const ConnectionContext& context, const std::string& session_id)
      : context_(context), session_id_(session_id) {}
  HeldMaildrop(const HeldMaildrop&) = delete;
  HeldMaildrop& operator=(const HeldMaildrop&) = delete;

  // What a login from this address asks to be opened. `name`: of who logs in; empty while it is not known.
  store::MaildropRequest Request(std::string name, std::string client_address);
  // The login came to nothing. The status is that of the way to the store, if that was why.
  void Forget(const absl::Status& status = absl::OkStatus());
  // The login has succeeded. An account that the session held before is released.
  void LoggedIn(store::LoggedIn login, asio::any_io_executor executor);
  // Then: the listing, once all of it is here. What a lost lease needs is done here, and further pages are
  // asked for, one after the other: while one is put into the listing, the next one is on its way, and no
  // more. The listing's memory is reserved before (ListingCache::Reserve). An error: the maildrop is not
  // open, and Release gives back what may be held even so. ResourceExhausted with
  // kReasonListingMemoryFull: listings of other sessions have the memory.
  asio::awaitable<absl::StatusOr<std::shared_ptr<const Listing>>> Open();
  // Deletes and unlocks; tried again while the store is away (commit_retry_for). `listing` is what Open gave.
  asio::awaitable<absl::Status> Commit(std::vector<MessageId> deletions,
                                       std::shared_ptr<const Listing> listing);
  // Unlocks what may be locked, and nobody waits for it: the call is made from `executor`.
  void Release(asio::any_io_executor executor);

  // What calls for the maildrop need; empty when there is none.
  const std::string& grant() const { return grant_; }
  // Messages that the last Open left out: because there were too many of them (max_maildrop_messages), and
  // then it is the newest ones; or because they were none (ListingBuilder::Add).
  size_t left_out_count() const { return left_out_count_; }
  // Of what the last Open has opened: the shortest time that a message may stay there; 0: for ever.
  absl::Duration retention() const { return retention_; }

 private:
  // From Request to Open.
  struct Opening {
    std::string name;
    std::optional<KnownListing> known;
    absl::StatusOr<store::OpenedMaildrop> answer = absl::UnknownError("the login has not succeeded");
  };

  // A page that was asked for.
  struct Page;

  asio::awaitable<absl::StatusOr<store::OpenedMaildrop>> Lock(Opening& opening);
  asio::awaitable<absl::StatusOr<store::OpenedMaildrop>> AskAgain(const std::optional<KnownListing>& known);
  asio::awaitable<absl::StatusOr<std::shared_ptr<const Listing>>> List(Opening& opening,
                                                                       store::OpenedMaildrop opened);
  // Adds the pages behind the first one. True: there are more messages than a session shows.
  asio::awaitable<absl::StatusOr<bool>> AddPages(std::string token, ListingBuilder& builder);
  // Asks for a page from `executor`.
  std::shared_ptr<Page> Ask(std::string token, size_t page_size, asio::any_io_executor executor) const;
  // Memory for a listing that is to be made.
  asio::awaitable<absl::StatusOr<ByteHold>> Reserve(size_t bytes) const;
  size_t MemoryFor(const store::OpenedMaildrop& opened, const Listing& base) const;
  void ReleaseGrant(asio::any_io_executor executor);
  store::MaildropRequest RequestWith(const std::optional<KnownListing>& known) const;
  store::CallContext Call() const;

  const ConnectionContext& context_;
  const std::string& session_id_;
  std::unique_ptr<Opening> opening_;
  // Under which the maildrop is held, or may be: from the first login to the end.
  std::shared_ptr<const store::Lease> lease_;
  std::string client_address_;
  AccountId account_;
  std::string grant_;
  // For the commit.
  std::string token_;
  size_t left_out_count_ = 0;
  absl::Duration retention_;
  // The marks of a session that deletes.
  ByteHold marks_;
};

}  // namespace mailstead::pop3
