#include "stored/engine/rocksdb/keys.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "stored/rules/directory.h"

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
  }
  CHECK(false);
}

std::string DoomedKey(AccountId account) {
  std::string key(kDoomedPrefix);
  AppendNumber(key, account.value);
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

std::string AccountIdKey(AccountId account) {
  std::string key = "m";
  AppendNumber(key, account.value);
  return key;
}

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

std::string PrefixEnd(absl::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace mailstead::engine
