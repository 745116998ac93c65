#include "pop3d/held_maildrop.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/this_coro.hpp"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/base/timers.h"
#include "common/store/limits.h"
#include "pop3d/limits.h"
#include "pop3d/session/store_replies.h"

namespace mailstead::pop3 {
namespace {

// The answer is lost, not given: the call may have happened.
bool IsLost(const absl::Status& status) { return IsTemporary(status) && ReasonOf(status).empty(); }

bool IsOf(const std::optional<KnownListing>& known, AccountId account) {
  return known.has_value() && known->account == account;
}

size_t AddAll(const store::MaildropEntries& entries, ListingBuilder& builder) {
  size_t left_out = 0;
  entries.ForEach([&](const store::MaildropEntry& entry) {
    if (!builder.Add(entry.id, entry.size_bytes, entry.unique_id)) ++left_out;
  });
  return left_out;
}

// How often a login that waits for memory looks for it.
constexpr absl::Duration kMemoryTick = absl::Milliseconds(20);

}  // namespace

struct HeldMaildrop::Page {
  explicit Page(std::unique_ptr<Timer> timer) : come(std::move(timer)) {}

  std::optional<absl::StatusOr<store::MaildropPage>> page;
  // Cancelled when the page is there.
  std::unique_ptr<Timer> come;
};

store::CallContext HeldMaildrop::Call() const {
  return {.session_id = session_id_, .timeout = context_.timeouts.store_call};
}

store::MaildropRequest HeldMaildrop::RequestWith(const std::optional<KnownListing>& known) const {
  return {.lease_id = lease_->id,
          .min_interval = context_.session.login_delay,
          .known_version = known.has_value() ? known->version : "",
          .client_address = client_address_};
}

store::MaildropRequest HeldMaildrop::Request(std::string name, std::string client_address) {
  client_address_ = std::move(client_address);
  // The session stays with the lease under which it may hold a maildrop already.
  if (lease_ == nullptr) lease_ = context_.leases.lease();
  opening_ = std::make_unique<Opening>();
  opening_->known = context_.listings.FindByName(name);
  opening_->name = std::move(name);
  return RequestWith(opening_->known);
}

void HeldMaildrop::Forget(const absl::Status& status) {
  opening_.reset();
  if (!IsLost(status)) return;
  // The lock may be held in this session's name. Should it log in again, it gets that lock; should it not, nobody has the
  // grant to release it, and the lock ends with its lease.
  context_.leases.Retire(lease_);
}

void HeldMaildrop::LoggedIn(store::LoggedIn login, asio::any_io_executor executor) {
  CHECK(opening_ != nullptr);
  // The lock is held in the session's name: of the same account it is the same lock.
  if (account_ != login.account) ReleaseGrant(std::move(executor));
  account_ = login.account;
  grant_ = std::move(login.grant);
  opening_->answer = std::move(login.maildrop);
}

asio::awaitable<absl::StatusOr<std::shared_ptr<const Listing>>> HeldMaildrop::Open() {
  const std::unique_ptr<Opening> opening = std::move(opening_);
  const bool locked = opening->answer.ok();
  left_out_count_ = 0;
  absl::StatusOr<store::OpenedMaildrop> opened = co_await Lock(*opening);
  if (!opened.ok() && !locked && !IsLost(opened.status())) {
    grant_.clear();
    co_return opened.status();
  }
  absl::Status failure = opened.status();
  if (opened.ok()) {
    absl::StatusOr<std::shared_ptr<const Listing>> listing = co_await List(*opening, *std::move(opened));
    if (listing.ok()) co_return listing;
    failure = listing.status();
  }
  // The lock may be ours. The client may log in again, so this is waited for; and should it fail, or the lock
  // come late, the grant is kept for the end of the session.
  store::CallContext call = Call();
  call.timeout = std::min(call.timeout, kFailedOpenTimeout);
  const absl::Status ignored = co_await context_.store.ReleaseMaildrop(grant_, std::move(call));
  static_cast<void>(ignored);
  co_return failure;
}

// Looks at what the login has brought, and asks again where that is of no use.
asio::awaitable<absl::StatusOr<store::OpenedMaildrop>> HeldMaildrop::Lock(Opening& opening) {
  absl::StatusOr<store::OpenedMaildrop> opened = std::move(opening.answer);
  if (ReasonOf(opened.status()) == kReasonNoLease) {
    lease_ = context_.leases.lease();
    CO_RETURN_IF_ERROR(co_await context_.leases.RenewNow());
    if (!IsOf(opening.known, account_)) opening.known = context_.listings.Find(account_);
    opened = co_await AskAgain(opening.known);
  }
  if (!opened.ok() || IsOf(opening.known, account_)) co_return opened;
  // The login did not say whose it was, or another account's it was thought to be. A short listing is whole
  // already, a long one may be known.
  const bool of_another = opened->since_known_version;
  opening.known.reset();
  if (!of_another && opened->next_page_token.empty()) co_return opened;
  opening.known = context_.listings.Find(account_);
  if (!of_another && !opening.known.has_value()) co_return opened;
  co_return co_await AskAgain(opening.known);
}

// Asking again is harmless: it is the same session's lock.
asio::awaitable<absl::StatusOr<store::OpenedMaildrop>> HeldMaildrop::AskAgain(
    const std::optional<KnownListing>& known) {
  store::MaildropRequest request = RequestWith(known);
  store::CallContext call = Call();
  return context_.store.OpenMaildrop(grant_, std::move(request), std::move(call));
}

asio::awaitable<absl::StatusOr<std::shared_ptr<const Listing>>> HeldMaildrop::List(
    Opening& opening, store::OpenedMaildrop opened) {
  if (opened.since_known_version && !IsOf(opening.known, account_)) {
    co_return absl::InternalError(
        "the store told what came and went since a version that it was not asked about");
  }
  token_ = std::move(opened.token);
  retention_ = opened.retention;
  const bool unchanged = opened.since_known_version && opened.removed.empty() && opened.entries.empty() &&
                         opened.next_page_token.empty();
  std::shared_ptr<const Listing> listing;
  if (unchanged) {
    listing = opening.known->listing;
  } else {
    const Listing& base = opened.since_known_version ? *opening.known->listing : *Listing::Empty();
    absl::StatusOr<ByteHold> memory = co_await Reserve(MemoryFor(opened, base));
    if (!memory.ok()) {
      // The next login may have room for the listing, and not for two versions of it.
      if (opened.since_known_version) context_.listings.Forget(account_);
      co_return memory.status();
    }
    ListingBuilder builder(base, opened.removed,
                           {.max_messages = context_.max_maildrop_messages, .memory = *std::move(memory)});
    left_out_count_ = AddAll(opened.entries, builder);
    CO_ASSIGN_OR_RETURN(const bool more, co_await AddPages(std::move(opened.next_page_token), builder));
    if (more) {
      left_out_count_ = std::max(left_out_count_ + 1,
                                 opened.message_count - std::min(opened.message_count, builder.count()));
    }
    listing = std::move(builder).Build();
  }
  marks_ = context_.listings.Count(listing->count() / 8);
  // What leaves something out is not what the version stands for.
  if (left_out_count_ == 0 && !opened.version.empty()) {
    context_.listings.Remember({account_, std::move(opened.version), listing}, opening.name);
  }
  co_return listing;
}

// What the listing costs beside what it shares with `base`: as many unique-ids as are missing, of the size that those of
// the first page have.
size_t HeldMaildrop::MemoryFor(const store::OpenedMaildrop& opened, const Listing& base) const {
  const size_t whole = std::min(opened.message_count, context_.max_maildrop_messages);
  const size_t kept = base.count() - std::min(base.count(), opened.removed.size());
  const size_t come = std::max(whole - std::min(whole, kept), opened.entries.size());
  size_t unique_id_bytes = kMaxUniqueIdBytes;
  if (!opened.entries.empty()) unique_id_bytes = opened.entries.unique_id_bytes() / opened.entries.size() + 1;
  size_t bytes = Listing::MemoryOf(come, unique_id_bytes);
  if (base.count() > 0) bytes += base.MemoryWithout(opened.removed.size() + 1);
  if (!opened.next_page_token.empty()) bytes += kListingPagesBytes;
  return bytes;
}

asio::awaitable<absl::StatusOr<ByteHold>> HeldMaildrop::Reserve(size_t bytes) const {
  const absl::Time until = context_.steady.Now() + context_.timeouts.listing_memory;
  std::unique_ptr<Timer> timer;
  while (true) {
    std::optional<ByteHold> memory = context_.listings.Reserve(bytes);
    if (memory.has_value()) co_return *std::move(memory);
    const bool hopeless = bytes > context_.listings.memory().limit_bytes();
    if (hopeless || context_.steady.Now() >= until) {
      co_return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                               "the listing needs ", bytes, " bytes of --listing_memory, of which ",
                               context_.listings.memory().used_bytes(), " are in use")),
                           kReasonListingMemoryFull);
    }
    if (timer == nullptr) timer = Timers::Steady().NewTimer(co_await asio::this_coro::executor);
    co_await timer->WaitUntil(Timers::Steady().Now() + kMemoryTick);
  }
}

