#include "stored/core/throttle.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/text/utf8.h"
#include "stored/core/digest.h"

namespace mailstead::stored {
namespace {

// 2^20 times any first delay is beyond any max_delay.
constexpr double kMaxDoublings = 20;

// Between two guesses the first has already decayed by a little, and an old one leaves a little behind.
bool Reaches(double failures, int limit) { return failures >= limit - 0.5; }

// Names that are longer stand for themselves as their SHA-256: strangers choose them, and tables are of bounded size.
constexpr size_t kMaxNameBytes = 64;

constexpr absl::string_view kDigestMark = "sha256:";

// Longer than a name that stands for itself, and so never taken for one.
std::string ShortName(absl::string_view account) {
  if (account.size() <= kMaxNameBytes && IsValidUtf8(account)) return std::string(account);
  return absl::StrCat(kDigestMark, absl::BytesToHexString(Sha256(account)));
}

// As an operator gives it: as it was listed, or as a client would.
std::string NamedAccount(absl::string_view account) {
  const bool is_listed = absl::StartsWith(account, kDigestMark) && account.size() > kMaxNameBytes;
  return is_listed ? std::string(account) : ShortName(account);
}

// Of an account in a network.
struct Pair {
  absl::string_view account;
  absl::string_view network;
};

// A network has no spaces.
Pair PairOf(absl::string_view pair_key) {
  const size_t space = pair_key.find(' ');
  return {pair_key.substr(space + 1), pair_key.substr(0, space)};
}

constexpr absl::string_view kIpv6Prefix = "/64";

}  // namespace

absl::StatusOr<std::string> ClientNetwork(absl::string_view field, absl::string_view client_address) {
  // A link-local address may carry the name of an interface.
  const std::string text(client_address.substr(0, client_address.find('%')));
  in_addr v4;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return text;
  in6_addr v6;
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1)
    return FieldError(field, "must be an IPv4 or IPv6 address");
  char shown[INET6_ADDRSTRLEN];
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    inet_ntop(AF_INET, &v6.s6_addr[12], shown, sizeof(shown));
    return std::string(shown);
  }
  // One customer has at least a /64 and may take a new address for every guess.
  std::memset(&v6.s6_addr[8], 0, 8);
  inet_ntop(AF_INET6, &v6, shown, sizeof(shown));
  return absl::StrCat(shown, kIpv6Prefix);
}

absl::StatusOr<std::string> NamedNetwork(absl::string_view field, absl::string_view text) {
  if (absl::StrContains(text, ':')) absl::ConsumeSuffix(&text, kIpv6Prefix);
  return ClientNetwork(field, text);
}

absl::string_view NameOf(LockoutScope scope) {
  switch (scope) {
    case LockoutScope::kNetwork:
      return "network";
    case LockoutScope::kAccountInNetwork:
      return "account_in_network";
    case LockoutScope::kKnownAccountInNetwork:
      return "known_account_in_network";
    case LockoutScope::kAccount:
      return "account";
  }
  CHECK(false);
}

// The scope, and the key under which it is counted.
std::string KeyOf(const Lockout& lockout) {
  const bool is_of_pair = !lockout.network.empty() && lockout.scope != LockoutScope::kNetwork;
  return absl::StrCat(static_cast<int>(lockout.scope), lockout.network, is_of_pair ? " " : "",
                      lockout.account);
}

LoginThrottle::LoginThrottle(const Clock& clock, const ThrottleOptions& options)
    : clock_(clock),
      options_(options),
      pairs_(options.max_entries),
      networks_(options.max_entries),
      accounts_(options.max_entries),
      oddities_(options.max_entries),
      known_(options.max_entries) {}

std::string LoginThrottle::PairKey(absl::string_view account, absl::string_view network) {
  return absl::StrCat(network, " ", ShortName(account));
}

double LoginThrottle::Failures(const Count* count) const {
  if (count == nullptr) return 0;
  const absl::Duration age = std::max(clock_.Now() - count->updated, absl::ZeroDuration());
  return count->failures * std::exp2(-absl::FDivDuration(age, options_.half_life));
}

bool LoginThrottle::Add(Count& count, absl::string_view fingerprint, int limit) const {
  count.last_fingerprint = std::string(fingerprint);
  // A new count has no time yet; its 0 decays to 0.
  count.failures = Failures(&count) + 1;
  count.updated = clock_.Now();
  if (!Reaches(count.failures, limit)) return false;
  count.locked_until = clock_.Now() + options_.lockout_time;
  return true;
}

absl::Duration LoginThrottle::Doubled(double failures) const {
  const double doublings =
      std::clamp(std::round(failures) - options_.failures_before_delay, 0.0, kMaxDoublings);
  return std::min(options_.first_delay * std::exp2(doublings), options_.max_delay);
}

absl::Duration LoginThrottle::DelayFor(absl::string_view pair_key, absl::string_view account,
                                       absl::string_view network) {
  return Doubled(std::max({Failures(pairs_.Find(pair_key)), Failures(accounts_.Find(ShortName(account))),
                           Failures(networks_.Find(network)) * NetworkWeight()}));
}

