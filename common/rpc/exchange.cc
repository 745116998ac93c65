#include "common/rpc/exchange.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "common/base/check.h"
#include "common/rpc/await.h"
#include "common/rpc/channel.h"
#include "common/rpc/completion_loop.h"
#include "common/rpc/errors.h"
#include "mailstead/store/v1/exchange.grpc.pb.h"

namespace mailstead::rpc {
namespace {

namespace v1 = ::mailstead::store::v1;
using Outcome = absl::StatusOr<v1::ExchangeAnswer>;

// The longest that a call may take at the end of a stream's life.
constexpr absl::Duration kMaxCallTime = absl::Minutes(10);
constexpr absl::Duration kSweepInterval = absl::Milliseconds(50);
// Calls that wait are sent together up to here; the store takes 2 MiB. A greater one goes alone.
constexpr size_t kMaxRequestBytes = 512 << 10;
// What waits for a stream whose store does not read. Beyond it calls fail at once.
constexpr size_t kMaxQueuedBytes = size_t{16} << 20;

// One stream. It owns itself until gRPC is done with it. Completions come on the loop's thread, one at a
// time.
//
// Operations of gRPC's are started outside the mutex. While `writing_` is set one that writes is under way or
// about to be; the same with `reading_`.
//
// gRPC sends a window update of its own for every read that is begun when there is none to go with, and it
// wakes the store as a call does. So nothing is read while no answer is due, until the next call goes, which
// takes the update along; or until the next sweep, since the end of the stream is heard of by reading.
class Stream final : public std::enable_shared_from_this<Stream> {
 public:
  using Done = std::function<void(Outcome)>;

  Stream(StoreChannel& channel, absl::Duration life)
      : stub_(v1::ExchangeService::NewStub(channel.Next())), retire_at_(absl::Now() + life) {
    channel.Prepare(context_, life + kMaxCallTime);
  }

  // Once. What was sent before goes now.
  void Begin(grpc::CompletionQueue* queue) {
    self_ = shared_from_this();
    stream_ = stub_->PrepareAsyncExchange(&context_, queue);
    stream_->StartCall(&started_);
  }

  struct Item {
    v1::ExchangeCall call;
    Done done;
  };

  // False: this stream takes no more calls, and the items are untouched.
  bool Send(absl::Span<Item> items, absl::Time deadline) {
    bool full;
    {
      absl::MutexLock lock(&mutex_);
      RetireWhenOld(absl::Now());
      if (ended_ || retired_) return false;
      full = queued_bytes_ > kMaxQueuedBytes;
      if (!full) {
        for (Item& item : items) Enqueue(std::move(item), deadline);
      }
    }
    if (full) {
      for (Item& item : items) item.done(absl::UnavailableError("the store does not keep up"));
    }
    Step();
    return true;
  }

  // Ends the wait for answers that are overdue, and a stream that is old.
  void Sweep(absl::Time now) {
    std::vector<Done> late;
    {
      absl::MutexLock lock(&mutex_);
      DropOverdue(now, late);
      for (auto it = waiting_.begin(); it != waiting_.end();) {
        Waiting& waiting = it->second;
        const bool overdue = waiting.deadline <= now;
        if (overdue && waiting.done) late.push_back(std::exchange(waiting.done, nullptr));
        // The answer of OpenMaildrop has the only key to a lock: it is still waited for.
        if (overdue && waiting.mailbox_id == 0) {
          waiting_.erase(it++);
        } else {
          ++it;
        }
      }
      RetireWhenOld(now);
      must_read_ = true;
    }
    for (const Done& done : late) done(absl::DeadlineExceededError("the store did not answer in time"));
    Step();
  }

  void Cancel() {
    context_.TryCancel();
    {
      absl::MutexLock lock(&mutex_);
      must_read_ = true;
    }
    Step();
  }
  void WaitUntilDone() const {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&done_));
  }
  bool done() const {
    absl::MutexLock lock(&mutex_);
    return done_;
  }

 private:
  struct Waiting {
    // Empty: the caller has given up.
    Done done;
    absl::Time deadline;
    // Of OpenMaildrop: what to release when its answer comes too late, and what has come of it.
    uint64_t mailbox_id = 0;
    v1::ExchangeAnswer so_far;
  };

