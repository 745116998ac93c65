// Grammar of the keys of each column family; numbers are big-endian, so that byte order is number order:
//
//   default    "counters" | "epoch" | "incarnation" | "doomed/" account | "srs/secret/" secret
//              | "srs/sender/" days name | "sending/" kind account | "key/" key | "key_use/" key
//              | "audit/" audit_kind entry | "audit_end/" audit_kind
//              | "webhook/" webhook | "webhook_at/" webhook | "webhook_wait/" webhook NUL account position message
//              | "webhook_dead/" webhook NUL position message
//   directory  'd' domain | 'a' domain NUL local-part | 'l' domain NUL local-part | 'm' account |
//              'r' destination NUL sender_domain | 'k' domain | 'p' domain
//   mailbox    account | account removal_count
//   message    account message
//   body       body chunk
//   body_ref   body
//   staged     body
//   delivery   'R' scope NUL delivery_id | 'T' seconds scope NUL delivery_id
//   lease      lease_id
//   lock       account
//   reclaim    'm' account deletion | 'r' deletion message | 'b' body
//   queue      'm' queued | 'n' queued number | 'd' destination | 's' site | 't' micros site
//              | 'p' site NUL micros destination | 'r' destination NUL lane turn queued number
//              | 'w' destination NUL micros queued number | 'g' grant | 'f' lease grant | 'e' micros queued
//              | 'x' micros destination | 'h' micros queued number | 'c' queued number
//              | 'y' micros domain | 'j' micros micros domain | 'z'
//              | 'k' domain | 'o' micros domain | 'u'
//              | 'S' submission | 'O' submission NUL number | 'L' micros submission | 'A' account micros submission
//              | 'E' micros submission | 'I' account digest | 'C' account
//   change     'l' position | 'a' account position | 'b' | 'g' account | 'e' deletion | 'k' name
//   trash      'm' account message | 'p' domain NUL micros account message
//   expiry     'a' micros account | 'd' micros domain | 't' micros account message
//
// kind is 's', 'u' or 'k', audit_kind 'c', 'm' or 'r'. account, message, body, removal_count, deletion, secret, entry, position,
// days, seconds and micros (since 1970; in 'a' and 'd' of expiry: of a duration), queued, lane, grant and lease have 8 bytes, digest (of a Message-ID) 16, chunk, number
// and turn have 4. In 'a' and 'l' of the directory the domain comes first, so that an ordered walk gives addresses by domain, and
// those of one domain are together; the local part of
// a catch-all is empty. A store of schema version 1 or 2 has left receipts without a scope, until they are old enough to
// be forgotten:
//
//   delivery   'r' delivery_id | 't' seconds delivery_id
//
// End of the grammar.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/engine/audit.h"
#include "stored/engine/change.h"
#include "stored/engine/tls_report.h"
#include "stored/engine/types.h"

