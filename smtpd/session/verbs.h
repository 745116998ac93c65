// The table of commands: which there are, who handles each, and when it may come.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "smtpd/session/action.h"
#include "smtpd/session/dialog.h"

namespace mailstead::smtp {

// The states in which a verb may come, and what else its table row demands.
enum VerbRule : uint8_t {
  // It comes only after HELO or EHLO.
  kNeedsHello = 1,
  // It comes on submission listeners only after TLS and AUTH.
  kNeedsLogin = 2,
  // It comes only after MAIL.
  kNeedsTransaction = 4,
  // It does not come after MAIL.
  kNoTransaction = 8,
  // It takes no argument.
  kNoArgument = 16,
};

struct Verb {
  absl::string_view name;
  Action (*handle)(Dialog& dialog, absl::string_view argument);
  // A union of VerbRule.
  uint8_t rules;
  // How it is used, for 501 and HELP.
  absl::string_view syntax;
};

// Finds the row of a verb, in any case of letters; nullptr when there is none.
const Verb* FindVerb(absl::string_view name);
// Whether the rules allow the command now. Says why when they do not.
bool MayRun(const Verb& verb, absl::string_view argument, Dialog& dialog);

}  // namespace mailstead::smtp
