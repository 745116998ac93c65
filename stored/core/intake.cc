#include "stored/core/intake.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/mail/dsn/notice.h"
#include "common/mail/dsn/report.h"
#include "common/mail/trace.h"
#include "common/store/limits.h"
#include "common/text/utf8.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/core/notices.h"
#include "stored/core/offload.h"
#include "stored/rules/lane.h"
#include "stored/rules/new_message.h"
#include "stored/rules/queue.h"
#include "stored/rules/submission.h"

namespace mailstead::stored {
namespace {

std::string RecipientField(size_t index) { return absl::StrCat("envelope.recipients[", index, "]"); }

bool IsAscii(absl::string_view text) { return absl::c_all_of(text, absl::ascii_isascii); }

// As ENVID gives it (RFC 3461 section 4.4): printable ASCII.
bool IsEnvelopeId(absl::string_view text) {
  return text.size() <= kMaxDsnEnvidBytes && IsAscii(text) && !HasControlCharacter(text);
}

// As ORCPT gives it (RFC 3461 section 4.2): addr-type;address, printable ASCII, or UTF-8 with the type of RFC 6533 section 3.
bool IsOriginalRecipient(absl::string_view text) {
  const size_t semicolon = text.find(';');
  if (semicolon == absl::string_view::npos || text.size() > kMaxDsnOrcptBytes) return false;
  const absl::string_view type = text.substr(0, semicolon);
  const absl::string_view address = text.substr(semicolon + 1);
  if (type.empty() || address.empty() || HasControlCharacter(address)) return false;
  if (!absl::c_all_of(type, [](char c) { return absl::ascii_isalnum(c) || c == '-'; })) return false;
  return absl::EqualsIgnoreCase(type, "utf-8") ? IsValidUtf8(address) : IsAscii(address);
}

absl::Status CheckRecipient(const EnvelopeRecipient& recipient, const std::string& field) {
  if (!IsPostmaster(recipient.address)) {
    const absl::Status parsed = ParseAddress(recipient.address).status();
    if (!parsed.ok()) return FieldError(absl::StrCat(field, ".address"), parsed.message());
  }
  const std::string& original = recipient.original_recipient;
  if (!original.empty() && !IsOriginalRecipient(original)) {
    return FieldError(absl::StrCat(field, ".dsn_original_recipient"),
                      "must be addr-type;address of at most 500 printable characters");
  }
  return absl::OkStatus();
}

absl::Status TooLarge(absl::string_view what) {
  return WithReason(absl::ResourceExhaustedError(what), kReasonTooLarge);
}

absl::Status TooManyMailboxes(absl::string_view what) {
  return WithReason(absl::ResourceExhaustedError(what), kReasonTooManyMailboxes);
}

// RFC 5321 section 2.3.8.
absl::Status BareLineEnd() {
  return WithReason(FieldError("content", "must have lines that end with CRLF, and no CR or LF elsewhere"),
                    kReasonBareLineEnd);
}

absl::Status RecipientError(absl::Status status, absl::string_view reason, size_t index) {
  return WithField(WithReason(std::move(status), reason), absl::StrCat(RecipientField(index), ".address"));
}

// Whether mail for an address goes somewhere: RefusalOf, but that the engine judges quotas.
absl::Status CheckDestination(const Resolution& resolution, Promise promise, bool may_relay,
                              const std::string& address) {
  switch (resolution.outcome) {
    case Resolution::Outcome::kOverQuota:
    case Resolution::Outcome::kQuotaTooSmall:
      return absl::OkStatus();
    case Resolution::Outcome::kDisabled:
      // It was not when the sender was told that its mail is taken.
      if (promise == Promise::kGiven) return absl::OkStatus();
      break;
    default:
      break;
  }
  return RefusalOf(resolution, address, may_relay);
}

bool HasAsciiAddresses(const Envelope& envelope) {
  return IsAscii(envelope.reverse_path) &&
         absl::c_all_of(envelope.recipients, [](const EnvelopeRecipient& to) { return IsAscii(to.address); });
}

// Under what mail for the address waits for its host.
absl::StatusOr<std::string> DestinationOf(const Address& address) { return NormalizeDomain(address.domain); }

// Whether it is for several: of whom one that is full may wait while others get it.
bool IsExpanded(const Resolution& resolution) {
  return resolution.accounts.size() + resolution.remote.size() > 1;
}

// As addresses are compared.
std::string KeyOf(const std::string& address) {
  const absl::StatusOr<DirectoryAddress> checked = CheckAddress("address", address);
  return checked.ok() ? checked->key : address;
}

// As a field has it: with quotes, where a local part needs them and came without (address.h). The null reverse-path and
// "postmaster" are what they are.
std::string InField(const std::string& address) {
  const absl::StatusOr<Address> parsed = ParseAddress(address);
  return parsed.ok() ? parsed->ToString() : address;
}

// Makes the fields in front of each copy.
class Prefixes {
 public:
  explicit Prefixes(const Envelope& envelope)
      : envelope_(envelope),
        return_path_(absl::StrCat("Return-Path: <", InField(envelope.reverse_path), ">\r\n")),
        keys_(envelope.recipients.size()) {}

