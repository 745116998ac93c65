#include "stored/engine/rocksdb/keys.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace mailstead::store {
namespace {

void AppendNumber(std::string& key, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(value >> shift));
}

uint64_t NumberAt(absl::string_view key, size_t offset) {
  CHECK(key.size() >= offset + 8);
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(key[offset + i]);
  return value;
}

std::string NumberKey(uint64_t value) {
  std::string key;
  AppendNumber(key, value);
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
  }
  CHECK(false);
}

std::string DoomedKey(MailboxId mailbox) {
  std::string key(kDoomedPrefix);
  AppendNumber(key, mailbox.value);
  return key;
}

std::string DomainKey(absl::string_view name) {
  return absl::StrCat(absl::string_view(&kDomainKind, 1), absl::AsciiStrToLower(name));
}

std::string AddressKey(char kind, absl::string_view address) {
  // A domain holds no "@" (RFC 5321 section 4.1.2); a quoted local part may.
  const size_t at = address.rfind('@');
  const absl::string_view local_part = at == absl::string_view::npos ? address : address.substr(0, at);
  const absl::string_view domain =
      at == absl::string_view::npos ? absl::string_view() : address.substr(at + 1);
  std::string key(1, kind);
  key += absl::AsciiStrToLower(domain);
  key.push_back('\0');
  key += absl::AsciiStrToLower(local_part);
  return key;
}

std::string AddressPrefix(char kind, absl::string_view domain) {
  std::string prefix(1, kind);
  if (domain.empty()) return prefix;
  prefix += absl::AsciiStrToLower(domain);
  prefix.push_back('\0');
  return prefix;
}

std::string MailboxAddressKey(MailboxId mailbox) {
  std::string key = "m";
  AppendNumber(key, mailbox.value);
  return key;
}

std::string MailboxKey(MailboxId mailbox) { return NumberKey(mailbox.value); }

std::string MessageKey(MailboxId mailbox, MessageId message) {
  std::string key = NumberKey(mailbox.value);
  AppendNumber(key, message.value);
  return key;
}

MessageId MessageOfKey(absl::string_view key) { return MessageId{NumberAt(key, 8)}; }

MailboxId MailboxOfKey(absl::string_view key) { return MailboxId{NumberAt(key, 0)}; }

std::string BodyKey(uint64_t body) { return NumberKey(body); }

uint64_t BodyOfKey(absl::string_view key) { return NumberAt(key, 0); }

std::string ChunkKey(uint64_t body, uint32_t chunk) {
  std::string key = NumberKey(body);
  for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(chunk >> shift));
  return key;
}

std::string ReceiptKey(absl::string_view delivery_id) { return absl::StrCat("r", delivery_id); }

std::string ReceiptTimeBound(absl::Time time) {
  std::string key(kReceiptTimePrefix);
  AppendNumber(key, static_cast<uint64_t>(std::max<int64_t>(0, absl::ToUnixSeconds(time))));
  return key;
}

std::string ReceiptTimeKey(absl::Time time, absl::string_view delivery_id) {
  return absl::StrCat(ReceiptTimeBound(time), delivery_id);
}

absl::string_view DeliveryOfReceiptTimeKey(absl::string_view key) {
  CHECK(key.size() >= 9);
  return key.substr(9);
}

std::string PrefixEnd(absl::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace mailstead::store
