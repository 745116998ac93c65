// The trash: messages that were deleted and may be restored, in a family of their own (rules/trash.h).
//
// A message there keeps its id, its record and its reference to the body; only mailbox and store do not count it any more.
// So deleting it and bringing it back move two records, and touch no body. A second key has it under its domain, by the time
// of its deletion: so what is to be freed is found without a walk over all, whatever window the domain has by then.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stored/engine/rocksdb/database.h"
#include "stored/engine/rocksdb/records.h"
#include "stored/engine/rocksdb/writer.h"
#include "stored/rules/trash.h"

namespace mailstead::engine {

// The undelete windows of domains, each looked up once.
class UndeleteWindows {
 public:
  // `source` outlives it.
  explicit UndeleteWindows(const Source& source) : source_(source) {}
  // 0 where there is no such domain.
  absl::StatusOr<absl::Duration> Of(const std::string& domain);
  absl::StatusOr<bool> IsRestorable(const rules::Deletion& deletion, absl::Time now);

 private:
  const Source& source_;
  std::map<std::string, absl::Duration> windows_;
};

// What is kept of a deletion that a commit makes in a mailbox. Its domain is empty where nothing is to be kept.
absl::StatusOr<rules::Deletion> DeletionIn(const Source& source, AccountId account, DeletionCause cause,
                                           absl::Time now);

// Within a commit that takes the message out of its mailbox.
void PutIntoTrash(Batch& batch, AccountId account, MessageId message, const TrashedRecord& trashed);
// Within a commit that puts it back.
void TakeFromTrash(Batch& batch, AccountId account, MessageId message, const TrashedRecord& trashed);
// As it is counted (Counters); 0: its record is damaged.
int64_t SizeOf(const TrashedRecord& trashed);
// Within a commit: it is gone for good. True: chunks of its body are left to upkeep. Where its body cannot be found the chunks
// stay, and that is logged. `key`: TrashKey.
bool FreeTrashed(Batch& batch, absl::string_view key, const TrashedRecord& trashed);

// A mailbox's messages in the trash behind `after` and before `before` (0: all), in order or the other way around: calls
// `visit` until it gives false. NotFound is not told: of no mailbox there is nothing.
absl::Status ScanTrash(
    const Database::Use& use, AccountId account, MessageId after, MessageId before, bool newest_first,
    absl::FunctionRef<absl::StatusOr<bool>(MessageId message, const TrashedRecord& trashed)> visit);

// Messages that may not be restored any more.
struct ExpiredTrash {
  // Their TrashKeys.
  std::vector<std::string> keys;
  // Where the next step goes on; empty: that was all.
  std::string next;
};
// A step from `from` on (empty: from the start), of at most `limit`.
absl::StatusOr<ExpiredTrash> FindExpiredTrash(const Database::Use& use, const std::string& from, size_t limit,
                                              absl::Time now);

}  // namespace mailstead::engine
