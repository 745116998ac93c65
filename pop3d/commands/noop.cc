// NOOP (RFC 1939 section 5).
#include "pop3d/commands/commands.h"

namespace mailstead::pop3::commands {

Step Noop(Session&, const Command&) { return Step::Say(ReplyId::kDone); }

}  // namespace mailstead::pop3::commands