  std::string Make(const std::string& account_address, const std::vector<int32_t>& recipients) {
    std::string prefix = absl::StrCat(return_path_, "Delivered-To: ", account_address, "\r\n");
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
      absl::StrAppend(&prefix, "X-Original-To: ", InField(address), "\r\n");
    }
    return prefix;
  }

 private:
  const Envelope& envelope_;
  const std::string return_path_;
  // By recipient; empty: not made yet.
  std::vector<std::string> keys_;
};

}  // namespace

std::string DomainOf(absl::string_view address) {
  const absl::StatusOr<Address> parsed = ParseAddress(address);
  if (!parsed.ok()) return "";
  return DestinationOf(*parsed).value_or("");
}

absl::Status RefusalOf(const Resolution& resolution, absl::string_view address, bool may_relay) {
  switch (resolution.outcome) {
    case Resolution::Outcome::kAccount:
    case Resolution::Outcome::kAlias:
      return absl::OkStatus();
    case Resolution::Outcome::kRemote:
      if (may_relay) return absl::OkStatus();
      return WithReason(absl::FailedPreconditionError(absl::StrCat(address, " is not of a domain here")),
                        kReasonRecipientRemote);
    case Resolution::Outcome::kSrsForged:
    case Resolution::Outcome::kSrsExpired:
    case Resolution::Outcome::kUnknown:
      return WithReason(absl::NotFoundError(absl::StrCat("there is no mailbox ", address)),
                        kReasonRecipientUnknown);
    case Resolution::Outcome::kDisabled:
      return WithReason(absl::NotFoundError(absl::StrCat("the mailbox ", address, " is disabled")),
                        kReasonRecipientDisabled);
    case Resolution::Outcome::kOverQuota:
      return rules::NoRoom(address);
    case Resolution::Outcome::kQuotaTooSmall:
      return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                            "the message is larger than the whole quota of the mailbox of ", address)),
                        kReasonQuotaTooSmall);
  }
  CHECK(false);
}

void RecipientErrors::Add(size_t index, absl::Status refusal) {
  violations_.push_back(
      {absl::StrCat(RecipientField(index), ".address"), std::string(refusal.message()), ReasonOf(refusal)});
  if (first_.ok()) first_ = std::move(refusal);
}

absl::Status RecipientErrors::Result() const {
  if (violations_.empty()) return absl::OkStatus();
  absl::Status result = first_;
  if (violations_.size() > 1) {
    result = WithReason(absl::Status(first_.code(), absl::StrCat(first_.message(), " (and ",
                                                                 violations_.size() - 1, " more)")),
                        ReasonOf(first_));
  }
  return WithViolations(std::move(result), violations_);
}

absl::Status CheckLines(const LineCheck& lines) {
  if (lines.saw_bare_line_end()) return BareLineEnd();
  if (lines.saw_nul()) return WithReason(FieldError("content", "must not have a NUL character"), kReasonNul);
  return absl::OkStatus();
}

absl::Status LineTooLong(uint64_t line) {
  return WithReason(
      FieldError("content", absl::StrCat("line ", line, " is longer than ", kMaxMessageLineBytes, " octets")),
      kReasonLineTooLong);
}

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
  Violations violations;
  for (size_t i = 0; i < envelope.recipients.size(); ++i) {
    violations.Add(CheckRecipient(envelope.recipients[i], RecipientField(i)));
  }
  RETURN_IF_ERROR(violations.Result());
  if (!IsEnvelopeId(envelope.dsn_envelope_id)) {
    return FieldError("envelope.dsn_envelope_id", "must be at most 100 printable ASCII characters");
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
  // RFC 6531 section 3.4: only with SMTPUTF8 such addresses go on.
  envelope_.smtputf8 = envelope_.smtputf8 || !HasAsciiAddresses(envelope_);
  absl::Status resolved = co_await Resolve();
  const bool of_recipient = absl::IsNotFound(resolved) || absl::IsFailedPrecondition(resolved);
  if (promise_ == Promise::kGiven && of_recipient) {
    // This may be the repeat of a delivery that was stored while the recipient was there.
    refusal_ = std::exchange(resolved, absl::OkStatus());
    destinations_.clear();
    queued_.clear();
    successes_.clear();
  }
  co_return resolved;
}

