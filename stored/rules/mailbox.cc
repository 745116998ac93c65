#include "stored/rules/mailbox.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace mailstead::rules {

bool NeverTakes(int64_t quota_bytes, int64_t content_bytes) {
  return quota_bytes > 0 && content_bytes > quota_bytes;
}

bool IsFull(int64_t message_bytes, int64_t message_count, int64_t quota_bytes, int64_t quota_messages) {
  return (quota_bytes > 0 && message_bytes >= quota_bytes) ||
         (quota_messages > 0 && message_count >= quota_messages);
}

bool IsFull(const Mailbox& mailbox) {
  return IsFull(mailbox.message_bytes, mailbox.message_count, mailbox.quota_bytes, mailbox.quota_messages);
}

absl::StatusOr<MessageId> ChooseMessageId(const Mailbox& mailbox, std::optional<MessageId> given) {
  if (!given.has_value()) return MessageId{mailbox.next_message};
  if (given->value >= mailbox.next_message) return *given;
  return absl::AlreadyExistsError(absl::StrCat("message number ", given->value,
                                               " is below the mailbox's next one, ", mailbox.next_message));
}

void Add(Mailbox& mailbox, MessageId message, int64_t size_bytes) {
  mailbox.next_message = std::max(mailbox.next_message, message.value + 1);
  ++mailbox.message_count;
  mailbox.message_bytes += size_bytes;
}

void Remove(Mailbox& mailbox, int64_t size_bytes, int64_t count) {
  mailbox.message_count -= count;
  mailbox.message_bytes -= size_bytes;
}

void CopyQuota(const engine::Account& account, Mailbox& mailbox) {
  mailbox.quota_bytes = account.quota_bytes;
  mailbox.quota_messages = account.quota_messages;
}

absl::StatusOr<bool> Unreference(int64_t& count) {
  if (count <= 0) return absl::DataLossError("more mailboxes than are counted refer to a body");
  return --count == 0;
}

}  // namespace mailstead::rules
