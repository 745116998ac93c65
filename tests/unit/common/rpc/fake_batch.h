// BatchService as a test wants it: one function answers every call, on gRPC's own threads.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/rpc/errors.h"
#include "mailstead/frontend/v1/batch.grpc.pb.h"

namespace mailstead::test {

// The answers of one request are sent together, those of the last call first: a caller must not count on any
// order. Shut its server down with a deadline: the streams last for ever.
class FakeBatch : public ::mailstead::frontend::v1::BatchService::Service {
 public:
  using Call = ::mailstead::frontend::v1::Call;
  using Answer = ::mailstead::frontend::v1::Answer;
  using Request = ::mailstead::frontend::v1::CallsRequest;

  // Says what a call gets, in this order: one answer, the parts of one, or none at all. Their call_id is set here. Called
  // for one call at a time.
  std::function<std::vector<Answer>(const Call&)> answer;
  // Set by `answer`: the stream ends so when the answers of this request are out.
  std::optional<grpc::Status> end;

  static Answer Error(const absl::Status& status) {
    Answer answer;
    rpc::ToProto(status, *answer.mutable_error());
    return answer;
  }

  // Until Resume nothing is read.
  void Hold() {
    absl::MutexLock lock(&mutex_);
    held_ = true;
  }
  void Resume() {
    absl::MutexLock lock(&mutex_);
    held_ = false;
  }

  // What was read so far, once there are so many calls (or after half a minute).
  std::vector<Request> WaitForCalls(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return calls_ >= count; };
    mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(30));
    return requests_;
  }
  int stream_count() const {
    absl::MutexLock lock(&mutex_);
    return streams_;
  }
  // Once so many streams have been half-closed by their caller (or after half a minute): how many there were.
  int WaitForHalfClosed(int count) const {
    absl::MutexLock lock(&mutex_);
    const auto enough = [this, count]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return half_closed_ >= count; };
    mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(30));
    return half_closed_;
  }

  grpc::Status Calls(grpc::ServerContext* context,
                        grpc::ServerReaderWriter<::mailstead::frontend::v1::CallsResponse, Request>* stream) override {
    {
      absl::MutexLock lock(&mutex_);
      ++streams_;
    }
    Request request;
    while (AwaitTurn(*context) && stream->Read(&request)) {
      std::optional<grpc::Status> ended;
      const ::mailstead::frontend::v1::CallsResponse response = Respond(request, ended);
      if (response.answers_size() > 0) stream->Write(response);
      if (ended.has_value()) return *ended;
    }
    absl::MutexLock lock(&mutex_);
    if (!context->IsCancelled()) ++half_closed_;
    return grpc::Status::OK;
  }

 private:
  bool AwaitTurn(const grpc::ServerContext& context) {
    absl::MutexLock lock(&mutex_);
    const auto may_read = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !held_; };
    while (!mutex_.AwaitWithTimeout(absl::Condition(&may_read), absl::Milliseconds(20))) {
      if (context.IsCancelled()) return false;
    }
    return true;
  }

  ::mailstead::frontend::v1::CallsResponse Respond(const Request& request, std::optional<grpc::Status>& ended) {
    {
      absl::MutexLock lock(&mutex_);
      requests_.push_back(request);
      calls_ += request.calls_size();
    }
    ::mailstead::frontend::v1::CallsResponse response;
    absl::MutexLock lock(&answer_mutex_);
    for (auto call = request.calls().rbegin(); call != request.calls().rend(); ++call) {
      for (Answer& part : answer(*call)) {
        part.set_call_id(call->call_id());
        *response.add_answers() = std::move(part);
      }
    }
    ended = std::exchange(end, std::nullopt);
    return response;
  }

  absl::Mutex answer_mutex_;
  mutable absl::Mutex mutex_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  int streams_ ABSL_GUARDED_BY(mutex_) = 0;
  int half_closed_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t calls_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Request> requests_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mailstead::test
