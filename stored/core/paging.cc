#include "stored/core/paging.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/details.h"
#include "common/base/reason.h"
#include "stored/core/digest.h"
#include "stored/core/limits.h"

namespace mailstead::stored {
namespace {

// The grammar of a token, before base64: version byte, check, key.
constexpr char kVersion = 1;
constexpr size_t kCheckBytes = 8;

// Ties the key to its listing. It finds mistakes; it is no secret, since whoever may list may list from
// anywhere.
std::string Check(absl::string_view listing, absl::string_view after) {
  return Sha256(absl::StrCat(listing, absl::string_view("\0", 1), after)).substr(0, kCheckBytes);
}

}  // namespace

absl::StatusOr<size_t> CheckPageSize(int32_t page_size) {
  if (page_size < 0) return FieldError("page_size", "must not be negative");
  if (page_size == 0) return kDefaultPageSize;
  return std::min(static_cast<size_t>(page_size), kMaxPageSize);
}

std::string MakePageToken(absl::string_view listing, absl::string_view after) {
  return absl::WebSafeBase64Escape(
      absl::StrCat(absl::string_view(&kVersion, 1), Check(listing, after), after));
}

absl::StatusOr<std::string> ReadPageToken(absl::string_view listing, absl::string_view token) {
  if (token.empty()) return std::string();
  std::string bytes;
  if (token.size() > kMaxPageTokenBytes || !absl::WebSafeBase64Unescape(token, &bytes) ||
      bytes.size() <= 1 + kCheckBytes || bytes.front() != kVersion) {
    return FieldError("page_token", "must be the next_page_token of the page before");
  }
  std::string after = bytes.substr(1 + kCheckBytes);
  if (bytes.substr(1, kCheckBytes) != Check(listing, after)) {
    return FieldError("page_token", "belongs to another listing or filter");
  }
  return after;
}

absl::StatusOr<PageStart> ReadPage(absl::string_view listing, int32_t page_size,
                                   absl::string_view page_token) {
  Violations wrong;
  PageStart page;
  page.size = wrong.Take(CheckPageSize(page_size));
  page.after = wrong.Take(ReadPageToken(listing, page_token));
  RETURN_IF_ERROR(wrong.Result());
  return page;
}

}  // namespace mailstead::stored
