#include "common/dns/host_finder.h"

#include <ares.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "asio/post.hpp"
#include "asio/steady_timer.hpp"
#include "common/base/clock.h"
#include "common/dns/ares_channel.h"
#include "common/rpc/resume.h"

namespace mailstead::dns {
namespace {

using Addresses = std::vector<asio::ip::address>;
using Result = absl::StatusOr<Addresses>;

struct InfoDeleter {
  void operator()(ares_addrinfo* info) const { ares_freeaddrinfo(info); }
};

Addresses AddressesOf(const ares_addrinfo& info) {
  Addresses addresses;
  for (const ares_addrinfo_node* node = info.nodes; node != nullptr; node = node->ai_next) {
    asio::ip::address address;
    if (node->ai_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(node->ai_addr);
      address = asio::ip::address_v4(ntohl(v4->sin_addr.s_addr));
    } else if (node->ai_family == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(node->ai_addr);
      asio::ip::address_v6::bytes_type bytes;
      std::memcpy(bytes.data(), &v6->sin6_addr, bytes.size());
      address = asio::ip::address_v6(bytes, v6->sin6_scope_id);
    } else {
      continue;
    }
    const bool is_new = std::find(addresses.begin(), addresses.end(), address) == addresses.end();
    if (is_new && addresses.size() < HostFinder::kMaxAddresses) addresses.push_back(address);
  }
  return addresses;
}

absl::Status ErrorOf(const std::string& host, int status) {
  switch (status) {
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_EBADNAME:
      return absl::NotFoundError(absl::StrCat(host, " has no address in the DNS"));
    case ARES_ETIMEOUT:
      return absl::DeadlineExceededError(absl::StrCat(host, " cannot be looked up: no answer in time"));
    default:
      return absl::UnavailableError(absl::StrCat(host, " cannot be looked up: ", ares_strerror(status)));
  }
}

}  // namespace

class HostFinder::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, HostFinderOptions options)
      : executor_(std::move(executor)), options_(std::move(options)) {}

  void Find(std::string host, rpc::Resumption<Result> done) {
    absl::AsciiStrToLower(&host);
    if (stopped_) return done(Stopped());
    const auto kept = kept_.find(host);
    if (kept != kept_.end() && kept->second.until > Clock::Steady().Now())
      return done(kept->second.addresses);
    const auto open = open_.find(host);
    if (open != open_.end()) return open->second->waiting.push_back(std::move(done));
    if (open_.size() >= options_.max_open) {
      return done(absl::ResourceExhaustedError(absl::StrCat(host, " cannot be looked up: too many are")));
    }
    auto look_up = std::make_shared<LookUp>(executor_, std::move(host));
    look_up->waiting.push_back(std::move(done));
    Begin(look_up);
  }

  void Stop() {
    stopped_ = true;
    while (!open_.empty()) {
      const std::shared_ptr<LookUp> one = open_.begin()->second;
      Finish(one, Stopped());
    }
  }

 private:
  struct LookUp {
    LookUp(const asio::any_io_executor& executor, std::string name)
        : host(std::move(name)), channel(std::make_shared<AresChannel>(executor)), deadline(executor) {}
    const std::string host;
    // Of its own: it can be given up without the others, and reads the system's configuration as it is now.
    std::shared_ptr<AresChannel> channel;
    asio::steady_timer deadline;
    std::vector<rpc::Resumption<Result>> waiting;
    bool finished = false;
  };
  struct Kept {
    Addresses addresses;
    absl::Time until;
  };
  // What a call of c-ares carries.
  struct Call {
    std::shared_ptr<Impl> self;
    std::shared_ptr<LookUp> look_up;
  };

  static absl::Status Stopped() { return absl::CancelledError("no host is looked up any more"); }

  void Begin(const std::shared_ptr<LookUp>& look_up) {
    open_[look_up->host] = look_up;
    ares_options wanted{};
    wanted.timeout = static_cast<int>(absl::ToInt64Milliseconds(options_.try_timeout));
    wanted.tries = options_.tries;
    const absl::Status opened =
        look_up->channel->Open(wanted, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES, options_.servers);
    if (!opened.ok()) return Finish(look_up, opened);
    look_up->deadline.expires_after(absl::ToChronoNanoseconds(options_.timeout));
    look_up->deadline.async_wait([self = shared_from_this(), look_up](const asio::error_code& error) {
      if (!error) self->Finish(look_up, ErrorOf(look_up->host, ARES_ETIMEOUT));
    });
    look_up->channel->FindAddresses(look_up->host.c_str(), &Impl::OnFound,
                                    new Call{shared_from_this(), look_up});
  }

  static void OnFound(void* argument, int status, int, ares_addrinfo* found) {
    const std::unique_ptr<Call> call(static_cast<Call*>(argument));
    const std::unique_ptr<ares_addrinfo, InfoDeleter> info(found);
    const std::string& host = call->look_up->host;
    if (status != ARES_SUCCESS || info == nullptr) {
      return call->self->Finish(call->look_up, ErrorOf(host, status));
    }
    Addresses addresses = AddressesOf(*info);
    if (addresses.empty()) return call->self->Finish(call->look_up, ErrorOf(host, ARES_ENODATA));
    call->self->Keep(host, addresses);
    call->self->Finish(call->look_up, std::move(addresses));
  }

  void Keep(const std::string& host, const Addresses& addresses) {
    if (kept_.size() >= options_.max_kept) kept_.clear();
    kept_[host] = {addresses, Clock::Steady().Now() + options_.kept_for};
  }

  void Finish(const std::shared_ptr<LookUp>& look_up, Result result) {
    if (std::exchange(look_up->finished, true)) return;
    look_up->deadline.cancel();
    open_.erase(look_up->host);
    for (rpc::Resumption<Result>& done : look_up->waiting) done(result);
    look_up->waiting.clear();
    // Not within a call of the channel's own.
    asio::post(executor_, [channel = std::move(look_up->channel)] { channel->Cancel(); });
  }

  const asio::any_io_executor executor_;
  const HostFinderOptions options_;
  absl::flat_hash_map<std::string, Kept> kept_;
  absl::flat_hash_map<std::string, std::shared_ptr<LookUp>> open_;
  bool stopped_ = false;
};

HostFinder::HostFinder(asio::any_io_executor executor, HostFinderOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options))) {}

HostFinder::~HostFinder() { impl_->Stop(); }

void HostFinder::Stop() { impl_->Stop(); }

asio::awaitable<absl::StatusOr<std::vector<asio::ip::address>>> HostFinder::Find(std::string host) {
  const std::shared_ptr<Impl> impl = impl_;
  auto start = [impl, host = std::move(host)](rpc::Resumption<Result> done) mutable {
    impl->Find(std::move(host), std::move(done));
  };
  co_return co_await rpc::AwaitResumption<Result>(std::move(start));
}

}  // namespace mailstead::dns
