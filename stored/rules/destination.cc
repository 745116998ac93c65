#include "stored/rules/destination.h"

#include <algorithm>
#include <string>

#include "stored/rules/times.h"

namespace mailstead::rules {

std::string SiteNameOf(absl::string_view name, const Destination& destination) {
  return destination.site.empty() ? OwnSiteName(name) : destination.site;
}

void Learn(Destination& destination, absl::string_view site, const QueuePolicy& policy, absl::Time now) {
  destination.site = std::string(site);
  const absl::Duration since_epoch = now + policy.site_memory - absl::UnixEpoch();
  destination.site_until = absl::UnixEpoch() + absl::Ceil(since_epoch, kSiteMemoryStep);
}

void Unlearn(Destination& destination) {
  destination.site.clear();
  destination.site_until = absl::InfinitePast();
}

bool IsIdle(const Destination& destination) {
  return destination.recipient_count == 0 && destination.in_flight_count == 0;
}

bool IsRemembered(const Destination& destination) { return IsIdle(destination) && !destination.site.empty(); }

bool IsStale(const Destination& destination, absl::Time now) { return destination.site_until <= now; }

void AddWaiting(Destination& destination, absl::Time next_attempt_time) {
  const absl::Duration ahead = IsIdle(destination) ? kHeadStart : absl::ZeroDuration();
  destination.waiting_since = std::min(destination.waiting_since, next_attempt_time - ahead);
}

engine::QueueDestination QueueDestinationOf(absl::string_view name, const Destination& destination,
                                            const Site& site, const QueuePolicy& policy, absl::Time now) {
  engine::QueueDestination shown;
  shown.name = std::string(name);
  shown.recipient_count = destination.recipient_count;
  shown.in_flight_count = destination.in_flight_count;
  shown.site = destination.site;
  shown.site_in_flight_count = site.in_flight_count;
  shown.site_destination_count = site.destination_count;
  shown.window = WindowOf(site, policy);
  shown.paused_until = site.paused_until;
  if (PacedUntil(site, policy) > now) shown.paced_until = PacedUntil(site, policy);
  if (IsTlsBroken(site, now)) shown.tls_broken_until = site.tls_broken_until;
  return shown;
}

uint64_t LaneOf(absl::string_view lane) {
  // FNV-1a: kept on disk, so it is the same in every program.
  uint64_t hash = 14695981039346656037U;
  for (const char c : lane) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash;
}

}  // namespace mailstead::rules