void Intake::AddMailbox(AccountId account, int32_t recipient, bool may_wait) {
  const auto [place, is_new] = places_.try_emplace(account, destinations_.size());
  if (is_new) destinations_.push_back({account, {}});
  Destination& destination = destinations_[place->second];
  destination.may_wait = destination.may_wait && may_wait;
  if (destination.recipients.empty() || destination.recipients.back() != recipient) {
    destination.recipients.push_back(recipient);
  }
}

// Each address at another host once, however many recipients lead there.
Task<absl::StatusOr<AccountId>> Intake::SendOn(const Resolution& resolution, int32_t recipient) {
  const bool expanded = IsExpanded(resolution);
  AccountId kept_in;
  for (const std::string& address : resolution.remote) {
    CO_ASSIGN_OR_RETURN(const Address parsed, ParseAddress(address));
    CO_ASSIGN_OR_RETURN(std::string destination, DestinationOf(parsed));
    if (context_.routes != nullptr) {
      CO_ASSIGN_OR_RETURN(const AccountId mailbox, co_await context_.routes->MailboxFor(
                                                       destination, DomainOf(envelope_.reverse_path)));
      if (mailbox.value != 0) {
        CO_ASSIGN_OR_RETURN(const std::string there, co_await context_.recipients.AddressOf(mailbox));
        // One that has gone since the route was set keeps nothing: the mail waits until an operator sees to it.
        if (!there.empty()) {
          AddMailbox(mailbox, recipient, expanded);
          if (kept_in.value == 0) kept_in = mailbox;
          continue;
        }
      }
    }
    CO_ASSIGN_OR_RETURN(std::string key, parsed.Normalized());
    if (queued_addresses_.insert(std::move(key)).second) {
      queued_.push_back({recipient, address, std::move(destination), expanded});
    }
  }
  co_return kept_in;
}

// RFC 3461 section 5.2.7.3: what leads to several is told of as expanded, and then of none of them.
Task<absl::Status> Intake::NoteSuccess(const Resolution& resolution, AccountId kept_in, int32_t recipient) {
  const EnvelopeRecipient& named = envelope_.recipients[static_cast<size_t>(recipient)];
  if (context_.notices == nullptr || !named.notify.success || envelope_.reverse_path.empty()) {
    co_return absl::OkStatus();
  }
  // Nothing has happened yet that could be told.
  if (not_before_ != absl::InfinitePast()) co_return absl::OkStatus();
  if (IsExpanded(resolution)) {
    successes_.push_back({recipient, AccountId{0}, named.address});
    co_return absl::OkStatus();
  }
  if (resolution.accounts.empty()) {
    // What goes to another host is told of when it is there.
    if (kept_in.value != 0) successes_.push_back({recipient, kept_in, resolution.remote.front()});
    co_return absl::OkStatus();
  }
  const AccountId account = resolution.accounts.front();
  std::string address = named.address;
  if (resolution.outcome == Resolution::Outcome::kAlias) {
    CO_ASSIGN_OR_RETURN(address, co_await context_.recipients.AddressOf(account));
  }
  successes_.push_back({recipient, account, std::move(address)});
  co_return absl::OkStatus();
}

