#include "common/dns/ares_resolver.h"

#include <ares.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_set.h"
#include "asio/post.hpp"
#include "asio/steady_timer.hpp"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "common/dns/ares_channel.h"
#include "common/dns/limits.h"
#include "common/rpc/resume.h"

namespace mailstead::dns {
namespace {

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

absl::Status OpenFor(AresChannel& channel, const AresOptions& options) {
  ares_options wanted{};
  char no_lookup_file[] = "b";
  // Errors are answers, too, and ours to judge. EDNS stands here although the queries bring their own OPT: without it
  // c-ares throws UDP answers of more than 512 bytes away.
  wanted.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS;
  wanted.timeout = static_cast<int>(absl::ToInt64Milliseconds(options.try_timeout));
  wanted.tries = options.tries;
  wanted.ednspsz = kUdpPayloadBytes;
  wanted.lookups = no_lookup_file;
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ | ARES_OPT_LOOKUPS;
  return channel.Open(wanted, mask, options.servers);
}

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
  std::shared_ptr<AresChannel> channel;
};

}  // namespace

class AresResolver::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, AresOptions options)
      : executor_(std::move(executor)), options_(std::move(options)) {}

  absl::Status Start() {
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
    auto channel = std::make_shared<AresChannel>(executor_);
    RETURN_IF_ERROR(OpenFor(*channel, options_));
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
  void BeginWithNext(const std::shared_ptr<AresChannel>& channel, size_t silent_count) {
    std::vector<Server>& servers = options_.servers;
    if (channel_ != channel || servers.size() < 2) return;
    std::rotate(servers.begin(), servers.begin() + static_cast<ptrdiff_t>(silent_count % servers.size()),
                servers.end());
    Replace(channel);
  }

  // What is open ends on the old channel; the next question begins on a new one.
  void Replace(const std::shared_ptr<AresChannel>& channel) {
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
  std::shared_ptr<AresChannel> channel_;
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
