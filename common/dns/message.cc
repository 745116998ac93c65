#include "common/dns/message.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status.h"
#include "common/dns/limits.h"

namespace mailstead::dns {
namespace {

// Header (RFC 1035 section 4.1.1): ID, flags, QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT, of 16 bits each.
constexpr size_t kHeaderBytes = 12;
constexpr uint16_t kFlagResponse = 0x8000;
constexpr uint16_t kMaskOpcode = 0x7800;
constexpr uint16_t kFlagTruncated = 0x0200;
constexpr uint16_t kFlagRecursionDesired = 0x0100;
constexpr uint16_t kFlagRecursionAvailable = 0x0080;
constexpr uint16_t kFlagAuthenticData = 0x0020;
constexpr uint16_t kMaskRcode = 0x000f;

constexpr uint16_t kClassIn = 1;
constexpr uint16_t kTypeOpt = 41;
// RFC 3225 section 3: in the OPT record's TTL.
constexpr uint16_t kDnssecOk = 0x8000;

// A length byte with both of these bits is the first of a pointer's two (RFC 1035 section 4.1.4).
constexpr uint8_t kPointerBits = 0xc0;

absl::Status Bad(absl::string_view why) { return absl::InvalidArgumentError(absl::StrCat("DNS: ", why)); }

bool IsPlain(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'; }

void AppendLabel(absl::string_view label, std::string* name) {
  if (!name->empty()) name->push_back('.');
  for (const char c : label) {
    if (IsPlain(c)) {
      name->push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    const char escape[] = {'\\', static_cast<char>('0' + byte / 100), static_cast<char>('0' + byte / 10 % 10),
                           static_cast<char>('0' + byte % 10)};
    name->append(escape, sizeof(escape));
  }
}

// Reads a part of a packet. Once something was not there, all that follows is empty and `ok` is false.
class Reader {
 public:
  Reader(absl::string_view packet, size_t begin, size_t end) : packet_(packet), at_(begin), end_(end) {}

  bool ok() const { return ok_; }
  size_t at() const { return at_; }
  bool at_end() const { return ok_ && at_ == end_; }

  absl::string_view Bytes(size_t count) {
    if (!ok_ || count > end_ - at_) {
      ok_ = false;
      return {};
    }
    const absl::string_view bytes = packet_.substr(at_, count);
    at_ += count;
    return bytes;
  }
  absl::string_view Rest() { return Bytes(end_ - at_); }
  uint32_t Number(size_t bytes) {
    uint32_t number = 0;
    for (const char c : Bytes(bytes)) number = number << 8 | static_cast<uint8_t>(c);
    return number;
  }
  uint8_t Uint8() { return static_cast<uint8_t>(Number(1)); }
  uint16_t Uint16() { return static_cast<uint16_t>(Number(2)); }
  uint32_t Uint32() { return Number(4); }
  template <typename Array>
  Array FixedBytes() {
    Array array{};
    const absl::string_view bytes = Bytes(array.size());
    if (!bytes.empty()) std::memcpy(array.data(), bytes.data(), bytes.size());
    return array;
  }

  // A name, possibly compressed: pointers lead anywhere before it in the packet.
  std::string Name() {
    std::string name;
    size_t wire_bytes = 1;
    size_t at = at_;
    size_t end = end_;
    // SECURITY: each pointer leads to before where the last one led, so no packet can send us round for ever.
    size_t before = at_;
    bool jumped = false;
    while (ok_) {
      if (at >= end) break;
      const auto length = static_cast<uint8_t>(packet_[at]);
      if ((length & kPointerBits) == kPointerBits) {
        if (at + 1 >= end) break;
        const size_t target = (length & ~kPointerBits) << 8 | static_cast<uint8_t>(packet_[at + 1]);
        if (target >= before || target < kHeaderBytes) break;
        if (!jumped) at_ = at + 2;
        jumped = true;
        before = at = target;
        end = packet_.size();
        continue;
      }
      if ((length & kPointerBits) != 0) break;
      if (length == 0) {
        if (!jumped) at_ = at + 1;
        return name.empty() ? "." : name;
      }
      wire_bytes += 1 + length;
      if (wire_bytes > kMaxNameBytes || length > end - at - 1) break;
      AppendLabel(packet_.substr(at + 1, length), &name);
      at += 1 + length;
    }
    ok_ = false;
    return {};
  }

 private:
  const absl::string_view packet_;
  size_t at_;
  const size_t end_;
  bool ok_ = true;
};

void AppendUint16(uint16_t number, std::string* packet) {
  packet->push_back(static_cast<char>(number >> 8));
  packet->push_back(static_cast<char>(number & 0xff));
}

// The bytes of a label of a name's text.
absl::StatusOr<std::string> LabelBytes(absl::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (IsPlain(text[i])) {
      bytes.push_back(absl::ascii_tolower(static_cast<unsigned char>(text[i])));
      continue;
    }
    const absl::string_view digits = text.substr(std::min(i + 1, text.size())).substr(0, 3);
    int number = 0;
    if (text[i] != '\\' || digits.size() != 3 ||
        !std::all_of(digits.begin(), digits.end(),
                     [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }) ||
        !absl::SimpleAtoi(digits, &number) || number > 255) {
      return Bad("character not allowed in a name");
    }
    bytes.push_back(static_cast<char>(absl::ascii_tolower(static_cast<unsigned char>(number))));
    i += 3;
  }
  if (bytes.empty() || bytes.size() > kMaxLabelBytes) return Bad("length of a label");
  return bytes;
}

absl::StatusOr<std::string> NameBytes(absl::string_view name) {
  std::string bytes;
  if (name != ".") {
    for (const absl::string_view text : absl::StrSplit(name, '.')) {
      ASSIGN_OR_RETURN(const std::string label, LabelBytes(text));
      bytes.push_back(static_cast<char>(label.size()));
      bytes.append(label);
      if (bytes.size() >= kMaxNameBytes) return Bad("length of a name");
    }
  }
  bytes.push_back('\0');
  return bytes;
}

Soa ReadSoa(Reader& data) {
  Soa soa;
  soa.primary = data.Name();
  soa.mailbox = data.Name();
  soa.serial = data.Uint32();
  soa.refresh_seconds = data.Uint32();
  soa.retry_seconds = data.Uint32();
  soa.expire_seconds = data.Uint32();
  soa.minimum_seconds = data.Uint32();
  return soa;
}

Mx ReadMx(Reader& data) {
  Mx mx;
  mx.preference = data.Uint16();
  mx.exchange = data.Name();
  return mx;
}

Txt ReadTxt(Reader& data) {
  Txt txt;
  do {
    absl::StrAppend(&txt.text, data.Bytes(data.Uint8()));
  } while (data.ok() && !data.at_end());
  return txt;
}

Tlsa ReadTlsa(Reader& data) {
  Tlsa tlsa;
  tlsa.usage = data.Uint8();
  tlsa.selector = data.Uint8();
  tlsa.matching_type = data.Uint8();
  tlsa.data = std::string(data.Rest());
  return tlsa;
}

Record ReadData(Type type, Reader& data) {
  switch (type) {
    case Type::kA:
      return data.FixedBytes<Ipv4Bytes>();
    case Type::kCname:
      return Alias{.target = data.Name()};
    case Type::kSoa:
      return ReadSoa(data);
    case Type::kPtr:
      return Pointer{.name = data.Name()};
    case Type::kMx:
      return ReadMx(data);
    case Type::kTxt:
      return ReadTxt(data);
    case Type::kAaaa:
      return data.FixedBytes<Ipv6Bytes>();
    case Type::kTlsa:
      return ReadTlsa(data);
  }
  return Alias{};
}

// RFC 1035 section 4.1.3, up to RDATA.
struct RecordHead {
  std::string owner;
  uint16_t type = 0;
  uint16_t record_class = 0;
  uint32_t ttl = 0;
  uint16_t data_bytes = 0;

  // RFC 2181 section 8: a TTL with the highest bit set is 0.
  uint32_t ttl_seconds() const { return ttl > 0x7fffffff ? 0 : ttl; }
  bool is(Type wanted) const { return record_class == kClassIn && type == static_cast<uint16_t>(wanted); }
};

RecordHead ReadHead(Reader& reader) {
  RecordHead head;
  head.owner = reader.Name();
  head.type = reader.Uint16();
  head.record_class = reader.Uint16();
  head.ttl = reader.Uint32();
  head.data_bytes = reader.Uint16();
  return head;
}

struct OwnedRecord {
  std::string owner;
  uint32_t ttl_seconds = 0;
  Record record;
};

// Reads the sections after the question, and keeps what the answer is made of.
class Sections {
 public:
  Sections(absl::string_view packet, Reader& reader, Type wanted)
      : packet_(packet), reader_(reader), wanted_(wanted) {}

  absl::Status ReadAnswer(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const RecordHead head = ReadHead(reader_);
      const bool is_alias = head.is(Type::kCname);
      if (!is_alias && !head.is(wanted_)) {
        RETURN_IF_ERROR(Skip(head));
        continue;
      }
      ASSIGN_OR_RETURN(Record record, ReadRecord(is_alias ? Type::kCname : wanted_, head));
      if (records_.size() == kMaxRecords) return absl::ResourceExhaustedError("DNS: too many records");
      records_.push_back({head.owner, head.ttl_seconds(), std::move(record)});
    }
    return absl::OkStatus();
  }

  absl::Status ReadAuthority(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const RecordHead head = ReadHead(reader_);
      if (!head.is(Type::kSoa)) {
        RETURN_IF_ERROR(Skip(head));
        continue;
      }
      ASSIGN_OR_RETURN(Record record, ReadRecord(Type::kSoa, head));
      // One SOA is what RFC 2308 section 2 wants; the first counts.
      if (!soa_.has_value()) soa_ = OwnedRecord{head.owner, head.ttl_seconds(), std::move(record)};
    }
    return absl::OkStatus();
  }

