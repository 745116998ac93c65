// LIST [msg] (RFC 1939 section 5).
#include "absl/strings/str_cat.h"
#include "pop3d/commands/commands.h"

namespace mailstead::pop3::commands {

Step List(Session& session, const Command& command) {
  const std::optional<Words> words = SplitWords(command.argument);
  if (!words.has_value() || words->count == 2) return Usage(command);
  if (words->count == 0) {
    const Maildrop& maildrop = session.maildrop();
    return Step::Say(ReplyId::kScanListing,
                     {absl::StrCat(maildrop.kept_count()), absl::StrCat(maildrop.kept_bytes())})
        .Then(SendListingAction{.kind = ListingKind::kSizes});
  }
  Step refusal;
  const std::optional<Maildrop::Message> message = session.FindMessage(command, words->word[0], refusal);
  if (!message.has_value()) return refusal;
  return Step::Say(ReplyId::kNumbers,
                   {absl::StrCat(message->number.value), absl::StrCat(message->size_bytes)});
}

}  // namespace mailstead::pop3::commands
