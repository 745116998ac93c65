// UIDL [msg] (RFC 1939 section 7). Unique-ids are the store's data and never change.
#include "absl/strings/str_cat.h"
#include "pop3d/commands/commands.h"

namespace mailstead::pop3::commands {

Step Uidl(Session& session, const Command& command) {
  const std::optional<Words> words = SplitWords(command.argument);
  if (!words.has_value() || words->count == 2) return Usage(command);
  if (words->count == 0) {
    return Step::Say(ReplyId::kUidListing).Then(SendListingAction{.kind = ListingKind::kUniqueIds});
  }
  Step refusal;
  const std::optional<Maildrop::Message> message = session.FindMessage(command, words->word[0], refusal);
  if (!message.has_value()) return refusal;
  return Step::Say(ReplyId::kNumbers, {absl::StrCat(message->number.value), std::string(message->unique_id)});
}

}  // namespace mailstead::pop3::commands
