#include "stored/core/directory.h"

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <iterator>
#include <thread>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/core/offload.h"
#include "stored/core/paging.h"
#include "stored/rules/directory.h"
#include "stored/rules/retention.h"
#include "stored/rules/trash.h"

namespace mailstead::stored {
namespace {

// What an item holds, beside some numbers and times.
size_t SizeOf(const engine::Domain& domain) { return sizeof(domain) + domain.name.size(); }
size_t SizeOf(const engine::Account& account) { return sizeof(account) + account.address.size(); }
size_t SizeOf(const engine::Alias& alias) {
  size_t size = sizeof(alias) + alias.address.size();
  for (const std::string& target : alias.targets) size += target.size() + 3;
  return size;
}

// One page of a listing: `list(after, limit)` gives items, `key(item)` what the next page begins after.
template <typename T, typename List, typename Key>
Task<absl::StatusOr<Page<T>>> ListPage(std::string listing, PageRequest request, List list, Key key) {
  CO_ASSIGN_OR_RETURN(PageStart start, ReadPage(listing, request.page_size, request.page_token));
  const auto size = [](const T& item) { return SizeOf(item); };
  CO_ASSIGN_OR_RETURN(Gathered<T> gathered,
                      co_await Gather<T>(std::move(start.after), start.size, std::move(list), key, size));
  Page<T> page;
  if (gathered.more) page.next_page_token = MakePageToken(listing, key(gathered.items.back()));
  page.items = std::move(gathered.items);
  co_return page;
}

// What the engine compares, of an address that it gave us.
template <typename T>
std::string AddressKey(const T& item) {
  const absl::StatusOr<DirectoryAddress> checked = CheckAliasAddress("address", item.address);
  return checked.ok() ? checked->key : item.address;
}

std::vector<std::string> CheckTargets(const std::vector<std::string>& targets, Violations& wrong) {
  std::vector<std::string> checked;
  if (targets.empty() || targets.size() > kMaxAliasTargets) {
    wrong.Add("alias.targets", "must be 1 to 1000 addresses");
    return checked;
  }
  for (size_t i = 0; i < targets.size(); ++i) {
    checked.push_back(wrong.Take(CheckAddress(absl::StrCat("alias.targets[", i, "]"), targets[i])).address);
  }
  return checked;
}

void CheckQuota(int64_t bytes, int64_t messages, absl::string_view field, Violations& wrong) {
  if (bytes < 0) wrong.Add(absl::StrCat(field, ".bytes"), "must not be negative");
  if (messages < 0) wrong.Add(absl::StrCat(field, ".messages"), "must not be negative");
}

void CheckUndeleteWindow(absl::Duration window, Violations& wrong) {
  if (window > rules::kMaxUndeleteWindow) wrong.Add("domain.undelete_window", "must be at most 365 days");
}

void CheckRetention(absl::Duration retention, absl::string_view field, Violations& wrong) {
  if (const absl::Status good = rules::CheckRetention(retention); !good.ok())
    wrong.Add(field, good.message());
}

absl::Status NoDomain(absl::string_view name) {
  return WithReason(rules::NoDomain(name), kReasonDomainNotFound);
}

absl::Status NoAccount(absl::string_view account) {
  return WithReason(rules::NoAccount(account), kReasonAccountNotFound);
}

// The engine's error with a reason: `not_found` says what was not found.
absl::Status Explain(absl::Status status, absl::string_view not_found) {
  if (!ReasonOf(status).empty()) return status;
  if (absl::IsNotFound(status)) return WithReason(std::move(status), not_found);
  if (absl::IsAlreadyExists(status)) return WithReason(std::move(status), kReasonAddressTaken);
  return status;
}

// As an engine lists them.
Task<absl::StatusOr<std::vector<engine::Domain>>> PageOfSeen(const std::vector<engine::Domain>& seen,
                                                             std::string after, size_t limit) {
  std::vector<engine::Domain> items;
  for (const engine::Domain& domain : seen) {
    if (domain.name > after && items.size() < limit) items.push_back(domain);
  }
  co_return items;
}

// What is seen behind `after`, sorted by domain, then local part: all of the domains that are seen, each by
// `list(domain, after, limit)`, and between them `single`, which is sorted alike.
template <typename T, typename List>
Task<absl::StatusOr<std::vector<T>>> ListSeen(const std::vector<std::string>& domains,
                                              const std::vector<T>& single, std::string after, size_t limit,
                                              List list) {
  const rules::AddressParts behind = rules::Split(after);
  const auto is_behind = [&](const T& item) { return behind < rules::Split(item.address); };
  auto next = std::find_if(single.begin(), single.end(), is_behind);
  auto domain = std::lower_bound(domains.begin(), domains.end(), behind.domain);
  std::vector<T> items;
  while (items.size() < limit && (next != single.end() || domain != domains.end())) {
    const bool is_single =
        next != single.end() && (domain == domains.end() || rules::Split(next->address).domain < *domain);
    if (is_single) {
      items.push_back(*next++);
      continue;
    }
    std::string from = *domain == behind.domain ? after : std::string();
    CO_ASSIGN_OR_RETURN(std::vector<T> page, co_await list(*domain, std::move(from), limit - items.size()));
    std::move(page.begin(), page.end(), std::back_inserter(items));
    ++domain;
  }
  co_return items;
}

// The entry of the kind that was asked for.
template <typename T>
absl::StatusOr<T> Only(absl::StatusOr<engine::DirectoryEntry> entry, absl::string_view not_found) {
  if (!entry.ok()) return Explain(std::move(entry).status(), not_found);
  return std::get<T>(*std::move(entry));
}

}  // namespace

// ---- Domains

Task<absl::StatusOr<engine::Place>> Directory::LookUp(std::string key) {
  std::vector<std::string> keys;
  keys.push_back(std::move(key));
  CO_ASSIGN_OR_RETURN(std::vector<engine::Place> places, co_await engine_.LookUp(std::move(keys)));
  co_return std::move(places.front());
}

Task<absl::StatusOr<std::string>> Directory::FindFilter(std::string domain, const rules::Sight& sight) {
  if (domain.empty()) co_return std::string();
  CO_ASSIGN_OR_RETURN(std::string key, CheckDomainName("domain", domain));
  if (!sight.SeesDomain(key)) co_return NoDomain(key);
  CO_ASSIGN_OR_RETURN(const engine::Place place, co_await LookUp(absl::StrCat("@", key)));
  if (!place.domain.has_value()) co_return NoDomain(key);
  co_return key;
}

Task<absl::StatusOr<engine::Domain>> Directory::CreateDomain(NewDomain wanted) {
  engine::Domain domain;
  domain.name = wanted.wrong.Take(CheckDomainName("domain.name", wanted.name));
  CheckUndeleteWindow(wanted.undelete_window, wanted.wrong);
  CheckRetention(wanted.retention, "domain.retention", wanted.wrong);
  CO_RETURN_IF_ERROR(wanted.wrong.Result());
  domain.plus_addressing = wanted.plus_addressing;
  domain.undelete_window = wanted.undelete_window;
  domain.retention = wanted.retention;
  domain.mta_sts = wanted.mta_sts;
  domain.create_time = domain.update_time = clock_.Now();
  std::vector<engine::DirectoryEntry> entries;
  entries.emplace_back(std::move(domain));
  auto created = co_await engine_.Create(std::move(entries));
  co_await NoteRetentionChange();
  co_return Only<engine::Domain>(std::move(created.front()), kReasonDomainNotFound);
}

Task<absl::StatusOr<engine::Domain>> Directory::GetDomain(std::string name) {
  CO_ASSIGN_OR_RETURN(const std::string key, CheckDomainName("name", name));
  CO_ASSIGN_OR_RETURN(engine::Place place, co_await LookUp(absl::StrCat("@", key)));
  if (!place.domain.has_value()) co_return NoDomain(key);
  co_return *std::move(place.domain);
}

Task<absl::StatusOr<Page<engine::Domain>>> Directory::ListDomains(PageRequest page,
                                                                  const rules::Sight& sight) {
  if (!sight.all) {
    // At most kMaxKeyDomains.
    std::vector<std::string> names;
    for (const std::string& name : sight.domains) names.push_back(absl::StrCat("@", name));
    CO_ASSIGN_OR_RETURN(const std::vector<engine::Place> places, co_await engine_.LookUp(std::move(names)));
    std::vector<engine::Domain> seen;
    for (const engine::Place& place : places) {
      if (place.domain.has_value()) seen.push_back(*place.domain);
    }
    const auto list_seen = [&seen](std::string after, size_t limit) {
      return PageOfSeen(seen, std::move(after), limit);
    };
    const auto name = [](const engine::Domain& domain) { return domain.name; };
    co_return co_await ListPage<engine::Domain>("domains", std::move(page), list_seen, name);
  }
  const auto list = [this](std::string after, size_t limit) {
    return engine_.ListDomains(std::move(after), limit);
  };
  const auto key = [](const engine::Domain& domain) { return domain.name; };
  co_return co_await ListPage<engine::Domain>("domains", std::move(page), list, key);
}

Task<absl::StatusOr<engine::Domain>> Directory::UpdateDomain(DomainUpdate update) {
  engine::DomainChange change;
  change.name = update.wrong.Take(CheckDomainName("domain.name", update.name));
  if (update.undelete_window.has_value()) CheckUndeleteWindow(*update.undelete_window, update.wrong);
  if (update.retention.has_value()) CheckRetention(*update.retention, "domain.retention", update.wrong);
  CO_RETURN_IF_ERROR(update.wrong.Result());
  change.expected_version = update.expected_version;
  change.plus_addressing = update.plus_addressing;
  change.undelete_window = update.undelete_window;
  change.retention = update.retention;
  change.mta_sts = update.mta_sts;
  change.time = clock_.Now();
  const bool changes_retention = change.retention.has_value();
  absl::StatusOr<engine::Domain> updated =
      Only<engine::Domain>(co_await engine_.Update(std::move(change)), kReasonDomainNotFound);
  if (changes_retention) co_await NoteRetentionChange();
  co_return updated;
}

Task<absl::Status> Directory::DeleteDomain(std::string name, int64_t expected_version) {
  CO_ASSIGN_OR_RETURN(std::string key, CheckDomainName("name", name));
  engine::DomainKey domain{std::move(key)};
  absl::Status deleted =
      Explain(co_await engine_.Delete(std::move(domain), expected_version), kReasonDomainNotFound);
  co_await NoteRetentionChange();
  co_return deleted;
}

// ---- Accounts

// All but the hashing, which is what takes time.
absl::StatusOr<engine::Account> Directory::Prepare(const NewAccount& account) const {
  Violations wrong = account.wrong;
  DirectoryAddress address = wrong.Take(CheckAddress("account.address", account.address));
  CheckQuota(account.quota_bytes, account.quota_messages, "account.quota", wrong);
  CheckRetention(account.retention.value_or(absl::ZeroDuration()), "account.retention", wrong);
  wrong.Add(CheckPassword(account.password));
  RETURN_IF_ERROR(wrong.Result());
  engine::Account prepared;
  prepared.address = std::move(address.address);
  prepared.disabled = account.disabled;
  prepared.quota_bytes = account.quota_bytes;
  prepared.quota_messages = account.quota_messages;
  prepared.retention = account.retention;
  prepared.create_time = prepared.update_time = clock_.Now();
  return prepared;
}

// On all cores: each worker takes the next account until there is none.
Task<absl::Status> Directory::HashPasswords(const std::vector<NewAccount>& accounts,
                                            std::vector<absl::StatusOr<engine::Account>>& results) {
  const auto hash = [this](const NewAccount& account, absl::StatusOr<engine::Account>& result) {
    if (!result.ok()) return;
    absl::StatusOr<engine::Credential> credential = MakeCredential(account.password, scram_iterations_);
    if (!credential.ok()) {
      result = std::move(credential).status();
    } else {
      result->credential = *std::move(credential);
    }
  };
  std::atomic<size_t> next = 0;
  std::atomic<int> working = 1;  // ourselves, who hand out the work
  Arrival<bool> all_done;
  const auto leave = [&] {
    if (working.fetch_sub(1) != 1) return;
    const std::coroutine_handle<> waiting = all_done.Put(true);
    if (waiting) executor_.Resume({&waiting, 1});
  };
  const auto work = [&] {
    for (size_t i = next.fetch_add(1); i < accounts.size(); i = next.fetch_add(1))
      hash(accounts[i], results[i]);
    leave();
  };
  const size_t wanted = std::min<size_t>(accounts.size(), std::max(1u, std::thread::hardware_concurrency()));
  size_t taken = 0;
  for (; taken < wanted; ++taken) {
    working.fetch_add(1);
    if (hash_pool_.Submit(work)) continue;
    working.fetch_sub(1);
    break;
  }
  leave();
  co_await all_done;
  co_return taken == 0 ? Busy() : absl::OkStatus();
}

Task<absl::StatusOr<engine::Account>> Directory::CreateAccount(NewAccount account) {
  std::vector<NewAccount> accounts;
  accounts.push_back(std::move(account));
  CO_ASSIGN_OR_RETURN(auto results, co_await CreateAccounts(std::move(accounts)));
  co_return std::move(results.front());
}

Task<absl::StatusOr<std::vector<absl::StatusOr<engine::Account>>>> Directory::CreateAccounts(
    std::vector<NewAccount> accounts) {
  if (accounts.empty() || accounts.size() > kMaxBatchAccounts) {
    co_return FieldError("requests", "must be 1 to 1000");
  }
  std::vector<absl::StatusOr<engine::Account>> results;
  results.reserve(accounts.size());
  for (const NewAccount& account : accounts) results.push_back(Prepare(account));
  CO_RETURN_IF_ERROR(co_await HashPasswords(accounts, results));

  std::vector<engine::DirectoryEntry> to_create;
  std::vector<size_t> places;
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i].ok()) continue;
    to_create.emplace_back(*results[i]);
    places.push_back(i);
  }
  if (to_create.empty()) co_return results;
  auto created = co_await engine_.Create(std::move(to_create));
  co_await NoteRetentionChange();
  for (size_t i = 0; i < created.size(); ++i) {
    results[places[i]] = Only<engine::Account>(std::move(created[i]), kReasonDomainNotFound);
  }
  co_return results;
}

