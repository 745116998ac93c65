#include "stored/engine/rocksdb/keys.h"

#include <openssl/sha.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "stored/rules/directory.h"
#include "stored/rules/queue.h"

namespace mailstead::engine {
namespace {

constexpr absl::string_view kNul("\0", 1);

void AppendNumber(std::string& key, int64_t number) {
  const uint64_t value = static_cast<uint64_t>(number);
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(value >> shift));
}

int64_t NumberAt(absl::string_view key, size_t offset) {
  CHECK(key.size() >= offset + 8);
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(key[offset + i]);
  return static_cast<int64_t>(value);
}

std::string NumberKey(int64_t value) {
  std::string key;
  AppendNumber(key, value);
  return key;
}

void AppendShort(std::string& key, int32_t number) {
  const uint32_t value = static_cast<uint32_t>(number);
  for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(value >> shift));
}

int32_t ShortAt(absl::string_view key, size_t offset) {
  CHECK(key.size() >= offset + 4);
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(key[offset + i]);
  return static_cast<int32_t>(value);
}

// What stands so many bytes in front of the end.
size_t FromEnd(absl::string_view key, size_t bytes) {
  CHECK(key.size() >= bytes);
  return key.size() - bytes;
}

void AppendTime(std::string& key, absl::Time time) {
  AppendNumber(key, std::max<int64_t>(0, absl::ToUnixMicros(time)));
}

std::string KindKey(char kind, int64_t number) {
  std::string key(1, kind);
  AppendNumber(key, number);
  return key;
}

}  // namespace

const char* FamilyName(Family family) {
  switch (family) {
    case Family::kMeta:
      return "default";
    case Family::kDirectory:
      return "directory";
    case Family::kMailbox:
      return "mailbox";
    case Family::kMessage:
      return "message";
    case Family::kBody:
      return "body";
    case Family::kBodyRef:
      return "body_ref";
    case Family::kStaged:
      return "staged";
    case Family::kDelivery:
      return "delivery";
    case Family::kLease:
      return "lease";
    case Family::kLock:
      return "lock";
    case Family::kReclaim:
      return "reclaim";
    case Family::kQueue:
      return "queue";
    case Family::kChange:
      return "change";
    case Family::kTrash:
      return "trash";
    case Family::kExpiry:
      return "expiry";
  }
  CHECK(false);
}

std::string DoomedKey(AccountId account) {
  std::string key(kDoomedPrefix);
  AppendNumber(key, account.value);
  return key;
}

std::string ApiKeyKey(absl::string_view prefix, absl::string_view id) { return absl::StrCat(prefix, id); }

namespace {
char LetterOf(AuditKind kind) {
  switch (kind) {
    case AuditKind::kChange:
      return 'c';
    case AuditKind::kMail:
      return 'm';
    case AuditKind::kRefusal:
      return 'r';
  }
  CHECK(false);
}
}  // namespace

std::string AuditKey(AuditKind kind, int64_t number) {
  std::string key = "audit/";
  key.push_back(LetterOf(kind));
  AppendNumber(key, number);
  return key;
}

std::string AuditEndKey(AuditKind kind) {
  std::string key = "audit_end/";
  key.push_back(LetterOf(kind));
  return key;
}

std::string SendingKey(char kind, AccountId account) {
  std::string key = absl::StrCat("sending/", absl::string_view(&kind, 1));
  AppendNumber(key, account.value);
  return key;
}

std::string WebhookKey(absl::string_view prefix, absl::string_view id) { return absl::StrCat(prefix, id); }

std::string WaitingEventsPrefix(absl::string_view id) { return absl::StrCat("webhook_wait/", id, kNul); }

std::string WaitingEventsPrefix(absl::string_view id, AccountId account) {
  std::string key = WaitingEventsPrefix(id);
  AppendNumber(key, account.value);
  return key;
}

std::string WaitingEventKey(absl::string_view id, AccountId account, const ChangeCursor& at) {
  std::string key = WaitingEventsPrefix(id, account);
  AppendNumber(key, at.position);
  AppendNumber(key, at.message.value);
  return key;
}

std::string DeadEventsPrefix(absl::string_view id) { return absl::StrCat("webhook_dead/", id, kNul); }

