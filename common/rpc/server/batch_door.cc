#include "common/rpc/server/batch_door.h"

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/rpc/errors.h"
#include "common/rpc/server/signal.h"
#include "mailstead/frontend/v1/batch.pb.h"

namespace mailstead::rpc {

namespace v1 = ::mailstead::frontend::v1;

// One stream. Its calls run beside one another, and its answers are written by one coroutine (Run) while another reads:
// all on one thread.
class BatchDoor::Batch {
 public:
  // A method gets the call that its door serves.
  Batch(const BatchDoor& door, Call& stream, Reader<v1::CallsRequest>& requests,
        Writer<v1::CallsResponse>& responses)
      : door_(door),
        stream_(static_cast<ServedCall&>(stream)),
        requests_(requests),
        responses_(responses),
        more_(door.executor_),
        room_(door.executor_) {}

  Task<absl::Status> Run() {
    const Draining::Listener listener(door_.draining_, [this] { StopReading(); });
    stream_.WhenGone([this] { Abandon(); });
    Start(ReadAll());
    while (!(has_read_all_ && calls_ == 0 && answers_.empty())) {
      if (answers_.empty()) {
        co_await more_;
        continue;
      }
      size_t sent_bytes = 0;
      const v1::CallsResponse response = TakeAnswers(sent_bytes);
      // An error comes at once, when the caller has gone: the answers that are left go nowhere.
      (void)co_await responses_.Write(response);
      held_bytes_ -= sent_bytes;
      room_.Notify();
    }
    stream_.WhenGone(nullptr);
    CO_RETURN_IF_ERROR(read_error_);
    CO_RETURN_IF_ERROR(stream_.StillWanted());
    if (!half_closed_) co_return absl::UnavailableError("the store is shutting down");
    co_return absl::OkStatus();
  }

  const BatchDoor& door() const { return door_; }
  ServedCall& stream() { return stream_; }

  void Hold(size_t bytes) { held_bytes_ += bytes; }
  void Add(BatchedCall* call) { running_.insert(call); }
  void Remove(BatchedCall* call) { running_.erase(call); }
  void Give(v1::Answer answer) {
    const size_t bytes = answer.ByteSizeLong();
    held_bytes_ += bytes;
    answers_.push_back({std::move(answer), bytes});
    more_.Notify();
  }

 private:
  struct Waiting {
    v1::Answer answer;
    size_t bytes;
  };

  Task<void> ReadAll() {
    v1::CallsRequest request;
    while (true) {
      while (held_bytes_ > door_.limits_.max_stream_bytes && !stopped_) co_await room_;
      if (stopped_) break;
      const absl::StatusOr<bool> read = co_await requests_.Read(request);
      if (!read.ok()) {
        read_error_ = read.status();
        break;
      }
      if (!*read) {
        half_closed_ = !stopped_;
        break;
      }
      for (v1::Call& call : *request.mutable_calls()) {
        ++calls_;
        Start(Serve(std::move(call)));
      }
      // Each read tells the caller that it may send more, by a message of its own unless another one goes: answers that
      // are there already take it along, and wake the caller once.
      if (!answers_.empty()) co_await ResumeOn(door_.executor_);
    }
    has_read_all_ = true;
    more_.Notify();
  }

  // One call, from beginning to end.
  Task<void> Serve(v1::Call call);

  // The caller has gone, or the server ends: nobody waits for the calls any more.
  void Abandon();

  // The server drains, or nobody waits any more.
  void StopReading() {
    stopped_ = true;
    requests_.Stop();
    room_.Notify();
  }

  v1::CallsResponse TakeAnswers(size_t& bytes) {
    v1::CallsResponse response;
    while (!answers_.empty() && bytes < door_.limits_.max_response_bytes) {
      *response.add_answers() = std::move(answers_.front().answer);
      bytes += answers_.front().bytes;
      answers_.pop_front();
    }
    return response;
  }

  const BatchDoor& door_;
  ServedCall& stream_;
  Reader<v1::CallsRequest>& requests_;
  Writer<v1::CallsResponse>& responses_;
  std::deque<Waiting> answers_;
  // Calls that have not ended, and those of them whose method runs.
  size_t calls_ = 0;
  absl::flat_hash_set<BatchedCall*> running_;
  // What these hold, and answers that have not gone.
  size_t held_bytes_ = 0;
  // Notified when there is an answer, and when nothing more is read.
  Signal more_;
  // Notified when answers have gone, and when nothing more is to be read.
  Signal room_;
  // Set when the server drains or nobody waits any more: no more calls are taken.
  bool stopped_ = false;
  // Set when reading has ended, for whatever reason.
  bool has_read_all_ = false;
  // Set when it ended because the caller has no more.
  bool half_closed_ = false;
  absl::Status read_error_;
};

// One call of a batch: its request is there, its responses are parts of an answer.
class BatchDoor::BatchedCall final : public RequestSource, public ResponseSink {
 public:
  BatchedCall(Batch& batch, v1::Call& message) : batch_(batch), message_(message) {}

