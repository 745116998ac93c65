#include "stored/core/keys.h"

#include <algorithm>
#include <tuple>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/core/digest.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/core/paging.h"
#include "stored/rules/directory.h"
#include "stored/rules/retention.h"

namespace mailstead::stored {
namespace {

constexpr size_t kMaxKeyNameBytes = 64;
// Read and written at once.
constexpr size_t kStepKeys = 100;
constexpr size_t kStepUses = 1000;
constexpr absl::string_view kListing = "keys";
// Certificates with these names are front-ends and operators (stored/api/callers.h).
constexpr absl::string_view kRoleNames[] = {"smtp", "pop", "relay", "operator"};

bool IsRevoked(const engine::Key& key) { return key.revoke_time != absl::InfiniteFuture(); }

absl::Status NoKey(absl::string_view name) {
  return WithReason(absl::NotFoundError(absl::StrCat("there is no key ", name)), kReasonKeyNotFound);
}
absl::Status Revoked() {
  return WithReason(absl::UnauthenticatedError("this key was revoked"), kReasonKeyRevoked);
}
absl::Status Expired(absl::string_view what) {
  return WithReason(absl::UnauthenticatedError(absl::StrCat(what, " has expired")), kReasonKeyExpired);
}
absl::Status Exceeded(absl::string_view what) {
  return WithReason(absl::PermissionDeniedError(
                        absl::StrCat("a key makes or changes none that has more than itself: ", what)),
                    kReasonKeyExceeded);
}

absl::Status CheckKeyName(absl::string_view name) {
  const auto fits = [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '.' || c == '_' || c == '-';
  };
  if (name.empty() || name.size() > kMaxKeyNameBytes || !absl::c_all_of(name, fits)) {
    return FieldError("key.name", "must be 1 to 64 of a-z, 0-9, '.', '_' and '-'");
  }
  return absl::OkStatus();
}

absl::Status CheckCertificateNames(const std::vector<std::string>& names) {
  if (names.size() > kMaxKeyCertificates) return FieldError("key.certificate_names", "must be at most 10");
  for (const std::string& name : names) {
    if (name.empty() || name.size() > kMaxCertificateNameBytes) {
      return FieldError("key.certificate_names", "must have 1 to 253 characters each");
    }
    if (HasControlCharacter(name)) return FieldError("key.certificate_names", "must be printable");
    if (absl::c_linear_search(kRoleNames, name)) {
      return FieldError(
          "key.certificate_names",
          absl::StrCat("must not be ", name, ": such a certificate is a front-end's or an operator's"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLimits(const engine::KeyLimits& limits) {
  const auto fits = [](int64_t limit) { return limit >= 0 && limit <= kMaxKeyLimit; };
  if (!fits(limits.calls_per_second))
    return FieldError("key.limits.calls_per_second", "must be 0 to 1000000");
  if (!fits(limits.burst)) return FieldError("key.limits.burst", "must be 0 to 1000000");
  if (limits.burst > 0 && limits.calls_per_second == 0) {
    return FieldError("key.limits.burst", "needs calls_per_second");
  }
  if (!fits(limits.concurrent_calls))
    return FieldError("key.limits.concurrent_calls", "must be 0 to 1000000");
  return absl::OkStatus();
}

absl::StatusOr<net::NetworkList> NetworksOf(const std::vector<std::string>& ranges) {
  if (ranges.size() > kMaxKeyRanges) return FieldError("key.ip_ranges", "must be at most 100");
  for (const std::string& range : ranges) {
    // A list joins them.
    if (range.find(',') != std::string::npos || absl::StripAsciiWhitespace(range).empty()) {
      return FieldError("key.ip_ranges", "must be networks, as 192.0.2.0/24 or 2001:db8::/32");
    }
  }
  absl::StatusOr<net::NetworkList> list = net::NetworkList::Parse(absl::StrJoin(ranges, ","));
  if (!list.ok()) return FieldError("key.ip_ranges", list.status().message());
  return list;
}

template <typename T>
void SortOnce(std::vector<T>& items) {
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
}

// What a stream that is under way was begun with.
bool MaySame(const engine::Key& a, const engine::Key& b) {
  return a.scopes == b.scopes && a.sight == b.sight && a.ip_ranges == b.ip_ranges &&
         a.certificate_names == b.certificate_names;
}

// What makes two requests with the same id the same.
std::string Fingerprint(const KeyChange& wanted) {
  const auto list = [](const std::optional<std::vector<std::string>>& items) {
    return absl::StrCat(items.has_value() ? items->size() : 0, "\n",
                        items.has_value() ? absl::StrJoin(*items, "\n") : "", "\n");
  };
  const engine::KeyLimits limits = wanted.limits.value_or(engine::KeyLimits());
  // Without one it is the fingerprint that earlier versions made.
  const bool has_retention = wanted.retention.value_or(absl::ZeroDuration()) != absl::ZeroDuration();
  return Sha256(
      absl::StrCat(wanted.name.value_or(""), "\n", wanted.scopes.value_or(0), "\n", list(wanted.accounts),
                   list(wanted.domains), list(wanted.ip_ranges), list(wanted.certificate_names),
                   limits.calls_per_second, "\n", limits.burst, "\n", limits.concurrent_calls, "\n",
                   wanted.expire_time.has_value() ? absl::ToUnixMicros(*wanted.expire_time) : int64_t{0},
                   has_retention ? absl::StrCat("\n", absl::ToInt64Seconds(*wanted.retention)) : ""));
}

// Engines keep microseconds.
absl::Time Kept(absl::Time time) {
  return time == absl::InfiniteFuture() ? time : absl::FromUnixMicros(absl::ToUnixMicros(time));
}

}  // namespace

Keys::Keys(engine::KeyEngine& engine, Directory& directory, const Clock& clock, Executor& executor,
           RandomCharacters random)
    : engine_(engine), directory_(directory), clock_(clock), random_(std::move(random)), turns_(executor) {}

Task<absl::Status> Keys::Load() {
  std::string after;
  while (true) {
    CO_ASSIGN_OR_RETURN(std::vector<engine::Key> page, co_await engine_.List(after, kStepKeys));
    const bool last = page.size() < kStepKeys;
    if (!page.empty()) after = page.back().id;
    for (engine::Key& key : page) CO_RETURN_IF_ERROR(Take(std::move(key)));
    if (last) break;
  }
  after.clear();
  while (true) {
    CO_ASSIGN_OR_RETURN(std::vector<engine::KeyUse> page, co_await engine_.ListUses(after, kStepUses));
    const bool last = page.size() < kStepUses;
    if (!page.empty()) after = page.back().id;
    for (engine::KeyUse& use : page) {
      std::string id = use.id;
      old_uses_.insert_or_assign(std::move(id), std::move(use));
    }
    if (last) co_return absl::OkStatus();
  }
}

// ---- Who calls

std::shared_ptr<const LiveKey> Keys::FindById(absl::string_view id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

std::shared_ptr<const LiveKey> Keys::Find(absl::string_view name) const {
  absl::MutexLock lock(&mutex_);
  const auto named = id_of_name_.find(name);
  const auto found = by_id_.find(named == id_of_name_.end() ? name : absl::string_view(named->second));
  return found == by_id_.end() ? nullptr : found->second;
}

Keys::Found Keys::FindBySecret(absl::string_view secret) const {
  Found found;
  const absl::StatusOr<std::string> id = IdOfKeySecret(secret);
  if (!id.ok()) {
    found.refusal = id.status();
    return found;
  }
  const std::shared_ptr<const LiveKey> key = FindById(*id);
  if (key == nullptr) return found;
  const std::string digest = Sha256(secret);
  const engine::KeySecret* shown = nullptr;
  // SECURITY: both are compared, whichever it is.
  for (const engine::KeySecret& kept : key->key.secrets) {
    if (EqualInConstantTime(digest, kept.digest)) shown = &kept;
  }
  if (shown == nullptr) return found;
  found.key = key;
  found.digest = digest;
  found.refusal = Check(found);
  return found;
}

Keys::Found Keys::FindByCertificate(absl::string_view name) const {
  Found found;
  {
    absl::MutexLock lock(&mutex_);
    const auto id = id_of_certificate_.find(name);
    if (id == id_of_certificate_.end()) return found;
    found.key = by_id_.at(id->second);
  }
  found.refusal = Check(found);
  return found;
}

absl::Status Keys::Check(const Found& found) const {
  const std::shared_ptr<const LiveKey> now = FindById(found.key->key.id);
  if (now == nullptr || IsRevoked(now->key)) return Revoked();
  if (now->key.expire_time <= clock_.Now()) return Expired("this key");
  if (!found.digest.empty()) {
    const auto counts = [&](const engine::KeySecret& secret) {
      return secret.digest == found.digest && clock_.Now() < secret.expire_time;
    };
    if (!absl::c_any_of(now->key.secrets, counts)) return Expired("this secret was replaced, and");
  }
  if (now == found.key || MaySame(now->key, found.key->key)) return absl::OkStatus();
  return WithReason(absl::AbortedError("this key was changed: call again"), kReasonKeyChanged);
}

// ---- What is asked for

absl::StatusOr<engine::Key> Keys::Get(absl::string_view name) const {
  const std::shared_ptr<const LiveKey> found = Find(name);
  if (found == nullptr) return NoKey(name);
  return found->key;
}

absl::StatusOr<Page<engine::Key>> Keys::List(PageRequest request) const {
  ASSIGN_OR_RETURN(const size_t page_size, CheckPageSize(request.page_size));
  ASSIGN_OR_RETURN(const std::string after, ReadPageToken(kListing, request.page_token));
  // By name, then those in use before the revoked ones, then by id.
  const auto place = [](const engine::Key& key) {
    return absl::StrCat(key.name, " ", IsRevoked(key) ? 1 : 0, key.id);
  };
  std::map<std::string, std::shared_ptr<const LiveKey>> sorted;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, key] : by_id_) sorted.emplace(place(key->key), key);
  }
  Page<engine::Key> page;
  std::string last;
  for (auto it = sorted.upper_bound(after); it != sorted.end(); ++it) {
    if (page.items.size() == page_size) {
      page.next_page_token = MakePageToken(kListing, last);
      break;
    }
    page.items.push_back(it->second->key);
    last = it->first;
  }
  return page;
}

const engine::KeyUse* Keys::LastUse(const std::string& id) const {
  const engine::KeyUse* const use = traffic_.UseOf(id);
  if (use != nullptr) return use;
  const auto old = old_uses_.find(id);
  return old == old_uses_.end() ? nullptr : &old->second;
}

int64_t Keys::count() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int64_t>(id_of_name_.size());
}

absl::Duration Keys::LeastRetention(int64_t seen, int64_t any, const engine::Account* account) const {
  absl::Duration least;
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, live] : expiring_) {
    const engine::Key& key = live->key;
    const bool reaches = (key.scopes & any) != 0 || ((key.scopes & seen) != 0 &&
                                                     (account == nullptr || key.sight.SeesAccount(*account)));
    if (reaches) least = rules::Shorter(least, key.retention);
  }
  return least;
}

// ---- Changes

// What is asked for, checked. Of a key that exists what is absent stays.
Task<absl::Status> Keys::Fill(KeyChange change, engine::Key& key) {
  if (change.name.has_value()) {
    CO_RETURN_IF_ERROR(CheckKeyName(*change.name));
    key.name = *std::move(change.name);
  }
  if (change.scopes.has_value()) key.scopes = *change.scopes;
  if (key.scopes == 0) co_return FieldError("key.scopes", "must be one at least");
  if (change.accounts.has_value()) {
    if (change.accounts->size() > kMaxKeyAccounts)
      co_return FieldError("key.accounts", "must be at most 1000");
    key.sight.accounts.clear();
    for (const std::string& name : *change.accounts) {
      const absl::StatusOr<engine::Account> account = co_await directory_.GetAccount(name);
      if (!account.ok()) {
        co_return FieldOf(account.status()).empty() ? account.status()
                                                    : FieldError("key.accounts", account.status().message());
      }
      key.sight.accounts.push_back(account->id);
    }
    SortOnce(key.sight.accounts);
  }
  if (change.domains.has_value()) {
    if (change.domains->size() > kMaxKeyDomains) co_return FieldError("key.domains", "must be at most 100");
    key.sight.domains.clear();
    for (const std::string& name : *change.domains) {
      const absl::StatusOr<engine::Domain> domain = co_await directory_.GetDomain(name);
      if (!domain.ok()) {
        co_return FieldOf(domain.status()).empty() ? domain.status()
                                                   : FieldError("key.domains", domain.status().message());
      }
      key.sight.domains.push_back(domain->name);
    }
    SortOnce(key.sight.domains);
  }
  const bool names_any = !key.sight.accounts.empty() || !key.sight.domains.empty();
  if (key.version == 0) {
    key.sight.all = !names_any;
  } else if (!names_any && !key.sight.all) {
    // SECURITY: a list that becomes empty is not the wish to see everything.
    co_return FieldError(change.domains.has_value() ? "key.domains" : "key.accounts",
                         "must not be empty: a key of some becomes none of all; make a new one");
  } else if (names_any) {
    key.sight.all = false;
  }
  if (change.ip_ranges.has_value()) {
    CO_RETURN_IF_ERROR(NetworksOf(*change.ip_ranges).status());
    key.ip_ranges = *std::move(change.ip_ranges);
  }
  if (change.certificate_names.has_value()) {
    SortOnce(*change.certificate_names);
    CO_RETURN_IF_ERROR(CheckCertificateNames(*change.certificate_names));
    key.certificate_names = *std::move(change.certificate_names);
  }
  if (change.limits.has_value()) {
    CO_RETURN_IF_ERROR(CheckLimits(*change.limits));
    key.limits = *change.limits;
  }
  if (change.expire_time.has_value()) {
    if (*change.expire_time <= clock_.Now()) co_return FieldError("key.expire_time", "must be in the future");
    key.expire_time = Kept(*change.expire_time);
  }
  if (change.retention.has_value()) {
    const absl::Status good = rules::CheckRetention(*change.retention);
    if (!good.ok()) co_return FieldError("key.retention", good.message());
    key.retention = *change.retention;
  }
  co_return absl::OkStatus();
}

absl::Status Keys::CheckWithin(const LiveKey* by, const engine::Key& key) const {
  if (by == nullptr) return absl::OkStatus();
  const engine::Key& own = by->key;
  if ((key.scopes & ~own.scopes) != 0) return Exceeded("scopes");
  if (key.expire_time > own.expire_time) return Exceeded("expire_time");
  if (!by->addresses.empty()) {
    ASSIGN_OR_RETURN(const net::NetworkList ranges, NetworksOf(key.ip_ranges));
    if (ranges.empty() || !by->addresses.Covers(ranges)) return Exceeded("ip_ranges");
  }
  const auto exceeds = [](int64_t limit, int64_t most) { return most > 0 && (limit == 0 || limit > most); };
  if (exceeds(key.limits.calls_per_second, own.limits.calls_per_second) ||
      exceeds(key.limits.burst, own.limits.burst) ||
      exceeds(key.limits.concurrent_calls, own.limits.concurrent_calls)) {
    return Exceeded("limits");
  }
  if (rules::Shorter(key.retention, own.retention) != key.retention) return Exceeded("retention");
  return absl::OkStatus();
}

// Whether its name and certificates are its own.
absl::Status Keys::CheckNames(const engine::Key& key) const {
  absl::MutexLock lock(&mutex_);
  const auto named = id_of_name_.find(key.name);
  // An id names a key, too.
  if ((named != id_of_name_.end() && named->second != key.id) || by_id_.contains(key.name)) {
    return WithReason(absl::AlreadyExistsError(absl::StrCat("there is a key ", key.name)), kReasonKeyExists);
  }
  for (const std::string& certificate : key.certificate_names) {
    const auto taken = id_of_certificate_.find(certificate);
    if (taken != id_of_certificate_.end() && taken->second != key.id) {
      return WithReason(
          absl::AlreadyExistsError(absl::StrCat("another key has the certificate ", certificate)),
          kReasonCertificateTaken);
    }
  }
  return absl::OkStatus();
}

// In memory, in the place of what was known of it.
absl::Status Keys::Take(engine::Key key) {
  auto live = std::make_shared<LiveKey>();
  ASSIGN_OR_RETURN(live->addresses, NetworksOf(key.ip_ranges));
  live->key = std::move(key);
  const engine::Key& now = live->key;
  absl::MutexLock lock(&mutex_);
  std::shared_ptr<const LiveKey>& place = by_id_[now.id];
  if (place != nullptr && !IsRevoked(place->key)) {
    id_of_name_.erase(place->key.name);
    for (const std::string& certificate : place->key.certificate_names) id_of_certificate_.erase(certificate);
  }
  if (!IsRevoked(now)) {
    id_of_name_[now.name] = now.id;
    for (const std::string& certificate : now.certificate_names) id_of_certificate_[certificate] = now.id;
  }
  if (now.retention > absl::ZeroDuration()) {
    expiring_[now.id] = live;
  } else {
    expiring_.erase(now.id);
  }
  place = std::move(live);
  ++generation_;
  return absl::OkStatus();
}

void Keys::Drop(const std::string& id) {
  traffic_.Forget(id);
  old_uses_.erase(id);
  absl::MutexLock lock(&mutex_);
  by_id_.erase(id);
  expiring_.erase(id);
  ++generation_;
}

Task<absl::StatusOr<engine::Key>> Keys::Put(engine::Key key) {
  key.update_time = Kept(clock_.Now());
  ++key.version;
  const absl::Status put = co_await engine_.Put(key);
  if (absl::IsAborted(put)) {
    // What is on disk is not what was known: a change whose outcome was not known has happened.
    CO_RETURN_IF_ERROR(co_await Load());
  }
  CO_RETURN_IF_ERROR(put);
  CO_RETURN_IF_ERROR(Take(key));
  if (changed_ != nullptr) changed_();
  co_return key;
}

// The key that was revoked first goes, where there are as many as there may be.
Task<absl::Status> Keys::MakeRoom() {
  std::string oldest;
  {
    absl::MutexLock lock(&mutex_);
    if (by_id_.size() < engine::kMaxKeys) co_return absl::OkStatus();
    absl::Time revoked = absl::InfiniteFuture();
    for (const auto& [id, live] : by_id_) {
      if (live->key.revoke_time >= revoked) continue;
      revoked = live->key.revoke_time;
      oldest = id;
    }
  }
  if (oldest.empty()) {
    co_return WithReason(absl::ResourceExhaustedError("there are 10000 keys"), kReasonTooManyKeys);
  }
  CO_RETURN_IF_ERROR(co_await engine_.Delete(oldest));
  Drop(oldest);
  co_return absl::OkStatus();
}

Task<absl::StatusOr<KeyAndSecret>> Keys::Create(const LiveKey* by, KeyChange wanted, std::string request_id) {
  const std::string fingerprint = Fingerprint(wanted);
  if (!request_id.empty()) {
    CO_RETURN_IF_ERROR(CheckIdentifier("request_id", request_id));
    request_id = absl::StrCat(by == nullptr ? "operator" : by->key.id, "/", request_id);
  }
  if (!wanted.name.has_value()) wanted.name = "";
  co_await turns_.Mine();
  const Turns::Turn turn(turns_);
  if (!request_id.empty()) {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, live] : by_id_) {
      if (live->key.request_id != request_id) continue;
      if (live->key.request_fingerprint == fingerprint) co_return KeyAndSecret{live->key, ""};
      co_return WithReason(absl::AlreadyExistsError("the request id belongs to another request"),
                           kReasonRequestIdReused);
    }
  }
  KeyAndSecret made;
  engine::Key& key = made.key;
  CO_RETURN_IF_ERROR(co_await Fill(std::move(wanted), key));
  CO_RETURN_IF_ERROR(CheckWithin(by, key));
  CO_RETURN_IF_ERROR(CheckNames(key));
  CO_RETURN_IF_ERROR(co_await MakeRoom());
  key.id = random_(kKeyIdCharacters);
  key.create_time = Kept(clock_.Now());
  key.request_id = std::move(request_id);
  key.request_fingerprint = key.request_id.empty() ? "" : fingerprint;
  made.secret = MakeKeySecret(key.id, random_);
  key.secrets.push_back({Sha256(made.secret), key.create_time});
  CO_ASSIGN_OR_RETURN(made.key, co_await Put(key));
  co_return made;
}

