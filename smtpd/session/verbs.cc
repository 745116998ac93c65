#include "smtpd/session/verbs.h"

#include "absl/strings/match.h"
#include "smtpd/session/commands/commands.h"

namespace mailstead::smtp {
namespace {

constexpr Verb kVerbs[] = {
    {"MAIL", commands::Mail, kNeedsHello | kNeedsLogin | kNoTransaction, "MAIL FROM:<address> [parameters]"},
    {"RCPT", commands::Rcpt, kNeedsHello | kNeedsLogin | kNeedsTransaction, "RCPT TO:<address> [parameters]"},
    {"DATA", commands::Data, kNeedsHello | kNeedsLogin | kNeedsTransaction | kNoArgument, "DATA"},
    // BDAT applies its rules itself: its octets follow even when it is refused.
    {"BDAT", commands::Bdat, 0, "BDAT size [LAST]"},
    {"EHLO", commands::Ehlo, 0, "EHLO domain"},
    {"HELO", commands::Helo, 0, "HELO domain"},
    {"RSET", commands::Rset, kNoArgument, "RSET"},
    {"NOOP", commands::Noop, 0, "NOOP [text]"},
    {"QUIT", commands::Quit, kNoArgument, "QUIT"},
    {"STARTTLS", commands::StartTls, kNeedsHello | kNoTransaction | kNoArgument, "STARTTLS"},
    {"AUTH", commands::Auth, kNeedsHello | kNoTransaction, "AUTH mechanism [initial-response]"},
    {"VRFY", commands::Vrfy, kNeedsLogin, "VRFY address"},
    {"EXPN", commands::Expn, 0, "EXPN list"},
    {"HELP", commands::Help, 0, "HELP"},
};

}  // namespace

const Verb* FindVerb(absl::string_view name) {
  for (const Verb& verb : kVerbs) {
    if (absl::EqualsIgnoreCase(verb.name, name)) return &verb;
  }
  return nullptr;
}

bool MayRun(const Verb& verb, absl::string_view argument, Dialog& dialog) {
  if ((verb.rules & kNeedsHello) != 0 && dialog.helo.empty()) {
    dialog.Say(ReplyId::kBadSequence, "EHLO or HELO first");
  } else if ((verb.rules & kNeedsLogin) != 0 && dialog.config.is_submission() && dialog.account.empty()) {
    dialog.Say(dialog.tls || dialog.config.allow_plaintext_auth ? ReplyId::kNeedsAuth : ReplyId::kNeedsTls);
  } else if ((verb.rules & kNeedsTransaction) != 0 && dialog.transaction == nullptr) {
    dialog.Say(ReplyId::kBadSequence, "MAIL first");
  } else if ((verb.rules & kNoTransaction) != 0 && dialog.transaction != nullptr) {
    dialog.Say(ReplyId::kBadSequence, "A transaction is open; RSET ends it");
  } else if ((verb.rules & kNoArgument) != 0 && !argument.empty()) {
    dialog.Say(ReplyId::kBadSyntax, verb.syntax);
  } else {
    return true;
  }
  return false;
}

}  // namespace mailstead::smtp
