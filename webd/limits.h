// A limit on everything that a client can make us hold or do. Full means an error that says so, never growth. Sizes of the
// grammar are in http/limits.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace mailstead::web {

// A message of 5 MiB, which is what the store takes in one request, is 6.7 MiB in the base64 of JSON. Unless the operator says
// otherwise.
inline constexpr size_t kMaxRequestBytes = size_t{8} << 20;
// What all requests and responses hold together, unless the operator says otherwise.
inline constexpr size_t kBodyMemoryBytes = size_t{256} << 20;
// The least that it may be for each byte of --max_request_bytes: a body that grows, unpacked, and translated.
inline constexpr size_t kBodyMemoryFactor = 4;

// Bytes taken from the socket in one read.
inline constexpr size_t kReadBytes = 16'384;
// A body of a refused request up to here is read and thrown away, so that the connection can go on; a longer one ends it.
inline constexpr size_t kMaxSkippedBytes = 65'536;
// What a client may send on while a stream is on its way to it: the head of its next request, say.
inline constexpr size_t kMaxAheadBytes = 16'384;
// How long, and for how many bytes, a client that still talks is listened to while we close: one that is reset in the middle of an
// upload may never read why it was refused.
inline constexpr absl::Duration kLeaveTimeout = absl::Seconds(1);
inline constexpr size_t kMaxLeaveBytes = size_t{1} << 20;
// What a refused client may take to read why.
inline constexpr absl::Duration kRefusalTimeout = absl::Seconds(1);

// --- HTTP/2

// Requests at the same time on one connection, unless the operator says otherwise: RFC 9113 section 6.5.2 names 100 as the least.
inline constexpr size_t kMaxStreams = 100;
// For each of these, how many requests may be under way: those that the client has reset, but the store not answered, too.
inline constexpr size_t kMaxCallsPerStream = 2;
// What a client may send of one body, and of all on a connection, before it is taken: as much as is on its way at 20 MB/s over
// 50 ms.
inline constexpr size_t kStreamWindowBytes = size_t{256} << 10;
inline constexpr size_t kConnectionWindowBytes = size_t{1} << 20;
// What is written to the socket at once, and held while the client does not take it.
inline constexpr size_t kMaxOutputBytes = 65'536;
// Frames that give us work and bring a request no further (PING, SETTINGS, empty DATA), and resets of requests, which
// count as many: as many at once, and in each second (CVE-2019-9511 and its kin; CVE-2023-44487, rapid reset).
inline constexpr double kMaxIdleFrames = 1000;
inline constexpr double kIdleFramesPerSecond = 100;
inline constexpr double kFramesOfAReset = 10;
// How many reads are served before others have their turn.
inline constexpr int kReadsInARow = 8;

// How long a connection may wait for what.
struct ConnectionTimeouts {
  // Between two requests, and before the first.
  absl::Duration idle = absl::Minutes(1);
  // From the first byte of a request to the end of its head, whatever the pace.
  absl::Duration head = absl::Seconds(10);
  // From there to the end of its body.
  absl::Duration body = absl::Minutes(1);
  // A client that takes no byte of a response for this long is gone.
  absl::Duration write = absl::Seconds(30);
  absl::Duration tls_handshake = absl::Seconds(30);
  absl::Duration proxy_header = absl::Seconds(10);
  // One call to the store with one answer; a client may name less.
  absl::Duration store_call = absl::Seconds(30);
  // One that is answered by a stream.
  absl::Duration stream = absl::Hours(1);
};

}  // namespace mailstead::web
