// DATA: RFC 5321 section 4.1.1.4.
#include "smtpd/session/commands/commands.h"

namespace mailstead::smtp::commands {

Action Data(Dialog& dialog, absl::string_view) {
  const Transaction& transaction = *dialog.transaction;
  if (transaction.chunking) {
    dialog.Say(ReplyId::kBadSequence, "The message has begun with BDAT");
    return NextCommandAction{};
  }
  if (transaction.envelope.recipients.empty()) {
    dialog.Say(ReplyId::kNoRecipients);
    return NextCommandAction{};
  }
  dialog.Say(ReplyId::kStartMail);
  return ReceiveDataAction{};
}

}  // namespace mailstead::smtp::commands
