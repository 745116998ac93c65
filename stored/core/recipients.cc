#include "stored/core/recipients.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"

namespace mailstead::stored {
namespace {

using Outcome = Resolution::Outcome;

// How many accounts or domains are tried in search of one that takes mail for postmaster.
constexpr size_t kMaxPostmasterTries = 100;

bool Takes(const Resolution& resolution) {
  return resolution.outcome == Outcome::kAccount || resolution.outcome == Outcome::kAlias;
}

std::optional<Address> WithoutTag(const Address& address) {
  const size_t plus = address.local_part.find('+');
  if (plus == std::string::npos || plus == 0) return std::nullopt;
  return Address{address.local_part.substr(0, plus), address.domain};
}

bool Finds(const engine::Place& place) { return place.account.has_value() || place.alias.has_value(); }

// The addresses under which one is looked up.
struct Keys {
  std::string exact;
  // Without the tag; empty when there is none.
  std::string untagged;
  std::string catch_all;
};

absl::StatusOr<Keys> KeysOf(const Address& address) {
  Keys keys;
  ASSIGN_OR_RETURN(keys.exact, address.Normalized());
  if (const std::optional<Address> untagged = WithoutTag(address); untagged.has_value()) {
    ASSIGN_OR_RETURN(keys.untagged, untagged->Normalized());
  }
  ASSIGN_OR_RETURN(const std::string domain, NormalizeDomain(address.domain));
  keys.catch_all = absl::StrCat("@", domain);
  return keys;
}

// Which of an address's places holds: the first that finds something, in the order at the top of
// recipients.h.
engine::Place& Choose(engine::Place& exact, engine::Place* untagged, engine::Place& catch_all) {
  if (Finds(exact) || !exact.domain.has_value()) return exact;
  if (untagged != nullptr && exact.domain->plus_addressing && Finds(*untagged)) return *untagged;
  return catch_all;
}

absl::Status AliasTooDeep(const Address& address, absl::string_view what) {
  return WithReason(absl::ResourceExhaustedError(absl::StrCat("alias ", address.ToString(), " ", what)),
                    kReasonAliasTooDeep);
}

bool IsOverQuota(const engine::Account& account, int64_t message_bytes) {
  if (account.quota_bytes != 0 && message_bytes > account.quota_bytes) return true;
  return (account.quota_bytes != 0 && account.usage.message_bytes >= account.quota_bytes) ||
         (account.quota_messages != 0 && account.usage.message_count >= account.quota_messages);
}

}  // namespace

bool IsPostmaster(absl::string_view text) { return absl::EqualsIgnoreCase(text, "postmaster"); }

// ---- Following aliases

struct RecipientResolver::Following {
  Expansion expansion;
  absl::flat_hash_set<std::string> seen_aliases;
  absl::flat_hash_set<AccountId> seen_accounts;
  size_t followed = 0;
  // The addresses of the present depth, and of the next.
  std::vector<Address> level;
  std::vector<Address> next_level;

  void Take(engine::Account account) {
    if (seen_accounts.insert(account.id).second) expansion.accounts.push_back(std::move(account));
  }

  absl::Status Take(const engine::Alias& alias, const Address& from, int depth) {
    expansion.through_alias = true;
    if (!seen_aliases.insert(alias.address).second) return absl::OkStatus();
    if (depth == kMaxAliasDepth) return AliasTooDeep(from, "is too deep");
    for (const std::string& target : alias.targets) {
      if (++followed > kMaxAliasTargets) return AliasTooDeep(from, "has too many targets");
      // Targets were checked when the alias was made; one that no longer parses leads nowhere.
      absl::StatusOr<Address> parsed = ParseAddress(target);
      if (parsed.ok()) next_level.push_back(*std::move(parsed));
    }
    return absl::OkStatus();
  }

  // The keys of the whole level in one list. Address literals have none: they lead away.
  absl::StatusOr<std::vector<std::string>> ToLookUp() const {
    std::vector<std::string> keys;
    for (const Address& address : level) {
      if (address.is_literal()) continue;
      ASSIGN_OR_RETURN(Keys of_address, KeysOf(address));
      keys.push_back(std::move(of_address.exact));
      if (!of_address.untagged.empty()) keys.push_back(std::move(of_address.untagged));
      keys.push_back(std::move(of_address.catch_all));
    }
    return keys;
  }

