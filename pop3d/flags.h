// The flags of pop3d.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/config/option.h"
#include "common/frontend/flags.h"
#include "pop3d/limits.h"

namespace mailstead::pop3 {

struct Flags {
  Flags() { frontend.admin_listen = "127.0.0.1:9110"; }

  frontend::Flags frontend;
  // Each empty: no such listener.
  std::vector<std::string> pop3_listen = {"[::]:110"};
  std::vector<std::string> pop3s_listen = {"[::]:995"};
  SessionLimits limits;
  ConnectionTimeouts timeouts;
  absl::Duration login_delay;
  absl::Duration lease_ttl = absl::Seconds(6);
  size_t max_maildrop_messages = kMaxMaildropMessages;
  size_t listing_cache_bytes = kListingCacheBytes;
  size_t listing_memory = kListingMemoryBytes;
};

// The rows of these flags, those of every front-end included. `flags` outlives them.
config::Options OptionsOf(Flags& flags);

// From the command line. Ends the program with one line for each impossible value and status 2.
Flags ReadFlags(int argc, char** argv);

}  // namespace mailstead::pop3
