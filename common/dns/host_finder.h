// Where hosts are that an operator or a program of theirs has named: as the system finds them, by /etc/hosts and the DNS with its
// search list (/etc/resolv.conf), but without a thread that waits for it. By c-ares.
//
// Not for the domains of mail, of which it counts what DNSSEC proves: those are asked for by a Resolver.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "asio/ip/address.hpp"
#include "common/dns/server_list.h"

namespace mailstead::dns {

struct HostFinderOptions {
  // Of a look-up; nobody waits longer.
  absl::Duration timeout = absl::Seconds(15);
  // How long a host is where it was, and for how many that is known.
  absl::Duration kept_for = absl::Seconds(30);
  size_t max_kept = 1000;
  // Look-ups at a time; more fail at once.
  size_t max_open = 256;
  // How long a server has for its answer at first; and rounds over all servers.
  absl::Duration try_timeout = absl::Seconds(2);
  int tries = 3;
  // Who is asked; empty: the system's servers, as they are at that moment.
  std::vector<Server> servers;
};

// Used on its executor, of one thread.
class HostFinder {
 public:
  // Of one host; more are not of use.
  static constexpr size_t kMaxAddresses = 8;

  HostFinder(asio::any_io_executor executor, HostFinderOptions options);
  // What is open fails with Cancelled.
  ~HostFinder();
  HostFinder(const HostFinder&) = delete;
  HostFinder& operator=(const HostFinder&) = delete;

  // Each once, the best first; of those that ask for one host at the same time the first does it for all. NotFound: it has none.
  // DeadlineExceeded, Unavailable: that is not known. ResourceExhausted: too much is open. Cancelled: Stop.
  asio::awaitable<absl::StatusOr<std::vector<asio::ip::address>>> Find(std::string host);
  // What is open fails with Cancelled, and so does all that comes later.
  void Stop();

 private:
  class Impl;
  // Shared with what waits for an answer.
  const std::shared_ptr<Impl> impl_;
};

}  // namespace mailstead::dns
