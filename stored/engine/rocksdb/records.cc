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
//
//   domain    = 5 name:string plus_addressing:flag create_time:time update_time:time version:number
//                 undelete_window:duration retention:duration mta_sts:number
//                                               retention: 0 for ever
//                                               mta_sts: 0 off, 1 none, 2 testing, 3 enforce
//                                               4 in place of 5: of an earlier store, and without mta_sts; 3: and
//                                               without retention; 2: and without undelete_window
//   account   = 3 address:string account:number disabled:flag quota_bytes:number quota_messages:number
//                 create_time:time credential update_time:time version:number has_retention:flag retention:duration
//                                               retention: where it has one of its own; 0 for ever
//                                               2 in place of 3: of an earlier store, and without the last two
//   alias     = 2 address:string create_time:time target_count:number target:string* update_time:time version:number
//   route     = 1 destination:string sender_domain:string mailbox:number host_count:number host* tls:number user:string
//                 sealed_password:string source_address:string ehlo_name:string update_time:time
//                                               mailbox: of the account, 0 for none
//                                               tls: 0 may, 1 none, 2 require, 3 verify
//   host      = name:string port:number
//   dkim      = 1 key_count:number dkim_key*
//   dkim_key  = selector:string type:number bits:number state:number sealed_private_key:string public_key:string
//                 create_time:time activate_time:time retire_time:time
//                                               type: 0 RSA, 1 Ed25519
//                                               state: 0 pending, 1 active, 2 retired
//   sending_settings = 1 hourly_messages:limit daily_messages:limit hourly_recipients:limit daily_recipients:limit
//                 trusted:flag pause:number pause_time:time
//                                               pause: 0 none, 1 by an operator, 2 new recipients, 3 refusals
//   limit     = number                          0: the store's own; else one more than the limit
//   sending_use = 1 slot_count:number slot* slot_count:number slot*
//                                               of the hour, of the day
//   slot      = number:number messages:number recipients:number new_recipients:number delivered:number refused:number
//   srs_secret = 1 number:number sealed:string create_time:time
//   srs_sender = 1 days:number name:string address:string
//   key       = 2 id:string name:string scopes:number sees_all:flag account_count:number account:number*
//                 domain_count:number domain:string* ip_range_count:number ip_range:string*
//                 certificate_count:number certificate_name:string* calls_per_second:number burst:number
//                 concurrent_calls:number secret_count:number key_secret* create_time:time update_time:time
//                 expire_time:time revoke_time:time request_id:string request_fingerprint:string version:number
//                 retention:duration            1 in place of 2: of an earlier store, and without retention
//                                               scopes: the bits of stored/api/roles.h, added up
//   key_secret = digest:string create_time:time expire_time:time
//   key_use   = 1 id:string time:time address:string
//   webhook   = 2 id:string url:string filter:string sealed_secret:string state:number create_time:time
//                 update_time:time version:number old_sealed_secret:string old_secret_expire_time:time
//                                               state: 0 active, 1 paused, 2 gone, 3 being removed
//                                               1 in place of 2: of an earlier store, and without what follows
//                                               create_time
//   webhook_progress = 1 position:number message:number incarnation:string lease_id:string fence:number revision:number
//                 waiting_count:number dead_count:number dropped_count:number success_time:time failure_time:time
//                 failure:string
//   webhook_event = 1 account:number position:number message:number event:string attempt_count:number time:time
//                 failure:string
//   audit     = 1 number:number time:time actor:string peer:string action:string target:string result:string
//                 session_id:string call_count:number kind:number
//                                               kind: 0 change, 1 mail, 2 refusal
//   audit_end = 1 number:number
//   credential = kind:number iterations:number salt:string stored_key:string server_key:string crypt_hash:string
//                credential_version:number      kind: 0 none, 1 SCRAM-SHA-256, 2 crypt
//   counters  = 3 next_account:number domain_count:number account_count:number alias_count:number
//                 message_count:number message_bytes:number deleted_body_bytes:number next_queued:number
//                 next_grant:number queued_count:number queued_recipient_count:number in_flight_count:number
//                 held_count:number remembered_count:number trash_message_count:number trash_message_bytes:number
//                                               2 in place of 3: of an earlier store, and without the last two
//   mailbox   = 2 message_count:number message_bytes:number next_message:number quota_bytes:number
//                 quota_messages:number last_open_time:time last_committed_token:number number:number
//                 last_open_session:string removal_count:number
//   removal   = 1 message_count:number message:number*
//   deletion  = 2 next_message:number cause_of_trash
//                                               1 in place of 2: without cause_of_trash, what it is of is not kept
//   cause_of_trash = time:time cause:number domain:string
//                                               cause: 1 API, 2 POP3, 3 retention
//   runs      = 1 run_count:number run*
//   run       = gap:number length:number          gap: its first message less the one behind the run before it (less 0);
//                                               length: its last message less its first
//   message   = 2 body:number content_bytes:number trace_bytes:number prefix:string unique_id:string
//                 deliver_time:time sha256:string delivery_id:string reverse_path:string recipient_count:number
//                 recipient* dsn_return:number dsn_envelope_id:string parameters:number
//                                               dsn_return: 0 not given, 1 FULL, 2 HDRS
//                                               parameters: 1 BODY=8BITMIME, 2 SMTPUTF8, 4 REQUIRETLS, added up
//                                               3 in place of 2: of an earlier store, and its last line has no end
//   message   = 4 body:number content_bytes:number trace_bytes:number prefix:string unique_id:string
//                 deliver_time:time sha256:string delivery_id:string reverse_path:string recipient_count:number
//                 recipient* dsn_return:number dsn_envelope_id:string parameters:number subject:string
//                 from_count:number from* message_id:string date:time has_attachment:flag
//                                               2 in place of 4: of an earlier store, and its header is not known
//                                               date: the least time for none
//                                               5 in place of 4: with a retention of its own, as few have, and
//                                               retention:duration is_searched:flag in front of the subject; without what
//                                               is behind the flag where it is 0
//   from      = name:string address:string
//   recipient = address:string notify:number original_recipient:string remote:flag
//                                               notify: 1 given, 2 SUCCESS, 4 FAILURE, 8 DELAY, added up
//   trashed   = 1 cause_of_trash message:string
//                                               message: the record that family message had of it
//   body_ref  = 1 mailbox_count:number size_bytes:number
//   receipt   = 2 sha256:string deliver_time:time fingerprint:string
//                                               sha256 and fingerprint are empty: the delivery is void
//   lease     = 1 holder:string ttl:duration number:number
//   lock      = 4 token:number lease_id:string lease_number:number session_id:string open_time:time listing_end:number
//                 client_address:string removal_count:number
//                                               3 in place of 4: of an earlier store, and without removal_count; 2: and
//                                               without client_address
//
// Of the queue:
//
//   queued    = 2 body:number content_bytes:number trace_bytes:number deliver_time:time sha256:string
//                 delivery_id:string reverse_path:string dsn_return:number dsn_envelope_id:string parameters:number
//                 lane:string queue_time:time expire_time:time delay_notice_time:time delay_told:flag
//                 recipient_count:number free_count:number not_before:time submission:string
//                                               1 in place of 2: without the last two, as most are
//   queued_recipient = 1 number:number address:string destination:string notify:number original_recipient:string
//                 forwarded_for:string attempt_count:number next_attempt_time:time held:flag in_flight:flag
//                 reply_code:number reply_status:string reply_text:string reply_host:string reply_time:time
//                 last_grant:number reported:flag
//   destination = 1 site:string site_until:time recipient_count:number in_flight_count:number last_lane:lane
//                 waiting_since:time ready_count:number waiting_count:number
//   site      = 1 window:number gained:number lost:number missed:number paused_until:time pause:duration
//                 paced_until:time tls_broken_until:time in_flight_count:number destination_count:number
//                 waiting_since:time due_time:time
//   waiting   = 1 lane:lane
//   lane      = number                          any 64-bit number
//   attempt   = 1 lease_id:string lease_number:number queued:number destination:string site:string number_count:number
//                 number:number*
//   tls_report = 1 start_time:time domain:string end_time:time due_time:time lease_count:number kind_count:number
//                  tls_sessions*
//   tls_sessions = policy_type:string policy_domain:string text_count:number policy_string:string* mx_host:string
//                  address:string result:string reason:string session_count:number
//   tls_report_count = 1 report_count:number
//   sts_policy = 1 domain:string policy_id:string file:string fetch_time:time failure_time:time
//   sts_count = 1 count:number
//   submission = 1 id:string account:number request_id:string fingerprint:string sha256:string reverse_path:string
//                  recipient_count:number recipient* dsn_return:number dsn_envelope_id:string parameters:number
//                  message_id:string submit_time:time send_time:time queued:number target_count:number target*
//                                               queued: 0 for none
//   target    = recipient:number address:string state:number reason:string reply_text:string
//                                               state: 1 queued, 3 delivered, 8 refused
//   submission_outcome = 1 kind:number attempt_count:number reply_code:number reply_status:string reply_text:string
//                  reply_host:string reply_time:time bounce_count:number bounce*
//                                               kind: 0 delivered here, 1 relayed, 2 failed, 3 cancelled
//   bounce    = action:number status:string text:string reporting_host:string time:time
//                                               action: 0 failed, 1 delayed
//   submission_count = 1 count:number
//
// Of the change feed:
//
//   change    = 1 time:time event
//   feed      = 1 time:time change_count:number account_event*
//   account_event = account:number event
//   event     = kind:number delivered | kind:number deleted | kind:number | kind:number account_changed
//               | kind:number submission | kind:number restored
//                                               kind: 1 delivered, 2 deleted, 3 emptied; of the account: 4 created, 5 updated,
//                                               6 renamed, 7 disabled, 8 enabled, 9 removed; 10 submission; 11 restored
//   delivered = message:number
//   deleted   = cause:number deletion:number run_count:number run*
//                                               cause: 1 API, 2 POP3, 3 retention
//                                               deletion: that has the runs, in family reclaim; 0: they are here
//   restored  = run_count:number run*
//   account_changed = address:string old_address:string
//   submission = submission_id:string recipient:string outcome:number reply_code:number reply_status:string
//                 reply_text:string             outcome: 1 delivered, 2 failed, 3 deferred, 4 cancelled, 5 bounced
//   feed_begin = 1 position:number
//   gone      = 1 address:string position:number
//   consumer  = 1 filter:string create_time:time ack_time:time ack_timeout:duration acked_position:number
//                 acked_message:number incarnation:string fence:number
//
// Records that a store of schema version 1 or 2 has left, and that are read until they are written again:
//
//   domain    = 1 name:string plus_addressing:flag create_time:time
//   account   = 1 address:string account:number disabled:flag quota_bytes:number quota_messages:number
//                 create_time:time credential
//   alias     = 1 address:string create_time:time target_count:number target:string*
//   mailbox   = 1 message_count:number message_bytes:number next_message:number quota_bytes:number
//                 quota_messages:number last_open_time:time last_committed_token:number
//   message   = 1 body:number size_bytes:number unique_id:string deliver_time:time delivery_id:string
//                 reverse_path:string recipient:string sha256:string prefix:string dsn_ret:string dsn_envid:string
//                                               size_bytes: of prefix and content
//   receipt   = 1 sha256:string deliver_time:time
//
// And one of schema versions 1 to 4:
//
//   counters  = 1 next_account:number domain_count:number account_count:number alias_count:number
//                 message_count:number message_bytes:number deleted_body_bytes:number
//
// End of the grammar.
//
// A changed grammar takes the next version byte of its record, and the schema version with it (schema.h). Damage to bytes
// on disk is found by RocksDB's checksums; these decoders only never trust what they read.
#include "stored/engine/rocksdb/records.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace mailstead::engine {
namespace {

// Sizes that no sum overflows.
constexpr int64_t kMostBytes = int64_t{1} << 48;
constexpr int64_t kMostNumber = std::numeric_limits<int64_t>::max();

uint64_t Fold(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

int64_t Unfold(uint64_t value) { return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1)); }

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

