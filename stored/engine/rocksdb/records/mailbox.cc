// Grammar of the values of mailboxes:
//
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
// Of an earlier store, and read until it is written again:
//
//   mailbox   = 1 message_count:number message_bytes:number next_message:number quota_bytes:number
//                 quota_messages:number last_open_time:time last_committed_token:number
//   message   = 1 body:number size_bytes:number unique_id:string deliver_time:time delivery_id:string
//                 reverse_path:string recipient:string sha256:string prefix:string dsn_ret:string dsn_envid:string
//                                               size_bytes: of prefix and content
//   receipt   = 1 sha256:string deliver_time:time
//   counters  = 1 next_account:number domain_count:number account_count:number alias_count:number
//                 message_count:number message_bytes:number deleted_body_bytes:number
//
// End of the grammar.
#include "stored/engine/rocksdb/records.h"
#include "stored/engine/rocksdb/records/coder.h"

namespace mailstead::engine {
namespace {

// Versions of a message record.
constexpr uint8_t kFinishedMessage = 2;
constexpr uint8_t kUnfinishedMessage = 3;
constexpr uint8_t kSearchedMessage = 4;
constexpr uint8_t kExpiringMessage = 5;

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

}  // namespace

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
}  // namespace mailstead::engine
