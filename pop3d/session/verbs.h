// The table of commands: which there are, who handles each, and when it may come.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "pop3d/protocol/command.h"
#include "pop3d/session/action.h"

namespace mailstead::pop3 {

class Session;

// The states that allow a command (RFC 1939 section 3).
enum AllowedStates : uint8_t {
  kInAuthorization = 1,
  kInTransaction = 2,
  kInBoth = kInAuthorization | kInTransaction,
};

struct Verb {
  absl::string_view name;
  Action (*handle)(Session& session, const Command& command);
  AllowedStates states;
  bool takes_argument;
  // What "-ERR usage:" shows.
  absl::string_view usage;
};

// FindVerb gives null for a keyword that is none of ours. `name` is in upper case.
const Verb* FindVerb(absl::string_view name);

}  // namespace mailstead::pop3
