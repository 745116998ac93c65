// A resolver that keeps what another one answered, and asks it once for what many want to know at the same time.
#pragma once

#include <cstddef>
#include <memory>

#include "asio/any_io_executor.hpp"
#include "common/base/timers.h"
#include "common/dns/resolver.h"

namespace mailstead::dns {

struct CacheOptions {
  // What the answers may take, with what is around them; the one that was not used for longest goes first.
  size_t max_bytes = 16 << 20;
  // Questions that may be asked at a time; more fail with kBusy.
  size_t max_open = 4096;
  // How long the other resolver has. Whoever has less waits for less, and the answer is kept for the next.
  absl::Duration timeout = absl::Seconds(20);
};

class CachingResolver final : public Resolver {
 public:
  // What one question costs beside its answer, about.
  static constexpr size_t kEntryBytes = 256;

  // Questions go to `behind` on `executor`. All of them outlive it; executor and `behind` also what it has asked.
  CachingResolver(Resolver& behind, asio::any_io_executor executor, const CacheOptions& options,
                  Timers& timers);
  ~CachingResolver() override;

  // A failure is kept for a moment, too (kFailureTtl), but for those that say nothing of the
  // name: kBusy and kStopped.
  asio::awaitable<Answer> Ask(Question question, absl::Time deadline) override;

  // What is kept.
  size_t entry_count() const;
  size_t bytes() const;
  // Of the questions so far, how many were answered from what was kept, and how many have waited for another's answer.
  size_t hit_count() const;
  size_t shared_count() const;

  // Forgets everything that is kept.
  void Clear();

 private:
  class Impl;
  // Shared with what has been asked and was not answered yet.
  const std::shared_ptr<Impl> impl_;
};

}  // namespace mailstead::dns
