// STARTTLS: RFC 3207.
#include "smtpd/commands/commands.h"

namespace mailstead::smtp::commands {

Action StartTls(Dialog& dialog, absl::string_view) {
  if (!dialog.offers_starttls()) {
    dialog.Say(ReplyId::kBadSequence, "TLS is active already");
    return NextCommand{};
  }
  dialog.Say(ReplyId::kReadyForTls);
  return smtp::StartTls{};
}

}  // namespace mailstead::smtp::commands
