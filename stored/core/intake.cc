#include "stored/core/intake.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/store/limits.h"
#include "common/text/utf8.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/core/offload.h"

namespace mailstead::stored {
namespace {

std::string RecipientField(size_t index) { return absl::StrCat("envelope.recipients[", index, "]"); }

bool IsText(absl::string_view text, size_t max_bytes) {
  return text.size() <= max_bytes && !HasControlCharacter(text) && IsValidUtf8(text);
}

absl::Status CheckRecipient(const EnvelopeRecipient& recipient, const std::string& field) {
  if (!IsPostmaster(recipient.address)) {
    const absl::Status parsed = ParseAddress(recipient.address).status();
    if (!parsed.ok()) return FieldError(absl::StrCat(field, ".address"), parsed.message());
  }
  const std::string& original = recipient.original_recipient;
  if (!IsText(original, kMaxDsnOrcptBytes) || (!original.empty() && !absl::StrContains(original, ';'))) {
    return FieldError(absl::StrCat(field, ".dsn_original_recipient"),
                      "must be addr-type;address of at most 500 bytes");
  }
  return absl::OkStatus();
}

absl::Status TooLarge(absl::string_view what) {
  return WithReason(absl::ResourceExhaustedError(what), kReasonTooLarge);
}

absl::Status RecipientError(absl::Status status, absl::string_view reason, size_t index) {
  return WithField(WithReason(std::move(status), reason), absl::StrCat(RecipientField(index), ".address"));
}

// Where an address leads that came without accounts.
absl::StatusOr<std::vector<AccountId>> AccountsOf(absl::StatusOr<Resolution> resolution,
                                                  const std::string& address, size_t index) {
  if (!resolution.ok()) return std::move(resolution).status();
  switch (resolution->outcome) {
    case Resolution::Outcome::kAccount:
    case Resolution::Outcome::kAlias:
    case Resolution::Outcome::kOverQuota:
      return std::move(resolution->accounts);
    case Resolution::Outcome::kRemote:
      return RecipientError(absl::FailedPreconditionError(absl::StrCat(address, " is not of a domain here")),
                            kReasonRecipientRemote, index);
    case Resolution::Outcome::kUnknown:
      return RecipientError(absl::NotFoundError(absl::StrCat("there is no mailbox ", address)),
                            kReasonRecipientUnknown, index);
    case Resolution::Outcome::kDisabled:
      return RecipientError(absl::NotFoundError(absl::StrCat("the mailbox ", address, " is disabled")),
                            kReasonRecipientDisabled, index);
  }
  CHECK(false);
}

// As addresses are compared.
std::string KeyOf(const std::string& address) {
  const absl::StatusOr<DirectoryAddress> checked = CheckAddress("address", address);
  return checked.ok() ? checked->key : address;
}

// Makes the fields in front of each copy, and counts what they come to.
class Prefixes {
 public:
  explicit Prefixes(const Envelope& envelope)
      : envelope_(envelope),
        return_path_(absl::StrCat("Return-Path: <", envelope.reverse_path, ">\r\n")),
        keys_(envelope.recipients.size()) {}

  absl::StatusOr<std::string> Make(const std::string& account_address,
                                   const std::vector<int32_t>& recipients) {
    std::string prefix = absl::StrCat(return_path_, "Delivered-To: ", account_address, "\r\n");
    const size_t own_bytes = prefix.size();
    std::string own_key;
    absl::flat_hash_set<absl::string_view> told;
    for (const int32_t index : recipients) {
      const std::string& address = envelope_.recipients[index].address;
      // Most mail goes to an account by its name: then no keys are made.
      if (absl::EqualsIgnoreCase(address, account_address)) continue;
      if (own_key.empty()) own_key = KeyOf(account_address);
      if (keys_[index].empty()) keys_[index] = KeyOf(address);
      if (keys_[index] == own_key || !told.insert(keys_[index]).second) continue;
      // SECURITY: an address that parses has no CR or LF.
      absl::StrAppend(&prefix, "X-Original-To: ", address, "\r\n");
    }
    original_to_bytes_ += prefix.size() - own_bytes;
    // SECURITY: many tags of a long list are recipients times mailboxes.
    if (original_to_bytes_ > kMaxOriginalToBytes) {
      return TooLarge("too many addresses of the envelope lead to the same mailboxes");
    }
    return prefix;
  }

