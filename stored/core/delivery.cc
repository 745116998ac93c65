#include "stored/core/delivery.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/text/utf8.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"

namespace mailstead::store {
namespace {

// RFC 3461 section 4.1: NEVER alone, or a list of the others.
bool IsNotifyList(absl::string_view notify) {
  if (notify.empty() || absl::EqualsIgnoreCase(notify, "NEVER")) return true;
  if (notify.size() > kMaxDsnNotifyBytes) return false;
  for (const absl::string_view condition : absl::StrSplit(notify, ',')) {
    if (!absl::EqualsIgnoreCase(condition, "SUCCESS") && !absl::EqualsIgnoreCase(condition, "FAILURE") &&
        !absl::EqualsIgnoreCase(condition, "DELAY")) {
      return false;
    }
  }
  return true;
}

absl::Status CheckRecipient(const EnvelopeRecipient& recipient, const std::string& field) {
  if (!IsPostmaster(recipient.address)) {
    const absl::Status parsed = ParseAddress(recipient.address).status();
    if (!parsed.ok()) return FieldError(absl::StrCat(field, ".address"), parsed.message());
  }
  for (const MailboxId mailbox : recipient.mailboxes) {
    if (mailbox.value == 0) return FieldError(absl::StrCat(field, ".mailbox_ids"), "must not have 0");
  }
  if (!IsNotifyList(recipient.dsn_notify)) {
    return FieldError(absl::StrCat(field, ".dsn_notify"),
                      "must be NEVER or a list of SUCCESS, FAILURE, DELAY");
  }
  const std::string& orcpt = recipient.dsn_orcpt;
  if (orcpt.size() > kMaxDsnOrcptBytes || HasControlCharacter(orcpt) || !IsValidUtf8(orcpt) ||
      (!orcpt.empty() && !absl::StrContains(orcpt, ';'))) {
    return FieldError(absl::StrCat(field, ".dsn_orcpt"), "must be addr-type;address of at most 500 bytes");
  }
  return absl::OkStatus();
}

absl::Status TooLarge(uint64_t max_message_bytes) {
  return WithReason(
      absl::ResourceExhaustedError(absl::StrCat("a message may have ", max_message_bytes, " bytes")),
      kReasonTooLarge);
}

absl::StatusOr<std::vector<MailboxId>> ResolveHere(const std::string& address, const std::string& field,
                                                   RecipientResolver& resolver) {
  ASSIGN_OR_RETURN(Resolution resolution, resolver.Resolve(address, 0));
  switch (resolution.outcome) {
    case Resolution::Outcome::kLocal:
    case Resolution::Outcome::kAlias:
    case Resolution::Outcome::kOverQuota:
      return std::move(resolution.mailboxes);
    case Resolution::Outcome::kRemote:
      return FieldError(absl::StrCat(field, ".address"), "is not of a domain here");
    case Resolution::Outcome::kUnknown:
      return absl::NotFoundError(absl::StrCat("no mailbox ", address));
    case Resolution::Outcome::kDisabled:
      return absl::NotFoundError(absl::StrCat("the mailbox ", address, " is disabled"));
  }
  CHECK(false);
}

}  // namespace

absl::Status CheckEnvelope(const Envelope& envelope) {
  RETURN_IF_ERROR(CheckIdentifier("envelope.delivery_id", envelope.delivery_id));
  // SECURITY: the reverse-path becomes a header line. An address that parses has no CR or LF.
  if (!envelope.reverse_path.empty()) {
    const absl::Status parsed = ParseAddress(envelope.reverse_path).status();
    if (!parsed.ok()) return FieldError("envelope.reverse_path", parsed.message());
  }
  if (envelope.recipients.empty() || envelope.recipients.size() > kMaxDeliveryRecipients) {
    return FieldError("envelope.recipients", "must be 1 to 10000");
  }
  for (size_t i = 0; i < envelope.recipients.size(); ++i) {
    RETURN_IF_ERROR(CheckRecipient(envelope.recipients[i], absl::StrCat("envelope.recipients[", i, "]")));
  }
  if (!envelope.dsn_ret.empty() && envelope.dsn_ret != "FULL" && envelope.dsn_ret != "HDRS") {
    return FieldError("envelope.dsn_ret", "must be FULL, HDRS or empty");
  }
  if (envelope.dsn_envid.size() > kMaxDsnEnvidBytes || HasControlCharacter(envelope.dsn_envid) ||
      !IsValidUtf8(envelope.dsn_envid)) {
    return FieldError("envelope.dsn_envid", "must be text of at most 100 bytes");
  }
  RETURN_IF_ERROR(CheckLogText("envelope.session_id", envelope.session_id));
  return CheckLogText("envelope.client_address", envelope.client_address);
}

bool NeedsLookUp(const Envelope& envelope) {
  for (const EnvelopeRecipient& recipient : envelope.recipients) {
    if (recipient.mailboxes.empty()) return true;
  }
  return false;
}

absl::StatusOr<Delivery> ResolveEnvelope(const Envelope& envelope, RecipientResolver& resolver,
                                         const Clock& clock) {
  Delivery delivery;
  delivery.delivery_id = envelope.delivery_id;
  delivery.reverse_path = envelope.reverse_path;
  // RFC 5321 section 4.4: the last hop puts the reverse-path in front.
  delivery.prefix = absl::StrCat("Return-Path: <", envelope.reverse_path, ">\r\n");
  delivery.deliver_time = clock.Now();
  delivery.dsn_ret = envelope.dsn_ret;
  delivery.dsn_envid = envelope.dsn_envid;

  absl::flat_hash_set<MailboxId> seen;
  for (size_t i = 0; i < envelope.recipients.size(); ++i) {
    const EnvelopeRecipient& recipient = envelope.recipients[i];
    std::vector<MailboxId> mailboxes = recipient.mailboxes;
    if (mailboxes.empty()) {
      const std::string field = absl::StrCat("envelope.recipients[", i, "]");
      ASSIGN_OR_RETURN(mailboxes, ResolveHere(recipient.address, field, resolver));
    }
    for (const MailboxId mailbox : mailboxes) {
      if (!seen.insert(mailbox).second) continue;
      if (seen.size() > kMaxDeliveryMailboxes) {
        return WithReason(absl::ResourceExhaustedError("the recipients are more than 50000 mailboxes"),
                          kReasonTooLarge);
      }
      delivery.recipients.push_back({mailbox, recipient.address});
    }
  }
  return delivery;
}

bool IncomingMessage::WouldBlock(size_t more_bytes) const {
  return body_ != nullptr || size_bytes_ + more_bytes > kSmallMessageBytes;
}

absl::Status IncomingMessage::Append(absl::string_view bytes) {
  if (bytes.size() > max_message_bytes_ - size_bytes_) return TooLarge(max_message_bytes_);
  if (WouldBlock(bytes.size()) && body_ == nullptr) {
    ASSIGN_OR_RETURN(body_, engine_.NewBody());
    if (!small_.empty()) RETURN_IF_ERROR(body_->Append(small_));
    std::string().swap(small_);
  }
  sha256_.Update(bytes);
  size_bytes_ += bytes.size();
  if (body_ != nullptr) return body_->Append(bytes);
  small_.append(bytes.data(), bytes.size());
  return absl::OkStatus();
}

void IncomingMessage::Commit(Delivery delivery, Done<Receipt> done) {
  if (body_ != nullptr) {
    engine_.AppendDelivery(std::move(delivery), std::move(body_), sha256_.Finish(), std::move(done));
  } else {
    engine_.AppendDelivery(std::move(delivery), std::move(small_), sha256_.Finish(), std::move(done));
  }
}

}  // namespace mailstead::store