// Of Domain, Account and Alias: those of a store before schema version 3 have no version of their own yet.
template <typename Record>
void DecodeChanges(Decoder& decoder, Record& record) {
  record.update_time = record.create_time;
  record.version = 1;
  if (decoder.version() >= 2) decoder.Time(record.update_time).Number(record.version);
}

constexpr int64_t kGiven = 1;
constexpr int64_t kSuccess = 2;
constexpr int64_t kFailure = 4;
constexpr int64_t kDelay = 8;
constexpr int64_t kAllNotifyBits = 15;

int64_t NotifyBits(const DsnNotify& notify) {
  return (notify.given ? kGiven : 0) | (notify.success ? kSuccess : 0) | (notify.failure ? kFailure : 0) |
         (notify.delay ? kDelay : 0);
}

DsnNotify NotifyOf(int64_t bits) {
  return {(bits & kGiven) != 0, (bits & kSuccess) != 0, (bits & kFailure) != 0, (bits & kDelay) != 0};
}

// Versions of a message record.
constexpr uint8_t kFinishedMessage = 2;
constexpr uint8_t kUnfinishedMessage = 3;
constexpr uint8_t kSearchedMessage = 4;
constexpr uint8_t kExpiringMessage = 5;

constexpr int64_t kEightBitMime = 1;
constexpr int64_t kSmtpUtf8 = 2;
constexpr int64_t kRequireTls = 4;
constexpr int64_t kAllParameterBits = 7;

int64_t ParameterBits(const Envelope& envelope) {
  return (envelope.eight_bit_mime ? kEightBitMime : 0) | (envelope.smtputf8 ? kSmtpUtf8 : 0) |
         (envelope.require_tls ? kRequireTls : 0);
}

void DecodeParameters(Decoder& decoder, Envelope& envelope) {
  int64_t dsn_return;
  int64_t parameters;
  decoder.Number(dsn_return, static_cast<int64_t>(DsnReturn::kHeaders))
      .String(envelope.dsn_envelope_id)
      .Number(parameters, kAllParameterBits);
  envelope.dsn_return = static_cast<DsnReturn>(dsn_return);
  envelope.eight_bit_mime = (parameters & kEightBitMime) != 0;
  envelope.smtputf8 = (parameters & kSmtpUtf8) != 0;
  envelope.require_tls = (parameters & kRequireTls) != 0;
}

void EncodeSearched(Encoder& encoder, const SearchedFields& searched) {
  encoder.String(searched.subject).Number(static_cast<int64_t>(searched.from.size()));
  for (const SearchedAddress& from : searched.from) encoder.String(from.name).String(from.address);
  encoder.String(searched.message_id)
      .Time(searched.date.value_or(absl::InfinitePast()))
      .Flag(searched.has_attachment);
}

void DecodeSearched(Decoder& decoder, SearchedFields& searched) {
  size_t count;
  decoder.String(searched.subject).Count(count);
  for (size_t i = 0; i < count && !decoder.failed(); ++i) {
    SearchedAddress& from = searched.from.emplace_back();
    decoder.String(from.name).String(from.address);
  }
  absl::Time date;
  decoder.String(searched.message_id).Time(date).Flag(searched.has_attachment);
  if (date != absl::InfinitePast()) searched.date = date;
  searched.known = true;
}

void DecodeOldMessage(Decoder& decoder, MessageRecord& message) {
  rules::Entry& entry = message.entry;
  entry.envelope.recipients.emplace_back();
  int64_t size_bytes;
  std::string dsn_return;
  decoder.Number(message.body)
      .Number(size_bytes, kMostBytes)
      .String(entry.unique_id)
      .Time(entry.deliver_time)
      .String(entry.envelope.delivery_id)
      .String(entry.envelope.reverse_path)
      .String(entry.envelope.recipients[0].address)
      .String(entry.sha256)
      .String(entry.prefix)
      .String(dsn_return)
      .String(entry.envelope.dsn_envelope_id);
  entry.content_bytes = size_bytes - static_cast<int64_t>(entry.prefix.size());
  if (entry.content_bytes < 0) decoder.Fail("prefix longer than the message");
  if (dsn_return == "FULL") entry.envelope.dsn_return = DsnReturn::kFull;
  if (dsn_return == "HDRS") entry.envelope.dsn_return = DsnReturn::kHeaders;
}

void DecodeRecipients(Decoder& decoder, std::vector<EnvelopeRecipient>& recipients) {
  size_t count;
  decoder.Count(count);
  for (size_t i = 0; i < count && !decoder.failed(); ++i) {
    EnvelopeRecipient& recipient = recipients.emplace_back();
    int64_t notify;
    decoder.String(recipient.address)
        .Number(notify, kAllNotifyBits)
        .String(recipient.original_recipient)
        .Flag(recipient.remote);
    recipient.notify = NotifyOf(notify);
  }
}

}  // namespace

