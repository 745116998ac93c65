// DATA: RFC 5321 section 4.1.1.4.
#include "smtpd/commands/commands.h"

namespace mailstead::smtp::commands {

Action Data(Dialog& dialog, absl::string_view) {
  const Transaction& transaction = *dialog.transaction;
  if (transaction.chunking) {
    dialog.Say(ReplyId::kBadSequence, "The message has begun with BDAT");
    return NextCommand{};
  }
  if (transaction.recipients.empty()) {
    dialog.Say(ReplyId::kNoRecipients);
    return NextCommand{};
  }
  dialog.Say(ReplyId::kStartMail);
  return ReceiveData{};
}

}  // namespace mailstead::smtp::commands
