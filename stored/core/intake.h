// Taking in a message: the envelope checked and resolved, the content counted, hashed and handed to the
// engine, and the fields that the last hop puts in front.
//
// A recipient at another host whose route is a mailbox here (routes.h) goes into that mailbox; every other one into the queue.
// There, too, the copy for a mailbox that is full waits, where an alias with further targets led to it and one of those takes
// the message; and what cannot be delivered any more when the sender has been told that its mail is taken: the queue returns
// it. What can still be refused is refused. Who asked to hear of success is told in the commit that stores the message
// (notices.h).
//
// In front of each mailbox's copy stand, in this order (RFC 5321 section 4.4 has the first):
//   Return-Path: <reverse-path>
//   Delivered-To: address of the account
//   X-Original-To: address        one for each address of this transaction that led to this mailbox and is
//                                 not the account's
// and behind them, the same for all, the trace fields and the content.
//
// X-Original-To is what multidrop clients read: getmail and fetchmail sort the one mailbox of a catch-all
// into those of people by it, and a filter by tag needs user+tag@ as the sender wrote it, since Delivered-To
// names the account. So a tag is told as an alias is. Bcc stays hidden: no address stands in the copy of a
// mailbox that it did not lead to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "common/base/details.h"
#include "common/base/executor.h"
#include "common/base/task.h"
#include "common/base/worker_pool.h"
#include "common/mail/envelope.h"
#include "common/mail/header_reader.h"
#include "common/text/line_check.h"
#include "common/text/line_length.h"
#include "stored/core/digest.h"
#include "stored/core/message_digest.h"
#include "stored/core/recipients.h"
#include "stored/core/routes.h"
#include "stored/engine/engine.h"
#include "stored/engine/submission.h"

namespace mailstead::stored {

// FieldError "envelope.…".
absl::Status CheckEnvelope(const Envelope& envelope);

// Whole header lines with CRLF, or nothing; at most kMaxTraceBytes. An empty line may end them, for content that does not
// begin with a field (common/mail/trace.h). FieldError "end.trace".
absl::Status CheckTrace(absl::string_view trace);

// Of what makes two deliveries with one id the same: content, sender and recipients, in any order.
std::string DeliveryFingerprint(absl::string_view sha256, const Envelope& envelope);

// Under what mail for an address waits for its host: its domain in lower case and A-labels, or its literal. Empty for the
// null reverse-path, and for what is no address.
std::string DomainOf(absl::string_view address);

// Why mail for an address is not taken; OK: it is. NotFound with kReasonRecipientUnknown or kReasonRecipientDisabled,
// FailedPrecondition with kReasonRecipientRemote, ResourceExhausted with kReasonOverQuota or kReasonQuotaTooSmall.
absl::Status RefusalOf(const Resolution& resolution, absl::string_view address, bool may_relay);
// All that is wrong with recipients as one error: it has code and reason of the first, and names each as
// "envelope.recipients[i].address" with its own reason.
class RecipientErrors {
 public:
  void Add(size_t index, absl::Status refusal);
  bool empty() const { return violations_.empty(); }
  absl::Status Result() const;

