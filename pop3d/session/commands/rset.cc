// RSET (RFC 1939 section 5): no message is marked as deleted any more.
#include "absl/strings/str_cat.h"
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {

Action Rset(Session& session, const Command&) {
  Maildrop& maildrop = session.mutable_maildrop();
  maildrop.UndeleteAll();
  return session.Say(ReplyId::kMaildrop,
                     {absl::StrCat(maildrop.kept_count()), absl::StrCat(maildrop.kept_bytes())});
}

}  // namespace mailstead::pop3::commands
