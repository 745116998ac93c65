// A method of an API, once: its name, who may call it, what it costs, and the one function that does it. How a call came
// (its door: a gRPC call, a call in a batch, or the same process) is nothing that the function knows.
//
//   Task<absl::Status> GetDomain(Call& call, const v1::GetDomainRequest& request, v1::Domain& response);
//   Task<absl::Status> Deliver(Call& call, Reader<v1::DeliverRequest>& pieces, v1::DeliverResponse& response);
//   Task<absl::Status> FetchMessage(Call& call, const v1::FetchMessageRequest& request,
//                                   Writer<v1::FetchMessageResponse>& pieces);
//   Task<absl::Status> Authenticate(Call& call, Reader<v1::AuthenticateRequest>& steps,
//                                   Writer<v1::AuthenticateResponse>& answers);
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/task.h"

namespace google::protobuf {
class MessageLite;
}

namespace mailstead::rpc {

// What the program that serves keeps of a caller; the type is its own.
struct CallerRecord {
  virtual ~CallerRecord() = default;
};

// Who calls.
struct Caller {
  // Bits of a set; what they mean is the program's. 0: nobody that is known.
  unsigned roles = 0;
  // For audit and log: the role's name, or a key's.
  std::string name;
  // The address that the call came from, in text.
  std::string peer;
  // Why it has no role, where there is more to say than that nobody knows it; OK: there is not.
  absl::Status refusal;
  // Null: nothing is kept.
  std::shared_ptr<const CallerRecord> record;
};

// One call under way, whatever its door. Lives as long as its method runs.
class Call {
 public:
  virtual ~Call() = default;
  virtual const Caller& caller() const = 0;
  // Of the caller's session; checked text, may be empty.
  virtual const std::string& session_id() const = 0;
  // The trace that the caller's work belongs to, for the log (common/base/trace_context.h); empty: none.
  virtual const std::string& trace_id() const = 0;
  // When it came.
  virtual absl::Time began() const = 0;
  // Cancelled when nobody waits for the call any more, DeadlineExceeded when it waited too long itself. Asked before each
  // step that costs something.
  virtual absl::Status StillWanted() const = 0;
  // Calls `then` once, on the thread of the method, when nobody waits for the call any more; at once when that is so
  // already. One at a time; an empty function takes the last one back.
  virtual void WhenGone(std::function<void()> then) = 0;
  // How many bytes of responses the caller takes in all by this way; what is larger is refused before it is begun.
  virtual int64_t max_response_bytes() const = 0;
  // What the call is about, for the audit: "account 7 a@example.test". A method that changes something says it as soon as
  // it is known; the last word counts.
  virtual void SetTarget(std::string target) = 0;
};

// The requests of a call, as its door has them.
class RequestSource {
 public:
  virtual ~RequestSource() = default;
  // True: `request` is the next one. False: the caller has no more. Cancelled: the caller has gone. InvalidArgument: what
  // came is no such message.
  virtual Task<absl::StatusOr<bool>> Read(google::protobuf::MessageLite& request) = 0;
  // No more is wanted: a Read that waits, and every later one, gives false. From the thread of the method.
  virtual void Stop() = 0;
};

// Where the responses of a call go.
class ResponseSink {
 public:
  virtual ~ResponseSink() = default;
  // Waits until there is room for more. `last`: the call succeeds with it, and nothing follows. Cancelled: the caller has
  // gone. ResourceExhausted with kReasonTooLarge: the caller does not take as much in all.
  virtual Task<absl::Status> Write(const google::protobuf::MessageLite& response, bool last) = 0;
  // Gives up a caller that does not read: a Write that waits gives Cancelled. Nothing where none can wait for long.
  virtual void Cut() {}
};

template <typename Message>
class Reader {
 public:
  explicit Reader(RequestSource& source) : source_(source) {}
  Task<absl::StatusOr<bool>> Read(Message& message) { return source_.Read(message); }
  void Stop() { source_.Stop(); }

 private:
  RequestSource& source_;
};

template <typename Message>
class Writer {
 public:
  explicit Writer(ResponseSink& sink) : sink_(sink) {}
  // `message` outlives the Task.
  Task<absl::Status> Write(const Message& message) { return sink_.Write(message, /*last=*/false); }
  // For the last response, before the method returns OK: it goes out together with the end.
  Task<absl::Status> WriteLast(const Message& message) { return sink_.Write(message, /*last=*/true); }
  void Cut() { sink_.Cut(); }

 private:
  ResponseSink& sink_;
};

using Handler =
    std::function<Task<absl::Status>(Call& call, RequestSource& requests, ResponseSink& responses)>;

// How many messages a method takes and gives; the same as `stream` in its .proto.
enum class Shape { kUnary, kClientStream, kServerStream, kDialog };

struct Method {
  // As in a path of gRPC without the first slash: "mailstead.store.v1.DirectoryService/GetDomain".
  std::string name;
  Shape shape = Shape::kUnary;
  // Who may call it: a set of role bits, any of which is enough. 0: open to all.
  unsigned roles = 0;
  // Whether it may come in a batch.
  bool batched = false;
  // Bytes that one call holds beside its request: its answer, what it reads. Counted against the budget of a stream.
  size_t cost_bytes = 512;
  // Of one request; 0: what the door takes.
  size_t max_request_bytes = 0;
  // Whether it changes something: such calls are audited.
  bool audited = false;
  // A stream that is there to stay, as a watch: when it is ended by its age its caller opens it again.
  bool long_lived = false;
  // Told in metrics and the traffic's log; a probe is not.
  bool counted = true;
  Handler handler;
};

}  // namespace mailstead::rpc
