// STARTTLS: RFC 3207.
#include "smtpd/session/commands/commands.h"

namespace mailstead::smtp::commands {

Action StartTls(Dialog& dialog, absl::string_view) {
  if (!dialog.offers_starttls()) {
    dialog.Say(ReplyId::kBadSequence, "TLS is active already");
    return NextCommandAction{};
  }
  dialog.Say(ReplyId::kReadyForTls);
  return StartTlsAction{};
}

}  // namespace mailstead::smtp::commands
