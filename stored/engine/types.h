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
#include "stored/engine/searched.h"

namespace mailstead::engine {

// Fencing number of a maildrop's lock: grows with each lock of the mailbox.
using LockToken = Id<struct LockTag>;

// Versions of Domain, Account and Alias: 1 when it is created, one more with every change. An expected version of 0 means
// any.

// Which policy of MTA-STS webd serves for a domain (RFC 8461); kOff: none at all.
enum class MtaSts : uint8_t { kOff = 0, kNone = 1, kTesting = 2, kEnforce = 3 };

struct Domain {
  std::string name;  // lower case, A-labels
  bool plus_addressing = true;
  absl::Time create_time;
  absl::Time update_time;
  int64_t version = 0;
  // For how long messages that are deleted in its mailboxes may be restored; 0: not at all.
  absl::Duration undelete_window;
  // For how long messages stay in its mailboxes (rules/retention.h); 0: for ever.
  absl::Duration retention;
  MtaSts mta_sts = MtaSts::kOff;
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
  // In the place of its domain's; 0: for ever. Absent: the domain's.
  std::optional<absl::Duration> retention;
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
  std::optional<absl::Duration> undelete_window;
  std::optional<absl::Duration> retention;
  std::optional<MtaSts> mta_sts;
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
  // As Account has it: to be the domain's again is a change, too.
  std::optional<std::optional<absl::Duration>> retention;
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

// Why a message cannot go into a mailbox here.
enum class Obstacle : uint8_t {
  kFull,      // it has reached its quota
  kTooSmall,  // its whole quota is smaller than the message
  kGone,      // there is no such mailbox
  kScheduled  // the message's time has not come; never of one that has been tried
};

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
  // Only aliases with further targets led here: nobody was told of room in this mailbox. While it is full the copy waits.
  bool may_wait = false;
  // The account's, for what is said of a copy that waits; empty: that of the first recipient that led here.
  std::string address;
};

// A recipient of a new message at another host, or one whose mailbox here has gone (rules::MailboxDestination).
struct NewQueuedRecipient {
  // Which recipient of the envelope led there.
  int32_t recipient = 0;
  // Where the mail goes: the recipient's own address, or one that an alias led to.
  std::string address;
  // Under what it is scheduled: the domain of `address` in lower case and A-labels, or its address literal.
  std::string destination;
  // An alias with further targets led there. Success is told of the alias, when it is expanded, and not of this
  // (RFC 3461 section 5.2.7.3).
  bool expanded = false;
};

// What a new message has in the queue for other hosts. Without recipients: it has nothing there.
struct NewQueued {
  std::vector<NewQueuedRecipient> recipients;
  // Whose mail takes turns with that of others at a destination: the account that submitted it, or the sender's domain.
  std::string lane;
  // When it is returned to its sender, unless it was delivered before.
  absl::Time expire_time = absl::InfiniteFuture();
  // When its sender is told that it waits.
  absl::Time delay_notice_time = absl::InfiniteFuture();
  // Nothing of it is delivered before, also not here: all copies wait in the queue until then.
  absl::Time not_before = absl::InfinitePast();
};

// In stored/engine/submission.h.
struct NewSubmission;

// A message that is to be kept, checked and resolved.
struct NewMessage {
  // Kept apart from ids of other scopes ("smtp", "operator").
  std::string delivery_scope;
  Envelope envelope;
  // One for each mailbox; at least one, or one recipient in the queue.
  std::vector<NewCopy> copies;
  NewQueued queued;
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
  // Of its header.
  SearchedFields searched;
  // No mailbox keeps it for longer than this; 0: for as long as the mailbox's own retention says.
  absl::Duration retention;
  // What is kept of it as a submission, in the same commit; null: nothing. Shared, so that who does not look into it need not
  // know what it is.
  std::shared_ptr<const NewSubmission> submission;
};

// A message that the store makes itself, with its content.
struct NewNotice {
  NewMessage message;
  std::string content;
  // For MessageEngine::Append: copies of the message that it is about, by their index. It says that they are in their
  // mailboxes.
  std::vector<size_t> copies;
};

struct Receipt {
  // An earlier delivery with this scope and id had stored it.
  bool already_stored = false;
  std::string sha256;
  absl::Time deliver_time;
  // Which copies are not in their mailboxes: they wait in the queue, behind the recipients there. Indexes, ascending.
  std::vector<size_t> waiting;
  // Which notices were not stored; indexes, ascending.
  std::vector<size_t> notices_left_out;
};

// What was known of a delivery when it was settled.
struct Settlement {
  // Its receipt. Absent: it is void from then on, and never stored.
  std::optional<Receipt> receipt;
};

enum class DeletionCause : uint8_t { kApi = 1, kPop3 = 2, kRetention = 3 };

// What came of a step that takes away what is past its time.
struct UpkeepStep {
  // Messages that it took away.
  int64_t count = 0;
  // There may be more to do.
  bool more = false;
};

// Of a message in the trash: it was deleted, and may be restored.
struct MessageDeletion {
  absl::Time time;
  DeletionCause cause = DeletionCause::kApi;
  // By the window that its domain has now.
  absl::Time restorable_until;
  bool operator==(const MessageDeletion&) const = default;
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
  SearchedFields searched;
  // Set of one in the trash only.
  std::optional<MessageDeletion> deletion;
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
  // Of the listing at the moment of the lock; opaque. What has been deleted since, the entries may lack.
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
  // As in OpenedMaildrop, of its listing without the deletions. Empty: not known, as of a repeat, or where others have deleted
  // messages since the lock; then the version of before is still good.
  std::string version;
};

// What came of a deletion of messages.
struct DeletedMessages {
  int64_t count = 0;
  // Those that were not there: ascending, each once.
  std::vector<MessageId> missing;
};

// What came of a restoration of messages.
inline constexpr size_t kMaxRestoredAtOnce = 1000;
struct RestoredMessages {
  // Brought back by this.
  int64_t count = 0;
  // Those that were neither in the trash nor in the mailbox: ascending, each once.
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

// Which mail for other hosts takes a route.
struct RouteKey {
  // "default"; a domain in lower case and A-labels; or that of all under it: ".example.test".
  std::string destination;
  // A domain likewise; empty: of any sender.
  std::string sender_domain;
  auto operator<=>(const RouteKey&) const = default;
};

// A way for mail to other hosts (proto: Route).
struct Route {
  enum class Tls : uint8_t { kMay, kNone, kRequire, kVerify };
  struct Host {
    std::string host;
    int32_t port = 25;
    bool operator==(const Host&) const = default;
  };
  RouteKey key;
  // Where the mail is kept instead, here; 0: it leaves.
  AccountId mailbox;
  // Empty, and no mailbox: as the DNS says.
  std::vector<Host> hosts;
  Tls tls = Tls::kMay;
  std::string user;
  // The user's password, sealed; empty: none. Opaque here.
  std::string sealed_password;
  std::string source_address;
  std::string ehlo_name;
  // No two states of a route have the same one.
  absl::Time update_time;
  int64_t version() const { return absl::ToUnixMicros(update_time); }
  bool operator==(const Route&) const = default;
};
inline constexpr size_t kMaxRoutes = 1000;

// RFC 5321 section 4.5.3.1.5: two lines of a reply.
inline constexpr size_t kMaxQueueReplyBytes = 1024;

// What another host, or the way to it, said of a recipient.
struct QueueReply {
  // Of SMTP (RFC 5321 section 4.2); 0: no reply, and `text` says what happened.
  int32_t code = 0;
  // RFC 3463: "4.4.1".
  std::string status;
  // UTF-8 without control characters; at most kMaxQueueReplyBytes; core cuts it.
  std::string text;
  // The host's name, or its address where it has none; empty: none was reached.
  std::string host;
  absl::Time time = absl::InfinitePast();
  bool operator==(const QueueReply&) const = default;
};

// A recipient in the queue.
struct QueuedRecipient {
  // 0 and up, within its message.
  int32_t number = 0;
  std::string address;
  // A mailbox here has a name that no host can have (rules::MailboxDestination).
  std::string destination;
  // As the envelope's recipient has them.
  std::string original_recipient;
  DsnNotify notify;
  // The recipient of the envelope that led here, when it is another address; else empty.
  std::string forwarded_for;
  // Begun, whatever became of them.
  int32_t attempt_count = 0;
  // Not before this; the time was chosen when the last attempt began.
  absl::Time next_attempt_time = absl::InfinitePast();
  // Kept until it is released.
  bool held = false;
  // A front-end is at it.
  bool in_flight = false;
  // Of the last attempt that was reported.
  QueueReply last_reply;
};

// A message in the queue, with some of its recipients.
struct QueuedMessage {
  QueueId id;
  // Without recipients.
  Envelope envelope;
  std::string lane;
  absl::Time queue_time;
  absl::Time expire_time;
  // Its sender was told that it waits.
  bool delay_told = false;
  // Trace and content.
  int64_t size_bytes = 0;
  std::string sha256;  // of the content
  // Of the message, not only those that are here.
  int64_t recipient_count = 0;
  std::vector<QueuedRecipient> recipients;
};

// Names an attempt, and fences what is reported of it: greater than all before.
using QueueGrant = Id<struct QueueGrantTag>;

struct QueueLeaseRequest {
  std::string lease_id;
  // At most so many attempts, and recipients in each.
  size_t attempt_limit = 1;
  size_t recipient_limit = 100;
};

// Work for a front-end: recipients of one message at one destination, for one transaction.
struct QueueAttempt {
  QueueGrant grant;
  std::string destination;
  // Its hosts did not answer last time: this looks whether they do again.
  bool probe = false;
  // TLS that nothing asks for does not work with them.
  bool tls_broken = false;
  QueuedMessage message;
};

struct QueueOutcome {
  enum class Kind : uint8_t {
    kDelivered,
    kFailed,  // for good
    kDeferred,
  };
  // Of the recipient.
  int32_t number = 0;
  Kind kind = Kind::kDeferred;
  QueueReply reply;
  // Deferred: not before this instead of what the schedule says; InfinitePast: as scheduled.
  absl::Time next_attempt_time = absl::InfinitePast();
};

// What came of an attempt.
struct QueueReport {
  // Of the hosts that take the destination's mail, apart from the message (rules/site.h).
  enum class Sign : uint8_t {
    kNone,
    // A host of it took a connection and talked sense.
    kAnswered,
    // No host of it could be reached, or all ended the connection before a transaction began.
    kUnreachable,
  };
  enum class Tls : uint8_t {
    kNone,
    // Mail went under it.
    kUsed,
    // It broke, and mail went in the clear where nothing forbids that.
    kBroken,
  };
  QueueId message;
  QueueGrant grant;
  std::vector<QueueOutcome> outcomes;
  Sign sign = Sign::kNone;
  // Names the hosts, the same for all destinations that have these (rules::CheckSiteName). Empty: they could not be found
  // out; with Sign::kNone: nothing was looked for.
  std::string site;
  Tls tls = Tls::kNone;
};

// What came of a recipient that waited for a mailbox here.
struct DeliveredHere {
  // Absent: it is in the mailbox, and not in the queue any more. Else it waits on, until its next time.
  std::optional<Obstacle> obstacle;
  // With this recipient alone, as it is now, or was.
  QueuedMessage message;
};

// What a report, or another decision on recipients in the queue, changed.
struct QueueChange {
  // Recipients that are gone from the queue, or were put off, by this.
  std::vector<int32_t> ended;
  std::vector<int32_t> deferred;
  // Of the message: all of its recipients are gone, and its content with them.
  bool message_ended = false;
};

// What an operator, or the store itself, decides about recipients that no front-end is at.
struct QueueDecision {
  enum class Kind : uint8_t {
    kHold,
    kRelease,
    // Due now, whatever the schedule and the destination's pause say.
    kRetry,
    // Gone: as expired, returned or cancelled. What is said of it the caller knows.
    kEnd,
    // The sender has been told that it waits.
    kDelayTold,
  };
  Kind kind = Kind::kRetry;
  QueueId message;
  // Empty: all of the message's.
  std::vector<int32_t> recipients;
  // Of kEnd, for what is kept of a submission: it was cancelled, and did not fail; and why. What the reply leaves empty is
  // that of the recipient's last attempt.
  bool cancelled = false;
  QueueReply reply;
};

struct QueueStatus {
  int64_t message_count = 0;
  int64_t recipient_count = 0;
  int64_t in_flight_count = 0;
  int64_t held_count = 0;
  // Of the message that waits longest; InfiniteFuture: none waits.
  absl::Time oldest_time = absl::InfiniteFuture();
};

// A destination with recipients in the queue.
struct QueueDestination {
  std::string name;
  int64_t recipient_count = 0;
  int64_t in_flight_count = 0;  // attempts
  // The hosts that take its mail; empty: not known. All that follows is of these.
  std::string site;
  // Of all destinations that have these hosts, and how many there are.
  int64_t site_in_flight_count = 0;
  int64_t site_destination_count = 0;
  // Attempts at a time that they take, as it seems.
  int32_t window = 0;
  // When they are tried again; InfinitePast: they answer.
  absl::Time paused_until = absl::InfinitePast();
  // From when on the rate allows an attempt; InfinitePast: now.
  absl::Time paced_until = absl::InfinitePast();
  // Until when mail goes in the clear where nothing forbids it; InfinitePast: nothing is known against their TLS.
  absl::Time tls_broken_until = absl::InfinitePast();
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
  // In the trash, those that may not be restored any more and are not freed yet among them.
  int64_t trash_message_count = 0;
  int64_t trash_message_bytes = 0;
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

// Where Verify goes on; as the last step said.
struct VerifyCursor {
  // Mailboxes come first, then the trash, then the queue.
  enum class Place : uint8_t { kMailboxes, kTrash, kQueue };
  Place place = Place::kMailboxes;
  // 0 in the queue, where `message` is the number there.
  AccountId account;
  MessageId message;
  auto operator<=>(const VerifyCursor&) const = default;
};
struct VerifyStep {
  struct Damage {
    // 0: of the queue, and `message` is its number there.
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