 private:
  const Envelope& envelope_;
  const std::string return_path_;
  // By recipient; empty: not made yet.
  std::vector<std::string> keys_;
  size_t original_to_bytes_ = 0;
};

}  // namespace

absl::Status CheckEnvelope(const Envelope& envelope) {
  RETURN_IF_ERROR(CheckIdentifier("envelope.delivery_id", envelope.delivery_id));
  // SECURITY: the reverse-path becomes a header line. An address that parses has no CR or LF.
  if (!envelope.reverse_path.empty()) {
    const absl::Status parsed = ParseAddress(envelope.reverse_path).status();
    if (!parsed.ok()) return FieldError("envelope.reverse_path", parsed.message());
  }
  if (envelope.recipients.empty() || envelope.recipients.size() > store::kMaxEnvelopeRecipients) {
    return FieldError("envelope.recipients", "must be 1 to 10000");
  }
  for (size_t i = 0; i < envelope.recipients.size(); ++i) {
    RETURN_IF_ERROR(CheckRecipient(envelope.recipients[i], RecipientField(i)));
  }
  if (!IsText(envelope.dsn_envelope_id, kMaxDsnEnvidBytes)) {
    return FieldError("envelope.dsn_envelope_id", "must be text of at most 100 bytes");
  }
  return absl::OkStatus();
}

absl::Status CheckTrace(absl::string_view trace) {
  constexpr absl::string_view kField = "end.trace";
  if (trace.size() > kMaxTraceBytes) return FieldError(kField, "must have at most 64 KiB");
  if (trace.empty()) return absl::OkStatus();
  // The empty line in front of content that does not begin with a field.
  if (absl::EndsWith(trace, "\r\n\r\n")) trace.remove_suffix(2);
  if (!absl::EndsWith(trace, "\r\n") || absl::StartsWith(trace, "\r\n") ||
      absl::StrContains(trace, "\r\n\r\n")) {
    return FieldError(kField, "must be whole header lines");
  }
  for (size_t i = 0; i < trace.size(); ++i) {
    const bool lone_cr = trace[i] == '\r' && trace[i + 1] != '\n';
    const bool lone_lf = trace[i] == '\n' && (i == 0 || trace[i - 1] != '\r');
    if (trace[i] == '\0' || lone_cr || lone_lf)
      return FieldError(kField, "must have lines that end with CRLF");
  }
  return absl::OkStatus();
}

std::string DeliveryFingerprint(absl::string_view sha256, const Envelope& envelope) {
  std::vector<absl::string_view> addresses;
  for (const EnvelopeRecipient& recipient : envelope.recipients) addresses.push_back(recipient.address);
  std::sort(addresses.begin(), addresses.end());
  Sha256Stream stream;
  stream.Update(sha256);
  stream.Update(absl::StrCat(envelope.reverse_path, "\n"));
  for (const absl::string_view address : addresses) stream.Update(absl::StrCat(address, "\n"));
  return stream.Finish();
}

Task<absl::Status> Intake::Begin(Envelope envelope) {
  CO_RETURN_IF_ERROR(CheckEnvelope(envelope));
  // Only now: what goes to the log has been checked.
  envelope_ = std::move(envelope);
  for (size_t i = 0; i < envelope_.recipients.size(); ++i) {
    EnvelopeRecipient& recipient = envelope_.recipients[i];
    if (!recipient.accounts.empty()) continue;
    absl::StatusOr<Resolution> resolution = co_await context_.recipients.Resolve(recipient.address, 0);
    CO_ASSIGN_OR_RETURN(recipient.accounts, AccountsOf(std::move(resolution), recipient.address, i));
  }
  absl::flat_hash_map<AccountId, size_t> places;
  for (size_t i = 0; i < envelope_.recipients.size(); ++i) {
    for (const AccountId account : envelope_.recipients[i].accounts) {
      const auto [place, is_new] = places.try_emplace(account, destinations_.size());
      if (is_new) destinations_.push_back({account, {}});
      std::vector<int32_t>& recipients = destinations_[place->second].recipients;
      const auto index = static_cast<int32_t>(i);
      if (recipients.empty() || recipients.back() != index) recipients.push_back(index);
    }
    if (destinations_.size() > kMaxDeliveryMailboxes)
      co_return TooLarge("the recipients are more than 50000 mailboxes");
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Intake::Hash(const std::string& bytes) {
  if (bytes.size() <= kMaxHashedAtOnceBytes) {
    sha256_.Update(bytes);
    co_return absl::OkStatus();
  }
  const auto hash = [this, &bytes] {
    sha256_.Update(bytes);
    return true;
  };
  co_return (co_await Offload(context_.pool, context_.executor, hash)).status();
}

Task<absl::Status> Intake::Append(std::string bytes) {
  const int64_t size = static_cast<int64_t>(bytes.size());
  if (size > context_.max_message_bytes - size_bytes_) {
    co_return TooLarge(absl::StrCat("a message may have ", context_.max_message_bytes, " bytes"));
  }
  CO_RETURN_IF_ERROR(co_await Hash(bytes));
  size_bytes_ += size;
  if (content_.staged == nullptr && size_bytes_ <= static_cast<int64_t>(store::kWholeMessageBytes)) {
    if (content_.whole.empty()) {
      content_.whole = std::move(bytes);
    } else {
      content_.whole += bytes;
    }
    co_return absl::OkStatus();
  }
  if (content_.staged == nullptr) {
    CO_ASSIGN_OR_RETURN(content_.staged, co_await context_.engine.NewBody());
    std::string begun = std::exchange(content_.whole, std::string());
    if (!begun.empty()) CO_RETURN_IF_ERROR(co_await content_.staged->Append(std::move(begun)));
  }
  co_return co_await content_.staged->Append(std::move(bytes));
}

Task<absl::StatusOr<std::vector<engine::NewCopy>>> Intake::MakeCopies() {
  Prefixes prefixes(envelope_);
  std::vector<engine::NewCopy> copies;
  copies.reserve(destinations_.size());
  for (Destination& destination : destinations_) {
    CO_ASSIGN_OR_RETURN(const std::string address,
                        co_await context_.recipients.AddressOf(destination.account));
    // The engine decides: this delivery may have been stored while the account was there.
    if (address.empty() && recipient_gone_ < 0) recipient_gone_ = destination.recipients.front();
    engine::NewCopy copy;
    copy.account = destination.account;
    CO_ASSIGN_OR_RETURN(copy.prefix, prefixes.Make(address, destination.recipients));
    copy.recipients = std::move(destination.recipients);
    copies.push_back(std::move(copy));
  }
  co_return copies;
}

Task<absl::StatusOr<Taken>> Intake::Finish(std::string trace) {
  CO_RETURN_IF_ERROR(CheckTrace(trace));
  engine::NewMessage message;
  CO_ASSIGN_OR_RETURN(message.copies, co_await MakeCopies());
  message.delivery_scope = scope_;
  message.envelope = envelope_;
  message.trace = std::move(trace);
  message.sha256 = sha256_.Finish();
  message.fingerprint = DeliveryFingerprint(message.sha256, envelope_);
  message.deliver_time = context_.clock.Now();
  Taken taken;
  taken.delivery_id = envelope_.delivery_id;
  taken.mailbox_count = static_cast<int64_t>(message.copies.size());
  absl::StatusOr<engine::Receipt> receipt =
      co_await context_.engine.Append(std::move(message), std::move(content_));
  if (absl::IsNotFound(receipt.status())) {
    co_return RecipientError(receipt.status(), kReasonRecipientUnknown, std::max(recipient_gone_, 0));
  }
  if (!receipt.ok()) co_return std::move(receipt).status();
  taken.receipt = *std::move(receipt);
  co_return taken;
}

}  // namespace mailstead::stored
