#include "stored/core/feed_cursor.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/reason.h"
#include "stored/core/digest.h"
#include "stored/rules/change.h"

namespace mailstead::stored {
namespace {

// The grammar of a cursor: version byte, incarnation, scope, position, message, fence, check. The first two are the start of
// a SHA-256, and so is the check, of all in front of it; numbers are big-endian, of 8 bytes.
constexpr char kVersion = 1;
constexpr size_t kNameBytes = 8;
constexpr size_t kNumberBytes = 8;
constexpr size_t kCheckBytes = 4;
constexpr size_t kBytes = 1 + 2 * kNameBytes + 3 * kNumberBytes + kCheckBytes;
static_assert(kBytes <= kMaxCursorBytes);

std::string Name(absl::string_view text) { return Sha256(text).substr(0, kNameBytes); }
// It finds mistakes; it is no secret, since whoever may watch may watch from anywhere.
std::string Check(absl::string_view bytes) { return Sha256(bytes).substr(0, kCheckBytes); }

void Append(std::string& bytes, int64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8)
    bytes.push_back(static_cast<char>(static_cast<uint64_t>(number) >> shift));
}

int64_t TakeNumber(absl::string_view& bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < kNumberBytes; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  bytes.remove_prefix(kNumberBytes);
  return static_cast<int64_t>(value);
}

absl::Status NoCursor() { return FieldError("cursor", "must be the cursor of an event, as it was sent"); }

}  // namespace

std::string WatchScope(const std::vector<AccountId>& accounts, absl::string_view domain) {
  if (!domain.empty()) return absl::StrCat("domain/", domain);
  if (accounts.empty()) return "all";
  const auto number = [](std::string* out, AccountId id) { out->append(absl::StrCat(id.value)); };
  return absl::StrCat("accounts/", absl::StrJoin(accounts, ",", number));
}

std::string MakeFeedCursor(absl::string_view incarnation, absl::string_view scope, const FeedCursor& cursor) {
  std::string bytes(1, kVersion);
  bytes += Name(incarnation);
  bytes += Name(scope);
  Append(bytes, cursor.at.position);
  Append(bytes, cursor.at.message.value);
  Append(bytes, cursor.fence);
  bytes += Check(bytes);
  return bytes;
}

absl::StatusOr<FeedCursor> ReadFeedCursor(absl::string_view incarnation, absl::string_view scope,
                                          absl::string_view bytes) {
  if (bytes.size() != kBytes || bytes.front() != kVersion) return NoCursor();
  if (bytes.substr(kBytes - kCheckBytes) != Check(bytes.substr(0, kBytes - kCheckBytes))) return NoCursor();
  absl::string_view rest = bytes.substr(1 + 2 * kNameBytes);
  FeedCursor cursor;
  cursor.at.position = TakeNumber(rest);
  cursor.at.message.value = TakeNumber(rest);
  cursor.fence = TakeNumber(rest);
  if (cursor.at.position < 0 || cursor.at.message.value < 0 || cursor.fence < 0) return NoCursor();
  if (bytes.substr(1, kNameBytes) != Name(incarnation)) {
    return rules::CursorExpired("the cursor is of the store before it was restored, or of another one");
  }
  if (bytes.substr(1 + kNameBytes, kNameBytes) != Name(scope)) {
    return FieldError("cursor", "is of other accounts, another domain or all");
  }
  return cursor;
}

}  // namespace mailstead::stored