std::string Encode(const Domain& domain) {
  return Encoder(5)
      .String(domain.name)
      .Flag(domain.plus_addressing)
      .Time(domain.create_time)
      .Time(domain.update_time)
      .Number(domain.version)
      .Duration(domain.undelete_window)
      .Duration(domain.retention)
      .Number(static_cast<int64_t>(domain.mta_sts))
      .Take();
}

absl::Status Decode(absl::string_view bytes, Domain& domain) {
  Decoder decoder("domain", bytes, 5);
  decoder.String(domain.name).Flag(domain.plus_addressing).Time(domain.create_time);
  DecodeChanges(decoder, domain);
  domain.undelete_window = absl::ZeroDuration();
  if (decoder.version() >= 3) decoder.Duration(domain.undelete_window);
  domain.retention = absl::ZeroDuration();
  if (decoder.version() >= 4) decoder.Duration(domain.retention);
  int64_t mta_sts = 0;
  if (decoder.version() >= 5) decoder.Number(mta_sts, static_cast<int64_t>(MtaSts::kEnforce));
  domain.mta_sts = static_cast<MtaSts>(mta_sts);
  return decoder.Finish();
}

std::string Encode(const Account& account) {
  return Encoder(3)
      .String(account.address)
      .Number(account.id.value)
      .Flag(account.disabled)
      .Number(account.quota_bytes)
      .Number(account.quota_messages)
      .Time(account.create_time)
      .Secret(account.credential)
      .Time(account.update_time)
      .Number(account.version)
      .Flag(account.retention.has_value())
      .Duration(account.retention.value_or(absl::ZeroDuration()))
      .Take();
}

absl::Status Decode(absl::string_view bytes, Account& account) {
  Decoder decoder("account", bytes, 3);
  decoder.String(account.address)
      .Number(account.id.value)
      .Flag(account.disabled)
      .Quota(account.quota_bytes)
      .Quota(account.quota_messages)
      .Time(account.create_time)
      .Secret(account.credential);
  DecodeChanges(decoder, account);
  account.retention.reset();
  if (decoder.version() >= 3) {
    bool has_retention;
    absl::Duration retention;
    decoder.Flag(has_retention).Duration(retention);
    if (has_retention) account.retention = retention;
  }
  return decoder.Finish();
}

std::string Encode(const Alias& alias) {
  Encoder encoder(2);
  encoder.String(alias.address).Time(alias.create_time).Number(static_cast<int64_t>(alias.targets.size()));
  for (const std::string& target : alias.targets) encoder.String(target);
  return encoder.Time(alias.update_time).Number(alias.version).Take();
}

absl::Status Decode(absl::string_view bytes, Alias& alias) {
  size_t count;
  Decoder decoder("alias", bytes, 2);
  decoder.String(alias.address).Time(alias.create_time).Count(count);
  alias.targets.clear();
  for (size_t i = 0; i < count && !decoder.failed(); ++i) decoder.String(alias.targets.emplace_back());
  DecodeChanges(decoder, alias);
  return decoder.Finish();
}

std::string Encode(const Route& route) {
  Encoder encoder(1);
  encoder.String(route.key.destination)
      .String(route.key.sender_domain)
      .Number(route.mailbox.value)
      .Number(static_cast<int64_t>(route.hosts.size()));
  for (const Route::Host& host : route.hosts) encoder.String(host.host).Number(host.port);
  return encoder.Number(static_cast<int64_t>(route.tls))
      .String(route.user)
      .String(route.sealed_password)
      .String(route.source_address)
      .String(route.ehlo_name)
      .Time(route.update_time)
      .Take();
}

absl::Status Decode(absl::string_view bytes, Route& route) {
  Decoder decoder("route", bytes, 1);
  size_t host_count;
  route.hosts.clear();
  decoder.String(route.key.destination)
      .String(route.key.sender_domain)
      .Number(route.mailbox.value)
      .Count(host_count);
  for (size_t i = 0; i < host_count && !decoder.failed(); ++i) {
    Route::Host& host = route.hosts.emplace_back();
    int64_t port;
    decoder.String(host.host).Number(port, std::numeric_limits<uint16_t>::max());
    host.port = static_cast<int32_t>(port);
  }
  int64_t tls;
  decoder.Number(tls, static_cast<int64_t>(Route::Tls::kVerify))
      .String(route.user)
      .String(route.sealed_password)
      .String(route.source_address)
      .String(route.ehlo_name)
      .Time(route.update_time);
  route.tls = static_cast<Route::Tls>(tls);
  return decoder.Finish();
}

std::string Encode(const DkimRecord& dkim) {
  Encoder encoder(1);
  encoder.Number(static_cast<int64_t>(dkim.keys.size()));
  for (const DkimKey& key : dkim.keys) {
    encoder.String(key.selector)
        .Number(static_cast<int64_t>(key.type))
        .Number(key.bits)
        .Number(static_cast<int64_t>(key.state))
        .String(key.sealed_private_key)
        .String(key.public_key)
        .Time(key.create_time)
        .Time(key.activate_time)
        .Time(key.retire_time);
  }
  return encoder.Take();
}

std::string Encode(const SendingSettings& settings) {
  Encoder encoder(1);
  const SendingLimits& limits = settings.limits;
  for (const std::optional<int64_t>& limit :
       {limits.hourly_messages, limits.daily_messages, limits.hourly_recipients, limits.daily_recipients}) {
    encoder.Number(limit.has_value() ? *limit + 1 : 0);
  }
  return encoder.Flag(limits.trusted)
      .Number(static_cast<int64_t>(settings.pause.why))
      .Time(settings.pause.since)
      .Take();
}

absl::Status Decode(absl::string_view bytes, SendingSettings& settings) {
  Decoder decoder("sending_settings", bytes, 1);
  SendingLimits& limits = settings.limits;
  for (std::optional<int64_t>* limit : {&limits.hourly_messages, &limits.daily_messages,
                                        &limits.hourly_recipients, &limits.daily_recipients}) {
    int64_t number;
    decoder.Number(number);
    *limit = number == 0 ? std::nullopt : std::optional<int64_t>(number - 1);
  }
  int64_t why;
  decoder.Flag(limits.trusted)
      .Number(why, static_cast<int64_t>(SendingPause::Why::kRefusals))
      .Time(settings.pause.since);
  settings.pause.why = static_cast<SendingPause::Why>(why);
  return decoder.Finish();
}

std::string Encode(const SendingUse& use) {
  Encoder encoder(1);
  for (const std::vector<SendingSlot>* slots : {&use.hour, &use.day}) {
    encoder.Number(static_cast<int64_t>(slots->size()));
    for (const SendingSlot& slot : *slots) {
      encoder.Number(slot.number)
          .Number(slot.messages)
          .Number(slot.recipients)
          .Number(slot.new_recipients)
          .Number(slot.delivered)
          .Number(slot.refused);
    }
  }
  return encoder.Take();
}

absl::Status Decode(absl::string_view bytes, DkimRecord& dkim) {
  Decoder decoder("dkim", bytes, 1);
  size_t count;
  dkim.keys.clear();
  decoder.Count(count);
  for (size_t i = 0; i < count && !decoder.failed(); ++i) {
    DkimKey& key = dkim.keys.emplace_back();
    int64_t type;
    int64_t state;
    decoder.String(key.selector)
        .Number(type, static_cast<int64_t>(mailauth::KeyType::kEd25519))
        .Small(key.bits)
        .Number(state, static_cast<int64_t>(DkimKey::State::kRetired))
        .String(key.sealed_private_key)
        .String(key.public_key)
        .Time(key.create_time)
        .Time(key.activate_time)
        .Time(key.retire_time);
    key.type = static_cast<mailauth::KeyType>(type);
    key.state = static_cast<DkimKey::State>(state);
  }
  return decoder.Finish();
}

