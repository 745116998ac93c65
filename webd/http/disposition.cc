#include "webd/http/disposition.h"

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/text/utf8.h"
#include "webd/http/percent.h"

namespace mailstead::web {
namespace {

// Those of paths, of patterns, of headers' quoted strings, and those that Windows' file systems have not. A percent sign some
// browsers decode.
constexpr absl::string_view kUnsafe = "/\\:*?\"<>|%";
// Longer ones are no endings.
constexpr size_t kMaxEndingBytes = 16;

// "CON", "com1.txt": what Windows takes for a device whatever stands behind the dot.
bool IsDevice(absl::string_view name) {
  const absl::string_view stem = name.substr(0, name.find('.'));
  for (const absl::string_view device : {"con", "prn", "aux", "nul"}) {
    if (absl::EqualsIgnoreCase(stem, device)) return true;
  }
  return stem.size() == 4 && absl::ascii_isdigit(static_cast<unsigned char>(stem[3])) &&
         (absl::StartsWithIgnoreCase(stem, "com") || absl::StartsWithIgnoreCase(stem, "lpt"));
}

// Windows takes dots and blanks from the end itself, and what is left could be another name; a dot in front hides a file.
absl::string_view Trimmed(absl::string_view name) {
  const size_t begin = name.find_first_not_of(" .");
  if (begin == absl::string_view::npos) return "";
  return name.substr(begin, name.find_last_not_of(" .") + 1 - begin);
}

std::string Shortened(absl::string_view name) {
  if (name.size() <= kMaxFileNameBytes) return std::string(name);
  const size_t dot = name.rfind('.');
  const absl::string_view ending =
      dot == absl::string_view::npos || name.size() - dot > kMaxEndingBytes ? "" : name.substr(dot);
  const absl::string_view stem = Utf8Prefix(name, kMaxFileNameBytes - ending.size());
  return absl::StrCat(Trimmed(stem), ending);
}

}  // namespace

std::string SafeFileName(absl::string_view written, absl::string_view otherwise) {
  // What some mail programs write is the whole path of the sender's file.
  const absl::string_view last = written.substr(written.find_last_of("/\\") + 1);
  std::string name = PrintableUtf8(last, last.size());
  for (char& c : name) {
    if (absl::StrContains(kUnsafe, absl::string_view(&c, 1))) c = '_';
  }
  name = std::string(Trimmed(name));
  if (name.empty()) return std::string(otherwise);
  return Shortened(IsDevice(name) ? absl::StrCat("_", name) : name);
}

std::string AttachmentNamed(absl::string_view name) {
  std::string ascii;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    // One for each character, not for each byte.
    if (byte < 0x80) {
      ascii.push_back(c);
    } else if ((byte & 0xc0) == 0xc0) {
      ascii.push_back('_');
    }
  }
  std::string value = absl::StrCat("attachment; filename=\"", ascii, "\"");
  if (ascii != name) absl::StrAppend(&value, "; filename*=UTF-8''", PercentEncoded(name));
  return value;
}

}  // namespace mailstead::web
