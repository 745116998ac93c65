// LANG [range] (RFC 6856 section 3).
#include "absl/strings/str_cat.h"
#include "pop3d/commands/commands.h"
#include "pop3d/protocol/language.h"

namespace mailstead::pop3::commands {

Step Lang(Session& session, const Command& command) {
  const std::optional<Words> words = SplitWords(command.argument);
  if (!words.has_value() || words->count == 2) return Usage(command);
  if (words->count == 0) {
    Step step = Step::Say(ReplyId::kLanguages);
    for (const LanguageEntry& entry : kLanguages)
      step.reply->lines.push_back(absl::StrCat(entry.tag, " ", entry.name));
    return step;
  }
  const LanguageEntry* language = FindLanguage(words->word[0]);
  if (language == nullptr) return Step::Say(ReplyId::kUnknownLanguage);
  session.set_language(language->language);
  // Already in the new language.
  return Step::Say(ReplyId::kLanguageChanged, {std::string(language->tag)});
}

}  // namespace mailstead::pop3::commands
