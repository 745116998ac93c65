// UTF8 (RFC 6856 section 2).
//
// In UTF-8 mode messages are sent as they are. Without it RFC 6856 wants messages with UTF-8 in their headers
// replaced by a surrogate or refused. We send them as they are in both modes, on purpose: a message comes
// back byte for byte, or its signature breaks; and the clients of today (curl, fetchmail, mpop, poplib...)
// never say UTF8, so that a refusal would leave the message in the maildrop for ever.
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {

Action Utf8(Session& session, const Command&) {
  session.set_utf8_mode();
  return session.Say(ReplyId::kUtf8Mode);
}

}  // namespace mailstead::pop3::commands
