// The table of commands: which there are, who handles each, and when it may come.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "smtpd/session/action.h"
#include "smtpd/session/dialog.h"

namespace mailstead::smtp {

enum VerbRule : uint8_t {
  // Only after HELO or EHLO.
  kNeedsHello = 1,
  // On submission listeners only after TLS and AUTH.
  kNeedsLogin = 2,
  // Only after MAIL.
  kNeedsTransaction = 4,
  // Not after MAIL.
  kNoTransaction = 8,
  // Takes no argument.
  kNoArgument = 16,
};

struct Verb {
  absl::string_view name;
  Action (*handle)(Dialog& dialog, absl::string_view argument);
  // Of VerbRule.
  uint8_t rules;
  // The syntax, for 501 and HELP.
  absl::string_view syntax;
};

// nullptr when there is none. The case of `name` does not matter.
const Verb* FindVerb(absl::string_view name);
// Whether the rules allow the command now; says why when they do not.
bool MayRun(const Verb& verb, absl::string_view argument, Dialog& dialog);

}  // namespace mailstead::smtp
