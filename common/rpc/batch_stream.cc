#include "common/rpc/batch_stream.h"

#include <grpcpp/alarm.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/check.h"
#include "common/rpc/channel.h"
#include "common/rpc/completion_loop.h"
#include "common/rpc/errors.h"
#include "common/rpc/transport.h"
#include "common/store/limits.h"
#include "mailstead/frontend/v1/batch.pb.h"

namespace mailstead::rpc {
namespace {

namespace v1 = ::mailstead::frontend::v1;
using Outcome = absl::StatusOr<std::string>;
using Stub = grpc::TemplatedGenericStub<v1::CallsRequest, v1::CallsResponse>;

constexpr char kPath[] = "/mailstead.frontend.v1.BatchService/Calls";
// The longest that a call may take at the end of a stream's life.
constexpr absl::Duration kMaxCallTime = absl::Minutes(10);
constexpr absl::Duration kTick = absl::Milliseconds(50);
// What waits for a stream whose store does not read. Beyond it calls fail at once.
constexpr size_t kMaxQueuedBytes = size_t{16} << 20;
// What a call costs in a message beside its request.
constexpr size_t kCallOverheadBytes = 128;

// What is to be told to whom.
struct Told {
  BatchedCall::Done done;
  Outcome outcome;
};

// One stream. It holds itself until gRPC is done with it. Completions come on the loop's thread and on those that send, also
// at the same time.
//
// Operations of gRPC's are started outside the mutex. While `writing_` is set one that writes is under way or about to be;
// the same with `reading_`.
//
// gRPC sends a window update of its own for every read that is begun when there is none to go with, and it wakes the store
// as a call does. So nothing is read while no answer is due, until the next call goes, which takes the update along; or
// until the next tick, since the end of the stream is heard of by reading.
class Stream final : public std::enable_shared_from_this<Stream> {
 public:
  Stream(StoreChannel& channel, const BatchStreams::Options& options)
      : stub_(channel.Next()), clock_(options.clock), retire_at_(clock_.Now() + options.stream_life) {
    channel.Prepare(context_, options.stream_life + kMaxCallTime);
    if (options.revision > 0) context_.AddMetadata(kRevisionMetadata, std::to_string(options.revision));
  }

  // Once. What was sent before goes now.
  void Begin(grpc::CompletionQueue* queue) {
    self_ = shared_from_this();
    stream_ = stub_.PrepareCall(&context_, kPath, queue);
    {
      absl::MutexLock lock(&mutex_);
      queue_of_completions_ = queue;
      SetAlarm();
    }
    stream_->StartCall(&started_);
  }

  // False: this stream takes no more calls, and these are untouched.
  bool Send(absl::Span<BatchedCall> calls, BatchStreams::Later& later) {
    bool full;
    bool gather = false;
    {
      absl::MutexLock lock(&mutex_);
      RetireWhenOld(clock_.Now());
      if (ended_ || retired_) return false;
      full = queued_bytes_ > kMaxQueuedBytes;
      if (!full) {
        gather = !waiting_.empty();
        for (BatchedCall& call : calls) Enqueue(call);
        // They go with those that wait already.
        if (gather && std::exchange(gathering_, true)) return true;
      }
    }
    if (gather) {
      later([self = shared_from_this()] { self->StepHere(); });
      return true;
    }
    if (full) {
      for (BatchedCall& call : calls)
        call.done(NotSent(absl::UnavailableError("the store does not keep up")));
      return true;
    }
    StepHere();
    return true;
  }

  void Cancel() {
    {
      absl::MutexLock lock(&mutex_);
      must_read_ = cancelled_ = true;
    }
    context_.TryCancel();
    Step();
  }
  void WaitUntilDone() const {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &Stream::IsDone));
  }
  bool done() const {
    absl::MutexLock lock(&mutex_);
    return IsDone();
  }

 private:
  // A call whose answer is not there.
  struct Waiting {
    BatchedCall::Done done;
    absl::Time deadline;
    // The response that came with a part that is not the end.
    std::optional<std::string> response;
  };

  // A call that has not been sent.
  struct Queued {
    v1::Call call;
    absl::Time deadline;
    size_t bytes() const { return call.request().size() + kCallOverheadBytes; }
  };

