// STAT (RFC 1939 section 5): messages not marked as deleted, and their octets.
#include "absl/strings/str_cat.h"
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {

Action Stat(Session& session, const Command&) {
  const Maildrop& maildrop = session.maildrop();
  return session.Say(ReplyId::kNumbers,
                     {absl::StrCat(maildrop.kept_count()), absl::StrCat(maildrop.kept_bytes())});
}

}  // namespace mailstead::pop3::commands
