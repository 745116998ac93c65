// What commits write of submissions. For .cc files of this folder.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "stored/engine/rocksdb/writer.h"
#include "stored/engine/submission.h"
#include "stored/rules/queue.h"

namespace mailstead::engine {

// What a new one costs, and about what one does in whose place it comes.
inline constexpr size_t kRecordsOfSubmission = 16;

// A new one, with its places; where its account has `most_kept` of them it takes the place of the oldest that has ended.
absl::Status PutSubmission(Batch& batch, const Submission& submission, int64_t most_kept);
// All of it, with up to kMaxSubmissionTargets outcomes.
absl::Status DeleteSubmission(Batch& batch, const Submission& submission);

// Of a recipient that leaves the queue: kept where its message is a submission. The one place where an outcome is written.
void RecordOutcome(Batch& batch, const rules::QueueEntry& entry, int32_t number, const SubmissionOutcome& outcome);
// The message of a submission has left the queue.
void RecordEnd(Batch& batch, const rules::QueueEntry& entry, absl::Time now);

}  // namespace mailstead::engine
