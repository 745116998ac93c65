// Grammar of the values:
//
//   record    = version field*                  version is one byte; nothing follows the last field
//
//   number    = base 128, 7 bits a byte, least significant first, the high bit set on all but the last byte; at most 10
//               bytes; below 2^63 except where it is folded, and in quotas of records of version 1
//   flag      = number                          0 or 1
//   string    = number byte*                    the number of bytes, then the bytes
//   time      = number                          microseconds since 1970-01-01T00:00Z, folded (0, -1, 1, -2, ... are
//                                               0, 1, 2, 3, ...); the greatest and the least 64-bit values are the
//                                               infinite times
//   duration  = number                          microseconds, folded in the same way
//   recipient = address:string notify:number original_recipient:string remote:flag
//                                               notify: 1 given, 2 SUCCESS, 4 FAILURE, 8 DELAY, added up
//
// End of the grammar.
//
// A changed grammar takes the next version byte of its record, and the schema version with it (schema.h). Damage to bytes
// on disk is found by RocksDB's checksums; these decoders only never trust what they read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/status.h"
#include "stored/engine/types.h"

namespace mailstead::engine {

// Sizes that no sum overflows.
inline constexpr int64_t kMostBytes = int64_t{1} << 48;
inline constexpr int64_t kMostNumber = std::numeric_limits<int64_t>::max();

inline uint64_t Fold(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

inline int64_t Unfold(uint64_t value) { return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1)); }

class Encoder {
 public:
  explicit Encoder(uint8_t version) : bytes_(1, static_cast<char>(version)) {}

  Encoder& Number(int64_t value) { return Raw(static_cast<uint64_t>(value)); }
  Encoder& Lane(uint64_t value) { return Raw(value); }
  Encoder& Flag(bool value) { return Number(value ? 1 : 0); }
  Encoder& String(absl::string_view value) {
    Raw(value.size());
    bytes_.append(value.data(), value.size());
    return *this;
  }
  // absl saturates infinite values to the greatest and least int64_t.
  Encoder& Time(absl::Time value) {
    if (value == absl::InfiniteFuture()) return Raw(Fold(std::numeric_limits<int64_t>::max()));
    if (value == absl::InfinitePast()) return Raw(Fold(std::numeric_limits<int64_t>::min()));
    return Raw(Fold(absl::ToUnixMicros(value)));
  }
  Encoder& Duration(absl::Duration value) { return Raw(Fold(absl::ToInt64Microseconds(value))); }
  Encoder& Secret(const Credential& credential) {
    return Number(static_cast<int64_t>(credential.kind))
        .Number(credential.iterations)
        .String(credential.salt)
        .String(credential.stored_key)
        .String(credential.server_key)
        .String(credential.crypt_hash)
        .Number(credential.version);
  }

  std::string Take() { return std::move(bytes_); }

 private:
  Encoder& Raw(uint64_t value) {
    while (value >= 0x80) {
      bytes_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    bytes_.push_back(static_cast<char>(value));
    return *this;
  }

  std::string bytes_;
};

// After the first bad field every further one is empty, and Finish reports it.
class Decoder {
 public:
  // Versions 1 to `newest` are known.
  Decoder(absl::string_view kind, absl::string_view bytes, uint8_t newest) : kind_(kind), rest_(bytes) {
    version_ = rest_.empty() ? 0 : static_cast<uint8_t>(rest_[0]);
    if (version_ < 1 || version_ > newest) {
      Fail("unknown version");
    } else {
      rest_.remove_prefix(1);
    }
  }

  uint8_t version() const { return version_; }

