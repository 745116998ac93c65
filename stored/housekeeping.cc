#include "stored/housekeeping.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/base/task.h"
#include "common/net/pem_file.h"
#include "common/obs/log.h"
#include "stored/wait.h"

namespace mailstead::stored {
namespace {

constexpr absl::Duration kHealthPeriod = absl::Seconds(1);
constexpr absl::Duration kStatusPeriod = absl::Seconds(10);
constexpr absl::Duration kQueuePeriod = absl::Seconds(1);
constexpr absl::Duration kFeedPeriod = absl::Seconds(10);
// A stream whose key has expired has ended then.
constexpr absl::Duration kCallersPeriod = absl::Milliseconds(500);
constexpr absl::Duration kUsesPeriod = absl::Minutes(1);
// A retention is in days.
constexpr absl::Duration kExpiryPeriod = absl::Minutes(10);
constexpr absl::Duration kTrashPeriod = absl::Minutes(1);
constexpr absl::Duration kSweepPeriod = absl::Hours(1);

// All that is due, in steps between which calls go on.
Task<absl::Status> WorkOff(OutboundQueue& queue, Executor& executor, const std::atomic<bool>& stopping) {
  co_await ResumeOn(executor);
  for (bool more = true; more && !stopping;) {
    CO_ASSIGN_OR_RETURN(more, co_await queue.TakeBack());
  }
  // Before anything is given up as too old.
  for (bool more = true; more && !stopping;) {
    CO_ASSIGN_OR_RETURN(more, co_await queue.DeliverHere());
  }
  for (bool more = true; more && !stopping;) {
    CO_ASSIGN_OR_RETURN(more, co_await queue.Expire());
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Prepare(Srs& srs, Executor& executor, const std::atomic<bool>& stopping) {
  co_await ResumeOn(executor);
  CO_RETURN_IF_ERROR(co_await srs.Begin());
  for (bool more = true; more && !stopping;) {
    CO_ASSIGN_OR_RETURN(more, co_await srs.ForgetOld());
  }
  co_return absl::OkStatus();
}

Task<absl::Status> ForgetOld(Submissions& submissions, Executor& executor, absl::Time ended_before,
                             const std::atomic<bool>& stopping) {
  co_await ResumeOn(executor);
  for (bool more = true; more && !stopping;) {
    CO_ASSIGN_OR_RETURN(more, co_await submissions.Forget(ended_before));
  }
  co_return absl::OkStatus();
}

// Streams end whose keys have expired, and the audit's entries are written.
Task<absl::Status> LookAtCallers(Core& core, Admission& admission, Executor& executor) {
  co_await ResumeOn(executor);
  admission.Recheck();
  co_return co_await core.audit.Write(/*even_young=*/false);
}

Task<absl::Status> KeepKeys(Core& core, Executor& executor) {
  co_await ResumeOn(executor);
  CO_RETURN_IF_ERROR(co_await core.keys.Keep());
  co_return co_await core.audit.Forget();
}

// What a change of the directory could not learn at once.
Task<absl::Status> LearnRetention(Core& core, Executor& executor) {
  co_await ResumeOn(executor);
  co_return co_await core.directory.LearnLeastRetention();
}

Task<int64_t> CountLeftOut(Core& core, Executor& executor) {
  co_await ResumeOn(executor);
  co_return core.audit.left_out();
}

Task<int64_t> CountRelays(OutboundQueue& queue, Executor& executor) {
  co_await ResumeOn(executor);
  co_return queue.CountRelays();
}

struct FeedState {
  int64_t stream_count = 0;
  std::map<std::string, ConsumerLag> lags;
};

Task<absl::StatusOr<FeedState>> LookAtFeed(Core& core, Executor& executor) {
  co_await ResumeOn(executor);
  FeedState state;
  state.stream_count = static_cast<int64_t>(core.watches.stream_count());
  CO_ASSIGN_OR_RETURN(const std::vector<engine::FeedConsumer> consumers,
                      co_await core.engine.changes().ListConsumers("", engine::kMaxConsumers));
  for (const engine::FeedConsumer& consumer : consumers) {
    state.lags[consumer.name] = co_await LagOf(core.engine, core.clock, consumer);
  }
  co_return state;
}

}  // namespace

Task<absl::Status> KeepAll(Core& core, Executor& executor) {
  co_await ResumeOn(executor);
  CO_RETURN_IF_ERROR(co_await core.keys.Keep());
  co_return co_await core.audit.Write(/*even_young=*/true);
}

Routine::Routine(absl::Duration period, std::function<void()> work)
    : thread_([this, period, work = std::move(work)] {
        do {
          work();
        } while (!stop_.WaitForNotificationWithTimeout(period));
      }) {}

Routine::~Routine() {
  stop_.Notify();
  thread_.join();
}

Housekeeping::Housekeeping(engine::Engine& engine, Core& core, Executor& executor, Metrics& metrics,
                           prometheus::Registry& registry, TokenFiles& tokens, Admission& admission,
                           StoreServer& server, Options options)
    : engine_(engine),
      core_(core),
      executor_(executor),
      metrics_(metrics),
      tokens_(tokens),
      admission_(admission),
      server_(server),
      options_(std::move(options)) {
  if (!options_.tls_cert_file.empty()) certificate_.emplace(registry);
  watch_.emplace(kHealthPeriod, [this] {
    WatchHealth();
    WatchTokens();
  });
  gauges_.emplace(kStatusPeriod, [this] {
    SetCertificateEnd();
    SetGauges();
  });
  sweeps_.emplace(kSweepPeriod, [this] { Sweep(); });
  queue_.emplace(kQueuePeriod, [this] { WorkOnQueue(); });
  feed_.emplace(kFeedPeriod, [this] {
    TrimFeed();
    SetFeedGauges();
  });
  callers_.emplace(kCallersPeriod, [this] { WatchCallers(); });
  uses_.emplace(kUsesPeriod, [this] { KeepUses(); });
  expiry_.emplace(kExpiryPeriod, [this] { Expire(); });
  trash_.emplace(kTrashPeriod, [this] { EmptyTrash(); });
}

void Housekeeping::WorkOnQueue() {
  const absl::Status worked = Wait(WorkOff(core_.queue, executor_, stopping_));
  if (worked.ok() != was_queue_worked_on_ && !worked.ok()) {
    obs::LogWarning("queue_step_failed", {{"error", worked.ToString()}});
  }
  was_queue_worked_on_ = worked.ok();
}

void Housekeeping::TrimFeed() {
  for (bool more = true; more && !stopping_;) {
    const absl::StatusOr<bool> trimmed =
        Wait(engine_.changes().Trim(options_.change_age, options_.change_count));
    if (!trimmed.ok()) {
      obs::LogWarning("change_trim_failed", {{"error", trimmed.status().ToString()}});
      return;
    }
    more = *trimmed;
  }
}

void Housekeeping::Expire() {
  const absl::Status learned = Wait(LearnRetention(core_, executor_));
  if (!learned.ok()) obs::LogWarning("expiry_failed", {{"error", learned.ToString()}});
  int64_t count = 0;
  for (bool more = true; more && !stopping_;) {
    const absl::StatusOr<engine::UpkeepStep> step = Wait(engine_.messages().Expire());
    if (!step.ok()) {
      obs::LogWarning("expiry_failed", {{"error", step.status().ToString()}});
      break;
    }
    count += step->count;
    more = step->more;
    metrics_.CountExpired(step->count);
  }
  if (count > 0) obs::LogInfo("expired", {{"messages", count}});
}

void Housekeeping::EmptyTrash() {
  for (bool more = true; more && !stopping_;) {
    const absl::StatusOr<engine::UpkeepStep> emptied = Wait(engine_.messages().EmptyTrash());
    if (!emptied.ok()) {
      obs::LogWarning("trash_not_emptied", {{"error", emptied.status().ToString()}});
      return;
    }
    more = emptied->more;
    metrics_.CountPurged(emptied->count);
  }
}

void Housekeeping::SetFeedGauges() {
  const absl::StatusOr<FeedState> state = Wait(LookAtFeed(core_, executor_));
  if (!state.ok()) return;
  metrics_.SetFeed(engine_.changes().Bounds(), state->stream_count);
  metrics_.SetConsumers(state->lags);
}

Housekeeping::~Housekeeping() {
  stopping_ = true;
  engine_.upkeep().Stop();
}

void Housekeeping::SetGauges() {
  const absl::StatusOr<engine::EngineStatus> status = Wait(engine_.upkeep().Status());
  if (status.ok()) metrics_.SetEngine(*status);
  const absl::StatusOr<engine::QueueStatus> queue = Wait(engine_.queue().Status());
  if (queue.ok()) metrics_.SetQueue(*queue, Wait(CountRelays(core_.queue, executor_)), core_.clock.Now());
  metrics_.SetLockouts(core_.throttle.CountLockouts());
  metrics_.SetKeys(core_.keys.count());
  metrics_.SetAuditLeftOut(Wait(CountLeftOut(core_, executor_)));
}

void Housekeeping::WatchCallers() {
  const absl::Status looked = Wait(LookAtCallers(core_, admission_, executor_));
  if (looked.ok() != was_audit_written_ && !looked.ok()) {
    obs::LogWarning("audit_not_written", {{"error", looked.ToString()}});
  }
  was_audit_written_ = looked.ok();
}

void Housekeeping::KeepUses() {
  const absl::Status kept = Wait(KeepKeys(core_, executor_));
  if (kept.ok() != were_uses_kept_ && !kept.ok())
    obs::LogWarning("keys_not_kept", {{"error", kept.ToString()}});
  were_uses_kept_ = kept.ok();
}

void Housekeeping::SetCertificateEnd() {
  if (!certificate_.has_value()) return;
  const absl::StatusOr<net::PemFile> file = net::ReadPemFile(options_.tls_cert_file);
  if (!file.ok()) return;
  // What has no certificate in it is not taken into use either.
  const absl::Time end = net::ExpiryOf(file->bytes);
  if (end != absl::InfinitePast()) certificate_->Set(end);
}

void Housekeeping::PrepareSrs() {
  const absl::Status ready = Wait(Prepare(core_.srs, executor_, stopping_));
  if (!ready.ok()) obs::LogError("srs_not_ready", {{"error", ready.ToString()}});
}

void Housekeeping::ForgetSubmissions() {
  const absl::Time before = core_.clock.Now() - options_.submission_age;
  const absl::Status forgotten = Wait(ForgetOld(core_.submissions, executor_, before, stopping_));
  if (!forgotten.ok()) obs::LogWarning("sweep_failed", {{"error", forgotten.ToString()}});
}

void Housekeeping::Sweep() {
  PrepareSrs();
  ForgetSubmissions();
  const absl::Status swept = Wait(engine_.upkeep().Sweep(options_.receipt_age));
  // Cancelled: the store is about to end, and a sweep goes on where it was.
  if (swept.ok() || absl::IsCancelled(swept)) return;
  obs::LogWarning("sweep_failed", {{"error", swept.ToString()}});
}

void Housekeeping::WatchHealth() {
  const absl::Status health = engine_.upkeep().Health();
  metrics_.SetHealthy(health.ok());
  server_.SetServing(health.ok());
  if (health.ok() == was_healthy_) return;
  was_healthy_ = health.ok();
  if (was_healthy_) {
    obs::LogInfo("engine_recovered", {});
  } else {
    obs::LogError("engine_unhealthy", {{"error", health.ToString()}});
  }
}

void Housekeeping::WatchTokens() {
  const absl::Status read = tokens_.Look();
  if (read.ok() == were_tokens_read_) return;
  were_tokens_read_ = read.ok();
  if (!read.ok()) obs::LogError("token_not_read", {{"error", read.ToString()}});
}

}  // namespace mailstead::stored
