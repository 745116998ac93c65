#include "smtpd/session/dialog.h"

#include "common/mail/address.h"
#include "smtpd/protocol/command.h"

namespace mailstead::smtp {

absl::string_view ListenerName(ListenerKind kind) {
  switch (kind) {
    case ListenerKind::kMx:
      return "mx";
    case ListenerKind::kSubmission:
      return "submission";
    case ListenerKind::kSubmissions:
      return "submissions";
  }
  return "";
}

void Dialog::Say(ReplyId id, absl::string_view detail) {
  AppendReply(id, detail, output);
  if (GetReply(id).code >= 500) ++error_count;
  journal.Replied(id);
}

bool Dialog::takes_name(absl::string_view name) const {
  if (!IsHeloName(name)) return false;
  return !config.strict_ehlo || config.is_submission() || IsDomainOrLiteral(name);
}

bool Dialog::offers_auth() const {
  return config.is_submission() && (tls || config.allow_plaintext_auth) && account.empty();
}

}  // namespace mailstead::smtp
