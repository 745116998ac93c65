// LIST [msg] (RFC 1939 section 5).
#include "absl/strings/str_cat.h"
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {

Action List(Session& session, const Command& command) {
  const std::optional<Words> words = SplitWords(command.argument);
  if (!words.has_value() || words->count == 2) return session.Usage();
  if (words->count == 0) {
    const Maildrop& maildrop = session.maildrop();
    session.Say(ReplyId::kScanListing,
                {absl::StrCat(maildrop.kept_count()), absl::StrCat(maildrop.kept_bytes())});
    return SendListingAction{.kind = ListingKind::kSizes};
  }
  const std::optional<Maildrop::Message> message = session.FindMessage(words->word[0]);
  if (!message.has_value()) return NextCommandAction{};
  return session.Say(ReplyId::kNumbers,
                     {absl::StrCat(message->number.value), absl::StrCat(message->size_bytes)});
}

}  // namespace mailstead::pop3::commands