Task<absl::Status> Intake::ResolveOne(size_t index) {
  const EnvelopeRecipient& recipient = envelope_.recipients[index];
  const int32_t number = static_cast<int32_t>(index);
  CO_ASSIGN_OR_RETURN(Resolution resolution,
                      co_await context_.recipients.ResolveDestinations(recipient.address));
  absl::Status there = CheckDestination(resolution, promise_, may_relay_, recipient.address);
  if (promise_ == Promise::kGiven && absl::IsNotFound(there)) {
    if (gone_.empty())
      why_gone_ = WithField(std::move(there), absl::StrCat(RecipientField(index), ".address"));
    gone_.push_back(number);
    co_return absl::OkStatus();
  }
  CO_RETURN_IF_ERROR(there);
  // SECURITY: many recipients that lead to the same long list are recipients times mailboxes, and strangers choose both.
  const size_t copy_count = resolution.accounts.size() + resolution.remote.size();
  kept_bytes_ += KeptBytes(recipient) * static_cast<int64_t>(copy_count);
  if (kept_bytes_ > store::kMaxKeptRecipientBytes) {
    co_return TooManyMailboxes("too many recipients lead to the same mailboxes");
  }
  for (const AccountId account : resolution.accounts) AddMailbox(account, number, IsExpanded(resolution));
  CO_ASSIGN_OR_RETURN(const AccountId kept_in, co_await SendOn(resolution, number));
  CO_RETURN_IF_ERROR(co_await NoteSuccess(resolution, kept_in, number));
  if (destinations_.size() + queued_.size() > static_cast<size_t>(store::kMaxDeliveryMailboxes)) {
    co_return TooManyMailboxes("the recipients are more than 50000 mailboxes");
  }
  const bool is_passed_over =
      resolution.outcome != Resolution::Outcome::kDisabled && !resolution.passed_over.empty();
  if (is_passed_over) passed_over_.push_back({recipient.address, std::move(resolution.passed_over)});
  co_return absl::OkStatus();
}

Task<absl::Status> Intake::Resolve() {
  RecipientErrors refused;
  for (size_t i = 0; i < envelope_.recipients.size(); ++i) {
    absl::Status resolved = co_await ResolveOne(i);
    const bool is_refusal = absl::IsNotFound(resolved) || absl::IsFailedPrecondition(resolved);
    if (is_refusal) {
      refused.Add(i, std::move(resolved));
    } else if (!resolved.ok()) {
      co_return resolved;
    }
  }
  if (!refused.empty()) co_return refused.Result();
  if (gone_.empty()) co_return absl::OkStatus();
  // Nobody is left who takes it: the sender can still be told so.
  if (destinations_.empty() && queued_.empty()) co_return why_gone_;
  for (const int32_t recipient : gone_) {
    queued_.push_back({recipient, envelope_.recipients[static_cast<size_t>(recipient)].address,
                       rules::MailboxDestination(AccountId{0})});
  }
  co_return absl::OkStatus();
}

std::vector<std::string> Intake::Elsewhere() const {
  std::vector<std::string> addresses;
  for (const engine::NewQueuedRecipient& queued : queued_) {
    if (!rules::MailboxOf(queued.destination).has_value()) addresses.push_back(queued.address);
  }
  return addresses;
}

absl::Status Intake::CheckContent(absl::string_view bytes) {
  lines_.Feed(bytes);
  if (limits_lines_ && !queued_.empty()) line_lengths_.Feed(bytes);
  RETURN_IF_ERROR(CheckLines(lines_));
  if (!first_line_ended_) {
    const size_t line_end = bytes.find('\n');
    first_line_ended_ = line_end != absl::string_view::npos;
    beginning_.Feed(first_line_ended_ ? bytes.substr(0, line_end + 1) : bytes);
  }
  return absl::OkStatus();
}

Task<absl::Status> Intake::Hash(const std::string& bytes) {
  if (bytes.size() <= kMaxHashedAtOnceBytes) {
    sha256_.Update(bytes);
    digest_.Feed(bytes);
    co_return absl::OkStatus();
  }
  const auto hash = [this, &bytes] {
    sha256_.Update(bytes);
    digest_.Feed(bytes);
    return true;
  };
  co_return (co_await Offload(context_.pool, context_.executor, hash)).status();
}

Task<absl::Status> Intake::Append(std::string bytes) {
  const int64_t size = static_cast<int64_t>(bytes.size());
  if (size > context_.max_message_bytes - size_bytes_) {
    co_return TooLarge(absl::StrCat("a message may have ", context_.max_message_bytes, " bytes"));
  }
  CO_RETURN_IF_ERROR(CheckContent(bytes));
  CO_RETURN_IF_ERROR(co_await Hash(bytes));
  size_bytes_ += size;
  const size_t kept_bytes = !successes_.empty() ? dsn::kMaxReturnedBytes
                            : MayReport()       ? dsn::kMaxReportBytes
                                                : 0;
  if (beginning_bytes_.size() < kept_bytes)
    beginning_bytes_.append(bytes, 0, kept_bytes - beginning_bytes_.size());
  const bool is_small = size_bytes_ <= static_cast<int64_t>(store::kWholeMessageBytes);
  if (content_.staged == nullptr && (is_small || keep_whole_)) {
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
    copy.prefix = prefixes.Make(address, destination.recipients);
    copy.recipients = std::move(destination.recipients);
    copy.may_wait = destination.may_wait;
    copy.address = address;
    copies.push_back(std::move(copy));
  }
  co_return copies;
}

