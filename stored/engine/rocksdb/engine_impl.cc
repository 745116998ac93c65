#include "stored/engine/rocksdb/engine_impl.h"

#include <rocksdb/env.h>

#include "common/base/check.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/backups.h"
#include "stored/engine/rocksdb/log_files.h"

namespace mailstead::engine {
namespace {

// Threads for Verify and Sweep.
constexpr size_t kBackgroundThreads = 2;
constexpr size_t kMaxWaitingBackground = 100;

// How long it is waited for what is being taken away, a little at a time, so that the engine can be closed meanwhile.
constexpr int kReclaimWaits = 100;
constexpr absl::Duration kReclaimWait = absl::Milliseconds(100);

RocksDbOptions WithEnv(RocksDbOptions options) {
  if (options.env == nullptr) options.env = rocksdb::Env::Default();
  return options;
}

class RocksDbEngine final : public Engine {
 public:
  explicit RocksDbEngine(RocksDbOptions options)
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
        upkeep_(shared_, leases_),
        backups_(shared_) {}
  ~RocksDbEngine() override {
    upkeep_.End();
    shared_.Close();
  }

  absl::Status Open() {
    RETURN_IF_ERROR(shared_.Open());
    RETURN_IF_ERROR(shared_.MarkUnfinishedMessages());
    RETURN_IF_ERROR(leases_.Load());
    upkeep_.Begin();
    return absl::OkStatus();
  }

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
  RocksDbShared shared_;
  RocksDbDirectory directory_;
  RocksDbMessages messages_;
  RocksDbMaildrops maildrops_;
  RocksDbLeases leases_;
  RocksDbQueue queue_;
  RocksDbRoutes routes_;
  RocksDbTlsReports tls_reports_;
  RocksDbSts sts_;
  RocksDbDkim dkim_;
  RocksDbSrs srs_;
  RocksDbWebhooks webhooks_;
  RocksDbSending sending_;
  RocksDbChanges changes_;
  RocksDbSubmissions submissions_;
  RocksDbKeys keys_;
  RocksDbAudit audit_;
  RocksDbUpkeep upkeep_;
  RocksDbBackups backups_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> OpenRocksDbEngine(RocksDbOptions options) {
  CHECK(options.executor != nullptr);
  auto engine = std::make_unique<RocksDbEngine>(std::move(options));
  RETURN_IF_ERROR(engine->Open());
  return std::unique_ptr<Engine>(std::move(engine));
}

RocksDbShared::RocksDbShared(RocksDbOptions options)
    : options_(WithEnv(std::move(options))),
      clock_(*options_.clock),
      lease_clock_(options_.lease_clock != nullptr ? *options_.lease_clock : steady_clock_),
      env_(rocksdb::NewCompositeEnv(std::make_shared<LogFileSystem>(options_.env->GetFileSystem()))),
      health_(*env_, options_.path, options_.min_free_bytes, lease_clock_),
      leases_(lease_clock_),
      listing_counter_(RandomBytes(8)) {}

absl::Status RocksDbShared::Open() {
  ASSIGN_OR_RETURN(database_, Database::Open(options_, *env_, health_));
  readers_ =
      std::make_unique<Readers>(*options_.executor, options_.reader_threads, options_.max_waiting_reads);
  background_ = std::make_unique<Readers>(*options_.executor, kBackgroundThreads, kMaxWaitingBackground);
  backup_thread_ = std::make_unique<Readers>(*options_.executor, 1, kMaxWaitingBackground);
  writer_ = std::make_unique<Writer>(*database_, *options_.executor, options_.max_waiting_changes,
                                     options_.max_waiting_bytes);
  return absl::OkStatus();
}

void RocksDbShared::Close() {
  if (writer_ != nullptr) writer_->Stop();
  backup_thread_.reset();
  background_.reset();
  readers_.reset();
  writer_.reset();
  // Where it fails the next start knows a little less.
  if (database_ != nullptr) database_->NoteAcknowledged().IgnoreError();
}

void RocksDbShared::NoteReclaim() {
  absl::MutexLock lock(&reclaim_mutex_);
  has_work_ = true;
}

Task<absl::Status> RocksDbShared::AwaitReclaimed(AccountId account) {
  if (!database().Hides(account)) co_return absl::OkStatus();
  if (!co_await background().Enter()) co_return Readers::TooMany();
  absl::Status outcome =
      absl::UnavailableError("what was deleted just now is still being put into the trash");
  for (int i = 0; i < kReclaimWaits && !outcome.ok() && !long_work_stopped(); ++i) {
    if (database().AwaitNoHiding(account, kReclaimWait)) outcome = absl::OkStatus();
  }
  co_await background().Leave();
  co_return outcome;
}

bool RocksDbShared::AwaitReclaim() {
  const auto wakes = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(reclaim_mutex_) {
    return has_work_ || long_work_stopped_;
  };
  absl::MutexLock lock(&reclaim_mutex_);
  reclaim_mutex_.Await(absl::Condition(&wakes));
  has_work_ = false;
  return !long_work_stopped_;
}

void RocksDbShared::StopLongWork() {
  {
    absl::MutexLock lock(&reclaim_mutex_);
    long_work_stopped_ = true;
  }
  if (database_ != nullptr) database_->StopCompacting();
}

bool RocksDbShared::long_work_stopped() {
  absl::MutexLock lock(&reclaim_mutex_);
  return long_work_stopped_;
}

absl::Status Stopped() { return absl::CancelledError("the engine is being closed"); }

bool RocksDbShared::Rest(absl::Duration time) {
  const auto stopped = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(reclaim_mutex_) { return long_work_stopped_; };
  absl::MutexLock lock(&reclaim_mutex_);
  return !reclaim_mutex_.AwaitWithTimeout(absl::Condition(&stopped), time);
}

absl::Status Scan(
    const Database::Use& use, Family family, absl::string_view first, absl::string_view end,
    absl::FunctionRef<absl::StatusOr<bool>(absl::string_view key, absl::string_view value)> visit,
    ScanSize size) {
  rocksdb::ReadOptions options = use.read_options();
  if (size == ScanSize::kVeryMuch) options.fill_cache = false;
  const rocksdb::Slice bound = ToSlice(end);
  if (!end.empty()) options.iterate_upper_bound = &bound;
  const std::unique_ptr<rocksdb::Iterator> it(use.db().NewIterator(options, use.family(family)));
  for (it->Seek(ToSlice(first)); it->Valid(); it->Next()) {
    ASSIGN_OR_RETURN(const bool go_on, visit(ToView(it->key()), ToView(it->value())));
    if (!go_on) return absl::OkStatus();
  }
  return use.Outcome(it->status());
}

}  // namespace mailstead::engine
