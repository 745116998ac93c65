// DNS messages (RFC 1035 section 4): the queries that we send, and what we take of an answer. Pure.
//
// A name is text: labels in lower case with dots between them, without a dot at the end; the root is ".". Bytes of a
// label other than letters, digits, "-" and "_" are written as \DDD (RFC 1035 section 5.1), dots within a label too, so
// that two names are the same exactly when their texts are, and a text is safe in a log.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::dns {

// The types that can be asked for and are understood (the numbers are IANA's).
enum class Type : uint16_t {
  kA = 1,
  kCname = 5,
  kSoa = 6,
  kPtr = 12,
  kMx = 15,
  kTxt = 16,
  kAaaa = 28,
  kTlsa = 52,
};
// "MX".
absl::string_view TypeText(Type type);
// Of each Type in any letter case.
std::optional<Type> ParseType(absl::string_view text);

struct Question {
  // In the form above; upper case letters are taken as lower case.
  std::string name;
  Type type = Type::kA;

  bool operator==(const Question&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const Question& question) {
    return H::combine(std::move(h), question.name, question.type);
  }
};

// In network order, as asio::ip::address_v4 and _v6 take them.
using Ipv4Bytes = std::array<uint8_t, 4>;
using Ipv6Bytes = std::array<uint8_t, 16>;

// CNAME.
struct Alias {
  std::string target;
  bool operator==(const Alias&) const = default;
};
// RFC 1035 section 3.3.13.
struct Soa {
  std::string primary;
  std::string mailbox;
  uint32_t serial = 0;
  uint32_t refresh_seconds = 0;
  uint32_t retry_seconds = 0;
  uint32_t expire_seconds = 0;
  uint32_t minimum_seconds = 0;
  bool operator==(const Soa&) const = default;
};
// PTR.
struct Pointer {
  std::string name;
  bool operator==(const Pointer&) const = default;
};
struct Mx {
  uint16_t preference = 0;
  // "." in a null MX (RFC 7505). Not always the name of a host: IsHostName.
  std::string exchange;
  bool operator==(const Mx&) const = default;
};
struct Txt {
  // The record's strings, one after the other without anything between them, as SPF, DKIM and MTA-STS read them. Any
  // bytes.
  std::string text;
  bool operator==(const Txt&) const = default;
};
// RFC 6698 section 2.1.
struct Tlsa {
  uint8_t usage = 0;
  uint8_t selector = 0;
  uint8_t matching_type = 0;
  std::string data;
  bool operator==(const Tlsa&) const = default;
};
using Record = std::variant<Ipv4Bytes, Alias, Soa, Pointer, Mx, Txt, Ipv6Bytes, Tlsa>;

// RFC 1035 section 4.1.1, with the upper bits of RFC 6891 section 6.1.3. Others are possible.
inline constexpr uint16_t kNoError = 0;
inline constexpr uint16_t kServFail = 2;
inline constexpr uint16_t kNxDomain = 3;
inline constexpr uint16_t kRefused = 5;

// What a server answered to a question.
struct Response {
  uint16_t id = 0;
  uint16_t rcode = kNoError;
  // The server says that it has validated everything (RFC 4035 section 3.2.3). Worth as much as the way to it.
  bool authentic_data = false;
  bool recursion_available = false;
  // There was no room for all of it; nothing of it was read.
  bool truncated = false;
  bool has_edns = false;
  // Where the aliases led: the owner of `records`, or of nothing when there are none.
  std::string canonical_name;
  // Of the type that was asked for; one kind of Record only. Empty unless `rcode` is kNoError.
  std::vector<Record> records;
  // The least TTL of records and aliases; absent when there was neither.
  std::optional<uint32_t> ttl_seconds;
  // RFC 2308 section 5: how long the absence of what is absent holds. Absent without a SOA of a zone above the name.
  std::optional<uint32_t> negative_ttl_seconds;
};

// A query with RD and AD set and one OPT record, last, that says DO and kUdpPayloadBytes (RFC 6840 section 5.7: AD asks
// for AD). InvalidArgument: no name of the DNS.
absl::StatusOr<std::string> EncodeQuery(uint16_t id, const Question& question);

// Reads one whole message that answers `question`. Follows aliases inside it, at most kMaxAliases. InvalidArgument: it
// is no answer to that, or a length, a pointer or anything else in it is wrong; ResourceExhausted: more than
// kMaxRecords. After an `rcode` other than kNoError and kNxDomain, and when truncated, only header and question have
// been read.
absl::StatusOr<Response> ParseResponse(absl::string_view packet, const Question& question);

// Whether a name can be that of a host: letters, digits, hyphens within a label, and underscores, as hosts with them
// exist; at least one label, and the last not a number: that is an address in the wrong place.
bool IsHostName(absl::string_view name);

}  // namespace mailstead::dns
