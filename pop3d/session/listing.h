// The listing of a maildrop: which messages there are, in the order of their numbers. Frozen and shared: by
// the sessions that look at it, by the cache that remembers it for the next ones (pop3d/listing_cache.h), and
// in parts by the listings that came before and after it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/base/byte_budget.h"
#include "common/store/ids.h"
#include "pop3d/limits.h"
#include "pop3d/protocol/command.h"
#include "pop3d/protocol/limits.h"

namespace mailstead::pop3 {

// Entries in one chunk at most: what is copied when one message comes or goes.
inline constexpr size_t kListingChunkEntries = 512;

// Compact: 16 bytes and the unique-id for each message, in chunks that a changed listing shares with the one
// it was made of. Thread-safe, as nothing in it changes.
class Listing {
 public:
  struct Message {
    MessageNumber number;
    // The store's.
    MessageId id;
    uint64_t size_bytes = 0;
    // Points into the listing.
    absl::string_view unique_id;
  };

  // The listing of no messages. Lives for ever.
  static const std::shared_ptr<const Listing>& Empty();

  // The greatest number.
  size_t count() const { return count_; }
  // Of all messages together.
  uint64_t size_bytes() const { return size_bytes_; }
  // What it costs to keep it, as if it shared no chunk.
  size_t memory_bytes() const { return memory_bytes_; }

  // What so many messages cost at most, if their unique-ids have so many bytes on average.
  static size_t MemoryOf(size_t message_count, size_t unique_id_bytes);
  // What a listing costs at most that is made of this one without so many of its messages, beside what the two share.
  size_t MemoryWithout(size_t removed_count) const;

  // nullopt for 0 and for numbers past the end.
  std::optional<Message> Find(MessageNumber number) const;

 private:
  friend class ListingBuilder;

  struct Entry {
    int64_t id;
    uint64_t size_bytes : 48;
    // Where the unique-id ends in the chunk's; it begins where that of the entry before ends.
    uint64_t unique_id_end : 16;
  };
  // At least one entry.
  struct Chunk {
    // What it costs with its place in a listing, once it is full or the last one.
    size_t memory_bytes() const;

    std::vector<Entry> entries;
    // All of them, one behind the other.
    std::string unique_ids;
    uint64_t size_bytes = 0;
    // Its memory, counted once however many listings share it.
    ByteHold held;
  };
  struct Part {
    // Of all messages before this chunk.
    size_t count_before;
    std::shared_ptr<const Chunk> chunk;
  };

  std::vector<Part> parts_;
  size_t count_ = 0;
  uint64_t size_bytes_ = 0;
  size_t memory_bytes_ = 0;
};

// What a listing that is made may have.
struct ListingRoom {
  size_t max_messages = kMaxMaildropMessages;
  // What is made takes its memory from here first, and from its budget what is lacking.
  ByteHold memory = {};
};

// Makes a listing, from nothing or from another one. Used once.
class ListingBuilder {
 public:
  explicit ListingBuilder(ListingRoom room = {}) : room_(std::move(room)) {}
  // Begins with `base` without the messages `removed`, which are in ascending order; ids that are not in it
  // are passed over. Chunks that lose nothing are shared.
  ListingBuilder(const Listing& base, const std::vector<MessageId>& removed, ListingRoom room = {});

  // Adds a message behind the others. False, and not added, when the listing is full (ListingRoom::max_messages),
  // when the id is not greater than that of the message before, when the size is none, or when the unique-id
  // is none (RFC 1939 section 7: 1 to 70 characters from 0x21 to 0x7E).
  bool Add(MessageId id, int64_t size_bytes, absl::string_view unique_id);
  size_t count() const { return count_; }
  // What is left of it.
  ByteHold& memory() { return room_.memory; }

  std::shared_ptr<const Listing> Build() &&;

 private:
  using Chunk = Listing::Chunk;

  static void Append(const Chunk& from, size_t index, Chunk& to);
  static std::shared_ptr<Chunk> CopyOf(const Chunk& chunk);
  // Nothing more is added: gives back what growing left over, and counts the rest.
  void Finish(Chunk& chunk);
  void Push(std::shared_ptr<const Chunk> chunk);
  // The last chunk, made ours to be changed, with room for one more entry.
  Chunk& Tail();
  void PushTail();

  ListingRoom room_;
  std::vector<std::shared_ptr<const Chunk>> chunks_;
  // The one behind the chunks, while it grows; may be null.
  std::shared_ptr<Chunk> tail_;
  int64_t last_id_ = 0;
  size_t count_ = 0;
};

}  // namespace mailstead::pop3
