// A limit on everything that a peer can make us hold or do. Full means a polite -ERR, never growth. Fixed
// sizes of the grammar are in protocol/limits.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "common/store/limits.h"

namespace mailstead::pop3 {

// A greater maildrop shows its oldest messages; the others come once these are deleted. About 40 MB of
// memory. Unless the operator says otherwise.
inline constexpr size_t kMaxMaildropMessages = 1'000'000;
// QUIT must be able to do what DELE said: what the store takes in one commit.
inline constexpr size_t kMaxDeletions = store::kMaxCommitDeletions;

// Bytes taken from the socket in one read: bounds what a pipelining client can make us buffer.
inline constexpr size_t kReadBytes = 4096;
// Replies gathered for a pipelining client before they are written, and the size of a piece of LIST or UIDL.
inline constexpr size_t kMaxGatheredReplyBytes = 16384;
// What one session, and all of them together, keep of messages that were fetched before they were asked for.
inline constexpr size_t kReadAheadBytes = 65536;
inline constexpr size_t kReadAheadBytesInAll = size_t{64} << 20;
inline constexpr size_t kReadAheadMessages = 16;
// What is remembered of listings between sessions, unless the operator says otherwise.
inline constexpr size_t kListingCacheBytes = size_t{64} << 20;
// All listings together, those that are remembered included, unless the operator says otherwise. Beyond it
// logins wait, and are refused.
inline constexpr size_t kListingMemoryBytes = size_t{256} << 20;
// What a message costs in a listing at most: 16 bytes, the longest unique-id, and a mark.
inline constexpr size_t kMaxListedMessageBytes = 88;
// The least that --listing_memory may be: the pages of two logins on their way.
inline constexpr int64_t kMinListingMemory = int64_t{2} << 20;
// The pages of a long listing that are here at one moment: one that is put into it, and the next one as it came.
inline constexpr size_t kListingPagesBytes = 2 * store::kMaxMaildropPageEntries * kMaxListedMessageBytes;

// RFC 1939 section 3: an inactivity timer has at least ten minutes.
inline constexpr absl::Duration kMinIdleTimeout = absl::Minutes(10);
// What a refused client may take to read why.
inline constexpr absl::Duration kRefusalTimeout = absl::Seconds(1);
// How long a login that failed is held up so that the store can take back what it may have locked.
inline constexpr absl::Duration kFailedOpenTimeout = absl::Seconds(1);
// How long, and for how many bytes, a client that still talks is listened to while we close.
inline constexpr absl::Duration kLeaveTimeout = absl::Seconds(1);
inline constexpr size_t kMaxLeaveBytes = 65536;

// What one session may do, chosen by the operator.
struct SessionLimits {
  // Commands in a row that are unknown, malformed or out of place; the last one closes the connection.
  int max_errors = 20;
  // Wrong passwords on one connection; the last one closes it. The store slows guessing down across
  // connections.
  int max_login_failures = 5;
};

// How long a connection may wait for what.
struct ConnectionTimeouts {
  // From one command to the end of the next. A client that sends a command byte by byte does not stretch it.
  absl::Duration idle = kMinIdleTimeout;
  // A client that takes no byte of a reply for this long is gone.
  absl::Duration write = absl::Minutes(5);
  absl::Duration tls_handshake = absl::Seconds(30);
  absl::Duration proxy_header = absl::Seconds(10);
  // One call to the store.
  absl::Duration store_call = absl::Seconds(30);
  // What a client may take, beyond that, to answer the challenges of one SASL exchange.
  absl::Duration challenges = absl::Minutes(1);
  // How long a login waits for other sessions to give back memory of their listings.
  absl::Duration listing_memory = absl::Seconds(2);
  // QUIT: how long a commit is tried again while the store is away.
  absl::Duration commit_retry_for = absl::Seconds(20);
  // QUIT: how long it is asked what a commit has come to that was perhaps sent.
  absl::Duration commit_outcome = absl::Minutes(1);
  // A message must be fetched within fetch_base and one second for each fetch_min_bytes_per_second of it, so
  // that a client that sips cannot hold the store's reader for ever.
  absl::Duration fetch_base = absl::Minutes(10);
  uint64_t fetch_min_bytes_per_second = 1024;
};

}  // namespace mailstead::pop3
