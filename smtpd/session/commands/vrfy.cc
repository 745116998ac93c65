// VRFY: RFC 5321 sections 4.1.1.6 and 7.3. SECURITY: it would tell a harvester which mailboxes exist.
#include "smtpd/session/commands/commands.h"

namespace mailstead::smtp::commands {

Action Vrfy(Dialog& dialog, absl::string_view argument) {
  if (argument.empty()) {
    dialog.Say(ReplyId::kBadSyntax, "VRFY address");
  } else {
    dialog.Say(ReplyId::kNotVerified);
  }
  return NextCommandAction{};
}

}  // namespace mailstead::smtp::commands
