// HELP: RFC 5321 section 4.1.1.8.
#include "smtpd/commands/commands.h"

namespace mailstead::smtp::commands {

Action Help(Dialog& dialog, absl::string_view) {
  dialog.Say(ReplyId::kHelp,
             "Commands: HELO EHLO MAIL RCPT DATA BDAT RSET NOOP QUIT\n"
             "VRFY HELP STARTTLS AUTH\n"
             "RFC 5321 says how to use them");
  return NextCommand{};
}

}  // namespace mailstead::smtp::commands