std::string DeadEventKey(absl::string_view id, const ChangeCursor& at) {
  std::string key = DeadEventsPrefix(id);
  AppendNumber(key, at.position);
  AppendNumber(key, at.message.value);
  return key;
}

std::string SrsSecretKey(int64_t number) {
  std::string key(kSrsSecretPrefix);
  AppendNumber(key, number);
  return key;
}

std::string SrsSenderKey(int64_t day, absl::string_view name) {
  return absl::StrCat(SrsSenderBound(day), name);
}

std::string SrsSenderBound(int64_t day) {
  std::string key = "srs/sender/";
  AppendNumber(key, day);
  return key;
}

std::string NameKey(absl::string_view domain) {
  return absl::StrCat(absl::string_view(&kDomainKind, 1), absl::AsciiStrToLower(domain));
}

std::string AddressKey(char kind, absl::string_view address) {
  const rules::AddressParts parts = rules::Split(address);
  std::string key(1, kind);
  key += parts.domain;
  key.push_back('\0');
  key += parts.local_part;
  return key;
}

std::string AddressPrefix(char kind, absl::string_view domain) {
  std::string prefix(1, kind);
  if (domain.empty()) return prefix;
  prefix += absl::AsciiStrToLower(domain);
  prefix.push_back('\0');
  return prefix;
}

std::string DomainOfAddressKey(absl::string_view key) {
  const size_t end = key.find('\0');
  CHECK(end != absl::string_view::npos);
  return std::string(key.substr(1, end - 1));
}

std::string AccountIdKey(AccountId account) {
  std::string key = "m";
  AppendNumber(key, account.value);
  return key;
}

std::string KeyOfRoute(const RouteKey& route) {
  return absl::StrCat(absl::string_view(&kRouteKind, 1), route.destination, kNul, route.sender_domain);
}

std::string DkimDomainKey(char kind, absl::string_view domain) {
  return absl::StrCat(absl::string_view(&kind, 1), domain);
}

std::string DomainOfDkimKey(absl::string_view key) { return std::string(key.substr(1)); }

std::string MailboxKey(AccountId account) { return NumberKey(account.value); }

std::string RemovalKey(AccountId account, int64_t removal_count) {
  std::string key = NumberKey(account.value);
  AppendNumber(key, removal_count);
  return key;
}

std::string MessageKey(AccountId account, MessageId message) {
  std::string key = NumberKey(account.value);
  AppendNumber(key, message.value);
  return key;
}

MessageId MessageOfKey(absl::string_view key) { return MessageId{NumberAt(key, 8)}; }

AccountId AccountOfKey(absl::string_view key) { return AccountId{NumberAt(key, 0)}; }

std::string BodyKey(int64_t body) { return NumberKey(body); }

int64_t BodyOfKey(absl::string_view key) { return NumberAt(key, 0); }

std::string ChunkKey(int64_t body, uint32_t chunk) {
  std::string key = NumberKey(body);
  for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(chunk >> shift));
  return key;
}

std::string DeletionKey(AccountId account, int64_t deletion) {
  std::string key = DeletionPrefix(account);
  AppendNumber(key, deletion);
  return key;
}

std::string DeletionPrefix(AccountId account) { return KindKey(kDeletionKind, account.value); }

AccountId AccountOfDeletionKey(absl::string_view key) { return AccountId{NumberAt(key, 1)}; }

int64_t DeletionOfKey(absl::string_view key) { return NumberAt(key, 9); }

std::string RunsKey(int64_t deletion, MessageId first) {
  std::string key = RunsPrefix(deletion);
  AppendNumber(key, first.value);
  return key;
}

std::string RunsPrefix(int64_t deletion) { return KindKey(kRunsKind, deletion); }

int64_t DeletionOfRunsKey(absl::string_view key) { return NumberAt(key, 1); }

MessageId FirstOfRunsKey(absl::string_view key) { return MessageId{NumberAt(key, 9)}; }

std::string DeadBodyKey(int64_t body) { return KindKey(kDeadBodyKind, body); }

int64_t BodyOfDeadBodyKey(absl::string_view key) { return NumberAt(key, 1); }

std::string TrashKey(AccountId account, MessageId message) {
  std::string key = TrashPrefix(account);
  AppendNumber(key, message.value);
  return key;
}

