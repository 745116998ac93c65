// What bounds the DNS.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace mailstead::dns {

// RFC 1035 section 2.3.4: of a name on the wire, with its length bytes and the root's.
inline constexpr size_t kMaxNameBytes = 255;
inline constexpr size_t kMaxLabelBytes = 63;
// The longest answer over UDP: what every path carries unfragmented (DNS Flag Day 2020 chose it; RFC 9715 wants no more
// than 1400). Longer ones are asked again over TCP.
inline constexpr uint16_t kUdpPayloadBytes = 1232;
// Of one answer, records of the type that was asked for and aliases together. A stranger chooses how many; compressed
// names make 64 KiB on the wire megabytes in memory. The largest sets of real mail domains have some dozens.
inline constexpr size_t kMaxRecords = 256;
// CNAMEs from one name to the next. Resolvers give up at about as many.
inline constexpr int kMaxAliases = 12;

// How long an answer is kept at most: the validating resolver behind us keeps it as long as its owner says.
inline constexpr absl::Duration kMaxTtl = absl::Hours(1);
// RFC 2308 section 5 allows hours; a domain whose owner has just mended it should not wait for that.
inline constexpr absl::Duration kMaxNegativeTtl = absl::Minutes(15);
// At least, also with a TTL of 0: a thousand messages for one domain are not a thousand queries.
inline constexpr absl::Duration kMinTtl = absl::Seconds(5);
// A failure is remembered, so that a domain whose servers are down does not keep the resolver busy (RFC 9520 section
// 3.2: at least a second, at most five minutes).
inline constexpr absl::Duration kFailureTtl = absl::Seconds(5);

// Servers that an operator may name.
inline constexpr size_t kMaxServers = 8;
// Of the 65536 ids of queries, so many may be in use: a free one is found soon.
inline constexpr size_t kMaxOpenIds = 32768;

}  // namespace mailstead::dns
