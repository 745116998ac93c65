// BDAT: RFC 3030 section 2.
#include "smtpd/commands/commands.h"
#include "smtpd/protocol/command.h"

namespace mailstead::smtp::commands {
namespace {

Action Swallow(Dialog& dialog, uint64_t size_bytes, ReplyId reply, absl::string_view detail) {
  dialog.swallowed_reply = reply;
  dialog.swallowed_detail = detail;
  return SwallowChunk{size_bytes};
}

}  // namespace

Action Bdat(Dialog& dialog, absl::string_view argument) {
  const Parsed<BdatArgument> bdat = ParseBdat(argument);
  if (!bdat.ok()) {
    // SECURITY: how many octets follow is not known; taken for commands they would be somebody's mail.
    dialog.EndTransaction();
    dialog.Say(ReplyId::kBadSyntax, "BDAT size [LAST]; closing connection");
    return Close{};
  }
  // Refused or not, the octets follow: the client may have sent them already.
  if (dialog.transaction == nullptr)
    return Swallow(dialog, bdat->size_bytes, ReplyId::kBadSequence, "MAIL first");
  if (dialog.transaction->recipients.empty())
    return Swallow(dialog, bdat->size_bytes, ReplyId::kNoRecipients, "");
  dialog.transaction->chunking = true;
  return ReceiveChunk{bdat->size_bytes, bdat->last};
}

}  // namespace mailstead::smtp::commands
