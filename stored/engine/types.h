// What the store keeps, in plain C++. Core and engines speak these types; protocol buffers stay in service/.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace mailstead::store {

// Numbers that must not be mixed.
template <typename Tag>
struct Id {
  uint64_t value = 0;
  auto operator<=>(const Id&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const Id& id) {
    return H::combine(std::move(h), id.value);
  }
};
using MailboxId = Id<struct MailboxTag>;  // 1.. ; never used again
using MessageId = Id<struct MessageTag>;  // 1.. in each mailbox, growing; never used again
using LeaseToken = Id<struct LeaseTag>;   // fencing number of a maildrop lock; grows with each open

struct Domain {
  std::string name;  // lower case, A-labels
  bool plus_addressing = true;
  absl::Time create_time;
};

// What a login is checked against.
struct Credential {
  enum class Kind { kNone, kScramSha256, kCrypt };
  Kind kind = Kind::kNone;
  // SCRAM-SHA-256 verifier (RFC 5802 section 3).
  uint32_t iterations = 0;
  std::string salt;        // raw bytes
  std::string stored_key;  // 32 bytes
  std::string server_key;  // 32 bytes
  std::string crypt_hash;
  // Grows with every change: a remembered login of an older version is void.
  uint64_t version = 0;
};

struct Account {
  std::string address;  // as created; keys compare it in lower case
  MailboxId mailbox;
  bool disabled = false;
  uint64_t quota_bytes = 0;     // 0: none
  uint64_t quota_messages = 0;  // 0: none
  Credential credential;
  absl::Time create_time;
};

struct Alias {
  std::string address;  // "@domain" is the catch-all
  std::vector<std::string> targets;
  absl::Time create_time;
};

struct MailboxUsage {
  uint64_t message_count = 0;
  uint64_t message_bytes = 0;
};

struct MessageSummary {
  MessageId id;
  std::string unique_id;    // 1 to 70 of 0x21..0x7E; random, kept for ever
  uint64_t size_bytes = 0;  // prefix and content
  absl::Time deliver_time;
  std::string delivery_id;
  std::string reverse_path;
  std::string recipient;  // as in RCPT TO
  std::string sha256;     // of the content, 32 bytes
};

struct Recipient {
  MailboxId mailbox;
  std::string address;  // as in RCPT TO
};

// An envelope, checked and resolved.
struct Delivery {
  std::string delivery_id;
  std::string reverse_path;
  std::vector<Recipient> recipients;  // each mailbox once
  // Rendered before the content when the message is read: the Return-Path line. Not part of sha256.
  std::string prefix;
  absl::Time deliver_time;
  std::string dsn_ret;
  std::string dsn_envid;
};

struct Receipt {
  std::string delivery_id;
  bool already_stored = false;
  std::string sha256;
  absl::Time deliver_time;
};

// A maildrop that was opened: its lock, and what is in it.
struct Maildrop {
  LeaseToken token;
  std::vector<MessageSummary> messages;  // oldest first; id, unique_id and size_bytes only
};

struct LeaseInfo {
  std::string lease_id;
  std::string holder;
  absl::Duration remaining;
};

struct EngineStatus {
  absl::string_view engine;
  uint32_t schema_version = 0;
  uint64_t domain_count = 0;
  uint64_t account_count = 0;
  uint64_t alias_count = 0;
  uint64_t message_count = 0;
  uint64_t message_bytes = 0;
  uint64_t disk_bytes = 0;
  uint64_t disk_free_bytes = 0;
  uint64_t open_maildrop_count = 0;
  std::vector<LeaseInfo> leases;
};

}  // namespace mailstead::store
