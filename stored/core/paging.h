// Pages of list calls: page_size and page_token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::stored {

// 0 means the default, more than the most means the most. FieldError "page_size" when negative.
absl::StatusOr<size_t> CheckPageSize(int32_t page_size);

// A token says after which key the next page begins. `listing` names the call and its filter, for example
// "accounts/example.test": a token of another listing is refused.
std::string MakePageToken(absl::string_view listing, absl::string_view after);

// The key; empty for an empty token (the first page). FieldError "page_token" for what MakePageToken did not
// make for this listing.
absl::StatusOr<std::string> ReadPageToken(absl::string_view listing, absl::string_view token);

}  // namespace mailstead::stored
