// Grammar. Every record is
//
//   version(1 byte = 1) field*          with nothing after the last field
//
// and a field is one of
//
//   number    base 128, 7 bits a byte, least significant first, high bit set on all but the last byte; at
//   most 10 bytes flag      number 0 or 1 string    number of bytes, then the bytes time      number:
//   microseconds since 1970-01-01T00:00Z, folded (0, -1, 1, -2, ... are 0, 1, 2, 3, ...);
//             the greatest and the least 64-bit values are the infinite times
//   duration  number: microseconds, folded in the same way
//
//   domain    name:string plus_addressing:flag create_time:time
//   account   address:string mailbox:number disabled:flag quota_bytes:number quota_messages:number
//   create_time:time
//             kind:number (0 none, 1 SCRAM-SHA-256, 2 crypt) iterations:number salt:string stored_key:string
//             server_key:string crypt_hash:string version:number
//   alias     address:string create_time:time target_count:number target:string*
//   counters  next_mailbox domain_count account_count alias_count message_count message_bytes
//   deleted_body_bytes mailbox   message_count message_bytes next_message quota_bytes quota_messages:number
//   last_open_time:time
//             last_committed_token:number
//   message   body size_bytes:number unique_id:string deliver_time:time delivery_id reverse_path recipient
//   sha256
//             prefix dsn_ret dsn_envid:string
//   body_ref  mailbox_count size_bytes:number
//   receipt   sha256:string deliver_time:time
//   lease     holder:string ttl:duration number:number
//   lock      token:number lease_id:string lease_number:number
//
// A changed grammar takes the next version byte, and the schema version with it (schema.h). Damage to bytes
// on disk is found by RocksDB's checksums; these decoders only never trust what they read.
#include "stored/engine/rocksdb/records.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace mailstead::store {
namespace {

constexpr uint8_t kVersion = 1;

uint64_t Fold(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

int64_t Unfold(uint64_t value) { return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1)); }

class Encoder {
 public:
  Encoder() : bytes_(1, static_cast<char>(kVersion)) {}

  Encoder& Number(uint64_t value) {
    while (value >= 0x80) {
      bytes_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    bytes_.push_back(static_cast<char>(value));
    return *this;
  }
  Encoder& Flag(bool value) { return Number(value ? 1 : 0); }
  Encoder& String(absl::string_view value) {
    Number(value.size());
    bytes_.append(value.data(), value.size());
    return *this;
  }
  // absl saturates infinite values to the greatest and least int64_t.
  Encoder& Time(absl::Time value) {
    if (value == absl::InfiniteFuture()) return Number(Fold(std::numeric_limits<int64_t>::max()));
    if (value == absl::InfinitePast()) return Number(Fold(std::numeric_limits<int64_t>::min()));
    return Number(Fold(absl::ToUnixMicros(value)));
  }
  Encoder& Duration(absl::Duration value) { return Number(Fold(absl::ToInt64Microseconds(value))); }

  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// After the first bad field every further one is empty, and Finish reports it.
class Decoder {
 public:
  Decoder(absl::string_view kind, absl::string_view bytes) : kind_(kind), rest_(bytes) {
    if (rest_.empty() || static_cast<uint8_t>(rest_[0]) != kVersion) {
      Fail("unknown version");
    } else {
      rest_.remove_prefix(1);
    }
  }

  Decoder& Number(uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return Fail("cut short");
      const uint8_t byte = static_cast<uint8_t>(rest_[0]);
      rest_.remove_prefix(1);
      if (shift == 63 && byte > 1) break;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return *this;
    }
    value = 0;
    return Fail("number too large");
  }
  Decoder& Flag(bool& value) {
    uint64_t number;
    Number(number);
    value = number == 1;
    return number <= 1 ? *this : Fail("flag neither 0 nor 1");
  }
  Decoder& String(std::string& value) {
    uint64_t size;
    Number(size);
    if (size > rest_.size()) {
      value.clear();
      return Fail("string past the end");
    }
    value.assign(rest_.data(), size);
    rest_.remove_prefix(size);
    return *this;
  }
  Decoder& Time(absl::Time& value) {
    uint64_t number;
    Number(number);
    const int64_t micros = Unfold(number);
    value = micros == std::numeric_limits<int64_t>::max()   ? absl::InfiniteFuture()
            : micros == std::numeric_limits<int64_t>::min() ? absl::InfinitePast()
                                                            : absl::FromUnixMicros(micros);
    return *this;
  }
  Decoder& Duration(absl::Duration& value) {
    uint64_t number;
    Number(number);
    value = absl::Microseconds(Unfold(number));
    return *this;
  }
  Decoder& Fail(absl::string_view what) {
    if (problem_.empty()) problem_ = what;
    rest_ = absl::string_view();
    return *this;
  }
  bool failed() const { return !problem_.empty(); }
  size_t remaining() const { return rest_.size(); }

  absl::Status Finish() const {
    if (!problem_.empty()) return absl::DataLossError(absl::StrCat(kind_, " record: ", problem_));
    if (!rest_.empty()) return absl::DataLossError(absl::StrCat(kind_, " record: bytes after its end"));
    return absl::OkStatus();
  }

 private:
  const absl::string_view kind_;
  absl::string_view rest_;
  absl::string_view problem_;
};

}  // namespace

