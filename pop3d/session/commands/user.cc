// USER name (RFC 1939 section 7).
#include "absl/strings/ascii.h"
#include "common/text/utf8.h"
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {

Action User(Session& session, const Command& command) {
  // Not [AUTH]: nothing is wrong with the credentials, and a client would ask its user for others.
  if (!session.may_log_in()) return session.Mistake(ReplyId::kTlsRequired);
  const absl::string_view name = absl::StripAsciiWhitespace(command.argument);
  if (name.empty()) return session.Usage();
  // RFC 6856 section 2.2: UTF-8 names may be used before and without UTF8; malformed ones are refused.
  if (!IsValidUtf8(name)) return session.Mistake(ReplyId::kBadUtf8);
  session.set_user_name(name);
  // SECURITY: every name gets this answer, so that it tells nothing about which accounts exist.
  return session.Say(ReplyId::kSendPassword);
}

}  // namespace mailstead::pop3::commands
