// What the store keeps, in plain C++. Core and engines speak these types; protocol buffers stay in api/.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/mail/envelope.h"
#include "common/store/ids.h"

namespace mailstead::engine {

// Fencing number of a maildrop's lock: grows with each lock of the mailbox.
using LockToken = Id<struct LockTag>;

// Versions of Domain, Account and Alias: 1 when it is created, one more with every change. An expected version of 0 means
// any.

struct Domain {
  std::string name;  // lower case, A-labels
  bool plus_addressing = true;
  absl::Time create_time;
  absl::Time update_time;
  int64_t version = 0;
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
  // Grows with every change: a remembered login of an older version is void. The engine sets it.
  int64_t version = 0;
};

struct MailboxUsage {
  int64_t message_count = 0;
  int64_t message_bytes = 0;
};

struct Account {
  // Chosen by the engine when 0; a restore gives the one that the account had.
  AccountId id;
  std::string address;  // as created; keys compare it in lower case
  bool disabled = false;
  int64_t quota_bytes = 0;     // 0: none
  int64_t quota_messages = 0;  // 0: none
  Credential credential;
  absl::Time create_time;
  absl::Time update_time;
  int64_t version = 0;
  // As of the moment of reading; not read by Create and Update.
  MailboxUsage usage;
};

struct Alias {
  std::string address;  // "@domain" is the catch-all
  std::vector<std::string> targets;
  absl::Time create_time;
  absl::Time update_time;
  int64_t version = 0;
};

using DirectoryEntry = std::variant<Domain, Account, Alias>;

// What one address finds (DirectoryEngine::LookUp).
struct Place {
  // The address's domain, when it is ours.
  std::optional<Domain> domain;
  // At most one of the two.
  std::optional<Account> account;
  std::optional<Alias> alias;
};

// Changes; an absent member stays as it is.
struct DomainChange {
  std::string name;
  int64_t expected_version = 0;
  std::optional<bool> plus_addressing;
  absl::Time time;
};
struct AccountChange {
  AccountId id;
  int64_t expected_version = 0;
  std::optional<std::string> address;
  std::optional<bool> disabled;
  std::optional<int64_t> quota_bytes;
  std::optional<int64_t> quota_messages;
  std::optional<Credential> credential;
  absl::Time time;
};
struct AliasChange {
  std::string address;
  int64_t expected_version = 0;
  std::optional<std::vector<std::string>> targets;
  absl::Time time;
};
using DirectoryChange = std::variant<DomainChange, AccountChange, AliasChange>;

// What is to be deleted.
struct DomainKey {
  std::string name;
};
struct AccountKey {
  AccountId id;
};
struct AliasKey {
  std::string address;
};
using DirectoryKey = std::variant<DomainKey, AccountKey, AliasKey>;

// One mailbox's copy of a new message.
struct NewCopy {
  AccountId account;
  // Fields for this mailbox alone, whole lines with CRLF, in front of all others: Return-Path, Delivered-To,
  // X-Original-To.
  std::string prefix;
  // Which recipients of the envelope led here; indexes, ascending, at least one.
  std::vector<int32_t> recipients;
  // A restore gives those that the message had; else the engine chooses.
  std::optional<MessageId> id;
  std::optional<std::string> unique_id;
};

// A message that is to be kept, checked and resolved.
struct NewMessage {
  // Kept apart from ids of other scopes ("smtp", "operator").
  std::string delivery_scope;
  Envelope envelope;
  // One for each mailbox, at least one.
  std::vector<NewCopy> copies;
  // Fields between the copies' own and the content, whole lines with CRLF; kept once.
  std::string trace;
  // Of the whole content, 32 bytes.
  std::string sha256;
  // Of what makes two deliveries the same: content, sender and recipients; 32 bytes.
  std::string fingerprint;
  absl::Time deliver_time;
  // The sender was told of each recipient that there is room: a mailbox that has reached its quota takes it all the same.
  bool room_promised = false;
  // Why it cannot be stored, unless it has been already: then there need be no copies.
  absl::Status refusal;
};

struct Receipt {
  // An earlier delivery with this scope and id had stored it.
  bool already_stored = false;
  std::string sha256;
  absl::Time deliver_time;
  // Which copies were not stored, because the message is larger than the whole quota of their mailbox; indexes, ascending.
  std::vector<size_t> left_out;
};

// What was known of a delivery when it was settled.
struct Settlement {
  // Its receipt. Absent: it is void from then on, and never stored.
  std::optional<Receipt> receipt;
};

struct MessageSummary {
  MessageId id;
  std::string unique_id;      // 1 to 70 of 0x21..0x7E; random, kept for ever
  int64_t size_bytes = 0;     // prefix, trace and content
  int64_t content_bytes = 0;  // what sha256 is of
  absl::Time deliver_time;
  std::string delivery_id;
  std::string reverse_path;
  std::vector<EnvelopeRecipient> recipients;  // those that led to this mailbox
  std::string sha256;                         // of the content, 32 bytes
};

struct MaildropEntry {
  MessageId id;
  std::string unique_id;
  int64_t size_bytes = 0;
};

struct OpenRequest {
  AccountId account;
  // The lock is held in this name.
  std::string session_id;
  std::string lease_id;
  // Refused when the maildrop was opened less than this ago by another session.
  absl::Duration min_interval;
  // Of a listing that the front-end remembers; empty: none.
  std::string known_version;
  // At most so many entries in the answer.
  size_t page_limit = 1000;
  // Kept with the lock, for people; may be empty.
  std::string client_address;
};

// A maildrop that is locked, and the first page of what is in it.
struct OpenedMaildrop {
  LockToken token;
  // Of the listing at the moment of the lock; opaque.
  std::string version;
  // The entries are those behind the known version's listing, and `removed` what it has too many.
  bool since_known_version = false;
  std::vector<MaildropEntry> entries;  // oldest first
  std::vector<MessageId> removed;      // ascending
  // The greatest id in the maildrop: pages end there. 0 when it is empty.
  MessageId last;
  // There are entries behind the page.
  bool more = false;
  // Of the mailbox: what the listing has with all its pages, and a session that opens its own maildrop again is told of
  // those, too, that have come since.
  int64_t message_count = 0;
};

struct CommitRequest {
  AccountId account;
  std::string session_id;
  LockToken token;
  std::vector<MessageId> deletions;
};

struct CommittedMaildrop {
  int64_t deleted_count = 0;
  // As in OpenedMaildrop, after the deletions; empty when it is not known.
  std::string version;
};

// What came of a deletion of messages.
struct DeletedMessages {
  int64_t count = 0;
  // Those that were not there: ascending, each once.
  std::vector<MessageId> missing;
};

// Who holds a maildrop.
struct LockInfo {
  AccountId account;
  std::string session_id;
  std::string lease_id;
  LockToken token;
  absl::Time open_time;
  std::string client_address;
};

struct LeaseInfo {
  std::string lease_id;
  std::string holder;
  absl::Duration remaining;
};

// How the engine holds up writes, because what they wrote is not put into order as fast.
enum class WriteStall { kNone, kSlowed, kStopped };

struct EngineStatus {
  std::string engine;
  int32_t schema_version = 0;
  std::string incarnation;
  int64_t domain_count = 0;
  int64_t account_count = 0;
  int64_t alias_count = 0;
  int64_t message_count = 0;
  int64_t message_bytes = 0;
  int64_t disk_bytes = 0;
  int64_t disk_free_bytes = 0;
  int64_t open_maildrop_count = 0;
  // Deletions of many messages whose messages are still being taken away.
  int64_t hidden_deletion_count = 0;
  // Now; and for how long writes were slowed down or stopped in all since the engine was opened.
  WriteStall write_stall = WriteStall::kNone;
  absl::Duration writes_stalled;
  std::vector<LeaseInfo> leases;
};

// Where Verify goes on.
struct VerifyCursor {
  AccountId account;
  MessageId message;
};
struct VerifyStep {
  struct Damage {
    AccountId account;
    MessageId message;
    absl::Status error;
  };
  int64_t checked_count = 0;
  std::vector<Damage> damaged;
  // Absent: that was all.
  std::optional<VerifyCursor> next;
};

// A copy of the store as it was at one moment.
struct Backup {
  std::string name;
  absl::Time create_time;
  int32_t schema_version = 0;
  // Of the store that it was made of.
  std::string incarnation;
  int64_t message_count = 0;
  int64_t message_bytes = 0;
  // Of its files, whether they are its own or shared with the store.
  int64_t disk_bytes = 0;
  // As NewBackup names them.
  std::vector<std::string> secret_files;
  // When all its messages were last read; InfinitePast: never. And how many were then not what had come in.
  absl::Time verify_time = absl::InfinitePast();
  int64_t damaged_count = 0;
};

struct NewBackup {
  std::string name;
  // Paths of secrets that the store is used with and that are not in the backup, so that who restores it knows of them.
  std::vector<std::string> secret_files;
};

// How far a backup is that is being made or verified.
struct BackupStep {
  // Of its files; both 0 until it is known how many there are.
  int64_t copied_bytes = 0;
  int64_t total_bytes = 0;
  // Messages that were read so far, and those that this step found damaged.
  int64_t checked_count = 0;
  std::vector<VerifyStep::Damage> damaged;
  // Present: that was the last step.
  std::optional<Backup> done;
};

}  // namespace mailstead::engine