namespace mailstead::engine {

enum class Family : uint8_t {
  kMeta,
  kDirectory,
  kMailbox,
  kMessage,
  kBody,
  kBodyRef,
  kStaged,
  kDelivery,
  kLease,
  kLock,
  kReclaim,
  kQueue,
  kChange,
  kTrash,
  kExpiry,
};
inline constexpr size_t kFamilyCount = 15;
// As RocksDB knows it.
const char* FamilyName(Family family);

inline constexpr absl::string_view kEpochKey = "epoch";
inline constexpr absl::string_view kCountersKey = "counters";
inline constexpr absl::string_view kIncarnationKey = "incarnation";
inline constexpr absl::string_view kDoomedPrefix = "doomed/";

inline constexpr absl::string_view kSrsSecretPrefix = "srs/secret/";

inline constexpr absl::string_view kApiKeyPrefix = "key/";
inline constexpr absl::string_view kApiKeyUsePrefix = "key_use/";

inline constexpr absl::string_view kWebhookPrefix = "webhook/";
inline constexpr absl::string_view kWebhookProgressPrefix = "webhook_at/";

std::string DoomedKey(AccountId account);
// Of an API key, or of its last use.
std::string ApiKeyKey(absl::string_view prefix, absl::string_view id);
// Of a webhook, or of how far it has got. Ids hold no NUL.
std::string WebhookKey(absl::string_view prefix, absl::string_view id);
// Of its events that wait, and of those of one mailbox.
std::string WaitingEventsPrefix(absl::string_view id);
std::string WaitingEventsPrefix(absl::string_view id, AccountId account);
std::string WaitingEventKey(absl::string_view id, AccountId account, const ChangeCursor& at);
std::string DeadEventsPrefix(absl::string_view id);
std::string DeadEventKey(absl::string_view id, const ChangeCursor& at);
std::string AuditKey(AuditKind kind, int64_t number);
std::string AuditEndKey(AuditKind kind);
inline constexpr char kSendingSettingsKind = 's';
inline constexpr char kSendingUseKind = 'u';
inline constexpr char kSendingKnownKind = 'k';
std::string SendingKey(char kind, AccountId account);
std::string SrsSecretKey(int64_t number);
std::string SrsSenderKey(int64_t day, absl::string_view name);
// The start of all keys of senders of that day and later.
std::string SrsSenderBound(int64_t day);

inline constexpr char kDomainKind = 'd';
inline constexpr char kAccountKind = 'a';
inline constexpr char kAliasKind = 'l';

std::string NameKey(absl::string_view domain);
// `kind` is kAccountKind or kAliasKind. ASCII letters of the address are put in lower case.
std::string AddressKey(char kind, absl::string_view address);
// The start of all keys of that kind in `domain`; of all domains when it is empty.
std::string AddressPrefix(char kind, absl::string_view domain);
// Of an AddressKey.
std::string DomainOfAddressKey(absl::string_view key);
// Its value is the AddressKey of the account.
std::string AccountIdKey(AccountId account);

inline constexpr char kRouteKind = 'r';
// Of a domain's keys that sign mail, and of the mark that one of them is pending. The inverse.
inline constexpr char kDkimKind = 'k';
inline constexpr char kPendingDkimKind = 'p';
std::string DkimDomainKey(char kind, absl::string_view domain);
std::string DomainOfDkimKey(absl::string_view key);
// Of a route: byte order is the order of RouteKeys. The parts hold no NUL.
std::string KeyOfRoute(const RouteKey& route);

std::string MailboxKey(AccountId account);
// What the commit deleted that brought the mailbox's removal_count there.
std::string RemovalKey(AccountId account, int64_t removal_count);
std::string MessageKey(AccountId account, MessageId message);
// The inverse; `key` has 16 bytes.
MessageId MessageOfKey(absl::string_view key);
AccountId AccountOfKey(absl::string_view key);

std::string BodyKey(int64_t body);
// The inverse, also of ChunkKey.
int64_t BodyOfKey(absl::string_view key);
std::string ChunkKey(int64_t body, uint32_t chunk);

inline constexpr char kDeletionKind = 'm';
inline constexpr char kRunsKind = 'r';
inline constexpr char kDeadBodyKind = 'b';
// A deletion of many messages that has committed.
std::string DeletionKey(AccountId account, int64_t deletion);
std::string DeletionPrefix(AccountId account);
AccountId AccountOfDeletionKey(absl::string_view key);
int64_t DeletionOfKey(absl::string_view key);
// Which messages a deletion is of, from `first` on.
std::string RunsKey(int64_t deletion, MessageId first);
std::string RunsPrefix(int64_t deletion);
int64_t DeletionOfRunsKey(absl::string_view key);
MessageId FirstOfRunsKey(absl::string_view key);
// A body that no mailbox has any more.
std::string DeadBodyKey(int64_t body);
int64_t BodyOfDeadBodyKey(absl::string_view key);

// A message in the trash.
std::string TrashKey(AccountId account, MessageId message);
std::string TrashPrefix(AccountId account);
AccountId AccountOfTrashKey(absl::string_view key);
MessageId MessageOfTrashKey(absl::string_view key);
// Its place among those of its domain, by the time when they were deleted.
inline constexpr char kTrashTimeKind = 'p';
std::string TrashTimeKey(absl::string_view domain, absl::Time time, AccountId account, MessageId message);
// The start of all keys of that domain.
std::string TrashTimePrefix(absl::string_view domain);
std::string DomainOfTrashTimeKey(absl::string_view key);
absl::Time TimeOfTrashTimeKey(absl::string_view key);
// The key of the message.
std::string TrashKeyOfTimeKey(absl::string_view key);

// An account, or a domain, that has this retention. The inverse.
inline constexpr char kAccountRetentionKind = 'a';
inline constexpr char kDomainRetentionKind = 'd';
std::string AccountRetentionKey(absl::Duration retention, AccountId account);
std::string DomainRetentionKey(absl::Duration retention, absl::string_view domain);
absl::Duration RetentionOfKey(absl::string_view key);
AccountId AccountOfRetentionKey(absl::string_view key);
std::string DomainOfRetentionKey(absl::string_view key);
// A message whose own retention ends then. The inverse.
inline constexpr char kExpireTimeKind = 't';
std::string ExpireTimeKey(absl::Time time, AccountId account, MessageId message);
absl::Time TimeOfExpireKey(absl::string_view key);
AccountId AccountOfExpireKey(absl::string_view key);
MessageId MessageOfExpireKey(absl::string_view key);

// `scope` holds no NUL.
std::string ReceiptKey(absl::string_view scope, absl::string_view delivery_id);
std::string ReceiptTimeKey(absl::Time time, absl::string_view scope, absl::string_view delivery_id);
std::string OldReceiptKey(absl::string_view delivery_id);
inline constexpr char kReceiptTimeKind = 'T';
inline constexpr char kOldReceiptKind = 'r';
inline constexpr char kOldReceiptTimeKind = 't';
// The start of all keys of that kind of that second and later.
std::string ReceiptTimeBound(char kind, absl::Time time);
// The key of the receipt that a key of kind kReceiptTimeKind or kOldReceiptTimeKind is about.
std::string ReceiptOfTimeKey(absl::string_view key);

// The queue for other hosts. Names of destinations and sites hold no NUL.
inline constexpr char kQueuedKind = 'm';
inline constexpr char kDueKind = 't';
inline constexpr char kDestinationKind = 'd';
inline constexpr char kSiteKind = 's';
inline constexpr char kRememberedKind = 'x';
inline constexpr char kFlightKind = 'f';
inline constexpr char kEventKind = 'e';
inline constexpr char kHereKind = 'h';
inline constexpr char kWaitingCopyKind = 'c';
std::string QueuedKey(QueueId message);
QueueId QueuedOfKey(absl::string_view key);
std::string QueuedRecipientKey(QueueId message, int32_t number);
std::string QueuedRecipientPrefix(QueueId message);
int32_t NumberOfQueuedRecipientKey(absl::string_view key);
std::string DestinationKey(absl::string_view destination);
std::string DestinationOfKey(absl::string_view key);
std::string SiteKey(absl::string_view site);
// The start of all keys of that kind, kDueKind, kRememberedKind or kEventKind, of that time and later.
std::string QueueTimeBound(char kind, absl::Time time);
// A site that may begin an attempt from that time on.
std::string DueKey(absl::Time time, absl::string_view site);
// A destination that is kept until that time though nothing waits for it.
std::string RememberedKey(absl::Time time, absl::string_view destination);
// Of a DueKey or a RememberedKey: the site, or the destination.
std::string NameOfTimeKey(absl::string_view key);
// A destination of a site for which something waits: since that time, or from it on.
std::string PlacePrefix(absl::string_view site);
std::string PlaceKey(absl::string_view site, absl::Time time, absl::string_view destination);
// `key` is one of that site.
absl::Time TimeOfPlaceKey(absl::string_view site, absl::string_view key);
std::string DestinationOfPlaceKey(absl::string_view site, absl::string_view key);
// A recipient that may go out now, in its turn.
std::string ReadyPrefix(absl::string_view destination);
std::string ReadyLanePrefix(absl::string_view destination, uint64_t lane);
std::string ReadyTurnPrefix(absl::string_view destination, uint64_t lane, int32_t turn, QueueId message);
std::string ReadyKey(absl::string_view destination, uint64_t lane, QueueId message, int32_t number);
struct ReadyPlace {
  uint64_t lane = 0;
  int32_t turn = 0;
  QueueId message;
  int32_t number = 0;
};
ReadyPlace PlaceOfReadyKey(absl::string_view key);
// A recipient that waits for its time.
std::string WaitingPrefix(absl::string_view destination);
std::string WaitingKey(absl::string_view destination, absl::Time time, QueueId message, int32_t number);
absl::Time TimeOfWaitingKey(absl::string_view key);
QueueId QueuedOfWaitingKey(absl::string_view key);
int32_t NumberOfWaitingKey(absl::string_view key);
std::string AttemptKey(QueueGrant grant);
// The attempts of a lease.
std::string FlightKey(int64_t lease_number, QueueGrant grant);
// The start of all keys of that lease and of later ones.
std::string FlightBound(int64_t lease_number);
int64_t LeaseOfFlightKey(absl::string_view key);
QueueGrant GrantOfFlightKey(absl::string_view key);
// A message about which something is to be done from that time on.
std::string EventKey(absl::Time time, QueueId message);
QueueId QueuedOfEventKey(absl::string_view key);

// A recipient that waits for a mailbox here, until that time. The inverse.
std::string HereKey(absl::Time time, QueueId message, int32_t number);
QueueId QueuedOfHereKey(absl::string_view key);
int32_t NumberOfHereKey(absl::string_view key);
// What the mailbox keeps then.
std::string WaitingCopyKey(QueueId message, int32_t number);

// What a report on TLS will say; when it is due; and how many there are.
std::string KeyOfTlsReport(const TlsReportKey& report);
inline constexpr char kTlsReportDueKind = 'j';
std::string TlsReportDueKey(absl::Time due, const TlsReportKey& report);
// The inverse.
TlsReportKey TlsReportOfDueKey(absl::string_view key);
inline constexpr absl::string_view kTlsReportCountKey = "z";
// What is known of a domain's MTA-STS policy; its place in the order in which they are dropped; and how many there are.
std::string StsPolicyKey(absl::string_view domain);
inline constexpr char kStsOrderKind = 'o';
std::string StsOrderKey(absl::Time time, absl::string_view domain);
inline constexpr absl::string_view kStsCountKey = "u";

// The change feed. What a commit has added, from that position on; and each of its changes by its account.
inline constexpr char kFeedKind = 'l';
inline constexpr char kAccountChangeKind = 'a';
std::string FeedKey(int64_t position);
std::string AccountChangePrefix(AccountId account);
std::string AccountChangeKey(AccountId account, int64_t position);
// The inverse, of both.
int64_t PositionOfChangeKey(absl::string_view key);
// Where the feed begins.
inline constexpr absl::string_view kFeedBeginKey = "b";
// The address of an account that is gone, while the feed tells of it.
std::string GoneAccountKey(AccountId account);
// A deletion whose runs the feed names.
inline constexpr char kToldDeletionKind = 'e';
std::string ToldDeletionKey(int64_t deletion);
int64_t DeletionOfToldKey(absl::string_view key);
inline constexpr char kConsumerKind = 'k';
std::string ConsumerKey(absl::string_view name);
// Submissions, by their ids, which hold no NUL. What became of a recipient in the queue.
std::string SubmissionKey(absl::string_view id);
std::string SubmissionOutcomeKey(absl::string_view id, int32_t number);
std::string SubmissionOutcomePrefix(absl::string_view id);
int32_t NumberOfOutcomeKey(absl::string_view key);
// By the time when they came, all and of one account; and by the time when they ended.
inline constexpr char kSubmissionOrderKind = 'L';
inline constexpr char kSubmissionEndKind = 'E';
std::string SubmissionTimeKey(char kind, absl::Time time, absl::string_view id);
std::string SubmissionOfTimeKey(absl::string_view key);
absl::Time TimeOfSubmissionKey(absl::string_view key);
std::string AccountSubmissionKey(AccountId account, absl::Time time, absl::string_view id);
std::string AccountSubmissionPrefix(AccountId account);
std::string SubmissionOfAccountKey(absl::string_view key);
// By a digest of its Message-ID.
std::string SubmissionMessageKey(AccountId account, absl::string_view message_id);
// How many an account has.
std::string SubmissionCountKey(AccountId account);

// The first key after all that start with `prefix`; empty when there is none.
std::string PrefixEnd(absl::string_view prefix);

}  // namespace mailstead::engine
