// What is kept of submissions, from what is known of their messages. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stored/engine/change.h"
#include "stored/engine/submission.h"
#include "stored/rules/new_message.h"
#include "stored/rules/queue.h"

namespace mailstead::rules {

// InvalidArgument names the field.
absl::Status Check(const engine::NewMessage& message, const engine::NewSubmission& submission);

// What is kept. `waiting`: copies that are not in their mailboxes. `queue_id`: where the message was put; 0: nowhere. InvalidArgument
// where it has more than kMaxSubmissionTargets.
absl::StatusOr<engine::Submission> SubmissionOf(const engine::NewMessage& message,
                                                const std::vector<Waiting>& waiting, QueueId queue_id,
                                                absl::Time now);

// Of a repeat whose receipt is forgotten. AlreadyExists with kReasonDeliveryIdReused.
absl::StatusOr<engine::Receipt> DecideRepeat(const engine::Submission& before,
                                             const engine::NewMessage& message);

// What became of a recipient that an outcome ends: delivered or failed.
engine::SubmissionOutcome OutcomeOf(const engine::QueuedRecipient& recipient,
                                    const engine::QueueOutcome& outcome);
// That a decision ends.
engine::SubmissionOutcome OutcomeOf(const engine::QueuedRecipient& recipient,
                                    const engine::QueueDecision& decision, absl::Time now);
// That was put into its mailbox here.
engine::SubmissionOutcome DeliveredOutcome(const engine::QueuedRecipient& recipient, absl::Time now);

// What a target is: an outcome ends it; else its recipient says it. `waits_until`: InfinitePast: its time has come.
void Show(const engine::SubmissionOutcome& outcome, engine::SubmissionTarget& target);
void Show(const engine::QueuedRecipient& recipient, absl::Time waits_until, engine::SubmissionTarget& target);

// Names by which a report may call a target, as addresses are compared: where the mail went, and the recipient that led there.
std::vector<std::string> NamesOf(const engine::Submission& submission,
                                 const engine::SubmissionTarget& target);
// As NamesOf has it.
std::string ReportedName(absl::string_view address);
// Whether a bounce changes an outcome, and then changes it.
bool Note(const engine::SubmissionBounce& bounce, engine::SubmissionOutcome& outcome);

// What the change feed tells: a recipient has left the queue; or waits for its next try; or a notification speaks of a target.
engine::SubmissionNews NewsOf(const std::string& submission, const engine::QueuedRecipient& recipient,
                              const engine::SubmissionOutcome& outcome);
engine::SubmissionNews DeferralNews(const std::string& submission, const engine::QueuedRecipient& recipient);
engine::SubmissionNews BounceNews(const engine::Submission& submission,
                                  const engine::SubmissionTarget& target,
                                  const engine::SubmissionBounce& bounce);

}  // namespace mailstead::rules
