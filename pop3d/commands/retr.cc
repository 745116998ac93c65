// RETR msg (RFC 1939 section 5).
#include "pop3d/commands/commands.h"

namespace mailstead::pop3::commands {

Step Retr(Session& session, const Command& command) {
  const std::optional<Words> words = SplitWords(command.argument);
  if (!words.has_value() || words->count != 1) return Usage(command);
  Step refusal;
  const std::optional<Maildrop::Message> message = session.FindMessage(command, words->word[0], refusal);
  if (!message.has_value()) return refusal;
  return Step::Do(SendMessageAction{
      .number = message->number, .message_id = message->message_id, .size_bytes = message->size_bytes});
}

}  // namespace mailstead::pop3::commands
