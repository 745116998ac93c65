// DELE msg (RFC 1939 section 5): marks; QUIT deletes.
#include "absl/strings/str_cat.h"
#include "pop3d/limits.h"
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {

Action Dele(Session& session, const Command& command) {
  const std::optional<Words> words = SplitWords(command.argument);
  if (!words.has_value() || words->count != 1) return session.Usage();
  const std::optional<Maildrop::Message> message = session.FindMessage(words->word[0]);
  if (!message.has_value()) return NextCommandAction{};
  if (session.maildrop().deleted_count() == kMaxDeletions) return session.Say(ReplyId::kTooManyDeletions);
  session.mutable_maildrop().Delete(message->number);
  return session.Say(ReplyId::kDeleted, {absl::StrCat(message->number.value)});
}

}  // namespace mailstead::pop3::commands