Task<absl::StatusOr<engine::Key>> Keys::Update(const LiveKey* by, std::string name, int64_t expected_version,
                                               KeyChange change) {
  co_await turns_.Mine();
  const Turns::Turn turn(turns_);
  CO_ASSIGN_OR_RETURN(engine::Key key, Get(name));
  CO_RETURN_IF_ERROR(CheckWithin(by, key));
  CO_RETURN_IF_ERROR(rules::CheckVersion(expected_version, key.version));
  if (IsRevoked(key)) {
    co_return WithReason(absl::FailedPreconditionError("the key was revoked"), kReasonKeyRevoked);
  }
  CO_RETURN_IF_ERROR(co_await Fill(std::move(change), key));
  CO_RETURN_IF_ERROR(CheckWithin(by, key));
  CO_RETURN_IF_ERROR(CheckNames(key));
  co_return co_await Put(std::move(key));
}

Task<absl::StatusOr<KeyAndSecret>> Keys::Rotate(const LiveKey* by, std::string name, int64_t expected_version,
                                                absl::Duration overlap) {
  if (overlap < absl::ZeroDuration() || overlap > kMaxOverlap) {
    co_return FieldError("overlap", "must be 0 to 30 days");
  }
  co_await turns_.Mine();
  const Turns::Turn turn(turns_);
  CO_ASSIGN_OR_RETURN(engine::Key key, Get(name));
  // SECURITY: who has a key's new secret can do what it can.
  CO_RETURN_IF_ERROR(CheckWithin(by, key));
  CO_RETURN_IF_ERROR(rules::CheckVersion(expected_version, key.version));
  if (IsRevoked(key)) {
    co_return WithReason(absl::FailedPreconditionError("the key was revoked"), kReasonKeyRevoked);
  }
  KeyAndSecret rotated;
  const absl::Time now = Kept(clock_.Now());
  engine::KeySecret before = std::move(key.secrets.front());
  before.expire_time = std::min(before.expire_time, Kept(now + overlap));
  rotated.secret = MakeKeySecret(key.id, random_);
  key.secrets.clear();
  key.secrets.push_back({Sha256(rotated.secret), now});
  key.secrets.push_back(std::move(before));
  CO_ASSIGN_OR_RETURN(rotated.key, co_await Put(std::move(key)));
  co_return rotated;
}