std::shared_ptr<HeldMaildrop::Page> HeldMaildrop::Ask(std::string token, size_t page_size,
                                                      asio::any_io_executor executor) const {
  auto page = std::make_shared<Page>(Timers::Steady().NewTimer(executor));
  // It may go on when this is gone: nothing of this is used but what outlives it.
  const auto fetch = [](store::StoreApi& store, std::string grant, std::string token, size_t page_size,
                        store::CallContext call, std::shared_ptr<Page> page) -> asio::awaitable<void> {
    page->page = co_await store.ListMaildrop(std::move(grant), std::move(token), page_size, std::move(call));
    page->come->Cancel();
  };
  asio::co_spawn(executor, fetch(context_.store, grant_, std::move(token), page_size, Call(), page),
                 asio::detached);
  return page;
}

asio::awaitable<absl::StatusOr<bool>> HeldMaildrop::AddPages(std::string token, ListingBuilder& builder) {
  const size_t most = context_.max_maildrop_messages;
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  // The first pages are short, so that a listing that is not long is not fetched in one great piece.
  size_t page_size = store::kMaildropPageEntries;
  std::shared_ptr<Page> next;
  if (!token.empty() && builder.count() < most) next = Ask(std::move(token), page_size, executor);
  while (next != nullptr) {
    const std::shared_ptr<Page> asked = std::exchange(next, nullptr);
    if (!asked->page.has_value()) co_await asked->come->WaitUntil(absl::InfiniteFuture());
    CO_RETURN_IF_ERROR(asked->page->status());
    store::MaildropPage& page = **asked->page;
    token = std::move(page.next_page_token);
    if (!token.empty() && builder.count() + page.entries.size() < most) {
      page_size = std::min(2 * page_size, store::kMaxMaildropPageEntries);
      next = Ask(token, page_size, executor);
    }
    // Unique-ids may be longer than those of the first page.
    const size_t bytes = Listing::MemoryOf(page.entries.size(), 0) + page.entries.unique_id_bytes();
    if (builder.memory().bytes() < bytes + kListingPagesBytes) {
      CO_ASSIGN_OR_RETURN(ByteHold more, co_await Reserve(bytes));
      builder.memory().Add(std::move(more));
    }
    left_out_count_ += AddAll(page.entries, builder);
  }
  co_return !token.empty();
}

