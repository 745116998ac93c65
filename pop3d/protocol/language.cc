#include "pop3d/protocol/language.h"

#include "absl/strings/match.h"

namespace mailstead::pop3 {

const LanguageEntry* FindLanguage(absl::string_view range) {
  if (range == "*") return &kLanguages[0];
  while (!range.empty()) {
    for (const LanguageEntry& entry : kLanguages) {
      if (absl::EqualsIgnoreCase(entry.tag, range)) return &entry;
    }
    const size_t dash = range.rfind('-');
    if (dash == absl::string_view::npos) return nullptr;
    range = range.substr(0, dash);
    // A single letter introduces what follows it and goes with that ("zh-Hant-x" is no range).
    if (range.size() >= 2 && range[range.size() - 2] == '-') range.remove_suffix(2);
  }
  return nullptr;
}

}  // namespace mailstead::pop3
