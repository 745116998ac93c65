// RCPT: RFC 5321 section 4.1.1.3.
#include <utility>

#include "common/store/limits.h"
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
    // SECURITY: no open relay: only who has logged in sends to other hosts. Percent and bang forms in a domain of ours are
    // local parts like any other, and unknown.
    case Outcome::kRemote:
      return dialog.config.is_submission() ? ReplyId::kRecipientOk : ReplyId::kRelayDenied;
    case Outcome::kUnknown:
      return ReplyId::kUnknownRecipient;
    case Outcome::kDisabled:
      return ReplyId::kRecipientDisabled;
    case Outcome::kOverQuota:
      return ReplyId::kMailboxFull;
    case Outcome::kQuotaTooSmall:
      return ReplyId::kMailboxTooSmall;
    case Outcome::kSrsForged:
      return ReplyId::kSrsForged;
    case Outcome::kSrsExpired:
      return ReplyId::kSrsExpired;
  }
  return ReplyId::kUnknownRecipient;
}

Parsed<RcptCommand> Parse(const Dialog& dialog, absl::string_view argument) {
  return ParseRcpt(argument, dialog.transaction->envelope.smtputf8, dialog.config.limits.max_path_bytes);
}

EnvelopeRecipient RecipientOf(RcptCommand rcpt) {
  EnvelopeRecipient recipient;
  recipient.address = rcpt.forward_path.ToString();
  recipient.notify = rcpt.notify;
  recipient.original_recipient = std::move(rcpt.original_recipient);
  return recipient;
}

// Takes `recipient`. False: the envelope has no room for it, and it stays as it is.
bool Open(Transaction& transaction, EnvelopeRecipient& recipient) {
  const size_t bytes = EnvelopeBytes(recipient);
  if (transaction.envelope_bytes + bytes > store::kMaxEnvelopeBytes) return false;
  transaction.envelope_bytes += bytes;
  transaction.open_recipients.push_back(std::move(recipient));
  return true;
}

// Whether the store takes a message for this one and all before it. SECURITY: many recipients that lead to the same long
// list cost recipients times mailboxes; who is told that it is too many sends to the rest in another transaction.
bool Fits(Transaction& transaction, const EnvelopeRecipient& recipient, int64_t mailbox_count) {
  const int64_t mailboxes = transaction.mailbox_count + mailbox_count;
  const int64_t kept_bytes = transaction.kept_bytes + mailbox_count * KeptBytes(recipient);
  const bool fits = mailboxes <= store::kMaxDeliveryMailboxes && kept_bytes <= store::kMaxKeptRecipientBytes;
  if (!fits && !transaction.envelope.recipients.empty()) return false;
  transaction.mailbox_count = mailboxes;
  transaction.kept_bytes = kept_bytes;
  return true;
}

Action Refuse(Dialog& dialog, const EnvelopeRecipient& recipient, ReplyId reply) {
  dialog.Say(reply);
  dialog.journal.RecipientRefused(dialog.transaction->sender, recipient.address, reply);
  return NextCommandAction{};
}

// Says that the transaction takes no more. The first one is told of: a client may go on for thousands.
Action RefuseMore(Dialog& dialog, const EnvelopeRecipient& recipient) {
  if (!std::exchange(dialog.transaction->has_refused_more, true)) {
    return Refuse(dialog, recipient, ReplyId::kTooManyRecipients);
  }
  dialog.Say(ReplyId::kTooManyRecipients);
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
  EnvelopeRecipient recipient = RecipientOf(*std::move(rcpt));
  const bool full = transaction.envelope.recipients.size() >= dialog.config.limits.max_recipients;
  if (full || !Open(transaction, recipient)) return RefuseMore(dialog, recipient);
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
  EnvelopeRecipient recipient = RecipientOf(*std::move(rcpt));
  return Open(transaction, recipient);
}

Action RcptResolved(Dialog& dialog, EnvelopeRecipient recipient,
                    const absl::StatusOr<store::Resolution>& resolution) {
  Transaction& transaction = *dialog.transaction;
  ReplyId reply = ReplyId::kTooManyRecipients;
  if (!resolution.ok()) {
    reply = ReplyForStoreFailure(resolution.status());
  } else if (const ReplyId said = ReplyFor(dialog, resolution->outcome); said != ReplyId::kRecipientOk) {
    reply = said;
  } else if (Fits(transaction, recipient, resolution->mailbox_count)) {
    reply = ReplyId::kRecipientOk;
  }
  if (reply != ReplyId::kRecipientOk) {
    transaction.envelope_bytes -= EnvelopeBytes(recipient);
    return reply == ReplyId::kTooManyRecipients ? RefuseMore(dialog, recipient)
                                                : Refuse(dialog, recipient, reply);
  }
  transaction.envelope.recipients.push_back(std::move(recipient));
  dialog.Say(reply);
  return NextCommandAction{};
}

}  // namespace mailstead::smtp::commands