Task<absl::StatusOr<std::vector<engine::NewNotice>>> Intake::MakeNotices(std::string trace, absl::Time time,
                                                                         std::vector<size_t> waiting,
                                                                         absl::Status& dropped) {
  ArrivalNotice arrival;
  for (const Success& success : successes_) {
    const bool delivered = success.account.value != 0;
    const size_t copy = delivered ? places_.at(success.account) : 0;
    if (delivered && absl::c_binary_search(waiting, copy)) continue;
    arrival.recipients.push_back({success.recipient,
                                  delivered ? dsn::NoticeKind::kDelivered : dsn::NoticeKind::kExpanded,
                                  success.address, copy});
  }
  std::vector<engine::NewNotice> notices;
  if (arrival.recipients.empty()) co_return notices;
  arrival.envelope = envelope_;
  arrival.delivery_scope = scope_;
  arrival.time = time;
  arrival.is_whole = size_bytes_ == static_cast<int64_t>(beginning_bytes_.size());
  arrival.beginning = absl::StrCat(trace, beginning_bytes_);
  auto made = co_await context_.notices->MakeForArrival(std::move(arrival));
  if (made.ok()) co_return *std::move(made);
  if (IsTemporary(made.status())) co_return std::move(made).status();
  // Its mail is taken, though nobody takes an answer.
  dropped = std::move(made).status();
  co_return notices;
}

Task<absl::Status> Intake::TellAnew(std::string trace, Taken& taken) {
  CO_ASSIGN_OR_RETURN(std::vector<engine::NewNotice> notices,
                      co_await MakeNotices(std::move(trace), taken.receipt.deliver_time,
                                           taken.receipt.waiting, taken.notice_dropped));
  for (engine::NewNotice& notice : notices) {
    engine::Content content;
    content.whole = std::move(notice.content);
    std::vector<engine::NewNotice> none;
    // Those that were stored with it are there.
    CO_RETURN_IF_ERROR(
        (co_await context_.engine.Append(std::move(notice.message), std::move(content), std::move(none)))
            .status());
  }
  co_return absl::OkStatus();
}

// The content is all there: what its end and its beginning need is added.
Task<absl::Status> Intake::End(std::string& trace) {
  CO_RETURN_IF_ERROR(CheckTrace(trace));
  // RFC 5322 section 3.6: a message has fields.
  if (size_bytes_ == 0 && trace.empty()) {
    co_return WithReason(FieldError("content", "must not be empty"), kReasonEmptyMessage);
  }
  lines_.Finish();
  if (lines_.saw_bare_line_end()) co_return BareLineEnd();
  if (!lines_.at_line_start()) CO_RETURN_IF_ERROR(co_await Append("\r\n"));
  beginning_.Finish();
  EndTrace(beginning_, trace);
  co_return absl::OkStatus();
}

Task<absl::StatusOr<engine::NewMessage>> Intake::MakeMessage(std::string trace) {
  engine::NewMessage message;
  CO_ASSIGN_OR_RETURN(message.copies, co_await MakeCopies());
  message.delivery_scope = scope_;
  message.envelope = envelope_;
  message.searched = digest_.Finish(trace);
  message.trace = std::move(trace);
  message.sha256 = sha256_.Finish();
  message.fingerprint =
      submission_ == nullptr ? DeliveryFingerprint(message.sha256, envelope_) : fingerprint_;
  message.submission = submission_;
  message.deliver_time = context_.clock.Now();
  message.room_promised = promise_ == Promise::kGiven;
  message.retention = retention_;
  message.refusal = refusal_;
  // It may have been stored while all of it stayed here.
  if (line_lengths_.long_line() != 0) message.refusal = LineTooLong(line_lengths_.long_line());
  // Also where nothing is to go there yet: a copy may have to wait.
  message.queued.recipients = std::move(queued_);
  message.queued.lane = lane_.empty() ? DomainOf(envelope_.reverse_path) : lane_;
  if (by_operator_) message.queued.lane = rules::OperatorLane(message.queued.lane);
  message.queued.not_before = not_before_;
  const absl::Time begin_time = std::max(message.deliver_time, not_before_);
  message.queued.expire_time = begin_time + context_.queue_lifetime;
  message.queued.delay_notice_time = begin_time + context_.delay_notice_after;
  co_return message;
}

