#include "pop3d/session/listing.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace mailstead::pop3 {
namespace {

// Ends of unique-ids in a chunk have 16 bits, sizes 48.
static_assert(kListingChunkEntries * kMaxUniqueIdBytes <= std::numeric_limits<uint16_t>::max());
constexpr int64_t kMaxSizeBytes = (int64_t{1} << 48) - 1;
// Of what the allocator and shared_ptr add to a chunk and its two arrays.
constexpr size_t kChunkOverheadBytes = 80;

bool IsUniqueId(absl::string_view id) {
  return !id.empty() && id.size() <= kMaxUniqueIdBytes &&
         std::all_of(id.begin(), id.end(), [](char c) { return c >= 0x21 && c <= 0x7E; });
}

}  // namespace

const std::shared_ptr<const Listing>& Listing::Empty() {
  static const auto& empty = *new std::shared_ptr<const Listing>(std::make_shared<Listing>());
  return empty;
}

size_t Listing::Chunk::memory_bytes() const {
  return sizeof(Part) + sizeof(Chunk) + kChunkOverheadBytes + entries.capacity() * sizeof(Entry) +
         unique_ids.capacity();
}

size_t Listing::MemoryOf(size_t message_count, size_t unique_id_bytes) {
  const size_t chunk_count = message_count / kListingChunkEntries + 1;
  return sizeof(Listing) + chunk_count * (sizeof(Part) + sizeof(Chunk) + kChunkOverheadBytes) +
         message_count * (sizeof(Entry) + unique_id_bytes);
}

// Each message that goes makes one chunk anew at most.
size_t Listing::MemoryWithout(size_t removed_count) const {
  if (removed_count >= count_) return 0;
  return std::min(memory_bytes_, removed_count * MemoryOf(kListingChunkEntries, kMaxUniqueIdBytes));
}

std::optional<Listing::Message> Listing::Find(MessageNumber number) const {
  if (number.value == 0 || number.value > count_) return std::nullopt;
  const size_t index = number.value - 1;
  const auto next = std::upper_bound(parts_.begin(), parts_.end(), index, [](size_t value, const Part& part) {
    return value < part.count_before;
  });
  const Part& part = *std::prev(next);
  const size_t i = index - part.count_before;
  const Entry& entry = part.chunk->entries[i];
  const size_t begin = i == 0 ? 0 : part.chunk->entries[i - 1].unique_id_end;
  return Message{
      .number = number,
      .id = MessageId{entry.id},
      .size_bytes = entry.size_bytes,
      .unique_id = absl::string_view(part.chunk->unique_ids).substr(begin, entry.unique_id_end - begin)};
}

ListingBuilder::ListingBuilder(const Listing& base, const std::vector<MessageId>& removed, ListingRoom room)
    : room_(std::move(room)) {
  chunks_.reserve(base.parts_.size() + 1);
  auto gone = removed.begin();
  for (const Listing::Part& part : base.parts_) {
    const std::vector<Listing::Entry>& entries = part.chunk->entries;
    gone = std::lower_bound(gone, removed.end(), MessageId{entries.front().id});
    if (gone == removed.end() || gone->value > entries.back().id) {
      Push(part.chunk);
      continue;
    }
    const auto left = std::make_shared<Chunk>();
    for (size_t i = 0; i < entries.size(); ++i) {
      while (gone != removed.end() && gone->value < entries[i].id) ++gone;
      if (gone == removed.end() || gone->value != entries[i].id) Append(*part.chunk, i, *left);
    }
    if (left->entries.empty()) continue;
    Finish(*left);
    Push(left);
  }
}

void ListingBuilder::Append(const Chunk& from, size_t index, Chunk& to) {
  const Listing::Entry& entry = from.entries[index];
  const size_t begin = index == 0 ? 0 : from.entries[index - 1].unique_id_end;
  to.unique_ids.append(from.unique_ids, begin, entry.unique_id_end - begin);
  to.entries.push_back({.id = entry.id,
                        .size_bytes = entry.size_bytes,
                        .unique_id_end = static_cast<uint16_t>(to.unique_ids.size())});
  to.size_bytes += entry.size_bytes;
}

// Chunks that have become small are put together, so that there are never many of them for few messages.
void ListingBuilder::Push(std::shared_ptr<const Chunk> chunk) {
  count_ += chunk->entries.size();
  last_id_ = chunk->entries.back().id;
  const bool fits =
      !chunks_.empty() && chunks_.back()->entries.size() + chunk->entries.size() <= kListingChunkEntries / 2;
  if (!fits) {
    chunks_.push_back(std::move(chunk));
    return;
  }
  const auto both = CopyOf(*chunks_.back());
  for (size_t i = 0; i < chunk->entries.size(); ++i) Append(*chunk, i, *both);
  Finish(*both);
  chunks_.back() = both;
}

std::shared_ptr<ListingBuilder::Chunk> ListingBuilder::CopyOf(const Chunk& chunk) {
  const auto copy = std::make_shared<Chunk>();
  copy->entries = chunk.entries;
  copy->unique_ids = chunk.unique_ids;
  copy->size_bytes = chunk.size_bytes;
  return copy;
}

void ListingBuilder::Finish(Chunk& chunk) {
  chunk.entries.shrink_to_fit();
  chunk.unique_ids.shrink_to_fit();
  chunk.held = room_.memory.Split(chunk.memory_bytes());
}

void ListingBuilder::PushTail() {
  Finish(*tail_);
  chunks_.push_back(std::move(tail_));
}

ListingBuilder::Chunk& ListingBuilder::Tail() {
  if (tail_ != nullptr && tail_->entries.size() == kListingChunkEntries) PushTail();
  if (tail_ != nullptr) return *tail_;
  if (!chunks_.empty() && chunks_.back()->entries.size() < kListingChunkEntries) {
    tail_ = CopyOf(*chunks_.back());
    chunks_.pop_back();
  } else {
    tail_ = std::make_shared<Chunk>();
  }
  return *tail_;
}

bool ListingBuilder::Add(MessageId id, int64_t size_bytes, absl::string_view unique_id) {
  if (count_ >= room_.max_messages || id.value <= last_id_) return false;
  if (size_bytes < 0 || size_bytes > kMaxSizeBytes || !IsUniqueId(unique_id)) return false;
  Chunk& tail = Tail();
  tail.unique_ids.append(unique_id.data(), unique_id.size());
  tail.entries.push_back({.id = id.value,
                          .size_bytes = static_cast<uint64_t>(size_bytes),
                          .unique_id_end = static_cast<uint16_t>(tail.unique_ids.size())});
  tail.size_bytes += static_cast<uint64_t>(size_bytes);
  last_id_ = id.value;
  ++count_;
  return true;
}

std::shared_ptr<const Listing> ListingBuilder::Build() && {
  if (tail_ != nullptr) PushTail();
  if (chunks_.empty()) return Listing::Empty();
  const auto listing = std::make_shared<Listing>();
  listing->parts_.reserve(chunks_.size());
  listing->memory_bytes_ = sizeof(Listing);
  for (std::shared_ptr<const Chunk>& chunk : chunks_) {
    listing->memory_bytes_ += chunk->memory_bytes();
    listing->size_bytes_ += chunk->size_bytes;
    const size_t count = chunk->entries.size();
    listing->parts_.push_back({.count_before = listing->count_, .chunk = std::move(chunk)});
    listing->count_ += count;
  }
  return listing;
}

}  // namespace mailstead::pop3
