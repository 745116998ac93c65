// RETR msg (RFC 1939 section 5).
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {

Action Retr(Session& session, const Command& command) {
  const std::optional<Words> words = SplitWords(command.argument);
  if (!words.has_value() || words->count != 1) return session.Usage();
  const std::optional<Maildrop::Message> message = session.FindMessage(words->word[0]);
  if (!message.has_value()) return NextCommandAction{};
  return SendMessageAction{.number = message->number, .id = message->id, .size_bytes = message->size_bytes};
}

}  // namespace mailstead::pop3::commands