Task<absl::StatusOr<engine::NewNotice>> Intake::Prepare() {
  CHECK(keep_whole_);
  std::string trace;
  CO_RETURN_IF_ERROR(co_await End(trace));
  engine::NewNotice notice;
  CO_ASSIGN_OR_RETURN(notice.message, co_await MakeMessage(std::move(trace)));
  notice.content = std::move(content_.whole);
  co_return notice;
}

bool Intake::MayReport() const {
  // A notification goes to who sent the mail: one mailbox, rarely more.
  constexpr size_t kMostMailboxes = 4;
  return context_.submissions != nullptr && envelope_.reverse_path.empty() && !keep_whole_ &&
         !destinations_.empty() && destinations_.size() <= kMostMailboxes;
}

Task<absl::Status> Intake::NoteReport() {
  const std::optional<dsn::Report> report = dsn::ParseReport(beginning_bytes_);
  if (!report.has_value()) co_return absl::OkStatus();
  engine::SubmissionReport said;
  said.id = report->envelope_id;
  said.message_id = report->message_id;
  for (const dsn::ReportedRecipient& recipient : report->recipients) {
    if (recipient.action == dsn::ReportedRecipient::Action::kOther) continue;
    engine::SubmissionBounce bounce;
    bounce.action = recipient.action == dsn::ReportedRecipient::Action::kFailed
                        ? engine::SubmissionBounce::Action::kFailed
                        : engine::SubmissionBounce::Action::kDelayed;
    bounce.status = recipient.status;
    bounce.text = recipient.diagnostic;
    bounce.reporting_host = report->reporting_mta;
    bounce.time = context_.clock.Now();
    for (const std::string& address : {recipient.final_recipient, recipient.original_recipient}) {
      if (!address.empty()) said.recipients.push_back({rules::ReportedName(address), bounce});
    }
  }
  if (said.recipients.empty()) co_return absl::OkStatus();
  for (const Destination& destination : destinations_) {
    engine::SubmissionReport of_mailbox = said;
    of_mailbox.account = destination.account;
    CO_RETURN_IF_ERROR((co_await context_.submissions->NoteReport(std::move(of_mailbox))).status());
  }
  co_return absl::OkStatus();
}

Task<absl::StatusOr<Taken>> Intake::Finish(std::string trace) {
  CO_RETURN_IF_ERROR(co_await End(trace));
  // Most senders ask for nothing.
  const std::string told_trace = successes_.empty() ? "" : trace;
  CO_ASSIGN_OR_RETURN(engine::NewMessage message, co_await MakeMessage(std::move(trace)));
  Taken taken;
  taken.delivery_id = envelope_.delivery_id;
  std::vector<engine::NewNotice> notices;
  if (!successes_.empty()) {
    std::vector<size_t> none_waits;
    CO_ASSIGN_OR_RETURN(notices, co_await MakeNotices(told_trace, message.deliver_time, std::move(none_waits),
                                                      taken.notice_dropped));
  }
  taken.mailbox_count = static_cast<int64_t>(message.copies.size());
  taken.queued_count = static_cast<int64_t>(message.queued.recipients.size());
  absl::StatusOr<engine::Receipt> receipt =
      co_await context_.engine.Append(std::move(message), std::move(content_), std::move(notices));
  if (absl::IsNotFound(receipt.status()) && refusal_.ok()) {
    co_return RecipientError(receipt.status(), kReasonRecipientUnknown, std::max(recipient_gone_, 0));
  }
  if (!receipt.ok()) co_return std::move(receipt).status();
  taken.receipt = *std::move(receipt);
  const int64_t waiting_count = static_cast<int64_t>(taken.receipt.waiting.size());
  taken.mailbox_count -= waiting_count;
  taken.queued_count += waiting_count;
  // Also of a repeat: the first may have got no further than to store it.
  if (MayReport()) taken.report_dropped = co_await NoteReport();
  if (taken.receipt.already_stored) co_return taken;
  taken.passed_over = std::move(passed_over_);
  if (!taken.receipt.notices_left_out.empty()) {
    // The message is stored, whatever becomes of its notices.
    absl::Status told = co_await TellAnew(told_trace, taken);
    if (!told.ok()) taken.notice_dropped = std::move(told);
  }
  co_return taken;
}

}  // namespace mailstead::stored
