// The values the RocksDB engine keeps, and their bytes. records.cc has the grammar on top.
//
// Decode takes any bytes: DataLoss when they are not a record of this kind and of a version that this program
// knows. What it gives then has unspecified content.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/engine/types.h"

namespace mailstead::store {

// What is true of the whole store.
struct Counters {
  uint64_t next_mailbox = 1;
  uint64_t domain_count = 0;
  uint64_t account_count = 0;
  uint64_t alias_count = 0;
  uint64_t message_count = 0;
  uint64_t message_bytes = 0;
  // Bytes of bodies that were deleted since body space was last reclaimed.
  uint64_t deleted_body_bytes = 0;
  bool operator==(const Counters&) const = default;
};

struct MailboxRecord {
  uint64_t message_count = 0;
  uint64_t message_bytes = 0;
  uint64_t next_message = 1;
  // Copies of the account's, so that a delivery reads one record for each recipient.
  uint64_t quota_bytes = 0;
  uint64_t quota_messages = 0;
  // Of the maildrop; InfinitePast when it never was.
  absl::Time last_open_time = absl::InfinitePast();
  // The token of the last CommitMaildrop: its repeat is answered OK. 0 when there was none.
  LeaseToken last_committed_token;
};

struct MessageRecord {
  uint64_t body = 0;
  uint64_t size_bytes = 0;  // prefix and content
  std::string unique_id;
  absl::Time deliver_time;
  std::string delivery_id;
  std::string reverse_path;
  std::string recipient;
  std::string sha256;
  std::string prefix;
  std::string dsn_ret;
  std::string dsn_envid;
};

struct BodyRef {
  uint64_t mailbox_count = 0;  // entries in family message that name it
  uint64_t size_bytes = 0;
};

struct ReceiptRecord {
  std::string sha256;
  absl::Time deliver_time;
};

struct LeaseRecord {
  std::string holder;
  absl::Duration ttl;
  // Differs for each lease ever made, also under one id: an ended lease's locks do not come back with a new
  // one.
  uint64_t number = 0;
};

struct LockRecord {
  LeaseToken token;
  std::string lease_id;
  uint64_t lease_number = 0;
};

std::string Encode(const Domain& domain);
std::string Encode(const Account& account);
std::string Encode(const Alias& alias);
std::string Encode(const Counters& counters);
std::string Encode(const MailboxRecord& mailbox);
std::string Encode(const MessageRecord& message);
std::string Encode(const BodyRef& body);
std::string Encode(const ReceiptRecord& receipt);
std::string Encode(const LeaseRecord& lease);
std::string Encode(const LockRecord& lock);

absl::Status Decode(absl::string_view bytes, Domain& domain);
absl::Status Decode(absl::string_view bytes, Account& account);
absl::Status Decode(absl::string_view bytes, Alias& alias);
absl::Status Decode(absl::string_view bytes, Counters& counters);
absl::Status Decode(absl::string_view bytes, MailboxRecord& mailbox);
absl::Status Decode(absl::string_view bytes, MessageRecord& message);
absl::Status Decode(absl::string_view bytes, BodyRef& body);
absl::Status Decode(absl::string_view bytes, ReceiptRecord& receipt);
absl::Status Decode(absl::string_view bytes, LeaseRecord& lease);
absl::Status Decode(absl::string_view bytes, LockRecord& lock);

}  // namespace mailstead::store
