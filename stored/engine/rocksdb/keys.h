// The keys of each column family. Numbers are big-endian, so that byte order is number order.
//
//   meta       "counters" | "epoch" | "doomed/" mailbox       (RocksDB's "default" family)
//   directory  'd' domain | 'a' domain NUL local-part | 'l' domain NUL local-part | 'm' mailbox
//   mailbox    mailbox
//   message    mailbox message
//   body       body chunk(4 bytes)
//   body_ref   body
//   staged     body
//   delivery   'r' delivery_id | 't' unix seconds delivery_id
//   lease      lease_id
//   lock       mailbox
//
// mailbox, message, body and seconds are 8 bytes. In 'a' and 'l' the domain comes first, so that an ordered
// walk gives addresses by domain, and those of one domain are together; the local part of a catch-all is
// empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/engine/types.h"

namespace mailstead::store {

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
};
inline constexpr size_t kFamilyCount = 10;
// As RocksDB knows it.
const char* FamilyName(Family family);

inline constexpr absl::string_view kEpochKey = "epoch";
inline constexpr absl::string_view kCountersKey = "counters";
inline constexpr absl::string_view kDoomedPrefix = "doomed/";

std::string DoomedKey(MailboxId mailbox);

inline constexpr char kDomainKind = 'd';
inline constexpr char kAccountKind = 'a';
inline constexpr char kAliasKind = 'l';

std::string DomainKey(absl::string_view name);
// `kind` is kAccountKind or kAliasKind. ASCII letters of the address are put in lower case.
std::string AddressKey(char kind, absl::string_view address);
// The start of all keys of that kind in `domain`; of all domains when it is empty.
std::string AddressPrefix(char kind, absl::string_view domain);
std::string MailboxAddressKey(MailboxId mailbox);

std::string MailboxKey(MailboxId mailbox);
std::string MessageKey(MailboxId mailbox, MessageId message);
// The inverse; `key` has 16 bytes.
MessageId MessageOfKey(absl::string_view key);
MailboxId MailboxOfKey(absl::string_view key);

std::string BodyKey(uint64_t body);
// The inverse; `key` has at least 8 bytes.
uint64_t BodyOfKey(absl::string_view key);
std::string ChunkKey(uint64_t body, uint32_t chunk);

std::string ReceiptKey(absl::string_view delivery_id);
inline constexpr absl::string_view kReceiptTimePrefix = "t";
std::string ReceiptTimeKey(absl::Time time, absl::string_view delivery_id);
// The start of all receipts of that second and later.
std::string ReceiptTimeBound(absl::Time time);
// The delivery id in a key made by ReceiptTimeKey.
absl::string_view DeliveryOfReceiptTimeKey(absl::string_view key);

// The first key after all that start with `prefix`; empty when there is none.
std::string PrefixEnd(absl::string_view prefix);

}  // namespace mailstead::store
