// The four kinds of call that gRPC knows, as they are served from a CallLoop. Only .cc files of this folder
// include this.
//
// Each object is one call: it waits for its caller, does the work, and deletes itself when it has finished
// and gRPC is done with it. A method's class says what is done when the caller has come, when a message was
// read or written, and when the caller has gone; these run on the loop's thread, one at a time, and must not
// block: blocking work goes to the environment's pools and goes on from there.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/rpc/completion_loop.h"
#include "stored/service/call.h"
#include "stored/service/call_loop.h"

namespace mailstead::store {

class ServedCall {
 public:
  virtual ~ServedCall() = default;
  ServedCall(const ServedCall&) = delete;
  ServedCall& operator=(const ServedCall&) = delete;

  // Waits for one caller after the other, each served by an object of its own.
  static void Serve(std::unique_ptr<ServedCall> first);

 protected:
  // See Call.
  ServedCall(CallLoop& loop, absl::string_view method, Call::Kind kind);

  // Asks gRPC for a caller: service.Request<Method>(...).
  virtual void RequestCaller(void* tag) = 0;
  // For the next caller.
  virtual std::unique_ptr<ServedCall> Another() const = 0;
  // The caller has come and is admitted.
  virtual void Begin() = 0;
  // The caller has gone, perhaps while other threads are at work on the call. They, or this, have to Finish.
  virtual void OnCancel() {}
  virtual void SendFinish(const grpc::Status& status, void* tag) = 0;

  // Cancelled when nobody waits for the call any more, DeadlineExceeded when it waited too long itself. Asked
  // before each step that costs something.
  absl::Status StillWanted() const;
  // Once, and the last thing: the call may be gone when this returns.
  void Finish(const absl::Status& status) { SendFinish(EndCall(status), &finished_tag_); }

  // For what starts gRPC's operations: counts one, so that the call outlives it. Its completion ends with
  // OperationDone.
  void OperationBegins() { under_way_.fetch_add(1, std::memory_order_relaxed); }
  void OperationDone();
  // For what sends the last message and the status in one: counts the call. The tag of that operation is
  // finished_tag().
  grpc::Status EndCall(const absl::Status& status) { return call_.End(status); }
  void* finished_tag() { return &finished_tag_; }

  CallLoop& loop() const { return loop_; }
  Environment& environment() const { return call_.environment(); }
  absl::Duration Took() const { return call_.Took(); }
  grpc::ServerContext& context() { return context_; }
  grpc::ServerCompletionQueue* queue() const { return loop_.queue(); }

 private:
  void AwaitCaller();
  void OnBegun(bool ok);
  void OnEnded(bool ok);
  void OnFinished(bool) { OperationDone(); }

  // The first: it goes last, when gRPC's parts are gone.
  const CallLoop::Presence presence_;
  CallLoop& loop_;
  grpc::ServerContext context_;
  Call call_;
  rpc::Tag begun_tag_ = rpc::MakeTag<&ServedCall::OnBegun>(this);
  rpc::Tag ended_tag_ = rpc::MakeTag<&ServedCall::OnEnded>(this);
  rpc::Tag finished_tag_ = rpc::MakeTag<&ServedCall::OnFinished>(this);
  // Operations whose completions are to come; that of Finish counts from the beginning.
  std::atomic<int> under_way_ = 0;
  std::atomic<bool> cancelled_ = false;
};

// One request, one response. Those that are answered by a function: see unary.h.
template <typename Request, typename Response>
class UnaryCall : public ServedCall {
 protected:
  UnaryCall(CallLoop& loop, absl::string_view method) : ServedCall(loop, method, Call::Kind::kUnary) {}

  void SendFinish(const grpc::Status& status, void* tag) override {
    if (status.ok()) {
      writer_.Finish(response_, status, tag);
    } else {
      writer_.FinishWithError(status, tag);
    }
  }

  Request& request() { return request_; }
  Response& response() { return response_; }
  grpc::ServerAsyncResponseWriter<Response>& writer() { return writer_; }

