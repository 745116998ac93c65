// A resolver that asks the servers it is told, over UDP and, for long answers, TCP, by c-ares. It does not validate: of
// an answer's DNSSEC state it believes the servers that are trusted.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "common/dns/resolver.h"
#include "common/dns/server_list.h"

namespace mailstead::dns {

struct AresOptions {
  // Asked in this order, from the one on that answered when those before it were silent. Empty: the system's, of
  // /etc/resolv.conf.
  std::vector<Server> servers;
  // An answer is secure only when every server that is used is among these.
  std::vector<Server> trusted;
  // How long a server has for its answer at first; twice as long in each further round.
  absl::Duration try_timeout = absl::Seconds(2);
  // Rounds over all servers.
  int tries = 3;
  // Questions that may be open at a time, those included whose deadline has come but which c-ares still has; more fail
  // with kBusy. At most kMaxOpenIds.
  size_t max_open = 4096;
};

class AresResolver final : public Resolver {
 public:
  // Works on `executor`, which has one thread and outlives it. Unavailable: c-ares cannot start.
  static absl::StatusOr<std::unique_ptr<AresResolver>> Start(asio::any_io_executor executor,
                                                             const AresOptions& options);
  // What is open fails with kStopped.
  ~AresResolver() override;

  asio::awaitable<Answer> Ask(Question question, absl::Time deadline) override;

  // The servers that are used, in the order of the options.
  const std::vector<Server>& servers() const;
  // Whether what they say about DNSSEC is believed.
  bool trusted() const;

 private:
  class Impl;
  explicit AresResolver(std::shared_ptr<Impl> impl);

  // Shared with what waits on the executor.
  const std::shared_ptr<Impl> impl_;
};

}  // namespace mailstead::dns
