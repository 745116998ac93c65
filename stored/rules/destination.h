// Where mail for other hosts goes, as the queue sees it: when the next of it is due, and which hosts take it. What
// these take is the site's (rules/site.h). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/engine/types.h"
#include "stored/rules/queue.h"
#include "stored/rules/site.h"

namespace mailstead::rules {

// What is kept of a destination.
struct Destination {
  // The site of its hosts, as last reported; empty: not known, and it is a site of its own.
  std::string site;
  // So long that is believed. InfinitePast when it is not known.
  absl::Time site_until = absl::InfinitePast();
  int64_t recipient_count = 0;
  int32_t in_flight_count = 0;  // attempts
  // Where lanes took their last turn.
  uint64_t last_lane = 0;
  // Its place among the others: since when one of its recipients could go out, or from when on one can, or a while before
  // that; InfiniteFuture: all are held or in flight.
  absl::Time waiting_since = absl::InfiniteFuture();
  bool operator==(const Destination&) const = default;
};

// The end of QueuePolicy::site_memory is a whole hour, so that it is not written anew at each report.
inline constexpr absl::Duration kSiteMemoryStep = absl::Hours(1);
// When hosts that are away were tried in vain, so many of the destinations that wait for them longest are looked at,
// and those whose hosts were reported too long ago are asked about anew, by an attempt each.
inline constexpr size_t kMostAskedAnew = 20;
// Mail for a destination that had none stands in front of those that have waited for less than this: with a million messages
// in the queue it goes out at once. One with much mail has it for its first turn only; and new destinations without end keep
// the others waiting for no longer.
inline constexpr absl::Duration kHeadStart = absl::Minutes(5);
// Of those that nothing waits for, one commit drops so many at most.
inline constexpr size_t kMostForgotten = 100;

// The site under which it hangs now.
std::string SiteNameOf(absl::string_view name, const Destination& destination);
// Its hosts were found to be this site.
void Learn(Destination& destination, absl::string_view site, const QueuePolicy& policy, absl::Time now);
// They are not known any more.
void Unlearn(Destination& destination);
// Nothing waits for it, and nothing is under way.
bool IsIdle(const Destination& destination);
// It is kept for its site alone.
bool IsRemembered(const Destination& destination);
// Whether its hosts are to be asked about anew.
bool IsStale(const Destination& destination, absl::Time now);
// One of its recipients is neither held nor in flight (any more), and due at this time. Of a destination that had none: before
// it is counted.
void AddWaiting(Destination& destination, absl::Time next_attempt_time);

// Of what ends by time only what is not over.
engine::QueueDestination QueueDestinationOf(absl::string_view name, const Destination& destination,
                                            const Site& site, const QueuePolicy& policy, absl::Time now);

// The lane of a sender's mail: the same for the same text.
uint64_t LaneOf(absl::string_view lane);

}  // namespace mailstead::rules