absl::Status Decode(absl::string_view bytes, SendingUse& use) {
  Decoder decoder("sending_use", bytes, 1);
  for (std::vector<SendingSlot>* slots : {&use.hour, &use.day}) {
    size_t count;
    decoder.Count(count);
    slots->clear();
    for (size_t i = 0; i < count && !decoder.failed(); ++i) {
      SendingSlot& slot = slots->emplace_back();
      decoder.Number(slot.number)
          .Number(slot.messages)
          .Number(slot.recipients)
          .Number(slot.new_recipients)
          .Number(slot.delivered)
          .Number(slot.refused);
    }
  }
  return decoder.Finish();
}

std::string Encode(const SrsSecret& secret) {
  return Encoder(1).Number(secret.number).String(secret.sealed).Time(secret.create_time).Take();
}

absl::Status Decode(absl::string_view bytes, SrsSecret& secret) {
  Decoder decoder("srs_secret", bytes, 1);
  decoder.Number(secret.number).String(secret.sealed).Time(secret.create_time);
  return decoder.Finish();
}

std::string Encode(const SrsSender& sender) {
  return Encoder(1).Number(sender.day).String(sender.name).String(sender.address).Take();
}

absl::Status Decode(absl::string_view bytes, SrsSender& sender) {
  Decoder decoder("srs_sender", bytes, 1);
  decoder.Number(sender.day).String(sender.name).String(sender.address);
  return decoder.Finish();
}

namespace {

void EncodeStrings(Encoder& encoder, const std::vector<std::string>& strings) {
  encoder.Number(static_cast<int64_t>(strings.size()));
  for (const std::string& string : strings) encoder.String(string);
}

void DecodeStrings(Decoder& decoder, std::vector<std::string>& strings) {
  size_t count;
  decoder.Count(count);
  strings.clear();
  for (size_t i = 0; i < count && !decoder.failed(); ++i) decoder.String(strings.emplace_back());
}

}  // namespace

std::string Encode(const Key& key) {
  Encoder encoder(2);
  encoder.String(key.id).String(key.name).Number(key.scopes).Flag(key.sight.all);
  encoder.Number(static_cast<int64_t>(key.sight.accounts.size()));
  for (const AccountId account : key.sight.accounts) encoder.Number(account.value);
  EncodeStrings(encoder, key.sight.domains);
  EncodeStrings(encoder, key.ip_ranges);
  EncodeStrings(encoder, key.certificate_names);
  encoder.Number(key.limits.calls_per_second).Number(key.limits.burst).Number(key.limits.concurrent_calls);
  encoder.Number(static_cast<int64_t>(key.secrets.size()));
  for (const KeySecret& secret : key.secrets) {
    encoder.String(secret.digest).Time(secret.create_time).Time(secret.expire_time);
  }
  return encoder.Time(key.create_time)
      .Time(key.update_time)
      .Time(key.expire_time)
      .Time(key.revoke_time)
      .String(key.request_id)
      .String(key.request_fingerprint)
      .Number(key.version)
      .Duration(key.retention)
      .Take();
}

absl::Status Decode(absl::string_view bytes, Key& key) {
  Decoder decoder("key", bytes, 2);
  decoder.String(key.id).String(key.name).Number(key.scopes).Flag(key.sight.all);
  size_t count;
  decoder.Count(count);
  key.sight.accounts.clear();
  for (size_t i = 0; i < count && !decoder.failed(); ++i)
    decoder.Number(key.sight.accounts.emplace_back().value);
  DecodeStrings(decoder, key.sight.domains);
  DecodeStrings(decoder, key.ip_ranges);
  DecodeStrings(decoder, key.certificate_names);
  decoder.Number(key.limits.calls_per_second).Number(key.limits.burst).Number(key.limits.concurrent_calls);
  decoder.Count(count);
  key.secrets.clear();
  for (size_t i = 0; i < count && !decoder.failed(); ++i) {
    KeySecret& secret = key.secrets.emplace_back();
    decoder.String(secret.digest).Time(secret.create_time).Time(secret.expire_time);
  }
  decoder.Time(key.create_time)
      .Time(key.update_time)
      .Time(key.expire_time)
      .Time(key.revoke_time)
      .String(key.request_id)
      .String(key.request_fingerprint)
      .Number(key.version);
  key.retention = absl::ZeroDuration();
  if (decoder.version() >= 2) decoder.Duration(key.retention);
  return decoder.Finish();
}

std::string Encode(const Webhook& webhook) {
  return Encoder(2)
      .String(webhook.id)
      .String(webhook.url)
      .String(webhook.filter)
      .String(webhook.sealed_secret)
      .Number(static_cast<int64_t>(webhook.state))
      .Time(webhook.create_time)
      .Time(webhook.update_time)
      .Number(webhook.version)
      .String(webhook.old_sealed_secret)
      .Time(webhook.old_secret_expire_time)
      .Take();
}

absl::Status Decode(absl::string_view bytes, Webhook& webhook) {
  Decoder decoder("webhook", bytes, 2);
  int64_t state;
  decoder.String(webhook.id)
      .String(webhook.url)
      .String(webhook.filter)
      .String(webhook.sealed_secret)
      .Number(state, static_cast<int64_t>(Webhook::State::kRemoved))
      .Time(webhook.create_time);
  webhook.state = static_cast<Webhook::State>(state);
  DecodeChanges(decoder, webhook);
  webhook.old_sealed_secret.clear();
  webhook.old_secret_expire_time = absl::InfinitePast();
  if (decoder.version() >= 2)
    decoder.String(webhook.old_sealed_secret).Time(webhook.old_secret_expire_time);
  return decoder.Finish();
}

std::string Encode(const WebhookProgress& progress) {
  return Encoder(1)
      .Number(progress.cursor.position)
      .Number(progress.cursor.message.value)
      .String(progress.incarnation)
      .String(progress.lease_id)
      .Number(progress.fence)
      .Number(progress.revision)
      .Number(progress.waiting_count)
      .Number(progress.dead_count)
      .Number(progress.dropped_count)
      .Time(progress.success_time)
      .Time(progress.failure_time)
      .String(progress.failure)
      .Take();
}

absl::Status Decode(absl::string_view bytes, WebhookProgress& progress) {
  return Decoder("webhook_progress", bytes, 1)
      .Number(progress.cursor.position)
      .Number(progress.cursor.message.value)
      .String(progress.incarnation)
      .String(progress.lease_id)
      .Number(progress.fence)
      .Number(progress.revision)
      .Number(progress.waiting_count)
      .Number(progress.dead_count)
      .Number(progress.dropped_count)
      .Time(progress.success_time)
      .Time(progress.failure_time)
      .String(progress.failure)
      .Finish();
}

std::string Encode(const WebhookEvent& event) {
  return Encoder(1)
      .Number(event.account.value)
      .Number(event.at.position)
      .Number(event.at.message.value)
      .String(event.event)
      .Number(event.attempt_count)
      .Time(event.time)
      .String(event.failure)
      .Take();
}

absl::Status Decode(absl::string_view bytes, WebhookEvent& event) {
  Decoder decoder("webhook_event", bytes, 1);
  int64_t attempts;
  decoder.Number(event.account.value)
      .Number(event.at.position)
      .Number(event.at.message.value)
      .String(event.event)
      .Number(attempts, std::numeric_limits<int32_t>::max())
      .Time(event.time)
      .String(event.failure);
  event.attempt_count = static_cast<int32_t>(attempts);
  return decoder.Finish();
}

std::string Encode(const KeyUse& use) {
  return Encoder(1).String(use.id).Time(use.time).String(use.address).Take();
}

absl::Status Decode(absl::string_view bytes, KeyUse& use) {
  Decoder decoder("key_use", bytes, 1);
  decoder.String(use.id).Time(use.time).String(use.address);
  return decoder.Finish();
}

std::string Encode(const AuditEntry& entry) {
  return Encoder(1)
      .Number(entry.number)
      .Time(entry.time)
      .String(entry.actor)
      .String(entry.peer)
      .String(entry.action)
      .String(entry.target)
      .String(entry.result)
      .String(entry.session_id)
      .Number(entry.call_count)
      .Number(static_cast<int64_t>(entry.kind))
      .Take();
}

absl::Status Decode(absl::string_view bytes, AuditEntry& entry) {
  Decoder decoder("audit", bytes, 1);
  int64_t kind;
  decoder.Number(entry.number)
      .Time(entry.time)
      .String(entry.actor)
      .String(entry.peer)
      .String(entry.action)
      .String(entry.target)
      .String(entry.result)
      .String(entry.session_id)
      .Number(entry.call_count)
      .Number(kind, static_cast<int64_t>(AuditKind::kRefusal));
  entry.kind = static_cast<AuditKind>(kind);
  return decoder.Finish();
}

