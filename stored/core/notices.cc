#include "stored/core/notices.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/mail/dsn/due.h"
#include "common/mail/dsn/notice.h"
#include "common/mail/dsn/writer.h"
#include "stored/core/digest.h"
#include "stored/rules/lane.h"

namespace mailstead::stored {
namespace {

// Delivery ids of notices, apart from those of other callers.
constexpr absl::string_view kScope = "notice";
// Of the digest that stands for a delivery in the id of its notices.
constexpr size_t kAboutBytes = 16;

dsn::NoticeRecipient RecipientOf(const engine::QueuedRecipient& recipient, const engine::QueueReply& reply, absl::Time retry_until) {
  dsn::NoticeRecipient report;
  report.address = recipient.address;
  report.original_recipient = recipient.original_recipient;
  report.status = reply.status;
  report.remote_mta = reply.host;
  if (reply.code != 0) {
    report.diagnostic = absl::StrCat(reply.code, reply.status.empty() ? "" : " ", reply.status, " ", reply.text);
  } else {
    report.explanation = reply.text;
  }
  if (reply.time != absl::InfinitePast()) report.last_attempt = reply.time;
  report.will_retry_until = retry_until;
  return report;
}

}  // namespace

Task<absl::StatusOr<std::string>> Notices::ReadBeginning(const engine::QueuedMessage& message) {
  CO_ASSIGN_OR_RETURN(const std::unique_ptr<engine::MessageReader> reader, co_await queue_.Open(message.id));
  std::string bytes;
  while (bytes.size() < dsn::kMaxReturnedBytes) {
    CO_ASSIGN_OR_RETURN(const std::string piece, co_await reader->Read(static_cast<int64_t>(bytes.size()),
                                                                       dsn::kMaxReturnedBytes - bytes.size()));
    if (piece.empty()) break;
    bytes += piece;
  }
  co_return bytes;
}

Task<absl::StatusOr<std::optional<engine::NewNotice>>> Notices::Make(const engine::QueuedMessage& message,
                                                                     Notice wanted) {
  std::vector<dsn::Outcome> outcomes;
  for (const Notice::Recipient& told : wanted.recipients) {
    outcomes.push_back({.kind = wanted.kind, .notify = told.recipient->notify});
  }
  const std::vector<dsn::DueNotice> due = dsn::NoticesDue(message.envelope.reverse_path, outcomes);
  if (due.empty()) co_return std::nullopt;
  CO_ASSIGN_OR_RETURN(const std::string beginning, co_await ReadBeginning(message));

  dsn::Notice notice;
  notice.kind = due.front().kind;
  notice.envelope = message.envelope;
  for (const size_t place : due.front().recipients) {
    const Notice::Recipient& told = wanted.recipients[place];
    notice.recipients.push_back(RecipientOf(*told.recipient, told.reply, message.expire_time));
  }
  notice.original = {beginning, static_cast<int64_t>(beginning.size()) == message.size_bytes};
  notice.arrival = message.queue_time;
  notice.id = std::move(wanted.delivery_id);
  CO_ASSIGN_OR_RETURN(engine::NewNotice ready, co_await Write(std::move(notice)));
  co_return std::move(ready);
}

Task<absl::StatusOr<std::vector<engine::NewNotice>>> Notices::MakeForArrival(ArrivalNotice arrival) {
  std::vector<dsn::Outcome> outcomes;
  for (const ArrivalNotice::Recipient& told : arrival.recipients) {
    const EnvelopeRecipient& recipient = arrival.envelope.recipients[static_cast<size_t>(told.index)];
    outcomes.push_back({.kind = told.kind, .notify = recipient.notify});
  }
  const std::string about = absl::BytesToHexString(
      Sha256(absl::StrCat(arrival.delivery_scope, "\n", arrival.envelope.delivery_id)).substr(0, kAboutBytes));
  std::vector<engine::NewNotice> notices;
  for (const dsn::DueNotice& due : dsn::NoticesDue(arrival.envelope.reverse_path, outcomes)) {
    dsn::Notice notice;
    notice.kind = due.kind;
    notice.envelope = arrival.envelope;
    std::vector<size_t> copies;
    for (const size_t place : due.recipients) {
      const ArrivalNotice::Recipient& told = arrival.recipients[place];
      const EnvelopeRecipient& recipient = arrival.envelope.recipients[static_cast<size_t>(told.index)];
      dsn::NoticeRecipient& report = notice.recipients.emplace_back();
      report.address = told.address;
      report.original_recipient = recipient.original_recipient;
      // RFC 3463 sections 3.1 and 3.2: an address that is good; sent on to what a list leads to.
      report.status = due.kind == dsn::NoticeKind::kExpanded ? "2.2.4" : "2.1.5";
      if (due.kind == dsn::NoticeKind::kDelivered) copies.push_back(told.copy);
    }
    notice.original = {arrival.beginning, arrival.is_whole};
    notice.arrival = arrival.time;
    notice.id = absl::StrCat("notice-", dsn::NoticeKindName(due.kind), "-", about, "-", notices.size());
    CO_ASSIGN_OR_RETURN(engine::NewNotice ready, co_await Write(std::move(notice)));
    ready.copies = std::move(copies);
    notices.push_back(std::move(ready));
  }
  co_return notices;
}

Task<absl::StatusOr<engine::NewNotice>> Notices::Write(dsn::Notice notice) {
  notice.reporting_mta = host_name_;
  notice.from = absl::StrCat("MAILER-DAEMON@", host_name_);
  notice.now = intake_.clock.Now();
  dsn::WrittenNotice written = dsn::Write(notice);

  Intake intake(intake_, std::string(kScope), Promise::kGiven);
  intake.AllowRelay();
  intake.SetLane(std::string(rules::kNoticeLane));
  intake.KeepWhole();
  written.envelope.delivery_id = std::move(notice.id);
  CO_RETURN_IF_ERROR(co_await intake.Begin(std::move(written.envelope)));
  CO_RETURN_IF_ERROR(co_await intake.Append(std::move(written.content)));
  CO_ASSIGN_OR_RETURN(engine::NewNotice ready, co_await intake.Prepare());
  // There is nobody whom a repeat could find a mailbox for.
  if (!ready.message.refusal.ok()) co_return ready.message.refusal;
  co_return ready;
}

}  // namespace mailstead::stored
