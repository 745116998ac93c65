#include "stored/core/directory.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/core/paging.h"

namespace mailstead::store {
namespace {

// One page of a listing: `list(after, limit)` gives items, `key(item)` what the next page begins after.
template <typename T, typename List, typename Key>
absl::StatusOr<Page<T>> ListPage(absl::string_view listing, const PageRequest& request, List list, Key key) {
  ASSIGN_OR_RETURN(const size_t page_size, CheckPageSize(request.page_size));
  ASSIGN_OR_RETURN(const std::string after, ReadPageToken(listing, request.page_token));
  Page<T> page;
  // One more than asked for tells whether there is another page.
  ASSIGN_OR_RETURN(page.items, list(after, page_size + 1));
  if (page.items.size() > page_size) {
    page.items.pop_back();
    page.next_page_token = MakePageToken(listing, key(page.items.back()));
  }
  return page;
}

// What the engine compares, of an address that it gave us.
template <typename T>
std::string AddressKey(const T& item) {
  const absl::StatusOr<DirectoryAddress> checked = CheckAliasAddress("address", item.address);
  return checked.ok() ? checked->key : item.address;
}

absl::StatusOr<std::string> CheckDomainFilter(absl::string_view domain) {
  if (domain.empty()) return std::string();
  return CheckDomainName("domain", domain);
}

absl::StatusOr<std::vector<std::string>> CheckTargets(const std::vector<std::string>& targets) {
  if (targets.empty() || targets.size() > kMaxAliasTargets) {
    return FieldError("alias.targets", "must be 1 to 1000 addresses");
  }
  std::vector<std::string> checked;
  for (size_t i = 0; i < targets.size(); ++i) {
    ASSIGN_OR_RETURN(DirectoryAddress target,
                     CheckAddress(absl::StrCat("alias.targets[", i, "]"), targets[i]));
    checked.push_back(std::move(target.address));
  }
  return checked;
}

}  // namespace

// --- Domains

absl::StatusOr<Domain> Directory::CreateDomain(absl::string_view name, bool plus_addressing) {
  Domain domain;
  ASSIGN_OR_RETURN(domain.name, CheckDomainName("domain.name", name));
  domain.plus_addressing = plus_addressing;
  domain.create_time = clock_.Now();
  RETURN_IF_ERROR(engine_.CreateDomain(domain));
  return domain;
}

absl::StatusOr<Domain> Directory::GetDomain(absl::string_view name) {
  ASSIGN_OR_RETURN(const std::string key, CheckDomainName("name", name));
  return engine_.GetDomain(key);
}

absl::StatusOr<Page<Domain>> Directory::ListDomains(const PageRequest& page) {
  return ListPage<Domain>(
      "domains", page,
      [this](absl::string_view after, size_t limit) { return engine_.ListDomains(after, limit); },
      [](const Domain& domain) { return domain.name; });
}

absl::StatusOr<Domain> Directory::UpdateDomain(absl::string_view name, std::optional<bool> plus_addressing) {
  ASSIGN_OR_RETURN(const std::string key, CheckDomainName("domain.name", name));
  ASSIGN_OR_RETURN(Domain domain, engine_.GetDomain(key));
  if (plus_addressing.has_value()) domain.plus_addressing = *plus_addressing;
  RETURN_IF_ERROR(engine_.UpdateDomain(domain));
  return domain;
}

absl::Status Directory::DeleteDomain(absl::string_view name) {
  ASSIGN_OR_RETURN(const std::string key, CheckDomainName("name", name));
  return engine_.DeleteDomain(key);
}

// --- Accounts

// All but the hashing, which is what takes time.
absl::StatusOr<Account> Directory::Prepare(const NewAccount& account) const {
  ASSIGN_OR_RETURN(DirectoryAddress address, CheckAddress("account.address", account.address));
  RETURN_IF_ERROR(CheckPassword(account.password));
  Account prepared;
  prepared.address = std::move(address.address);
  prepared.disabled = account.disabled;
  prepared.quota_bytes = account.quota_bytes;
  prepared.quota_messages = account.quota_messages;
  prepared.create_time = clock_.Now();
  return prepared;
}

absl::StatusOr<Account> Directory::CreateAccount(const NewAccount& account) {
  ASSIGN_OR_RETURN(std::vector<absl::StatusOr<Account>> results, CreateAccounts({account}));
  return std::move(results.front());
}

absl::StatusOr<std::vector<absl::StatusOr<Account>>> Directory::CreateAccounts(
    const std::vector<NewAccount>& accounts) {
  if (accounts.empty() || accounts.size() > kMaxBatchAccounts) {
    return FieldError("requests", "must be 1 to 1000");
  }
  std::vector<absl::StatusOr<Account>> results;
  results.reserve(accounts.size());
  for (const NewAccount& account : accounts) results.push_back(Prepare(account));

  absl::BlockingCounter hashing(static_cast<int>(accounts.size()));
  for (size_t i = 0; i < accounts.size(); ++i) {
    const auto hash = [this, &hashing, &account = accounts[i], &result = results[i]] {
      if (result.ok()) {
        absl::StatusOr<Credential> credential = MakeCredential(account.password, scram_iterations_);
        if (credential.ok()) {
          result->credential = *std::move(credential);
        } else {
          result = std::move(credential).status();
        }
      }
      hashing.DecrementCount();
    };
    // A full pool slows the import down and does not refuse it.
    if (!hash_pool_.Submit(hash)) hash();
  }
  hashing.Wait();

  std::vector<Account> to_create;
  std::vector<size_t> places;
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i].ok()) continue;
    to_create.push_back(*results[i]);
    places.push_back(i);
  }
  if (to_create.empty()) return results;
  std::vector<absl::StatusOr<Account>> created = engine_.CreateAccounts(to_create);
  for (size_t i = 0; i < created.size(); ++i) results[places[i]] = std::move(created[i]);
  return results;
}

