// What is counted of a mailbox: messages, quota, numbers. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/engine/types.h"

namespace mailstead::rules {

// What is kept of a mailbox, apart from its messages and its lock.
struct Mailbox {
  // Differs for each mailbox ever made, also where a restore gives an account the id of a deleted one.
  int64_t number = 0;
  int64_t message_count = 0;
  int64_t message_bytes = 0;
  // Greater than every message that it ever had.
  int64_t next_message = 1;
  // Copies of the account's, so that a delivery reads one record for each recipient.
  int64_t quota_bytes = 0;
  int64_t quota_messages = 0;
  // When its maildrop was opened last, and by whom; InfinitePast when it never was.
  absl::Time last_open_time = absl::InfinitePast();
  std::string last_open_session;
  // Of the last Commit: its repeat is answered OK. 0 when there was none.
  engine::LockToken last_committed_token;
  // Commits that deleted messages, or brought them back from the trash.
  int64_t removal_count = 0;
  bool operator==(const Mailbox&) const = default;
};

// Whether a mailbox with this quota in bytes (0: none) could never take content of so many bytes, however empty it is. The
// content alone counts: what SIZE announces of it and what came in are judged alike.
bool NeverTakes(int64_t quota_bytes, int64_t content_bytes);

// Whether so many bytes and messages have reached the quota. The message that crosses it is taken.
bool IsFull(int64_t message_bytes, int64_t message_count, int64_t quota_bytes, int64_t quota_messages);
bool IsFull(const Mailbox& mailbox);

// The number of a new message: the given one of a restore, or the next. AlreadyExists: the given number, or a greater one,
// was used before (numbers grow and are never used again, so messages are restored in their order).
absl::StatusOr<MessageId> ChooseMessageId(const Mailbox& mailbox, std::optional<MessageId> given);

// Counts a message in, and its number as used.
void Add(Mailbox& mailbox, MessageId message, int64_t size_bytes);
// Counts messages off that have so many bytes together.
void Remove(Mailbox& mailbox, int64_t size_bytes, int64_t count = 1);

// The copies of an account's quota.
void CopyQuota(const engine::Account& account, Mailbox& mailbox);

// One mailbox less refers to a body that `count` refer to. DataLoss: none does. True: that was the last, the body goes.
absl::StatusOr<bool> Unreference(int64_t& count);

}  // namespace mailstead::rules