asio::awaitable<absl::Status> HeldMaildrop::Commit(std::vector<MessageId> deletions,
                                                   std::shared_ptr<const Listing> listing) {
  store::CallContext call = Call();
  // The token makes a repeat harmless: the store does it once, or finds that it has.
  call.patience = context_.timeouts.commit_retry_for;
  call.outcome_patience = context_.timeouts.commit_outcome;
  absl::StatusOr<store::CommittedMaildrop> committed =
      co_await context_.store.CommitMaildrop(grant_, token_, deletions, std::move(call));
  if (!committed.ok()) co_return committed.status();
  // The commit has unlocked it.
  grant_.clear();
  lease_.reset();
  marks_.Clear();
  if (left_out_count_ > 0 || committed->version.empty()) co_return absl::OkStatus();
  // Not worth that another session waits.
  std::optional<ByteHold> memory = context_.listings.Reserve(listing->MemoryWithout(deletions.size()));
  if (!memory.has_value()) co_return absl::OkStatus();
  ListingBuilder left(*listing, deletions,
                      {.max_messages = context_.max_maildrop_messages, .memory = *std::move(memory)});
  context_.listings.Remember({account_, std::move(committed->version), std::move(left).Build()}, "");
  co_return absl::OkStatus();
}

void HeldMaildrop::Release(asio::any_io_executor executor) {
  ReleaseGrant(std::move(executor));
  lease_.reset();
  marks_.Clear();
}

void HeldMaildrop::ReleaseGrant(asio::any_io_executor executor) {
  if (grant_.empty()) return;
  context_.leases.ReleaseLater(std::exchange(grant_, std::string()), session_id_, std::move(executor));
}

}  // namespace mailstead::pop3