  absl::Status ReadAdditional(size_t count, Response* response) {
    for (size_t i = 0; i < count; ++i) {
      const RecordHead head = ReadHead(reader_);
      RETURN_IF_ERROR(Skip(head));
      if (head.type != kTypeOpt) continue;
      // RFC 6891 section 6.1.1: one, of the root.
      if (response->has_edns || head.owner != ".") return Bad("OPT");
      response->has_edns = true;
      response->rcode |= static_cast<uint16_t>((head.ttl >> 24) << 4);
    }
    return absl::OkStatus();
  }

  // From the name that was asked for along the aliases to the records.
  absl::Status Follow(const std::string& asked, Response* response) {
    response->canonical_name = asked;
    for (int aliases = 0;; ++aliases) {
      TakeRecords(response);
      if (!response->records.empty()) return absl::OkStatus();
      ASSIGN_OR_RETURN(const OwnedRecord* alias, FindAlias(response->canonical_name));
      if (alias == nullptr) break;
      if (aliases == kMaxAliases) return Bad("too many aliases");
      response->canonical_name = std::get<Alias>(alias->record).target;
      CountTtl(alias->ttl_seconds, response);
    }
    TakeNegativeTtl(response);
    return absl::OkStatus();
  }

 private:
  absl::Status Skip(const RecordHead& head) {
    reader_.Bytes(head.data_bytes);
    return reader_.ok() ? absl::OkStatus() : Bad("record");
  }

