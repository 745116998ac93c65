#include "common/dns/ares_resolver.h"

#include <ares.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "asio/posix/stream_descriptor.hpp"
#include "asio/post.hpp"
#include "asio/steady_timer.hpp"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "common/dns/limits.h"
#include "common/rpc/resume.h"

namespace mailstead::dns {
namespace {

absl::Status AresError(absl::string_view what, int status) {
  return absl::UnavailableError(absl::StrCat(what, ": ", ares_strerror(status)));
}

// Of the process; never undone, as other parts may use c-ares too.
absl::Status InitializeLibrary() {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  return status == ARES_SUCCESS ? absl::OkStatus() : AresError("c-ares", status);
}

Failure FailureOf(int status) {
  switch (status) {
    case ARES_ETIMEOUT:
      return Failure::kTimeout;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
      return Failure::kStopped;
    case ARES_EBADRESP:
      return Failure::kGarbled;
    default:
      return Failure::kUnreachable;
  }
}

// A c-ares channel with its sockets and its timer on an executor. Used there only. It keeps itself while it has sockets
// open.
class Channel : public std::enable_shared_from_this<Channel> {
 public:
  explicit Channel(const asio::any_io_executor& executor) : executor_(executor), timer_(executor) {}
  ~Channel() {
    if (channel_ != nullptr) ares_destroy(channel_);
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  absl::Status Open(const AresOptions& options) {
    ares_options wanted{};
    char no_lookup_file[] = "b";
    char no_configuration[] = "/dev/null";
    // Errors are answers, too, and ours to judge. EDNS stands here although the queries bring their own OPT: without it
    // c-ares throws UDP answers of more than 512 bytes away.
    wanted.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS;
    wanted.timeout = static_cast<int>(absl::ToInt64Milliseconds(options.try_timeout));
    wanted.tries = options.tries;
    wanted.ednspsz = kUdpPayloadBytes;
    wanted.lookups = no_lookup_file;
    wanted.sock_state_cb = &Channel::OnSocketState;
    wanted.sock_state_cb_data = this;
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ | ARES_OPT_LOOKUPS |
               ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE;
    if (!options.servers.empty()) {
      wanted.resolvconf_path = no_configuration;
      mask |= ARES_OPT_RESOLVCONF;
    }
    const int status = ares_init_options(&channel_, &wanted, mask);
    if (status != ARES_SUCCESS) return AresError("c-ares", status);
    return options.servers.empty() ? absl::OkStatus() : SetServers(options.servers);
  }

  std::vector<Server> Servers() const {
    std::vector<Server> servers;
    ares_addr_port_node* first = nullptr;
    if (ares_get_servers_ports(channel_, &first) != ARES_SUCCESS) return servers;
    for (const ares_addr_port_node* node = first; node != nullptr; node = node->next) {
      Server server;
      if (node->family == AF_INET) {
        asio::ip::address_v4::bytes_type bytes;
        std::memcpy(bytes.data(), &node->addr, bytes.size());
        server.address = asio::ip::address_v4(bytes);
      } else {
        asio::ip::address_v6::bytes_type bytes;
        std::memcpy(bytes.data(), &node->addr, bytes.size());
        server.address = asio::ip::address_v6(bytes);
      }
      if (node->udp_port != 0) server.port = static_cast<uint16_t>(node->udp_port);
      servers.push_back(server);
    }
    ares_free_data(first);
    return servers;
  }

  // `callback` is called once, perhaps within this call.
  void Send(absl::string_view query, ares_callback callback, void* argument) {
    ares_send(channel_, reinterpret_cast<const unsigned char*>(query.data()), static_cast<int>(query.size()),
              callback, argument);
    SetTimer();
  }

  // Everything that is open fails, within this call.
  void Cancel() {
    ares_cancel(channel_);
    SetTimer();
  }

  // False: a server did not know EDNS, and c-ares does without it from now on, towards every server.
  bool UsesEdns() const {
    ares_options now{};
    int mask = 0;
    if (ares_save_options(channel_, &now, &mask) != ARES_SUCCESS) return false;
    const bool uses = (now.flags & ARES_FLAG_EDNS) != 0;
    ares_destroy_options(&now);
    return uses;
  }

 private:
  // A socket that c-ares owns.
  struct Socket {
    Socket(const asio::any_io_executor& executor, int number) : descriptor(executor, number) {}
    asio::posix::stream_descriptor descriptor;
    bool wants_read = false;
    bool wants_write = false;
    bool waits_for_read = false;
    bool waits_for_write = false;
    bool closed = false;
  };

  absl::Status SetServers(const std::vector<Server>& servers) {
    std::vector<ares_addr_port_node> nodes(servers.size());
    for (size_t i = 0; i < servers.size(); ++i) {
      ares_addr_port_node& node = nodes[i];
      node.next = i + 1 < nodes.size() ? &nodes[i + 1] : nullptr;
      node.udp_port = node.tcp_port = servers[i].port;
      const asio::ip::address& address = servers[i].address;
      node.family = address.is_v4() ? AF_INET : AF_INET6;
      if (address.is_v4()) {
        const auto bytes = address.to_v4().to_bytes();
        std::memcpy(&node.addr, bytes.data(), bytes.size());
      } else {
        const auto bytes = address.to_v6().to_bytes();
        std::memcpy(&node.addr, bytes.data(), bytes.size());
      }
    }
    const int status = ares_set_servers_ports(channel_, nodes.data());
    return status == ARES_SUCCESS ? absl::OkStatus() : AresError("c-ares: servers", status);
  }

  static void OnSocketState(void* self, ares_socket_t number, int wants_read, int wants_write) {
    static_cast<Channel*>(self)->SetSocket(number, wants_read != 0, wants_write != 0);
  }

  void SetSocket(int number, bool wants_read, bool wants_write) {
    std::shared_ptr<Socket>& socket = sockets_[number];
    if (!wants_read && !wants_write) {
      // c-ares closes it right after this.
      if (socket != nullptr) {
        socket->closed = true;
        socket->descriptor.release();
      }
      sockets_.erase(number);
      return;
    }
    if (socket == nullptr) socket = std::make_shared<Socket>(executor_, number);
    socket->wants_read = wants_read;
    socket->wants_write = wants_write;
    Wait(number, socket);
  }

  void Wait(int number, const std::shared_ptr<Socket>& socket) {
    if (socket->wants_read && !std::exchange(socket->waits_for_read, socket->wants_read)) {
      socket->descriptor.async_wait(
          asio::posix::stream_descriptor::wait_read,
          [self = shared_from_this(), number, socket](const asio::error_code& error) {
            socket->waits_for_read = false;
            self->OnReady(number, socket, error, ARES_SOCKET_BAD);
          });
    }
    if (socket->wants_write && !std::exchange(socket->waits_for_write, socket->wants_write)) {
      socket->descriptor.async_wait(
          asio::posix::stream_descriptor::wait_write,
          [self = shared_from_this(), number, socket](const asio::error_code& error) {
            socket->waits_for_write = false;
            self->OnReady(ARES_SOCKET_BAD, socket, error, number);
          });
    }
  }

  // One of the numbers is ARES_SOCKET_BAD.
  void OnReady(int readable, const std::shared_ptr<Socket>& socket, const asio::error_code& error,
               int writable) {
    if (error || socket->closed) return;
    ares_process_fd(channel_, readable, writable);
    if (!socket->closed) Wait(readable != ARES_SOCKET_BAD ? readable : writable, socket);
    SetTimer();
  }

  void SetTimer() {
    timeval next{};
    if (ares_timeout(channel_, nullptr, &next) == nullptr) {
      timer_.cancel();
      return;
    }
    timer_.expires_after(std::chrono::seconds(next.tv_sec) + std::chrono::microseconds(next.tv_usec));
    timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (error) return;
      ares_process_fd(self->channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      self->SetTimer();
    });
  }

