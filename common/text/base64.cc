#include "common/text/base64.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace mailstead {

std::optional<std::string> DecodeBase64(absl::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape(text, &bytes)) return std::nullopt;
  // Abseil passes over white space and forgives missing padding. Only the canonical form encodes back to
  // itself.
  if (absl::Base64Escape(bytes) != text) return std::nullopt;
  return bytes;
}

std::string EncodeBase64Lines(absl::string_view bytes) {
  constexpr size_t kLineBytes = 57;  // 76 characters
  std::string lines;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), kLineBytes))) {
    absl::StrAppend(&lines, absl::Base64Escape(bytes.substr(0, kLineBytes)), "\r\n");
  }
  return lines;
}

}  // namespace mailstead
