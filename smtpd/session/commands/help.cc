// HELP: RFC 5321 section 4.1.1.8. As in EHLO, what is listed is what works on this listener in this state.
#include "absl/strings/str_cat.h"
#include "smtpd/session/commands/commands.h"

namespace mailstead::smtp::commands {

Action Help(Dialog& dialog, absl::string_view) {
  dialog.Say(ReplyId::kHelp,
             absl::StrCat("Commands: HELO EHLO MAIL RCPT DATA BDAT RSET NOOP QUIT\n"
                          "VRFY HELP",
                          dialog.offers_starttls() ? " STARTTLS" : "", dialog.offers_auth() ? " AUTH" : "",
                          "\nRFC 5321 says how to use them"));
  return NextCommandAction{};
}

}  // namespace mailstead::smtp::commands
