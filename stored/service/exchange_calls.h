// The calls of an Exchange, one by one: checked, run, answered. Only .cc files of this folder include this.
#pragma once

#include <cstddef>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "mailstead/store/v1/exchange.pb.h"

namespace mailstead::store {

struct Environment;

struct OutgoingAnswer {
  // The last one of a call, or one with `more` set.
  v1::ExchangeAnswer answer;
  // How much memory of the call is free from now on.
  size_t freed_bytes = 0;
  // Run when the caller did not get it.
  absl::AnyInvocable<void()> undo;
};

// Where answers go: the stream that the calls came by. Thread-safe.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  virtual void Give(OutgoingAnswer answer) = 0;
  // Nobody waits any more: what costs something need not be begun.
  virtual bool abandoned() const = 0;
};

// What a call may hold in memory until its last answer is given.
size_t CostOf(const v1::ExchangeCall& call);

// Begins all calls of the request, and takes them out of it. Does not block: what does goes to the
// environment's pools.
void RunCalls(Environment& environment, v1::ExchangeRequest& request,
              const std::shared_ptr<AnswerSink>& sink);

}  // namespace mailstead::store
