#include "pop3d/flags.h"

#include "common/config/config.h"

namespace mailstead::pop3 {
namespace {

using config::Between;
using config::Flag;
using frontend::CheckListen;

constexpr config::Program kProgram{"pop3d",
                                   "Serves mail by POP3 from Mailstead's store. It keeps nothing itself."};
constexpr absl::Duration kLeastTimeout = absl::Milliseconds(100);

}  // namespace

config::Options OptionsOf(Flags& flags) {
  config::Options options = {
      Flag("pop3_listen", flags.pop3_listen, CheckListen,
           "addresses for POP3 with STLS, host:port, comma separated; empty: none"),
      Flag("pop3s_listen", flags.pop3s_listen, CheckListen,
           "addresses for POP3 with TLS from the first byte, host:port, comma separated; empty: none"),
      Flag("store_timeout", flags.timeouts.store_call, Between(kLeastTimeout, absl::Minutes(10)),
           "deadline of one call to the store"),
      Flag("store_retry_for", flags.timeouts.commit_retry_for,
           Between(absl::ZeroDuration(), absl::Minutes(10)),
           "how long QUIT tries again to delete while the store is away"),
      Flag("outcome_timeout", flags.timeouts.commit_outcome, Between(absl::ZeroDuration(), absl::Minutes(10)),
           "how long QUIT asks whether messages were deleted, when the store was perhaps told to"),
      Flag("lease_ttl", flags.lease_ttl, Between(absl::Seconds(1), absl::Seconds(60)),
           "how long maildrops stay locked after this process has died; 1s to 60s"),
      Flag("listing_cache_bytes", flags.listing_cache_bytes, Between(0, int64_t{1} << 40),
           "what is remembered of listings between sessions, so that a login is sent only what changed; 0: "
           "nothing"),
      Flag("listing_memory", flags.listing_memory, Between(kMinListingMemory, int64_t{1} << 40),
           "all listings together: of open maildrops, and remembered ones, which go first; beyond it logins "
           "are refused"),
      Flag("max_maildrop_messages", flags.max_maildrop_messages, Between(1, 1'000'000'000),
           "a greater maildrop shows its oldest messages, and others when these are deleted; 88 bytes of "
           "--listing_memory for each must be there"),
      Flag("max_errors", flags.limits.max_errors, Between(1, 1'000'000),
           "malformed or misplaced commands in a row that end a session"),
      Flag("max_login_failures", flags.limits.max_login_failures, Between(1, 1000),
           "failed logins that end a session"),
      Flag("idle_timeout", flags.timeouts.idle, Between(kLeastTimeout, absl::Hours(24)),
           "silence that ends a session; RFC 1939 asks for at least 10m"),
      Flag("login_delay", flags.login_delay, Between(absl::ZeroDuration(), absl::Hours(24)),
           "least time between two logins to the same mailbox, in whole seconds; 0s: none"),
  };
  Append(options, LoginOptionsOf(flags.frontend));
  Append(options, OptionsOf(flags.frontend));
  return options;
}

Flags ReadFlags(int argc, char** argv) {
  Flags flags;
  const config::Options options = OptionsOf(flags);
  config::ParseCommandLine(kProgram, options, argc, argv);
  config::Checker check;
  CheckOptions(options, check);
  Finish(flags.frontend, check);
  check.That(!flags.pop3_listen.empty() || !flags.pop3s_listen.empty(), "pop3_listen",
             "this and --pop3s_listen are both empty");
  check.That(
      flags.listing_memory < kMinListingMemory ||
          flags.max_maildrop_messages <= (flags.listing_memory - kListingPagesBytes) / kMaxListedMessageBytes,
      "max_maildrop_messages",
      "needs 88 bytes of --listing_memory for each message, and 704,000 beside them");
  check.That(flags.login_delay == absl::Trunc(flags.login_delay, absl::Seconds(1)), "login_delay",
             "must be whole seconds");
  check.ExitIfBad(kProgram.name);
  return flags;
}

}  // namespace mailstead::pop3
