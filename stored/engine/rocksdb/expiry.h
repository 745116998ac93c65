// What is past its retention (rules/retention.h): how it is found, a bounded step at a time, without a walk over all mailboxes.
//
// A family of its own has the accounts and the domains that have a retention, by it, and the messages that have one of their
// own, by the time when it ends. Messages of a mailbox are in the order in which they came in: so of each mailbox with a
// retention one look at its oldest message says whether there is anything to do, and other mailboxes are not looked at. What
// expires by its own retention is found by its time. Such a key stays behind when its message is deleted, and goes when its
// time has come; what comes back from the trash gets it again.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stored/engine/rocksdb/database.h"
#include "stored/engine/rocksdb/writer.h"
#include "stored/rules/new_message.h"

namespace mailstead::engine {

// Within a commit that changes the retention of a domain or an account; null: there was none, or there is none any more.
void MoveRetention(Batch& batch, const Domain* before, const Domain* after);
void MoveRetention(Batch& batch, const Account* before, const Account* after);
// Within a commit that puts the message into its mailbox.
void NoteRetention(Batch& batch, AccountId account, MessageId message, const rules::Entry& entry);

// The shortest of a domain or an account; 0: there is none.
absl::StatusOr<absl::Duration> FindLeastRetention(const Database::Use& use);
// Of a mailbox, by its account and its domain; 0: for ever, or there is no such account.
absl::StatusOr<absl::Duration> FindMailboxRetention(const Source& source, AccountId account);

// Where a step begins; all empty: at the start.
struct ExpiryPlace {
  // Of the family.
  std::string key;
  // Of a domain: the AddressKey of the first account.
  std::string account;
};

// Messages of one mailbox that are past their retention.
struct ExpiredMessages {
  AccountId account;
  // As they were found: rules::Mailbox::number, and the mailbox's retention; 0: they are past their own.
  int64_t mailbox_number = 0;
  absl::Duration retention;
  std::vector<MessageId> messages;
};

struct FoundExpired {
  std::vector<ExpiredMessages> mailboxes;
  // Keys of messages' own retentions that are of no use when those are deleted.
  std::vector<std::string> passed;
  // Where the next step begins.
  ExpiryPlace next;
};
// A step, of at most `limit` messages.
absl::StatusOr<FoundExpired> FindExpired(const Database::Use& use, const ExpiryPlace& from, size_t limit,
                                         absl::Time now);

}  // namespace mailstead::engine
