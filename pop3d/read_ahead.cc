#include "pop3d/read_ahead.h"

#include <algorithm>
#include <atomic>

#include "pop3d/protocol/limits.h"

namespace mailstead::pop3 {
namespace {

// How far to look for messages that are not deleted.
constexpr uint64_t kMaxLookAhead = 4 * kReadAheadMessages;

// Of all sessions: kept, or being fetched to be kept.
std::atomic<size_t> all_bytes = 0;

}  // namespace

std::optional<FetchedMessage> ReadAhead::Take(uint64_t message_id) {
  // Those before it were passed over, and will hardly be asked for.
  while (!kept_.empty()) {
    auto [id, message] = std::move(kept_.front());
    kept_.pop_front();
    kept_bytes_ -= message.content.size();
    all_bytes -= message.content.size();
    if (id == message_id) return std::move(message);
  }
  return std::nullopt;
}

std::vector<uint64_t> ReadAhead::Plan(const Maildrop& maildrop, MessageNumber number) {
  Clear();
  window_ = number.value == next_number_ ? std::min(4 * window_, kReadAheadMessages) : 1;
  const bool room = all_bytes < kReadAheadBytesInAll;
  std::vector<uint64_t> ids;
  size_t bytes = 0;
  uint64_t next = number.value;
  for (; next <= maildrop.count() && next < number.value + kMaxLookAhead; ++next) {
    const Maildrop::Message message = *maildrop.Find(MessageNumber{next});
    if (message.deleted) continue;
    bytes += message.size_bytes;
    if (!ids.empty() && (!room || ids.size() >= window_ || bytes > kReadAheadBytes)) break;
    if (!ids.empty()) reserved_bytes_ += message.size_bytes;
    ids.push_back(message.message_id);
  }
  all_bytes += reserved_bytes_;
  next_number_ = next;
  return ids;
}

void ReadAhead::Keep(uint64_t message_id, FetchedMessage message) {
  const size_t bytes = message.content.size();
  const size_t reserved = std::min(reserved_bytes_, bytes);
  reserved_bytes_ -= reserved;
  kept_bytes_ += bytes;
  all_bytes += bytes - reserved;
  kept_.emplace_back(message_id, std::move(message));
}

void ReadAhead::Clear() {
  all_bytes -= kept_bytes_ + reserved_bytes_;
  kept_bytes_ = reserved_bytes_ = 0;
  kept_.clear();
}

}  // namespace mailstead::pop3