Task<absl::StatusOr<engine::Account>> Directory::GetAccount(std::string account) {
  CO_ASSIGN_OR_RETURN(AccountName name, CheckAccountName("account", account));
  if (name.id.value != 0) {
    absl::StatusOr<engine::Account> found = co_await engine_.FindAccount(name.id);
    if (absl::IsNotFound(found.status())) co_return NoAccount(account);
    co_return found;
  }
  CO_ASSIGN_OR_RETURN(engine::Place place, co_await LookUp(std::move(name.key)));
  if (!place.account.has_value()) co_return NoAccount(account);
  co_return *std::move(place.account);
}

Task<absl::StatusOr<std::vector<engine::Account>>> Directory::FindSingle(const rules::Sight& sight) {
  std::vector<engine::Account> single;
  for (const AccountId id : sight.accounts) {
    absl::StatusOr<engine::Account> account = co_await engine_.FindAccount(id);
    if (absl::IsNotFound(account.status())) continue;
    if (!account.ok()) co_return std::move(account).status();
    if (!sight.SeesDomain(rules::Split(account->address).domain)) single.push_back(*std::move(account));
  }
  std::sort(single.begin(), single.end(), [](const engine::Account& a, const engine::Account& b) {
    return rules::Split(a.address) < rules::Split(b.address);
  });
  co_return single;
}