absl::StatusOr<AccountDetails> Directory::WithUsage(Account account) {
  AccountDetails details;
  ASSIGN_OR_RETURN(details.usage, engine_.GetUsage(account.mailbox));
  details.account = std::move(account);
  return details;
}

absl::StatusOr<AccountDetails> Directory::GetAccount(absl::string_view address) {
  ASSIGN_OR_RETURN(const DirectoryAddress checked, CheckAddress("address", address));
  ASSIGN_OR_RETURN(Account account, engine_.GetAccount(checked.key));
  return WithUsage(std::move(account));
}

absl::StatusOr<Page<AccountDetails>> Directory::ListAccounts(const PageRequest& page,
                                                             absl::string_view domain) {
  ASSIGN_OR_RETURN(const std::string filter, CheckDomainFilter(domain));
  ASSIGN_OR_RETURN(Page<Account> accounts, ListPage<Account>(
                                               absl::StrCat("accounts/", filter), page,
                                               [&](absl::string_view after, size_t limit) {
                                                 return engine_.ListAccounts(filter, after, limit);
                                               },
                                               AddressKey<Account>));
  Page<AccountDetails> result;
  result.next_page_token = std::move(accounts.next_page_token);
  for (Account& account : accounts.items) {
    absl::StatusOr<AccountDetails> details = WithUsage(std::move(account));
    // Deleted while we were listing.
    if (absl::IsNotFound(details.status())) continue;
    if (!details.ok()) return std::move(details).status();
    result.items.push_back(*std::move(details));
  }
  return result;
}

absl::StatusOr<AccountDetails> Directory::UpdateAccount(const AccountUpdate& update) {
  ASSIGN_OR_RETURN(const DirectoryAddress checked, CheckAddress("account.address", update.address));
  AccountChange change;
  change.address = checked.key;
  if (update.disabled.has_value()) change.disabled = &*update.disabled;
  if (update.quota_bytes.has_value()) change.quota_bytes = &*update.quota_bytes;
  if (update.quota_messages.has_value()) change.quota_messages = &*update.quota_messages;
  ASSIGN_OR_RETURN(Account account, engine_.UpdateAccount(change));
  return WithUsage(std::move(account));
}

absl::Status Directory::SetPassword(absl::string_view address, const Password& password) {
  ASSIGN_OR_RETURN(const DirectoryAddress checked, CheckAddress("address", address));
  if (password.kind == Password::Kind::kNone) return FieldError("password", "must be set");
  RETURN_IF_ERROR(CheckPassword(password));
  ASSIGN_OR_RETURN(const Credential credential, MakeCredential(password, scram_iterations_));
  AccountChange change;
  change.address = checked.key;
  change.credential = &credential;
  return engine_.UpdateAccount(change).status();
}

absl::Status Directory::DeleteAccount(absl::string_view address) {
  ASSIGN_OR_RETURN(const DirectoryAddress checked, CheckAddress("address", address));
  return engine_.DeleteAccount(checked.key);
}

// --- Aliases

absl::StatusOr<Alias> Directory::CreateAlias(absl::string_view address,
                                             const std::vector<std::string>& targets) {
  ASSIGN_OR_RETURN(DirectoryAddress checked, CheckAliasAddress("alias.address", address));
  Alias alias;
  ASSIGN_OR_RETURN(alias.targets, CheckTargets(targets));
  alias.address = std::move(checked.address);
  alias.create_time = clock_.Now();
  RETURN_IF_ERROR(engine_.CreateAlias(alias));
  return alias;
}

absl::StatusOr<Alias> Directory::GetAlias(absl::string_view address) {
  ASSIGN_OR_RETURN(const DirectoryAddress checked, CheckAliasAddress("address", address));
  return engine_.GetAlias(checked.key);
}

absl::StatusOr<Page<Alias>> Directory::ListAliases(const PageRequest& page, absl::string_view domain) {
  ASSIGN_OR_RETURN(const std::string filter, CheckDomainFilter(domain));
  return ListPage<Alias>(
      absl::StrCat("aliases/", filter), page,
      [&](absl::string_view after, size_t limit) { return engine_.ListAliases(filter, after, limit); },
      AddressKey<Alias>);
}

absl::StatusOr<Alias> Directory::UpdateAlias(absl::string_view address,
                                             const std::optional<std::vector<std::string>>& targets) {
  ASSIGN_OR_RETURN(const DirectoryAddress checked, CheckAliasAddress("alias.address", address));
  ASSIGN_OR_RETURN(Alias alias, engine_.GetAlias(checked.key));
  if (targets.has_value()) {
    ASSIGN_OR_RETURN(alias.targets, CheckTargets(*targets));
  }
  RETURN_IF_ERROR(engine_.UpdateAlias(alias));
  return alias;
}

absl::Status Directory::DeleteAlias(absl::string_view address) {
  ASSIGN_OR_RETURN(const DirectoryAddress checked, CheckAliasAddress("address", address));
  return engine_.DeleteAlias(checked.key);
}

}  // namespace mailstead::store
