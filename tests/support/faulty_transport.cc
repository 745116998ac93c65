#include "tests/support/faulty_transport.h"

#include <google/protobuf/message_lite.h>

#include <algorithm>

#include "asio/post.hpp"
#include "asio/this_coro.hpp"
#include "common/base/status.h"

namespace mailstead::test {

// A stream with what is planned for its call.
class FaultyTransport::Stream final : public rpc::CallStream {
 public:
  Stream(FaultyTransport& way, std::string method, size_t index, Plan plan, rpc::CallOptions options,
         std::unique_ptr<rpc::CallStream> behind)
      : way_(way),
        held_(std::make_shared<Held>(Held{std::move(method), {}, nullptr})),
        index_(index),
        plan_(std::move(plan)),
        options_(std::move(options)),
        behind_(std::move(behind)) {}

  asio::awaitable<absl::Status> Write(const google::protobuf::MessageLite& request, bool last) override {
    way_.SawRequest(index_, request);
    CO_RETURN_IF_ERROR(co_await BeforeStep());
    last_written_ = last;
    absl::Status status = co_await behind_->Write(request, last);
    if (status.ok()) ++messages_;
    co_return status;
  }

  asio::awaitable<absl::StatusOr<bool>> Read(google::protobuf::MessageLite& response) override {
    CO_RETURN_IF_ERROR(co_await BeforeStep());
    if (plan_.when == When::kAfter && !after_done_) {
      after_done_ = true;
      if (plan_.hold) CO_RETURN_IF_ERROR(co_await way_.Wait(held_, options_.timeout));
      if (!plan_.error.ok()) {
        // The call happens, to its end where all requests are there.
        absl::StatusOr<bool> more = co_await behind_->Read(response);
        while (last_written_ && more.ok() && *more) more = co_await behind_->Read(response);
        broken_ = plan_.error;
        co_return broken_;
      }
    }
    absl::StatusOr<bool> more = co_await behind_->Read(response);
    if (more.ok() && *more) ++messages_;
    co_return more;
  }

  void Cancel() override {
    broken_ = absl::CancelledError("cancelled");
    behind_->Cancel();
    if (held_->timer != nullptr) held_->timer->Cancel();
  }

 private:
  asio::awaitable<absl::Status> BeforeStep() {
    if (!broken_.ok()) co_return broken_;
    broken_ = way_.away();
    if (plan_.when == When::kBefore && !std::exchange(before_done_, true)) {
      if (plan_.hold) {
        const absl::Status held = co_await way_.Wait(held_, options_.timeout);
        if (broken_.ok()) broken_ = held;
      }
      if (broken_.ok()) broken_ = plan_.error;
    }
    if (broken_.ok() && plan_.messages.has_value() && messages_ >= *plan_.messages) {
      broken_ = absl::UnavailableError("the stream broke");
    }
    if (!broken_.ok()) behind_->Cancel();
    co_return broken_;
  }

  FaultyTransport& way_;
  const std::shared_ptr<Held> held_;
  const size_t index_;
  const Plan plan_;
  const rpc::CallOptions options_;
  const std::unique_ptr<rpc::CallStream> behind_;
  // Requests and responses that went by.
  int messages_ = 0;
  // Set for good when what is planned was done.
  bool before_done_ = false;
  bool after_done_ = false;
  // Set with the last request.
  bool last_written_ = false;
  // Not OK: the stream has ended so.
  absl::Status broken_;
};

void FaultyTransport::Fail(const std::string& method, When when, absl::Status error, int nth) {
  absl::MutexLock lock(&mutex_);
  plans_[method].push_back({.nth = nth, .when = when, .error = std::move(error)});
}

void FaultyTransport::Hold(const std::string& method, When when, int nth) {
  absl::MutexLock lock(&mutex_);
  plans_[method].push_back({.nth = nth, .when = when, .hold = true});
}

void FaultyTransport::Tear(const std::string& method, int messages, int nth) {
  absl::MutexLock lock(&mutex_);
  plans_[method].push_back({.nth = nth, .messages = messages});
}

void FaultyTransport::Release(const std::string& method) {
  std::vector<std::shared_ptr<Held>> released;
  {
    absl::MutexLock lock(&mutex_);
    plans_.erase(method);
    for (auto it = held_.begin(); it != held_.end();) {
      if ((*it)->method != method) {
        ++it;
        continue;
      }
      released.push_back(std::move(*it));
      it = held_.erase(it);
    }
  }
  for (const std::shared_ptr<Held>& held : released) {
    asio::post(held->executor, [held] { held->timer->Cancel(); });
  }
}

void FaultyTransport::SetAway(absl::Status error) {
  absl::MutexLock lock(&mutex_);
  away_ = std::move(error);
}

int FaultyTransport::calls(const std::string& method) const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(std::count_if(seen_.begin(), seen_.end(),
                                        [&](const SeenCall& call) { return call.method == method; }));
}

