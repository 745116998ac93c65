// Pages of list calls: page_size and page_token.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/status.h"
#include "common/base/task.h"
#include "stored/core/limits.h"

namespace mailstead::stored {

// 0 means the default, more than the most means the most. FieldError "page_size" when negative.
absl::StatusOr<size_t> CheckPageSize(int32_t page_size);

// A token says after which key the next page begins. `listing` names the call and its filter, for example
// "accounts/example.test": a token of another listing is refused.
std::string MakePageToken(absl::string_view listing, absl::string_view after);

// The key; empty for an empty token (the first page). FieldError "page_token" for what MakePageToken did not
// make for this listing.
absl::StatusOr<std::string> ReadPageToken(absl::string_view listing, absl::string_view token);

// Which page is asked for.
struct PageStart {
  size_t size = 0;
  // The key that it comes behind.
  std::string after;
};
// The errors of both, of which it tells all at once.
absl::StatusOr<PageStart> ReadPage(absl::string_view listing, int32_t page_size,
                                   absl::string_view page_token);

// Items of one page.
template <typename T>
struct Gathered {
  std::vector<T> items;
  // There are items behind them.
  bool more = false;
};

// What is listed behind `after`: at most `page_size` items, and of those of `size(item)` bytes no more than fit in
// kMaxPageBytes, but for the first one. `list(after, limit)` gives items, `key(item)` what the next ones come after.
template <typename T, typename After, typename List, typename Key, typename Size>
Task<absl::StatusOr<Gathered<T>>> Gather(After after, size_t page_size, List list, Key key, Size size) {
  Gathered<T> page;
  size_t bytes = 0;
  while (true) {
    // One more than asked for tells whether there is another.
    const size_t step = std::min(kPageStepItems, page_size + 1 - page.items.size());
    CO_ASSIGN_OR_RETURN(std::vector<T> next, co_await list(std::move(after), step));
    for (T& item : next) {
      bytes += size(item);
      page.more = page.items.size() == page_size || (!page.items.empty() && bytes > kMaxPageBytes);
      if (page.more) co_return page;
      page.items.push_back(std::move(item));
    }
    if (next.size() < step) co_return page;
    after = key(page.items.back());
  }
}

}  // namespace mailstead::stored
