// DELE msg (RFC 1939 section 5): marks; QUIT deletes.
#include "absl/strings/str_cat.h"
#include "pop3d/commands/commands.h"
#include "pop3d/protocol/limits.h"

namespace mailstead::pop3::commands {

Step Dele(Session& session, const Command& command) {
  const std::optional<Words> words = SplitWords(command.argument);
  if (!words.has_value() || words->count != 1) return Usage(command);
  Step refusal;
  const std::optional<Maildrop::Message> message = session.FindMessage(command, words->word[0], refusal);
  if (!message.has_value()) return refusal;
  if (session.maildrop().deleted_count() == kMaxDeletions) return Step::Say(ReplyId::kTooManyDeletions);
  session.mutable_maildrop().Delete(message->number);
  return Step::Say(ReplyId::kDeleted, {absl::StrCat(message->number.value)});
}

}  // namespace mailstead::pop3::commands
