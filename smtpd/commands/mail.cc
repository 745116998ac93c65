// MAIL: RFC 5321 section 4.1.1.2.
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "smtpd/commands/commands.h"
#include "smtpd/session/status_reply.h"

namespace mailstead::smtp::commands {
namespace {

void SayParseError(Dialog& dialog, ParseError error) {
  switch (error) {
    case ParseError::kBadAddress:
      return dialog.Say(ReplyId::kBadSender);
    case ParseError::kUnknownParameter:
      return dialog.Say(ReplyId::kUnknownParameter);
    case ParseError::kBadParameter:
      return dialog.Say(ReplyId::kBadParameter);
    case ParseError::kNeedsSmtpUtf8:
      return dialog.Say(ReplyId::kNeedsSmtpUtf8);
    case ParseError::kSyntax:
    case ParseError::kBadBase64:
      return dialog.Say(ReplyId::kBadSyntax, "MAIL FROM:<address> [parameters]");
  }
}

Action Accept(Dialog& dialog, std::unique_ptr<Transaction> transaction) {
  dialog.transaction = std::move(transaction);
  dialog.Say(ReplyId::kSenderOk);
  return NextCommand{};
}

}  // namespace

Action Mail(Dialog& dialog, absl::string_view argument) {
  Parsed<MailCommand> mail =
      ParseMail(argument, /*allow_auth=*/dialog.config.is_submission(), dialog.config.limits.max_path_bytes);
  if (!mail.ok()) {
    SayParseError(dialog, mail.error());
    return NextCommand{};
  }
  // RFC 1870 section 6.1.
  if (mail->size_bytes.value_or(0) > dialog.config.limits.max_message_bytes) {
    dialog.Say(ReplyId::kMessageTooBig, absl::StrCat(dialog.config.limits.max_message_bytes));
    return NextCommand{};
  }
  auto transaction = std::make_unique<Transaction>();
  transaction->mail = *std::move(mail);
  if (!dialog.config.is_submission()) return Accept(dialog, std::move(transaction));

  AccountRates* rates = dialog.config.account_rates;
  if (rates != nullptr && !rates->Reserve(dialog.account, transaction->reservation)) {
    dialog.Say(ReplyId::kTooManyMessages);
    return NextCommand{};
  }
  // A notification has no sender to check (section 4.5.5).
  if (transaction->mail.reverse_path.is_null()) return Accept(dialog, std::move(transaction));
  CheckSender check{dialog.account, transaction->mail.reverse_path.ToString()};
  dialog.asked = std::move(transaction);
  return check;
}

Action MailSenderChecked(Dialog& dialog, const absl::StatusOr<bool>& allowed) {
  std::unique_ptr<Transaction> transaction = std::move(dialog.asked);
  if (!allowed.ok()) {
    dialog.Say(ReplyForStoreFailure(allowed.status()));
    return NextCommand{};
  }
  if (!*allowed) {
    dialog.Say(ReplyId::kSenderNotAllowed);
    return NextCommand{};
  }
  return Accept(dialog, std::move(transaction));
}

}  // namespace mailstead::smtp::commands
