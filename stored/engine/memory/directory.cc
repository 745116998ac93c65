// Domains, accounts and aliases.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/memory/engine_impl.h"
#include "stored/rules/change.h"
#include "stored/rules/retention.h"

namespace mailstead::engine {
namespace {

using State = MemoryStore::State;
using rules::AddressParts;

Account WithUsage(const KeptAccount& kept) {
  Account account = kept.account;
  account.usage = {kept.mailbox.message_count, kept.mailbox.message_bytes};
  return account;
}

Place Find(const State& state, const std::string& address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mutex) {
  const AddressParts key = rules::Split(address);
  Place place;
  if (const auto it = state.domains.find(key.domain); it != state.domains.end()) place.domain = it->second;
  if (const auto it = state.account_ids.find(key); it != state.account_ids.end()) {
    place.account = WithUsage(state.accounts.at(it->second));
  }
  if (const auto it = state.aliases.find(key); it != state.aliases.end()) place.alias = it->second;
  return place;
}

// NotFound: the domain; AlreadyExists.
absl::Status CheckIsFree(const State& state, const std::string& address)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mutex) {
  const AddressParts key = rules::Split(address);
  if (!state.domains.contains(key.domain)) return rules::NoDomain(key.domain);
  if (state.account_ids.contains(key)) return rules::Exists(absl::StrCat("account ", address));
  if (state.aliases.contains(key)) return rules::Exists(absl::StrCat("alias ", address));
  return absl::OkStatus();
}

void NoteAccount(MemoryShared& shared, ChangeKind kind, const Account& account,
                 std::string old_address = "") {
  FeedChange change;
  change.kind = kind;
  change.account = account.id;
  change.address = account.address;
  change.old_address = std::move(old_address);
  shared.Note(std::move(change));
}

absl::StatusOr<DirectoryEntry> CreateOne(MemoryShared& shared, Domain domain) {
  State& state = shared.state();
  state.mutex.AssertHeld();
  const std::string key = absl::AsciiStrToLower(domain.name);
  if (state.domains.contains(key)) return rules::Exists(absl::StrCat("domain ", domain.name));
  return state.domains[key] = rules::Created(std::move(domain));
}

absl::StatusOr<DirectoryEntry> CreateOne(MemoryShared& shared, Account account) {
  State& state = shared.state();
  state.mutex.AssertHeld();
  RETURN_IF_ERROR(CheckIsFree(state, account.address));
  if (account.id.value == 0) account.id.value = state.next_account;
  if (state.accounts.contains(account.id)) return rules::Exists(absl::StrCat("account ", account.id.value));
  state.next_account = std::max(state.next_account, account.id.value + 1);
  KeptAccount& kept = state.accounts[account.id];
  kept.account = rules::Created(std::move(account));
  kept.mailbox.number = state.next_number++;
  rules::CopyQuota(kept.account, kept.mailbox);
  state.account_ids[rules::Split(kept.account.address)] = kept.account.id;
  NoteAccount(shared, ChangeKind::kAccountCreated, kept.account);
  return kept.account;
}

absl::StatusOr<DirectoryEntry> CreateOne(MemoryShared& shared, Alias alias) {
  State& state = shared.state();
  state.mutex.AssertHeld();
  RETURN_IF_ERROR(CheckIsFree(state, alias.address));
  const AddressParts key = rules::Split(alias.address);
  return state.aliases[key] = rules::Created(std::move(alias));
}

absl::StatusOr<DirectoryEntry> UpdateOne(MemoryShared& shared, const DomainChange& change) {
  State& state = shared.state();
  state.mutex.AssertHeld();
  const auto it = state.domains.find(absl::AsciiStrToLower(change.name));
  if (it == state.domains.end()) return rules::NoDomain(change.name);
  RETURN_IF_ERROR(rules::CheckVersion(change.expected_version, it->second.version));
  return it->second = rules::Changed(it->second, change);
}

absl::StatusOr<DirectoryEntry> UpdateOne(MemoryShared& shared, const AccountChange& change) {
  State& state = shared.state();
  state.mutex.AssertHeld();
  KeptAccount* kept = state.Find(change.id);
  if (kept == nullptr) return rules::NoAccount(absl::StrCat(change.id.value));
  RETURN_IF_ERROR(rules::CheckVersion(change.expected_version, kept->account.version));
  const AddressParts before = rules::Split(kept->account.address);
  const AddressParts after = change.address.has_value() ? rules::Split(*change.address) : before;
  if (after != before) {
    RETURN_IF_ERROR(CheckIsFree(state, *change.address));
    state.account_ids.erase(before);
    state.account_ids[after] = change.id;
  }
  const Account old = std::exchange(kept->account, rules::Changed(kept->account, change));
  for (const ChangeKind kind : rules::KindsOfUpdate(old, kept->account)) {
    NoteAccount(shared, kind, kept->account, kind == ChangeKind::kAccountRenamed ? old.address : "");
  }
  rules::CopyQuota(kept->account, kept->mailbox);
  return WithUsage(*kept);
}

absl::StatusOr<DirectoryEntry> UpdateOne(MemoryShared& shared, const AliasChange& change) {
  State& state = shared.state();
  state.mutex.AssertHeld();
  const auto it = state.aliases.find(rules::Split(change.address));
  if (it == state.aliases.end()) return rules::NoAlias(change.address);
  RETURN_IF_ERROR(rules::CheckVersion(change.expected_version, it->second.version));
  return it->second = rules::Changed(it->second, change);
}

absl::Status DeleteOne(MemoryShared& shared, const DomainKey& key, int64_t expected_version) {
  State& state = shared.state();
  state.mutex.AssertHeld();
  const std::string name = absl::AsciiStrToLower(key.name);
  const auto it = state.domains.find(name);
  if (it == state.domains.end()) return rules::NoDomain(key.name);
  RETURN_IF_ERROR(rules::CheckVersion(expected_version, it->second.version));
  const auto in_domain = [&](const auto& entry) { return entry.first.domain == name; };
  if (std::any_of(state.account_ids.begin(), state.account_ids.end(), in_domain)) {
    return rules::NotEmpty(key.name, "accounts");
  }
  if (std::any_of(state.aliases.begin(), state.aliases.end(), in_domain)) {
    return rules::NotEmpty(key.name, "aliases");
  }
  state.domains.erase(it);
  state.dkim_keys.erase(name);
  return absl::OkStatus();
}

absl::Status DeleteOne(MemoryShared& shared, const AccountKey& key, int64_t expected_version) {
  State& state = shared.state();
  state.mutex.AssertHeld();
  const KeptAccount* kept = state.Find(key.id);
  if (kept == nullptr) return rules::NoAccount(absl::StrCat(key.id.value));
  RETURN_IF_ERROR(rules::CheckVersion(expected_version, kept->account.version));
  if (rules::IsHeld(shared.StateOf(*kept))) return rules::InUse();
  if (kept->mailbox.message_count > 0) {
    FeedChange emptied;
    emptied.kind = ChangeKind::kEmptied;
    emptied.account = key.id;
    shared.Note(std::move(emptied));
  }
  NoteAccount(shared, ChangeKind::kAccountRemoved, kept->account);
  state.account_ids.erase(rules::Split(kept->account.address));
  state.accounts.erase(key.id);
  return absl::OkStatus();
}

absl::Status DeleteOne(MemoryShared& shared, const AliasKey& key, int64_t expected_version) {
  State& state = shared.state();
  state.mutex.AssertHeld();
  const auto it = state.aliases.find(rules::Split(key.address));
  if (it == state.aliases.end()) return rules::NoAlias(key.address);
  RETURN_IF_ERROR(rules::CheckVersion(expected_version, it->second.version));
  state.aliases.erase(it);
  return absl::OkStatus();
}

// Values behind `after`, at most `limit`, of `domain` unless it is empty.
template <typename Value, typename Get>
auto Page(const std::map<AddressParts, Value>& entries, const std::string& domain, const std::string& after,
          size_t limit, const Get& get) {
  std::vector<decltype(get(entries.begin()->second))> page;
  const std::string of = absl::AsciiStrToLower(domain);
  for (auto it = after.empty() ? entries.begin() : entries.upper_bound(rules::Split(after));
       it != entries.end(); ++it) {
    if (page.size() == limit) break;
    if (of.empty() || it->first.domain == of) page.push_back(get(it->second));
  }
  return page;
}

}  // namespace