std::string Encode(const AuditEnd& end) { return Encoder(1).Number(end.newest).Take(); }

absl::Status Decode(absl::string_view bytes, AuditEnd& end) {
  Decoder decoder("audit_end", bytes, 1);
  decoder.Number(end.newest);
  return decoder.Finish();
}

std::string Encode(const Counters& counters) {
  return Encoder(3)
      .Number(counters.next_account)
      .Number(counters.domain_count)
      .Number(counters.account_count)
      .Number(counters.alias_count)
      .Number(counters.message_count)
      .Number(counters.message_bytes)
      .Number(counters.deleted_body_bytes)
      .Number(counters.next_queued)
      .Number(counters.next_grant)
      .Number(counters.queued_count)
      .Number(counters.queued_recipient_count)
      .Number(counters.in_flight_count)
      .Number(counters.held_count)
      .Number(counters.remembered_count)
      .Number(counters.trash_message_count)
      .Number(counters.trash_message_bytes)
      .Take();
}

absl::Status Decode(absl::string_view bytes, Counters& counters) {
  counters = Counters();
  Decoder decoder("counters", bytes, 3);
  decoder.Number(counters.next_account)
      .Number(counters.domain_count)
      .Number(counters.account_count)
      .Number(counters.alias_count)
      .Number(counters.message_count)
      .Number(counters.message_bytes)
      .Number(counters.deleted_body_bytes);
  if (decoder.version() >= 2) {
    decoder.Number(counters.next_queued)
        .Number(counters.next_grant)
        .Number(counters.queued_count)
        .Number(counters.queued_recipient_count)
        .Number(counters.in_flight_count)
        .Number(counters.held_count)
        .Number(counters.remembered_count);
  }
  counters.knows_trash = decoder.version() >= 3;
  if (counters.knows_trash) {
    decoder.Number(counters.trash_message_count).Number(counters.trash_message_bytes);
  }
  return decoder.Finish();
}

std::string Encode(const rules::Mailbox& mailbox) {
  return Encoder(2)
      .Number(mailbox.message_count)
      .Number(mailbox.message_bytes)
      .Number(mailbox.next_message)
      .Number(mailbox.quota_bytes)
      .Number(mailbox.quota_messages)
      .Time(mailbox.last_open_time)
      .Number(mailbox.last_committed_token.value)
      .Number(mailbox.number)
      .String(mailbox.last_open_session)
      .Number(mailbox.removal_count)
      .Take();
}

absl::Status Decode(absl::string_view bytes, rules::Mailbox& mailbox) {
  Decoder decoder("mailbox", bytes, 2);
  decoder.Number(mailbox.message_count)
      .Number(mailbox.message_bytes)
      .Number(mailbox.next_message)
      .Quota(mailbox.quota_bytes)
      .Quota(mailbox.quota_messages)
      .Time(mailbox.last_open_time)
      .Number(mailbox.last_committed_token.value);
  if (decoder.version() >= 2) {
    decoder.Number(mailbox.number).String(mailbox.last_open_session).Number(mailbox.removal_count);
  }
  return decoder.Finish();
}

std::string Encode(const Removal& removal) {
  Encoder encoder(1);
  encoder.Number(static_cast<int64_t>(removal.messages.size()));
  for (const MessageId message : removal.messages) encoder.Number(message.value);
  return encoder.Take();
}

absl::Status Decode(absl::string_view bytes, Removal& removal) {
  size_t count;
  Decoder decoder("removal", bytes, 1);
  decoder.Count(count);
  removal.messages.clear();
  for (size_t i = 0; i < count && !decoder.failed(); ++i)
    decoder.Number(removal.messages.emplace_back().value);
  return decoder.Finish();
}

namespace {

void AddKept(Encoder& encoder, const rules::Deletion& kept) {
  encoder.Time(kept.time).Number(static_cast<int64_t>(kept.cause)).String(kept.domain);
}

void TakeKept(Decoder& decoder, rules::Deletion& kept) {
  int64_t cause;
  decoder.Time(kept.time).Number(cause, static_cast<int64_t>(DeletionCause::kRetention)).String(kept.domain);
  kept.cause = static_cast<DeletionCause>(cause);
}

}  // namespace

std::string Encode(const Deletion& deletion) {
  const bool keeps = !deletion.kept.domain.empty();
  Encoder encoder(keeps ? 2 : 1);
  encoder.Number(deletion.next.value);
  if (keeps) AddKept(encoder, deletion.kept);
  return encoder.Take();
}

absl::Status Decode(absl::string_view bytes, Deletion& deletion) {
  Decoder decoder("deletion", bytes, 2);
  decoder.Number(deletion.next.value);
  deletion.kept = {};
  if (decoder.version() >= 2) TakeKept(decoder, deletion.kept);
  return decoder.Finish();
}

std::string Encode(const TrashedRecord& trashed) {
  Encoder encoder(1);
  AddKept(encoder, trashed.deletion);
  return encoder.String(trashed.message).Take();
}

absl::Status Decode(absl::string_view bytes, TrashedRecord& trashed) {
  Decoder decoder("trashed", bytes, 1);
  TakeKept(decoder, trashed.deletion);
  return decoder.String(trashed.message).Finish();
}

namespace {

void AddRuns(Encoder& encoder, const std::vector<MessageRun>& runs) {
  encoder.Number(static_cast<int64_t>(runs.size()));
  int64_t last = -1;
  for (const MessageRun& run : runs) {
    encoder.Number(run.first.value - 1 - last).Number(run.last.value - run.first.value);
    last = run.last.value;
  }
}

void TakeRuns(Decoder& decoder, std::vector<MessageRun>& runs) {
  size_t count;
  decoder.Count(count);
  runs.clear();
  int64_t behind = 0;
  for (size_t i = 0; i < count && !decoder.failed(); ++i) {
    int64_t gap;
    int64_t length;
    if (behind == kMostNumber) decoder.Fail("messages behind the last number");
    decoder.Number(gap, kMostNumber - 1 - behind);
    if (decoder.failed()) break;
    const int64_t first = behind + gap;
    decoder.Number(length, kMostNumber - 1 - first);
    if (decoder.failed()) break;
    runs.push_back({MessageId{first}, MessageId{first + length}});
    behind = first + length + 1;
  }
}

}  // namespace

std::string Encode(const Runs& runs) {
  Encoder encoder(1);
  AddRuns(encoder, runs.runs);
  return encoder.Take();
}

absl::Status Decode(absl::string_view bytes, Runs& runs) {
  Decoder decoder("runs", bytes, 1);
  TakeRuns(decoder, runs.runs);
  return decoder.Finish();
}

std::string Encode(const MessageRecord& message) {
  const rules::Entry& entry = message.entry;
  const Envelope& envelope = entry.envelope;
  // What is unfinished is of an earlier store, too: its header is not known.
  const bool expires = entry.retention > absl::ZeroDuration();
  const uint8_t version = entry.unfinished       ? kUnfinishedMessage
                          : expires              ? kExpiringMessage
                          : entry.searched.known ? kSearchedMessage
                                                 : kFinishedMessage;
  Encoder encoder(version);
  encoder.Number(message.body)
      .Number(entry.content_bytes)
      .Number(entry.trace_bytes)
      .String(entry.prefix)
      .String(entry.unique_id)
      .Time(entry.deliver_time)
      .String(entry.sha256)
      .String(envelope.delivery_id)
      .String(envelope.reverse_path)
      .Number(static_cast<int64_t>(envelope.recipients.size()));
  for (const EnvelopeRecipient& recipient : envelope.recipients) {
    encoder.String(recipient.address)
        .Number(NotifyBits(recipient.notify))
        .String(recipient.original_recipient)
        .Flag(recipient.remote);
  }
  encoder.Number(static_cast<int64_t>(envelope.dsn_return))
      .String(envelope.dsn_envelope_id)
      .Number(ParameterBits(envelope));
  if (version == kExpiringMessage) encoder.Duration(entry.retention).Flag(entry.searched.known);
  if (version >= kSearchedMessage && entry.searched.known) EncodeSearched(encoder, entry.searched);
  return encoder.Take();
}

