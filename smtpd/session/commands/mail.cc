// MAIL: RFC 5321 section 4.1.1.2.
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "smtpd/session/commands/commands.h"
#include "smtpd/session/store_replies.h"

namespace mailstead::smtp::commands {
namespace {

std::unique_ptr<Transaction> MakeTransaction(MailCommand mail) {
  auto transaction = std::make_unique<Transaction>();
  transaction->sender = mail.reverse_path.given;
  transaction->announced_bytes = mail.size_bytes.value_or(0);
  Envelope& envelope = transaction->envelope;
  envelope.reverse_path = mail.reverse_path.ToString();
  envelope.dsn_return = mail.dsn_return;
  envelope.dsn_envelope_id = std::move(mail.dsn_envelope_id);
  envelope.eight_bit_mime = mail.eight_bit_mime;
  envelope.smtputf8 = mail.smtputf8;
  envelope.require_tls = mail.require_tls;
  return transaction;
}

Action Accept(Dialog& dialog, std::unique_ptr<Transaction> transaction) {
  dialog.transaction = std::move(transaction);
  dialog.Say(ReplyId::kSenderOk);
  return NextCommandAction{};
}

Action Refuse(Dialog& dialog, absl::string_view sender, ReplyId reply) {
  dialog.Say(reply);
  dialog.journal.SenderRefused(sender, reply);
  return NextCommandAction{};
}

}  // namespace

Action Mail(Dialog& dialog, absl::string_view argument) {
  // What is offered in EHLO, and AUTH= to who must have logged in.
  const MailOffers offers{.auth = dialog.config.is_submission(), .require_tls = dialog.tls};
  Parsed<MailCommand> mail = ParseMail(argument, offers, dialog.config.limits.max_path_bytes);
  if (!mail.ok()) {
    SayParseError(dialog, mail.error(), ReplyId::kBadSender, "MAIL FROM:<address> [parameters]");
    return NextCommandAction{};
  }
  // RFC 1870 section 6.1.
  if (mail->size_bytes.value_or(0) > dialog.config.limits.max_message_bytes) {
    dialog.Say(ReplyId::kMessageTooBig, absl::StrCat(dialog.config.limits.max_message_bytes));
    dialog.journal.MessageRefused(mail->reverse_path.given, /*delivery_id=*/"", ReplyId::kMessageTooBig);
    return NextCommandAction{};
  }
  std::unique_ptr<Transaction> transaction = MakeTransaction(*std::move(mail));
  if (!dialog.config.is_submission()) return Accept(dialog, std::move(transaction));
  dialog.asked = std::move(transaction);
  return ReserveSendAction{dialog.account};
}

Action MailSendReserved(Dialog& dialog, bool reserved) {
  std::unique_ptr<Transaction> transaction = std::move(dialog.asked);
  if (!reserved) return Refuse(dialog, transaction->sender, ReplyId::kTooManyMessages);
  // A notification has no sender to check (section 4.5.5).
  if (transaction->envelope.reverse_path.empty()) return Accept(dialog, std::move(transaction));
  CheckSenderAction check{dialog.account, transaction->envelope.reverse_path};
  dialog.asked = std::move(transaction);
  return check;
}

Action MailSenderChecked(Dialog& dialog, const absl::StatusOr<bool>& allowed) {
  std::unique_ptr<Transaction> transaction = std::move(dialog.asked);
  const std::string& sender = transaction->sender;
  if (!allowed.ok()) return Refuse(dialog, sender, ReplyForStoreFailure(allowed.status()));
  if (!*allowed) return Refuse(dialog, sender, ReplyId::kSenderNotAllowed);
  return Accept(dialog, std::move(transaction));
}

}  // namespace mailstead::smtp::commands
