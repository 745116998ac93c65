// Every command there is: its handler, and the states that allow it (RFC 1939 section 3).
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "pop3d/protocol/command.h"
#include "pop3d/session/step.h"

namespace mailstead::pop3 {

class Session;

using Handler = Step (*)(Session& session, const Command& command);

enum AllowedStates : uint8_t {
  kInAuthorization = 1,
  kInTransaction = 2,
  kInBoth = kInAuthorization | kInTransaction,
};

struct Verb {
  absl::string_view keyword;
  Handler handler;
  AllowedStates states;
  bool takes_argument;
  // What "-ERR usage:" shows.
  absl::string_view usage;
};

// Null for a keyword that is none of ours. `keyword` in upper case.
const Verb* FindVerb(absl::string_view keyword);

}  // namespace mailstead::pop3
