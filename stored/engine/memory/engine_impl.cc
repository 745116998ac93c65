#include "stored/engine/memory/engine_impl.h"

#include <set>

#include "common/base/check.h"
#include "common/base/random.h"

namespace mailstead::engine {
namespace {

constexpr size_t kIncarnationChars = 26;

class MemoryEngine final : public Engine {
 public:
  explicit MemoryEngine(MemoryOptions options)
      : shared_(std::move(options)),
        directory_(shared_),
        messages_(shared_),
        maildrops_(shared_),
        leases_(shared_),
        queue_(shared_),
        routes_(shared_),
        tls_reports_(shared_),
        sts_(shared_),
        dkim_(shared_),
        srs_(shared_),
        webhooks_(shared_),
        sending_(shared_),
        changes_(shared_),
        submissions_(shared_),
        keys_(shared_),
        audit_(shared_),
        upkeep_(shared_) {}

  DirectoryEngine& directory() override { return directory_; }
  MessageEngine& messages() override { return messages_; }
  MaildropEngine& maildrops() override { return maildrops_; }
  LeaseEngine& leases() override { return leases_; }
  QueueEngine& queue() override { return queue_; }
  RouteEngine& routes() override { return routes_; }
  TlsReportEngine& tls_reports() override { return tls_reports_; }
  StsEngine& sts() override { return sts_; }
  DkimEngine& dkim() override { return dkim_; }
  SrsEngine& srs() override { return srs_; }
  WebhookEngine& webhooks() override { return webhooks_; }
  SendingEngine& sending() override { return sending_; }
  ChangeEngine& changes() override { return changes_; }
  SubmissionEngine& submissions() override { return submissions_; }
  KeyEngine& keys() override { return keys_; }
  AuditEngine& audit() override { return audit_; }
  UpkeepEngine& upkeep() override { return upkeep_; }
  BackupEngine& backups() override { return backups_; }

 private:
  MemoryShared shared_;
  MemoryDirectory directory_;
  MemoryMessages messages_;
  MemoryMaildrops maildrops_;
  MemoryLeases leases_;
  MemoryQueue queue_;
  MemoryRoutes routes_;
  MemoryTlsReports tls_reports_;
  MemorySts sts_;
  MemoryDkim dkim_;
  MemorySrs srs_;
  MemoryWebhooks webhooks_;
  MemorySending sending_;
  MemoryChanges changes_;
  MemorySubmissions submissions_;
  MemoryKeys keys_;
  MemoryAudit audit_;
  MemoryUpkeep upkeep_;
  MemoryBackups backups_;
};

}  // namespace

std::unique_ptr<Engine> OpenMemoryEngine(MemoryOptions options) {
  return std::make_unique<MemoryEngine>(std::move(options));
}

MemoryStore::State::State() : incarnation(RandomId(kIncarnationChars)) {}

KeptAccount* MemoryStore::State::Find(AccountId id) {
  const auto it = accounts.find(id);
  return it == accounts.end() ? nullptr : &it->second;
}

MemoryStore::MemoryStore() : state_(std::make_unique<State>()) {}
MemoryStore::~MemoryStore() = default;

void MemoryStore::Damage(AccountId account, MessageId message) {
  absl::MutexLock lock(&state_->mutex);
  KeptAccount* kept = state_->Find(account);
  CHECK(kept != nullptr && kept->messages.contains(message));
  const std::shared_ptr<const KeptBody> before = kept->messages.at(message).body;
  KeptBody damaged = *before;
  CHECK(!damaged.content.empty());
  damaged.content[damaged.content.size() / 2] ^= 1;
  const auto after = std::make_shared<const KeptBody>(std::move(damaged));
  for (auto& [id, queued] : state_->queue.messages) {
    if (queued.body == before) queued.body = after;
  }
  for (auto& [id, each] : state_->accounts) {
    for (auto& [number, entry] : each.messages) {
      if (entry.body == before) entry.body = after;
    }
  }
}

int64_t MemoryStore::body_count() const {
  absl::MutexLock lock(&state_->mutex);
  std::set<const KeptBody*> bodies;
  for (const auto& [id, account] : state_->accounts) {
    for (const auto& [number, message] : account.messages) bodies.insert(message.body.get());
  }
  for (const auto& [id, queued] : state_->queue.messages) bodies.insert(queued.body.get());
  return static_cast<int64_t>(bodies.size());
}

int64_t MemoryStore::staged_body_count() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->staged_body_count;
}

int64_t MemoryStore::staged_bytes() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->staged_bytes;
}

MemoryShared::MemoryShared(MemoryOptions options)
    : store_(options.store != nullptr ? std::move(options.store) : std::make_shared<MemoryStore>()),
      clock_(*options.clock),
      lease_clock_(options.lease_clock != nullptr ? *options.lease_clock : *options.clock),
      executor_(options.executor),
      listing_counter_(RandomBytes(8)),
      queue_policy_(std::move(options.queue_policy)),
      dice_(std::move(options.dice)) {
  absl::MutexLock lock(&state().mutex);
  for (const auto& [lease_id, lease] : state().leases) deadlines_[lease_id] = lease_clock_.Now() + lease.ttl;
}

rules::LockState MemoryShared::StateOf(const KeptAccount& account) {
  rules::LockState found;
  if (!account.lock.has_value()) return found;
  found.lock = account.lock;
  found.lease = StateOf(account.lock->lease_id, account.lock->lease_number);
  return found;
}

rules::LeaseState MemoryShared::StateOf(const std::string& lease_id, int64_t lease_number) {
  const auto it = state().leases.find(lease_id);
  const rules::Lease* lease = it == state().leases.end() ? nullptr : &it->second;
  return rules::StateOf(lease, DeadlineOf(lease_id), lease_number, lease_clock_.Now());
}

int64_t MemoryShared::LiveNumber(const std::string& lease_id) {
  const auto it = state().leases.find(lease_id);
  if (it == state().leases.end() || lease_clock_.Now() >= DeadlineOf(lease_id)) return 0;
  return it->second.number;
}

absl::Time MemoryShared::DeadlineOf(const std::string& lease_id) {
  const auto it = deadlines_.find(lease_id);
  return it == deadlines_.end() ? absl::InfinitePast() : it->second;
}

void MemoryShared::SetDeadline(const std::string& lease_id) {
  deadlines_[lease_id] = lease_clock_.Now() + state().leases.at(lease_id).ttl;
}

void MemoryShared::ForgetLeases() {
  std::erase_if(state().leases, [&](const auto& lease) {
    return rules::IsForgotten(DeadlineOf(lease.first), lease_clock_.Now());
  });
}

}  // namespace mailstead::engine
