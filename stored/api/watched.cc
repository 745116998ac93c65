#include "stored/api/watched.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/api/visible.h"
#include "stored/core/feed_cursor.h"
#include "stored/core/names.h"
#include "stored/rules/change.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;
using engine::ChangeKind;
using engine::KindBit;

constexpr uint32_t kAccountKinds =
    KindBit(ChangeKind::kAccountCreated) | KindBit(ChangeKind::kAccountUpdated) |
    KindBit(ChangeKind::kAccountRenamed) | KindBit(ChangeKind::kAccountDisabled) |
    KindBit(ChangeKind::kAccountEnabled) | KindBit(ChangeKind::kAccountRemoved);
struct Kinds {
  v1::WatchKind kind;
  uint32_t bits;
};
constexpr Kinds kKinds[] = {
    {v1::WATCH_KIND_DELIVERED, KindBit(ChangeKind::kDelivered)},
    {v1::WATCH_KIND_DELETED, KindBit(ChangeKind::kDeleted) | KindBit(ChangeKind::kEmptied)},
    {v1::WATCH_KIND_ACCOUNT, kAccountKinds},
    {v1::WATCH_KIND_SUBMISSION, KindBit(ChangeKind::kSubmission)},
    {v1::WATCH_KIND_RESTORED, KindBit(ChangeKind::kRestored)},
};

absl::StatusOr<uint32_t> KindsOf(const v1::WatchFilter& filter, absl::string_view field) {
  if (filter.kinds().empty()) return engine::kAllChangeKinds;
  uint32_t bits = 0;
  for (const int kind : filter.kinds()) {
    const auto found =
        std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kinds& k) { return k.kind == kind; });
    if (found == std::end(kKinds))
      return FieldError(absl::StrCat(field, ".kinds"), "must be kinds of events");
    bits |= found->bits;
  }
  return bits;
}

absl::Status NoDomain(absl::string_view domain, absl::string_view field) {
  return WithField(
      WithReason(absl::NotFoundError(absl::StrCat("there is no domain ", domain)), kReasonDomainNotFound),
      field);
}

Task<absl::StatusOr<std::string>> FindDomain(Environment& environment, const rpc::Call& call,
                                             std::string text, std::string field) {
  CO_ASSIGN_OR_RETURN(std::string domain, CheckDomainName(field, text));
  const absl::StatusOr<engine::Domain> found = co_await environment.core.directory.GetDomain(domain);
  if (absl::IsNotFound(found.status())) co_return NoDomain(domain, field);
  if (!found.ok()) co_return found.status();
  if (!SeesDomain(call, domain)) co_return NoDomain(domain, field);
  co_return domain;
}

}  // namespace

std::string Watched::scope() const { return WatchScope(accounts, domain); }

engine::ChangeQuestion Watched::Question() const {
  engine::ChangeQuestion question;
  question.accounts = accounts;
  question.domain = domain;
  question.kinds = kinds;
  question.summaries = true;
  return question;
}

Task<absl::StatusOr<Watched>> Resolve(Environment& environment, const rpc::Call& call,
                                      const v1::WatchFilter& filter, absl::string_view field) {
  const int named =
      (filter.accounts().empty() ? 0 : 1) + (filter.domain().empty() ? 0 : 1) + (filter.all() ? 1 : 0);
  if (named != 1) co_return FieldError(field, "must have accounts, a domain or all: exactly one of them");
  if (static_cast<size_t>(filter.accounts_size()) > kMaxFilterAccounts) {
    co_return FieldError(absl::StrCat(field, ".accounts"), "must be at most 1000");
  }
  Watched watched;
  CO_ASSIGN_OR_RETURN(watched.kinds, KindsOf(filter, field));
  if (!filter.domain().empty()) {
    CO_ASSIGN_OR_RETURN(watched.domain, co_await FindDomain(environment, call, filter.domain(),
                                                            absl::StrCat(field, ".domain")));
  }
  for (int i = 0; i < filter.accounts_size(); ++i) {
    absl::StatusOr<engine::Account> account = co_await FindAccount(environment, call, filter.accounts(i));
    if (!account.ok()) co_return WithField(account.status(), absl::StrCat(field, ".accounts[", i, "]"));
    watched.accounts.push_back(account->id);
  }
  std::sort(watched.accounts.begin(), watched.accounts.end());
  watched.accounts.erase(std::unique(watched.accounts.begin(), watched.accounts.end()),
                         watched.accounts.end());
  co_return watched;
}