std::string TrashPrefix(AccountId account) { return KindKey('m', account.value); }

AccountId AccountOfTrashKey(absl::string_view key) { return AccountId{NumberAt(key, 1)}; }

MessageId MessageOfTrashKey(absl::string_view key) { return MessageId{NumberAt(key, 9)}; }

std::string TrashTimeKey(absl::string_view domain, absl::Time time, AccountId account, MessageId message) {
  std::string key = TrashTimePrefix(domain);
  AppendTime(key, time);
  AppendNumber(key, account.value);
  AppendNumber(key, message.value);
  return key;
}

std::string TrashTimePrefix(absl::string_view domain) {
  return absl::StrCat(absl::string_view(&kTrashTimeKind, 1), domain, kNul);
}

std::string DomainOfTrashTimeKey(absl::string_view key) {
  return std::string(key.substr(1, FromEnd(key, 3 * 8 + 1) - 1));
}

absl::Time TimeOfTrashTimeKey(absl::string_view key) {
  return absl::FromUnixMicros(NumberAt(key, FromEnd(key, 3 * 8)));
}

std::string TrashKeyOfTimeKey(absl::string_view key) {
  return TrashKey(AccountId{NumberAt(key, FromEnd(key, 2 * 8))}, MessageId{NumberAt(key, FromEnd(key, 8))});
}

std::string AccountRetentionKey(absl::Duration retention, AccountId account) {
  std::string key = KindKey(kAccountRetentionKind, absl::ToInt64Microseconds(retention));
  AppendNumber(key, account.value);
  return key;
}

std::string DomainRetentionKey(absl::Duration retention, absl::string_view domain) {
  return absl::StrCat(KindKey(kDomainRetentionKind, absl::ToInt64Microseconds(retention)), domain);
}

absl::Duration RetentionOfKey(absl::string_view key) { return absl::Microseconds(NumberAt(key, 1)); }

AccountId AccountOfRetentionKey(absl::string_view key) { return AccountId{NumberAt(key, 9)}; }

std::string DomainOfRetentionKey(absl::string_view key) { return std::string(key.substr(9)); }

std::string ExpireTimeKey(absl::Time time, AccountId account, MessageId message) {
  std::string key(1, kExpireTimeKind);
  AppendTime(key, time);
  AppendNumber(key, account.value);
  AppendNumber(key, message.value);
  return key;
}

absl::Time TimeOfExpireKey(absl::string_view key) { return absl::FromUnixMicros(NumberAt(key, 1)); }

AccountId AccountOfExpireKey(absl::string_view key) { return AccountId{NumberAt(key, 9)}; }

MessageId MessageOfExpireKey(absl::string_view key) { return MessageId{NumberAt(key, 17)}; }

std::string ReceiptKey(absl::string_view scope, absl::string_view delivery_id) {
  return absl::StrCat("R", scope, kNul, delivery_id);
}

std::string OldReceiptKey(absl::string_view delivery_id) { return absl::StrCat("r", delivery_id); }

std::string ReceiptTimeBound(char kind, absl::Time time) {
  std::string key(1, kind);
  AppendNumber(key, std::max<int64_t>(0, absl::ToUnixSeconds(time)));
  return key;
}

std::string ReceiptTimeKey(absl::Time time, absl::string_view scope, absl::string_view delivery_id) {
  return absl::StrCat(ReceiptTimeBound(kReceiptTimeKind, time), scope, kNul, delivery_id);
}

std::string ReceiptOfTimeKey(absl::string_view key) {
  CHECK(key.size() >= 9);
  return absl::StrCat(key[0] == kReceiptTimeKind ? "R" : "r", key.substr(9));
}

std::string QueuedKey(QueueId message) { return KindKey(kQueuedKind, message.value); }

QueueId QueuedOfKey(absl::string_view key) { return QueueId{NumberAt(key, 1)}; }

std::string QueuedRecipientPrefix(QueueId message) { return KindKey('n', message.value); }

std::string QueuedRecipientKey(QueueId message, int32_t number) {
  std::string key = QueuedRecipientPrefix(message);
  AppendShort(key, number);
  return key;
}

int32_t NumberOfQueuedRecipientKey(absl::string_view key) { return ShortAt(key, 9); }

std::string DestinationKey(absl::string_view destination) {
  return absl::StrCat(absl::string_view(&kDestinationKind, 1), destination);
}

