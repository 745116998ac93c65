// What is bounded of a connection to another host, each with its section or reason.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace mailstead::smtp::outbound {

// How long a host may take. Those of RFC 5321 section 4.5.3.2 are the least that it asks a client to wait.
struct Timeouts {
  // RFC 5321 has none; what the kernel tries first (SYN three times) takes 7 s.
  absl::Duration connect = absl::Seconds(30);
  absl::Duration greeting = absl::Minutes(5);  // section 4.5.3.2.1
  // No section: as MAIL. For EHLO, HELO, STARTTLS and each step of AUTH.
  absl::Duration hello = absl::Minutes(5);
  // A whole handshake; as long as our own server gives one to its clients.
  absl::Duration handshake = absl::Seconds(30);
  absl::Duration mail = absl::Minutes(5);        // section 4.5.3.2.2
  absl::Duration rcpt = absl::Minutes(5);        // section 4.5.3.2.3
  absl::Duration data = absl::Minutes(2);        // section 4.5.3.2.4
  absl::Duration data_block = absl::Minutes(3);  // section 4.5.3.2.5: each write that makes progress
  // The reply to a chunk that is not the last (RFC 3030 has none): as to RCPT.
  absl::Duration chunk = absl::Minutes(5);
  absl::Duration final_dot = absl::Minutes(10);  // section 4.5.3.2.6: less makes duplicates
  // The outcome of the transaction is known, and only the connection's use is at stake.
  absl::Duration reset = absl::Seconds(20);
  // From MAIL to the end of the message, however little by little the host takes it; as long as our own server takes
  // for one. The reply to the end has its own time behind it.
  absl::Duration transaction = absl::Hours(1);
  // No one of them is longer than this.
  absl::Duration cap = absl::InfiniteDuration();

  absl::Duration Capped(absl::Duration timeout) const { return std::min(timeout, cap); }
};

// Commands that wait for their replies (RFC 2920 section 3.1): what they are answered with, 64 lines of 512 octets,
// fits into the buffers of any two hosts, so that neither waits for the other to read.
inline constexpr size_t kMaxPipelinedCommands = 64;
// Of the body, in one piece.
inline constexpr uint64_t kMaxPieceBytes = 65'536;
// Of the body, in one BDAT: a host that refuses a large message says so this early.
inline constexpr uint64_t kDefaultChunkBytes = 8'388'608;
// 334s in one AUTH exchange: the longest mechanism that we have takes three.
inline constexpr int kMaxAuthSteps = 8;

}  // namespace mailstead::smtp::outbound
