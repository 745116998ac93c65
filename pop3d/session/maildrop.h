// The maildrop as a session sees it: the listing, frozen when it was opened (RFC 1939 section 5), and which
// messages are marked as deleted. Mail that arrives later is not in it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/store/ids.h"
#include "pop3d/protocol/command.h"
#include "pop3d/session/listing.h"

namespace mailstead::pop3 {

// The listing is shared; a session's own are the marks, and these only once there is one.
class Maildrop {
 public:
  struct Message : Listing::Message {
    bool deleted = false;
  };

  Maildrop() : Maildrop(Listing::Empty()) {}
  explicit Maildrop(std::shared_ptr<const Listing> listing) : listing_(std::move(listing)) {}

  const std::shared_ptr<const Listing>& listing() const { return listing_; }
  // Of all messages, deleted or not: the greatest number.
  size_t count() const { return listing_->count(); }
  // Without the deleted ones: what STAT says.
  size_t kept_count() const { return count() - deleted_count_; }
  uint64_t kept_bytes() const { return listing_->size_bytes() - deleted_bytes_; }
  size_t deleted_count() const { return deleted_count_; }

  // nullopt for 0 and for numbers past the end. Deleted messages are found: the caller asks `deleted`.
  std::optional<Message> Find(MessageNumber number) const;
  // `number` must be in the maildrop and not deleted.
  void Delete(MessageNumber number);
  // RSET.
  void UndeleteAll();
  // Ids of what is marked as deleted, in ascending order.
  std::vector<MessageId> Deletions() const;

 private:
  std::shared_ptr<const Listing> listing_;
  // By number - 1; empty while nothing is deleted.
  std::vector<bool> deleted_;
  size_t deleted_count_ = 0;
  uint64_t deleted_bytes_ = 0;
};

}  // namespace mailstead::pop3
