// mailstead.frontend.v1.BatchService.Calls: serves the methods of a table that may come in batches, many calls over one
// stream. It is a method of the table itself, and knows no other.
//
// Each call is admitted as if it had come alone, and runs as any other does: its one message is all that it reads, what it
// writes are parts of its answer. Answers go as they come, those that are there at one moment together; so the answers of
// one commit, which the engine resumes together, are one message. What the calls of a stream and their answers hold is
// bounded: beyond it nothing is read until answers have gone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "common/base/executor.h"
#include "common/base/task.h"
#include "common/rpc/server/draining.h"
#include "common/rpc/server/method.h"
#include "common/rpc/server/served_call.h"

namespace mailstead::frontend::v1 {
class CallsRequest;
class CallsResponse;
}  // namespace mailstead::frontend::v1

namespace mailstead::rpc {

struct BatchLimits {
  // What the calls of one stream and their answers may hold: then reading waits.
  size_t max_stream_bytes = size_t{16} << 20;
  // Answers that wait are sent together up to about here.
  size_t max_response_bytes = size_t{256} << 10;
  // Of one call, all parts of its answer: what is larger has to have a call of its own.
  int64_t max_answer_bytes = int64_t{512} << 10;
};

class BatchDoor {
 public:
  // All that is given outlives it; calls run on `executor`.
  BatchDoor(const Service& service, Executor& executor, Draining& draining, BatchLimits limits = {})
      : service_(service), executor_(executor), draining_(draining), limits_(limits) {}

  // For the table: Bind(row, door, &BatchDoor::Calls). The stream ends in order when its caller half-closes and all
  // answers have gone; with Unavailable when the server drains and all answers have gone.
  Task<absl::Status> Calls(Call& call, Reader<frontend::v1::CallsRequest>& requests,
                           Writer<frontend::v1::CallsResponse>& responses);

 private:
  class Batch;
  class BatchedCall;

  const Service service_;
  Executor& executor_;
  Draining& draining_;
  const BatchLimits limits_;
};

}  // namespace mailstead::rpc
