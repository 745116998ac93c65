// One function for each verb on the wire, each in the file of its name, and what comes after the store has
// answered. All are pure: they look at and change the dialog, and say what is to be done.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/rpc/auth_exchange.h"
#include "smtpd/session/action.h"
#include "smtpd/session/dialog.h"

namespace mailstead::smtp::commands {

Action Helo(Dialog& dialog, absl::string_view argument);
Action Ehlo(Dialog& dialog, absl::string_view argument);
Action Mail(Dialog& dialog, absl::string_view argument);
Action MailSenderChecked(Dialog& dialog, const absl::StatusOr<bool>& allowed);
Action Rcpt(Dialog& dialog, absl::string_view argument);
Action RcptResolved(Dialog& dialog, const absl::StatusOr<Resolution>& resolution);
Action Data(Dialog& dialog, absl::string_view argument);
Action Bdat(Dialog& dialog, absl::string_view argument);
Action Rset(Dialog& dialog, absl::string_view argument);
Action Noop(Dialog& dialog, absl::string_view argument);
Action Quit(Dialog& dialog, absl::string_view argument);
Action Vrfy(Dialog& dialog, absl::string_view argument);
Action Expn(Dialog& dialog, absl::string_view argument);
Action Help(Dialog& dialog, absl::string_view argument);
Action StartTls(Dialog& dialog, absl::string_view argument);
Action Auth(Dialog& dialog, absl::string_view argument);
// A line of the exchange that AUTH began.
Action AuthLine(Dialog& dialog, absl::string_view line);
Action AuthStepped(Dialog& dialog, const absl::StatusOr<rpc::AuthStep>& step);

}  // namespace mailstead::smtp::commands
