#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "common/rpc/completion_loop.h"
#include "mailstead/store/v1/exchange.grpc.pb.h"
#include "stored/service/call.h"
#include "stored/service/call_loop.h"
#include "stored/service/exchange_calls.h"
#include "stored/service/services.h"

namespace mailstead::store {
namespace {

// What the calls of one stream and their answers may hold; beyond it nothing more is read until answers have
// gone.
constexpr size_t kMaxStreamCost = size_t{16} << 20;
// Answers that wait are sent together up to about here.
constexpr size_t kMaxResponseCost = 256 << 10;

class Stream;

// Within GatherAnswers: the streams that have something to write.
thread_local absl::flat_hash_set<std::shared_ptr<Stream>>* touched = nullptr;

// The streams that are open, so that a store that drains can end them: they would last for ever.
class OpenStreams {
 public:
  void Add(Stream* stream);
  // It starts nothing any more.
  void Remove(Stream* stream);
  void Drain();

 private:
  absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<Stream*> streams_ ABSL_GUARDED_BY(mutex_);
};

// One stream. Reads as long as there is room, and writes answers as they come, those that came meanwhile
// together. Completions come on the loop's thread, one at a time; it owns itself until there are no more to
// come.
//
// Operations of gRPC's are started outside the mutex. Before, each is counted in `operations_`, and
// `writing_` or `reading_` is set; after Finish none may start, so nobody finishes while a read is about to
// start or a write is under way.
class Stream final : public AnswerSink, public std::enable_shared_from_this<Stream> {
 public:
  Stream(CallLoop& loop, v1::ExchangeService::AsyncService& service, OpenStreams& streams)
      : presence_(loop),
        loop_(loop),
        service_(service),
        streams_(streams),
        call_(loop.environment(), context_, "ExchangeService/Exchange", Call::Kind::kStream) {}

  // Waits for a caller, and for the next when one has come.
  void Begin() {
    self_ = shared_from_this();
    operations_ = 2;
    context_.AsyncNotifyWhenDone(&ended_tag_);
    service_.RequestExchange(&context_, &stream_, loop_.queue(), loop_.queue(), &begun_tag_);
  }

  // No more calls are taken; the stream ends when those it has are answered.
  void Drain() {
    {
      absl::MutexLock lock(&mutex_);
      draining_ = true;
    }
    FinishIfDone();
  }

  void Give(OutgoingAnswer answer) override {
    const size_t cost = answer.answer.ByteSizeLong();
    bool lost;
    {
      absl::MutexLock lock(&mutex_);
      if (!answer.answer.more()) --calls_;
      cost_ -= answer.freed_bytes;
      lost = abandoned_ || finished_;
      if (!lost) {
        cost_ += cost;
        answers_.push_back({std::move(answer), cost});
      }
    }
    if (lost) {
      if (answer.undo) answer.undo();
    } else if (touched != nullptr) {
      touched->insert(shared_from_this());
    } else {
      Write();
    }
  }

  bool abandoned() const override {
    absl::MutexLock lock(&mutex_);
    return abandoned_ || finished_;
  }

  // If there is something and nobody writes.
  void Write() {
    {
      absl::MutexLock lock(&mutex_);
      if (writing_ || gathering_ || abandoned_ || finished_ || answers_.empty()) return;
      writing_ = true;
      ++operations_;
      response_.Clear();
      while (!answers_.empty() && response_cost_ < kMaxResponseCost) {
        Waiting& next = answers_.front();
        *response_.add_answers() = std::move(next.answer.answer);
        if (next.answer.undo) undo_.push_back(std::move(next.answer.undo));
        response_cost_ += next.cost;
        answers_.pop_front();
      }
    }
    stream_.Write(response_, &written_tag_);
  }

 private:
  struct Waiting {
    OutgoingAnswer answer;
    size_t cost;
  };

  // ---- Completions

  void OnBegun(bool ok) {
    if (!ok) {
      // The server shuts down; without a call there is no end of one to hear of.
      streams_.Remove(this);
      self_.reset();
      return;
    }
    std::make_shared<Stream>(loop_, service_, streams_)->Begin();
    streams_.Add(this);
    if (const absl::Status admitted = call_.Admit(); admitted.ok()) {
      Read();
    } else {
      absl::MutexLock lock(&mutex_);
      refusal_ = admitted;
    }
    FinishIfDone();
    OperationDone();
  }

  void OnRead(bool ok) {
    if (ok) {
      {
        absl::MutexLock lock(&mutex_);
        for (const v1::ExchangeCall& call : request_.calls()) cost_ += CostOf(call);
        calls_ += request_.calls_size();
        gathering_ = true;
      }
      RunCalls(call_.environment(), request_, self_);
    }
    {
      // Not before: request_ is ours until now.
      absl::MutexLock lock(&mutex_);
      reading_ = gathering_ = false;
      half_closed_ = half_closed_ || !ok;
    }
    Write();
    Read();
    FinishIfDone();
    OperationDone();
  }

  void OnWritten(bool ok) {
    {
      absl::MutexLock lock(&mutex_);
      if (ok) {
        undo_.clear();
      } else {
        abandoned_ = true;
      }
      cost_ -= std::exchange(response_cost_, 0);
      writing_ = false;
    }
    Write();
    Read();
    FinishIfDone();
    OperationDone();
  }

