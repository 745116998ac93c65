// What commits write of submissions. For .cc files of this folder.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/engine/rocksdb/writer.h"
#include "stored/engine/submission.h"

namespace mailstead::engine {

// What a new one costs, and about what one does in whose place it comes.
inline constexpr size_t kRecordsOfSubmission = 16;

// A new one, with its places; where its account has `most_kept` of them it takes the place of the oldest that has ended.
absl::Status PutSubmission(Batch& batch, const Submission& submission, int64_t most_kept);
// All of it, with up to kMaxSubmissionTargets outcomes.
absl::Status DeleteSubmission(Batch& batch, const Submission& submission);

// Of a recipient of a submission that leaves the queue. The one place where an outcome is written first.
void RecordOutcome(Batch& batch, absl::string_view submission, int32_t number,
                   const SubmissionOutcome& outcome);
// Its message has left the queue.
void RecordEnd(Batch& batch, absl::string_view submission, absl::Time now);

}  // namespace mailstead::engine
