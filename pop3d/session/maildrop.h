// The maildrop as a session sees it: the listing, frozen when it was opened (RFC 1939 section 5), and which
// messages are marked as deleted. Mail that arrives later is not in it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "pop3d/protocol/command.h"

namespace mailstead::pop3 {

// Compact: 24 bytes and the unique-id for each message, so that an idle session on 100,000
// messages stays small.
class Maildrop {
 public:
  struct Message {
    MessageNumber number;
    // The store's id.
    uint64_t message_id = 0;
    uint64_t size_bytes = 0;
    // Points into the maildrop.
    absl::string_view unique_id;
    bool deleted = false;
  };

  // In the order of the numbers. False, and not added, when the maildrop is full (kMaxMaildropMessages) or
  // the unique-id is none (RFC 1939 section 7: 1 to 70 characters from 0x21 to 0x7E).
  bool Add(uint64_t message_id, uint64_t size_bytes, absl::string_view unique_id);
  // Gives back what growing left over. Once, behind the last Add.
  void Freeze();

  // Of all messages, deleted or not: the greatest number.
  size_t count() const { return entries_.size(); }
  // Without the deleted ones: what STAT says.
  size_t kept_count() const { return kept_count_; }
  uint64_t kept_bytes() const { return kept_bytes_; }
  size_t deleted_count() const { return entries_.size() - kept_count_; }

  // nullopt for 0 and for numbers past the end. Deleted messages are found: the caller asks `deleted`.
  std::optional<Message> Find(MessageNumber number) const;
  // `number` must be in the maildrop and not deleted.
  void Delete(MessageNumber number);
  // RSET.
  void UndeleteAll();
  // Ids of what is marked as deleted.
  std::vector<uint64_t> Deletions() const;

 private:
  struct Entry {
    uint64_t message_id;
    uint64_t size_bytes : 63;
    uint64_t deleted : 1;
    uint32_t unique_id_offset;
    uint8_t unique_id_bytes;
  };
  std::vector<Entry> entries_;
  // All unique-ids, one behind the other.
  std::string unique_ids_;
  size_t kept_count_ = 0;
  uint64_t kept_bytes_ = 0;
};

}  // namespace mailstead::pop3
