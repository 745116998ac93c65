// TOP msg n (RFC 1939 section 7): header, blank line, n lines of the body.
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {

Action Top(Session& session, const Command& command) {
  const std::optional<Words> words = SplitWords(command.argument);
  if (!words.has_value() || words->count != 2) return session.Usage();
  const std::optional<uint64_t> lines = ParseNumber(words->word[1]);
  if (!lines.has_value()) return session.Usage();
  const std::optional<Maildrop::Message> message = session.FindMessage(words->word[0]);
  if (!message.has_value()) return NextCommandAction{};
  return SendMessageAction{
      .number = message->number, .id = message->id, .size_bytes = message->size_bytes, .top_lines = lines};
}

}  // namespace mailstead::pop3::commands
