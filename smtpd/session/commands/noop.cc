// NOOP: RFC 5321 section 4.1.1.9.
#include "smtpd/session/commands/commands.h"

namespace mailstead::smtp::commands {

Action Noop(Dialog& dialog, absl::string_view) {
  dialog.Say(ReplyId::kOk);
  return NextCommandAction{};
}

}  // namespace mailstead::smtp::commands
