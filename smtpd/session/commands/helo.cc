// HELO: RFC 5321 section 4.1.1.1.
#include "smtpd/session/commands/commands.h"

namespace mailstead::smtp::commands {

Action Helo(Dialog& dialog, absl::string_view argument) {
  if (!dialog.takes_name(argument)) {
    dialog.Say(ReplyId::kBadSyntax, "HELO domain");
    return NextCommandAction{};
  }
  dialog.EndTransaction();
  dialog.helo = std::string(argument);
  dialog.esmtp = false;
  dialog.Say(ReplyId::kHello, dialog.config.hostname);
  return NextCommandAction{};
}

}  // namespace mailstead::smtp::commands