  // A call that has not been sent.
  struct Queued {
    v1::ExchangeCall call;
    size_t bytes = 0;
    absl::Time deadline;
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
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      ended_ = ended_ || !ok;
    }
    Step();
  }

  void OnRead(bool ok) {
    std::vector<std::pair<Done, v1::ExchangeAnswer>> answered;
    {
      absl::MutexLock lock(&mutex_);
      if (!ok) ended_ = read_ended_ = true;
      if (ok) {
        for (v1::ExchangeAnswer& answer : *response_.mutable_answers()) Take(answer, answered);
      }
      response_.Clear();
      reading_ = must_read_ = false;
    }
    // First the read: further answers may be there already.
    Step();
    for (auto& [done, answer] : answered) done(std::move(answer));
  }

  void OnFinished(bool) {
    const absl::Status why =
        status_.ok() ? absl::UnavailableError("the store ended the stream") : FromGrpc(status_);
    absl::flat_hash_map<uint64_t, Waiting> unanswered;
    {
      absl::MutexLock lock(&mutex_);
      unanswered = std::exchange(waiting_, {});
    }
    for (auto& [id, waiting] : unanswered) {
      if (waiting.done) waiting.done(why);
    }
    const std::shared_ptr<Stream> alive = std::move(self_);
    stream_.reset();
    absl::MutexLock lock(&mutex_);
    done_ = true;
  }

  // ---- What to do

  void RetireWhenOld(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    retired_ = retired_ || now > retire_at_;
  }

  void Enqueue(Item item, absl::Time deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    item.call.set_call_id(++last_id_);
    Waiting& waiting = waiting_[last_id_];
    waiting.done = std::move(item.done);
    waiting.deadline = deadline;
    if (item.call.has_open_maildrop()) waiting.mailbox_id = item.call.open_maildrop().mailbox_id();
    const size_t bytes = item.call.ByteSizeLong();
    queued_bytes_ += bytes;
    queue_.push_back({std::move(item.call), bytes, deadline});
  }

  // What is overdue and has not been sent will not be: nobody waits for it, and the store would do it before
  // what somebody waits for.
  void DropOverdue(absl::Time now, std::vector<Done>& late) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::erase_if(queue_, [&](const Queued& queued) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      if (queued.deadline > now) return false;
      const auto waiting = waiting_.find(queued.call.call_id());
      if (waiting != waiting_.end()) {
        late.push_back(std::move(waiting->second.done));
        waiting_.erase(waiting);
      }
      queued_bytes_ -= queued.bytes;
      return true;
    });
  }

  void Take(v1::ExchangeAnswer& answer, std::vector<std::pair<Done, v1::ExchangeAnswer>>& answered)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = waiting_.find(answer.call_id());
    if (found == waiting_.end()) return;
    Waiting& waiting = found->second;
    const bool more = answer.more();
    if (more || waiting.so_far.has_open_maildrop()) {
      waiting.so_far.MergeFrom(answer);
      if (more) return;
      answer = std::move(waiting.so_far);
    }
    if (waiting.done) {
      answered.emplace_back(std::move(waiting.done), std::move(answer));
    } else if (answer.open_maildrop().token() != 0) {
      // Nobody waits for the answer of this one.
      v1::ExchangeCall& call = queue_.emplace_back(Queued{.deadline = absl::InfiniteFuture()}).call;
      call.set_call_id(++last_id_);
      call.mutable_release_maildrop()->set_mailbox_id(waiting.mailbox_id);
      call.mutable_release_maildrop()->set_token(answer.open_maildrop().token());
    }
    waiting_.erase(found);
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
        return stream_->Finish(&status_, &finished_);
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
    const absl::Time now = absl::Now();
    for (size_t bytes = 0; !queue_.empty(); queue_.pop_front()) {
      Queued& next = queue_.front();
      bytes += next.bytes;
      if (request_.calls_size() > 0 && bytes > kMaxRequestBytes) return;
      queued_bytes_ -= next.bytes;
      next.call.set_timeout_ms(TimeoutMs(next.deadline - now));
      *request_.add_calls() = std::move(next.call);
    }
  }

  static uint32_t TimeoutMs(absl::Duration left) {
    return static_cast<uint32_t>(
        std::clamp<int64_t>(absl::ToInt64Milliseconds(left), 1, std::numeric_limits<uint32_t>::max()));
  }

  const std::unique_ptr<v1::ExchangeService::Stub> stub_;
  const absl::Time retire_at_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::ExchangeRequest, v1::ExchangeResponse>> stream_;
  std::shared_ptr<Stream> self_;
  Tag started_ = MakeTag<&Stream::OnStarted>(this);
  Tag read_ = MakeTag<&Stream::OnRead>(this);
  Tag written_ = MakeTag<&Stream::OnWritten>(this);
  Tag finished_ = MakeTag<&Stream::OnFinished>(this);
  grpc::Status status_;
  // Of the read and the write that are under way.
  v1::ExchangeResponse response_;
  v1::ExchangeRequest request_;

  mutable absl::Mutex mutex_;
  std::deque<Queued> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  // The first write waits until the call has started.
  bool writing_ ABSL_GUARDED_BY(mutex_) = true;
  // The first read too.
  bool reading_ ABSL_GUARDED_BY(mutex_) = true;
  // Though no answer is due.
  bool must_read_ ABSL_GUARDED_BY(mutex_) = false;
  // Old: takes no more calls, and is half-closed when it owes nothing.
  bool retired_ ABSL_GUARDED_BY(mutex_) = false;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool read_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

