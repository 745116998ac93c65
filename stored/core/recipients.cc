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
#include "stored/rules/mailbox.h"

namespace mailstead::stored {
namespace {

using Outcome = Resolution::Outcome;

// How many accounts or domains are tried in search of a postmaster.
constexpr size_t kMaxPostmasterTries = 100;

bool Takes(const Resolution& resolution) {
  return resolution.outcome == Outcome::kAccount || resolution.outcome == Outcome::kAlias;
}

// Whether the search for a postmaster ends here. A full mailbox is its answer: the sender is told to try again, and the
// mail does not move to somebody else until there is room.
bool Settles(const Resolution& resolution) {
  return Takes(resolution) || resolution.outcome == Outcome::kOverQuota ||
         resolution.outcome == Outcome::kQuotaTooSmall;
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

absl::string_view WhyPassedOver(ResolutionStep::Kind kind) {
  return kind == ResolutionStep::Kind::kDisabled ? " is disabled" : " has a smaller quota than the message";
}

}  // namespace

bool IsPostmaster(absl::string_view text) { return absl::EqualsIgnoreCase(text, "postmaster"); }

// ---- Following aliases

struct RecipientResolver::Following {
  // An address that is to be looked up.
  struct Open {
    Address address;
    // Of the alias whose target it is, in the path.
    int led_by = -1;
  };

  Expansion expansion;
  // May be null.
  ResolutionPath* path = nullptr;
  absl::flat_hash_set<std::string> seen_aliases;
  absl::flat_hash_set<AccountId> seen_accounts;
  absl::flat_hash_set<std::string> seen_remote;
  size_t followed = 0;
  // The addresses of the present depth, and of the next.
  std::vector<Open> level;
  std::vector<Open> next_level;
  // That the address itself leads to; empty: none.
  std::string first_alias;

  // The index of the step, by which its targets name it.
  int Tell(const Open& open, ResolutionStep::Kind kind, absl::string_view found_as = "",
           AccountId account = {}) {
    if (path == nullptr) return -1;
    if (path->steps.size() >= kMaxToldSteps) {
      ++path->further_count;
      return -1;
    }
    path->steps.push_back({open.address.ToString(), open.led_by, kind, std::string(found_as), account});
    return static_cast<int>(path->steps.size()) - 1;
  }

  void TakeUnknown(std::string address) {
    ++expansion.unknown_count;
    if (expansion.unknown.size() < kMaxNamedTargets) expansion.unknown.push_back(std::move(address));
  }

  void TakeRemote(const Open& open) {
    std::string address = open.address.ToString();
    const bool is_new = seen_remote.insert(address).second;
    Tell(open, is_new ? ResolutionStep::Kind::kRemote : ResolutionStep::Kind::kKnown);
    if (is_new) expansion.remote.push_back(std::move(address));
  }

  void Take(engine::Account account, const Open& from) {
    const bool is_new = seen_accounts.insert(account.id).second;
    Tell(from, is_new ? ResolutionStep::Kind::kAccount : ResolutionStep::Kind::kKnown, account.address,
         account.id);
    if (!is_new) return;
    expansion.members.push_back({account.id, std::move(account.address), account.disabled,
                                 account.quota_bytes, account.quota_messages, account.usage});
  }

  absl::Status Take(const engine::Alias& alias, const Open& from, int depth) {
    expansion.through_alias = true;
    if (depth == 0) first_alias = alias.address;
    const bool is_new = seen_aliases.insert(alias.address).second;
    const int step =
        Tell(from, is_new ? ResolutionStep::Kind::kAlias : ResolutionStep::Kind::kKnown, alias.address);
    if (!is_new) return absl::OkStatus();
    if (depth == kMaxAliasDepth) return AliasTooDeep(from.address, "is too deep");
    for (const std::string& target : alias.targets) {
      if (++followed > kMaxFollowedTargets) return AliasTooDeep(from.address, "has too many targets");
      // Targets were checked when the alias was made; one that no longer parses leads nowhere.
      absl::StatusOr<Address> parsed = ParseAddress(target);
      if (parsed.ok()) {
        next_level.push_back({*std::move(parsed), step});
      } else {
        TakeUnknown(target);
      }
    }
    return absl::OkStatus();
  }