  absl::StatusOr<Record> ReadRecord(Type type, const RecordHead& head) {
    const size_t begin = reader_.at();
    RETURN_IF_ERROR(Skip(head));
    Reader data(packet_, begin, reader_.at());
    Record record = ReadData(type, data);
    // Neither more nor less than the record has.
    if (!data.at_end()) return Bad("data of a record");
    return record;
  }

  static void CountTtl(uint32_t ttl_seconds, Response* response) {
    response->ttl_seconds = std::min(response->ttl_seconds.value_or(ttl_seconds), ttl_seconds);
  }

  void TakeRecords(Response* response) {
    for (OwnedRecord& each : records_) {
      if (each.owner != response->canonical_name) continue;
      if (wanted_ != Type::kCname && std::holds_alternative<Alias>(each.record)) continue;
      CountTtl(each.ttl_seconds, response);
      response->records.push_back(std::move(each.record));
    }
  }

  absl::StatusOr<const OwnedRecord*> FindAlias(const std::string& owner) {
    const OwnedRecord* found = nullptr;
    for (const OwnedRecord& each : records_) {
      if (each.owner != owner || !std::holds_alternative<Alias>(each.record)) continue;
      // RFC 2181 section 10.1: a name has one canonical name.
      if (found != nullptr && found->record != each.record) return Bad("two aliases for one name");
      found = &each;
    }
    return found;
  }

  void TakeNegativeTtl(Response* response) {
    if (!soa_.has_value()) return;
    const std::string& zone = soa_->owner;
    const std::string& name = response->canonical_name;
    if (zone != "." && name != zone && !absl::EndsWith(name, absl::StrCat(".", zone))) return;
    response->negative_ttl_seconds = std::min(soa_->ttl_seconds, std::get<Soa>(soa_->record).minimum_seconds);
  }