Task<absl::StatusOr<Page<engine::Account>>> Directory::ListAccounts(PageRequest page, std::string domain,
                                                                    const rules::Sight& sight) {
  CO_ASSIGN_OR_RETURN(const std::string filter, co_await FindFilter(std::move(domain), sight));
  if (!sight.all && filter.empty()) {
    CO_ASSIGN_OR_RETURN(const std::vector<engine::Account> single, co_await FindSingle(sight));
    const auto list_domain = [this](std::string of, std::string after, size_t limit) {
      return engine_.ListAccounts(std::move(of), std::move(after), limit);
    };
    const auto list_seen = [&](std::string after, size_t limit) {
      return ListSeen(sight.domains, single, std::move(after), limit, list_domain);
    };
    co_return co_await ListPage<engine::Account>("accounts/", std::move(page), list_seen,
                                                 AddressKey<engine::Account>);
  }
  const auto list = [this, &filter](std::string after, size_t limit) {
    return engine_.ListAccounts(filter, std::move(after), limit);
  };
  co_return co_await ListPage<engine::Account>(absl::StrCat("accounts/", filter), std::move(page), list,
                                               AddressKey<engine::Account>);
}

Task<absl::StatusOr<engine::Account>> Directory::UpdateAccount(AccountUpdate update) {
  engine::AccountChange change;
  Violations wrong = std::move(update.wrong);
  wrong.Add(CheckAccountName("account", update.account).status());
  if (update.address.has_value()) {
    change.address = wrong.Take(CheckAddress("update.address", *update.address)).address;
  }
  CheckQuota(update.quota_bytes.value_or(0), update.quota_messages.value_or(0), "update.quota", wrong);
  if (update.retention.has_value()) {
    CheckRetention(update.retention->value_or(absl::ZeroDuration()), "update.retention", wrong);
  }
  CO_RETURN_IF_ERROR(wrong.Result());
  CO_ASSIGN_OR_RETURN(const engine::Account account, co_await GetAccount(std::move(update.account)));
  change.id = account.id;
  change.expected_version = update.expected_version;
  change.disabled = update.disabled;
  change.quota_bytes = update.quota_bytes;
  change.quota_messages = update.quota_messages;
  change.retention = update.retention;
  change.time = clock_.Now();
  // The account was there a moment ago.
  const absl::string_view not_found =
      change.address.has_value() ? kReasonDomainNotFound : kReasonAccountNotFound;
  const bool changes_retention = change.retention.has_value();
  const bool ends_logins = change.address.has_value() || change.disabled.has_value();
  absl::StatusOr<engine::Account> updated =
      Only<engine::Account>(co_await engine_.Update(std::move(change)), not_found);
  if (ends_logins) NoteLoginChange(account.id);
  if (changes_retention) co_await NoteRetentionChange();
  co_return updated;
}