Task<absl::StatusOr<std::vector<Place>>> MemoryDirectory::LookUp(std::vector<std::string> addresses) {
  std::vector<Place> places;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    for (const std::string& address : addresses) places.push_back(Find(state, address));
  }
  co_await shared_.End();
  co_return places;
}

Task<absl::StatusOr<Account>> MemoryDirectory::FindAccount(AccountId id) {
  absl::StatusOr<Account> found = rules::NoAccount(absl::StrCat(id.value));
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    if (const KeptAccount* kept = state.Find(id)) found = WithUsage(*kept);
  }
  co_await shared_.End();
  co_return found;
}

Task<absl::StatusOr<std::vector<Domain>>> MemoryDirectory::ListDomains(std::string after, size_t limit) {
  std::vector<Domain> page;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    for (auto it = state.domains.upper_bound(absl::AsciiStrToLower(after));
         it != state.domains.end() && page.size() < limit; ++it) {
      page.push_back(it->second);
    }
  }
  co_await shared_.End();
  co_return page;
}

Task<absl::StatusOr<std::vector<Account>>> MemoryDirectory::ListAccounts(std::string domain,
                                                                         std::string after, size_t limit) {
  std::vector<Account> page;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto get = [&](AccountId id) {
      state.mutex.AssertHeld();
      return WithUsage(state.accounts.at(id));
    };
    page = Page(state.account_ids, domain, after, limit, get);
  }
  co_await shared_.End();
  co_return page;
}

