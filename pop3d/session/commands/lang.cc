// LANG [range] (RFC 6856 section 3).
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "pop3d/protocol/language.h"
#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3::commands {

Action Lang(Session& session, const Command& command) {
  const std::optional<Words> words = SplitWords(command.argument);
  if (!words.has_value() || words->count == 2) return session.Usage();
  if (words->count == 0) {
    std::vector<std::string> lines;
    for (const LanguageEntry& entry : kLanguages) lines.push_back(absl::StrCat(entry.tag, " ", entry.name));
    return session.Say(ReplyId::kLanguages, {}, std::move(lines));
  }
  const LanguageEntry* language = FindLanguage(words->word[0]);
  if (language == nullptr) return session.Say(ReplyId::kUnknownLanguage);
  session.set_language(language->language);
  // Already in the new language.
  return session.Say(ReplyId::kLanguageChanged, {std::string(language->tag)});
}

}  // namespace mailstead::pop3::commands