  // The call has ended: as we said, or because the caller has gone.
  void OnEnded(bool) {
    {
      absl::MutexLock lock(&mutex_);
      abandoned_ = abandoned_ || context_.IsCancelled();
    }
    FinishIfDone();
    OperationDone();
  }

  void OnFinished(bool) { OperationDone(); }

  void OperationDone() {
    std::vector<absl::AnyInvocable<void()>> undo;
    {
      absl::MutexLock lock(&mutex_);
      if (--operations_ > 0) return;
      undo = std::exchange(undo_, {});
      for (Waiting& waiting : answers_) {
        if (waiting.answer.undo) undo.push_back(std::move(waiting.answer.undo));
      }
      answers_.clear();
    }
    for (auto& run : undo) run();
    streams_.Remove(this);
    // Calls that are still at work keep us.
    self_.reset();
  }

  // ---- What to do

  // If there is room and nobody reads.
  void Read() {
    {
      absl::MutexLock lock(&mutex_);
      if (reading_ || half_closed_ || draining_ || abandoned_ || finished_ || cost_ > kMaxStreamCost) return;
      reading_ = true;
      ++starting_reads_;
      ++operations_;
    }
    stream_.Read(&request_, &read_tag_);
    {
      absl::MutexLock lock(&mutex_);
      --starting_reads_;
    }
    FinishIfDone();
  }

  void FinishIfDone() {
    absl::Status status;
    {
      absl::MutexLock lock(&mutex_);
      if (finished_ || writing_ || starting_reads_ > 0) return;
      const bool answered = calls_ == 0 && answers_.empty();
      if (!refusal_.ok()) {
        status = refusal_;
      } else if (abandoned_) {
        status = absl::CancelledError("the caller has gone");
      } else if (!answered || !(half_closed_ || draining_)) {
        return;
      } else if (!half_closed_) {
        status = absl::UnavailableError("the store is shutting down");
      }
      finished_ = true;
      ++operations_;
    }
    stream_.Finish(call_.End(status), &finished_tag_);
  }

  // The first: it goes last, when gRPC's parts are gone.
  const CallLoop::Presence presence_;
  CallLoop& loop_;
  v1::ExchangeService::AsyncService& service_;
  OpenStreams& streams_;
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<v1::ExchangeResponse, v1::ExchangeRequest> stream_{&context_};
  Call call_;
  std::shared_ptr<Stream> self_;
  rpc::Tag begun_tag_ = rpc::MakeTag<&Stream::OnBegun>(this);
  rpc::Tag read_tag_ = rpc::MakeTag<&Stream::OnRead>(this);
  rpc::Tag written_tag_ = rpc::MakeTag<&Stream::OnWritten>(this);
  rpc::Tag ended_tag_ = rpc::MakeTag<&Stream::OnEnded>(this);
  rpc::Tag finished_tag_ = rpc::MakeTag<&Stream::OnFinished>(this);
  // Of the read and the write that are under way.
  v1::ExchangeRequest request_;
  v1::ExchangeResponse response_;

  mutable absl::Mutex mutex_;
  // Whose completions are to come.
  int operations_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Waiting> answers_ ABSL_GUARDED_BY(mutex_);
  // Without their last answer.
  size_t calls_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t cost_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t response_cost_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of the answers in response_, should it not arrive.
  std::vector<absl::AnyInvocable<void()>> undo_ ABSL_GUARDED_BY(mutex_);
  absl::Status refusal_ ABSL_GUARDED_BY(mutex_);
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  // Between the decision to read and gRPC's having it. Two at most: the read may be done before that returns.
  int starting_reads_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // Calls are being begun: what is answered at once goes together.
  bool gathering_ ABSL_GUARDED_BY(mutex_) = false;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

void OpenStreams::Add(Stream* stream) {
  bool draining;
  {
    absl::MutexLock lock(&mutex_);
    streams_.insert(stream);
    draining = draining_;
  }
  if (draining) stream->Drain();
}

void OpenStreams::Remove(Stream* stream) {
  absl::MutexLock lock(&mutex_);
  streams_.erase(stream);
}

void OpenStreams::Drain() {
  std::vector<std::shared_ptr<Stream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
    for (Stream* stream : streams_) streams.push_back(stream->shared_from_this());
  }
  for (const auto& stream : streams) stream->Drain();
}

class ExchangeService final : public Service {
 public:
  grpc::Service& registered() override { return async_; }
  void Serve(CallLoop& loop) override { std::make_shared<Stream>(loop, async_, streams_)->Begin(); }
  void Drain() override { streams_.Drain(); }

 private:
  v1::ExchangeService::AsyncService async_;
  OpenStreams streams_;
};

}  // namespace

std::unique_ptr<Service> MakeExchangeService() { return std::make_unique<ExchangeService>(); }

void GatherAnswers(absl::FunctionRef<void()> give) {
  absl::flat_hash_set<std::shared_ptr<Stream>> streams;
  touched = &streams;
  give();
  touched = nullptr;
  for (const std::shared_ptr<Stream>& stream : streams) stream->Write();
}

}  // namespace mailstead::store