  // The method's status, or why there is no method.
  Task<absl::Status> Run() {
    const Method* const method = batch_.door().service_.methods.Find(message_.method());
    if (method == nullptr || !method->batched) {
      co_return WithAnyReason(FieldError("method", "must be one of those that come in a batch"));
    }
    held_bytes_ = method->cost_bytes + message_.request().size();
    batch_.Hold(held_bytes_);
    ServedCall call(batch_.door().service_, *method, batch_.stream().identity(), Facts());
    call_ = &call;
    batch_.Add(this);
    const absl::Status status = co_await call.Run(*this, *this);
    batch_.Remove(this);
    call_ = nullptr;
    co_return status;
  }
  void Abandon(const absl::Status& why) { call_->Abandon(why); }

  size_t held_bytes() const { return held_bytes_; }
  // The end of the answer has been given.
  bool has_answered() const { return has_answered_; }

  Task<absl::StatusOr<bool>> Read(google::protobuf::MessageLite& request) override {
    if (std::exchange(has_read_, true)) co_return false;
    const std::string bytes = std::move(*message_.mutable_request());
    if (!request.ParseFromString(bytes)) co_return absl::InvalidArgumentError("the request cannot be read");
    co_return true;
  }
  void Stop() override { has_read_ = true; }

  Task<absl::Status> Write(const google::protobuf::MessageLite& response, bool last) override {
    v1::Answer answer;
    answer.set_call_id(message_.call_id());
    response.SerializeToString(answer.mutable_response());
    answer_bytes_ += static_cast<int64_t>(answer.response().size());
    if (answer_bytes_ > batch_.door().limits_.max_answer_bytes) {
      co_return WithReason(absl::ResourceExhaustedError("the answer is too large for a batch"),
                           kReasonTooLarge);
    }
    if (last) {
      call_->End(absl::OkStatus());
      has_answered_ = true;
    } else {
      answer.set_part(v1::Answer::PART_MORE);
    }
    batch_.Give(std::move(answer));
    co_return absl::OkStatus();
  }

 private:
  CallFacts Facts() {
    const absl::Duration timeout = absl::Milliseconds(message_.timeout_ms());
    const bool none = timeout <= absl::ZeroDuration();
    return {.door = Door::kBatch,
            .session_id = std::move(*message_.mutable_session_id()),
            .revision = batch_.stream().revision(),
            .deadline = none ? absl::InfiniteFuture() : batch_.door().service_.clock.Now() + timeout,
            .max_response_bytes = batch_.door().limits_.max_answer_bytes};
  }

  Batch& batch_;
  v1::Call& message_;
  // While its method runs.
  ServedCall* call_ = nullptr;
  size_t held_bytes_ = 0;
  int64_t answer_bytes_ = 0;
  bool has_read_ = false;
  bool has_answered_ = false;
};

Task<void> BatchDoor::Batch::Serve(v1::Call message) {
  BatchedCall call(*this, message);
  const absl::Status status = co_await call.Run();
  if (!call.has_answered()) {
    v1::Answer answer;
    answer.set_call_id(message.call_id());
    if (status.ok()) {
      answer.set_part(v1::Answer::PART_END_ONLY);
    } else {
      ToProto(status, *answer.mutable_error());
    }
    Give(std::move(answer));
  }
  held_bytes_ -= call.held_bytes();
  --calls_;
  more_.Notify();
  room_.Notify();
}

void BatchDoor::Batch::Abandon() {
  StopReading();
  const absl::Status why = stream_.StillWanted();
  const std::vector<BatchedCall*> calls(running_.begin(), running_.end());
  for (BatchedCall* const call : calls) {
    // One may end with another.
    if (running_.contains(call)) call->Abandon(why);
  }
}

Task<absl::Status> BatchDoor::Calls(Call& call, Reader<v1::CallsRequest>& requests,
                                    Writer<v1::CallsResponse>& responses) {
  Batch batch(*this, call, requests, responses);
  co_return co_await batch.Run();
}

}  // namespace mailstead::rpc
