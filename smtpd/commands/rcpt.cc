// RCPT: RFC 5321 section 4.1.1.3.
#include <utility>

#include "smtpd/commands/commands.h"
#include "smtpd/session/status_reply.h"

namespace mailstead::smtp::commands {
namespace {

void SayParseError(Dialog& dialog, ParseError error) {
  switch (error) {
    case ParseError::kBadAddress:
      return dialog.Say(ReplyId::kBadRecipient);
    case ParseError::kUnknownParameter:
      return dialog.Say(ReplyId::kUnknownParameter);
    case ParseError::kBadParameter:
      return dialog.Say(ReplyId::kBadParameter);
    case ParseError::kNeedsSmtpUtf8:
      return dialog.Say(ReplyId::kNeedsSmtpUtf8);
    case ParseError::kSyntax:
    case ParseError::kBadBase64:
      return dialog.Say(ReplyId::kBadSyntax, "RCPT TO:<address> [parameters]");
  }
}

ReplyId ReplyFor(const Dialog& dialog, Resolution::Outcome outcome) {
  switch (outcome) {
    case Resolution::Outcome::kLocal:
    case Resolution::Outcome::kAlias:
      return ReplyId::kRecipientOk;
    // SECURITY: no open relay. Percent and bang forms in a domain of ours are local parts like any other, and
    // unknown.
    case Resolution::Outcome::kRemote:
      return dialog.config.is_submission() ? ReplyId::kNoOutbound : ReplyId::kRelayDenied;
    case Resolution::Outcome::kUnknown:
      return ReplyId::kUnknownRecipient;
    case Resolution::Outcome::kDisabled:
      return ReplyId::kRecipientDisabled;
    case Resolution::Outcome::kOverQuota:
      return ReplyId::kMailboxFull;
  }
  return ReplyId::kUnknownRecipient;
}

}  // namespace

Action Rcpt(Dialog& dialog, absl::string_view argument) {
  Transaction& transaction = *dialog.transaction;
  if (transaction.chunking) {
    dialog.Say(ReplyId::kBadSequence, "The message has begun with BDAT");
    return NextCommand{};
  }
  Parsed<RcptCommand> rcpt =
      ParseRcpt(argument, transaction.mail.smtp_utf8, dialog.config.limits.max_path_bytes);
  if (!rcpt.ok()) {
    SayParseError(dialog, rcpt.error());
    return NextCommand{};
  }
  if (transaction.recipients.size() >= dialog.config.limits.max_recipients) {
    dialog.Say(ReplyId::kTooManyRecipients);
    return NextCommand{};
  }
  ResolveRecipient resolve{rcpt->forward_path.ToString(), transaction.mail.size_bytes.value_or(0)};
  transaction.asked = *std::move(rcpt);
  return resolve;
}

Action RcptResolved(Dialog& dialog, const absl::StatusOr<Resolution>& resolution) {
  Transaction& transaction = *dialog.transaction;
  RcptCommand command = *std::move(transaction.asked);
  transaction.asked.reset();
  if (!resolution.ok()) {
    dialog.Say(ReplyForStoreFailure(resolution.status()));
    return NextCommand{};
  }
  const ReplyId reply = ReplyFor(dialog, resolution->outcome);
  if (reply == ReplyId::kRecipientOk) {
    transaction.recipients.push_back({std::move(command), resolution->mailbox_ids});
  }
  dialog.Say(reply);
  return NextCommand{};
}

}  // namespace mailstead::smtp::commands
