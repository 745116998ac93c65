#include "common/mailauth/signature_field.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/mailauth/canonical.h"

namespace mailstead::mailauth {
namespace {

// RFC 5322 section 2.1.1 wants no more than 78 characters in a line.
constexpr size_t kLineBytes = 76;
constexpr absl::string_view kFold = "\r\n\t";

// "h=from:to:..." over several lines, which break behind a colon only: within a name they must not.
std::string Names(const std::vector<std::string>& names) {
  std::string text = "h=";
  size_t line_bytes = text.size();
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string part = absl::StrCat(names[i], i + 1 < names.size() ? ":" : ";");
    if (line_bytes + part.size() > kLineBytes) {
      absl::StrAppend(&text, kFold, " ");
      line_bytes = 1;
    }
    text += part;
    line_bytes += part.size();
  }
  return text;
}

std::string Folded(absl::string_view base64) {
  std::string text;
  size_t size = kLineBytes - 4;
  while (!base64.empty()) {
    const absl::string_view line = base64.substr(0, std::min(base64.size(), size));
    absl::StrAppend(&text, text.empty() ? "" : "\r\n\t ", line);
    base64.remove_prefix(line.size());
  }
  return text;
}

}  // namespace

std::string UnsignedField(const Signature& signature) {
  return absl::StrCat("DKIM-Signature: v=1; a=", KeyTypeName(signature.type), "-sha256; c=relaxed/relaxed;",
                      kFold, "d=", signature.domain, ";", kFold, "s=", signature.selector,
                      "; t=", absl::ToUnixSeconds(signature.time), ";", kFold, Names(signature.names), kFold,
                      "bh=", absl::Base64Escape(signature.body_hash), ";", kFold, "b=");
}

std::string HashedField(absl::string_view unsigned_field) {
  return std::string(absl::StripSuffix(CanonicalField(unsigned_field, Canonicalization::kRelaxed), "\r\n"));
}

std::string SignedField(absl::string_view unsigned_field, absl::string_view signature) {
  return absl::StrCat(unsigned_field, Folded(absl::Base64Escape(signature)), "\r\n");
}

}  // namespace mailstead::mailauth