Task<absl::StatusOr<engine::Account>> Directory::SetPassword(std::string account, Password password) {
  Violations wrong;
  wrong.Add(CheckAccountName("account", account).status());
  wrong.Add(CheckPassword(password));
  CO_RETURN_IF_ERROR(wrong.Result());
  CO_ASSIGN_OR_RETURN(const engine::Account found, co_await GetAccount(std::move(account)));
  const auto hash = [this, &password] { return MakeCredential(password, scram_iterations_); };
  CO_ASSIGN_OR_RETURN(auto credential, co_await Offload(hash_pool_, executor_, hash));
  if (!credential.ok()) co_return std::move(credential).status();
  engine::AccountChange change;
  change.id = found.id;
  change.credential = *std::move(credential);
  change.time = clock_.Now();
  absl::StatusOr<engine::Account> updated =
      Only<engine::Account>(co_await engine_.Update(std::move(change)), kReasonAccountNotFound);
  NoteLoginChange(found.id);
  co_return updated;
}

Task<absl::Status> Directory::DeleteAccount(AccountId account, int64_t expected_version) {
  engine::AccountKey key{account};
  absl::Status deleted = Explain(co_await engine_.Delete(key, expected_version), kReasonAccountNotFound);
  NoteLoginChange(account);
  co_await NoteRetentionChange();
  co_return deleted;
}

