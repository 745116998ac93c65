#include "stored/service/exchange_service.h"

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "mailstead/store/v1/exchange.grpc.pb.h"
#include "stored/service/call.h"
#include "stored/service/exchange_calls.h"

namespace mailstead::store {
namespace {

// What the calls of one stream and their answers may hold; beyond it nothing more is read until answers have gone.
constexpr size_t kMaxStreamCost = size_t{16} << 20;
// Answers that wait are sent together up to about here.
constexpr size_t kMaxResponseCost = 256 << 10;

class ExchangeReactor;

// The streams that are open, so that a store that drains can end them: they would last for ever.
class OpenStreams {
 public:
  void Add(ExchangeReactor* stream);
  void Remove(ExchangeReactor* stream);
  void Drain();

 private:
  absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<ExchangeReactor*> streams_ ABSL_GUARDED_BY(mutex_);
};

// One stream. Reads as long as there is room, and writes answers as they come, those that came meanwhile together.
//
// No operation of gRPC's is started under the mutex. `starting_reads_` and `writing_` are set under it before, and
// nobody finishes the call while either is set: after Finish no operation may start.
class ExchangeReactor final : public grpc::ServerBidiReactor<v1::ExchangeRequest, v1::ExchangeResponse>,
                              public AnswerSink,
                              public std::enable_shared_from_this<ExchangeReactor> {
 public:
  ExchangeReactor(Environment& environment, grpc::CallbackServerContext* context, OpenStreams& streams)
      : call_(environment, context, "ExchangeService/Exchange", Call::Kind::kStream), streams_(streams) {}

  void Begin() {
    self_ = shared_from_this();
    streams_.Add(this);
    if (const absl::Status admitted = call_.Admit(); !admitted.ok()) {
      {
        absl::MutexLock lock(&mutex_);
        finished_ = true;
      }
      return Finish(call_.End(admitted));
    }
    Read();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      {
        absl::MutexLock lock(&mutex_);
        half_closed_ = true;
      }
      return FinishIfDone();
    }
    {
      absl::MutexLock lock(&mutex_);
      for (const v1::ExchangeCall& call : request_.calls()) cost_ += CostOf(call);
      calls_ += request_.calls_size();
    }
    RunCalls(call_.environment(), request_, self_);
    {
      // Not before: request_ is ours until now.
      absl::MutexLock lock(&mutex_);
      reading_ = false;
    }
    Read();
  }

  void OnWriteDone(bool ok) override {
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
  }

  void OnCancel() override {
    {
      absl::MutexLock lock(&mutex_);
      abandoned_ = true;
    }
    FinishIfDone();
  }

  void OnDone() override {
    streams_.Remove(this);
    std::vector<absl::AnyInvocable<void()>> undo;
    {
      absl::MutexLock lock(&mutex_);
      undo = std::exchange(undo_, {});
      for (Waiting& waiting : answers_) {
        if (waiting.answer.undo) undo.push_back(std::move(waiting.answer.undo));
      }
      answers_.clear();
    }
    for (auto& run : undo) run();
    // Calls that are still at work keep us.
    self_.reset();
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
    if (!lost) return Write();
    if (answer.undo) answer.undo();
  }

  bool abandoned() const override {
    absl::MutexLock lock(&mutex_);
    return abandoned_ || finished_;
  }

 private:
  struct Waiting {
    OutgoingAnswer answer;
    size_t cost;
  };

  // If there is room and nobody reads.
  void Read() {
    {
      absl::MutexLock lock(&mutex_);
      if (reading_ || half_closed_ || draining_ || abandoned_ || finished_ || cost_ > kMaxStreamCost) return;
      reading_ = true;
      ++starting_reads_;
    }
    StartRead(&request_);
    {
      absl::MutexLock lock(&mutex_);
      --starting_reads_;
    }
    FinishIfDone();
  }

  // If there is something and nobody writes.
  void Write() {
    {
      absl::MutexLock lock(&mutex_);
      if (writing_ || abandoned_ || finished_ || answers_.empty()) return;
      writing_ = true;
      response_.Clear();
      while (!answers_.empty() && response_cost_ < kMaxResponseCost) {
        Waiting& next = answers_.front();
        *response_.add_answers() = std::move(next.answer.answer);
        if (next.answer.undo) undo_.push_back(std::move(next.answer.undo));
        response_cost_ += next.cost;
        answers_.pop_front();
      }
    }
    StartWrite(&response_);
  }

  void FinishIfDone() {
    absl::Status status;
    {
      absl::MutexLock lock(&mutex_);
      if (finished_ || writing_ || starting_reads_ > 0) return;
      const bool answered = calls_ == 0 && answers_.empty();
      if (!abandoned_ && !((half_closed_ || draining_) && answered)) return;
      if (abandoned_) {
        status = absl::CancelledError("the caller has gone");
      } else if (!half_closed_) {
        status = absl::UnavailableError("the store is shutting down");
      }
      finished_ = true;
    }
    Finish(call_.End(status));
  }

  Call call_;
  OpenStreams& streams_;
  std::shared_ptr<ExchangeReactor> self_;
  // Of the read and the write that are under way.
  v1::ExchangeRequest request_;
  v1::ExchangeResponse response_;

  mutable absl::Mutex mutex_;
  std::deque<Waiting> answers_ ABSL_GUARDED_BY(mutex_);
  // Without their last answer.
  size_t calls_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t cost_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t response_cost_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of the answers in response_, should it not arrive.
  std::vector<absl::AnyInvocable<void()>> undo_ ABSL_GUARDED_BY(mutex_);
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  // Between the decision to read and gRPC's having it. Two at most: the read may be done before that returns.
  int starting_reads_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

void OpenStreams::Add(ExchangeReactor* stream) {
  bool draining;
  {
    absl::MutexLock lock(&mutex_);
    streams_.insert(stream);
    draining = draining_;
  }
  if (draining) stream->Drain();
}

void OpenStreams::Remove(ExchangeReactor* stream) {
  absl::MutexLock lock(&mutex_);
  streams_.erase(stream);
}

void OpenStreams::Drain() {
  std::vector<std::shared_ptr<ExchangeReactor>> streams;
  {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
    for (ExchangeReactor* stream : streams_) streams.push_back(stream->shared_from_this());
  }
  for (const auto& stream : streams) stream->Drain();
}

class Service final : public v1::ExchangeService::CallbackService {
 public:
  Service(Environment& environment, OpenStreams& streams) : environment_(environment), streams_(streams) {}

  grpc::ServerBidiReactor<v1::ExchangeRequest, v1::ExchangeResponse>* Exchange(
      grpc::CallbackServerContext* context) override {
    const auto reactor = std::make_shared<ExchangeReactor>(environment_, context, streams_);
    reactor->Begin();
    return reactor.get();
  }

 private:
  Environment& environment_;
  OpenStreams& streams_;
};

}  // namespace

struct ExchangeService::Impl {
  explicit Impl(Environment& environment) : service(environment, streams) {}
  OpenStreams streams;
  Service service;
};

ExchangeService::ExchangeService(Environment& environment) : impl_(std::make_unique<Impl>(environment)) {}
ExchangeService::~ExchangeService() = default;
grpc::Service* ExchangeService::service() { return &impl_->service; }
void ExchangeService::Drain() { impl_->streams.Drain(); }

}  // namespace mailstead::store
