// What an operator can bound, each with a flag of the same name. Fixed sizes of the grammar are in
// protocol/limits.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "common/mail/address.h"
#include "common/mail/hops.h"
#include "common/store/limits.h"
#include "common/text/dot_codec.h"

namespace mailstead::smtp {

struct Limits {
  // The size of a message as the client sends it, after dot-unstuffing. RFC 5321 section 4.5.3.1.7 asks for
  // 64 KiB at least.
  uint64_t max_message_bytes = 52'428'800;
  // The length of a command line with its CRLF, at most kMaxAuthLineBytes (a line with AUTH may always have
  // that). RFC 5321 section 4.5.3.1.4 asks for 512, each extension adds to it (SIZE 26, SMTPUTF8 10, DSN 600
  // on MAIL and 528 on RCPT, AUTH= 500).
  size_t max_command_bytes = 2048;
  // The length of a path with its angle brackets and source route; RFC 5321 section 4.5.3.1.3 asks for 256.
  // More makes room for routes only: the mailbox keeps to kMaxPathBytes.
  size_t max_path_bytes = kMaxPathBytes;
  // Recipients in one transaction; RFC 5321 section 4.5.3.1.8 asks for 100 at least.
  size_t max_recipients = 1000;
  // Replies of 5yz in one session.
  size_t max_errors = 100;
  // Commands in one session. It is far above what a client with a pool of connections sends; 0 means no
  // limit.
  size_t max_commands = 1'000'000;
  // Hops before a message counts as looping (RFC 5321 section 6.3).
  size_t max_received_headers = kMaxHops;
  BareLineEnds bare_line_ends = BareLineEnds::kRefuse;

  // How long a whole command may take from when it is awaited (RFC 5321 section 4.5.3.2.7), and a client to
  // read replies.
  absl::Duration command_timeout = absl::Minutes(5);
  // How long the next bytes of a message are waited for (section 4.5.3.2.5).
  absl::Duration data_timeout = absl::Minutes(5);
  // How long a message may take as a whole, however little by little it comes.
  absl::Duration message_timeout = absl::Hours(1);
  absl::Duration tls_handshake_timeout = absl::Seconds(30);
  absl::Duration proxy_header_timeout = absl::Seconds(5);
  // How long the greeting waits for clients that cannot wait.
  absl::Duration greeting_delay = absl::ZeroDuration();
};

// What follows are fixed bounds of the connection, not configurable.

// A message that is complete before this much was decoded goes to the store whole, with others. A greater one
// goes in pieces, and these are smaller: a thousand slow uploads each hold the beginning of one.
inline constexpr size_t kFirstPieceBytes = store::kWholeMessageBytes;
inline constexpr size_t kNextPieceBytes = 32'768;
// The size of one read from the socket.
inline constexpr size_t kReadBytes = 16'384;
// Replies gathered for pipelined commands before they are sent.
inline constexpr size_t kMaxGatheredReplyBytes = 32'768;
// How long and how much is read and thrown away after the last reply, so that the client can read it before
// the connection is reset.
inline constexpr int kLeaveSeconds = 2;
inline constexpr size_t kMaxLeaveBytes = 1'048'576;

}  // namespace mailstead::smtp
