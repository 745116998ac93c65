// QUIT (RFC 1939 sections 4 and 6). The only way into the UPDATE state.
#include "pop3d/commands/commands.h"

namespace mailstead::pop3::commands {

Step Quit(Session& session, const Command&) {
  if (session.state() == State::kAuthorization) return Step::Say(ReplyId::kGoodbye).Then(CloseAction{});
  session.EnterUpdate();
  if (session.maildrop().deleted_count() == 0) return Step::Say(ReplyId::kGoodbye).Then(ReleaseAction{});
  // +OK waits for the commit (Session::Committed).
  return Step::Do(CommitAction{.deletions = session.maildrop().Deletions()});
}

}  // namespace mailstead::pop3::commands
