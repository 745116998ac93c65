// Mail that applications send in the name of an account, by calls: what port 587 does (RFC 6409), and what becomes of it.
//
// The rules of both doors are the same, and are here and in intake.h, recipients.h, sending.h, and common/mail (originators.h,
// field_remover.h, trace.h, hops.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/task.h"
#include "common/mail/envelope.h"
#include "common/mail/field_remover.h"
#include "common/mail/header_reader.h"
#include "common/mail/hops.h"
#include "common/mail/originators.h"
#include "common/mail/trace.h"
#include "common/text/line_check.h"
#include "common/text/line_length.h"
#include "stored/core/digest.h"
#include "stored/core/intake.h"
#include "stored/core/queue.h"
#include "stored/core/recipients.h"
#include "stored/core/sending.h"
#include "stored/engine/submission.h"

namespace mailstead::stored {

struct SubmissionRequest {
  // Request ids of different scopes never meet.
  std::string scope;
  engine::Account account;
  std::string request_id;
  // Without delivery id. Its reverse-path is empty for the account's address, and "<>" for the null reverse-path.
  Envelope envelope;
  // InfinitePast, or past: at once.
  absl::Time send_time = absl::InfinitePast();
  bool all_or_nothing = false;
  // As Intake::SetRetention.
  absl::Duration retention;
  // Of who calls: "192.0.2.1"; may be empty.
  std::string client_address;
  // Of the content, where it is known; 0: not.
  int64_t size_bytes = 0;
};

// A submission that has been taken.
struct Submitted {
  engine::Submission submission;
  // An earlier call had taken it.
  bool already_taken = false;
  // Absent: an earlier call had taken it.
  std::optional<Taken> taken;
};

// Used on the executor's thread.
class Submissions {
 public:
  // All of them outlive it.
  Submissions(engine::SubmissionEngine& engine, const IntakeContext& intake, RecipientResolver& recipients,
              AccountSending& sending, OutboundQueue& queue, const Clock& clock, std::string host_name,
              int64_t most_of_account)
      : engine_(engine),
        intake_(intake),
        recipients_(recipients),
        sending_(sending),
        queue_(queue),
        clock_(clock),
        host_name_(std::move(host_name)),
        most_of_account_(most_of_account) {}

  // NotFound with kReasonSubmissionNotFound.
  Task<absl::StatusOr<engine::Submission>> Find(std::string id);
  // As engine::SubmissionEngine::List.
  Task<absl::StatusOr<std::vector<engine::Submission>>> List(AccountId account, engine::SubmissionPlace after,
                                                             size_t limit);
  struct Cancelled {
    int64_t cancelled_count = 0;
    // Those at which a front-end is.
    int64_t in_flight_count = 0;
    engine::Submission submission;
  };
  // Ends all that waits of it. NotFound with kReasonSubmissionNotFound.
  Task<absl::StatusOr<Cancelled>> Cancel(std::string id);
  // Forgets some of those that have ended before a time. Whether there may be more.
  Task<absl::StatusOr<bool>> Forget(absl::Time ended_before);

 private:
  friend class SubmissionIntake;

  engine::SubmissionEngine& engine_;
  const IntakeContext& intake_;
  RecipientResolver& recipients_;
  AccountSending& sending_;
  OutboundQueue& queue_;
  const Clock& clock_;
  const std::string host_name_;
  // How many are kept of one account.
  const int64_t most_of_account_;
};

// One submission on its way in: Begin, Append for each piece, Finish. An error ends it. One Task at a time, which it outlives;
// destroyed without Finish, nothing is stored.
//
// A repeat is told by its request id, and is the same when account, envelope, send_time, all_or_nothing and content are;
// AlreadyExists with kReasonRequestIdReused: they are not.
class SubmissionIntake {
 public:
  SubmissionIntake(Submissions& submissions, SubmissionRequest request);

  // FieldErrors of the request. PermissionDenied with kReasonAccountDisabled, kReasonSendingPaused, or
  // kReasonSenderNotAllowed and the field "envelope.reverse_path". InvalidArgument with kReasonTooManyRecipients. Where nobody
  // takes it, or with all_or_nothing somebody does not, RecipientErrors.
  Task<absl::Status> Begin();
  // The errors of Intake::Append.
  Task<absl::Status> Append(std::string bytes);
  // Those of Intake::Finish and AccountSending::Count. PermissionDenied with kReasonSenderNotAllowed, or InvalidArgument with
  // kReasonFromUnreadable, kReasonTooManyHops: its header.
  Task<absl::StatusOr<Submitted>> Finish();

  const std::string& id() const { return id_; }
  // For the log.
  const Intake& intake() const { return intake_; }

 private:
  absl::Status CheckRequest();
  // Those that are refused go out of what `intake_` is given.
  Task<absl::Status> TakeRecipients();
  Task<absl::Status> CheckSender(std::string sender, absl::string_view field);
  Task<absl::Status> CheckHeader();
  Task<absl::Status> GiveOn(std::string bytes);
  TraceInfo MakeTrace() const;
  std::string Fingerprint();
  // `taken`: by this; absent: by an earlier call.
  Task<absl::StatusOr<Submitted>> Answer(std::optional<Taken> taken);

  Submissions& submissions_;
  SubmissionRequest request_;
  // As it came, for the fingerprint.
  const Envelope given_;
  const std::string id_;
  // The one with this id that was taken before.
  std::optional<engine::Submission> before_;
  Intake intake_;
  std::shared_ptr<engine::NewSubmission> kept_;

  // Of what came, before anything was taken out.
  Sha256Stream content_digest_;
  LineCheck lines_;
  LineLengthCheck line_lengths_;
  FieldRemover blind_copies_ = BlindCopyRemover();
  HopCounter hops_;
  SubmissionFields fields_;
  Originators originators_;
  HeaderReader header_{&hops_, &fields_, &originators_};
};

}  // namespace mailstead::stored