// ---- Retention

Task<absl::StatusOr<absl::Duration>> Directory::MailboxRetention(const engine::Account& account) {
  if (account.retention.has_value()) co_return *account.retention;
  CO_ASSIGN_OR_RETURN(const engine::Place place,
                      co_await LookUp(absl::StrCat("@", rules::Split(account.address).domain)));
  co_return rules::MailboxRetention(place.domain.value_or(engine::Domain()), account);
}

Task<absl::Status> Directory::LearnLeastRetention() {
  CO_ASSIGN_OR_RETURN(least_retention_, co_await engine_.LeastRetention());
  co_return absl::OkStatus();
}

// What fails here is learned later (housekeeping).
Task<void> Directory::NoteRetentionChange() { (co_await LearnLeastRetention()).IgnoreError(); }

// ---- Aliases

Task<absl::StatusOr<engine::Alias>> Directory::CreateAlias(std::string address,
                                                           std::vector<std::string> targets) {
  Violations wrong;
  DirectoryAddress checked = wrong.Take(CheckAliasAddress("alias.address", address));
  engine::Alias alias;
  alias.targets = CheckTargets(targets, wrong);
  CO_RETURN_IF_ERROR(wrong.Result());
  alias.address = std::move(checked.address);
  alias.create_time = alias.update_time = clock_.Now();
  std::vector<engine::DirectoryEntry> entries;
  entries.emplace_back(std::move(alias));
  auto created = co_await engine_.Create(std::move(entries));
  co_return Only<engine::Alias>(std::move(created.front()), kReasonDomainNotFound);
}

