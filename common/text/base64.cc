#include "common/text/base64.h"

#include "absl/strings/escaping.h"

namespace mailstead {

std::optional<std::string> DecodeBase64(absl::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape(text, &bytes)) return std::nullopt;
  // Abseil passes over white space and forgives missing padding. Only the canonical form encodes back to
  // itself.
  if (absl::Base64Escape(bytes) != text) return std::nullopt;
  return bytes;
}

}  // namespace mailstead