struct Exchange::Impl {
  Impl(StoreChannel& channel, int streams, absl::Duration stream_life)
      : channel(channel),
        stream_life(stream_life),
        current(static_cast<size_t>(streams)),
        sweeper([this] { SweepNowAndThen(); }) {}

  ~Impl() {
    std::vector<std::shared_ptr<Stream>> streams;
    {
      absl::MutexLock lock(&mutex);
      stopping = true;
      streams = all;
    }
    sweeper.join();
    for (const auto& stream : streams) stream->Cancel();
    for (const auto& stream : streams) stream->WaitUntilDone();
  }

  void Send(absl::Span<Stream::Item> items, absl::Time deadline) {
    const size_t place = next.fetch_add(1, std::memory_order_relaxed) % current.size();
    std::shared_ptr<Stream> stream;
    {
      absl::MutexLock lock(&mutex);
      stream = current[place];
    }
    if (stream != nullptr && stream->Send(items, deadline)) return;
    const auto fresh = std::make_shared<Stream>(channel, stream_life);
    CHECK(fresh->Send(items, deadline));
    bool stopped;
    {
      absl::MutexLock lock(&mutex);
      stopped = stopping;
      // Where another thread was faster there is one stream more for a while.
      if (!stopped) {
        current[place] = fresh;
        all.push_back(fresh);
      }
    }
    if (!stopped) fresh->Begin(channel.queue());
  }

  void SweepNowAndThen() {
    const auto has_streams = [this]()
                                 ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return stopping || !all.empty(); };
    const auto is_stopping = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return stopping; };
    while (true) {
      std::vector<std::shared_ptr<Stream>> streams;
      {
        absl::MutexLock lock(&mutex);
        mutex.Await(absl::Condition(&has_streams));
        if (mutex.AwaitWithTimeout(absl::Condition(&is_stopping), kSweepInterval)) return;
        all.erase(std::remove_if(all.begin(), all.end(), [](const auto& stream) { return stream->done(); }),
                  all.end());
        streams = all;
      }
      const absl::Time now = absl::Now();
      for (const auto& stream : streams) stream->Sweep(now);
    }
  }

  StoreChannel& channel;
  const absl::Duration stream_life;
  std::atomic<size_t> next = 0;
  absl::Mutex mutex;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  // Those that take calls.
  std::vector<std::shared_ptr<Stream>> current ABSL_GUARDED_BY(mutex);
  // And those that still owe answers.
  std::vector<std::shared_ptr<Stream>> all ABSL_GUARDED_BY(mutex);
  std::thread sweeper;
};

Exchange::Exchange(StoreChannel& channel, int streams, absl::Duration stream_life)
    : impl_(std::make_unique<Impl>(channel, streams, stream_life)) {}
Exchange::~Exchange() = default;

asio::awaitable<Outcome> Exchange::Ask(v1::ExchangeCall call, absl::Duration timeout) {
  // Named first: see await.h.
  const auto start = [impl = impl_.get(), &call, deadline = absl::Now() + timeout](Stream::Done done) {
    Stream::Item item{std::move(call), std::move(done)};
    impl->Send(absl::MakeSpan(&item, 1), deadline);
  };
  Outcome outcome = co_await AwaitCallback<Outcome>(start);
  if (outcome.ok() && outcome->has_error()) co_return FromProto(outcome->error());
  co_return outcome;
}

namespace {

// The answers of several calls, until the last one is there.
struct Gathering {
  std::vector<Outcome> outcomes;
  std::atomic<size_t> missing;
  std::function<void(bool)> done;
};

}  // namespace

asio::awaitable<std::vector<Outcome>> Exchange::AskAll(std::vector<v1::ExchangeCall> calls,
                                                       absl::Duration timeout) {
  CHECK(!calls.empty());
  const auto gathering = std::make_shared<Gathering>();
  gathering->outcomes.resize(calls.size(), absl::UnknownError("no answer yet"));
  gathering->missing = calls.size();
  const auto start = [impl = impl_.get(), &calls, &gathering,
                      deadline = absl::Now() + timeout](std::function<void(bool)> done) {
    gathering->done = std::move(done);
    std::vector<Stream::Item> items;
    items.reserve(calls.size());
    for (size_t i = 0; i < calls.size(); ++i) {
      items.push_back({std::move(calls[i]), [gathering, i](Outcome outcome) {
                         gathering->outcomes[i] = std::move(outcome);
                         if (gathering->missing.fetch_sub(1) == 1) gathering->done(true);
                       }});
    }
    impl->Send(absl::MakeSpan(items), deadline);
  };
  co_await AwaitCallback<bool>(start);
  for (Outcome& outcome : gathering->outcomes) {
    if (outcome.ok() && outcome->has_error()) outcome = FromProto(outcome->error());
  }
  co_return std::move(gathering->outcomes);
}

}  // namespace mailstead::rpc