 private:
  Request request_;
  Response response_;
  grpc::ServerAsyncResponseWriter<Response> writer_{&context()};
};

// Requests, read one at a time, then one response.
template <typename Request, typename Response>
class ClientStreamCall : public ServedCall {
 protected:
  ClientStreamCall(CallLoop& loop, absl::string_view method)
      : ServedCall(loop, method, Call::Kind::kStream) {}

  // False: there are no more, or the caller has gone.
  virtual void OnRead(bool ok) = 0;
  void Read() {
    OperationBegins();
    reader_.Read(&request_, &read_tag_);
  }

  void SendFinish(const grpc::Status& status, void* tag) override {
    if (status.ok()) {
      reader_.Finish(response_, status, tag);
    } else {
      reader_.FinishWithError(status, tag);
    }
  }

  Request& request() { return request_; }
  Response& response() { return response_; }
  grpc::ServerAsyncReader<Response, Request>& reader() { return reader_; }

 private:
  void OnReadDone(bool ok) {
    OnRead(ok);
    OperationDone();
  }

  Request request_;
  Response response_;
  grpc::ServerAsyncReader<Response, Request> reader_{&context()};
  rpc::Tag read_tag_ = rpc::MakeTag<&ClientStreamCall::OnReadDone>(this);
};

// One request, then responses, written one at a time.
template <typename Request, typename Response>
class ServerStreamCall : public ServedCall {
 protected:
  ServerStreamCall(CallLoop& loop, absl::string_view method)
      : ServedCall(loop, method, Call::Kind::kStream) {}

  // False: the caller has gone.
  virtual void OnWritten(bool ok) = 0;
  void Write() {
    OperationBegins();
    writer_.Write(response_, &written_tag_);
  }
  // In place of Write and Finish.
  void WriteAndFinish() {
    writer_.WriteAndFinish(response_, grpc::WriteOptions(), EndCall(absl::OkStatus()), finished_tag());
  }

  void SendFinish(const grpc::Status& status, void* tag) override { writer_.Finish(status, tag); }

  Request& request() { return request_; }
  const Request& request() const { return request_; }
  Response& response() { return response_; }
  grpc::ServerAsyncWriter<Response>& writer() { return writer_; }

 private:
  void OnWriteDone(bool ok) {
    OnWritten(ok);
    OperationDone();
  }

  Request request_;
  Response response_;
  grpc::ServerAsyncWriter<Response> writer_{&context()};
  rpc::Tag written_tag_ = rpc::MakeTag<&ServerStreamCall::OnWriteDone>(this);
};

// Requests and responses in turn.
template <typename Request, typename Response>
class DialogCall : public ServedCall {
 protected:
  DialogCall(CallLoop& loop, absl::string_view method) : ServedCall(loop, method, Call::Kind::kStream) {}

  virtual void OnRead(bool ok) = 0;
  virtual void OnWritten(bool ok) = 0;
  void Read() {
    OperationBegins();
    stream_.Read(&request_, &read_tag_);
  }
  void Write() {
    OperationBegins();
    stream_.Write(response_, &written_tag_);
  }
  void WriteAndFinish() {
    stream_.WriteAndFinish(response_, grpc::WriteOptions(), EndCall(absl::OkStatus()), finished_tag());
  }

  void SendFinish(const grpc::Status& status, void* tag) override { stream_.Finish(status, tag); }

  Request& request() { return request_; }
  Response& response() { return response_; }
  grpc::ServerAsyncReaderWriter<Response, Request>& stream() { return stream_; }

 private:
  void OnReadDone(bool ok) {
    OnRead(ok);
    OperationDone();
  }
  void OnWriteDone(bool ok) {
    OnWritten(ok);
    OperationDone();
  }

  Request request_;
  Response response_;
  grpc::ServerAsyncReaderWriter<Response, Request> stream_{&context()};
  rpc::Tag read_tag_ = rpc::MakeTag<&DialogCall::OnReadDone>(this);
  rpc::Tag written_tag_ = rpc::MakeTag<&DialogCall::OnWriteDone>(this);
};

}  // namespace mailstead::store
