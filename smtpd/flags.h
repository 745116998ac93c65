// The flags of smtpd.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/config/option.h"
#include "common/frontend/flags.h"
#include "smtpd/limits.h"

namespace mailstead::smtp {

struct Flags {
  Flags() { frontend.admin_listen = "127.0.0.1:9025"; }

  frontend::Flags frontend;
  // Each empty: no such listener.
  std::vector<std::string> mx_listen = {"[::]:25"};
  std::vector<std::string> submission_listen = {"[::]:587"};
  std::vector<std::string> submissions_listen = {"[::]:465"};
  Limits limits;
  bool strict_ehlo = false;
  bool check_from = true;
  // 0 means none.
  size_t max_messages_per_account_per_hour = 0;
  absl::Duration store_timeout = absl::Seconds(10);
  absl::Duration store_retry_for = absl::Seconds(10);
  // With the two before it well below the ten minutes that clients wait (RFC 5321 section 4.5.3.2.6).
  absl::Duration outcome_timeout = absl::Minutes(5);
};

// The rows of these flags, those of every front-end included. `flags` outlives them.
config::Options OptionsOf(Flags& flags);

// From the command line. Ends the program with one line for each impossible value and status 2.
Flags ReadFlags(int argc, char** argv);

}  // namespace mailstead::smtp
