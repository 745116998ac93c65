// Taking in a message: the envelope checked and resolved, the content counted, hashed and handed to the
// engine, and the fields that the last hop puts in front.
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

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/base/task.h"
#include "common/base/worker_pool.h"
#include "common/mail/envelope.h"
#include "stored/core/digest.h"
#include "stored/core/recipients.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

// FieldError "envelope.…".
absl::Status CheckEnvelope(const Envelope& envelope);

// Whole header lines with CRLF, or nothing; at most kMaxTraceBytes. An empty line may end them, for content that does not
// begin with a field (common/mail/trace.h). FieldError "end.trace".
absl::Status CheckTrace(absl::string_view trace);

// Of what makes two deliveries with one id the same: content, sender and recipients, in any order.
std::string DeliveryFingerprint(absl::string_view sha256, const Envelope& envelope);

// What intakes share.
struct IntakeContext {
  engine::MessageEngine& engine;
  RecipientResolver& recipients;
  WorkerPool& pool;
  Executor& executor;
  const Clock& clock;
  int64_t max_message_bytes = 0;
};

// A message that is on disk in every mailbox.
struct Taken {
  std::string delivery_id;
  engine::Receipt receipt;
  int64_t mailbox_count = 0;
};

// One message on its way in: Begin, Append for each piece, Finish. An error ends it. One Task at a time,
// which it outlives; destroyed without Finish, nothing is stored. Up to kWholeMessageBytes the content waits
// in memory; from then on it is staged with the engine as it comes.
class Intake {
 public:
  // `scope`: ids of different scopes never meet.
  Intake(const IntakeContext& context, std::string scope) : context_(context), scope_(std::move(scope)) {}

  // Checks the envelope and resolves the recipients that came without accounts. The errors of RECIPIENT_*
  // name the field "envelope.recipients[i].address". Whether a mailbox is over quota is left to the engine,
  // which knows first whether this delivery id has been stored before.
  Task<absl::Status> Begin(Envelope envelope);
  // ResourceExhausted with kReasonTooLarge; errors of the engine.
  Task<absl::Status> Append(std::string bytes);
  Task<absl::StatusOr<Taken>> Finish(std::string trace);

  int64_t size_bytes() const { return size_bytes_; }
  // Checked; empty before Begin.
  const Envelope& envelope() const { return envelope_; }

 private:
  Task<absl::StatusOr<std::vector<engine::NewCopy>>> MakeCopies();
  Task<absl::Status> Hash(const std::string& bytes);

  // A mailbox that the message goes to.
  struct Destination {
    AccountId account;
    std::vector<int32_t> recipients;
  };

  const IntakeContext& context_;
  const std::string scope_;
  Envelope envelope_;
  std::vector<Destination> destinations_;
  // Of the first destination whose account is not there any more; -1: none.
  int32_t recipient_gone_ = -1;
  int64_t size_bytes_ = 0;
  Sha256Stream sha256_;
  engine::Content content_;
};

}  // namespace mailstead::stored