std::vector<SeenCall> FaultyTransport::seen(const std::string& method) const {
  absl::MutexLock lock(&mutex_);
  std::vector<SeenCall> calls;
  std::copy_if(seen_.begin(), seen_.end(), std::back_inserter(calls),
               [&](const SeenCall& call) { return call.method == method; });
  return calls;
}

int FaultyTransport::held_count(const std::string& method) const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(std::count_if(held_.begin(), held_.end(), [&](const std::shared_ptr<Held>& held) {
    return held->method == method;
  }));
}

std::string FaultyTransport::LastName(absl::string_view method) {
  return std::string(method.substr(method.rfind('/') + 1));
}

FaultyTransport::Plan FaultyTransport::Begin(const std::string& method, const rpc::CallOptions& options,
                                             size_t& index) {
  absl::MutexLock lock(&mutex_);
  index = seen_.size();
  seen_.push_back({method, options.session_id, options.timeout, options.apart, {}});
  Plan taken;
  const auto found = plans_.find(method);
  if (found == plans_.end()) return taken;
  for (auto it = found->second.begin(); it != found->second.end();) {
    if (it->nth == 0) {
      taken = *it++;
    } else if (--it->nth == 0) {
      taken = *it;
      it = found->second.erase(it);
    } else {
      ++it;
    }
  }
  return taken;
}

void FaultyTransport::SawRequest(size_t index, const google::protobuf::MessageLite& request) {
  absl::MutexLock lock(&mutex_);
  seen_[index].requests.push_back(request.SerializeAsString());
}

absl::Status FaultyTransport::away() const {
  absl::MutexLock lock(&mutex_);
  return away_;
}

asio::awaitable<absl::Status> FaultyTransport::Wait(std::shared_ptr<Held> held, absl::Duration timeout) {
  held->executor = co_await asio::this_coro::executor;
  held->timer = timers_.NewTimer(held->executor);
  {
    absl::MutexLock lock(&mutex_);
    held_.push_back(held);
  }
  const bool late = co_await held->timer->WaitUntil(timers_.Now() + timeout);
  {
    absl::MutexLock lock(&mutex_);
    held_.remove(held);
  }
  if (late) co_return absl::DeadlineExceededError("the store did not answer in time");
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> FaultyTransport::Call(absl::string_view method,
                                                    const google::protobuf::MessageLite& request,
                                                    google::protobuf::MessageLite& response,
                                                    rpc::CallOptions options) {
  const std::string name = LastName(method);
  size_t index = 0;
  const Plan plan = Begin(name, options, index);
  SawRequest(index, request);
  CO_RETURN_IF_ERROR(away());
  const auto held = std::make_shared<Held>(Held{name, {}, nullptr});
  if (plan.when == When::kBefore) {
    if (plan.hold) CO_RETURN_IF_ERROR(co_await Wait(held, options.timeout));
    if (!plan.error.ok()) co_return plan.error;
  }
  const absl::Status status = co_await behind_.Call(method, request, response, options);
  if (plan.when == When::kAfter) {
    if (plan.hold) CO_RETURN_IF_ERROR(co_await Wait(held, options.timeout));
    if (!plan.error.ok()) co_return plan.error;
  }
  co_return status;
}

std::unique_ptr<rpc::CallStream> FaultyTransport::Open(absl::string_view method, rpc::CallOptions options) {
  std::string name = LastName(method);
  size_t index = 0;
  Plan plan = Begin(name, options, index);
  std::unique_ptr<rpc::CallStream> behind = behind_.Open(method, options);
  return std::make_unique<Stream>(*this, std::move(name), index, std::move(plan), std::move(options),
                                  std::move(behind));
}

}  // namespace mailstead::test