void ToProto(const Watched& watched, v1::WatchFilter& filter) {
  for (const AccountId account : watched.accounts) filter.add_accounts(absl::StrCat(account.value));
  filter.set_domain(watched.domain);
  filter.set_all(watched.accounts.empty() && watched.domain.empty());
  if (watched.kinds == engine::kAllChangeKinds) return;
  for (const Kinds& kinds : kKinds) {
    if ((watched.kinds & kinds.bits) != 0) filter.add_kinds(kinds.kind);
  }
}

std::string KeptFilter(const Watched& watched) {
  v1::WatchFilter filter;
  ToProto(watched, filter);
  return filter.SerializeAsString();
}

absl::StatusOr<Watched> ReadKeptFilter(absl::string_view bytes) {
  v1::WatchFilter filter;
  if (!filter.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError("a consumer's filter cannot be read");
  }
  Watched watched;
  ASSIGN_OR_RETURN(watched.kinds, KindsOf(filter, "filter"));
  watched.domain = filter.domain();
  for (const std::string& text : filter.accounts()) {
    AccountId account;
    if (!absl::SimpleAtoi(text, &account.value))
      return absl::DataLossError("a consumer's filter has no account id");
    watched.accounts.push_back(account);
  }
  return watched;
}

Task<bool> SeesWatched(Environment& environment, const rpc::Call& call, const Watched& watched) {
  if (SeesAll(call)) co_return true;
  if (!watched.domain.empty()) co_return SeesDomain(call, watched.domain);
  if (watched.accounts.empty()) co_return false;
  bool any = false;
  for (const AccountId id : watched.accounts) {
    const absl::StatusOr<engine::Account> account =
        co_await environment.core.engine.directory().FindAccount(id);
    if (absl::IsNotFound(account.status())) continue;
    if (!account.ok() || !SeesAccount(call, *account)) co_return false;
    any = true;
  }
  co_return any;
}

bool SeesChange(const rpc::Call& call, const Watched& watched, const engine::FeedChange& change) {
  if (SeesAll(call)) return true;
  // A rename to elsewhere is told to whom the account was.
  if (!watched.domain.empty()) return SeesDomain(call, watched.domain);
  engine::Account account;
  account.id = change.account;
  account.address = change.current_address;
  return SeesAccount(call, account);
}

absl::StatusOr<engine::ChangeCursor> StartOf(Environment& environment, const Watched& watched,
                                             v1::WatchStart start, absl::string_view cursor) {
  engine::Engine& engine = environment.core.engine;
  const engine::ChangeBounds bounds = engine.changes().Bounds();
  if (!cursor.empty()) {
    if (start != v1::WATCH_START_UNSPECIFIED) return FieldError("start", "must not be set with a cursor");
    ASSIGN_OR_RETURN(const FeedCursor read,
                     ReadFeedCursor(engine.upkeep().Incarnation(), watched.scope(), cursor));
    RETURN_IF_ERROR(rules::CheckCursor(read.at, bounds));
    return read.at;
  }
  switch (start) {
    case v1::WATCH_START_UNSPECIFIED:
    case v1::WATCH_START_NOW:
      return engine::ChangeCursor{bounds.last, MessageId{0}};
    case v1::WATCH_START_OLDEST:
      return engine::ChangeCursor{bounds.least_cursor(), MessageId{0}};
    default:
      return FieldError("start", "must be NOW or OLDEST");
  }
}

std::string CursorOfAccount(Environment& environment, AccountId account) {
  engine::Engine& engine = environment.core.engine;
  const FeedCursor now{{engine.changes().Bounds().last, MessageId{0}}, 0};
  return MakeFeedCursor(engine.upkeep().Incarnation(), WatchScope({account}, ""), now);
}

}  // namespace mailstead::stored
