#include "pop3d/read_ahead.h"

#include <algorithm>

#include "pop3d/limits.h"

namespace mailstead::pop3 {
namespace {

// How far to look for messages that are not deleted.
constexpr uint64_t kMaxLookAhead = 4 * kReadAheadMessages;

}  // namespace

std::optional<store::FetchedMessage> ReadAhead::Take(MessageId id) {
  std::optional<store::FetchedMessage> wanted;
  size_t passed = 0;
  // Those before it were passed over, and will hardly be asked for.
  while (passed < kept_.size() && !wanted.has_value()) {
    auto& [kept_id, message] = kept_[passed++];
    kept_bytes_ -= message.content.size();
    budget_.Return(message.content.size());
    if (kept_id == id) wanted = std::move(message);
  }
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<ptrdiff_t>(passed));
  if (kept_.empty()) kept_.shrink_to_fit();
  return wanted;
}

std::vector<MessageId> ReadAhead::Plan(const Maildrop& maildrop, MessageNumber number) {
  Clear();
  window_ = number.value == next_number_ ? std::min(4 * window_, kReadAheadMessages) : 1;
  const bool room = !budget_.full();
  std::vector<MessageId> ids;
  size_t bytes = 0;
  uint64_t next = number.value;
  for (; next <= maildrop.count() && next < number.value + kMaxLookAhead; ++next) {
    const Maildrop::Message message = *maildrop.Find(MessageNumber{next});
    if (message.deleted) continue;
    bytes += message.size_bytes;
    if (!ids.empty() && (!room || ids.size() >= window_ || bytes > kReadAheadBytes)) break;
    if (!ids.empty()) reserved_bytes_ += message.size_bytes;
    ids.push_back(message.id);
  }
  budget_.Take(reserved_bytes_);
  next_number_ = next;
  return ids;
}

void ReadAhead::Keep(MessageId id, store::FetchedMessage message) {
  const size_t bytes = message.content.size();
  const size_t reserved = std::min(reserved_bytes_, bytes);
  reserved_bytes_ -= reserved;
  kept_bytes_ += bytes;
  budget_.Take(bytes - reserved);
  kept_.emplace_back(id, std::move(message));
}

void ReadAhead::Clear() {
  budget_.Return(kept_bytes_ + reserved_bytes_);
  kept_bytes_ = reserved_bytes_ = 0;
  kept_ = {};
}

}  // namespace mailstead::pop3