 private:
  absl::Status first_;
  std::vector<FieldViolation> violations_;
};

// What no content may have: InvalidArgument with kReasonBareLineEnd or kReasonNul.
absl::Status CheckLines(const LineCheck& lines);
// InvalidArgument with kReasonLineTooLong.
absl::Status LineTooLong(uint64_t line);

class Notices;

// What intakes share.
struct IntakeContext {
  engine::MessageEngine& engine;
  RecipientResolver& recipients;
  // Null: there are none.
  Routes* routes = nullptr;
  WorkerPool& pool;
  Executor& executor;
  const Clock& clock;
  int64_t max_message_bytes = 0;
  // How long mail for other hosts stays in the queue, and when its sender is told that it does.
  absl::Duration queue_lifetime = absl::Hours(5 * 24);
  absl::Duration delay_notice_after = absl::Hours(4);
  // Null: nobody is told of success.
  Notices* notices = nullptr;
  // Told of notifications that come back; null: nobody is.
  engine::SubmissionEngine* submissions = nullptr;
};

// Whether the sender was told of each recipient that its mail is taken (RCPT). Then a mailbox that is full by now takes it
// all the same, and one that could never hold it, or is gone, is told of by a notice while another takes it.
enum class Promise { kNone, kGiven };

// A message that is on disk in every mailbox, and in the queue for every recipient at another host.
struct Taken {
  std::string delivery_id;
  engine::Receipt receipt;
  int64_t mailbox_count = 0;
  int64_t queued_count = 0;
  // Of recipients whose alias has targets that got nothing.
  struct PassedOverBy {
    std::string recipient;
    PassedOver targets;
  };
  std::vector<PassedOverBy> passed_over;
  // Why the sender will not hear of success, which it asked for.
  absl::Status notice_dropped;
  // It was a notification, and what it says could not be kept with the submission that it may be about: why.
  absl::Status report_dropped;
};

// One message on its way in: Begin, Append for each piece, Finish. An error ends it. One Task at a time,
// which it outlives; destroyed without Finish, nothing is stored. Up to kWholeMessageBytes the content waits
// in memory; from then on it is staged with the engine as it comes.
//
// The content is held to what mail can carry, whoever brings it: InvalidArgument with kReasonBareLineEnd, kReasonNul, or
// kReasonEmptyMessage when there are no trace fields either. A last line without a line end gets one, as RFC 5321 section
// 4.1.1.4 asks of who passes such a message on: POP3 could not give it otherwise, and sizes are true then. Content that does
// not begin with a header field gets an empty line in front, so that our fields are all of its header.
class Intake {
 public:
  // `scope`: ids of different scopes never meet.
  Intake(const IntakeContext& context, std::string scope, Promise promise = Promise::kNone)
      : context_(context), scope_(std::move(scope)), promise_(promise) {}

  // Whoever sends this may send to other hosts. Else only an alias leads there.
  void AllowRelay() { may_relay_ = true; }
  // The sender itself gives us this, and can mend it: where it leads to another host, Finish refuses lines that such a host
  // may break (line_length.h). InvalidArgument with kReasonLineTooLong, which says the number of the first one. Without
  // this it goes on as it came.
  void LimitLines() { limits_lines_ = true; }
  // Whose mail takes turns with that of others (engine::NewQueued::lane). Without one: the sender's domain.
  void SetLane(std::string lane) { lane_ = std::move(lane); }
  // An operator, or an application, brings it: as others do, and as mail that was made here.
  void SetOperatorLane() { by_operator_ = true; }

  // No mailbox keeps it for longer (engine::NewMessage::retention).
  void SetRetention(absl::Duration retention) { retention_ = retention; }
  // Nothing is delivered before this time, also not here.
  void SetNotBefore(absl::Time time) { not_before_ = time; }
  // Before Finish: it is kept as this, and its fingerprint is this one in the place of that of a delivery.
  void SetSubmission(std::shared_ptr<const engine::NewSubmission> submission, std::string fingerprint) {
    submission_ = std::move(submission);
    fingerprint_ = std::move(fingerprint);
  }

  // The content stays in memory, whatever its size: it is the store's own.
  void KeepWhole() { keep_whole_ = true; }

  // Checks the envelope and resolves its recipients. The errors of RECIPIENT_* name the field
  // "envelope.recipients[i].address"; where a promise was given they come with Finish only, unless this delivery id has been
  // stored before. So does what is said of quotas: the engine knows first. ResourceExhausted with kReasonTooManyMailboxes:
  // the recipients lead to more than kMaxDeliveryMailboxes, or too many of them to the same ones (kMaxKeptRecipientBytes).
  Task<absl::Status> Begin(Envelope envelope);
  // ResourceExhausted with kReasonTooLarge; errors of the engine.
  Task<absl::Status> Append(std::string bytes);
  Task<absl::StatusOr<Taken>> Finish(std::string trace);
  // In place of Finish: what Finish would give the engine. Behind KeepWhole.
  Task<absl::StatusOr<engine::NewNotice>> Prepare();

