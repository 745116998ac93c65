// QUIT (RFC 1939 sections 4 and 6). The only way into the UPDATE state.
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {

Action Quit(Session& session, const Command&) {
  if (session.state() == State::kTransaction) {
    session.EnterUpdate();
    // +OK waits for the commit (Session::OnCommitted).
    if (session.maildrop().deleted_count() > 0)
      return CommitAction{.deletions = session.maildrop().Deletions()};
  }
  // Nothing is to be deleted: the lock goes as it does with every session that ends, and nobody waits for
  // that.
  session.Say(ReplyId::kGoodbye);
  return CloseAction{CloseCause::kQuit};
}

}  // namespace mailstead::pop3::commands
