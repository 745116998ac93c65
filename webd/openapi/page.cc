#include "webd/openapi/page.h"

#include <openssl/sha.h>

#include <cstddef>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

// Of the build: the files in page/.
extern const char kMailsteadPageHtml[];
extern const size_t kMailsteadPageHtmlBytes;
extern const char kMailsteadPageCss[];
extern const size_t kMailsteadPageCssBytes;
extern const char kMailsteadPageJs[];
extern const size_t kMailsteadPageJsBytes;

namespace mailstead::web {
namespace {

// As a policy names it (https://www.w3.org/TR/CSP3/#grammardef-hash-source).
std::string HashOf(absl::string_view text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return absl::StrCat(
      "'sha256-", absl::Base64Escape(absl::string_view(reinterpret_cast<const char*>(digest), sizeof digest)),
      "'");
}

}  // namespace

DocsPage MakeDocsPage() {
  const absl::string_view html(kMailsteadPageHtml, kMailsteadPageHtmlBytes);
  const absl::string_view css(kMailsteadPageCss, kMailsteadPageCssBytes);
  const absl::string_view js(kMailsteadPageJs, kMailsteadPageJsBytes);
  return {.html = absl::StrReplaceAll(html, {{"@STYLE@", css}, {"@SCRIPT@", js}}),
          .policy = absl::StrCat(
              "default-src 'none'; script-src ", HashOf(js), "; style-src ", HashOf(css),
              "; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
              "require-trusted-types-for 'script'")};
}

}  // namespace mailstead::web
