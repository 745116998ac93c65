// QUIT: RFC 5321 section 4.1.1.10.
#include "smtpd/session/commands/commands.h"

namespace mailstead::smtp::commands {

Action Quit(Dialog& dialog, absl::string_view) {
  dialog.EndTransaction();
  dialog.Say(ReplyId::kGoodbye, dialog.config.hostname);
  return CloseAction{};
}

}  // namespace mailstead::smtp::commands
