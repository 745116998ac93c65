#include "webd/webhooks/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/text/base64.h"

namespace mailstead::web {

absl::StatusOr<std::string> WebhookSignature(absl::string_view secret, absl::string_view id,
                                             int64_t timestamp, absl::string_view body) {
  std::optional<std::string> key;
  if (absl::ConsumePrefix(&secret, "whsec_")) key = DecodeBase64(secret);
  if (!key.has_value() || key->empty()) return absl::InvalidArgumentError("the webhook's secret is none");
  const std::string content = absl::StrCat(id, ".", timestamp, ".", body);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  CHECK(HMAC(EVP_sha256(), key->data(), static_cast<int>(key->size()),
             reinterpret_cast<const unsigned char*>(content.data()), content.size(), digest,
             &length) != nullptr);
  return absl::StrCat("v1,",
                      absl::Base64Escape(absl::string_view(reinterpret_cast<const char*>(digest), length)));
}

}  // namespace mailstead::web
