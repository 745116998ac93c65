#include "pop3d/session/maildrop.h"

#include "common/base/check.h"

namespace mailstead::pop3 {

std::optional<Maildrop::Message> Maildrop::Find(MessageNumber number) const {
  const std::optional<Listing::Message> message = listing_->Find(number);
  if (!message.has_value()) return std::nullopt;
  return Message{*message, !deleted_.empty() && deleted_[number.value - 1]};
}

void Maildrop::Delete(MessageNumber number) {
  const std::optional<Message> message = Find(number);
  CHECK(message.has_value() && !message->deleted);
  if (deleted_.empty()) deleted_.resize(count());
  deleted_[number.value - 1] = true;
  ++deleted_count_;
  deleted_bytes_ += message->size_bytes;
}

void Maildrop::UndeleteAll() {
  deleted_ = {};
  deleted_count_ = 0;
  deleted_bytes_ = 0;
}

std::vector<MessageId> Maildrop::Deletions() const {
  std::vector<MessageId> ids;
  ids.reserve(deleted_count_);
  for (size_t i = 0; i < deleted_.size(); ++i) {
    if (deleted_[i]) ids.push_back(listing_->Find(MessageNumber{i + 1})->id);
  }
  return ids;
}

}  // namespace mailstead::pop3