Task<absl::StatusOr<engine::Alias>> Directory::GetAlias(std::string address) {
  CO_ASSIGN_OR_RETURN(DirectoryAddress checked, CheckAliasAddress("address", address));
  CO_ASSIGN_OR_RETURN(engine::Place place, co_await LookUp(checked.key));
  if (place.alias.has_value()) co_return *std::move(place.alias);
  co_return WithReason(rules::NoAlias(checked.key), kReasonAliasNotFound);
}

Task<absl::StatusOr<Page<engine::Alias>>> Directory::ListAliases(PageRequest page, std::string domain,
                                                                 const rules::Sight& sight) {
  CO_ASSIGN_OR_RETURN(const std::string filter, co_await FindFilter(std::move(domain), sight));
  if (!sight.all && filter.empty()) {
    const std::vector<engine::Alias> none;
    const auto list_domain = [this](std::string of, std::string after, size_t limit) {
      return engine_.ListAliases(std::move(of), std::move(after), limit);
    };
    const auto list_seen = [&](std::string after, size_t limit) {
      return ListSeen(sight.domains, none, std::move(after), limit, list_domain);
    };
    co_return co_await ListPage<engine::Alias>("aliases/", std::move(page), list_seen,
                                               AddressKey<engine::Alias>);
  }
  const auto list = [this, &filter](std::string after, size_t limit) {
    return engine_.ListAliases(filter, std::move(after), limit);
  };
  co_return co_await ListPage<engine::Alias>(absl::StrCat("aliases/", filter), std::move(page), list,
                                             AddressKey<engine::Alias>);
}

Task<absl::StatusOr<engine::Alias>> Directory::UpdateAlias(std::string address, int64_t expected_version,
                                                           std::vector<std::string> targets,
                                                           Violations wrong) {
  DirectoryAddress checked = wrong.Take(CheckAliasAddress("alias.address", address));
  engine::AliasChange change;
  change.targets = CheckTargets(targets, wrong);
  CO_RETURN_IF_ERROR(wrong.Result());
  change.address = std::move(checked.key);
  change.expected_version = expected_version;
  change.time = clock_.Now();
  co_return Only<engine::Alias>(co_await engine_.Update(std::move(change)), kReasonAliasNotFound);
}

Task<absl::Status> Directory::DeleteAlias(std::string address, int64_t expected_version) {
  CO_ASSIGN_OR_RETURN(DirectoryAddress checked, CheckAliasAddress("address", address));
  engine::AliasKey alias{std::move(checked.key)};
  co_return Explain(co_await engine_.Delete(std::move(alias), expected_version), kReasonAliasNotFound);
}

}  // namespace mailstead::stored
