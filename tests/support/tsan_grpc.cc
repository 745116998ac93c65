// Tells the thread sanitizer what gRPC orders: what comes before an operation is begun happened before its completion. gRPC
// hands completions over by atomics, in a library that is not built for the sanitizer; its locks are Abseil's
// (tsan_absl.cc). What it does with its own memory is hidden (cmake/tsan.supp). A program that has no gRPC is not changed
// by this.
//
// That what was sent happened before what was received is not announced: it would order nearly everything in a test that
// has both ends of a call in its process, and hide its races.
#include <grpc/grpc.h>

#include "tests/support/tsan_stand_in.h"

using mailstead::tsan::Acquire;
using mailstead::tsan::Release;

// ---- The beginning of an operation

STAND_IN(grpc_call_error, grpc_call_start_batch, grpc_call* call, const grpc_op* operations, size_t count,
         void* tag, void* reserved) {
  if (tag != nullptr) Release(tag);
  return BEHIND(grpc_call_start_batch)(call, operations, count, tag, reserved);
}
STAND_IN(grpc_call_error, grpc_server_request_call, grpc_server* server, grpc_call** call,
         grpc_call_details* details, grpc_metadata_array* metadata, grpc_completion_queue* of_call,
         grpc_completion_queue* of_request, void* tag) {
  Release(tag);
  return BEHIND(grpc_server_request_call)(server, call, details, metadata, of_call, of_request, tag);
}
STAND_IN(grpc_call_error, grpc_server_request_registered_call, grpc_server* server, void* method,
         grpc_call** call, gpr_timespec* deadline, grpc_metadata_array* metadata, grpc_byte_buffer** payload,
         grpc_completion_queue* of_call, grpc_completion_queue* of_request, void* tag) {
  Release(tag);
  return BEHIND(grpc_server_request_registered_call)(server, method, call, deadline, metadata, payload,
                                                     of_call, of_request, tag);
}
STAND_IN(void, grpc_server_shutdown_and_notify, grpc_server* server, grpc_completion_queue* queue,
         void* tag) {
  Release(tag);
  BEHIND(grpc_server_shutdown_and_notify)(server, queue, tag);
}
STAND_IN(void, grpc_channel_watch_connectivity_state, grpc_channel* channel, grpc_connectivity_state last,
         gpr_timespec deadline, grpc_completion_queue* queue, void* tag) {
  Release(tag);
  BEHIND(grpc_channel_watch_connectivity_state)(channel, last, deadline, queue, tag);
}
// grpc::Alarm::SetInternal.
STAND_IN(void, _ZN4grpc5Alarm11SetInternalEPNS_15CompletionQueueE12gpr_timespecPv, void* alarm, void* queue,
         gpr_timespec deadline, void* tag) {
  Release(tag);
  BEHIND(_ZN4grpc5Alarm11SetInternalEPNS_15CompletionQueueE12gpr_timespecPv)(alarm, queue, deadline, tag);
}

// ---- Its completion

STAND_IN(grpc_event, grpc_completion_queue_next, grpc_completion_queue* queue, gpr_timespec deadline,
         void* reserved) {
  const grpc_event event = BEHIND(grpc_completion_queue_next)(queue, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) Acquire(event.tag);
  return event;
}
STAND_IN(grpc_event, grpc_completion_queue_pluck, grpc_completion_queue* queue, void* tag,
         gpr_timespec deadline, void* reserved) {
  const grpc_event event = BEHIND(grpc_completion_queue_pluck)(queue, tag, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) Acquire(event.tag);
  return event;
}
// grpc::CompletionQueue::AsyncNextInternal: the tag that its caller knows, which an alarm was given. Gives a NextStatus.
constexpr int kGotEvent = 1;
STAND_IN(int, _ZN4grpc15CompletionQueue17AsyncNextInternalEPPvPb12gpr_timespec, void* queue, void** tag,
         bool* ok, gpr_timespec deadline) {
  const int status =
      BEHIND(_ZN4grpc15CompletionQueue17AsyncNextInternalEPPvPb12gpr_timespec)(queue, tag, ok, deadline);
  if (status == kGotEvent) Acquire(*tag);
  return status;
}