std::string Encode(const Domain& domain) {
  return Encoder().String(domain.name).Flag(domain.plus_addressing).Time(domain.create_time).Take();
}

absl::Status Decode(absl::string_view bytes, Domain& domain) {
  return Decoder("domain", bytes)
      .String(domain.name)
      .Flag(domain.plus_addressing)
      .Time(domain.create_time)
      .Finish();
}

std::string Encode(const Account& account) {
  const Credential& credential = account.credential;
  return Encoder()
      .String(account.address)
      .Number(account.mailbox.value)
      .Flag(account.disabled)
      .Number(account.quota_bytes)
      .Number(account.quota_messages)
      .Time(account.create_time)
      .Number(static_cast<uint64_t>(credential.kind))
      .Number(credential.iterations)
      .String(credential.salt)
      .String(credential.stored_key)
      .String(credential.server_key)
      .String(credential.crypt_hash)
      .Number(credential.version)
      .Take();
}

absl::Status Decode(absl::string_view bytes, Account& account) {
  Credential& credential = account.credential;
  uint64_t kind;
  uint64_t iterations;
  Decoder decoder("account", bytes);
  decoder.String(account.address)
      .Number(account.mailbox.value)
      .Flag(account.disabled)
      .Number(account.quota_bytes)
      .Number(account.quota_messages)
      .Time(account.create_time)
      .Number(kind)
      .Number(iterations)
      .String(credential.salt)
      .String(credential.stored_key)
      .String(credential.server_key)
      .String(credential.crypt_hash)
      .Number(credential.version);
  if (kind > static_cast<uint64_t>(Credential::Kind::kCrypt)) decoder.Fail("unknown kind of credential");
  if (iterations > std::numeric_limits<uint32_t>::max()) decoder.Fail("iterations too large");
  RETURN_IF_ERROR(decoder.Finish());
  credential.kind = static_cast<Credential::Kind>(kind);
  credential.iterations = static_cast<uint32_t>(iterations);
  return absl::OkStatus();
}

std::string Encode(const Alias& alias) {
  Encoder encoder;
  encoder.String(alias.address).Time(alias.create_time).Number(alias.targets.size());
  for (const std::string& target : alias.targets) encoder.String(target);
  return encoder.Take();
}

absl::Status Decode(absl::string_view bytes, Alias& alias) {
  uint64_t target_count;
  Decoder decoder("alias", bytes);
  decoder.String(alias.address).Time(alias.create_time).Number(target_count);
  // Each target takes a byte at least: a count that cannot be true reserves nothing.
  if (target_count > decoder.remaining()) decoder.Fail("more targets than bytes");
  alias.targets.clear();
  for (uint64_t i = 0; i < target_count && !decoder.failed(); ++i) {
    decoder.String(alias.targets.emplace_back());
  }
  return decoder.Finish();
}

