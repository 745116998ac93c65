// The way from a front-end to the methods of the store, whatever carries it: gRPC with its batches
// (common/rpc/grpc_transport.h), or the store itself in the same process (tests/support/fake_store.h). It knows no method.
//
// Errors of all calls: those of the method, with reason and field; Unavailable when the way broke, and DeadlineExceeded,
// and then the call may have happened or not, unless the error says that it was not sent (WasNotSent).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"

namespace google::protobuf {
class MessageLite;
}

namespace mailstead::rpc {

struct CallOptions {
  // For the whole call.
  absl::Duration timeout = absl::Seconds(10);
  // Of the client's session: for the store's log, and the name of a maildrop's lock. May be empty.
  std::string session_id;
  // Whatever else is on its way to the store or back, this call does not wait behind it: it shares no message and no
  // connection with other calls. For heartbeats; a call of this kind costs more than another.
  bool apart = false;
  // For whom the call is made: what he shows of himself, as a value of "authorization", and his address. The store takes
  // the call as his; ours, which goes with it, says only that the address may be believed. Both empty: it is our own call.
  std::string authorization;
  std::string client_address;
};

// Marks an error of the way: nothing of the call has gone, so that it has not happened and will not.
absl::Status NotSent(absl::Status error);
// Takes the mark off: an earlier try may have happened.
absl::Status PerhapsSent(absl::Status error);
// Whether it has the mark. Without it a call that failed on the way may have happened, or happen yet.
bool WasNotSent(const absl::Status& error);

// A method is named as in a path of gRPC without its first slash: "mailstead.frontend.v1.LeaseService/RenewLease". Names
// are literals: they outlive the call.

// One call with several requests or responses. Used by one coroutine at a time. Destroyed before its end: cancelled.
class CallStream {
 public:
  virtual ~CallStream() = default;
  // Waits until the store takes more (back-pressure). `last`: no more follow. After an error: no more calls of Write; Read
  // gives why.
  virtual asio::awaitable<absl::Status> Write(const google::protobuf::MessageLite& request, bool last) = 0;
  // True: `response` is the next one. False: the end, and the call succeeded. Else why it failed.
  virtual asio::awaitable<absl::StatusOr<bool>> Read(google::protobuf::MessageLite& response) = 0;
  // Ends the call early: a Write or Read that is under way fails, and so do later ones; with Cancelled, unless the call
  // has ended otherwise. On the executor of the coroutine that uses it.
  virtual void Cancel() = 0;
};

// One of several calls of the same method. What it points to outlives the call.
struct OneOfMany {
  const google::protobuf::MessageLite* request = nullptr;
  google::protobuf::MessageLite* response = nullptr;
};

// Thread-safe; a coroutine goes on on the executor where it awaited.
class Transport {
 public:
  virtual ~Transport() = default;

  // One request, one response. `request` and `response` outlive the call. A method that takes or gives several is called
  // by this when all fits into one of each; its request is the only one, and its response the last one.
  virtual asio::awaitable<absl::Status> Call(absl::string_view method,
                                             const google::protobuf::MessageLite& request,
                                             google::protobuf::MessageLite& response,
                                             CallOptions options) = 0;
  // The same several times at once, together where the way allows it. How each ended, in their order. At least one.
  virtual asio::awaitable<std::vector<absl::Status>> CallAll(absl::string_view method,
                                                             std::vector<OneOfMany> calls,
                                                             CallOptions options);
  // As Call, of messages of its own, for who goes on without the answer: `done` is called once with how the call ended, on any
  // thread, perhaps before this returns. The call is made from `executor`, on whose thread this is called; where the way
  // allows it nothing comes back there.
  virtual void Start(asio::any_io_executor executor, absl::string_view method,
                     std::unique_ptr<google::protobuf::MessageLite> request,
                     std::unique_ptr<google::protobuf::MessageLite> response, CallOptions options,
                     absl::AnyInvocable<void(absl::Status)> done);
  virtual std::unique_ptr<CallStream> Open(absl::string_view method, CallOptions options) = 0;
};

}  // namespace mailstead::rpc