  // The keys of the whole level in one list. Address literals have none: they lead away.
  absl::StatusOr<std::vector<std::string>> ToLookUp() const {
    std::vector<std::string> keys;
    for (const Open& open : level) {
      if (open.address.is_literal()) continue;
      ASSIGN_OR_RETURN(Keys of_address, KeysOf(open.address));
      keys.push_back(std::move(of_address.exact));
      if (!of_address.untagged.empty()) keys.push_back(std::move(of_address.untagged));
      keys.push_back(std::move(of_address.catch_all));
    }
    return keys;
  }

  // What the level's keys found.
  absl::Status Take(std::vector<engine::Place> places, int depth) {
    size_t i = 0;
    for (const Open& open : level) {
      // SECURITY: the domain is what follows the last '@' of a parsed address, so that percent, bang and
      // quoted forms ("user%other.test@ours", "user@other.test"@ours) are just local parts here and open no
      // relay.
      if (open.address.is_literal()) {
        TakeRemote(open);
        continue;
      }
      engine::Place& exact = places[i++];
      engine::Place* const untagged = WithoutTag(open.address).has_value() ? &places[i++] : nullptr;
      engine::Place& place = Choose(exact, untagged, places[i++]);
      if (!exact.domain.has_value()) {
        TakeRemote(open);
        continue;
      }
      if (depth == 0) expansion.ours = true;
      if (place.account.has_value()) {
        Take(*std::move(place.account), open);
      } else if (place.alias.has_value()) {
        RETURN_IF_ERROR(Take(*place.alias, open, depth));
      } else {
        Tell(open, ResolutionStep::Kind::kUnknown);
        if (depth > 0) TakeUnknown(open.address.ToString());
      }
    }
    return absl::OkStatus();
  }
};

Task<absl::StatusOr<RecipientResolver::SharedExpansion>> RecipientResolver::Expand(Address address,
                                                                                   ResolutionPath* path,
                                                                                   int led_by) {
  // Before anything is read.
  const int64_t directory_version = engine_.Version();
  Following following;
  following.path = path;
  following.level.push_back({std::move(address), led_by});
  for (int depth = 0; !following.level.empty(); ++depth) {
    CO_ASSIGN_OR_RETURN(std::vector<std::string> keys, following.ToLookUp());
    std::vector<engine::Place> places;
    if (!keys.empty()) {
      CO_ASSIGN_OR_RETURN(places, co_await engine_.LookUp(std::move(keys)));
    }
    CO_RETURN_IF_ERROR(following.Take(std::move(places), depth));
    if (depth == 0 && path == nullptr && !following.first_alias.empty()) {
      if (SharedExpansion wide = RememberedWide(following.first_alias)) co_return wide;
    }
    following.level = std::exchange(following.next_level, {});
  }
  auto expansion = std::make_shared<const Expansion>(std::move(following.expansion));
  for (const Member& member : expansion->members) RememberName(member, directory_version);
  if (!following.first_alias.empty()) RememberWide(following.first_alias, expansion, directory_version);
  co_return expansion;
}

ResolutionStep::Kind RecipientResolver::JudgeMember(const Member& member, const Demand& demand) {
  if (member.disabled) return ResolutionStep::Kind::kDisabled;
  if (!demand.room) return ResolutionStep::Kind::kAccount;
  if (rules::NeverTakes(member.quota_bytes, demand.message_bytes))
    return ResolutionStep::Kind::kQuotaTooSmall;
  const bool full = rules::IsFull(member.usage.message_bytes, member.usage.message_count, member.quota_bytes,
                                  member.quota_messages);
  return full ? ResolutionStep::Kind::kOverQuota : ResolutionStep::Kind::kAccount;
}

Resolution RecipientResolver::Judge(const Expansion& expansion, const Demand& demand) {
  Resolution resolution;
  resolution.remote = expansion.remote;
  if (!expansion.remote.empty() && !expansion.through_alias) {
    resolution.outcome = Outcome::kRemote;
    return resolution;
  }
  PassedOver& passed_over = resolution.passed_over;
  passed_over.unknown_count = expansion.unknown_count;
  for (const std::string& address : expansion.unknown) {
    passed_over.named.push_back(absl::StrCat(address, " does not exist"));
  }
  // Whether somebody takes it now.
  bool taken = !resolution.remote.empty();
  std::vector<AccountId> disabled;
  for (const Member& member : expansion.members) {
    const ResolutionStep::Kind kind = JudgeMember(member, demand);
    if (kind == ResolutionStep::Kind::kAccount || kind == ResolutionStep::Kind::kOverQuota) {
      taken = taken || kind == ResolutionStep::Kind::kAccount;
      resolution.accounts.push_back(member.id);
      continue;
    }
    if (kind == ResolutionStep::Kind::kDisabled) {
      disabled.push_back(member.id);
      ++passed_over.disabled_count;
    } else {
      ++passed_over.too_small_count;
    }
    if (passed_over.named.size() < kMaxNamedTargets) {
      passed_over.named.push_back(absl::StrCat(member.address, WhyPassedOver(kind)));
    }
  }
  if (taken) {
    resolution.outcome = expansion.through_alias ? Outcome::kAlias : Outcome::kAccount;
  } else if (!resolution.accounts.empty()) {
    resolution.outcome = Outcome::kOverQuota;
  } else if (passed_over.too_small_count > 0) {
    resolution.outcome = Outcome::kQuotaTooSmall;
  } else if (!disabled.empty()) {
    resolution.outcome = Outcome::kDisabled;
    resolution.accounts = std::move(disabled);
  } else {
    resolution.outcome = Outcome::kUnknown;
  }
  return resolution;
}

void RecipientResolver::JudgePath(const Expansion& expansion, const Demand& demand, ResolutionPath* path) {
  if (path == nullptr) return;
  absl::flat_hash_map<AccountId, ResolutionStep::Kind> kinds;
  for (const Member& member : expansion.members) kinds[member.id] = JudgeMember(member, demand);
  for (ResolutionStep& step : path->steps) {
    if (step.kind != ResolutionStep::Kind::kAccount) continue;
    if (const auto found = kinds.find(step.account); found != kinds.end()) step.kind = found->second;
  }
}

// ---- Resolving

Task<absl::StatusOr<Resolution>> RecipientResolver::Resolve(std::string address, int64_t message_bytes,
                                                            ResolutionPath* path) {
  if (path == nullptr) {
    if (std::optional<Resolution> remembered = Remembered(address)) co_return *std::move(remembered);
  }
  co_return co_await Resolve(std::move(address), Demand{message_bytes, /*room=*/true}, path);
}

Task<absl::StatusOr<Resolution>> RecipientResolver::ResolveDestinations(std::string address) {
  if (const Destinations* remembered = FindRemembered(address)) co_return remembered->resolution;
  co_return co_await Resolve(std::move(address), Demand{0, /*room=*/false}, nullptr);
}

Task<absl::StatusOr<Resolution>> RecipientResolver::Resolve(std::string address, Demand demand,
                                                            ResolutionPath* path) {
  if (IsPostmaster(address)) co_return co_await ResolveAnyPostmaster(demand, path);
  const absl::StatusOr<Address> parsed = ParseAddress(address);
  if (!parsed.ok()) co_return FieldError("address", parsed.status().message());
  if (srs_ != nullptr && srs_->Reads(*parsed)) co_return co_await ResolveSrs(*parsed, demand, path);
  // Before anything is read.
  const int64_t directory_version = engine_.Version();
  CO_ASSIGN_OR_RETURN(const SharedExpansion expansion, co_await Expand(*parsed, path));
  if (!expansion->ours && srs_ != nullptr && srs_->IsHere(*parsed)) {
    // Nobody has a mailbox there; but mail is taken there, and so postmaster's is (RFC 5321 section 4.5.1).
    if (IsPostmaster(parsed->local_part)) co_return co_await ResolvePostmaster("", demand, path);
    if (path != nullptr && !path->steps.empty()) path->steps.front().kind = ResolutionStep::Kind::kUnknown;
    co_return Resolution();
  }
  JudgePath(*expansion, demand, path);
  Resolution resolution = Judge(*expansion, demand);
  Remember(address, *expansion, directory_version);
  if (!expansion->ours || !IsPostmaster(parsed->local_part) || Settles(resolution)) co_return resolution;
  CO_ASSIGN_OR_RETURN(std::string domain, NormalizeDomain(parsed->domain));
  CO_ASSIGN_OR_RETURN(Resolution fallback, co_await ResolvePostmaster(std::move(domain), demand, path));
  co_return Settles(fallback) ? fallback : resolution;
}

Task<absl::StatusOr<Resolution>> RecipientResolver::ResolveSrs(Address address, Demand demand, ResolutionPath* path) {
  Resolution refused;
  CO_ASSIGN_OR_RETURN(const SrsSenderFound found, co_await srs_->Reverse(address));
  if (found.outcome != SrsSenderFound::Outcome::kSender) {
    const bool forged = found.outcome == SrsSenderFound::Outcome::kForged;
    refused.outcome = forged ? Outcome::kSrsForged : Outcome::kSrsExpired;
    if (path != nullptr) path->steps.push_back({address.ToString(), -1, ResolutionStep::Kind::kUnknown});
    co_return refused;
  }
  if (path != nullptr) {
    path->steps.push_back({address.ToString(), -1, ResolutionStep::Kind::kAlias, address.ToString()});
  }
  CO_ASSIGN_OR_RETURN(const SharedExpansion to, co_await Expand(found.sender, path, path == nullptr ? -1 : 0));
  JudgePath(*to, demand, path);
  // SECURITY: who made the address is the store, and so anybody may send there, as to an alias.
  Expansion through = *to;
  through.through_alias = true;
  co_return Judge(through, demand);
}

const RecipientResolver::Destinations* RecipientResolver::FindRemembered(absl::string_view address) const {
  const auto found = resolutions_.find(address);
  if (found == resolutions_.end() || found->second.directory_version != engine_.Version()) return nullptr;
  return &found->second.value;
}

std::optional<Resolution> RecipientResolver::Remembered(absl::string_view address) const {
  const Destinations* const remembered = FindRemembered(address);
  if (remembered == nullptr || remembered->has_quota) return std::nullopt;
  return remembered->resolution;
}

// Only what takes mail, were there room.
void RecipientResolver::Remember(const std::string& address, const Expansion& expansion,
                                 int64_t directory_version) {
  if (directory_version == 0) return;
  // SECURITY: strangers choose tags and the local parts of a catch-all, as many as they like; with a list of
  // a thousand mailboxes behind each they would fill memory.
  if (expansion.members.size() + expansion.remote.size() > kMaxRememberedMailboxes) return;
  Destinations destinations{Judge(expansion, Demand{0, /*room=*/false}), false};
  if (!Takes(destinations.resolution)) return;
  for (const Member& member : expansion.members) {
    destinations.has_quota = destinations.has_quota || member.has_quota();
  }
  // Rare, and cheaper than to know which is the oldest.
  if (resolutions_.size() >= kMaxRememberedAddresses) resolutions_.clear();
  resolutions_.insert_or_assign(address, Memory<Destinations>{directory_version, std::move(destinations)});
}

void RecipientResolver::RememberWide(const std::string& alias, SharedExpansion expansion,
                                     int64_t directory_version) {
  const size_t members = expansion->members.size() + expansion->remote.size();
  if (directory_version == 0 || members <= kMaxRememberedMailboxes) return;
  wide_members_ += members;
  if (wide_members_ > kMaxRememberedMembers) {
    wide_.clear();
    wide_members_ = members;
  }
  wide_.insert_or_assign(
      alias, Memory<Wide>{directory_version, Wide{std::move(expansion), steady_.Now() + kWideMemory}});
}

RecipientResolver::SharedExpansion RecipientResolver::RememberedWide(const std::string& alias) const {
  const auto found = wide_.find(alias);
  if (found == wide_.end() || found->second.directory_version != engine_.Version()) return nullptr;
  const Wide& wide = found->second.value;
  return steady_.Now() < wide.until ? wide.expansion : nullptr;
}

void RecipientResolver::RememberName(const Member& member, int64_t directory_version) {
  if (directory_version == 0) return;
  if (names_.size() >= kMaxRememberedAddresses) names_.clear();
  names_.insert_or_assign(member.id, Memory<std::string>{directory_version, member.address});
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
  Member member;
  member.id = account;
  member.address = std::move(found->address);
  RememberName(member, directory_version);
  co_return std::move(member.address);
}

// ---- Postmaster

Task<absl::StatusOr<Resolution>> RecipientResolver::ResolvePostmaster(std::string domain, Demand demand,
                                                                      ResolutionPath* path) {
  if (const absl::StatusOr<Address> parsed = ParseAddress(postmaster_); parsed.ok()) {
    CO_ASSIGN_OR_RETURN(const SharedExpansion expansion,
                        co_await Expand(*parsed, path, path == nullptr || path->steps.empty() ? -1 : 0));
    JudgePath(*expansion, demand, path);
    Resolution resolution = Judge(*expansion, demand);
    if (Settles(resolution)) co_return resolution;
  }
  if (!domain.empty()) {
    CO_ASSIGN_OR_RETURN(Resolution resolution, co_await FirstAccount(std::move(domain), demand, path));
    if (Settles(resolution)) co_return resolution;
  }
  co_return co_await FirstAccount("", demand, path);
}

Task<absl::StatusOr<Resolution>> RecipientResolver::ResolveAnyPostmaster(Demand demand,
                                                                         ResolutionPath* path) {
  CO_ASSIGN_OR_RETURN(const std::vector<engine::Domain> domains,
                      co_await engine_.ListDomains("", kMaxPostmasterTries));
  if (postmaster_.empty()) {
    for (const engine::Domain& domain : domains) {
      Address address{"postmaster", domain.name};
      ResolutionPath of_domain;
      CO_ASSIGN_OR_RETURN(const SharedExpansion expansion,
                          co_await Expand(std::move(address), path == nullptr ? nullptr : &of_domain));
      Resolution resolution = Judge(*expansion, demand);
      if (!Settles(resolution)) continue;
      JudgePath(*expansion, demand, &of_domain);
      if (path != nullptr) *path = std::move(of_domain);
      co_return resolution;
    }
  }
  co_return co_await ResolvePostmaster("", demand, path);
}

Task<absl::StatusOr<Resolution>> RecipientResolver::FirstAccount(std::string domain, Demand demand,
                                                                 ResolutionPath* path) {
  CO_ASSIGN_OR_RETURN(std::vector<engine::Account> accounts,
                      co_await engine_.ListAccounts(std::move(domain), "", kMaxPostmasterTries));
  for (engine::Account& account : accounts) {
    Expansion only_this;
    only_this.members.push_back({account.id, account.address, account.disabled, account.quota_bytes,
                                 account.quota_messages, account.usage});
    Resolution resolution = Judge(only_this, demand);
    if (!Settles(resolution)) continue;
    if (path != nullptr) {
      const int led_by = path->steps.empty() ? -1 : 0;
      path->steps.push_back(
          {account.address, led_by, ResolutionStep::Kind::kAccount, account.address, account.id});
    }
    co_return resolution;
  }
  co_return Resolution();
}

// ---- Senders

Task<absl::StatusOr<bool>> RecipientResolver::MaySendAs(std::string account, std::string sender) {
  CO_ASSIGN_OR_RETURN(DirectoryAddress own, CheckAddress("account", account));
  if (sender.empty()) co_return true;
  const absl::StatusOr<Address> parsed = ParseAddress(sender);
  if (!parsed.ok()) co_return FieldError("sender", parsed.status().message());
  CO_ASSIGN_OR_RETURN(const SharedExpansion expansion, co_await Expand(*parsed));
  for (const Member& reached : expansion->members) {
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