Task<absl::StatusOr<std::vector<Alias>>> MemoryDirectory::ListAliases(std::string domain, std::string after,
                                                                      size_t limit) {
  std::vector<Alias> page;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    page = Page(state.aliases, domain, after, limit, [](const Alias& alias) { return alias; });
  }
  co_await shared_.End();
  co_return page;
}

Task<std::vector<absl::StatusOr<DirectoryEntry>>> MemoryDirectory::Create(
    std::vector<DirectoryEntry> entries) {
  std::vector<absl::StatusOr<DirectoryEntry>> results;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto create = [&](auto& entry) { return CreateOne(shared_, std::move(entry)); };
    for (DirectoryEntry& entry : entries) results.push_back(std::visit(create, entry));
    ++state.directory_version;
  }
  co_await shared_.End();
  co_return results;
}

Task<absl::StatusOr<DirectoryEntry>> MemoryDirectory::Update(DirectoryChange change) {
  absl::StatusOr<DirectoryEntry> result;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto update = [&](const auto& one) { return UpdateOne(shared_, one); };
    result = std::visit(update, change);
    ++state.directory_version;
  }
  co_await shared_.End();
  co_return result;
}

Task<absl::Status> MemoryDirectory::Delete(DirectoryKey key, int64_t expected_version) {
  absl::Status result;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    const auto remove = [&](const auto& one) { return DeleteOne(shared_, one, expected_version); };
    result = std::visit(remove, key);
    ++state.directory_version;
  }
  co_await shared_.End();
  co_return result;
}

Task<absl::StatusOr<absl::Duration>> MemoryDirectory::LeastRetention() {
  absl::Duration least;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    for (const auto& [name, domain] : state.domains) least = rules::Shorter(least, domain.retention);
    for (const auto& [id, kept] : state.accounts) {
      least = rules::Shorter(least, kept.account.retention.value_or(absl::ZeroDuration()));
    }
  }
  co_await shared_.End();
  co_return least;
}

int64_t MemoryDirectory::Version() const {
  absl::MutexLock lock(&shared_.state().mutex);
  return shared_.state().directory_version;
}

}  // namespace mailstead::engine