std::string Encode(const Counters& counters) {
  return Encoder()
      .Number(counters.next_mailbox)
      .Number(counters.domain_count)
      .Number(counters.account_count)
      .Number(counters.alias_count)
      .Number(counters.message_count)
      .Number(counters.message_bytes)
      .Number(counters.deleted_body_bytes)
      .Take();
}

absl::Status Decode(absl::string_view bytes, Counters& counters) {
  return Decoder("counters", bytes)
      .Number(counters.next_mailbox)
      .Number(counters.domain_count)
      .Number(counters.account_count)
      .Number(counters.alias_count)
      .Number(counters.message_count)
      .Number(counters.message_bytes)
      .Number(counters.deleted_body_bytes)
      .Finish();
}

std::string Encode(const MailboxRecord& mailbox) {
  return Encoder()
      .Number(mailbox.message_count)
      .Number(mailbox.message_bytes)
      .Number(mailbox.next_message)
      .Number(mailbox.quota_bytes)
      .Number(mailbox.quota_messages)
      .Time(mailbox.last_open_time)
      .Number(mailbox.last_committed_token.value)
      .Take();
}

absl::Status Decode(absl::string_view bytes, MailboxRecord& mailbox) {
  return Decoder("mailbox", bytes)
      .Number(mailbox.message_count)
      .Number(mailbox.message_bytes)
      .Number(mailbox.next_message)
      .Number(mailbox.quota_bytes)
      .Number(mailbox.quota_messages)
      .Time(mailbox.last_open_time)
      .Number(mailbox.last_committed_token.value)
      .Finish();
}

std::string Encode(const MessageRecord& message) {
  return Encoder()
      .Number(message.body)
      .Number(message.size_bytes)
      .String(message.unique_id)
      .Time(message.deliver_time)
      .String(message.delivery_id)
      .String(message.reverse_path)
      .String(message.recipient)
      .String(message.sha256)
      .String(message.prefix)
      .String(message.dsn_ret)
      .String(message.dsn_envid)
      .Take();
}

absl::Status Decode(absl::string_view bytes, MessageRecord& message) {
  Decoder decoder("message", bytes);
  decoder.Number(message.body)
      .Number(message.size_bytes)
      .String(message.unique_id)
      .Time(message.deliver_time)
      .String(message.delivery_id)
      .String(message.reverse_path)
      .String(message.recipient)
      .String(message.sha256)
      .String(message.prefix)
      .String(message.dsn_ret)
      .String(message.dsn_envid);
  if (message.prefix.size() > message.size_bytes) decoder.Fail("prefix longer than the message");
  return decoder.Finish();
}

std::string Encode(const BodyRef& body) {
  return Encoder().Number(body.mailbox_count).Number(body.size_bytes).Take();
}

absl::Status Decode(absl::string_view bytes, BodyRef& body) {
  return Decoder("body_ref", bytes).Number(body.mailbox_count).Number(body.size_bytes).Finish();
}

std::string Encode(const ReceiptRecord& receipt) {
  return Encoder().String(receipt.sha256).Time(receipt.deliver_time).Take();
}

absl::Status Decode(absl::string_view bytes, ReceiptRecord& receipt) {
  return Decoder("receipt", bytes).String(receipt.sha256).Time(receipt.deliver_time).Finish();
}

std::string Encode(const LeaseRecord& lease) {
  return Encoder().String(lease.holder).Duration(lease.ttl).Number(lease.number).Take();
}

absl::Status Decode(absl::string_view bytes, LeaseRecord& lease) {
  return Decoder("lease", bytes).String(lease.holder).Duration(lease.ttl).Number(lease.number).Finish();
}

std::string Encode(const LockRecord& lock) {
  return Encoder().Number(lock.token.value).String(lock.lease_id).Number(lock.lease_number).Take();
}

absl::Status Decode(absl::string_view bytes, LockRecord& lock) {
  return Decoder("lock", bytes)
      .Number(lock.token.value)
      .String(lock.lease_id)
      .Number(lock.lease_number)
      .Finish();
}

}  // namespace mailstead::store
