#include "stored/core/throttle.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "stored/core/digest.h"

namespace mailstead::stored {
namespace {

// 2^20 times any first delay is beyond any max_delay.
constexpr double kMaxDoublings = 20;

// Between two guesses the first has already decayed by a little, and an old one leaves a little behind.
bool Reaches(double failures, int limit) { return failures >= limit - 0.5; }

// Names that are longer stand for themselves as their SHA-256: strangers choose them, and tables are of bounded size.
constexpr size_t kMaxNameBytes = 64;

std::string ShortName(absl::string_view account) {
  return account.size() <= kMaxNameBytes ? std::string(account) : Sha256(account);
}

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
  return absl::StrCat(shown, "/64");
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
  // Many people may share a network, so its count weighs as much less as its limit is higher.
  const double network_weight =
      static_cast<double>(options_.lockout_failures) / options_.network_lockout_failures;
  return Doubled(std::max({Failures(pairs_.Find(pair_key)), Failures(accounts_.Find(ShortName(account))),
                           Failures(networks_.Find(network)) * network_weight}));
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
    if (known != nullptr && is_new(known->guesses))
      Add(known->guesses, fingerprint, options_.network_lockout_failures);
  } else if (Count& pair = pairs_[pair_key]; is_new(pair)) {
    Add(pair, fingerprint, options_.lockout_failures);
    Add(accounts_[ShortName(account)], "", std::numeric_limits<int>::max());
    Add(networks_[network], "", options_.network_lockout_failures);
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

}  // namespace mailstead::stored