  const asio::any_io_executor executor_;
  ares_channel channel_ = nullptr;
  absl::flat_hash_map<int, std::shared_ptr<Socket>> sockets_;
  asio::steady_timer timer_;
};

// A question that c-ares has.
struct Open {
  Open(const asio::any_io_executor& executor, Question asked, rpc::Resumption<Answer> resume)
      : question(std::move(asked)), done(std::move(resume)), deadline(executor) {}

  void Finish(Answer answer) {
    if (std::exchange(finished, true)) return;
    deadline.cancel();
    done(std::move(answer));
  }

  const Question question;
  rpc::Resumption<Answer> done;
  asio::steady_timer deadline;
  // Whoever asked has been answered; c-ares may still try.
  bool finished = false;
  uint16_t id = 0;
  std::shared_ptr<Channel> channel;
};

}  // namespace

class AresResolver::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, AresOptions options)
      : executor_(std::move(executor)), options_(std::move(options)) {}

  absl::Status Start() {
    RETURN_IF_ERROR(InitializeLibrary());
    RETURN_IF_ERROR(OpenChannel());
    servers_ = channel_->Servers();
    options_.servers = servers_;
    trusted_ = AllTrusted(servers_, options_.trusted);
    return absl::OkStatus();
  }

  const std::vector<Server>& servers() const { return servers_; }
  bool trusted() const { return trusted_; }
  const asio::any_io_executor& executor() const { return executor_; }

  // The rest runs on the executor.

  void Ask(Question question, absl::Time deadline, rpc::Resumption<Answer> done) {
    auto open = std::make_shared<Open>(executor_, std::move(question), std::move(done));
    if (stopped_ || channel_ == nullptr) return open->Finish(Failed(Failure::kStopped));
    if (ids_.size() >= std::min(options_.max_open, kMaxOpenIds)) return open->Finish(Failed(Failure::kBusy));
    const absl::Duration left = deadline - Clock::Steady().Now();
    if (left <= absl::ZeroDuration()) return open->Finish(Failed(Failure::kTimeout));
    open->id = NewId();
    const absl::StatusOr<std::string> query = EncodeQuery(open->id, open->question);
    if (!query.ok()) {
      ids_.erase(open->id);
      return open->Finish(NoSuchName());
    }
    open->channel = channel_;
    open->deadline.expires_after(absl::ToChronoNanoseconds(std::min(left, kLongestWait)));
    open->deadline.async_wait([open](const asio::error_code& error) {
      if (!error) open->Finish(Failed(Failure::kTimeout));
    });
    channel_->Send(*query, &Impl::OnAnswer, new Call{shared_from_this(), open});
  }

  void Stop() {
    stopped_ = true;
    if (channel_ != nullptr) channel_->Cancel();
    channel_ = nullptr;
  }

 private:
  // What a call of ares_send carries.
  struct Call {
    std::shared_ptr<Impl> self;
    std::shared_ptr<Open> open;
  };

  // c-ares has given up by then, whatever the deadline.
  static constexpr absl::Duration kLongestWait = absl::Hours(1);

  absl::Status OpenChannel() {
    auto channel = std::make_shared<Channel>(executor_);
    RETURN_IF_ERROR(channel->Open(options_));
    channel_ = std::move(channel);
    return absl::OkStatus();
  }

  static Answer NoSuchName() {
    Answer answer;
    answer.outcome = Outcome::kNoName;
    answer.ttl = kMinTtl;
    return answer;
  }

  // SECURITY: an id that can be foreseen helps to forge answers (RFC 5452 section 4.3).
  uint16_t NewId() {
    for (;;) {
      uint16_t id;
      const std::string bytes = RandomBytes(sizeof(id));
      std::memcpy(&id, bytes.data(), sizeof(id));
      if (ids_.insert(id).second) return id;
    }
  }

  static void OnAnswer(void* argument, int status, int timeouts, unsigned char* packet, int size) {
    const std::unique_ptr<Call> call(static_cast<Call*>(argument));
    const std::shared_ptr<Open> open = call->open;
    Impl& self = *call->self;
    self.ids_.erase(open->id);
    // A channel is not destroyed within a call of its own.
    absl::Cleanup later = [&] { asio::post(self.executor_, [channel = std::move(open->channel)] {}); };
    if (status != ARES_SUCCESS || packet == nullptr) return open->Finish(Failed(FailureOf(status)));
    if (timeouts > 0) self.BeginWithNext(open->channel, static_cast<size_t>(timeouts));
    const absl::string_view bytes(reinterpret_cast<const char*>(packet), static_cast<size_t>(size));
    const absl::StatusOr<Response> response = ParseResponse(bytes, open->question);
    // One server without EDNS must not turn DNSSEC off for the others, nor for ever.
    if (response.ok() && !response->has_edns && !open->channel->UsesEdns()) {
      self.Replace(open->channel);
      return open->Finish(Failed(Failure::kNoEdns));
    }
    open->Finish(MakeAnswer(response, self.trusted_));
  }

  // c-ares asks the servers in the same order for every question, and would wait for a silent one each time.
  void BeginWithNext(const std::shared_ptr<Channel>& channel, size_t silent_count) {
    std::vector<Server>& servers = options_.servers;
    if (channel_ != channel || servers.size() < 2) return;
    std::rotate(servers.begin(), servers.begin() + static_cast<ptrdiff_t>(silent_count % servers.size()),
                servers.end());
    Replace(channel);
  }

  // What is open ends on the old channel; the next question begins on a new one.
  void Replace(const std::shared_ptr<Channel>& channel) {
    if (channel_ != channel) return;
    // Where that fails, the old one still answers.
    OpenChannel().IgnoreError();
  }

  const asio::any_io_executor executor_;
  // Its servers begin with the one to ask first.
  AresOptions options_;
  std::vector<Server> servers_;
  bool trusted_ = false;
  // Null once stopped.
  std::shared_ptr<Channel> channel_;
  absl::flat_hash_set<uint16_t> ids_;
  bool stopped_ = false;
};

absl::StatusOr<std::unique_ptr<AresResolver>> AresResolver::Start(asio::any_io_executor executor,
                                                                  const AresOptions& options) {
  auto impl = std::make_shared<Impl>(std::move(executor), options);
  RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<AresResolver>(new AresResolver(std::move(impl)));
}

AresResolver::AresResolver(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

AresResolver::~AresResolver() {
  asio::post(impl_->executor(), [impl = impl_] { impl->Stop(); });
}

asio::awaitable<Answer> AresResolver::Ask(Question question, absl::Time deadline) {
  const std::shared_ptr<Impl> impl = impl_;
  auto start = [impl, question = std::move(question), deadline](rpc::Resumption<Answer> done) mutable {
    asio::post(impl->executor(),
               [impl, question = std::move(question), deadline, done = std::move(done)]() mutable {
                 impl->Ask(std::move(question), deadline, std::move(done));
               });
  };
  co_return co_await rpc::AwaitResumption<Answer>(std::move(start));
}

const std::vector<Server>& AresResolver::servers() const { return impl_->servers(); }
bool AresResolver::trusted() const { return impl_->trusted(); }

}  // namespace mailstead::dns