  struct Next {
    enum class Write { kNothing, kRequest, kHalfClose, kFinish };
    Write write = Write::kNothing;
    bool read = false;
  };

  // ---- Completions

  void OnStarted(bool ok) {
    {
      absl::MutexLock lock(&mutex_);
      if (!ok) read_ended_ = true;
      reading_ = false;
    }
    OnWritten(ok);
  }

  void OnWritten(bool ok) {
    const std::shared_ptr<Stream> alive = shared_from_this();
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      ended_ = ended_ || !ok;
    }
    Step();
  }

  void OnRead(bool ok) {
    const std::shared_ptr<Stream> alive = shared_from_this();
    std::vector<Told> told;
    {
      absl::MutexLock lock(&mutex_);
      if (!ok) ended_ = read_ended_ = true;
      if (ok) {
        for (v1::Answer& answer : *response_.mutable_answers()) Take(answer, told);
      }
      response_.Clear();
      reading_ = must_read_ = false;
    }
    // First the read: further answers may be there already.
    Step();
    Tell(told);
  }

  // Ends the wait for answers that are overdue, and a stream that is old.
  void OnTick(bool) {
    std::vector<Told> told;
    bool finished;
    {
      absl::MutexLock lock(&mutex_);
      const absl::Time now = clock_.Now();
      DropOverdue(now, told);
      RetireWhenOld(now);
      must_read_ = true;
      finished = finished_;
      if (!finished) SetAlarm();
    }
    Tell(told);
    if (finished) return End();
    Step();
  }

  void OnFinished(bool) {
    const std::shared_ptr<Stream> alive = shared_from_this();
    std::vector<Told> told;
    {
      absl::MutexLock lock(&mutex_);
      const absl::Status why = status_.ok() ? absl::UnavailableError("the store ended the stream")
                               : cancelled_ ? FromGrpc(status_)
                                            : FromPeer(status_);
      for (auto& [id, waiting] : waiting_) told.push_back({std::move(waiting.done), OfCall(id, why)});
      waiting_.clear();
      queue_.clear();
      finished_ = true;
      // The tick is still under way; it comes now.
      alarm_.Cancel();
    }
    Tell(told);
  }

  // Nobody uses the queue any more.
  bool IsDone() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return done_ && steps_here_ == 0; }

  // Nothing of gRPC's is under way any more.
  void End() {
    const std::shared_ptr<Stream> alive = std::move(self_);
    stream_.reset();
    absl::MutexLock lock(&mutex_);
    done_ = true;
  }

  // ---- What to do

  static void Tell(std::vector<Told>& told) {
    for (Told& each : told) each.done(std::move(each.outcome));
  }

  // gRPC's timers know the machine's clock only.
  void SetAlarm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    alarm_.Set(queue_of_completions_, absl::ToChronoTime(absl::Now() + kTick), &ticked_);
  }

  void RetireWhenOld(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    retired_ = retired_ || now > retire_at_;
  }

  void Enqueue(BatchedCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Waiting& waiting = waiting_[++last_id_];
    waiting.done = std::move(call.done);
    waiting.deadline = call.deadline;
    Queued& queued = queue_.emplace_back();
    queued.deadline = call.deadline;
    queued.call.set_call_id(last_id_);
    queued.call.set_method(call.method.data(), call.method.size());
    queued.call.set_request(std::move(call.request));
    queued.call.set_session_id(std::move(call.session_id));
    queued_bytes_ += queued.bytes();
  }

  // What is overdue and has not been sent will not be: nobody waits for it, and the store would do it before what somebody
  // waits for.
  void DropOverdue(absl::Time now, std::vector<Told>& told) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::erase_if(queue_, [&](const Queued& queued) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      if (queued.deadline > now) return false;
      queued_bytes_ -= queued.bytes();
      return true;
    });
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      if (it->second.deadline > now) {
        ++it;
        continue;
      }
      told.push_back({std::move(it->second.done),
                      OfCall(it->first, absl::DeadlineExceededError("the store did not answer in time"))});
      waiting_.erase(it++);
    }
  }

  // Why the call has no answer. Calls go in the order of their ids.
  absl::Status OfCall(int64_t id, absl::Status why) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return id > last_sent_id_ ? NotSent(std::move(why)) : why;
  }

  void Take(v1::Answer& answer, std::vector<Told>& told) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = waiting_.find(answer.call_id());
    // Its caller has given up.
    if (found == waiting_.end()) return;
    Waiting& waiting = found->second;
    if (answer.has_error()) {
      // What this stream showed when it began is worth nothing any more; the next one shows what there is by then.
      if (answer.error().code() == grpc::StatusCode::UNAUTHENTICATED) retired_ = true;
      told.push_back({std::move(waiting.done), FromProto(answer.error())});
    } else if (answer.part() == v1::Answer::PART_END_ONLY) {
      told.push_back({std::move(waiting.done), TheOneOf(waiting.response)});
    } else if (waiting.response.has_value()) {
      // A call of a stream has one response: what gives more has a call of its own.
      told.push_back({std::move(waiting.done), absl::InternalError("the store gave more than one response")});
    } else if (answer.part() == v1::Answer::PART_MORE) {
      waiting.response = std::move(*answer.mutable_response());
      return;
    } else {
      told.push_back({std::move(waiting.done), std::move(*answer.mutable_response())});
    }
    waiting_.erase(found);
  }

  static Outcome TheOneOf(std::optional<std::string>& response) {
    if (response.has_value()) return *std::move(response);
    return absl::InternalError("the store gave no response");
  }

  // Step, on a thread that does not serve the completions.
  void StepHere() {
    grpc::CompletionQueue* queue;
    {
      absl::MutexLock lock(&mutex_);
      // Before its beginning there is nothing to do yet, and behind its end the queue may be gone.
      if (queue_of_completions_ == nullptr || done_) return;
      queue = queue_of_completions_;
      ++steps_here_;
    }
    const auto step = [this] { Step(); };
    StartAndComplete(*queue, step);
    absl::MutexLock lock(&mutex_);
    --steps_here_;
  }

  // Does what is to be done next, if nobody is at it.
  void Step() {
    Next next;
    {
      absl::MutexLock lock(&mutex_);
      next = {DecideWrite(), DecideRead()};
    }
    switch (next.write) {
      case Next::Write::kNothing:
        break;
      case Next::Write::kRequest:
        stream_->Write(request_, &written_);
        break;
      case Next::Write::kHalfClose:
        stream_->WritesDone(&written_);
        break;
      case Next::Write::kFinish:
        return stream_->Finish(&status_, &finished_tag_);
    }
    if (next.read) stream_->Read(&response_, &read_);
  }

  Next::Write DecideWrite() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finishing_) return Next::Write::kNothing;
    if (ended_) {
      // After a failed write the read fails soon.
      if (!read_ended_) return Next::Write::kNothing;
      finishing_ = true;
      return Next::Write::kFinish;
    }
    if (!queue_.empty()) {
      writing_ = true;
      FillRequest();
      return Next::Write::kRequest;
    }
    if (retired_ && waiting_.empty() && !half_closed_) {
      writing_ = half_closed_ = true;
      return Next::Write::kHalfClose;
    }
    return Next::Write::kNothing;
  }

  bool DecideRead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const bool wanted = !waiting_.empty() || must_read_ || half_closed_ || ended_;
    if (reading_ || read_ended_ || !wanted) return false;
    reading_ = true;
    return true;
  }

  void FillRequest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    request_.Clear();
    gathering_ = false;
    const absl::Time now = clock_.Now();
    for (size_t bytes = 0; !queue_.empty(); queue_.pop_front()) {
      Queued& next = queue_.front();
      bytes += next.bytes();
      if (request_.calls_size() > 0 && bytes > store::kMaxBatchBytes) return;
      queued_bytes_ -= next.bytes();
      last_sent_id_ = next.call.call_id();
      next.call.set_timeout_ms(TimeoutMs(next.deadline - now));
      *request_.add_calls() = std::move(next.call);
    }
  }

  // The store waits a minute at most, whatever it is told.
  static int32_t TimeoutMs(absl::Duration left) {
    return static_cast<int32_t>(
        std::clamp<int64_t>(absl::ToInt64Milliseconds(left), 1, absl::ToInt64Milliseconds(absl::Minutes(1))));
  }

  Stub stub_;
  const Clock& clock_;
  const absl::Time retire_at_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::CallsRequest, v1::CallsResponse>> stream_;
  std::shared_ptr<Stream> self_;
  Tag started_ = MakeTag<&Stream::OnStarted>(this);
  Tag read_ = MakeTag<&Stream::OnRead>(this);
  Tag written_ = MakeTag<&Stream::OnWritten>(this);
  Tag ticked_ = MakeTag<&Stream::OnTick>(this);
  Tag finished_tag_ = MakeTag<&Stream::OnFinished>(this);
  grpc::Status status_;
  // These two belong to the read and the write that are under way.
  v1::CallsResponse response_;
  v1::CallsRequest request_;

  mutable absl::Mutex mutex_;
  // Null until the stream begins.
  grpc::CompletionQueue* queue_of_completions_ ABSL_GUARDED_BY(mutex_) = nullptr;
  // Its tick is under way from the beginning of the stream to its end.
  grpc::Alarm alarm_ ABSL_GUARDED_BY(mutex_);
  std::deque<Queued> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<int64_t, Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  int64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of the last call that was handed to gRPC, which only then may have reached the store.
  int64_t last_sent_id_ ABSL_GUARDED_BY(mutex_) = 0;
  // Set while a write is under way; the first one waits until the call has started.
  bool writing_ ABSL_GUARDED_BY(mutex_) = true;
  // Set while a read is under way; the first one waits too.
  bool reading_ ABSL_GUARDED_BY(mutex_) = true;
  // Set by each tick, cleared by the read that follows: to read though no answer is due.
  bool must_read_ ABSL_GUARDED_BY(mutex_) = false;
  // Set when calls wait for others to join them, cleared when they go: should nobody call Step for that, the tick does.
  bool gathering_ ABSL_GUARDED_BY(mutex_) = false;
  // Set for good when the stream is old: it takes no more calls, and is half-closed when it owes nothing.
  bool retired_ ABSL_GUARDED_BY(mutex_) = false;
  // Set for good by Cancel.
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  // Set for good when nothing more is written.
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  // Set for good when a read or a write has failed.
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  // Set for good when a read has failed.
  bool read_ended_ ABSL_GUARDED_BY(mutex_) = false;
  // Set for good when Finish is called.
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  // Set for good when Finish is done: only the tick is under way.
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  // Threads that are in StepHere.
  int steps_here_ ABSL_GUARDED_BY(mutex_) = 0;
  // Set for good when nothing is.
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