double LoginThrottle::NetworkWeight() const {
  // Many people may share a network, so its count weighs as much less as its limit is higher.
  return static_cast<double>(options_.lockout_failures) / options_.network_lockout_failures;
}

bool LoginThrottle::IsShut(absl::string_view pair_key, absl::string_view network) {
  const absl::Time now = clock_.Now();
  const Count* pair = pairs_.Find(pair_key);
  if (pair != nullptr && now < pair->locked_until) return true;
  const Count* whole_network = networks_.Find(network);
  return whole_network != nullptr && now < whole_network->locked_until;
}

LoginThrottle::Known* LoginThrottle::FindKnown(absl::string_view pair_key) {
  Known* const known = known_.Find(pair_key);
  return known != nullptr && clock_.Now() < known->since + options_.known_for ? known : nullptr;
}

bool LoginThrottle::IsLockedOut(absl::string_view account, absl::string_view network) {
  const std::string pair_key = PairKey(account, network);
  absl::MutexLock lock(&mutex_);
  if (!IsShut(pair_key, network)) return false;
  const Known* const known = FindKnown(pair_key);
  return known == nullptr || clock_.Now() < known->guesses.locked_until;
}

absl::Duration LoginThrottle::Failure(absl::string_view account, absl::string_view network,
                                      absl::string_view fingerprint) {
  const std::string pair_key = PairKey(account, network);
  absl::MutexLock lock(&mutex_);
  const auto is_new = [fingerprint](const Count& count) {
    return fingerprint.empty() || count.last_fingerprint != fingerprint;
  };
  if (IsShut(pair_key, network)) {
    // Only those who are known are listened to now.
    // SECURITY: their guesses are counted apart, where they change no delay: it would tell who is known.
    Known* const known = FindKnown(pair_key);
    if (known != nullptr && is_new(known->guesses) &&
        Add(known->guesses, fingerprint, options_.network_lockout_failures)) {
      NoteLockout(LockoutScope::kKnownAccountInNetwork);
    }
  } else if (Count& pair = pairs_[pair_key]; is_new(pair)) {
    if (Add(pair, fingerprint, options_.lockout_failures)) NoteLockout(LockoutScope::kAccountInNetwork);
    Add(accounts_[ShortName(account)], "", std::numeric_limits<int>::max());
    if (Add(networks_[network], "", options_.network_lockout_failures)) NoteLockout(LockoutScope::kNetwork);
  }
  return DelayFor(pair_key, account, network);
}

absl::Duration LoginThrottle::Delay(absl::string_view account, absl::string_view network) {
  const std::string pair_key = PairKey(account, network);
  absl::MutexLock lock(&mutex_);
  return DelayFor(pair_key, account, network);
}

absl::Duration LoginThrottle::Oddity(absl::string_view account, absl::string_view network) {
  const std::string pair_key = PairKey(account, network);
  absl::MutexLock lock(&mutex_);
  Count& count = oddities_[pair_key];
  Add(count, "", std::numeric_limits<int>::max());
  if (std::round(count.failures) <= options_.failures_before_delay) return absl::ZeroDuration();
  return Doubled(count.failures);
}

void LoginThrottle::Success(absl::string_view account, absl::string_view network) {
  const std::string pair_key = PairKey(account, network);
  absl::MutexLock lock(&mutex_);
  // SECURITY: a lock-out goes on for others, who would see by its end that somebody has logged in.
  if (!IsShut(pair_key, network)) pairs_.Erase(pair_key);
  known_[pair_key].since = clock_.Now();
}

// ---- For operators

void LoginThrottle::NoteLockout(LockoutScope scope) { ++lockouts_[static_cast<size_t>(scope) - 1]; }

// From how many on Doubled gives more than the first delay.
double LoginThrottle::DelayedFrom() const { return options_.failures_before_delay + 0.5; }

bool LoginThrottle::HasConsequences(const Count& count, double weight, absl::Time now) const {
  if (now < count.locked_until) return true;
  // What is few already is not decayed first.
  return count.failures * weight >= DelayedFrom() && Failures(&count) * weight >= DelayedFrom();
}

Lockout LoginThrottle::Describe(LockoutScope scope, absl::string_view key, const Count& count,
                                double weight) const {
  Lockout lockout;
  lockout.scope = scope;
  const Pair of = scope == LockoutScope::kNetwork   ? Pair{"", key}
                  : scope == LockoutScope::kAccount ? Pair{key, ""}
                                                    : PairOf(key);
  lockout.account = std::string(of.account);
  lockout.network = std::string(of.network);
  const double failures = Failures(&count);
  lockout.failure_count = static_cast<int>(std::round(failures));
  lockout.locked_out = clock_.Now() < count.locked_until;
  lockout.until = lockout.locked_out
                      ? count.locked_until
                      : clock_.Now() + options_.half_life * std::log2(failures * weight / DelayedFrom());
  return lockout;
}

