// TOP msg n (RFC 1939 section 7): header, blank line, n lines of the body.
#include "pop3d/commands/commands.h"

namespace mailstead::pop3::commands {

Step Top(Session& session, const Command& command) {
  const std::optional<Words> words = SplitWords(command.argument);
  if (!words.has_value() || words->count != 2) return Usage(command);
  const std::optional<uint64_t> lines = ParseNumber(words->word[1]);
  if (!lines.has_value()) return Usage(command);
  Step refusal;
  const std::optional<Maildrop::Message> message = session.FindMessage(command, words->word[0], refusal);
  if (!message.has_value()) return refusal;
  return Step::Do(SendMessageAction{.number = message->number,
                                    .message_id = message->message_id,
                                    .size_bytes = message->size_bytes,
                                    .top_lines = lines});
}

}  // namespace mailstead::pop3::commands
