// The cursors of the change feed that programs keep. Opaque to them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/store/ids.h"
#include "stored/engine/change.h"

namespace mailstead::stored {

// proto: WatchEvent.cursor.
inline constexpr size_t kMaxCursorBytes = 256;

struct FeedCursor {
  engine::ChangeCursor at;
  // Of the worker that was sent it as a consumer; 0: nobody's.
  int64_t fence = 0;
  bool operator==(const FeedCursor&) const = default;
};

// Names whose changes a stream has: "accounts/3,7", "domain/example.test", "all". Ids ascend.
std::string WatchScope(const std::vector<AccountId>& accounts, absl::string_view domain);

std::string MakeFeedCursor(absl::string_view incarnation, absl::string_view scope, const FeedCursor& cursor);
// FieldError "cursor" for what MakeFeedCursor did not make, or made for another scope; OutOfRange with kReasonCursorExpired
// for one of another incarnation.
absl::StatusOr<FeedCursor> ReadFeedCursor(absl::string_view incarnation, absl::string_view scope,
                                          absl::string_view bytes);

}  // namespace mailstead::stored
