// Grammar of the values of the queue:
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
// End of the grammar.
#include "stored/engine/rocksdb/records.h"
#include "stored/engine/rocksdb/records/coder.h"

namespace mailstead::engine {

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