  // What the level's keys found.
  absl::Status Take(std::vector<engine::Place> places, int depth) {
    size_t i = 0;
    for (const Address& address : level) {
      // SECURITY: the domain is what follows the last '@' of a parsed address, so that percent, bang and
      // quoted forms ("user%other.test@ours", "user@other.test"@ours) are just local parts here and open no
      // relay.
      if (address.is_literal()) {
        expansion.leads_away = true;
        continue;
      }
      engine::Place& exact = places[i++];
      engine::Place* const untagged = WithoutTag(address).has_value() ? &places[i++] : nullptr;
      engine::Place& place = Choose(exact, untagged, places[i++]);
      if (!exact.domain.has_value()) {
        expansion.leads_away = true;
        continue;
      }
      if (depth == 0) expansion.ours = true;
      if (place.account.has_value()) {
        Take(*std::move(place.account));
      } else if (place.alias.has_value()) {
        RETURN_IF_ERROR(Take(*place.alias, address, depth));
      }
    }
    return absl::OkStatus();
  }
};

Task<absl::StatusOr<RecipientResolver::Expansion>> RecipientResolver::Expand(Address address) {
  Following following;
  following.level.push_back(std::move(address));
  for (int depth = 0; !following.level.empty(); ++depth) {
    CO_ASSIGN_OR_RETURN(std::vector<std::string> keys, following.ToLookUp());
    std::vector<engine::Place> places;
    if (!keys.empty()) {
      CO_ASSIGN_OR_RETURN(places, co_await engine_.LookUp(std::move(keys)));
    }
    CO_RETURN_IF_ERROR(following.Take(std::move(places), depth));
    following.level = std::exchange(following.next_level, {});
  }
  co_return std::move(following.expansion);
}

Resolution RecipientResolver::Judge(const Expansion& expansion, int64_t message_bytes) const {
  Resolution resolution;
  if (expansion.leads_away) {
    resolution.outcome = Outcome::kRemote;
    return resolution;
  }
  bool disabled = false;
  std::vector<AccountId> full;
  for (const engine::Account& account : expansion.accounts) {
    if (account.disabled) {
      disabled = true;
    } else {
      (IsOverQuota(account, message_bytes) ? full : resolution.accounts).push_back(account.id);
    }
  }
  if (!resolution.accounts.empty()) {
    resolution.outcome = expansion.through_alias ? Outcome::kAlias : Outcome::kAccount;
  } else if (!full.empty()) {
    resolution.outcome = Outcome::kOverQuota;
    resolution.accounts = std::move(full);
  } else {
    resolution.outcome = disabled ? Outcome::kDisabled : Outcome::kUnknown;
  }
  return resolution;
}

// ---- Resolving

Task<absl::StatusOr<Resolution>> RecipientResolver::Resolve(std::string address, int64_t message_bytes) {
  if (std::optional<Resolution> remembered = Remembered(address)) co_return *std::move(remembered);
  if (IsPostmaster(address)) co_return co_await ResolveAnyPostmaster(message_bytes);
  const absl::StatusOr<Address> parsed = ParseAddress(address);
  if (!parsed.ok()) co_return FieldError("address", parsed.status().message());
  // Before anything is read.
  const int64_t directory_version = engine_.Version();
  CO_ASSIGN_OR_RETURN(const Expansion expansion, co_await Expand(*parsed));
  const Resolution resolution = Judge(expansion, message_bytes);
  Remember(address, expansion, resolution, directory_version);
  if (!expansion.ours || !IsPostmaster(parsed->local_part) || Takes(resolution)) co_return resolution;
  CO_ASSIGN_OR_RETURN(std::string domain, NormalizeDomain(parsed->domain));
  CO_ASSIGN_OR_RETURN(Resolution fallback, co_await ResolvePostmaster(std::move(domain), message_bytes));
  co_return Takes(fallback) ? fallback : resolution;
}

std::optional<Resolution> RecipientResolver::Remembered(absl::string_view address) const {
  const auto found = resolutions_.find(address);
  if (found == resolutions_.end() || found->second.directory_version != engine_.Version())
    return std::nullopt;
  return found->second.value;
}

// Only what takes mail whatever its size and whatever is in the mailbox.
void RecipientResolver::Remember(const std::string& address, const Expansion& expansion,
                                 const Resolution& resolution, int64_t directory_version) {
  if (directory_version == 0 || !Takes(resolution)) return;
  // SECURITY: strangers choose tags and the local parts of a catch-all, as many as they like; with a list of
  // a thousand mailboxes behind each they would fill memory.
  if (resolution.accounts.size() > kMaxRememberedMailboxes) return;
  bool has_quota = false;
  for (const engine::Account& account : expansion.accounts) {
    RememberName(account, directory_version);
    has_quota = has_quota || account.quota_bytes != 0 || account.quota_messages != 0;
  }
  if (has_quota) return;
  // Rare, and cheaper than to know which is the oldest.
  if (resolutions_.size() >= kMaxRememberedAddresses) resolutions_.clear();
  resolutions_.insert_or_assign(address, Memory<Resolution>{directory_version, resolution});
}

void RecipientResolver::RememberName(const engine::Account& account, int64_t directory_version) {
  if (directory_version == 0) return;
  if (names_.size() >= kMaxRememberedAddresses) names_.clear();
  names_.insert_or_assign(account.id, Memory<std::string>{directory_version, account.address});
}

Task<absl::StatusOr<std::string>> RecipientResolver::AddressOf(AccountId account) {
  const int64_t directory_version = engine_.Version();
  const auto known = names_.find(account);
  if (known != names_.end() && known->second.directory_version == directory_version) {
    co_return known->second.value;
  }
  absl::StatusOr<engine::Account> found = co_await engine_.FindAccount(account);
  if (absl::IsNotFound(found.status())) co_return std::string();
  if (!found.ok()) co_return std::move(found).status();
  RememberName(*found, directory_version);
  co_return std::move(found->address);
}

// ---- Postmaster

Task<absl::StatusOr<Resolution>> RecipientResolver::ResolvePostmaster(std::string domain,
                                                                      int64_t message_bytes) {
  if (const absl::StatusOr<Address> parsed = ParseAddress(postmaster_); parsed.ok()) {
    CO_ASSIGN_OR_RETURN(const Expansion expansion, co_await Expand(*parsed));
    Resolution resolution = Judge(expansion, message_bytes);
    if (Takes(resolution)) co_return resolution;
  }
  if (!domain.empty()) {
    CO_ASSIGN_OR_RETURN(Resolution resolution, co_await FirstAccount(std::move(domain), message_bytes));
    if (Takes(resolution)) co_return resolution;
  }
  co_return co_await FirstAccount("", message_bytes);
}

Task<absl::StatusOr<Resolution>> RecipientResolver::ResolveAnyPostmaster(int64_t message_bytes) {
  CO_ASSIGN_OR_RETURN(const std::vector<engine::Domain> domains,
                      co_await engine_.ListDomains("", kMaxPostmasterTries));
  if (postmaster_.empty()) {
    for (const engine::Domain& domain : domains) {
      Address address{"postmaster", domain.name};
      CO_ASSIGN_OR_RETURN(const Expansion expansion, co_await Expand(std::move(address)));
      Resolution resolution = Judge(expansion, message_bytes);
      if (Takes(resolution)) co_return resolution;
    }
  }
  co_return co_await ResolvePostmaster("", message_bytes);
}

Task<absl::StatusOr<Resolution>> RecipientResolver::FirstAccount(std::string domain, int64_t message_bytes) {
  CO_ASSIGN_OR_RETURN(std::vector<engine::Account> accounts,
                      co_await engine_.ListAccounts(std::move(domain), "", kMaxPostmasterTries));
  for (engine::Account& account : accounts) {
    Expansion only_this;
    only_this.accounts.push_back(std::move(account));
    Resolution resolution = Judge(only_this, message_bytes);
    if (Takes(resolution)) co_return resolution;
  }
  co_return Resolution();
}

// ---- Senders

Task<absl::StatusOr<bool>> RecipientResolver::MaySendAs(std::string account, std::string sender) {
  CO_ASSIGN_OR_RETURN(DirectoryAddress own, CheckAddress("account", account));
  if (sender.empty()) co_return true;
  const absl::StatusOr<Address> parsed = ParseAddress(sender);
  if (!parsed.ok()) co_return FieldError("sender", parsed.status().message());
  CO_ASSIGN_OR_RETURN(const Expansion expansion, co_await Expand(*parsed));
  for (const engine::Account& reached : expansion.accounts) {
    const absl::StatusOr<DirectoryAddress> address = CheckAddress("account", reached.address);
    if (address.ok() && address->key == own.key) co_return true;
  }
  std::vector<std::string> keys;
  keys.push_back(std::move(own.key));
  CO_ASSIGN_OR_RETURN(const std::vector<engine::Place> places, co_await engine_.LookUp(std::move(keys)));
  if (places.front().account.has_value()) co_return false;
  co_return WithReason(absl::NotFoundError(absl::StrCat("there is no account ", account)),
                       kReasonAccountNotFound);
}

}  // namespace mailstead::stored
