// The handlers, one file for each verb of the wire. A handler looks at the session and the argument and says
// the next step; it touches no socket. The verb table has checked the state, and that there is no argument
// where none belongs.
#pragma once

#include "pop3d/session/session.h"
#include "pop3d/session/step.h"
#include "pop3d/session/verb_table.h"

namespace mailstead::pop3::commands {

Step Auth(Session& session, const Command& command);
Step Capa(Session& session, const Command& command);
Step Dele(Session& session, const Command& command);
Step Lang(Session& session, const Command& command);
Step List(Session& session, const Command& command);
Step Noop(Session& session, const Command& command);
Step Pass(Session& session, const Command& command);
Step Quit(Session& session, const Command& command);
Step Retr(Session& session, const Command& command);
Step Rset(Session& session, const Command& command);
Step Stat(Session& session, const Command& command);
Step Stls(Session& session, const Command& command);
Step Top(Session& session, const Command& command);
Step Uidl(Session& session, const Command& command);
Step User(Session& session, const Command& command);
Step Utf8(Session& session, const Command& command);

// "-ERR usage: ..." of the command.
Step Usage(const Command& command);

}  // namespace mailstead::pop3::commands
