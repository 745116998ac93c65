#include "stored/core/submissions.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/core/counted_intake.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/rules/lane.h"

namespace mailstead::stored {
namespace {

// Of delivery ids that are submissions' ids: nobody else's meet them.
constexpr char kScope[] = "submission";
constexpr char kNullReversePath[] = "<>";
// Of the digest that is an id: 128 bits, so that two never meet.
constexpr size_t kIdBytes = 16;
// Forgotten at once.
constexpr size_t kForgottenAtOnce = 100;

// The same for a repeat, and nobody else can choose it.
std::string IdOf(absl::string_view scope, absl::string_view request_id) {
  return absl::BytesToHexString(
      Sha256(absl::StrCat("submission\n", scope, "\n", request_id)).substr(0, kIdBytes));
}

absl::Status NoSubmission() {
  return WithReason(absl::NotFoundError("there is no such submission"), kReasonSubmissionNotFound);
}

absl::Status RequestIdReused() {
  return WithReason(absl::AlreadyExistsError("the request id stands for another submission"),
                    kReasonRequestIdReused);
}

absl::Status NotAllowed(absl::string_view account, absl::string_view sender, absl::string_view field) {
  return WithField(WithReason(absl::PermissionDeniedError(absl::StrCat(account, " may not send as ", sender)),
                              kReasonSenderNotAllowed),
                   field);
}

// What of a text is its length as well: texts that follow one another are told apart.
void AddText(absl::string_view text, std::string& to) { absl::StrAppend(&to, text.size(), ":", text); }

}  // namespace

Task<absl::StatusOr<engine::Submission>> Submissions::Find(std::string id) {
  absl::StatusOr<engine::Submission> found = co_await engine_.Find(std::move(id));
  if (absl::IsNotFound(found.status())) co_return NoSubmission();
  co_return found;
}

Task<absl::StatusOr<std::vector<engine::Submission>>> Submissions::List(AccountId account,
                                                                        engine::SubmissionPlace after,
                                                                        size_t limit) {
  return engine_.List(account, std::move(after), limit);
}

Task<absl::StatusOr<Submissions::Cancelled>> Submissions::Cancel(std::string id) {
  Cancelled cancelled;
  CO_ASSIGN_OR_RETURN(cancelled.submission, co_await Find(id));
  if (cancelled.submission.queue_id.value == 0) co_return cancelled;
  QueueFilter all;
  const absl::StatusOr<OutboundQueue::Changed> changed = co_await queue_.Change(
      QueueAction::kCancel, std::move(all), cancelled.submission.queue_id, /*dry_run=*/false);
  // NotFound: the last of it ended meanwhile.
  if (!changed.ok() && !absl::IsNotFound(changed.status())) co_return changed.status();
  if (changed.ok()) {
    cancelled.cancelled_count = changed->changed_count;
    cancelled.in_flight_count = changed->in_flight_count;
  }
  CO_ASSIGN_OR_RETURN(cancelled.submission, co_await Find(std::move(id)));
  co_return cancelled;
}

Task<absl::StatusOr<bool>> Submissions::Forget(absl::Time ended_before) {
  CO_ASSIGN_OR_RETURN(const size_t count, co_await engine_.Forget(ended_before, kForgottenAtOnce));
  co_return count > 0;
}

SubmissionIntake::SubmissionIntake(Submissions& submissions, SubmissionRequest request)
    : submissions_(submissions),
      request_(std::move(request)),
      given_(request_.envelope),
      id_(IdOf(request_.scope, request_.request_id)),
      intake_(submissions.intake_, kScope, Promise::kGiven) {}

absl::Status SubmissionIntake::CheckRequest() {
  RETURN_IF_ERROR(CheckIdentifier("request_id", request_.request_id));
  Envelope& envelope = request_.envelope;
  if (!envelope.delivery_id.empty()) return FieldError("envelope.delivery_id", "must be empty");
  if (envelope.recipients.size() > kMaxSubmissionRecipients) {
    return WithReason(FieldError("envelope.recipients", "must be at most 1000"), kReasonTooManyRecipients);
  }
  if (request_.send_time > submissions_.clock_.Now() + kMaxSendDelay) {
    return FieldError("send_time", "must be at most 30 days ahead");
  }
  envelope.delivery_id = id_;
  if (envelope.reverse_path.empty()) {
    envelope.reverse_path = request_.account.address;
  } else if (envelope.reverse_path == kNullReversePath) {
    envelope.reverse_path.clear();
  }
  if (envelope.dsn_envelope_id.empty()) envelope.dsn_envelope_id = id_;
  return CheckEnvelope(envelope);
}

Task<absl::Status> SubmissionIntake::Begin() {
  CO_RETURN_IF_ERROR(CheckRequest());
  absl::StatusOr<engine::Submission> before = co_await submissions_.engine_.Find(id_);
  if (before.ok()) {
    // What is so now is no matter: the answer is the first one's.
    before_ = *std::move(before);
    co_return absl::OkStatus();
  }
  if (!absl::IsNotFound(before.status())) co_return before.status();
  if (request_.account.disabled) {
    co_return WithReason(absl::PermissionDeniedError("the account is disabled"), kReasonAccountDisabled);
  }
  CO_RETURN_IF_ERROR(co_await submissions_.sending_.Check(request_.account.id));
  CO_RETURN_IF_ERROR(co_await CheckSender(request_.envelope.reverse_path, "envelope.reverse_path"));
  CO_RETURN_IF_ERROR(co_await TakeRecipients());
  intake_.AllowRelay();
  intake_.LimitLines();
  intake_.SetRetention(request_.retention);
  intake_.SetLane(rules::AccountLane(request_.account.id));
  if (request_.send_time > submissions_.clock_.Now()) intake_.SetNotBefore(request_.send_time);
  Envelope taken = request_.envelope;
  taken.recipients.clear();
  for (const int32_t index : kept_->taken) {
    taken.recipients.push_back(request_.envelope.recipients[static_cast<size_t>(index)]);
  }
  co_return co_await intake_.Begin(std::move(taken));
}

Task<absl::Status> SubmissionIntake::TakeRecipients() {
  kept_ = std::make_shared<engine::NewSubmission>();
  kept_->most_kept = submissions_.most_of_account_;
  RecipientErrors refused;
  const std::vector<EnvelopeRecipient>& recipients = request_.envelope.recipients;
  for (size_t i = 0; i < recipients.size(); ++i) {
    CO_ASSIGN_OR_RETURN(const Resolution resolution, co_await submissions_.recipients_.Resolve(
                                                         recipients[i].address, request_.size_bytes));
    absl::Status refusal = RefusalOf(resolution, recipients[i].address, /*may_relay=*/true);
    if (refusal.ok()) {
      kept_->taken.push_back(static_cast<int32_t>(i));
      continue;
    }
    kept_->refused.push_back({static_cast<int32_t>(i), ReasonOf(refusal), std::string(refusal.message())});
    refused.Add(i, std::move(refusal));
  }
  if (!refused.empty() && (request_.all_or_nothing || kept_->taken.empty())) co_return refused.Result();
  co_return absl::OkStatus();
}

// As CheckSender of port 587: RecipientResolver::MaySendAs.
Task<absl::Status> SubmissionIntake::CheckSender(std::string sender, absl::string_view field) {
  const std::string account = request_.account.address;
  CO_ASSIGN_OR_RETURN(const bool allowed, co_await submissions_.recipients_.MaySendAs(account, sender));
  if (!allowed) co_return NotAllowed(account, sender, field);
  co_return absl::OkStatus();
}

Task<absl::Status> SubmissionIntake::Append(std::string bytes) {
  content_digest_.Update(bytes);
  if (before_.has_value()) co_return absl::OkStatus();
  lines_.Feed(bytes);
  line_lengths_.Feed(bytes);
  CO_RETURN_IF_ERROR(CheckLines(lines_));
  if (blind_copies_.ended()) co_return co_await GiveOn(std::move(bytes));
  std::string left;
  blind_copies_.Filter(bytes, left);
  co_return co_await GiveOn(std::move(left));
}

Task<absl::Status> SubmissionIntake::GiveOn(std::string bytes) {
  header_.Feed(bytes);
  if (bytes.empty()) co_return absl::OkStatus();
  co_return co_await intake_.Append(std::move(bytes));
}

Task<absl::Status> SubmissionIntake::CheckHeader() {
  if (hops_.count() > kMaxHops) {
    co_return WithReason(FieldError("content", "has come through too many hosts"), kReasonTooManyHops);
  }
  if (!originators_.readable()) {
    co_return WithReason(FieldError("content", "has a From or Sender that is no list of addresses"),
                         kReasonFromUnreadable);
  }
  for (const std::string& address : originators_.addresses()) {
    if (address != request_.envelope.reverse_path)
      CO_RETURN_IF_ERROR(co_await CheckSender(address, "content"));
  }
  co_return absl::OkStatus();
}

TraceInfo SubmissionIntake::MakeTrace() const {
  TraceInfo trace;
  trace.by_call = true;
  trace.client_address = request_.client_address;
  trace.hostname = submissions_.host_name_;
  trace.delivery_id = id_;
  trace.time = submissions_.clock_.Now();
  return trace;
}

std::string SubmissionIntake::Fingerprint() {
  std::string text =
      absl::StrCat(request_.account.id.value, " ", absl::ToUnixMicros(request_.send_time), " ",
                   request_.all_or_nothing ? 1 : 0, " ", static_cast<int>(given_.dsn_return), " ",
                   given_.eight_bit_mime ? 1 : 0, given_.smtputf8 ? 1 : 0, given_.require_tls ? 1 : 0);
  AddText(given_.reverse_path, text);
  AddText(given_.dsn_envelope_id, text);
  for (const EnvelopeRecipient& recipient : given_.recipients) {
    const DsnNotify& notify = recipient.notify;
    AddText(recipient.address, text);
    AddText(recipient.original_recipient, text);
    absl::StrAppend(&text, notify.given ? 1 : 0, notify.success ? 1 : 0, notify.failure ? 1 : 0,
                    notify.delay ? 1 : 0);
  }
  AddText(content_digest_.Finish(), text);
  return Sha256(text);
}

Task<absl::StatusOr<Submitted>> SubmissionIntake::Answer(std::optional<Taken> taken) {
  Submitted submitted;
  CO_ASSIGN_OR_RETURN(submitted.submission, co_await submissions_.Find(id_));
  submitted.already_taken = !taken.has_value();
  submitted.taken = std::move(taken);
  co_return submitted;
}

Task<absl::StatusOr<Submitted>> SubmissionIntake::Finish() {
  std::string fingerprint = Fingerprint();
  if (before_.has_value()) {
    if (before_->fingerprint != fingerprint) co_return RequestIdReused();
    std::optional<Taken> before;
    co_return co_await Answer(std::move(before));
  }
  lines_.Finish();
  CO_RETURN_IF_ERROR(CheckLines(lines_));
  std::string left;
  blind_copies_.Finish(left);
  CO_RETURN_IF_ERROR(co_await GiveOn(std::move(left)));
  header_.Finish();
  CO_RETURN_IF_ERROR(co_await CheckHeader());
  const TraceInfo info = MakeTrace();
  std::string trace = ReceivedField(info);
  fields_.AppendMissing(info, trace);
  EndTrace(header_, trace);
  kept_->account = request_.account.id;
  kept_->request_id = request_.request_id;
  kept_->envelope = request_.envelope;
  kept_->envelope.delivery_id.clear();
  kept_->message_id = fields_.MessageId(info);
  intake_.SetSubmission(kept_, std::move(fingerprint));
  absl::StatusOr<Taken> taken =
      co_await FinishCounted(submissions_.sending_, request_.account.id, intake_, std::move(trace));
  if (!taken.ok()) {
    const std::string reason = ReasonOf(taken.status());
    if (reason == kReasonDeliveryIdReused) co_return RequestIdReused();
    // Our number counts what the caller sent, with what was taken out of it.
    if (reason == kReasonLineTooLong) co_return LineTooLong(line_lengths_.long_line());
    co_return taken.status();
  }
  std::optional<Taken> newly;
  if (!taken->receipt.already_stored) newly = *std::move(taken);
  co_return co_await Answer(std::move(newly));
}

}  // namespace mailstead::stored
