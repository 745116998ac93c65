#include <string>

#include "common/base/check.h"
#include "stored/engine/rocksdb/records.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

// Whatever decodes is written and read again as the same record: what is compared is the second writing, as the bytes
// given may have been a longer form of the same numbers.
template <typename Record>
void Check(absl::string_view bytes) {
  Record record;
  const absl::Status status = engine::Decode(bytes, record);
  if (!status.ok()) {
    CHECK(absl::IsDataLoss(status));
    return;
  }
  const std::string written = engine::Encode(record);
  // An earlier record gets the fields that it lacks.
  CHECK(written.size() <= bytes.size() || bytes[0] != written[0]);
  Record again;
  CHECK(engine::Decode(written, again).ok());
  CHECK(engine::Encode(again) == written);
}

// A listing shows what the whole record would.
void CheckListed(absl::string_view bytes) {
  engine::MessageRecord record;
  if (!engine::Decode(bytes, record).ok()) return;
  engine::MaildropEntry listed;
  CHECK(engine::DecodeListed(bytes, listed).ok());
  CHECK(listed.unique_id == record.entry.unique_id);
  CHECK(listed.size_bytes == record.entry.size_bytes() + (record.entry.unfinished ? 2 : 0));
}

}  // namespace

void Run(absl::string_view input) {
  Check<engine::Domain>(input);
  Check<engine::Account>(input);
  Check<engine::Alias>(input);
  Check<engine::Route>(input);
  Check<engine::DkimRecord>(input);
  Check<engine::Webhook>(input);
  Check<engine::WebhookProgress>(input);
  Check<engine::WebhookEvent>(input);
  Check<engine::SrsSecret>(input);
  Check<engine::SrsSender>(input);
  Check<engine::SendingSettings>(input);
  Check<engine::SendingUse>(input);
  Check<engine::Counters>(input);
  Check<rules::Mailbox>(input);
  Check<engine::Removal>(input);
  Check<engine::MessageRecord>(input);
  Check<engine::BodyRef>(input);
  Check<rules::KeptReceipt>(input);
  Check<rules::Lease>(input);
  Check<rules::Lock>(input);
  Check<engine::QueuedRecord>(input);
  Check<rules::QueueRecipient>(input);
  Check<engine::DestinationRecord>(input);
  Check<engine::SiteRecord>(input);
  Check<engine::WaitingRecord>(input);
  Check<engine::AttemptRecord>(input);
  Check<engine::TlsReport>(input);
  Check<engine::TlsReportCount>(input);
  Check<engine::StsPolicy>(input);
  Check<engine::StsCount>(input);
  Check<engine::Submission>(input);
  Check<engine::SubmissionOutcome>(input);
  Check<engine::SubmissionCount>(input);
  Check<engine::ChangeRecord>(input);
  Check<engine::FeedRecord>(input);
  Check<engine::FeedBegin>(input);
  Check<engine::GoneAccount>(input);
  Check<engine::FeedConsumer>(input);
  CheckListed(input);
}

}  // namespace mailstead::fuzz
