#include "pop3d/session/maildrop.h"

#include <algorithm>
#include <limits>

#include "common/base/check.h"
#include "pop3d/protocol/limits.h"

namespace mailstead::pop3 {

// Offsets into the arena of unique-ids have 32 bits.
static_assert(kMaxMaildropMessages * kMaxUniqueIdBytes <= std::numeric_limits<uint32_t>::max());

bool Maildrop::Add(uint64_t message_id, uint64_t size_bytes, absl::string_view unique_id) {
  if (entries_.size() == kMaxMaildropMessages) return false;
  if (unique_id.empty() || unique_id.size() > kMaxUniqueIdBytes) return false;
  if (!std::all_of(unique_id.begin(), unique_id.end(), [](char c) { return c >= 0x21 && c <= 0x7E; }))
    return false;
  entries_.push_back(Entry{.message_id = message_id,
                           .size_bytes = size_bytes,
                           .deleted = 0,
                           .unique_id_offset = static_cast<uint32_t>(unique_ids_.size()),
                           .unique_id_bytes = static_cast<uint8_t>(unique_id.size())});
  unique_ids_.append(unique_id.data(), unique_id.size());
  ++kept_count_;
  kept_bytes_ += size_bytes;
  return true;
}

void Maildrop::Freeze() {
  entries_.shrink_to_fit();
  unique_ids_.shrink_to_fit();
}

std::optional<Maildrop::Message> Maildrop::Find(MessageNumber number) const {
  if (number.value == 0 || number.value > entries_.size()) return std::nullopt;
  const Entry& entry = entries_[number.value - 1];
  return Message{
      .number = number,
      .message_id = entry.message_id,
      .size_bytes = entry.size_bytes,
      .unique_id = absl::string_view(unique_ids_).substr(entry.unique_id_offset, entry.unique_id_bytes),
      .deleted = entry.deleted != 0};
}

void Maildrop::Delete(MessageNumber number) {
  CHECK(number.value != 0 && number.value <= entries_.size());
  Entry& entry = entries_[number.value - 1];
  CHECK(!entry.deleted);
  entry.deleted = 1;
  --kept_count_;
  kept_bytes_ -= entry.size_bytes;
}

void Maildrop::UndeleteAll() {
  for (Entry& entry : entries_) {
    if (!entry.deleted) continue;
    entry.deleted = 0;
    ++kept_count_;
    kept_bytes_ += entry.size_bytes;
  }
}

std::vector<uint64_t> Maildrop::Deletions() const {
  std::vector<uint64_t> ids;
  ids.reserve(deleted_count());
  for (const Entry& entry : entries_) {
    if (entry.deleted) ids.push_back(entry.message_id);
  }
  return ids;
}

}  // namespace mailstead::pop3