  // Addresses at other hosts that it goes to; before Finish.
  std::vector<std::string> Elsewhere() const;
  // Finish refuses it with this, unless it has been stored.
  void Refuse(absl::Status why) { refusal_ = std::move(why); }

  int64_t size_bytes() const { return size_bytes_; }
  // Checked; empty before Begin.
  const Envelope& envelope() const { return envelope_; }

 private:
  // Of all recipients that cannot be taken.
  Task<absl::Status> Resolve();
  Task<absl::Status> ResolveOne(size_t index);
  // The first of those that are at other hosts and kept in a mailbox here; 0: none is.
  Task<absl::StatusOr<AccountId>> SendOn(const Resolution& resolution, int32_t recipient);
  void AddMailbox(AccountId account, int32_t recipient, bool may_wait);
  Task<absl::Status> NoteSuccess(const Resolution& resolution, AccountId kept_in, int32_t recipient);
  Task<absl::Status> End(std::string& trace);
  Task<absl::StatusOr<engine::NewMessage>> MakeMessage(std::string trace);
  absl::Status CheckContent(absl::string_view bytes);
  Task<absl::StatusOr<std::vector<engine::NewCopy>>> MakeCopies();
  // What is to be told in the commit, when these copies (ascending) are not in their mailboxes. Empty: nothing; `dropped`
  // says why, where something was.
  Task<absl::StatusOr<std::vector<engine::NewNotice>>> MakeNotices(std::string trace, absl::Time time,
                                                                   std::vector<size_t> waiting,
                                                                   absl::Status& dropped);
  // What the engine has left out is made anew without what was not so.
  Task<absl::Status> TellAnew(std::string trace, Taken& taken);
  Task<absl::Status> Hash(const std::string& bytes);
  // Whether it may be a notification to one whose submission it is about (engine/submission.h).
  bool MayReport() const;
  Task<absl::Status> NoteReport();

  // A mailbox that the message goes to.
  struct Destination {
    AccountId account;
    std::vector<int32_t> recipients;
    // All of them led here by aliases with further targets.
    bool may_wait = true;
  };
  // A recipient whose success its sender wants to hear of: delivered into a mailbox, or, with none, expanded.
  struct Success {
    int32_t recipient = 0;
    AccountId account;
    std::string address;
  };

  const IntakeContext& context_;
  const std::string scope_;
  const Promise promise_;
  Envelope envelope_;
  std::vector<Destination> destinations_;
  // Where each account is among them.
  absl::flat_hash_map<AccountId, size_t> places_;
  bool may_relay_ = false;
  bool limits_lines_ = false;
  bool keep_whole_ = false;
  std::string lane_;
  bool by_operator_ = false;
  std::vector<engine::NewQueuedRecipient> queued_;
  // The addresses of those.
  absl::flat_hash_set<std::string> queued_addresses_;
  std::vector<Taken::PassedOverBy> passed_over_;
  // Recipients that have gone since they were promised for, and what was said of the first.
  std::vector<int32_t> gone_;
  absl::Status why_gone_;
  // What the recipients take up in the mailboxes that they lead to.
  int64_t kept_bytes_ = 0;
  std::vector<Success> successes_;
  // With those, as much of the content as a notice can return; of what may be a notification, as much as is looked at.
  std::string beginning_bytes_;
  absl::Duration retention_;
  absl::Time not_before_ = absl::InfinitePast();
  std::shared_ptr<const engine::NewSubmission> submission_;
  std::string fingerprint_;
  // Why it cannot be stored, unless it has been.
  absl::Status refusal_;
  // Of the first destination whose account is not there any more; -1: none.
  int32_t recipient_gone_ = -1;
  int64_t size_bytes_ = 0;
  LineCheck lines_;
  // Fed where they are limited, and something is queued.
  LineLengthCheck line_lengths_;
  // Shown the first line of the content only.
  HeaderReader beginning_;
  bool first_line_ended_ = false;
  Sha256Stream sha256_;
  MessageDigest digest_;
  engine::Content content_;
};

}  // namespace mailstead::stored