absl::Status Decode(absl::string_view bytes, MessageRecord& message) {
  Decoder decoder("message", bytes, kExpiringMessage);
  rules::Entry& entry = message.entry;
  Envelope& envelope = entry.envelope;
  entry.unfinished = decoder.version() == kUnfinishedMessage;
  entry.searched = {};
  entry.retention = absl::ZeroDuration();
  envelope.recipients.clear();
  if (decoder.version() == 1) {
    DecodeOldMessage(decoder, message);
    return decoder.Finish();
  }
  decoder.Number(message.body)
      .Number(entry.content_bytes, kMostBytes)
      .Number(entry.trace_bytes, kMostBytes)
      .String(entry.prefix)
      .String(entry.unique_id)
      .Time(entry.deliver_time)
      .String(entry.sha256)
      .String(envelope.delivery_id)
      .String(envelope.reverse_path);
  DecodeRecipients(decoder, envelope.recipients);
  DecodeParameters(decoder, envelope);
  bool is_searched = decoder.version() >= kSearchedMessage;
  if (decoder.version() == kExpiringMessage) decoder.Duration(entry.retention).Flag(is_searched);
  if (is_searched) DecodeSearched(decoder, entry.searched);
  return decoder.Finish();
}

namespace {

void AddEvent(Encoder& encoder, const ChangeRecord& change) {
  encoder.Number(static_cast<int64_t>(change.kind));
  switch (change.kind) {
    case ChangeKind::kDelivered:
      encoder.Number(change.message.value);
      return;
    case ChangeKind::kDeleted:
      encoder.Number(static_cast<int64_t>(change.cause)).Number(change.deletion);
      AddRuns(encoder, change.runs);
      return;
    case ChangeKind::kRestored:
      AddRuns(encoder, change.runs);
      return;
    case ChangeKind::kEmptied:
      return;
    case ChangeKind::kSubmission: {
      const SubmissionNews& submission = change.submission;
      encoder.String(submission.submission_id)
          .String(submission.recipient)
          .Number(static_cast<int64_t>(submission.kind))
          .Number(submission.reply_code)
          .String(submission.reply_status)
          .String(submission.reply_text);
      return;
    }
    default:
      encoder.String(change.address).String(change.old_address);
  }
}

void TakeEvent(Decoder& decoder, ChangeRecord& change) {
  int64_t kind;
  decoder.Number(kind, static_cast<int64_t>(ChangeKind::kRestored));
  if (kind < 1) decoder.Fail("no kind of change");
  if (decoder.failed()) return;
  change =
      ChangeRecord{.kind = static_cast<ChangeKind>(kind), .account = change.account, .time = change.time};
  switch (change.kind) {
    case ChangeKind::kDelivered:
      decoder.Number(change.message.value);
      return;
    case ChangeKind::kDeleted: {
      int64_t cause;
      decoder.Number(cause, static_cast<int64_t>(DeletionCause::kRetention)).Number(change.deletion);
      TakeRuns(decoder, change.runs);
      change.cause = static_cast<DeletionCause>(cause);
      return;
    }
    case ChangeKind::kRestored:
      TakeRuns(decoder, change.runs);
      return;
    case ChangeKind::kEmptied:
      return;
    case ChangeKind::kSubmission: {
      SubmissionNews& submission = change.submission;
      int64_t outcome;
      decoder.String(submission.submission_id)
          .String(submission.recipient)
          .Number(outcome, static_cast<int64_t>(SubmissionNews::Kind::kDelayed))
          .Small(submission.reply_code)
          .String(submission.reply_status)
          .String(submission.reply_text);
      submission.kind = static_cast<SubmissionNews::Kind>(outcome);
      return;
    }
    default:
      decoder.String(change.address).String(change.old_address);
  }
}

}  // namespace

std::string Encode(const ChangeRecord& change) {
  Encoder encoder(1);
  encoder.Time(change.time);
  AddEvent(encoder, change);
  return encoder.Take();
}

absl::Status Decode(absl::string_view bytes, ChangeRecord& change) {
  Decoder decoder("change", bytes, 1);
  decoder.Time(change.time);
  TakeEvent(decoder, change);
  return decoder.Finish();
}

std::string Encode(const FeedRecord& feed) {
  Encoder encoder(1);
  encoder.Time(feed.changes.empty() ? absl::UnixEpoch() : feed.changes.front().time);
  encoder.Number(static_cast<int64_t>(feed.changes.size()));
  for (const ChangeRecord& change : feed.changes) {
    encoder.Number(change.account.value);
    AddEvent(encoder, change);
  }
  return encoder.Take();
}

absl::Status Decode(absl::string_view bytes, FeedRecord& feed) {
  Decoder decoder("feed", bytes, 1);
  absl::Time time;
  size_t count;
  decoder.Time(time).Count(count);
  feed.changes.clear();
  for (size_t i = 0; i < count && !decoder.failed(); ++i) {
    ChangeRecord& change = feed.changes.emplace_back();
    change.time = time;
    decoder.Number(change.account.value);
    TakeEvent(decoder, change);
  }
  return decoder.Finish();
}

std::string Encode(const FeedBegin& begin) { return Encoder(1).Number(begin.position).Take(); }

absl::Status Decode(absl::string_view bytes, FeedBegin& begin) {
  return Decoder("feed_begin", bytes, 1).Number(begin.position).Finish();
}

std::string Encode(const GoneAccount& gone) {
  return Encoder(1).String(gone.address).Number(gone.position).Take();
}

absl::Status Decode(absl::string_view bytes, GoneAccount& gone) {
  return Decoder("gone", bytes, 1).String(gone.address).Number(gone.position).Finish();
}

std::string Encode(const FeedConsumer& consumer) {
  return Encoder(1)
      .String(consumer.filter)
      .Time(consumer.create_time)
      .Time(consumer.ack_time)
      .Duration(consumer.ack_timeout)
      .Number(consumer.acked.position)
      .Number(consumer.acked.message.value)
      .String(consumer.incarnation)
      .Number(consumer.fence)
      .Take();
}

absl::Status Decode(absl::string_view bytes, FeedConsumer& consumer) {
  return Decoder("consumer", bytes, 1)
      .String(consumer.filter)
      .Time(consumer.create_time)
      .Time(consumer.ack_time)
      .Duration(consumer.ack_timeout)
      .Number(consumer.acked.position)
      .Number(consumer.acked.message.value)
      .String(consumer.incarnation)
      .Number(consumer.fence)
      .Finish();
}

bool IsOldMessage(absl::string_view bytes) {
  return !bytes.empty() && static_cast<uint8_t>(bytes[0]) < kUnfinishedMessage;
}

absl::Status DecodeListed(absl::string_view bytes, MaildropEntry& entry) {
  Decoder decoder("message", bytes, kExpiringMessage);
  int64_t body;
  if (decoder.version() == 1) {
    decoder.Number(body).Number(entry.size_bytes, kMostBytes).String(entry.unique_id);
    return decoder.Outcome();
  }
  int64_t content_bytes;
  int64_t trace_bytes;
  int64_t prefix_bytes;
  decoder.Number(body)
      .Number(content_bytes, kMostBytes)
      .Number(trace_bytes, kMostBytes)
      .SkipString(prefix_bytes)
      .String(entry.unique_id);
  // As rules::MaildropEntryOf.
  entry.size_bytes =
      content_bytes + trace_bytes + prefix_bytes + (decoder.version() == kUnfinishedMessage ? 2 : 0);
  return decoder.Outcome();
}

std::string Encode(const BodyRef& body) {
  return Encoder(1).Number(body.mailbox_count).Number(body.size_bytes).Take();
}

absl::Status Decode(absl::string_view bytes, BodyRef& body) {
  return Decoder("body_ref", bytes, 1)
      .Number(body.mailbox_count)
      .Number(body.size_bytes, kMostBytes)
      .Finish();
}

std::string Encode(const rules::KeptReceipt& receipt) {
  return Encoder(2).String(receipt.sha256).Time(receipt.deliver_time).String(receipt.fingerprint).Take();
}

absl::Status Decode(absl::string_view bytes, rules::KeptReceipt& receipt) {
  Decoder decoder("receipt", bytes, 2);
  decoder.String(receipt.sha256).Time(receipt.deliver_time);
  receipt.fingerprint.clear();
  if (decoder.version() >= 2) decoder.String(receipt.fingerprint);
  return decoder.Finish();
}

