// One function for each verb on the wire, each in the file of its name, and what comes after the store has
// answered. All are pure: they look at and change the dialog, and say what is to be done.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/sasl/step.h"
#include "common/store/resolution.h"
#include "smtpd/protocol/parsed.h"
#include "smtpd/session/action.h"
#include "smtpd/session/dialog.h"

namespace mailstead::smtp::commands {

Action Helo(Dialog& dialog, absl::string_view argument);
Action Ehlo(Dialog& dialog, absl::string_view argument);
Action Mail(Dialog& dialog, absl::string_view argument);
Action MailSendReserved(Dialog& dialog, bool reserved);
Action MailSenderChecked(Dialog& dialog, const absl::StatusOr<bool>& allowed);
Action Rcpt(Dialog& dialog, absl::string_view argument);
// Takes the argument of a RCPT command while others are open. False when it must wait for its turn: it is not
// well-formed, or the answers before it decide what it is worth.
bool RcptAhead(Dialog& dialog, absl::string_view argument);
// The store's word on `recipient`, which was open.
Action RcptResolved(Dialog& dialog, EnvelopeRecipient recipient,
                    const absl::StatusOr<store::Resolution>& resolution);
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
// What the store said to it: a challenge, a login, a refusal, or nothing that can be used.
Action AuthChallenged(Dialog& dialog, absl::string_view challenge);
Action AuthSucceeded(Dialog& dialog, absl::string_view account);
Action AuthRefused(Dialog& dialog, sasl::Verdict verdict);
Action AuthFailed(Dialog& dialog);

// Says what is wrong with a MAIL or RCPT. `bad_address` is what is said of its address, and `syntax` how it
// is used.
void SayParseError(Dialog& dialog, ParseError error, ReplyId bad_address, absl::string_view syntax);

}  // namespace mailstead::smtp::commands
