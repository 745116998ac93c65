#include "stored/engine/rocksdb/records.h"

#include <string>

#include "common/base/check.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

// Whatever decodes is written and read again as the same record: what is compared is the second writing, as the bytes
// given may have been a longer form of the same numbers.
template <typename Record>
void Check(absl::string_view bytes) {
  Record record;
  const absl::Status status = store::Decode(bytes, record);
  if (!status.ok()) {
    CHECK(absl::IsDataLoss(status));
    return;
  }
  const std::string written = store::Encode(record);
  CHECK(written.size() <= bytes.size());
  Record again;
  CHECK(store::Decode(written, again).ok());
  CHECK(store::Encode(again) == written);
}

}  // namespace

void Run(absl::string_view input) {
  Check<store::Domain>(input);
  Check<store::Account>(input);
  Check<store::Alias>(input);
  Check<store::Counters>(input);
  Check<store::MailboxRecord>(input);
  Check<store::MessageRecord>(input);
  Check<store::BodyRef>(input);
  Check<store::ReceiptRecord>(input);
  Check<store::LeaseRecord>(input);
  Check<store::LockRecord>(input);
}

}  // namespace mailstead::fuzz
