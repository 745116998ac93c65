#include "webd/webhooks/senders.h"

#include <algorithm>
#include <utility>

#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/use_awaitable.hpp"
#include "common/base/reason.h"
#include "common/obs/log.h"
#include "common/store/webhook_methods.h"
#include "webd/metrics.h"

namespace mailstead::web {
namespace {

namespace fv1 = frontend::v1;

constexpr absl::Duration kBetweenClaims = absl::Seconds(1);
// At one turn, so that processes that are started together share them.
constexpr size_t kMostNew = 2;
constexpr absl::Duration kBetweenLooks = absl::Milliseconds(20);
constexpr absl::Duration kCutOffTime = absl::Seconds(2);

}  // namespace

Senders::Senders(store::StoreApi& store, net::IoThreads& threads, Metrics& metrics, SendersOptions options)
    : store_(store),
      metrics_(metrics),
      options_(std::move(options)),
      executor_(threads.first().get_executor()),
      leases_(store, heartbeat_.first().get_executor(), {.holder = options_.holder}),
      poster_(executor_, options_.poster),
      timer_(Timers::Steady().NewTimer(executor_)) {
  options_.sender.may_send = [this] { return leases_.Health().ok(); };
}

Senders::~Senders() = default;

void Senders::Start() {
  leases_.Start();
  running_ = true;
  asio::co_spawn(executor_, Run(), asio::detached);
}

asio::awaitable<void> Senders::Run() {
  while (!stopping_) {
    fv1::ClaimWebhooksRequest request;
    request.set_lease_id(leases_.lease_id());
    const size_t room = options_.max_webhooks - std::min(options_.max_webhooks, senders_.size());
    request.set_new_limit(static_cast<int32_t>(std::min(room, kMostNew)));
    store::CallContext context;
    context.timeout = options_.sender.store_timeout;
    const absl::StatusOr<fv1::ClaimWebhooksResponse> claimed =
        co_await store_.Call(store::kClaimWebhooks, std::move(request), std::move(context));
    if (stopping_) break;
    if (claimed.ok()) {
      failing_ = false;
      Take(*claimed);
    } else if (ReasonOf(claimed.status()) == kReasonNoLease) {
      (void)co_await leases_.RenewNow();
    } else if (!std::exchange(failing_, true)) {
      obs::LogWarning("webhooks_not_claimed", {{"reason", claimed.status().message()}});
    }
    metrics_.webhooks.Set(static_cast<double>(senders_.size()));
    metrics_.webhook_bytes.Set(static_cast<double>(held_bytes_));
    co_await timer_->WaitUntil(Timers::Steady().Now() + kBetweenClaims);
  }
  running_ = false;
}

void Senders::Take(const fv1::ClaimWebhooksResponse& claimed) {
  std::map<std::string, const fv1::ClaimedWebhook*> wanted;
  for (const fv1::ClaimedWebhook& webhook : claimed.webhooks()) wanted[webhook.webhook_id()] = &webhook;
  for (auto it = senders_.begin(); it != senders_.end();) {
    const auto found = wanted.find(it->first);
    if (found != wanted.end() && found->second->fence() == it->second->fence() && !it->second->fenced()) {
      it->second->Refresh(*found->second);
      ++it;
      continue;
    }
    it->second->Stop();
    ending_.push_back(std::move(it->second));
    it = senders_.erase(it);
  }
  std::erase_if(ending_, [](const std::unique_ptr<Sender>& sender) { return !sender->busy(); });
  for (const auto& [id, webhook] : wanted) {
    if (senders_.contains(id)) continue;
    // One that ends here may still post: by the next turn it has reported.
    const auto is_it = [&id = id](const std::unique_ptr<Sender>& sender) {
      return sender->webhook_id() == id;
    };
    if (std::any_of(ending_.begin(), ending_.end(), is_it)) continue;
    auto sender = std::make_unique<Sender>(executor_, store_, poster_, metrics_, held_bytes_, options_.sender,
                                           *webhook);
    sender->Start();
    senders_.emplace(id, std::move(sender));
  }
}

bool Senders::AnyBusy() const {
  const auto busy = [](const std::unique_ptr<Sender>& sender) { return sender->busy(); };
  if (running_ || std::any_of(ending_.begin(), ending_.end(), busy)) return true;
  return std::any_of(senders_.begin(), senders_.end(), [](const auto& each) { return each.second->busy(); });
}

asio::awaitable<void> Senders::End() {
  stopping_ = true;
  timer_->Cancel();
  for (const auto& [id, sender] : senders_) sender->Stop();
  const std::unique_ptr<Timer> pause = Timers::Steady().NewTimer(executor_);
  const auto wait = [this](Timer& timer, absl::Time until) -> asio::awaitable<void> {
    while (AnyBusy() && Timers::Steady().Now() < until) {
      co_await timer.WaitUntil(Timers::Steady().Now() + kBetweenLooks);
    }
  };
  co_await wait(*pause, Timers::Steady().Now() + options_.drain_timeout);
  poster_.Stop();
  co_await wait(*pause, Timers::Steady().Now() + kCutOffTime);
  co_await asio::co_spawn(heartbeat_.first(), leases_.End(), asio::use_awaitable);
}

}  // namespace mailstead::web
