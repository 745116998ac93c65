#include "stored/rules/site.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/store/limits.h"
#include "stored/rules/times.h"

namespace mailstead::rules {
namespace {

constexpr int32_t kStep = 1000;
// What is left of a loss behind its step: see HasMissed.
constexpr int32_t kMissedOnce = 1;

using Sign = engine::QueueReport::Sign;

// One part of as many as the window is wide: that many of them make a step (of windows up to 31; of wider ones one less
// may).
int32_t PartOf(int32_t window) { return (kStep + window - 1) / window; }

// Between two attempts; zero: there is no rate. Rounded up: never more attempts than the rate says.
absl::Duration Spacing(const QueuePolicy& policy) {
  if (policy.rate_count <= 0) return absl::ZeroDuration();
  return absl::Ceil(policy.rate_period / policy.rate_count, absl::Microseconds(1));
}

// How far ahead of the even spacing attempts may be.
absl::Duration Ahead(absl::Duration spacing) {
  return spacing * (std::max<int64_t>(1, kRateSlack / spacing) - 1);
}

void Pace(Site& site, const QueuePolicy& policy, absl::Time now) {
  const absl::Duration spacing = Spacing(policy);
  if (spacing == absl::ZeroDuration()) return;
  // A period ahead at most, whatever was found out afterwards to have been sent there.
  site.paced_until = Kept(std::min(std::max(site.paced_until, now) + spacing, now + policy.rate_period));
}

void BeAway(Site& site, absl::Duration pause, absl::Time now) {
  site.pause = Kept(pause);
  site.paused_until = Kept(now + site.pause);
}

// Whether the hosts were ever not reached.
bool HasMissed(const Site& site) { return site.lost > 0; }

void Answered(Site& site, const QueuePolicy& policy) {
  const int32_t window = WindowOf(site, policy);
  site.missed = 0;
  site.paused_until = absl::InfinitePast();
  site.pause = absl::ZeroDuration();
  site.gained += HasMissed(site) ? PartOf(window) : kStep;
  site.window = window;
  if (site.gained < kStep) return;
  site.gained = 0;
  site.window = std::min(window + 1, std::max(1, policy.max_window));
}

void Missed(Site& site, const QueuePolicy& policy, absl::Time now) {
  const int32_t window = WindowOf(site, policy);
  site.window = window;
  site.missed += PartOf(window);
  site.lost += PartOf(window);
  if (site.lost >= kStep) {
    site.lost = kMissedOnce;
    site.window = std::max(1, window - 1);
  }
  if (IsAway(site)) BeAway(site, std::min(policy.first_pause, policy.longest_pause), now);
}

}  // namespace

int32_t WindowOf(const Site& site, const QueuePolicy& policy) {
  const int32_t most = std::max(1, policy.max_window);
  return std::clamp(site.window == 0 ? policy.initial_window : site.window, 1, most);
}

bool IsAway(const Site& site) { return site.missed >= kStep; }

bool IsTlsBroken(const Site& site, absl::Time now) { return site.tls_broken_until > now; }

absl::Time PacedUntil(const Site& site, const QueuePolicy& policy) {
  const absl::Duration spacing = Spacing(policy);
  if (spacing == absl::ZeroDuration() || site.paced_until == absl::InfinitePast())
    return absl::InfinitePast();
  return site.paced_until - Ahead(spacing);
}

int32_t FreeAttempts(const Site& site, const QueuePolicy& policy, absl::Time now) {
  int32_t free = 0;
  if (IsAway(site)) {
    free = site.in_flight_count == 0 && now >= site.paused_until ? 1 : 0;
  } else {
    free = std::max(0, WindowOf(site, policy) - site.in_flight_count);
  }
  const absl::Duration spacing = Spacing(policy);
  if (spacing == absl::ZeroDuration()) return free;
  const absl::Duration left = Ahead(spacing) - std::max(site.paced_until - now, absl::ZeroDuration());
  if (left < absl::ZeroDuration()) return 0;
  return static_cast<int32_t>(std::min<int64_t>(free, left / spacing + 1));
}

void Begin(Site& site, const QueuePolicy& policy, absl::Time now) {
  ++site.in_flight_count;
  Pace(site, policy, now);
  // So that one of which nothing is ever heard costs a pause, too.
  if (IsAway(site)) site.paused_until = Kept(now + site.pause);
}

void End(Site& site, Sign sign, const QueuePolicy& policy, absl::Time now) {
  --site.in_flight_count;
  if (sign == Sign::kAnswered) return Answered(site, policy);
  if (sign != Sign::kUnreachable) return;
  if (!IsAway(site)) return Missed(site, policy, now);
  // One that began before it was away says nothing new.
  if (site.in_flight_count == 0) BeAway(site, std::min(2 * site.pause, policy.longest_pause), now);
}

void EndElsewhere(Site& site, Sign sign, const QueuePolicy& policy, absl::Time now) {
  if (sign == Sign::kNone) return;
  Pace(site, policy, now);
  if (sign == Sign::kAnswered) return Answered(site, policy);
  if (!IsAway(site)) Missed(site, policy, now);
}

void NoteTls(Site& site, engine::QueueReport::Tls tls, absl::Time now) {
  if (tls == engine::QueueReport::Tls::kUsed) site.tls_broken_until = absl::InfinitePast();
  if (tls == engine::QueueReport::Tls::kBroken) site.tls_broken_until = Kept(now + kBrokenTlsMemory);
}

absl::Time DueTime(const Site& site, const QueuePolicy& policy) {
  const absl::Time due = std::max(site.waiting_since, PacedUntil(site, policy));
  if (IsAway(site))
    return site.in_flight_count > 0 ? absl::InfiniteFuture() : std::max(due, site.paused_until);
  return site.in_flight_count < WindowOf(site, policy) ? due : absl::InfiniteFuture();
}

void Wake(Site& site) { site.paused_until = absl::InfinitePast(); }

Site FoundedOn(const Site& own) {
  Site site = own;
  site.in_flight_count = 0;
  site.destination_count = 0;
  site.waiting_since = absl::InfiniteFuture();
  return site;
}

Site AskedAnew(const Site& site) {
  Site own;
  own.missed = kStep;
  own.pause = site.pause;
  return own;
}

std::string OwnSiteName(absl::string_view destination) { return absl::StrCat("@", destination); }

bool IsOwnSite(absl::string_view site) { return !site.empty() && site[0] == '@'; }

absl::Status CheckSiteName(absl::string_view name) {
  const bool all_print = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != '@';
  });
  if (name.size() <= store::kMaxSiteBytes && all_print) return absl::OkStatus();
  return FieldError(
      "site", absl::StrCat("must be at most ", store::kMaxSiteBytes, " printable characters other than '@'"));
}

}  // namespace mailstead::rules
