// Grammar of the values of the change feed:
//
//   runs      = 1 run_count:number run*
//   run       = gap:number length:number          gap: its first message less the one behind the run before it (less 0);
//                                               length: its last message less its first
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
// End of the grammar.
#include "stored/engine/rocksdb/records.h"
#include "stored/engine/rocksdb/records/coder.h"

namespace mailstead::engine {
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
}  // namespace mailstead::engine
