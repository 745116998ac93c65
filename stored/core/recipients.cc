#include "stored/core/recipients.h"

#include <deque>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"

namespace mailstead::store {
namespace {

using Outcome = Resolution::Outcome;

// How many accounts or domains are tried in search of one that takes mail for postmaster.
constexpr size_t kMaxPostmasterTries = 100;

bool Takes(const Resolution& resolution) {
  return resolution.outcome == Outcome::kLocal || resolution.outcome == Outcome::kAlias;
}

std::optional<Address> WithoutTag(const Address& address) {
  const size_t plus = address.local_part.find('+');
  if (plus == std::string::npos || plus == 0) return std::nullopt;
  return Address{address.local_part.substr(0, plus), address.domain};
}

// The value, or nothing when it is not there.
template <typename T>
absl::StatusOr<std::optional<T>> IfFound(absl::StatusOr<T> result) {
  if (result.ok()) return std::optional<T>(*std::move(result));
  if (absl::IsNotFound(result.status())) return std::optional<T>();
  return std::move(result).status();
}

}  // namespace

bool IsPostmaster(absl::string_view text) { return absl::EqualsIgnoreCase(text, "postmaster"); }

// What is kept under one address.
struct RecipientResolver::Place {
  enum class Kind { kNothing, kAccount, kAlias, kRemote };
  Kind kind = Kind::kNothing;
  Account account;
  Alias alias;
};

absl::StatusOr<RecipientResolver::Place> RecipientResolver::LookExactly(const Address& address) {
  Place place;
  ASSIGN_OR_RETURN(const std::string key, address.Normalized());
  ASSIGN_OR_RETURN(std::optional<Account> account, IfFound(engine_.GetAccount(key)));
  if (account.has_value()) {
    place.kind = Place::Kind::kAccount;
    place.account = *std::move(account);
    return place;
  }
  ASSIGN_OR_RETURN(std::optional<Alias> alias, IfFound(engine_.GetAlias(key)));
  if (alias.has_value()) {
    place.kind = Place::Kind::kAlias;
    place.alias = *std::move(alias);
  }
  return place;
}

absl::StatusOr<RecipientResolver::Place> RecipientResolver::Look(const Address& address) {
  Place place;
  place.kind = Place::Kind::kRemote;
  // SECURITY: the domain is what follows the last '@' of a parsed address, so that percent, bang and quoted
  // forms ("user%other.test@ours", "user@other.test"@ours) are just local parts here and open no relay.
  if (address.is_literal()) return place;
  ASSIGN_OR_RETURN(const std::string domain_name, NormalizeDomain(address.domain));
  ASSIGN_OR_RETURN(const std::optional<Domain> domain, IfFound(engine_.GetDomain(domain_name)));
  if (!domain.has_value()) return place;

  ASSIGN_OR_RETURN(place, LookExactly(address));
  if (place.kind != Place::Kind::kNothing) return place;
  if (const std::optional<Address> untagged = WithoutTag(address);
      domain->plus_addressing && untagged.has_value()) {
    ASSIGN_OR_RETURN(place, LookExactly(*untagged));
    if (place.kind != Place::Kind::kNothing) return place;
  }
  ASSIGN_OR_RETURN(std::optional<Alias> catch_all, IfFound(engine_.GetAlias(absl::StrCat("@", domain_name))));
  if (catch_all.has_value()) {
    place.kind = Place::Kind::kAlias;
    place.alias = *std::move(catch_all);
  }
  return place;
}

absl::StatusOr<RecipientResolver::Expansion> RecipientResolver::Expand(const Address& address) {
  Expansion expansion;
  absl::flat_hash_set<std::string> seen_aliases;
  absl::flat_hash_set<MailboxId> seen_mailboxes;
  size_t followed = 0;
  std::deque<std::pair<Address, int>> to_follow = {{address, 0}};
  while (!to_follow.empty()) {
    const auto [next, depth] = std::move(to_follow.front());
    to_follow.pop_front();
    ASSIGN_OR_RETURN(Place place, Look(next));
    switch (place.kind) {
      case Place::Kind::kNothing:
        break;
      case Place::Kind::kRemote:
        expansion.leads_away = true;
        break;
      case Place::Kind::kAccount:
        if (seen_mailboxes.insert(place.account.mailbox).second) expansion.accounts.push_back(place.account);
        break;
      case Place::Kind::kAlias: {
        expansion.through_alias = true;
        if (!seen_aliases.insert(place.alias.address).second) break;
        if (depth == kMaxAliasDepth) {
          return absl::ResourceExhaustedError(absl::StrCat("alias ", address.ToString(), " is too deep"));
        }
        for (const std::string& target : place.alias.targets) {
          if (++followed > kMaxAliasTargets) {
            return absl::ResourceExhaustedError(
                absl::StrCat("alias ", address.ToString(), " has too many targets"));
          }
          // Targets were checked when the alias was made; one that no longer parses leads nowhere.
          absl::StatusOr<Address> parsed = ParseAddress(target);
          if (parsed.ok()) to_follow.emplace_back(*std::move(parsed), depth + 1);
        }
        break;
      }
    }
  }
  return expansion;
}

absl::StatusOr<bool> RecipientResolver::IsOverQuota(const Account& account, uint64_t message_bytes) {
  if (account.quota_bytes == 0 && account.quota_messages == 0) return false;
  if (account.quota_bytes != 0 && message_bytes > account.quota_bytes) return true;
  ASSIGN_OR_RETURN(const MailboxUsage usage, engine_.GetUsage(account.mailbox));
  return (account.quota_bytes != 0 && usage.message_bytes >= account.quota_bytes) ||
         (account.quota_messages != 0 && usage.message_count >= account.quota_messages);
}

absl::StatusOr<Resolution> RecipientResolver::Judge(const Expansion& expansion, uint64_t message_bytes) {
  Resolution resolution;
  if (expansion.leads_away) {
    resolution.outcome = Outcome::kRemote;
    return resolution;
  }
  bool disabled = false;
  std::vector<MailboxId> full;
  for (const Account& account : expansion.accounts) {
    if (account.disabled) {
      disabled = true;
      continue;
    }
    ASSIGN_OR_RETURN(const bool over_quota, IsOverQuota(account, message_bytes));
    (over_quota ? full : resolution.mailboxes).push_back(account.mailbox);
  }
  if (!resolution.mailboxes.empty()) {
    resolution.outcome = expansion.through_alias ? Outcome::kAlias : Outcome::kLocal;
  } else if (!full.empty()) {
    resolution.outcome = Outcome::kOverQuota;
    resolution.mailboxes = std::move(full);
  } else {
    resolution.outcome = disabled ? Outcome::kDisabled : Outcome::kUnknown;
  }
  return resolution;
}

absl::StatusOr<Resolution> RecipientResolver::Resolve(absl::string_view address, uint64_t message_bytes) {
  if (IsPostmaster(address)) return ResolveAnyPostmaster(message_bytes);
  const absl::StatusOr<Address> parsed = ParseAddress(address);
  if (!parsed.ok()) return FieldError("address", parsed.status().message());
  // Before anything is read.
  const uint64_t directory_version = engine_.DirectoryVersion();
  ASSIGN_OR_RETURN(const Expansion expansion, Expand(*parsed));
  ASSIGN_OR_RETURN(Resolution resolution, Judge(expansion, message_bytes));
  Remember(address, expansion, resolution, directory_version);
  if (!IsPostmaster(parsed->local_part) || parsed->is_literal() || Takes(resolution)) return resolution;

  ASSIGN_OR_RETURN(const std::string domain, NormalizeDomain(parsed->domain));
  ASSIGN_OR_RETURN(const std::optional<Domain> ours, IfFound(engine_.GetDomain(domain)));
  if (!ours.has_value()) return resolution;
  ASSIGN_OR_RETURN(Resolution fallback, ResolvePostmaster(domain, message_bytes));
  return Takes(fallback) ? fallback : resolution;
}

std::optional<Resolution> RecipientResolver::Remembered(absl::string_view address) const {
  const uint64_t directory_version = engine_.DirectoryVersion();
  absl::MutexLock lock(&memory_mutex_);
  const auto found = memory_.find(address);
  if (found == memory_.end() || found->second.directory_version != directory_version) return std::nullopt;
  return found->second.resolution;
}

// Only what takes mail whatever its size and whatever is in the mailbox.
void RecipientResolver::Remember(absl::string_view address, const Expansion& expansion,
                                 const Resolution& resolution, uint64_t directory_version) {
  if (directory_version == 0 || !Takes(resolution)) return;
  // SECURITY: strangers choose tags and the local parts of a catch-all, as many as they like; with a list of
  // a thousand mailboxes behind each they would fill memory.
  if (resolution.mailboxes.size() > kMaxRememberedMailboxes) return;
  for (const Account& account : expansion.accounts) {
    if (account.quota_bytes != 0 || account.quota_messages != 0) return;
  }
  absl::MutexLock lock(&memory_mutex_);
  // Rare, and cheaper than to know which is the oldest.
  if (memory_.size() >= kMaxRememberedAddresses) memory_.clear();
  memory_.insert_or_assign(std::string(address), Memory{directory_version, resolution});
}

// For a domain whose own postmaster does not take the mail.
absl::StatusOr<Resolution> RecipientResolver::ResolvePostmaster(absl::string_view domain,
                                                                uint64_t message_bytes) {
  if (const absl::StatusOr<Address> parsed = ParseAddress(postmaster_); parsed.ok()) {
    ASSIGN_OR_RETURN(const Expansion expansion, Expand(*parsed));
    ASSIGN_OR_RETURN(Resolution resolution, Judge(expansion, message_bytes));
    if (Takes(resolution)) return resolution;
  }
  if (!domain.empty()) {
    ASSIGN_OR_RETURN(Resolution resolution, FirstAccount(domain, message_bytes));
    if (Takes(resolution)) return resolution;
  }
  return FirstAccount("", message_bytes);
}

// For postmaster without a domain.
absl::StatusOr<Resolution> RecipientResolver::ResolveAnyPostmaster(uint64_t message_bytes) {
  ASSIGN_OR_RETURN(const std::vector<Domain> domains, engine_.ListDomains("", kMaxPostmasterTries));
  if (postmaster_.empty()) {
    for (const Domain& domain : domains) {
      ASSIGN_OR_RETURN(const Expansion expansion, Expand(Address{"postmaster", domain.name}));
      ASSIGN_OR_RETURN(Resolution resolution, Judge(expansion, message_bytes));
      if (Takes(resolution)) return resolution;
    }
  }
  return ResolvePostmaster("", message_bytes);
}

absl::StatusOr<Resolution> RecipientResolver::FirstAccount(absl::string_view domain, uint64_t message_bytes) {
  ASSIGN_OR_RETURN(std::vector<Account> accounts, engine_.ListAccounts(domain, "", kMaxPostmasterTries));
  for (Account& account : accounts) {
    Expansion only_this;
    only_this.accounts.push_back(std::move(account));
    ASSIGN_OR_RETURN(Resolution resolution, Judge(only_this, message_bytes));
    if (Takes(resolution)) return resolution;
  }
  return Resolution();
}

absl::StatusOr<bool> RecipientResolver::MaySendAs(absl::string_view account, absl::string_view sender) {
  ASSIGN_OR_RETURN(const DirectoryAddress own, CheckAddress("account", account));
  if (sender.empty()) return true;
  const absl::StatusOr<Address> parsed = ParseAddress(sender);
  if (!parsed.ok()) return FieldError("sender", parsed.status().message());
  ASSIGN_OR_RETURN(const Account holder, engine_.GetAccount(own.key));
  ASSIGN_OR_RETURN(const Expansion expansion, Expand(*parsed));
  for (const Account& reached : expansion.accounts) {
    if (reached.mailbox == holder.mailbox) return true;
  }
  return false;
}

}  // namespace mailstead::store
