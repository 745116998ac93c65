// What a load is, and what it measured.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "bench/load/client.h"

namespace mailstead::bench {

struct Options {
  Target target;
  // Sessions at once.
  size_t sessions = 32;
  // In all: messages (smtp), sessions (pop3, poll) or connections to hold (idle).
  size_t count = 10'000;
  size_t message_bytes = 4096;
  // smtp: messages in each connection; 0 means all of the session's share.
  size_t messages_per_connection = 0;
  // smtp: messages a second, however long each takes; 0: as fast as the sessions can. A latency then begins when the
  // message was due: one that finds all sessions waiting waits, too.
  double rate = 0;
  // smtp: recipients of each message. A "%" in `recipient` is replaced by a number below `mailboxes`.
  size_t recipients_per_message = 1;
  std::string recipient = "demo@example.test";
  size_t mailboxes = 1;
  // smtp: who logs in, by AUTH PLAIN, and is the sender; empty: nobody does.
  std::string user;
  // pop3 fetches every message that it finds; poll logs in, asks STAT and leaves.
  std::string password;
  // pop3: what was fetched is deleted.
  bool delete_messages = false;
  // poll: LIST and UIDL after STAT, as clients do that leave their mail on the server.
  bool listings = false;
};

struct Result {
  // Messages, sessions or connections that ended well.
  uint64_t done = 0;
  uint64_t bytes = 0;
  absl::Duration elapsed;
  // Of each message or session, unsorted.
  std::vector<absl::Duration> latencies;
  // poll: the same of its steps: "login" (PASS to its reply), "list", "uidl", "quit".
  std::map<std::string, std::vector<absl::Duration>> steps;
};

// Each runs to its end. Throws when anything goes wrong.
Result DeliverBySmtp(asio::io_context& io, const Options& options);
Result FetchByPop3(asio::io_context& io, const Options& options);
Result PollByPop3(asio::io_context& io, const Options& options);
// Opens the connections, reads each greeting, calls `held` while all are open, then closes them.
Result HoldIdle(asio::io_context& io, const Options& options, const std::function<void()>& held);

// Runs `sessions` copies of a coroutine on `io` until all have ended; rethrows the first error.
void RunSessions(asio::io_context& io, size_t sessions,
                 const std::function<asio::awaitable<void>(size_t)>& session);

// A message of about this many bytes, CRLF line ends, dots stuffed; the same for the same arguments, and not
// compressible to nothing: its body is letters from a fixed random stream.
std::string MakeMessage(size_t bytes, uint64_t seed);

// `text` with its "%" replaced by `number`.
std::string Numbered(const std::string& text, size_t number);

}  // namespace mailstead::bench
