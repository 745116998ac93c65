// RSET: RFC 5321 section 4.1.1.5.
#include "smtpd/session/commands/commands.h"

namespace mailstead::smtp::commands {

Action Rset(Dialog& dialog, absl::string_view) {
  dialog.EndTransaction();
  dialog.Say(ReplyId::kOk);
  return NextCommandAction{};
}

}  // namespace mailstead::smtp::commands
