// BDAT: RFC 3030 section 2.
#include "smtpd/protocol/command.h"
#include "smtpd/session/commands/commands.h"

namespace mailstead::smtp::commands {
namespace {

Action Swallow(Dialog& dialog, uint64_t size_bytes, ReplyId reply, absl::string_view detail) {
  dialog.swallowed_reply = reply;
  dialog.swallowed_detail = detail;
  return SwallowChunkAction{size_bytes};
}

}  // namespace

Action Bdat(Dialog& dialog, absl::string_view argument) {
  const Parsed<BdatArgument> bdat = ParseBdat(argument);
  if (!bdat.ok()) {
    // SECURITY: how many octets follow is not known; taken for commands they would be somebody's mail.
    dialog.EndTransaction();
    dialog.Say(ReplyId::kBadSyntax, "BDAT size [LAST]; closing connection");
    return CloseAction{};
  }
  // Refused or not, the octets follow: the client may have sent them already.
  Transaction* const transaction = dialog.transaction.get();
  if (transaction == nullptr) return Swallow(dialog, bdat->size_bytes, ReplyId::kBadSequence, "MAIL first");
  // Behind the first chunk the envelope is the connection's.
  if (!transaction->chunking && transaction->envelope.recipients.empty()) {
    return Swallow(dialog, bdat->size_bytes, ReplyId::kNoRecipients, "");
  }
  transaction->chunking = true;
  return ReceiveChunkAction{bdat->size_bytes, bdat->last};
}

}  // namespace mailstead::smtp::commands
