// NOOP (RFC 1939 section 5).
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {

Action Noop(Session& session, const Command&) { return session.Say(ReplyId::kDone); }

}  // namespace mailstead::pop3::commands
