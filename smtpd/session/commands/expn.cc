// EXPN: RFC 5321 section 4.1.1.7. Not offered: there are no lists, and members are nobody's business (section
// 7.3).
#include "smtpd/session/commands/commands.h"

namespace mailstead::smtp::commands {

Action Expn(Dialog& dialog, absl::string_view) {
  dialog.Say(ReplyId::kNotImplemented);
  return NextCommandAction{};
}

}  // namespace mailstead::smtp::commands
