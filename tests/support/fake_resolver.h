// A DNS that says what a test has told it.
//
//   FakeResolver dns(time);
//   dns.Set("example.test", dns::Type::kMx, dns::Answered({dns::Mx{10, "mx.example.test"}}));
//   dns.SetDelay(absl::Seconds(3));                            // of `time`, which the test moves
//   dns.count("example.test", dns::Type::kMx)                  // how often it was asked
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "asio/this_coro.hpp"
#include "common/base/timers.h"
#include "common/dns/limits.h"
#include "common/dns/resolver.h"

namespace mailstead::dns {

// Answers as a test writes them: insecure, for a minute.
inline Answer Answered(std::vector<Record> records) {
  Answer answer;
  answer.outcome = Outcome::kAnswer;
  answer.records = std::move(records);
  answer.ttl = absl::Minutes(1);
  return answer;
}
inline Answer Absent(Outcome outcome) {
  Answer answer;
  answer.outcome = outcome;
  answer.ttl = absl::Minutes(1);
  return answer;
}
inline Answer Secure(Answer answer) {
  answer.secure = true;
  return answer;
}
inline Answer AliasOf(std::string canonical_name, Answer answer) {
  answer.canonical_name = std::move(canonical_name);
  return answer;
}

// Thread-safe. A name of which nothing was said does not exist; one of which something was said has no data of other
// types.
class FakeResolver final : public Resolver {
 public:
  explicit FakeResolver(Timers& timers) : timers_(timers) {}

  // From now on. Without a canonical name of its own the answer gets the name that was asked for.
  void Set(const std::string& name, Type type, Answer answer) {
    absl::MutexLock lock(&mutex_);
    answers_[{name, type}] = std::move(answer);
  }
  // Before each answer. An answer that comes after its deadline is kTimeout, at the deadline.
  void SetDelay(absl::Duration delay) {
    absl::MutexLock lock(&mutex_);
    delay_ = delay;
  }

  int count(const std::string& name, Type type) const {
    absl::MutexLock lock(&mutex_);
    const auto found = counts_.find({name, type});
    return found == counts_.end() ? 0 : found->second;
  }
  // "example.test MX", in the order of the questions.
  std::vector<std::string> asked() const {
    absl::MutexLock lock(&mutex_);
    return asked_;
  }

  asio::awaitable<Answer> Ask(Question question, absl::Time deadline) override {
    absl::AsciiStrToLower(&question.name);
    const absl::Time due = timers_.Now() + Count(question);
    if (due > timers_.Now()) {
      const std::unique_ptr<Timer> timer = timers_.NewTimer(co_await asio::this_coro::executor);
      co_await timer->WaitUntil(std::min(due, deadline));
    }
    if (deadline < due || deadline <= timers_.Now()) co_return Failed(Failure::kTimeout);
    co_return Find(question);
  }

 private:
  absl::Duration Count(const Question& question) {
    absl::MutexLock lock(&mutex_);
    ++counts_[{question.name, question.type}];
    asked_.push_back(absl::StrCat(question.name, " ", TypeText(question.type)));
    return delay_;
  }

  Answer Find(const Question& question) const {
    absl::MutexLock lock(&mutex_);
    Answer answer = Absent(Outcome::kNoName);
    for (const auto& [key, scripted] : answers_) {
      if (key.first != question.name) continue;
      if (key.second == question.type) {
        answer = scripted;
        break;
      }
      answer.outcome = Outcome::kNoData;
    }
    if (answer.canonical_name.empty() && answer.outcome != Outcome::kFailed)
      answer.canonical_name = question.name;
    return answer;
  }

  using Key = std::pair<std::string, Type>;
  Timers& timers_;
  mutable absl::Mutex mutex_;
  std::map<Key, Answer> answers_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, int> counts_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> asked_ ABSL_GUARDED_BY(mutex_);
  absl::Duration delay_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mailstead::dns
