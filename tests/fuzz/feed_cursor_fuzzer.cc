// Cursors of the change feed: what a program sends back is refused, or it is the one cursor that is written so.
#include <cstdint>
#include <string>

#include "common/base/check.h"
#include "stored/core/digest.h"
#include "stored/core/feed_cursor.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

constexpr char kIncarnation[] = "this store";
constexpr char kScope[] = "accounts/3,7";
constexpr size_t kCheckBytes = 4;

void Check(absl::string_view bytes) {
  const auto read = stored::ReadFeedCursor(kIncarnation, kScope, bytes);
  if (!read.ok()) return;
  CHECK(bytes.size() <= stored::kMaxCursorBytes);
  CHECK(read->at.position >= 0 && read->at.message.value >= 0 && read->fence >= 0);
  CHECK(stored::MakeFeedCursor(kIncarnation, kScope, *read) == bytes);
  CHECK(!stored::ReadFeedCursor("another store", kScope, bytes).ok());
  CHECK(!stored::ReadFeedCursor(kIncarnation, "all", bytes).ok());
}

int64_t TakeNumber(absl::string_view& input) {
  uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = number << 8 | TakeChoice(input);
  return static_cast<int64_t>(number);
}

}  // namespace

void Run(absl::string_view input) {
  Check(input);
  // With a right end, which no chance would find: what stands in front of it is looked at too.
  Check(std::string(input) + stored::Sha256(input).substr(0, kCheckBytes));

  stored::FeedCursor cursor;
  cursor.at.position = TakeNumber(input);
  cursor.at.message.value = TakeNumber(input);
  cursor.fence = TakeNumber(input);
  const std::string made = stored::MakeFeedCursor(kIncarnation, kScope, cursor);
  const auto read = stored::ReadFeedCursor(kIncarnation, kScope, made);
  const bool negative = cursor.at.position < 0 || cursor.at.message.value < 0 || cursor.fence < 0;
  CHECK(negative ? !read.ok() : read.ok() && *read == cursor);
}

}  // namespace mailstead::fuzz
