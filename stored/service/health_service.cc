#include "stored/service/health_service.h"

#include <functional>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "stored/service/served_call.h"
#include "stored/service/unary.h"

namespace mailstead::store {
namespace {

namespace health = ::grpc::health::v1;
using Async = health::Health::AsyncService;
using State = health::HealthCheckResponse::ServingStatus;

// Neither admitted nor counted: see Call.
constexpr absl::string_view kOpenToAll = "";

class WatchCall;

// What is answered, and who wants to hear of a change.
class Board {
 public:
  explicit Board(std::vector<std::string> names)
      : names_(std::make_move_iterator(names.begin()), std::make_move_iterator(names.end())) {}

  void Set(bool serving);
  // For ever.
  void Drain();
  bool Knows(absl::string_view service) const { return service.empty() || names_.contains(service); }
  // NOT_SERVING or SERVING.
  State Now();

  void Add(WatchCall* call);
  // It is not told of anything when this returns.
  void Remove(WatchCall* call);

 private:
  State NowLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell(WatchCall& call) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const absl::flat_hash_set<std::string> names_;
  absl::Mutex mutex_;
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<WatchCall*> watchers_ ABSL_GUARDED_BY(mutex_);
};

// Says what the state is, and again whenever it has changed, until the caller goes or the store drains.
class WatchCall final : public ServerStreamCall<health::HealthCheckRequest, health::HealthCheckResponse> {
 public:
  WatchCall(CallLoop& loop, Async& service, Board& board)
      : ServerStreamCall(loop, kOpenToAll), service_(service), board_(board) {}
  ~WatchCall() override { board_.Remove(this); }

  bool asks_known_service() const { return known_; }
  // Any thread.
  void Change(State state, bool last) {
    {
      absl::MutexLock lock(&mutex_);
      state_ = state;
      last_ = last_ || last;
    }
    Continue();
  }

 private:
  void RequestCaller(void* tag) override {
    service_.RequestWatch(&context(), &request(), &writer(), queue(), queue(), tag);
  }
  std::unique_ptr<ServedCall> Another() const override {
    return std::make_unique<WatchCall>(loop(), service_, board_);
  }

  void Begin() override {
    known_ = board_.Knows(request().service());
    // SECURITY: strangers may watch, for as long as they like. What they sent is not kept.
    health::HealthCheckRequest().Swap(&request());
    board_.Add(this);
  }

  void OnWritten(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      last_ = last_ || !ok;
      if (!ok) written_ = state_;
    }
    Continue();
  }

  void OnCancel() override {
    {
      absl::MutexLock lock(&mutex_);
      last_ = true;
      written_ = state_;
    }
    Continue();
  }

  // Writes what has changed, or finishes when that was the last.
  void Continue() {
    {
      absl::MutexLock lock(&mutex_);
      if (writing_ || finished_) return;
      if (state_ != written_) {
        writing_ = true;
        written_ = state_;
        response().set_status(*state_);
        Write();
        return;
      }
      if (!last_) return;
      finished_ = true;
    }
    Finish(absl::UnavailableError("the store is shutting down"));
  }

  Async& service_;
  Board& board_;
  bool known_ = false;
  absl::Mutex mutex_;
  std::optional<State> state_ ABSL_GUARDED_BY(mutex_);
  std::optional<State> written_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // Nothing more is to come.
  bool last_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

State Board::Now() {
  absl::MutexLock lock(&mutex_);
  return NowLocked();
}

State Board::NowLocked() const {
  return serving_ ? health::HealthCheckResponse::SERVING : health::HealthCheckResponse::NOT_SERVING;
}

void Board::Set(bool serving) {
  absl::MutexLock lock(&mutex_);
  serving_ = serving && !draining_;
  for (WatchCall* call : watchers_) Tell(*call);
}

void Board::Drain() {
  absl::MutexLock lock(&mutex_);
  serving_ = false;
  draining_ = true;
  for (WatchCall* call : watchers_) Tell(*call);
}

void Board::Add(WatchCall* call) {
  absl::MutexLock lock(&mutex_);
  watchers_.insert(call);
  Tell(*call);
}

void Board::Remove(WatchCall* call) {
  absl::MutexLock lock(&mutex_);
  watchers_.erase(call);
}

void Board::Tell(WatchCall& call) const {
  const bool known = call.asks_known_service();
  call.Change(known ? NowLocked() : health::HealthCheckResponse::SERVICE_UNKNOWN, draining_);
}

class GrpcHealthService final : public HealthService {
 public:
  explicit GrpcHealthService(std::vector<std::string> names) : board_(std::move(names)) {}

  grpc::Service& registered() override { return async_; }
  void Serve(CallLoop& loop) override {
    ServeUnary(loop, kOpenToAll, async_, &Async::RequestCheck,
               std::bind_front(&GrpcHealthService::Check, this));
    ServedCall::Serve(std::make_unique<WatchCall>(loop, async_, board_));
  }
  void Drain() override { board_.Drain(); }
  void SetServing(bool serving) override { board_.Set(serving); }

 private:
  void Check(const health::HealthCheckRequest& request, health::HealthCheckResponse& response,
             const Answered& answered) {
    if (!board_.Knows(request.service())) return answered(absl::NotFoundError("no such service"));
    response.set_status(board_.Now());
    answered(absl::OkStatus());
  }

  Async async_;
  Board board_;
};

}  // namespace

std::unique_ptr<HealthService> MakeHealthService(std::vector<std::string> names) {
  return std::make_unique<GrpcHealthService>(std::move(names));
}

}  // namespace mailstead::store
