// Who answers questions about the DNS.
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/dns/answer.h"

namespace mailstead::dns {

// Thread-safe.
class Resolver {
 public:
  virtual ~Resolver() = default;

  // Answers by `deadline`, a time of the steady clock: when none came, kFailed with kTimeout. A name that the DNS
  // cannot hold does not exist (kNoName). Called on an executor of one thread, and goes on there.
  virtual asio::awaitable<Answer> Ask(Question question, absl::Time deadline) = 0;
};

// Asks all at the same time; gives the answers in the order of the questions. How many these are is for the caller to
// bound.
asio::awaitable<std::vector<Answer>> AskAll(Resolver& resolver, std::vector<Question> questions,
                                            absl::Time deadline);

}  // namespace mailstead::dns