std::string Encode(const rules::Lease& lease) {
  return Encoder(1).String(lease.holder).Duration(lease.ttl).Number(lease.number).Take();
}

absl::Status Decode(absl::string_view bytes, rules::Lease& lease) {
  return Decoder("lease", bytes, 1).String(lease.holder).Duration(lease.ttl).Number(lease.number).Finish();
}

std::string Encode(const rules::Lock& lock) {
  const bool is_of_earlier_store = lock.removal_count == rules::Lock::kNotKnown;
  Encoder encoder(is_of_earlier_store ? 3 : 4);
  encoder.Number(lock.token.value)
      .String(lock.lease_id)
      .Number(lock.lease_number)
      .String(lock.session_id)
      .Time(lock.open_time)
      .Number(lock.listing_end)
      .String(lock.client_address);
  if (!is_of_earlier_store) encoder.Number(lock.removal_count);
  return encoder.Take();
}

absl::Status Decode(absl::string_view bytes, rules::Lock& lock) {
  Decoder decoder("lock", bytes, 4);
  // Those of earlier stores are thrown away when they are taken on.
  if (decoder.version() == 1) decoder.Fail("unknown version");
  decoder.Number(lock.token.value)
      .String(lock.lease_id)
      .Number(lock.lease_number)
      .String(lock.session_id)
      .Time(lock.open_time)
      .Number(lock.listing_end);
  lock.client_address.clear();
  if (decoder.version() >= 3) decoder.String(lock.client_address);
  lock.removal_count = rules::Lock::kNotKnown;
  if (decoder.version() >= 4) decoder.Number(lock.removal_count);
  return decoder.Finish();
}

std::string Encode(const QueuedRecord& queued) {
  const rules::QueueEntry& entry = queued.entry;
  const Envelope& envelope = entry.entry.envelope;
  // Mail that was not submitted by a call is kept as ever.
  const bool is_plain = entry.submission.empty() && entry.not_before == absl::InfinitePast();
  Encoder encoder(is_plain ? 1 : 2);
  encoder.Number(queued.body)
      .Number(entry.entry.content_bytes)
      .Number(entry.entry.trace_bytes)
      .Time(entry.entry.deliver_time)
      .String(entry.entry.sha256)
      .String(envelope.delivery_id)
      .String(envelope.reverse_path)
      .Number(static_cast<int64_t>(envelope.dsn_return))
      .String(envelope.dsn_envelope_id)
      .Number(ParameterBits(envelope))
      .String(entry.lane)
      .Time(entry.queue_time)
      .Time(entry.expire_time)
      .Time(entry.delay_notice_time)
      .Flag(entry.delay_told)
      .Number(queued.recipient_count)
      .Number(queued.free_count);
  if (!is_plain) encoder.Time(entry.not_before).String(entry.submission);
  return encoder.Take();
}

absl::Status Decode(absl::string_view bytes, QueuedRecord& queued) {
  rules::QueueEntry& entry = queued.entry;
  Envelope& envelope = entry.entry.envelope;
  Decoder decoder("queued", bytes, 2);
  decoder.Number(queued.body)
      .Number(entry.entry.content_bytes, kMostBytes)
      .Number(entry.entry.trace_bytes, kMostBytes)
      .Time(entry.entry.deliver_time)
      .String(entry.entry.sha256)
      .String(envelope.delivery_id)
      .String(envelope.reverse_path);
  DecodeParameters(decoder, envelope);
  decoder.String(entry.lane)
      .Time(entry.queue_time)
      .Time(entry.expire_time)
      .Time(entry.delay_notice_time)
      .Flag(entry.delay_told)
      .Number(queued.recipient_count)
      .Number(queued.free_count);
  entry.not_before = absl::InfinitePast();
  entry.submission.clear();
  if (decoder.version() >= 2) decoder.Time(entry.not_before).String(entry.submission);
  return decoder.Finish();
}

std::string Encode(const rules::QueueRecipient& kept) {
  const QueuedRecipient& recipient = kept.recipient;
  return Encoder(1)
      .Number(recipient.number)
      .String(recipient.address)
      .String(recipient.destination)
      .Number(NotifyBits(recipient.notify))
      .String(recipient.original_recipient)
      .String(recipient.forwarded_for)
      .Number(recipient.attempt_count)
      .Time(recipient.next_attempt_time)
      .Flag(recipient.held)
      .Flag(recipient.in_flight)
      .Number(recipient.last_reply.code)
      .String(recipient.last_reply.status)
      .String(recipient.last_reply.text)
      .String(recipient.last_reply.host)
      .Time(recipient.last_reply.time)
      .Number(kept.last_grant.value)
      .Flag(kept.reported)
      .Take();
}

absl::Status Decode(absl::string_view bytes, rules::QueueRecipient& kept) {
  QueuedRecipient& recipient = kept.recipient;
  int64_t notify;
  Decoder decoder("queued_recipient", bytes, 1);
  decoder.Small(recipient.number)
      .String(recipient.address)
      .String(recipient.destination)
      .Number(notify, kAllNotifyBits)
      .String(recipient.original_recipient)
      .String(recipient.forwarded_for)
      .Small(recipient.attempt_count)
      .Time(recipient.next_attempt_time)
      .Flag(recipient.held)
      .Flag(recipient.in_flight)
      .Small(recipient.last_reply.code)
      .String(recipient.last_reply.status)
      .String(recipient.last_reply.text)
      .String(recipient.last_reply.host)
      .Time(recipient.last_reply.time)
      .Number(kept.last_grant.value)
      .Flag(kept.reported);
  recipient.notify = NotifyOf(notify);
  return decoder.Finish();
}

std::string Encode(const DestinationRecord& record) {
  const rules::Destination& destination = record.destination;
  return Encoder(1)
      .String(destination.site)
      .Time(destination.site_until)
      .Number(destination.recipient_count)
      .Number(destination.in_flight_count)
      .Lane(destination.last_lane)
      .Time(destination.waiting_since)
      .Number(record.ready_count)
      .Number(record.waiting_count)
      .Take();
}

absl::Status Decode(absl::string_view bytes, DestinationRecord& record) {
  rules::Destination& destination = record.destination;
  return Decoder("destination", bytes, 1)
      .String(destination.site)
      .Time(destination.site_until)
      .Number(destination.recipient_count)
      .Small(destination.in_flight_count)
      .Lane(destination.last_lane)
      .Time(destination.waiting_since)
      .Number(record.ready_count)
      .Number(record.waiting_count)
      .Finish();
}

std::string Encode(const SiteRecord& record) {
  const rules::Site& site = record.site;
  return Encoder(1)
      .Number(site.window)
      .Number(site.gained)
      .Number(site.lost)
      .Number(site.missed)
      .Time(site.paused_until)
      .Duration(site.pause)
      .Time(site.paced_until)
      .Time(site.tls_broken_until)
      .Number(site.in_flight_count)
      .Number(site.destination_count)
      .Time(site.waiting_since)
      .Time(record.due_time)
      .Take();
}

absl::Status Decode(absl::string_view bytes, SiteRecord& record) {
  rules::Site& site = record.site;
  return Decoder("site", bytes, 1)
      .Small(site.window)
      .Small(site.gained)
      .Small(site.lost)
      .Small(site.missed)
      .Time(site.paused_until)
      .Duration(site.pause)
      .Time(site.paced_until)
      .Time(site.tls_broken_until)
      .Small(site.in_flight_count)
      .Number(site.destination_count)
      .Time(site.waiting_since)
      .Time(record.due_time)
      .Finish();
}

std::string Encode(const WaitingRecord& waiting) { return Encoder(1).Lane(waiting.lane).Take(); }

absl::Status Decode(absl::string_view bytes, WaitingRecord& waiting) {
  return Decoder("waiting", bytes, 1).Lane(waiting.lane).Finish();
}

namespace {

void EncodeSessions(Encoder& encoder, const TlsSessions& sessions) {
  encoder.String(sessions.policy_type)
      .String(sessions.policy_domain)
      .Number(static_cast<int64_t>(sessions.policy_strings.size()));
  for (const std::string& text : sessions.policy_strings) encoder.String(text);
  encoder.String(sessions.mx_host)
      .String(sessions.address)
      .String(sessions.result)
      .String(sessions.reason)
      .Number(sessions.count);
}

void DecodeSessions(Decoder& decoder, TlsSessions& sessions) {
  size_t text_count;
  decoder.String(sessions.policy_type).String(sessions.policy_domain).Count(text_count);
  for (size_t i = 0; i < text_count && !decoder.failed(); ++i)
    decoder.String(sessions.policy_strings.emplace_back());
  decoder.String(sessions.mx_host)
      .String(sessions.address)
      .String(sessions.result)
      .String(sessions.reason)
      .Number(sessions.count);
}

}  // namespace

