// The hosts that take the mail of a destination, or of many, as the queue sees them: how many attempts they take at a
// time and in a minute, whether they answer, and whether their TLS works. All limits belong to them; when mail for a
// destination is due is the destination's own (rules/destination.h). Pure.
//
// The window grows by 1 after each answer, which doubles it while the answers to a whole window come, up to the first
// failure to reach the hosts; from then on by 1 after as many answers as it is wide, and it shrinks by 1 after as many
// failures (1/N feedback). Failures of a whole window, without an answer in between, mean that they are away: from then on one
// attempt at a time looks whether they are back, with growing pauses, and all else waits without being touched.
//
// Attempts within a rate are spaced evenly (a token bucket as long as kRateSlack): a site gets no more than the rate
// allows in any span of its period, and kRateSlack's worth on top.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/engine/types.h"
#include "stored/rules/queue.h"

namespace mailstead::rules {

// What is kept of a site.
struct Site {
  int32_t window = 0;  // 0: as the policy begins
  // Parts of a step of the window, in thousandths.
  int32_t gained = 0;
  int32_t lost = 0;  // above 0 since the first failure
  // Failures since the last answer, in thousandths of the window they met; 1000 and more: it is away.
  int32_t missed = 0;
  // When it is tried again while it is away, and how long it was given last.
  absl::Time paused_until = absl::InfinitePast();
  absl::Duration pause;
  // When the next attempt would begin if all were spaced evenly.
  absl::Time paced_until = absl::InfinitePast();
  // Until then mail goes in the clear where nothing forbids it.
  absl::Time tls_broken_until = absl::InfinitePast();
  int32_t in_flight_count = 0;  // attempts that began under it
  // Destinations that hang under it.
  int64_t destination_count = 0;
  // Since when the first of these has waited, or from when on it does; InfiniteFuture: none does.
  absl::Time waiting_since = absl::InfiniteFuture();
  bool operator==(const Site&) const = default;
};

// Work is looked for each 50 ms, by several front-ends: what a rate allows in between is not lost.
inline constexpr absl::Duration kRateSlack = absl::Milliseconds(200);
// How long broken TLS is remembered: a host that never mends it costs four connections a day that come to nothing, and
// one that does is spoken to under TLS again on the same day.
inline constexpr absl::Duration kBrokenTlsMemory = absl::Hours(6);

int32_t WindowOf(const Site& site, const QueuePolicy& policy);
bool IsAway(const Site& site);
bool IsTlsBroken(const Site& site, absl::Time now);
// From when on the rate allows an attempt; InfinitePast: at any time.
absl::Time PacedUntil(const Site& site, const QueuePolicy& policy);
// How many attempts may begin now.
int32_t FreeAttempts(const Site& site, const QueuePolicy& policy, absl::Time now);
// An attempt begins.
void Begin(Site& site, const QueuePolicy& policy, absl::Time now);
// One that began under it ended with this, or its lease did (kNone).
void End(Site& site, engine::QueueReport::Sign sign, const QueuePolicy& policy, absl::Time now);
// One that began under another site was about this one: it is judged by it as by its own, but that it does not answer
// is news only once, and counts against its rate.
void EndElsewhere(Site& site, engine::QueueReport::Sign sign, const QueuePolicy& policy, absl::Time now);
void NoteTls(Site& site, engine::QueueReport::Tls tls, absl::Time now);
// From when on an attempt may begin; InfiniteFuture: not by time alone.
absl::Time DueTime(const Site& site, const QueuePolicy& policy);
// It is tried now, if it is away.
void Wake(Site& site);

// A site that nobody knew of, found by a destination whose own site was this: what was seen of it was seen of these
// hosts.
Site FoundedOn(const Site& own);
// The site of a destination alone that hung under this one, which is away: one attempt finds out whether it still does.
Site AskedAnew(const Site& site);

// The name of a site that is one destination's alone, because its hosts are not known; no other site has an '@' in
// front.
std::string OwnSiteName(absl::string_view destination);
bool IsOwnSite(absl::string_view site);
// The name of hosts, as a front-end has it: printable ASCII without '@', at most store::kMaxSiteBytes. InvalidArgument
// with the field "site".
absl::Status CheckSiteName(absl::string_view name);

}  // namespace mailstead::rules
