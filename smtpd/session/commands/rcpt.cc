// RCPT: RFC 5321 section 4.1.1.3.
#include <utility>

#include "smtpd/session/commands/commands.h"
#include "smtpd/session/store_replies.h"

namespace mailstead::smtp::commands {
namespace {

using Outcome = store::Resolution::Outcome;

// Recipients about which the store is asked in one go.
constexpr size_t kMaxOpenRecipients = 101;

ReplyId ReplyFor(const Dialog& dialog, Outcome outcome) {
  switch (outcome) {
    case Outcome::kAccount:
    case Outcome::kAlias:
      return ReplyId::kRecipientOk;
    // SECURITY: no open relay. Percent and bang forms in a domain of ours are local parts like any other, and
    // unknown.
    case Outcome::kRemote:
      return dialog.config.is_submission() ? ReplyId::kNoOutbound : ReplyId::kRelayDenied;
    case Outcome::kUnknown:
      return ReplyId::kUnknownRecipient;
    case Outcome::kDisabled:
      return ReplyId::kRecipientDisabled;
    case Outcome::kOverQuota:
      return ReplyId::kMailboxFull;
  }
  return ReplyId::kUnknownRecipient;
}

Parsed<RcptCommand> Parse(const Dialog& dialog, absl::string_view argument) {
  return ParseRcpt(argument, dialog.transaction->envelope.smtputf8, dialog.config.limits.max_path_bytes);
}

void Open(Transaction& transaction, RcptCommand rcpt) {
  EnvelopeRecipient& recipient = transaction.open_recipients.emplace_back();
  recipient.address = rcpt.forward_path.ToString();
  recipient.notify = rcpt.notify;
  recipient.original_recipient = std::move(rcpt.original_recipient);
}

Action Refuse(Dialog& dialog, const EnvelopeRecipient& recipient, ReplyId reply) {
  dialog.Say(reply);
  dialog.journal.RecipientRefused(recipient.address, reply);
  return NextCommandAction{};
}

}  // namespace

Action Rcpt(Dialog& dialog, absl::string_view argument) {
  Transaction& transaction = *dialog.transaction;
  if (transaction.chunking) {
    dialog.Say(ReplyId::kBadSequence, "The message has begun with BDAT");
    return NextCommandAction{};
  }
  Parsed<RcptCommand> rcpt = Parse(dialog, argument);
  if (!rcpt.ok()) {
    SayParseError(dialog, rcpt.error(), ReplyId::kBadRecipient, "RCPT TO:<address> [parameters]");
    return NextCommandAction{};
  }
  if (transaction.envelope.recipients.size() >= dialog.config.limits.max_recipients) {
    dialog.Say(ReplyId::kTooManyRecipients);
    return NextCommandAction{};
  }
  Open(transaction, *std::move(rcpt));
  return ResolveRecipientsAction{};
}

bool RcptAhead(Dialog& dialog, absl::string_view argument) {
  Transaction& transaction = *dialog.transaction;
  const size_t open_count = transaction.open_recipients.size();
  if (open_count >= kMaxOpenRecipients) return false;
  // One that may be too many is told so only when it is.
  if (transaction.envelope.recipients.size() + open_count >= dialog.config.limits.max_recipients)
    return false;
  Parsed<RcptCommand> rcpt = Parse(dialog, argument);
  if (!rcpt.ok()) return false;
  Open(transaction, *std::move(rcpt));
  return true;
}

Action RcptResolved(Dialog& dialog, EnvelopeRecipient recipient,
                    const absl::StatusOr<store::Resolution>& resolution) {
  if (!resolution.ok()) return Refuse(dialog, recipient, ReplyForStoreFailure(resolution.status()));
  const ReplyId reply = ReplyFor(dialog, resolution->outcome);
  if (reply != ReplyId::kRecipientOk) return Refuse(dialog, recipient, reply);
  recipient.accounts = resolution->accounts;
  dialog.transaction->envelope.recipients.push_back(std::move(recipient));
  dialog.Say(reply);
  return NextCommandAction{};
}

}  // namespace mailstead::smtp::commands