Task<absl::StatusOr<engine::Key>> Keys::Revoke(const LiveKey* by, std::string name,
                                               int64_t expected_version) {
  co_await turns_.Mine();
  const Turns::Turn turn(turns_);
  CO_ASSIGN_OR_RETURN(engine::Key key, Get(name));
  CO_RETURN_IF_ERROR(CheckWithin(by, key));
  CO_RETURN_IF_ERROR(rules::CheckVersion(expected_version, key.version));
  if (IsRevoked(key)) co_return key;
  key.revoke_time = Kept(clock_.Now());
  co_return co_await Put(std::move(key));
}

Task<absl::Status> Keys::Keep() {
  while (true) {
    std::vector<engine::KeyUse> uses = traffic_.TakeUses(kStepUses);
    if (uses.empty()) break;
    const bool last = uses.size() < kStepUses;
    CO_RETURN_IF_ERROR(co_await engine_.NoteUses(std::move(uses)));
    if (last) break;
  }
  std::vector<std::string> old;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, live] : by_id_) {
      if (IsRevoked(live->key) && live->key.revoke_time + kRevokedKeyTime <= clock_.Now()) old.push_back(id);
    }
  }
  for (const std::string& id : old) {
    CO_RETURN_IF_ERROR(co_await engine_.Delete(id));
    Drop(id);
  }
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
