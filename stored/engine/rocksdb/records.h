// The values the RocksDB engine keeps, and their bytes. The files in records/ have their grammar on top.
//
// Decode takes any bytes: DataLoss when they are not a record of this kind and of a version that this program knows. What
// it gives then has unspecified content. Encode writes the newest version.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/store/ids.h"
#include "stored/engine/audit.h"
#include "stored/engine/change.h"
#include "stored/engine/dkim.h"
#include "stored/engine/key.h"
#include "stored/engine/sending.h"
#include "stored/engine/srs.h"
#include "stored/engine/sts.h"
#include "stored/engine/submission.h"
#include "stored/engine/tls_report.h"
#include "stored/engine/types.h"
#include "stored/engine/webhook.h"
#include "stored/rules/destination.h"
#include "stored/rules/lease.h"
#include "stored/rules/lock.h"
#include "stored/rules/mailbox.h"
#include "stored/rules/new_message.h"
#include "stored/rules/queue.h"
#include "stored/rules/receipt.h"
#include "stored/rules/site.h"
#include "stored/rules/trash.h"

namespace mailstead::engine {

// What is true of the whole store.
struct Counters {
  int64_t next_account = 1;
  int64_t domain_count = 0;
  int64_t account_count = 0;
  int64_t alias_count = 0;
  int64_t message_count = 0;
  int64_t message_bytes = 0;
  // Bytes of bodies that were deleted since body space was last reclaimed.
  int64_t deleted_body_bytes = 0;
  // Of the queue.
  int64_t next_queued = 1;
  int64_t next_grant = 1;
  int64_t queued_count = 0;
  int64_t queued_recipient_count = 0;
  int64_t in_flight_count = 0;
  int64_t held_count = 0;
  // Destinations for which nothing waits.
  int64_t remembered_count = 0;
  // Of the trash. Not known of a store of schema version 7.
  bool knows_trash = true;
  int64_t trash_message_count = 0;
  int64_t trash_message_bytes = 0;
  bool operator==(const Counters&) const = default;
};

// The keys of a domain that sign its mail.
struct DkimRecord {
  std::vector<DkimKey> keys;
};

struct MessageRecord {
  int64_t body = 0;
  rules::Entry entry;
};

struct BodyRef {
  int64_t mailbox_count = 0;  // entries in families message and trash that name it, and messages in the queue
  int64_t size_bytes = 0;     // content, and behind it the trace
};

// What one commit deleted from a mailbox.
struct Removal {
  std::vector<MessageId> messages;
};

// A deletion of many messages that has committed; also how far a deleted mailbox has been taken away.
struct Deletion {
  // All before it are gone.
  MessageId next;
  // Of the messages that go into the trash then; without a domain: they do not.
  rules::Deletion kept;
};

// A message in the trash.
struct TrashedRecord {
  rules::Deletion deletion;
  // Its MessageRecord, encoded.
  std::string message;
};

// The messages of a mailbox from `first` to `last`, which both are there, and all between them.
struct MessageRun {
  MessageId first;
  MessageId last;
  bool operator==(const MessageRun&) const = default;
};

// Which messages a deletion is of: ascending, apart from one another.
struct Runs {
  std::vector<MessageRun> runs;
};

// A message in the queue.
struct QueuedRecord {
  int64_t body = 0;
  rules::QueueEntry entry;
  int64_t recipient_count = 0;
  // Of these, neither held nor in flight.
  int64_t free_count = 0;
};

// A destination of messages there.
struct DestinationRecord {
  rules::Destination destination;
  // Recipients in its two indexes.
  int64_t ready_count = 0;
  int64_t waiting_count = 0;
};

// The hosts of destinations.
struct SiteRecord {
  rules::Site site;
  // Of its key in the index of those that may begin an attempt; InfiniteFuture: it has none.
  absl::Time due_time = absl::InfiniteFuture();
};

// A recipient's place among those that wait.
struct WaitingRecord {
  uint64_t lane = 0;
};

// An attempt in flight.
struct AttemptRecord {
  std::string lease_id;
  int64_t lease_number = 0;
  QueueId message;
  std::string destination;
  // Under which it began.
  std::string site;
  std::vector<int32_t> recipients;
};

// How many reports on TLS have not been sent.
struct TlsReportCount {
  int64_t count = 0;
};

// How many domains there are of which something is known for MTA-STS.
struct StsCount {
  int64_t count = 0;
};

// A change, as it is kept.
struct ChangeRecord {
  ChangeKind kind = ChangeKind::kDelivered;
  AccountId account;
  absl::Time time;
  // Of kDelivered.
  MessageId message;
  // Of kDeleted and kRestored: ascending, apart from one another; or the deletion that has the runs.
  std::vector<MessageRun> runs;
  int64_t deletion = 0;
  DeletionCause cause = DeletionCause::kApi;
  std::string address;
  std::string old_address;
  SubmissionNews submission;
};

// What one commit has added to the feed. All have its time.
struct FeedRecord {
  std::vector<ChangeRecord> changes;
};

// Where the feed begins.
struct FeedBegin {
  int64_t position = 1;
};

// An account that was removed, by the change at that position.
struct GoneAccount {
  std::string address;
  int64_t position = 0;
};

// How many submissions an account has.
struct SubmissionCount {
  int64_t count = 0;
};

// The number of the newest entry that a kind of audit entries ever had.
struct AuditEnd {
  int64_t newest = 0;
  bool operator==(const AuditEnd&) const = default;
};

std::string Encode(const Domain& domain);
std::string Encode(const Account& account);  // without its usage
std::string Encode(const Alias& alias);
std::string Encode(const Route& route);
std::string Encode(const DkimRecord& dkim);
std::string Encode(const SendingSettings& settings);
std::string Encode(const SendingUse& use);
std::string Encode(const SrsSecret& secret);
std::string Encode(const SrsSender& sender);
std::string Encode(const Webhook& webhook);
std::string Encode(const WebhookProgress& progress);
std::string Encode(const WebhookEvent& event);
std::string Encode(const Key& key);
std::string Encode(const KeyUse& use);
std::string Encode(const AuditEntry& entry);
std::string Encode(const AuditEnd& end);
std::string Encode(const Counters& counters);
std::string Encode(const rules::Mailbox& mailbox);
std::string Encode(const Removal& removal);
std::string Encode(const Deletion& deletion);
std::string Encode(const TrashedRecord& trashed);
std::string Encode(const Runs& runs);
std::string Encode(const MessageRecord& message);
std::string Encode(const BodyRef& body);
std::string Encode(const rules::KeptReceipt& receipt);
std::string Encode(const rules::Lease& lease);
std::string Encode(const rules::Lock& lock);
std::string Encode(const QueuedRecord& queued);
std::string Encode(const rules::QueueRecipient& recipient);
std::string Encode(const DestinationRecord& destination);
std::string Encode(const SiteRecord& site);
std::string Encode(const WaitingRecord& waiting);
std::string Encode(const AttemptRecord& attempt);
std::string Encode(const TlsReport& report);
std::string Encode(const TlsReportCount& count);
std::string Encode(const StsPolicy& policy);
std::string Encode(const StsCount& count);
std::string Encode(const ChangeRecord& change);  // without its account
std::string Encode(const FeedRecord& feed);
std::string Encode(const FeedBegin& begin);
std::string Encode(const GoneAccount& gone);
std::string Encode(const FeedConsumer& consumer);  // without its name
std::string Encode(const Submission& submission);
std::string Encode(const SubmissionOutcome& outcome);
std::string Encode(const SubmissionCount& count);

absl::Status Decode(absl::string_view bytes, Domain& domain);
absl::Status Decode(absl::string_view bytes, Account& account);
absl::Status Decode(absl::string_view bytes, Alias& alias);
absl::Status Decode(absl::string_view bytes, Route& route);
absl::Status Decode(absl::string_view bytes, DkimRecord& dkim);
absl::Status Decode(absl::string_view bytes, SendingSettings& settings);
absl::Status Decode(absl::string_view bytes, SendingUse& use);
absl::Status Decode(absl::string_view bytes, SrsSecret& secret);
absl::Status Decode(absl::string_view bytes, SrsSender& sender);
absl::Status Decode(absl::string_view bytes, Webhook& webhook);
absl::Status Decode(absl::string_view bytes, WebhookProgress& progress);
absl::Status Decode(absl::string_view bytes, WebhookEvent& event);
absl::Status Decode(absl::string_view bytes, Key& key);
absl::Status Decode(absl::string_view bytes, KeyUse& use);
absl::Status Decode(absl::string_view bytes, AuditEntry& entry);
absl::Status Decode(absl::string_view bytes, AuditEnd& end);
absl::Status Decode(absl::string_view bytes, Counters& counters);
absl::Status Decode(absl::string_view bytes, rules::Mailbox& mailbox);
absl::Status Decode(absl::string_view bytes, Removal& removal);
absl::Status Decode(absl::string_view bytes, Deletion& deletion);
absl::Status Decode(absl::string_view bytes, TrashedRecord& trashed);
absl::Status Decode(absl::string_view bytes, Runs& runs);
absl::Status Decode(absl::string_view bytes, MessageRecord& message);
absl::Status Decode(absl::string_view bytes, BodyRef& body);
absl::Status Decode(absl::string_view bytes, rules::KeptReceipt& receipt);
absl::Status Decode(absl::string_view bytes, rules::Lease& lease);
absl::Status Decode(absl::string_view bytes, rules::Lock& lock);
absl::Status Decode(absl::string_view bytes, QueuedRecord& queued);
absl::Status Decode(absl::string_view bytes, rules::QueueRecipient& recipient);
absl::Status Decode(absl::string_view bytes, DestinationRecord& destination);
absl::Status Decode(absl::string_view bytes, SiteRecord& site);
absl::Status Decode(absl::string_view bytes, WaitingRecord& waiting);
absl::Status Decode(absl::string_view bytes, AttemptRecord& attempt);
absl::Status Decode(absl::string_view bytes, TlsReport& report);
absl::Status Decode(absl::string_view bytes, TlsReportCount& count);
absl::Status Decode(absl::string_view bytes, StsPolicy& policy);
absl::Status Decode(absl::string_view bytes, StsCount& count);
absl::Status Decode(absl::string_view bytes, ChangeRecord& change);
absl::Status Decode(absl::string_view bytes, FeedRecord& feed);
absl::Status Decode(absl::string_view bytes, FeedBegin& begin);
absl::Status Decode(absl::string_view bytes, GoneAccount& gone);
absl::Status Decode(absl::string_view bytes, FeedConsumer& consumer);
absl::Status Decode(absl::string_view bytes, Submission& submission);
absl::Status Decode(absl::string_view bytes, SubmissionOutcome& outcome);
absl::Status Decode(absl::string_view bytes, SubmissionCount& count);

// Of a message that a store before schema version 4 took in: whether its record says nothing of its last line, which then
// may have no end.
bool IsOldMessage(absl::string_view bytes);

// Of a message record only what a maildrop's listing shows: its unique id and size. Cheaper, for thousands of them.
absl::Status DecodeListed(absl::string_view bytes, MaildropEntry& entry);

}  // namespace mailstead::engine