std::string DestinationOfKey(absl::string_view key) { return std::string(key.substr(1)); }

std::string SiteKey(absl::string_view site) { return absl::StrCat(absl::string_view(&kSiteKind, 1), site); }

std::string QueueTimeBound(char kind, absl::Time time) {
  std::string key(1, kind);
  AppendTime(key, time);
  return key;
}

std::string DueKey(absl::Time time, absl::string_view site) {
  return absl::StrCat(QueueTimeBound(kDueKind, time), site);
}

std::string RememberedKey(absl::Time time, absl::string_view destination) {
  return absl::StrCat(QueueTimeBound(kRememberedKind, time), destination);
}

std::string NameOfTimeKey(absl::string_view key) {
  CHECK(key.size() >= 9);
  return std::string(key.substr(9));
}

std::string PlacePrefix(absl::string_view site) { return absl::StrCat("p", site, kNul); }

std::string PlaceKey(absl::string_view site, absl::Time time, absl::string_view destination) {
  std::string key = PlacePrefix(site);
  AppendTime(key, time);
  return absl::StrCat(key, destination);
}

absl::Time TimeOfPlaceKey(absl::string_view site, absl::string_view key) {
  return absl::FromUnixMicros(NumberAt(key, site.size() + 2));
}

std::string DestinationOfPlaceKey(absl::string_view site, absl::string_view key) {
  CHECK(key.size() >= site.size() + 10);
  return std::string(key.substr(site.size() + 10));
}

std::string ReadyPrefix(absl::string_view destination) { return absl::StrCat("r", destination, kNul); }

std::string ReadyLanePrefix(absl::string_view destination, uint64_t lane) {
  std::string key = ReadyPrefix(destination);
  AppendNumber(key, static_cast<int64_t>(lane));
  return key;
}

std::string ReadyTurnPrefix(absl::string_view destination, uint64_t lane, int32_t turn, QueueId message) {
  std::string key = ReadyLanePrefix(destination, lane);
  AppendShort(key, turn);
  AppendNumber(key, message.value);
  return key;
}

std::string ReadyKey(absl::string_view destination, uint64_t lane, QueueId message, int32_t number) {
  std::string key = ReadyTurnPrefix(destination, lane, rules::TurnOf(number), message);
  AppendShort(key, number);
  return key;
}

ReadyPlace PlaceOfReadyKey(absl::string_view key) {
  const absl::string_view place = key.substr(FromEnd(key, 24));
  return {static_cast<uint64_t>(NumberAt(place, 0)), ShortAt(place, 8), QueueId{NumberAt(place, 12)},
          ShortAt(place, 20)};
}

std::string WaitingPrefix(absl::string_view destination) { return absl::StrCat("w", destination, kNul); }

std::string WaitingKey(absl::string_view destination, absl::Time time, QueueId message, int32_t number) {
  std::string key = WaitingPrefix(destination);
  AppendTime(key, time);
  AppendNumber(key, message.value);
  AppendShort(key, number);
  return key;
}

absl::Time TimeOfWaitingKey(absl::string_view key) {
  return absl::FromUnixMicros(NumberAt(key, FromEnd(key, 20)));
}

QueueId QueuedOfWaitingKey(absl::string_view key) { return QueueId{NumberAt(key, FromEnd(key, 12))}; }

int32_t NumberOfWaitingKey(absl::string_view key) { return ShortAt(key, FromEnd(key, 4)); }

std::string AttemptKey(QueueGrant grant) { return KindKey('g', grant.value); }

std::string FlightBound(int64_t lease_number) { return KindKey(kFlightKind, lease_number); }

std::string FlightKey(int64_t lease_number, QueueGrant grant) {
  std::string key = FlightBound(lease_number);
  AppendNumber(key, grant.value);
  return key;
}

int64_t LeaseOfFlightKey(absl::string_view key) { return NumberAt(key, 1); }

QueueGrant GrantOfFlightKey(absl::string_view key) { return QueueGrant{NumberAt(key, 9)}; }

std::string EventKey(absl::Time time, QueueId message) {
  std::string key = QueueTimeBound(kEventKind, time);
  AppendNumber(key, message.value);
  return key;
}

