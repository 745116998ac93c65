#include "stored/core/throttle.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"

namespace mailstead::stored {
namespace {

// 2^20 times any first delay is beyond any max_delay.
constexpr double kMaxDoublings = 20;

// Between two guesses the first has already decayed by a little, and an old one leaves a little behind.
bool Reaches(double failures, int limit) { return failures >= limit - 0.5; }

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
      accounts_(options.max_entries) {}

std::string LoginThrottle::PairKey(absl::string_view account, absl::string_view network) {
  return absl::StrCat(network, " ", account);
}

double LoginThrottle::Failures(const Count* count) const {
  if (count == nullptr) return 0;
  const absl::Duration age = std::max(clock_.Now() - count->updated, absl::ZeroDuration());
  return count->failures * std::exp2(-absl::FDivDuration(age, options_.half_life));
}

void LoginThrottle::Add(Count& count) const {
  // A new count has no time yet; its 0 decays to 0.
  count.failures = Failures(&count) + 1;
  count.updated = clock_.Now();
}

absl::Duration LoginThrottle::DelayFor(absl::string_view account, absl::string_view network) {
  // Many people may share a network, so its count weighs as much less as its limit is higher.
  const double network_weight =
      static_cast<double>(options_.lockout_failures) / options_.network_lockout_failures;
  const double failures =
      std::max({Failures(pairs_.Find(PairKey(account, network))), Failures(accounts_.Find(account)),
                Failures(networks_.Find(network)) * network_weight});
  const double doublings =
      std::clamp(std::round(failures) - options_.failures_before_delay, 0.0, kMaxDoublings);
  return std::min(options_.first_delay * std::exp2(doublings), options_.max_delay);
}

bool LoginThrottle::IsLockedOut(absl::string_view account, absl::string_view network) {
  const absl::Time now = clock_.Now();
  absl::MutexLock lock(&mutex_);
  const Count* pair = pairs_.Find(PairKey(account, network));
  if (pair != nullptr && now < pair->locked_until) return true;
  const Count* whole_network = networks_.Find(network);
  return whole_network != nullptr && now < whole_network->locked_until;
}

absl::Duration LoginThrottle::Failure(absl::string_view account, absl::string_view network,
                                      absl::string_view fingerprint) {
  const absl::Time now = clock_.Now();
  absl::MutexLock lock(&mutex_);
  Count& pair = pairs_[PairKey(account, network)];
  if (fingerprint.empty() || pair.last_fingerprint != fingerprint) {
    pair.last_fingerprint = std::string(fingerprint);
    Add(pair);
    if (Reaches(pair.failures, options_.lockout_failures)) pair.locked_until = now + options_.lockout_time;
    Add(accounts_[account]);
    Count& whole_network = networks_[network];
    Add(whole_network);
    if (Reaches(whole_network.failures, options_.network_lockout_failures)) {
      whole_network.locked_until = now + options_.lockout_time;
    }
  }
  return DelayFor(account, network);
}

absl::Duration LoginThrottle::Delay(absl::string_view account, absl::string_view network) {
  absl::MutexLock lock(&mutex_);
  return DelayFor(account, network);
}

void LoginThrottle::Success(absl::string_view account, absl::string_view network) {
  absl::MutexLock lock(&mutex_);
  pairs_.Erase(PairKey(account, network));
}

}  // namespace mailstead::stored