  const absl::string_view packet_;
  Reader& reader_;
  const Type wanted_;
  std::vector<OwnedRecord> records_;
  std::optional<OwnedRecord> soa_;
};

constexpr std::pair<Type, absl::string_view> kTypes[] = {
    {Type::kA, "A"},   {Type::kCname, "CNAME"}, {Type::kSoa, "SOA"},   {Type::kPtr, "PTR"},
    {Type::kMx, "MX"}, {Type::kTxt, "TXT"},     {Type::kAaaa, "AAAA"}, {Type::kTlsa, "TLSA"},
};

}  // namespace

absl::string_view TypeText(Type type) {
  for (const auto& [known, text] : kTypes) {
    if (known == type) return text;
  }
  return "?";
}

std::optional<Type> ParseType(absl::string_view text) {
  for (const auto& [type, known] : kTypes) {
    if (absl::EqualsIgnoreCase(known, text)) return type;
  }
  return std::nullopt;
}

absl::StatusOr<std::string> EncodeQuery(uint16_t id, const Question& question) {
  ASSIGN_OR_RETURN(const std::string name, NameBytes(question.name));
  std::string packet;
  AppendUint16(id, &packet);
  AppendUint16(kFlagRecursionDesired | kFlagAuthenticData, &packet);
  for (const uint16_t count : {1, 0, 0, 1}) AppendUint16(count, &packet);
  packet.append(name);
  AppendUint16(static_cast<uint16_t>(question.type), &packet);
  AppendUint16(kClassIn, &packet);
  // OPT (RFC 6891 section 6.1.2): owner, type, payload size, extended rcode and version, flags, no data.
  packet.push_back('\0');
  AppendUint16(kTypeOpt, &packet);
  AppendUint16(kUdpPayloadBytes, &packet);
  AppendUint16(0, &packet);
  AppendUint16(kDnssecOk, &packet);
  AppendUint16(0, &packet);
  return packet;
}

absl::StatusOr<Response> ParseResponse(absl::string_view packet, const Question& question) {
  Reader reader(packet, 0, packet.size());
  Response response;
  response.id = reader.Uint16();
  const uint16_t flags = reader.Uint16();
  const uint16_t question_count = reader.Uint16();
  const uint16_t answer_count = reader.Uint16();
  const uint16_t authority_count = reader.Uint16();
  const uint16_t additional_count = reader.Uint16();
  if (!reader.ok()) return Bad("header");
  if ((flags & kFlagResponse) == 0 || (flags & kMaskOpcode) != 0) return Bad("not the answer to a query");
  response.rcode = flags & kMaskRcode;
  response.authentic_data = (flags & kFlagAuthenticData) != 0;
  response.recursion_available = (flags & kFlagRecursionAvailable) != 0;
  response.truncated = (flags & kFlagTruncated) != 0;

  const std::string asked = absl::AsciiStrToLower(question.name);
  if (question_count != 1 || reader.Name() != asked ||
      reader.Uint16() != static_cast<uint16_t>(question.type) || reader.Uint16() != kClassIn ||
      !reader.ok()) {
    return Bad("answer to another question");
  }
  response.canonical_name = asked;
  if (response.truncated || (response.rcode != kNoError && response.rcode != kNxDomain)) return response;

  Sections sections(packet, reader, question.type);
  RETURN_IF_ERROR(sections.ReadAnswer(answer_count));
  RETURN_IF_ERROR(sections.ReadAuthority(authority_count));
  RETURN_IF_ERROR(sections.ReadAdditional(additional_count, &response));
  if (!reader.at_end()) return Bad("more than the message");
  RETURN_IF_ERROR(sections.Follow(asked, &response));
  if (response.rcode != kNoError && !response.records.empty())
    return Bad("records of a name that does not exist");
  return response;
}

bool IsHostName(absl::string_view name) {
  // One byte for the first label's length and one for the root.
  if (name.size() + 2 > kMaxNameBytes) return false;
  absl::string_view last;
  for (const absl::string_view label : absl::StrSplit(name, '.')) {
    if (label.empty() || label.size() > kMaxLabelBytes || label.front() == '-' || label.back() == '-')
      return false;
    if (!std::all_of(label.begin(), label.end(), IsPlain)) return false;
    last = label;
  }
  return !std::all_of(last.begin(), last.end(),
                      [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); });
}

}  // namespace mailstead::dns
