// UIDL [msg] (RFC 1939 section 7). Unique-ids are the store's data and never change.
#include <string>

#include "absl/strings/str_cat.h"
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {

Action Uidl(Session& session, const Command& command) {
  const std::optional<Words> words = SplitWords(command.argument);
  if (!words.has_value() || words->count == 2) return session.Usage();
  if (words->count == 0) {
    session.Say(ReplyId::kUidListing);
    return SendListingAction{.kind = ListingKind::kUniqueIds};
  }
  const std::optional<Maildrop::Message> message = session.FindMessage(words->word[0]);
  if (!message.has_value()) return NextCommandAction{};
  return session.Say(ReplyId::kNumbers,
                     {absl::StrCat(message->number.value), std::string(message->unique_id)});
}

}  // namespace mailstead::pop3::commands