QueueId QueuedOfEventKey(absl::string_view key) { return QueueId{NumberAt(key, 9)}; }

std::string HereKey(absl::Time time, QueueId message, int32_t number) {
  std::string key = QueueTimeBound(kHereKind, time);
  AppendNumber(key, message.value);
  AppendShort(key, number);
  return key;
}

QueueId QueuedOfHereKey(absl::string_view key) { return QueueId{NumberAt(key, 9)}; }

int32_t NumberOfHereKey(absl::string_view key) { return ShortAt(key, 17); }

std::string WaitingCopyKey(QueueId message, int32_t number) {
  std::string key = KindKey(kWaitingCopyKind, message.value);
  AppendShort(key, number);
  return key;
}

std::string KeyOfTlsReport(const TlsReportKey& report) {
  return absl::StrCat(QueueTimeBound('y', report.start), report.domain);
}

std::string TlsReportDueKey(absl::Time due, const TlsReportKey& report) {
  std::string key = QueueTimeBound(kTlsReportDueKind, due);
  AppendTime(key, report.start);
  return absl::StrCat(key, report.domain);
}

TlsReportKey TlsReportOfDueKey(absl::string_view key) {
  return {.start = absl::FromUnixMicros(NumberAt(key, 9)), .domain = std::string(key.substr(17))};
}

std::string StsPolicyKey(absl::string_view domain) { return absl::StrCat("k", domain); }

std::string StsOrderKey(absl::Time time, absl::string_view domain) {
  return absl::StrCat(QueueTimeBound(kStsOrderKind, time), domain);
}

std::string FeedKey(int64_t position) { return KindKey(kFeedKind, position); }

std::string AccountChangePrefix(AccountId account) { return KindKey(kAccountChangeKind, account.value); }

std::string AccountChangeKey(AccountId account, int64_t position) {
  std::string key = AccountChangePrefix(account);
  AppendNumber(key, position);
  return key;
}

int64_t PositionOfChangeKey(absl::string_view key) { return NumberAt(key, FromEnd(key, 8)); }

std::string GoneAccountKey(AccountId account) { return KindKey('g', account.value); }

std::string ToldDeletionKey(int64_t deletion) { return KindKey(kToldDeletionKind, deletion); }

int64_t DeletionOfToldKey(absl::string_view key) { return NumberAt(key, 1); }

std::string ConsumerKey(absl::string_view name) {
  return absl::StrCat(absl::string_view(&kConsumerKind, 1), name);
}

std::string SubmissionKey(absl::string_view id) { return absl::StrCat("S", id); }

std::string SubmissionOutcomePrefix(absl::string_view id) { return absl::StrCat("O", id, kNul); }

std::string SubmissionOutcomeKey(absl::string_view id, int32_t number) {
  std::string key = SubmissionOutcomePrefix(id);
  AppendShort(key, number);
  return key;
}

int32_t NumberOfOutcomeKey(absl::string_view key) { return ShortAt(key, FromEnd(key, 4)); }

std::string SubmissionTimeKey(char kind, absl::Time time, absl::string_view id) {
  std::string key(1, kind);
  AppendTime(key, time);
  return absl::StrCat(key, id);
}

std::string SubmissionOfTimeKey(absl::string_view key) { return std::string(key.substr(9)); }

absl::Time TimeOfSubmissionKey(absl::string_view key) { return absl::FromUnixMicros(NumberAt(key, 1)); }

std::string AccountSubmissionPrefix(AccountId account) { return KindKey('A', account.value); }

std::string AccountSubmissionKey(AccountId account, absl::Time time, absl::string_view id) {
  std::string key = AccountSubmissionPrefix(account);
  AppendTime(key, time);
  return absl::StrCat(key, id);
}

std::string SubmissionOfAccountKey(absl::string_view key) { return std::string(key.substr(17)); }

std::string SubmissionMessageKey(AccountId account, absl::string_view message_id) {
  constexpr size_t kDigestBytes = 16;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(message_id.data()), message_id.size(), digest);
  std::string key = KindKey('I', account.value);
  key.append(reinterpret_cast<const char*>(digest), kDigestBytes);
  return key;
}

std::string SubmissionCountKey(AccountId account) { return KindKey('C', account.value); }

std::string PrefixEnd(absl::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace mailstead::engine