struct BatchStreams::Impl {
  Impl(StoreChannel& channel, Options options)
      : channel(channel), options(options), current(static_cast<size_t>(options.streams)) {}

  ~Impl() {
    std::vector<std::shared_ptr<Stream>> streams;
    {
      absl::MutexLock lock(&mutex);
      streams = all;
    }
    for (const auto& stream : streams) stream->Cancel();
    for (const auto& stream : streams) stream->WaitUntilDone();
  }

  void Send(absl::Span<BatchedCall> calls, Later later) {
    const size_t place = next.fetch_add(1, std::memory_order_relaxed) % current.size();
    std::shared_ptr<Stream> stream;
    {
      absl::MutexLock lock(&mutex);
      stream = current[place];
    }
    if (stream != nullptr && stream->Send(calls, later)) return;
    const auto fresh = std::make_shared<Stream>(channel, options);
    CHECK(fresh->Send(calls, later));
    {
      absl::MutexLock lock(&mutex);
      std::erase_if(all, [](const auto& old) { return old->done(); });
      // Where another thread was faster there is one stream more for a while.
      current[place] = fresh;
      all.push_back(fresh);
    }
    fresh->Begin(channel.queue());
  }

  StoreChannel& channel;
  const Options options;
  std::atomic<size_t> next = 0;
  absl::Mutex mutex;
  // The streams that take calls.
  std::vector<std::shared_ptr<Stream>> current ABSL_GUARDED_BY(mutex);
  // These, and those that still owe answers.
  std::vector<std::shared_ptr<Stream>> all ABSL_GUARDED_BY(mutex);
};

BatchStreams::BatchStreams(StoreChannel& channel, Options options)
    : impl_(std::make_unique<Impl>(channel, options)) {}
BatchStreams::~BatchStreams() = default;

void BatchStreams::Send(absl::Span<BatchedCall> calls, Later later) { impl_->Send(calls, std::move(later)); }

}  // namespace mailstead::rpc
