// The handlers, one file for each verb of the wire. A handler looks at the session and the argument, says
// what there is to say, and gives the next action; it touches no socket. The table of verbs has checked the
// state, and that there is no argument where none belongs.
#pragma once

#include "pop3d/protocol/command.h"
#include "pop3d/session/action.h"
#include "pop3d/session/session.h"

namespace mailstead::pop3::commands {

Action Auth(Session& session, const Command& command);
Action Capa(Session& session, const Command& command);
Action Dele(Session& session, const Command& command);
Action Lang(Session& session, const Command& command);
Action List(Session& session, const Command& command);
Action Noop(Session& session, const Command& command);
Action Pass(Session& session, const Command& command);
Action Quit(Session& session, const Command& command);
Action Retr(Session& session, const Command& command);
Action Rset(Session& session, const Command& command);
Action Stat(Session& session, const Command& command);
Action Stls(Session& session, const Command& command);
Action Top(Session& session, const Command& command);
Action Uidl(Session& session, const Command& command);
Action User(Session& session, const Command& command);
Action Utf8(Session& session, const Command& command);

}  // namespace mailstead::pop3::commands
