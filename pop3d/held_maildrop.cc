#include "pop3d/held_maildrop.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"

namespace mailstead::pop3 {
namespace {

// The answer is lost, not given: the call may have happened.
bool IsLost(const absl::Status& status) { return IsTemporary(status) && ReasonOf(status).empty(); }

bool IsOf(const std::optional<KnownListing>& known, AccountId account) {
  return known.has_value() && known->account == account;
}

size_t AddAll(const std::vector<store::MaildropEntry>& entries, ListingBuilder& builder) {
  size_t left_out = 0;
  for (const store::MaildropEntry& entry : entries) {
    if (!builder.Add(entry.id, entry.size_bytes, entry.unique_id)) ++left_out;
  }
  return left_out;
}

}  // namespace

store::CallContext HeldMaildrop::Call() const {
  return {.session_id = session_id_, .timeout = context_.timeouts.store_call};
}

store::MaildropRequest HeldMaildrop::RequestWith(const std::optional<KnownListing>& known) const {
  return {.lease_id = lease_->id,
          .min_interval = context_.session.login_delay,
          .known_version = known.has_value() ? known->version : ""};
}

store::MaildropRequest HeldMaildrop::Request(std::string name) {
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
  const bool unchanged = opened.since_known_version && opened.removed.empty() && opened.entries.empty() &&
                         opened.next_page_token.empty();
  std::shared_ptr<const Listing> listing;
  if (unchanged) {
    listing = opening.known->listing;
  } else {
    const Listing& base = opened.since_known_version ? *opening.known->listing : *Listing::Empty();
    ListingBuilder builder(base, opened.removed);
    left_out_count_ = AddAll(opened.entries, builder);
    // One page after the other, so that no more than one of them waits here; none beyond what a session
    // shows.
    while (!opened.next_page_token.empty() && builder.count() < kMaxMaildropMessages) {
      store::CallContext call = Call();
      CO_ASSIGN_OR_RETURN(
          store::MaildropPage page,
          co_await context_.store.ListMaildrop(grant_, std::move(opened.next_page_token), std::move(call)));
      left_out_count_ += AddAll(page.entries, builder);
      opened.next_page_token = std::move(page.next_page_token);
    }
    if (!opened.next_page_token.empty()) ++left_out_count_;
    listing = std::move(builder).Build();
  }
  // What leaves something out is not what the version stands for.
  if (left_out_count_ == 0 && !opened.version.empty()) {
    context_.listings.Remember({account_, std::move(opened.version), listing}, opening.name);
  }
  co_return listing;
}

asio::awaitable<absl::Status> HeldMaildrop::Commit(std::vector<MessageId> deletions,
                                                   std::shared_ptr<const Listing> listing) {
  store::CallContext call = Call();
  // The token makes a repeat harmless: the store does it once, or finds that it has.
  call.patience = context_.timeouts.commit_retry_for;
  absl::StatusOr<store::CommittedMaildrop> committed =
      co_await context_.store.CommitMaildrop(grant_, token_, deletions, std::move(call));
  if (!committed.ok()) co_return committed.status();
  // The commit has unlocked it.
  grant_.clear();
  lease_.reset();
  if (left_out_count_ == 0 && !committed->version.empty()) {
    context_.listings.Remember(
        {account_, std::move(committed->version), ListingBuilder(*listing, deletions).Build()}, "");
  }
  co_return absl::OkStatus();
}

void HeldMaildrop::Release(asio::any_io_executor executor) {
  ReleaseGrant(std::move(executor));
  lease_.reset();
}

void HeldMaildrop::ReleaseGrant(asio::any_io_executor executor) {
  if (grant_.empty()) return;
  context_.leases.ReleaseLater(std::exchange(grant_, std::string()), session_id_, std::move(executor));
}

}  // namespace mailstead::pop3
