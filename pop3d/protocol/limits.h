// A limit on everything that a peer can make us hold or do. Full means a polite -ERR, never growth.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace mailstead::pop3 {

// A command with its CRLF (RFC 2449 section 4). AUTH with an initial response obeys it too (RFC
// 5034 section 4).
inline constexpr size_t kMaxCommandLineBytes = 255;
// A client's response within AUTH, with its CRLF: the size RFC 4954 section 4 names for SMTP,
// which shares mechanisms.
inline constexpr size_t kMaxAuthLineBytes = 12288;
// The first line of a response, with its CRLF (RFC 2449 section 4).
inline constexpr size_t kMaxReplyLineBytes = 512;

// RFC 1939 section 7: a unique-id has 1 to 70 characters.
inline constexpr size_t kMaxUniqueIdBytes = 70;
// A greater maildrop shows its oldest messages; the others come once these are deleted. About 60
// MB of memory.
inline constexpr size_t kMaxMaildropMessages = 1'000'000;
// What the store takes in one CommitMaildrop (mailbox.proto): QUIT must be able to do what DELE said.
inline constexpr size_t kMaxDeletions = 200'000;

// Bytes taken from the socket in one read: bounds what a pipelining client can make us buffer.
inline constexpr size_t kReadBytes = 4096;
// A message up to here is fetched whole, and others behind it with it; a greater one is streamed.
inline constexpr size_t kMaxWholeMessageBytes = 65536;
// What one session, and all of them together, keep of messages that were fetched before they were asked for.
inline constexpr size_t kReadAheadBytes = 65536;
inline constexpr size_t kReadAheadBytesInAll = size_t{64} << 20;
inline constexpr size_t kReadAheadMessages = 16;
// Replies gathered for a pipelining client before they are written, and the size of a piece of LIST or UIDL.
inline constexpr size_t kFlushBytes = 16384;

// RFC 1939 section 3: an inactivity timer has at least ten minutes.
inline constexpr absl::Duration kMinIdleTimeout = absl::Minutes(10);

// What one session may do, chosen by the operator.
struct SessionLimits {
  // Commands in a row that are unknown, malformed or out of place; the last one closes the connection.
  int max_errors = 20;
  // Wrong passwords on one connection; the last one closes it. The store slows guessing
  // down across connections.
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
  // QUIT: how long a commit is tried again while the store is away.
  absl::Duration commit_retry_for = absl::Seconds(20);
  // A message must be fetched within fetch_base and one second for each fetch_min_bytes_per_second of it, so
  // that a client that sips cannot hold the store's reader for ever.
  absl::Duration fetch_base = absl::Minutes(10);
  uint64_t fetch_min_bytes_per_second = 1024;
};

}  // namespace mailstead::pop3