  Decoder& Number(int64_t& value, int64_t most = kMostNumber) {
    uint64_t raw;
    Raw(raw);
    const bool fits = raw <= static_cast<uint64_t>(most);
    value = fits ? static_cast<int64_t>(raw) : 0;
    return fits ? *this : Fail("number too large");
  }
  // Before schema version 3 a quota could be any 64-bit number.
  Decoder& Quota(int64_t& value) {
    uint64_t raw;
    Raw(raw);
    value = static_cast<int64_t>(std::min(raw, static_cast<uint64_t>(kMostNumber)));
    return *this;
  }
  Decoder& Lane(uint64_t& value) { return Raw(value); }
  Decoder& Small(int32_t& value) {
    int64_t number;
    Number(number, std::numeric_limits<int32_t>::max());
    value = static_cast<int32_t>(number);
    return *this;
  }
  Decoder& Flag(bool& value) {
    uint64_t number;
    Raw(number);
    value = number == 1;
    return number <= 1 ? *this : Fail("flag neither 0 nor 1");
  }
  Decoder& String(std::string& value) {
    const absl::string_view bytes = TakeString();
    value.assign(bytes.data(), bytes.size());
    return *this;
  }
  Decoder& SkipString(int64_t& size) {
    size = static_cast<int64_t>(TakeString().size());
    return *this;
  }
  Decoder& Time(absl::Time& value) {
    uint64_t number;
    Raw(number);
    const int64_t micros = Unfold(number);
    value = micros == std::numeric_limits<int64_t>::max()   ? absl::InfiniteFuture()
            : micros == std::numeric_limits<int64_t>::min() ? absl::InfinitePast()
                                                            : absl::FromUnixMicros(micros);
    return *this;
  }
  Decoder& Duration(absl::Duration& value) {
    uint64_t number;
    Raw(number);
    value = absl::Microseconds(Unfold(number));
    return *this;
  }
  // How many items follow, of a byte each at least: a count that cannot be true reserves nothing.
  Decoder& Count(size_t& count) {
    uint64_t number;
    Raw(number);
    if (number > rest_.size()) {
      count = 0;
      return Fail("more items than bytes");
    }
    count = static_cast<size_t>(number);
    return *this;
  }
  Decoder& Secret(Credential& credential) {
    int64_t kind;
    int64_t iterations;
    Number(kind, static_cast<int64_t>(Credential::Kind::kCrypt))
        .Number(iterations, std::numeric_limits<uint32_t>::max());
    String(credential.salt)
        .String(credential.stored_key)
        .String(credential.server_key)
        .String(credential.crypt_hash);
    Number(credential.version);
    credential.kind = static_cast<Credential::Kind>(kind);
    credential.iterations = static_cast<uint32_t>(iterations);
    return *this;
  }
  Decoder& Fail(absl::string_view what) {
    if (problem_.empty()) problem_ = what;
    rest_ = absl::string_view();
    return *this;
  }
  bool failed() const { return !problem_.empty(); }

  // Without looking at what is left.
  absl::Status Outcome() const {
    if (problem_.empty()) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(kind_, " record: ", problem_));
  }
  absl::Status Finish() const {
    RETURN_IF_ERROR(Outcome());
    if (!rest_.empty()) return absl::DataLossError(absl::StrCat(kind_, " record: bytes after its end"));
    return absl::OkStatus();
  }

 private:
  Decoder& Raw(uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) {
        value = 0;
        return Fail("cut short");
      }
      const uint8_t byte = static_cast<uint8_t>(rest_[0]);
      rest_.remove_prefix(1);
      if (shift == 63 && byte > 1) break;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return *this;
    }
    value = 0;
    return Fail("number too large");
  }

  absl::string_view TakeString() {
    uint64_t size;
    Raw(size);
    if (size > rest_.size()) {
      Fail("string past the end");
      return absl::string_view();
    }
    const absl::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  const absl::string_view kind_;
  uint8_t version_ = 0;
  absl::string_view rest_;
  absl::string_view problem_;
};

// Pieces of more than one record.
int64_t NotifyBits(const DsnNotify& notify);
// Of any number up to kAllNotifyBits.
DsnNotify NotifyOf(int64_t bits);
inline constexpr int64_t kAllNotifyBits = 15;
int64_t ParameterBits(const Envelope& envelope);
// How the sender wants to be told, and `parameters`.
void DecodeParameters(Decoder& decoder, Envelope& envelope);
void DecodeRecipients(Decoder& decoder, std::vector<EnvelopeRecipient>& recipients);
// Of records with a version of their own, which those of version 1 have not yet.
template <typename Record>
void DecodeChanges(Decoder& decoder, Record& record) {
  record.update_time = record.create_time;
  record.version = 1;
  if (decoder.version() >= 2) decoder.Time(record.update_time).Number(record.version);
}

}  // namespace mailstead::engine