template <typename Value, typename CountOf>
void LoginThrottle::ListScope(const LruMap<Value>& values, LockoutScope scope, CountOf count_of,
                              double weight, absl::string_view after, size_t limit,
                              std::vector<Lockout>& lockouts) {
  const size_t room = limit - std::min(limit, lockouts.size());
  const int place = after.empty() ? 0 : after[0] - '0';
  if (room == 0 || static_cast<int>(scope) < place) return;
  const bool goes_on = static_cast<int>(scope) == place;
  if (goes_on) after.remove_prefix(1);
  // The least keys so far, the greatest of them in front: nothing is copied of the others, of which there may be very many.
  std::vector<std::pair<absl::string_view, const Count*>> first;
  const absl::Time now = clock_.Now();
  values.ForEach([&](absl::string_view key, const Value& value) {
    if (goes_on && key <= after) return;
    if (first.size() == room && key >= first.front().first) return;
    const Count& count = count_of(value);
    if (!HasConsequences(count, weight, now)) return;
    if (first.size() == room) {
      std::pop_heap(first.begin(), first.end());
      first.pop_back();
    }
    first.emplace_back(key, &count);
    std::push_heap(first.begin(), first.end());
  });
  std::sort_heap(first.begin(), first.end());
  for (const auto& [key, count] : first) lockouts.push_back(Describe(scope, key, *count, weight));
}

std::vector<Lockout> LoginThrottle::List(absl::string_view after, size_t limit) {
  const auto itself = [](const Count& count) -> const Count& { return count; };
  const auto guesses = [](const Known& known) -> const Count& { return known.guesses; };
  std::vector<Lockout> lockouts;
  // One after the other: logins wait while one is looked at.
  {
    absl::MutexLock lock(&mutex_);
    ListScope(networks_, LockoutScope::kNetwork, itself, NetworkWeight(), after, limit, lockouts);
  }
  {
    absl::MutexLock lock(&mutex_);
    ListScope(pairs_, LockoutScope::kAccountInNetwork, itself, 1, after, limit, lockouts);
  }
  {
    absl::MutexLock lock(&mutex_);
    // They delay nothing.
    ListScope(known_, LockoutScope::kKnownAccountInNetwork, guesses, 0, after, limit, lockouts);
  }
  absl::MutexLock lock(&mutex_);
  ListScope(accounts_, LockoutScope::kAccount, itself, 1, after, limit, lockouts);
  return lockouts;
}

ClearedLockouts LoginThrottle::Clear(absl::string_view account, absl::string_view network) {
  const std::string name = account.empty() ? "" : NamedAccount(account);
  ClearedLockouts cleared;
  const auto note = [&](const Count& count) {
    if (count.failures == 0) return;
    ++cleared.count;
    if (clock_.Now() < count.locked_until) ++cleared.locked_out_count;
  };
  const auto is_meant = [&](absl::string_view key) {
    const Pair pair = PairOf(key);
    return (name.empty() || pair.account == name) && (network.empty() || pair.network == network);
  };
  const auto erase = [&](LruMap<Count>& counts, absl::string_view key) {
    const Count* const count = counts.Find(key);
    if (count == nullptr) return;
    note(*count);
    counts.Erase(key);
  };
  // It stays known there.
  const auto forgive = [&](Known& known) {
    note(known.guesses);
    known.guesses = Count();
  };
  absl::MutexLock lock(&mutex_);
  if (!name.empty() && !network.empty()) {
    const std::string pair_key = absl::StrCat(network, " ", name);
    erase(pairs_, pair_key);
    if (Known* const known = known_.Find(pair_key)) forgive(*known);
    return cleared;
  }
  erase(name.empty() ? networks_ : accounts_, name.empty() ? network : absl::string_view(name));
  pairs_.EraseIf([&](absl::string_view key, const Count& count) {
    if (!is_meant(key)) return false;
    note(count);
    return true;
  });
  known_.EraseIf([&](absl::string_view key, Known& known) {
    if (is_meant(key)) forgive(known);
    return false;
  });
  return cleared;
}

LockoutCounts LoginThrottle::CountLockouts() {
  LockoutCounts counts;
  const absl::Time time = clock_.Now();
  const auto add = [&](LockoutScope scope, const Count& count) {
    if (time < count.locked_until) ++counts.now[static_cast<size_t>(scope) - 1];
  };
  // One after the other: logins wait while one is looked at.
  {
    absl::MutexLock lock(&mutex_);
    networks_.ForEach([&](absl::string_view, const Count& count) { add(LockoutScope::kNetwork, count); });
  }
  {
    absl::MutexLock lock(&mutex_);
    pairs_.ForEach([&](absl::string_view, const Count& count) { add(LockoutScope::kAccountInNetwork, count); });
  }
  absl::MutexLock lock(&mutex_);
  known_.ForEach([&](absl::string_view, const Known& known) {
    add(LockoutScope::kKnownAccountInNetwork, known.guesses);
  });
  counts.total = lockouts_;
  return counts;
}

}  // namespace mailstead::stored