std::string Encode(const TlsReport& report) {
  Encoder encoder(1);
  encoder.Time(report.key.start)
      .String(report.key.domain)
      .Time(report.end)
      .Time(report.due_time)
      .Number(report.lease_count)
      .Number(static_cast<int64_t>(report.sessions.size()));
  for (const TlsSessions& sessions : report.sessions) EncodeSessions(encoder, sessions);
  return encoder.Take();
}
absl::Status Decode(absl::string_view bytes, TlsReport& report) {
  size_t kind_count;
  Decoder decoder("tls_report", bytes, 1);
  report.sessions.clear();
  decoder.Time(report.key.start)
      .String(report.key.domain)
      .Time(report.end)
      .Time(report.due_time)
      .Number(report.lease_count)
      .Count(kind_count);
  for (size_t i = 0; i < kind_count && !decoder.failed(); ++i)
    DecodeSessions(decoder, report.sessions.emplace_back());
  return decoder.Finish();
}

std::string Encode(const TlsReportCount& count) { return Encoder(1).Number(count.count).Take(); }
absl::Status Decode(absl::string_view bytes, TlsReportCount& count) {
  return Decoder("tls_report_count", bytes, 1).Number(count.count).Finish();
}

std::string Encode(const StsPolicy& policy) {
  return Encoder(1)
      .String(policy.domain)
      .String(policy.policy_id)
      .String(policy.file)
      .Time(policy.fetch_time)
      .Time(policy.failure_time)
      .Take();
}
absl::Status Decode(absl::string_view bytes, StsPolicy& policy) {
  return Decoder("sts_policy", bytes, 1)
      .String(policy.domain)
      .String(policy.policy_id)
      .String(policy.file)
      .Time(policy.fetch_time)
      .Time(policy.failure_time)
      .Finish();
}

std::string Encode(const StsCount& count) { return Encoder(1).Number(count.count).Take(); }
absl::Status Decode(absl::string_view bytes, StsCount& count) {
  return Decoder("sts_count", bytes, 1).Number(count.count).Finish();
}

std::string Encode(const AttemptRecord& attempt) {
  Encoder encoder(1);
  encoder.String(attempt.lease_id)
      .Number(attempt.lease_number)
      .Number(attempt.message.value)
      .String(attempt.destination)
      .String(attempt.site)
      .Number(static_cast<int64_t>(attempt.recipients.size()));
  for (const int32_t number : attempt.recipients) encoder.Number(number);
  return encoder.Take();
}

absl::Status Decode(absl::string_view bytes, AttemptRecord& attempt) {
  size_t count;
  Decoder decoder("attempt", bytes, 1);
  decoder.String(attempt.lease_id)
      .Number(attempt.lease_number)
      .Number(attempt.message.value)
      .String(attempt.destination)
      .String(attempt.site)
      .Count(count);
  attempt.recipients.clear();
  for (size_t i = 0; i < count && !decoder.failed(); ++i) decoder.Small(attempt.recipients.emplace_back());
  return decoder.Finish();
}

namespace {

void EncodeReply(Encoder& encoder, const QueueReply& reply) {
  encoder.Number(reply.code).String(reply.status).String(reply.text).String(reply.host).Time(reply.time);
}

void DecodeReply(Decoder& decoder, QueueReply& reply) {
  decoder.Small(reply.code).String(reply.status).String(reply.text).String(reply.host).Time(reply.time);
}

}  // namespace

std::string Encode(const Submission& submission) {
  const Envelope& envelope = submission.envelope;
  Encoder encoder(1);
  encoder.String(submission.id)
      .Number(submission.account.value)
      .String(submission.request_id)
      .String(submission.fingerprint)
      .String(submission.sha256)
      .String(envelope.reverse_path)
      .Number(static_cast<int64_t>(envelope.recipients.size()));
  for (const EnvelopeRecipient& recipient : envelope.recipients) {
    encoder.String(recipient.address)
        .Number(NotifyBits(recipient.notify))
        .String(recipient.original_recipient)
        .Flag(recipient.remote);
  }
  encoder.Number(static_cast<int64_t>(envelope.dsn_return))
      .String(envelope.dsn_envelope_id)
      .Number(ParameterBits(envelope))
      .String(submission.message_id)
      .Time(submission.submit_time)
      .Time(submission.send_time)
      .Number(submission.queue_id.value)
      .Number(static_cast<int64_t>(submission.targets.size()));
  for (const SubmissionTarget& target : submission.targets) {
    encoder.Number(target.recipient)
        .String(target.address)
        .Number(static_cast<int64_t>(target.state))
        .String(target.reason)
        .String(target.reply.text);
  }
  return encoder.Take();
}

absl::Status Decode(absl::string_view bytes, Submission& submission) {
  Envelope& envelope = submission.envelope;
  Decoder decoder("submission", bytes, 1);
  decoder.String(submission.id)
      .Number(submission.account.value)
      .String(submission.request_id)
      .String(submission.fingerprint)
      .String(submission.sha256)
      .String(envelope.reverse_path);
  envelope.recipients.clear();
  DecodeRecipients(decoder, envelope.recipients);
  DecodeParameters(decoder, envelope);
  size_t count;
  decoder.String(submission.message_id)
      .Time(submission.submit_time)
      .Time(submission.send_time)
      .Number(submission.queue_id.value)
      .Count(count);
  submission.targets.clear();
  for (size_t i = 0; i < count && !decoder.failed(); ++i) {
    SubmissionTarget& target = submission.targets.emplace_back();
    int64_t state;
    decoder.Small(target.recipient)
        .String(target.address)
        .Number(state, static_cast<int64_t>(SubmissionTarget::State::kRefused))
        .String(target.reason)
        .String(target.reply.text);
    target.state = static_cast<SubmissionTarget::State>(state);
    target.was_queued = target.state == SubmissionTarget::State::kQueued;
    if (static_cast<size_t>(target.recipient) >= envelope.recipients.size())
      decoder.Fail("target of no recipient");
    if (target.state != SubmissionTarget::State::kQueued) target.reply.time = submission.submit_time;
  }
  return decoder.Finish();
}

std::string Encode(const SubmissionOutcome& outcome) {
  Encoder encoder(1);
  encoder.Number(static_cast<int64_t>(outcome.kind)).Number(outcome.attempt_count);
  EncodeReply(encoder, outcome.reply);
  encoder.Number(outcome.bounce.has_value() ? 1 : 0);
  if (outcome.bounce.has_value()) {
    encoder.Number(static_cast<int64_t>(outcome.bounce->action))
        .String(outcome.bounce->status)
        .String(outcome.bounce->text)
        .String(outcome.bounce->reporting_host)
        .Time(outcome.bounce->time);
  }
  return encoder.Take();
}

absl::Status Decode(absl::string_view bytes, SubmissionOutcome& outcome) {
  Decoder decoder("submission_outcome", bytes, 1);
  int64_t kind;
  bool has_bounce;
  decoder.Number(kind, static_cast<int64_t>(SubmissionOutcome::Kind::kCancelled))
      .Small(outcome.attempt_count);
  outcome.kind = static_cast<SubmissionOutcome::Kind>(kind);
  DecodeReply(decoder, outcome.reply);
  decoder.Flag(has_bounce);
  outcome.bounce.reset();
  if (has_bounce) {
    SubmissionBounce& bounce = outcome.bounce.emplace();
    int64_t action;
    decoder.Number(action, static_cast<int64_t>(SubmissionBounce::Action::kDelayed))
        .String(bounce.status)
        .String(bounce.text)
        .String(bounce.reporting_host)
        .Time(bounce.time);
    bounce.action = static_cast<SubmissionBounce::Action>(action);
  }
  return decoder.Finish();
}

std::string Encode(const SubmissionCount& count) { return Encoder(1).Number(count.count).Take(); }
absl::Status Decode(absl::string_view bytes, SubmissionCount& count) {
  return Decoder("submission_count", bytes, 1).Number(count.count).Finish();
}

}  // namespace mailstead::engine
