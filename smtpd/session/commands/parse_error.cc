// What MAIL and RCPT have in common: how their mistakes are told.
#include "smtpd/session/commands/commands.h"

namespace mailstead::smtp::commands {

void SayParseError(Dialog& dialog, ParseError error, ReplyId bad_address, absl::string_view syntax) {
  switch (error) {
    case ParseError::kBadAddress:
      return dialog.Say(bad_address);
    case ParseError::kUnknownParameter:
      return dialog.Say(ReplyId::kUnknownParameter);
    case ParseError::kBadParameter:
      return dialog.Say(ReplyId::kBadParameter);
    case ParseError::kNeedsSmtpUtf8:
      return dialog.Say(ReplyId::kNeedsSmtpUtf8);
    case ParseError::kSyntax:
    case ParseError::kBadBase64:
      return dialog.Say(ReplyId::kBadSyntax, syntax);
  }
}

}  // namespace mailstead::smtp::commands
