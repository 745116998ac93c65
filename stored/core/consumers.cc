#include "stored/core/consumers.h"

#include <algorithm>

#include "common/base/reason.h"
#include "stored/rules/change.h"

namespace mailstead::stored {

absl::Status CheckPlace(engine::Engine& engine, const engine::FeedConsumer& consumer) {
  if (consumer.incarnation != engine.upkeep().Incarnation()) {
    return rules::CursorExpired("the store was restored since the consumer was made or reset");
  }
  return rules::CheckCursor(consumer.acked, engine.changes().Bounds());
}

Task<ConsumerLag> LagOf(engine::Engine& engine, const Clock& clock, engine::FeedConsumer consumer) {
  ConsumerLag lag;
  lag.expired = !CheckPlace(engine, consumer).ok();
  if (lag.expired) co_return lag;
  lag.count = engine.changes().Bounds().last - consumer.acked.position;
  engine::ChangeQuestion first;
  first.after = consumer.acked;
  first.limit = 1;
  const absl::StatusOr<engine::ChangePage> page = co_await engine.changes().Read(first);
  if (!page.ok() || page->changes.empty()) co_return lag;
  lag.age = std::max(clock.Now() - page->changes[0].time, absl::ZeroDuration());
  co_return lag;
}

Consumers::Worker::Worker(Consumers& consumers, std::string name, Options options)
    : consumers_(consumers), name_(std::move(name)), options_(std::move(options)) {
  consumers_.workers_[name_].push_back(this);
}

Consumers::Worker::~Worker() {
  if (!fenced_) consumers_.Leave(*this);
}

bool Consumers::Worker::IsFirst() const { return fenced_ || consumers_.workers_.at(name_).front() == this; }

void Consumers::Worker::CheckFirst() {
  if (IsFirst()) return;
  Worker& first = *consumers_.workers_.at(name_).front();
  if (first.unacknowledged_.empty()) return;
  if (consumers_.steady_.Now() - first.moved_time_ > first.ack_timeout_) first.Fence();
}

void Consumers::Worker::Activate(const engine::FeedConsumer& consumer) {
  fence_ = consumer.fence;
  ack_timeout_ = consumer.ack_timeout;
  sent_ = consumer.acked;
}

void Consumers::Worker::Sent(const engine::ChangeCursor& event) {
  if (unacknowledged_.empty()) moved_time_ = consumers_.steady_.Now();
  unacknowledged_.push_back(event);
  sent_ = event;
}

void Consumers::Worker::Moved(const engine::ChangeCursor& to) { sent_ = std::max(sent_, to); }

void Consumers::Worker::Fence() {
  consumers_.Leave(*this);
  fenced_ = true;
  options_.waker.Wake();
}

void Consumers::Leave(Worker& worker) {
  const auto found = workers_.find(worker.name_);
  Workers& workers = found->second;
  const bool was_first = workers.front() == &worker;
  workers.remove(&worker);
  if (workers.empty()) {
    workers_.erase(found);
  } else if (was_first) {
    workers.front()->options_.waker.Wake();
  }
}

Consumers::Worker* Consumers::ActiveOf(const std::string& name) const {
  const auto found = workers_.find(name);
  if (found == workers_.end() || found->second.front()->fence_ == 0) return nullptr;
  return found->second.front();
}

absl::Status Consumers::CheckSent(const std::string& name, int64_t fence,
                                  const engine::ChangeCursor& cursor) const {
  const Worker* const active = ActiveOf(name);
  if (active == nullptr || active->fence_ != fence || cursor <= active->sent_) return absl::OkStatus();
  return FieldError("cursor", "was not sent yet");
}

void Consumers::Acknowledged(const std::string& name, int64_t fence, const engine::ChangeCursor& cursor) {
  Worker* const active = ActiveOf(name);
  if (active == nullptr || active->fence_ != fence) return;
  auto& left = active->unacknowledged_;
  while (!left.empty() && left.front() <= cursor) left.pop_front();
  active->moved_time_ = steady_.Now();
  active->options_.waker.Wake();
}

void Consumers::FenceActive(const std::string& name) {
  if (Worker* const active = ActiveOf(name)) active->Fence();
}

void Consumers::FenceAll(const std::string& name) {
  for (auto found = workers_.find(name); found != workers_.end(); found = workers_.find(name)) {
    found->second.back()->Fence();
  }
}

Consumers::Status Consumers::StatusOf(const std::string& name) const {
  Status status;
  const auto found = workers_.find(name);
  if (found == workers_.end()) return status;
  status.waiting_count = static_cast<int32_t>(found->second.size());
  const Worker* const active = ActiveOf(name);
  if (active == nullptr) return status;
  --status.waiting_count;
  status.caller = active->options_.caller;
  status.peer = active->options_.peer;
  return status;
}

}  // namespace mailstead::stored
