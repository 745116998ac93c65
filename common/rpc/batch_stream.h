// Small calls, together: those that wait at one moment share a message of a stream (BatchService.Calls of
// proto/mailstead/frontend/v1/batch.proto), because a gRPC call of its own costs more than most of them do. It knows no
// method.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/base/clock.h"

namespace mailstead::rpc {

class StoreChannel;

// A call that shares a stream.
struct BatchedCall {
  // Told once, on the thread that serves the channel's queue or the one that sent the call: the bytes of the one response.
  // Errors: that of the call; Unavailable when the stream ended, and DeadlineExceeded (to about 50 ms) when the answer did
  // not come, and then the call may have happened; what was not sent by then is not, and its error says so (NotSent).
  // Unavailable too when 16 MiB wait already for a store that does not read. Cancelled at the end of the streams. Internal
  // when there was another number of responses than one.
  using Done = absl::AnyInvocable<void(absl::StatusOr<std::string>)>;

  // In the form of batch.proto. A literal.
  absl::string_view method;
  std::string request;
  std::string session_id;
  absl::Time deadline;
  Done done;
};

// Thread-safe.
class BatchStreams {
 public:
  struct Options {
    // Streams that are used at a time, in turn.
    int streams = 1;
    // How long a stream takes new calls: then the next one begins, and the store looks anew at what the connection is.
    absl::Duration stream_life = absl::Minutes(1);
    // Told to the store when a stream begins; 0: nothing.
    int revision = 0;
    // Of deadlines and of the streams' lives.
    const Clock& clock = Clock::Steady();
  };

  // `channel` outlives it.
  BatchStreams(StoreChannel& channel, Options options);
  // Ends what is under way.
  ~BatchStreams();
  BatchStreams(const BatchStreams&) = delete;
  BatchStreams& operator=(const BatchStreams&) = delete;

  // Calls what it is given a moment later, on any thread, or drops it.
  using Later = absl::AnyInvocable<void(absl::AnyInvocable<void()>)>;

  // Several go together, by one stream. While answers are due they go with `later`, so that calls which are made until then
  // share a message; otherwise at once.
  void Send(absl::Span<BatchedCall> calls, Later later);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::rpc
