// The languages of human-readable texts (RFC 6856 section 3).
#pragma once

#include "absl/strings/string_view.h"

namespace mailstead::pop3 {

// kDefault is i-default (RFC 2277 section 4.5), what a client gets that never asked: English in ASCII.
enum class Language { kDefault, kEnglish, kGerman };

struct LanguageEntry {
  Language language;
  // RFC 5646.
  absl::string_view tag;
  // The language's name in the language itself, UTF-8.
  absl::string_view name;
};

inline constexpr LanguageEntry kLanguages[] = {
    {Language::kDefault, "i-default", "English"},
    {Language::kEnglish, "en", "English"},
    {Language::kGerman, "de", "Deutsch"},
};

// The look-up of RFC 4647 section 3.4 with a basic language range: "de-AT" finds de, "*" the default. Case
// does not matter. Null when there is none.
const LanguageEntry* FindLanguage(absl::string_view range);

}  // namespace mailstead::pop3
