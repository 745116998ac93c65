#include "stored/rules/listing.h"

#include <algorithm>
#include <utility>

namespace mailstead::rules {
namespace {

void AppendNumber(std::string& bytes, int64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift));
  }
}

int64_t TakeNumber(absl::string_view& bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  bytes.remove_prefix(8);
  return static_cast<int64_t>(value);
}

}  // namespace

// end, removal_count: 8 bytes each, most significant first; then the counter's name.
std::string Format(const ListingVersion& version) {
  std::string bytes;
  AppendNumber(bytes, version.end);
  AppendNumber(bytes, version.removal_count);
  return bytes + version.counter;
}

std::optional<ListingVersion> ParseListingVersion(absl::string_view bytes) {
  if (bytes.size() < 16 || bytes.size() > 16 + 255) return std::nullopt;
  ListingVersion version;
  version.end = TakeNumber(bytes);
  version.removal_count = TakeNumber(bytes);
  if (version.end < 1 || version.removal_count < 0) return std::nullopt;
  version.counter = std::string(bytes);
  return version;
}

std::optional<ListingVersion> Usable(absl::string_view known_version, const ListingVersion& now) {
  std::optional<ListingVersion> known = ParseListingVersion(known_version);
  if (!known.has_value() || known->counter != now.counter) return std::nullopt;
  if (known->end > now.end || known->removal_count > now.removal_count) return std::nullopt;
  if (now.removal_count - known->removal_count > kMaxRemovals) return std::nullopt;
  return known;
}

std::vector<MessageId> RemovedFrom(const ListingVersion& known, std::vector<MessageId> removed) {
  std::erase_if(removed, [&](MessageId id) { return id.value >= known.end; });
  std::sort(removed.begin(), removed.end());
  return removed;
}

}  // namespace mailstead::rules
